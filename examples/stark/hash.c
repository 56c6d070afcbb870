/*
 * hash.c - see hash.h.
 *
 * Owns:   the personalisation strings.
 * Never:  keeps state.
 */
#include "hash.h"

#include <sodium.h>
#include <string.h>

#define PERSONAL_BYTES crypto_generichash_blake2b_PERSONALBYTES

static const char personal[][PERSONAL_BYTES + 1] = {
    [HASH_LEAF] = "zkrt-stark1 leaf",   [HASH_NODE] = "zkrt-stark1 node",
    [HASH_ABSORB] = "zkrt-stark1 absb", [HASH_DRAW] = "zkrt-stark1 draw",
    [HASH_GRIND] = "zkrt-stark1 work",
};

bool
hash_start(void)
{
    return sodium_init() >= 0;
}

struct digest
hash_bytes(enum hash_purpose purpose, const void *data, size_t n)
{
    struct digest d;

    /* It fails on lengths out of range only, and ours are constant. */
    (void)crypto_generichash_blake2b_salt_personal(
        d.bytes, sizeof d.bytes, data, n, NULL, 0, NULL,
        (const unsigned char *)personal[purpose]);
    return d;
}

struct digest
hash_node(const struct digest *left, const struct digest *right)
{
    struct digest pair[2] = {*left, *right};

    return hash_bytes(HASH_NODE, pair, sizeof pair);
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
