/*
 * field.h - the Goldilocks field, p = 2^64 - 2^32 + 1, one element at a time.
 *
 * Owns:   arithmetic on canonical elements: every fp_t in this program is
 *         smaller than p, between any two statements.
 * Never:  uses vector instructions (lanes_avx512.h does), never runs in
 *         secret-independent time: proving is not a signing service.
 *
 * With e = 2^32 - 1 we have 2^64 = e and 2^96 = -1 (mod p), so a product of 128
 * bits reduces with one subtraction, one short product and one addition.
 */
#ifndef STARK_FIELD_H
#define STARK_FIELD_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t fp_t;
__extension__ typedef unsigned __int128 fp_wide_t;

#define FP_P   UINT64_C(0xffffffff00000001)
#define FP_EPS UINT64_C(0x00000000ffffffff)

/* Generates the multiplicative group, so it is no square either. */
#define FP_GENERATOR UINT64_C(7)

/* 2^32 divides p - 1, and no higher power does. */
#define FP_TWO_ADICITY 32u

/*
 * e if the carry is set, else 0. Carries are unpredictable: with branches on
 * them a permutation took 3 times as long. The empty statement keeps the
 * compiler from making a branch of it again.
 */
static inline uint64_t
fp_eps_if(int carry)
{
    uint64_t mask = 0 - (uint64_t)carry;

    __asm__("" : "+r"(mask));
    return FP_EPS & mask;
}

static inline fp_t
fp_sub(fp_t a, fp_t b)
{
    return a - b - fp_eps_if(a < b); /* 2^64 - e = p */
}

/* a - (p - b); p - b may be p itself, and then the borrow adds p again. */
static inline fp_t
fp_add(fp_t a, fp_t b)
{
    return fp_sub(a, FP_P - b);
}

static inline fp_t
fp_neg(fp_t a)
{
    return fp_sub(0, a);
}

/* hi * 2^64 + lo, canonical. */
static inline fp_t
fp_reduce(uint64_t lo, uint64_t hi)
{
    uint64_t top = hi >> 32;               /* weighs 2^96 = -1 */
    uint64_t mid = (hi & FP_EPS) * FP_EPS; /* weighs 2^64 = e */
    uint64_t r = lo - top;

    r -= fp_eps_if(lo < top); /* we borrowed 2^64: give e back */
    r += mid;
    r += fp_eps_if(r < mid); /* we lost 2^64: r is small, no second carry */
    return r + fp_eps_if(r >= FP_P); /* r - p = r + e - 2^64 */
}

static inline fp_t
fp_mul(fp_t a, fp_t b)
{
    fp_wide_t w = (fp_wide_t)a * b;

    return fp_reduce((uint64_t)w, (uint64_t)(w >> 64));
}

static inline fp_t
fp_square(fp_t a)
{
    return fp_mul(a, a);
}

fp_t fp_pow(fp_t base, uint64_t exponent);

/* 1/a, and 0 for 0. */
fp_t fp_inverse(fp_t a);

/* A root of unity of order exactly 2^log_order; log_order <= 32. */
fp_t fp_root(unsigned log_order);

/*
 * Replaces each of v[0..n) by its inverse; one inversion and 3n products.
 * Zero stays zero. `scratch` has room for n elements.
 */
void fp_batch_inverse(fp_t *v, size_t n, fp_t *scratch);

#endif
