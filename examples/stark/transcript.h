/*
 * transcript.h - Fiat-Shamir: the verifier's coins, drawn from a hash.
 *
 * Owns:   the state that has absorbed everything said so far.
 * Never:  decides what is absorbed, or when (FORMAT.md lists it in order).
 *
 * absorb: state' = H_absorb(state | label | length | H_absorb(data))
 * draw:   block i after an absorb = H_draw(state | i); 8-byte words of it,
 *         little-endian; a word that is no canonical element is skipped
 *
 * Each label is 8 bytes, so the frame has one size, and no two different
 * sequences of absorbs lead to the same state but by a collision.
 */
#ifndef STARK_TRANSCRIPT_H
#define STARK_TRANSCRIPT_H

#include "ext.h"
#include "hash.h"

struct transcript {
    struct digest state;
    struct digest block;
    uint64_t blocks; /* drawn since the last absorb */
    unsigned offset; /* bytes of `block` that are used up */
};

void transcript_init(struct transcript *t);

/* label: at most 8 characters. */
void transcript_absorb(struct transcript *t, const char *label,
                       const void *data, size_t n);

fp_t transcript_draw_fp(struct transcript *t);
fq_t transcript_draw_fq(struct transcript *t);

/* An element outside the base field, where no point of any domain lies. */
fq_t transcript_draw_outside(struct transcript *t);

/* Uniform in [0, 2^bits). */
uint64_t transcript_draw_bits(struct transcript *t, unsigned bits);

/* Whether H_grind(state | nonce) starts with `bits` zero bits. */
bool transcript_work_done(const struct transcript *t, uint64_t nonce,
                          unsigned bits);

#endif
