/*
 * field.c - powers, inverses and roots of unity of the Goldilocks field.
 *
 * Owns:   what is too long to inline from field.h.
 * Never:  allocates.
 */
#include "field.h"

fp_t
fp_pow(fp_t base, uint64_t exponent)
{
    fp_t r = 1;

    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1)
            r = fp_mul(r, base);
        base = fp_square(base);
    }
    return r;
}

fp_t
fp_inverse(fp_t a)
{
    return fp_pow(a, FP_P - 2);
}

fp_t
fp_root(unsigned log_order)
{
    return fp_pow(FP_GENERATOR, (FP_P - 1) >> log_order);
}

/* Montgomery's trick, walking over zeros as if they were ones. */
void
fp_batch_inverse(fp_t *v, size_t n, fp_t *scratch)
{
    fp_t product = 1;

    for (size_t i = 0; i < n; i++) {
        scratch[i] = product;
        if (v[i] != 0)
            product = fp_mul(product, v[i]);
    }

    fp_t inverse = fp_inverse(product);

    for (size_t i = n; i-- > 0;) {
        if (v[i] == 0)
            continue;
        fp_t own = fp_mul(inverse, scratch[i]);
        inverse = fp_mul(inverse, v[i]);
        v[i] = own;
    }
}
