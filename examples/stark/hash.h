/*
 * hash.h - BLAKE2b-256, one flavour per purpose.
 *
 * Owns:   the door to libsodium, and the separation of domains: each purpose
 *         has its own 16-byte personalisation, so no hash of one kind can be
 *         passed off as another.
 * Never:  allocates.
 */
#ifndef STARK_HASH_H
#define STARK_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_BYTES          32u
#define HASH_COLLISION_BITS (4 * HASH_BYTES)

struct digest {
    uint8_t bytes[HASH_BYTES];
};

enum hash_purpose {
    HASH_LEAF,   /* a row of values of a Merkle tree */
    HASH_NODE,   /* two digests */
    HASH_ABSORB, /* transcript: the next state */
    HASH_DRAW,   /* transcript: challenge bytes */
    HASH_GRIND   /* transcript: proof of work */
};

/* Call once before anything else; false when libsodium cannot start. */
bool hash_start(void);

struct digest hash_bytes(enum hash_purpose purpose, const void *data, size_t n);

struct digest hash_node(const struct digest *left, const struct digest *right);

bool digest_equal(const struct digest *a, const struct digest *b);

#endif
