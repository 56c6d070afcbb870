/*
 * domain.c - see domain.h.
 *
 * Owns:   the transforms of one column.
 * Never:  starts tasks.
 */
#include "domain.h"

/* A cache line more than a power of two. */
struct matrix
matrix_shape(size_t columns, size_t rows)
{
    return (struct matrix){NULL, columns, rows, rows + 8};
}

size_t
domain_table_elements(unsigned log_rows)
{
    return ((size_t)2 + STARK_BLOWUP) << log_rows;
}

void
domain_twiddles(fp_t *twiddles, unsigned log_n, fp_t root)
{
    fp_t w = root;

    twiddles[0] = 0; /* no butterfly has this place */
    for (size_t h = (size_t)1 << log_n >> 1; h > 0; h /= 2) {
        twiddles[h] = 1;
        for (size_t i = 1; i < h; i++)
            twiddles[h + i] = fp_mul(twiddles[h + i - 1], w);
        w = fp_square(w);
    }
}

/* Bit k of the index stands for the exponent n / 2^(k+1). */
void
domain_powers_reversed(fp_t *out, size_t n, fp_t first, fp_t base)
{
    out[0] = first;
    for (size_t h = 1; h < n; h *= 2) {
        fp_t factor = fp_pow(base, n / (2 * h));

        for (size_t i = 0; i < h; i++)
            out[h + i] = fp_mul(out[i], factor);
    }
}

void
domain_init(struct domain *d, unsigned log_rows, const struct kernels *kernels,
            fp_t *tables)
{
    size_t rows = (size_t)1 << log_rows;

    d->kernels = kernels;
    d->log_rows = log_rows;
    d->rows = rows;
    d->root = fp_root(log_rows);
    d->extended_root = fp_root(log_rows + STARK_LOG_BLOWUP);
    d->roots = tables;
    d->inverse_roots = tables + rows;
    d->shifts = tables + 2 * rows;

    domain_twiddles(d->roots, log_rows, d->root);
    domain_twiddles(d->inverse_roots, log_rows, fp_inverse(d->root));
}

void
domain_init_stripe(struct domain *d, unsigned stripe)
{
    domain_powers_reversed(d->shifts + stripe * d->rows, d->rows, 1,
                           domain_stripe_shift(d, stripe));
}

fp_t
domain_stripe_shift(const struct domain *d, unsigned stripe)
{
    return fp_mul(FP_GENERATOR, fp_pow(d->extended_root, stripe));
}

void
domain_interpolate(const struct domain *d, fp_t *column)
{
    const struct kernels *k = d->kernels;

    k->ntt_dif(column, d->log_rows, d->inverse_roots);
    k->scale(column, fp_inverse(d->rows), d->rows);
}

void
domain_extend(const struct domain *d, fp_t *out, const fp_t *coefficients)
{
    const struct kernels *k = d->kernels;

    /* In this order the last stripe's coefficients are read before lost. */
    for (unsigned j = 0; j < STARK_BLOWUP; j++) {
        fp_t *stripe = out + j * d->rows;

        k->multiply(stripe, coefficients, d->shifts + j * d->rows, d->rows);
        k->ntt_dit(stripe, d->log_rows, d->roots);
    }
}
