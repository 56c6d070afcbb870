/*
 * poseidon2.c - the permutation and the sponge on plain field elements.
 *
 * Owns:   the reference that the trace and the constraints are tested against.
 * Never:  allocates.
 */
#include "poseidon2.h"

#include <string.h>

#include "lanes_portable.h"
#include "poseidon2_layers.h"

static void
full_round(fp_t s[P2_WIDTH], const fp_t constants[P2_WIDTH])
{
    for (unsigned i = 0; i < P2_WIDTH; i++)
        s[i] = p2_sbox(fp_add(s[i], constants[i]));
    p2_external(s);
}

void
poseidon2_permute(fp_t s[P2_WIDTH])
{
    p2_external(s);
    for (unsigned r = 0; r < P2_FULL / 2; r++)
        full_round(s, p2_full_constants[r]);
    for (unsigned r = 0; r < P2_PARTIAL; r++) {
        s[0] = p2_sbox(fp_add(s[0], p2_partial_constants[r]));
        p2_internal(s);
    }
    for (unsigned r = P2_FULL / 2; r < P2_FULL; r++)
        full_round(s, p2_full_constants[r]);
}

void
sponge_block(const uint8_t *file, uint64_t n, size_t index,
             uint8_t block[7 * P2_RATE])
{
    const uint64_t size = 7 * P2_RATE;
    uint64_t start = index * size;

    memset(block, 0, size);
    if (start > n)
        return;

    uint64_t left = n - start;

    if (left >= size) {
        memcpy(block, file + start, size);
        return;
    }
    if (left > 0)
        memcpy(block, file + start, left);
    block[left] = 0x01;
}

fp_t
sponge_element(const uint8_t block[7 * P2_RATE], unsigned i)
{
    fp_t e = 0;

    for (unsigned k = 7; k-- > 0;)
        e = e << 8 | block[7 * i + k];
    return e;
}

void
sponge_digest(const uint8_t *file, uint64_t n, fp_t digest[P2_DIGEST])
{
    fp_t state[P2_WIDTH] = {0};
    uint8_t block[7 * P2_RATE];

    for (size_t b = 0; b < sponge_blocks(n); b++) {
        sponge_block(file, n, b, block);
        for (unsigned i = 0; i < P2_RATE; i++)
            state[i] = fp_add(state[i], sponge_element(block, i));
        poseidon2_permute(state);
    }
    memcpy(digest, state, P2_DIGEST * sizeof digest[0]);
}
