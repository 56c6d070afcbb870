/*
 * kernels.h - the inner loops, in the best form this processor can run.
 *
 * Owns:   the list of loops that have more than one form.
 * Never:  starts tasks or allocates: a kernel works on what a task was given.
 *
 * Every form computes the same canonical elements, so a proof has the same
 * bytes on every processor.
 */
#ifndef STARK_KERNELS_H
#define STARK_KERNELS_H

#include "air.h"

/* One stripe of the extended columns (domain.h), as the constraints see it. */
struct quotient_stripe {
    const struct air_statement *statement;
    const struct air_challenges *challenges;
    const fp_t *main; /* column c at main + c * stride */
    const fp_t *aux;
    size_t stride;
    const fp_t *table; /* 256 values, the column's period */
    size_t rows;       /* N: row N - 1 is followed by row 0 */
    fp_t over_all;     /* 1/(x^N - 1), the same all over the stripe */
};

/* What varies from point to point, for as many points as `count` says. */
struct quotient_points {
    size_t first;           /* row within the stripe, a multiple of 8 */
    size_t count;           /* a multiple of 8 */
    const fp_t *from_end;   /* x - g^(N-1) */
    const fp_t *over_first; /* 1/(x - 1) */
    const fp_t *over_last;  /* 1/(x - g^(B-1)) */
    fp_t *a, *b;            /* the quotient's two coordinates */
};

struct kernels {
    const char *name;

    /*
     * In place, n = 2^log_n >= 16. twiddles[h + i] = w^i for i < h and every
     * h = 1, 2, 4, ..., n/2, where w has order 2h. No scaling.
     *
     * dif: natural order in, bit-reversed order out. dit: the other way round.
     */
    void (*ntt_dif)(fp_t *v, unsigned log_n, const fp_t *twiddles);
    void (*ntt_dit)(fp_t *v, unsigned log_n, const fp_t *twiddles);

    /* out[i] = v[i] * factor[i]; out may be v. n is a multiple of 8. */
    void (*multiply)(fp_t *out, const fp_t *v, const fp_t *factor, size_t n);

    /* v[i] *= c. n is a multiple of 8. */
    void (*scale)(fp_t *v, fp_t c, size_t n);

    /* a + b*x += c * v, elementwise. n is a multiple of 8. */
    void (*accumulate)(fp_t *a, fp_t *b, const fp_t *v, fq_t c, size_t n);

    /* The sum of v[i] * (a[i] + b[i]*x). n is a multiple of 8. */
    fq_t (*dot)(const fp_t *v, const fp_t *a, const fp_t *b, size_t n);

    void (*quotient)(const struct quotient_stripe *stripe,
                     const struct quotient_points *points);
};

extern const struct kernels kernels_portable;

/* NULL unless both the compiler and this processor know AVX-512F. */
const struct kernels *kernels_avx512(void);

/* The fastest one. */
const struct kernels *kernels_best(void);

#endif
