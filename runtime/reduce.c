/*
 * reduce.c - sums and running sums with a fixed tree.
 *
 * Owns:   the cells of a reduction: how many there are, and where they begin.
 * Never:  lets that, or the order of what is combined, depend on who runs it.
 *
 *     cells      0   1   2   3   4          v[i] is the sum of cell i,
 *                 \ /     \ /    |          then of its subtree
 *                  0       2     |
 *                   \     /      |
 *                      0         |
 *                       \       /
 *                           0
 *
 * The tree is walked by forks: a left half is a call, a right half is a fork. Each
 * has the values of its cells to itself, and the join orders them.
 */
#include <string.h>

#include "private/bits.h"
#include "private/check.h"
#include "runtime/lane.h"

#define CELLS_MAX ((size_t)1024)
#define ALIGNMENT ((size_t)64)

struct reduction {
    const zk_reduction_t *r;
    size_t begin, end;
    size_t grain; /* of a call */
    size_t cell;  /* iterations in one, a multiple of grain */
    size_t cells;
    size_t stride; /* bytes from value to value */
    char *v;
    zk_scan_fn scan;
    _Atomic int error; /* the first code: the rest is skipped */
};

struct subtree {
    struct reduction *red;
    size_t first, count; /* cells */
};

/* pre: begin < end. Nothing wraps: a cell is at most the whole range. */
static void
cut(struct reduction *red, size_t grain)
{
    size_t n = red->end - red->begin;
    size_t cell = (n - 1) / CELLS_MAX + 1;

    if (grain != 0) {
        grain = zk_min_size(grain, n);
        cell = zk_min_size(((cell - 1) / grain + 1), SIZE_MAX / grain) * grain;
    }
    red->cell = zk_min_size(cell, n);
    red->grain = grain != 0 ? grain : red->cell;
    red->cells = (n - 1) / red->cell + 1;
    red->stride = zk_round_up(red->r->bytes, ALIGNMENT);
}

static void *
value(const struct reduction *red, size_t i)
{
    return red->v + i * red->stride;
}

static void
fail(struct reduction *red, int code)
{
    int none = 0;

    (void)zk_cas_acq_rel(&red->error, &none, code);
}

static bool
stopped(struct reduction *red)
{
    if (zk_load_relaxed(&red->error) != 0)
        return true;
    if (!zk_stopped())
        return false;
    fail(red, ZK_ECANCELED);
    return true;
}

/* fold or body over cell i, in calls of the grain. */
static void
run_cell(struct reduction *red, size_t i, zk_scan_fn fn)
{
    size_t begin = red->begin + i * red->cell;
    size_t end = begin + zk_min_size(red->cell, red->end - begin);
    struct zk_scratch_frame none = zk__scratch_enter();

    while (begin < end && !stopped(red)) {
        size_t n = zk_min_size(red->grain, end - begin);
        int code = fn(begin, begin + n, value(red, i), red->r->arg);

        zk__scratch_leave(&none);
        if (code != 0)
            fail(red, code);
        begin += n;
    }
    zk__scratch_leave(&none);
}

static int
sum_up(void *arg)
{
    const struct subtree *t = arg;
    struct reduction *red = t->red;
    struct subtree left = {red, t->first, t->count / 2};
    struct subtree right = {red, t->first + t->count / 2,
                            t->count - t->count / 2};
    int code;

    if (t->count == 1) {
        memcpy(value(red, t->first), red->r->identity, red->r->bytes);
        run_cell(red, t->first, red->r->fold);
        return 0;
    }
    code = zk_parallel_invoke(sum_up, &left, sum_up, &right);
    if (code != 0)
        fail(red, code); /* skipped */
    else if (!stopped(red))
        red->r->combine(value(red, left.first), value(red, right.first),
                        red->r->arg);
    return 0;
}

static int
fold_cells(size_t begin, size_t end, void *arg)
{
    struct reduction *red = arg;

    for (; begin < end; begin++) {
        memcpy(value(red, begin), red->r->identity, red->r->bytes);
        run_cell(red, begin, red->r->fold);
    }
    return zk_load_relaxed(&red->error);
}

static int
scan_cells(size_t begin, size_t end, void *arg)
{
    struct reduction *red = arg;

    for (; begin < end; begin++)
        run_cell(red, begin, red->scan);
    return zk_load_relaxed(&red->error);
}

/* Each cell's value becomes the sum of all before it; returns the sum of all. */
static void *
run_sums(struct reduction *red)
{
    void *sum = value(red, red->cells), *own = value(red, red->cells + 1);
    size_t bytes = red->r->bytes;

    memcpy(sum, red->r->identity, bytes);
    for (size_t i = 0; i < red->cells; i++) {
        memcpy(own, value(red, i), bytes);
        memcpy(value(red, i), sum, bytes);
        red->r->combine(sum, own, red->r->arg);
    }
    return sum;
}

static bool
is_valid(const zk_reduction_t *r)
{
    return r != NULL && r->size == sizeof *r && r->bytes != 0 &&
           r->identity != NULL && r->fold != NULL && r->combine != NULL;
}

/* Memory for the cells and two values more. False: none. */
static bool
open_cells(struct reduction *red, size_t grain)
{
    cut(red, grain);
    if (red->r->bytes > SIZE_MAX / (2 * (CELLS_MAX + 2)))
        return false;
    red->v = zk_aligned_alloc(ALIGNMENT, (red->cells + 2) * red->stride);
    return red->v != NULL;
}

static int
sum_up_all(size_t begin, size_t end, void *arg)
{
    struct reduction *red = arg;
    struct subtree all = {red, 0, red->cells};

    (void)begin;
    (void)end;
    (void)sum_up(&all);
    return zk_load_relaxed(&red->error);
}

zk_err_t
zk_parallel_reduce(size_t begin, size_t end, size_t grain,
                   const zk_reduction_t *r, void *result)
{
    struct reduction red = {.r = r, .begin = begin, .end = end};
    zk_err_t err;

    if (!is_valid(r) || result == NULL)
        return ZK_EINVAL;
    if (begin >= end) {
        memcpy(result, r->identity, r->bytes);
        return ZK_OK;
    }
    if (!open_cells(&red, grain))
        return ZK_ENOMEM;
    /* A loop of one iteration: so the caller's share is a task's, too. */
    err = zk_parallel_for(0, 1, 1, sum_up_all, &red);
    if (err == ZK_OK)
        memcpy(result, value(&red, 0), r->bytes);
    zk_free(red.v);
    return err;
}

zk_err_t
zk_parallel_scan(size_t begin, size_t end, size_t grain,
                 const zk_reduction_t *r, zk_scan_fn body, void *total)
{
    struct reduction red = {.r = r, .begin = begin, .end = end, .scan = body};
    zk_err_t err;

    if (!is_valid(r) || body == NULL)
        return ZK_EINVAL;
    if (begin >= end) {
        if (total != NULL)
            memcpy(total, r->identity, r->bytes);
        return ZK_OK;
    }
    if (!open_cells(&red, grain))
        return ZK_ENOMEM;
    err = zk_parallel_for(0, red.cells, 0, fold_cells, &red);
    if (err == ZK_OK) {
        const void *sum = run_sums(&red);

        if (total != NULL)
            memcpy(total, sum, r->bytes);
        err = zk_parallel_for(0, red.cells, 0, scan_cells, &red);
    }
    zk_free(red.v);
    return err;
}
