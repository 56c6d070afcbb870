/*
 * grid.c - zk_parallel_for_2d: the tiles of a rectangle as one loop.
 *
 * Owns:   where a rectangle is cut.
 * Never:  schedules: a loop over the tiles' numbers does (loop.c).
 */
#include "private/bits.h"
#include "runtime/lane.h"

#define PARTS 32 /* of a range without a grain */

struct grid {
    zk_range_t rows, columns; /* their grains are not 0 */
    size_t across;            /* tiles in a row of them */
    zk_range_2d_fn body;
    void *arg;
};

static zk_range_t
with_grain(zk_range_t r)
{
    if (r.grain == 0)
        r.grain = zk_max_size((r.end - r.begin - 1) / PARTS + 1, 1);
    return r;
}

/* pre: begin < end */
static size_t
tiles(zk_range_t r)
{
    return (r.end - r.begin - 1) / r.grain + 1;
}

/* The i-th piece. Nothing wraps, however large the grain. */
static zk_range_t
piece(zk_range_t r, size_t i)
{
    size_t begin = r.begin + i * r.grain;

    return (zk_range_t){begin, begin + zk_min_size(r.grain, r.end - begin), 0};
}

static int
run_tiles(size_t begin, size_t end, void *arg)
{
    const struct grid *g = arg;

    for (size_t i = begin; i < end; i++) {
        zk_range_t rows = piece(g->rows, i / g->across);
        zk_range_t columns = piece(g->columns, i % g->across);
        int code =
            g->body(rows.begin, rows.end, columns.begin, columns.end, g->arg);

        if (code != 0)
            return code;
        if (zk_stopped())
            return 0; /* the loop has the code */
    }
    return 0;
}

zk_err_t
zk_parallel_for_2d(zk_range_t rows, zk_range_t columns, zk_range_2d_fn body,
                   void *arg)
{
    struct grid g = {.body = body, .arg = arg};

    if (body == NULL)
        return ZK_EINVAL;
    if (rows.begin >= rows.end || columns.begin >= columns.end)
        return ZK_OK;
    g.rows = with_grain(rows);
    g.columns = with_grain(columns);
    g.across = tiles(g.columns);
    if (tiles(g.rows) > SIZE_MAX / g.across)
        return ZK_EINVAL;
    return zk_parallel_for(0, tiles(g.rows) * g.across, 0, run_tiles, &g);
}
