/*
 * merkle.h - checking that rows belong to a tree, many rows at once.
 *
 * Owns:   which digests an opening needs, and in which order.
 * Never:  sees a whole tree (merkle_tree.h does).
 *
 * An opening of a set of leaves lists, level by level from the leaves up and
 * from left to right, the siblings that cannot be computed from the set itself.
 * So no digest is sent twice and none is left unused.
 */
#ifndef STARK_MERKLE_H
#define STARK_MERKLE_H

#include "wire.h"

/*
 * Whether the leaves with these digests, at these strictly ascending places,
 * lie under the root; the siblings are taken from r. Overwrites both arrays.
 * count > 0; every index is smaller than 2^log_leaves.
 */
bool merkle_check(const struct digest *root, unsigned log_leaves, size_t *index,
                  struct digest *node, size_t count, struct wire_reader *r);

/* Sorts and drops repetitions; returns how many are left. */
size_t merkle_sort_unique(size_t *index, size_t count);

#endif
