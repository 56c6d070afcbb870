/*
 * domain.h - the points on which columns are given, and how to move between
 * them.
 *
 * Owns:   the tables of roots of unity, and the order of the extended points.
 * Never:  allocates: the tables' storage is the caller's.
 *
 * N rows stand on the powers of g, g^N = 1. The extended domain has 8N points
 * s*w^e with s = 7 and w^8 = g. It is cut into 8 stripes: stripe j holds the
 * points s*w^j * g^k for k = 0 .. N-1, that is e = 8k + j. So extending a
 * column is 8 transforms of length N, and the next row is the next point.
 *
 *     memory   | stripe 0: k = 0 .. N-1 | stripe 1 | ... | stripe 7 |
 *
 * Coefficients are kept in bit-reversed order: the transform that makes them
 * leaves them so, and the one that uses them wants them so.
 */
#ifndef STARK_DOMAIN_H
#define STARK_DOMAIN_H

#include "kernels.h"
#include "params.h"

/* Columns of equal length; the stride keeps them off one another's cache set. */
struct matrix {
    fp_t *data;
    size_t columns, rows, stride;
};

struct matrix matrix_shape(size_t columns, size_t rows);

static inline size_t
matrix_bytes(const struct matrix *m)
{
    return m->columns * m->stride * sizeof(fp_t);
}

static inline fp_t *
matrix_column(const struct matrix *m, size_t c)
{
    return m->data + c * m->stride;
}

struct domain {
    const struct kernels *kernels;
    unsigned log_rows;
    size_t rows;        /* N */
    fp_t root;          /* g */
    fp_t extended_root; /* w */
    fp_t *roots;        /* twiddles of g, N elements (kernels.h) */
    fp_t *inverse_roots;
    fp_t *shifts; /* (s*w^j)^k in bit-reversed order of k, N per stripe */
};

/* Elements that the tables need. */
size_t domain_table_elements(unsigned log_rows);

/* Fills everything but the shifts. */
void domain_init(struct domain *d, unsigned log_rows,
                 const struct kernels *kernels, fp_t *tables);

/* Fills the part of `shifts` that domain_extend needs for this stripe. */
void domain_init_stripe(struct domain *d, unsigned stripe);

/* First point of a stripe: s*w^j. */
fp_t domain_stripe_shift(const struct domain *d, unsigned stripe);

/* roots of order n = 2^log_n as kernels.h wants them. */
void domain_twiddles(fp_t *twiddles, unsigned log_n, fp_t root);

/* out[i] = first * base^r for i < n, r the bit-reversal of i. */
void domain_powers_reversed(fp_t *out, size_t n, fp_t first, fp_t base);

/* N values on the powers of g, in place, to N coefficients. */
void domain_interpolate(const struct domain *d, fp_t *column);

/* N coefficients to 8N values. `coefficients` may be the last stripe of out. */
void domain_extend(const struct domain *d, fp_t *out, const fp_t *coefficients);

#endif
