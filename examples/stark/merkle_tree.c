/*
 * merkle_tree.c - see merkle_tree.h.
 *
 * Owns:   the transposition from columns to rows, in tiles that fit the cache.
 * Never:  keeps a row after it has been hashed.
 */
#include "merkle_tree.h"

#include <zkrt/zkrt.h>

#include "bytes.h"

/* Two cache lines of a column; 16 rows of 187 elements are 24 KiB of stack. */
#define TILE_ROWS 16u

struct leaf_job {
    struct merkle_tree *tree;
    const struct matrix *matrix;
    const fq_t *values;
    unsigned width;
};

static void
hash_tile(const struct leaf_job *job, size_t first)
{
    const struct matrix *m = job->matrix;
    uint8_t row[TILE_ROWS][AIR_MAIN * 8];

    for (size_t c = 0; c < m->columns; c++) {
        const fp_t *v = matrix_column(m, c) + first;

        for (size_t i = 0; i < TILE_ROWS; i++)
            bytes_put64(row[i] + 8 * c, v[i]);
    }
    for (size_t i = 0; i < TILE_ROWS; i++)
        job->tree->nodes[job->tree->leaves + first + i] =
            hash_bytes(HASH_LEAF, row[i], m->columns * 8);
}

static int
hash_tiles(size_t begin, size_t end, void *arg)
{
    const struct leaf_job *job = arg;

    for (size_t tile = begin; tile < end; tile++)
        hash_tile(job, tile * TILE_ROWS);
    return 0;
}

static int
hash_cosets(size_t begin, size_t end, void *arg)
{
    const struct leaf_job *job = arg;
    size_t leaves = job->tree->leaves;
    uint8_t row[8 * 16];

    for (size_t k = begin; k < end; k++) {
        for (size_t i = 0; i < job->width; i++) {
            fq_t v = job->values[k + i * leaves];

            bytes_put64(row + 16 * i, v.a);
            bytes_put64(row + 16 * i + 8, v.b);
        }
        job->tree->nodes[leaves + k] =
            hash_bytes(HASH_LEAF, row, job->width * (size_t)16);
    }
    return 0;
}

static int
hash_pairs(size_t begin, size_t end, void *arg)
{
    struct merkle_tree *t = arg;

    for (size_t i = begin; i < end; i++)
        t->nodes[i] = hash_node(&t->nodes[2 * i], &t->nodes[2 * i + 1]);
    return 0;
}

static int
hash_levels(struct merkle_tree *t)
{
    for (size_t level = t->leaves / 2; level > 0; level /= 2) {
        int err = zk_parallel_for(level, 2 * level, 0, hash_pairs, t);

        if (err != ZK_OK)
            return err;
    }
    return 0;
}

int
merkle_tree_of_matrix(struct merkle_tree *t, const struct matrix *m)
{
    struct leaf_job job = {.tree = t, .matrix = m};
    int err = zk_parallel_for(0, t->leaves / TILE_ROWS, 0, hash_tiles, &job);

    return err != ZK_OK ? err : hash_levels(t);
}

int
merkle_tree_of_cosets(struct merkle_tree *t, const fq_t *v, unsigned width)
{
    struct leaf_job job = {.tree = t, .values = v, .width = width};
    int err = zk_parallel_for(0, t->leaves, 0, hash_cosets, &job);

    return err != ZK_OK ? err : hash_levels(t);
}

void
merkle_tree_open(const struct merkle_tree *t, size_t *index, size_t count,
                 struct wire_writer *w)
{
    for (size_t level = t->leaves; level > 1; level /= 2) {
        size_t out = 0;

        for (size_t i = 0; i < count; i++, out++) {
            size_t at = index[i];

            if (at % 2 == 0 && i + 1 < count && index[i + 1] == at + 1)
                i++;
            else
                wire_put(w, &t->nodes[level + (at ^ 1)], sizeof t->nodes[0]);
            index[out] = at / 2;
        }
        count = out;
    }
}
