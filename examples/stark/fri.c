/*
 * fri.c - see fri.h.
 *
 * Owns:   the fold's formula, so that it is written once.
 * Never:  allocates.
 */
#include "fri.h"

struct fri_shape
fri_shape(unsigned log_rows)
{
    struct fri_shape shape = {0, log_rows};

    while (shape.log_final > STARK_LOG_FINAL) {
        shape.log_final -= STARK_LOG_FOLD;
        shape.layers++;
    }
    return shape;
}

fp_t
fri_point(unsigned log_rows, unsigned layer, size_t e)
{
    fp_t shift = FP_GENERATOR;
    fp_t root = fp_root(fri_log_points(log_rows, layer));

    for (unsigned i = 0; i < STARK_LOG_FOLD * layer; i++)
        shift = fp_square(shift);
    return fp_mul(shift, fp_pow(root, e));
}

/*
 * Three halvings, f(x), f(-x) -> even(x^2) + r * odd(x^2), with r, r^2, r^4 and
 * at last a product with 1/8 for their three factors of 1/2.
 */
fq_t
fri_fold(fq_t v[STARK_FOLD], fp_t x_inverse, fq_t challenge)
{
    fp_t u_inverse = UINT64_C(0xffffffff00);      /* 1/fp_root(3) */
    fp_t eighth = FP_P - (FP_P - 1) / STARK_FOLD; /* 8 * that = 1 + 7p */

    for (unsigned half = STARK_FOLD / 2; half > 0; half /= 2) {
        fp_t at_inverse = x_inverse;

        for (unsigned i = 0; i < half; i++) {
            fq_t sum = fq_add(v[i], v[i + half]);
            fq_t odd = fq_scale(fq_sub(v[i], v[i + half]), at_inverse);

            v[i] = fq_add(sum, fq_mul(challenge, odd));
            at_inverse = fp_mul(at_inverse, u_inverse);
        }
        challenge = fq_mul(challenge, challenge);
        x_inverse = fp_square(x_inverse);
        u_inverse = fp_square(u_inverse);
    }
    return fq_scale(v[0], eighth);
}
