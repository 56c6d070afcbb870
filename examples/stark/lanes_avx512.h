/*
 * lanes_avx512.h - eight field elements in a 512-bit register.
 *
 * Owns:   the words v_* for AVX-512F, and the two shuffles that butterflies
 *         shorter than a register need.
 * Never:  is included by a file that is not compiled for AVX-512F, or that may
 *         run before kernels.c has asked the processor.
 *
 * Every lane is canonical, as everywhere else (field.h). There is no 64 x 64
 * product of 128 bits, so a product is four of 32 x 32 and the reduction is
 * that of fp_reduce(), with masks where it has branches.
 */
#ifndef STARK_LANES_H
#define STARK_LANES_H

#include <immintrin.h>

#include "field.h"

#define V_LANES 8u

typedef __m512i v_t;

static inline v_t
v_load(const fp_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline void
v_store(fp_t *p, v_t v)
{
    _mm512_storeu_si512(p, v);
}

static inline v_t
v_const(fp_t c)
{
    return _mm512_set1_epi64((long long)c);
}

static inline v_t
v_sub(v_t a, v_t b)
{
    __mmask8 borrow = _mm512_cmplt_epu64_mask(a, b);
    v_t r = _mm512_sub_epi64(a, b);

    return _mm512_mask_add_epi64(r, borrow, r, v_const(FP_P));
}

/* a + b = a - (p - b), where p - b may be p itself: the borrow then adds p. */
static inline v_t
v_add(v_t a, v_t b)
{
    return v_sub(a, _mm512_sub_epi64(v_const(FP_P), b));
}

static inline v_t
v_reduce(v_t lo, v_t hi)
{
    v_t eps = v_const(FP_EPS);
    v_t top = _mm512_srli_epi64(hi, 32);
    v_t mid = _mm512_mul_epu32(hi, eps); /* reads the low halves only */
    __mmask8 borrow = _mm512_cmplt_epu64_mask(lo, top);
    v_t r = _mm512_sub_epi64(lo, top);

    r = _mm512_mask_sub_epi64(r, borrow, r, eps);
    r = _mm512_add_epi64(r, mid);
    r = _mm512_mask_add_epi64(r, _mm512_cmplt_epu64_mask(r, mid), r, eps);

    /* r - p wraps round to something large unless r >= p. */
    return _mm512_min_epu64(r, _mm512_sub_epi64(r, v_const(FP_P)));
}

static inline v_t
v_mul(v_t a, v_t b)
{
    v_t eps = v_const(FP_EPS);
    v_t ah = _mm512_srli_epi64(a, 32);
    v_t bh = _mm512_srli_epi64(b, 32);
    v_t ll = _mm512_mul_epu32(a, b);
    v_t lh = _mm512_mul_epu32(a, bh);
    v_t hl = _mm512_mul_epu32(ah, b);
    v_t hh = _mm512_mul_epu32(ah, bh);

    /* Neither sum overflows: (2^32 - 1)^2 + 2^32 - 1 < 2^64. */
    v_t m1 = _mm512_add_epi64(hl, _mm512_srli_epi64(ll, 32));
    v_t m2 = _mm512_add_epi64(lh, _mm512_and_si512(m1, eps));

    v_t lo =
        _mm512_or_si512(_mm512_slli_epi64(m2, 32), _mm512_and_si512(ll, eps));
    v_t hi = _mm512_add_epi64(hh, _mm512_add_epi64(_mm512_srli_epi64(m1, 32),
                                                   _mm512_srli_epi64(m2, 32)));

    return v_reduce(lo, hi);
}

/*
 * Of the 16 elements in v0, v1 the 8 whose index has bit `bit` clear go to lo
 * and the other 8 to hi, in order. v_join undoes it.
 */
static const uint64_t v_split_lo[3][8] = {
    {0, 2, 4, 6, 8, 10, 12, 14},
    {0, 1, 4, 5, 8, 9, 12, 13},
    {0, 1, 2, 3, 8, 9, 10, 11},
};

static const uint64_t v_join_first[3][8] = {
    {0, 8, 1, 9, 2, 10, 3, 11},
    {0, 1, 8, 9, 2, 3, 10, 11},
    {0, 1, 2, 3, 8, 9, 10, 11},
};

static inline void
v_split(unsigned bit, v_t v0, v_t v1, v_t *lo, v_t *hi)
{
    v_t at = _mm512_loadu_si512(v_split_lo[bit]);
    v_t step = v_const(UINT64_C(1) << bit);

    *lo = _mm512_permutex2var_epi64(v0, at, v1);
    *hi = _mm512_permutex2var_epi64(v0, _mm512_add_epi64(at, step), v1);
}

static inline void
v_join(unsigned bit, v_t lo, v_t hi, v_t *v0, v_t *v1)
{
    v_t at = _mm512_loadu_si512(v_join_first[bit]);

    /* The second register takes the upper half of lo and of hi. */
    *v0 = _mm512_permutex2var_epi64(lo, at, hi);
    *v1 = _mm512_permutex2var_epi64(lo, _mm512_add_epi64(at, v_const(4)), hi);
}

#endif
