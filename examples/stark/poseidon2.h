/*
 * poseidon2.h - the permutation, and the sponge that digests a file.
 *
 * Owns:   the public function of the proof: bytes to 4 field elements.
 * Never:  keeps the input.
 *
 * Sponge: the bytes are followed by 0x01 and zeros up to a multiple of 56. Each
 * 7 bytes, little-endian, make an element; 8 elements are added to the first 8
 * places of the state and the permutation runs once. The first 4 elements after
 * the last permutation are the digest.
 */
#ifndef STARK_POSEIDON2_H
#define STARK_POSEIDON2_H

#include "poseidon2_constants.h"

void poseidon2_permute(fp_t state[P2_WIDTH]);

/* Permutations that the sponge needs for n bytes. */
static inline size_t
sponge_blocks(uint64_t n)
{
    return (size_t)(n / (UINT64_C(7) * P2_RATE)) + 1;
}

/* The 56 bytes of block `index`, padding included; zeros past the last one. */
void sponge_block(const uint8_t *file, uint64_t n, size_t index,
                  uint8_t block[7 * P2_RATE]);

/* Element i < 8 of a block. */
fp_t sponge_element(const uint8_t block[7 * P2_RATE], unsigned i);

void sponge_digest(const uint8_t *file, uint64_t n, fp_t digest[P2_DIGEST]);

#endif
