/*
 * ext.c - powers and inverses in the quadratic extension.
 *
 * Owns:   what is too long to inline from ext.h.
 * Never:  allocates.
 */
#include "ext.h"

fq_t
fq_pow(fq_t base, uint64_t exponent)
{
    fq_t r = FQ_ONE;

    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1)
            r = fq_mul(r, base);
        base = fq_mul(base, base);
    }
    return r;
}

/* (a + bx)(a - bx) = a^2 - 7b^2 lies in F_p, and is zero only for zero. */
fq_t
fq_inverse(fq_t u)
{
    fp_t bb = fp_mul(fp_square(u.b), FP_GENERATOR);
    fp_t norm = fp_sub(fp_square(u.a), bb);
    fp_t inverse = fp_inverse(norm);

    return fq_scale((fq_t){u.a, fp_neg(u.b)}, inverse);
}

void
fq_batch_inverse(fq_t *v, size_t n, fq_t *scratch)
{
    fq_t product = FQ_ONE;

    for (size_t i = 0; i < n; i++) {
        scratch[i] = product;
        if (!fq_equal(v[i], FQ_ZERO))
            product = fq_mul(product, v[i]);
    }

    fq_t inverse = fq_inverse(product);

    for (size_t i = n; i-- > 0;) {
        if (fq_equal(v[i], FQ_ZERO))
            continue;
        fq_t own = fq_mul(inverse, scratch[i]);
        inverse = fq_mul(inverse, v[i]);
        v[i] = own;
    }
}
