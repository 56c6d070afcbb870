/*
 * merkle_tree.h - a whole tree in memory: built in parallel, opened in places.
 *
 * Owns:   the tree's layout and its hashing.
 * Never:  allocates: the nodes' storage is the caller's.
 *
 * nodes[1] is the root, node i has the children 2i and 2i + 1, and leaf k is
 * nodes[leaves + k].
 */
#ifndef STARK_MERKLE_TREE_H
#define STARK_MERKLE_TREE_H

#include "domain.h"
#include "wire.h"

struct merkle_tree {
    struct digest *nodes; /* 2 * leaves of them; [0] is not used */
    size_t leaves;        /* a power of two */
};

static inline size_t
merkle_tree_bytes(size_t leaves)
{
    return 2 * leaves * sizeof(struct digest);
}

/* Leaf k hashes row k of the matrix, whose rows are as many as the leaves. */
int merkle_tree_of_matrix(struct merkle_tree *t, const struct matrix *m);

/* Leaf k hashes v[k], v[k + leaves], ...: `width` <= 8 elements. */
int merkle_tree_of_cosets(struct merkle_tree *t, const fq_t *v, unsigned width);

static inline const struct digest *
merkle_tree_root(const struct merkle_tree *t)
{
    return &t->nodes[1];
}

/* Appends the siblings that merkle_check() will take. Overwrites `index`. */
void merkle_tree_open(const struct merkle_tree *t, size_t *index, size_t count,
                      struct wire_writer *w);

#endif
