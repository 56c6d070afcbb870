/*
 * ext.h - the quadratic extension F_p[x]/(x^2 - 7), about 2^128 elements.
 *
 * Owns:   arithmetic on pairs a + b*x.
 * Never:  is used where base field elements suffice: challenges live here, the
 *         trace does not.
 *
 * 7 generates the multiplicative group of F_p, so it is no square and x^2 - 7
 * has no root: this is a field.
 */
#ifndef STARK_EXT_H
#define STARK_EXT_H

#include <stdbool.h>

#include "field.h"

typedef struct {
    fp_t a, b; /* a + b*x */
} fq_t;

#define FQ_ZERO ((fq_t){0, 0})
#define FQ_ONE  ((fq_t){1, 0})

static inline fq_t
fq_from(fp_t a)
{
    return (fq_t){a, 0};
}

static inline bool
fq_equal(fq_t u, fq_t v)
{
    return u.a == v.a && u.b == v.b;
}

static inline fq_t
fq_add(fq_t u, fq_t v)
{
    return (fq_t){fp_add(u.a, v.a), fp_add(u.b, v.b)};
}

static inline fq_t
fq_sub(fq_t u, fq_t v)
{
    return (fq_t){fp_sub(u.a, v.a), fp_sub(u.b, v.b)};
}

/* u * c for c in the base field. */
static inline fq_t
fq_scale(fq_t u, fp_t c)
{
    return (fq_t){fp_mul(u.a, c), fp_mul(u.b, c)};
}

static inline fq_t
fq_mul(fq_t u, fq_t v)
{
    fp_t aa = fp_mul(u.a, v.a);
    fp_t bb = fp_mul(u.b, v.b);

    return (fq_t){
        fp_add(aa, fp_mul(bb, FP_GENERATOR)),
        fp_add(fp_mul(u.a, v.b), fp_mul(u.b, v.a)),
    };
}

fq_t fq_pow(fq_t base, uint64_t exponent);

/* 1/u, and 0 for 0. */
fq_t fq_inverse(fq_t u);

/* As fp_batch_inverse. */
void fq_batch_inverse(fq_t *v, size_t n, fq_t *scratch);

#endif
