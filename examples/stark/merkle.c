/*
 * merkle.c - see merkle.h.
 *
 * Owns:   the walk from a set of leaves to the root.
 * Never:  allocates.
 */
#include "merkle.h"

/* One level up: pairs meet, and who is alone gets a sibling from the proof. */
static size_t
climb(size_t *index, struct digest *node, size_t count, struct wire_reader *r)
{
    size_t out = 0;

    for (size_t i = 0; i < count; i++, out++) {
        struct digest own = node[i];
        size_t at = index[i];

        if (at % 2 == 0 && i + 1 < count && index[i + 1] == at + 1) {
            node[out] = hash_node(&own, &node[i + 1]);
            i++;
        } else {
            struct digest other = wire_take_digest(r);

            node[out] =
                at % 2 == 0 ? hash_node(&own, &other) : hash_node(&other, &own);
        }
        index[out] = at / 2;
    }
    return out;
}

bool
merkle_check(const struct digest *root, unsigned log_leaves, size_t *index,
             struct digest *node, size_t count, struct wire_reader *r)
{
    for (unsigned level = 0; level < log_leaves; level++)
        count = climb(index, node, count, r);
    return r->fault == WIRE_OK && count == 1 && digest_equal(node, root);
}

/* Insertion: there are some dozens. */
size_t
merkle_sort_unique(size_t *index, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        size_t value = index[i];
        size_t at = kept;

        while (at > 0 && index[at - 1] > value)
            at--;
        if (at > 0 && index[at - 1] == value)
            continue;
        for (size_t j = kept; j > at; j--)
            index[j] = index[j - 1];
        index[at] = value;
        kept++;
    }
    return kept;
}
