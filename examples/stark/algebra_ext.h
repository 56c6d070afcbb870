/*
 * algebra_ext.h - the constraints' words, where every value is an extension
 * element.
 *
 * Owns:   v_* and x_* for the verifier's one evaluation at the point z.
 * Never:  is included together with a lanes_*.h.
 */
#ifndef STARK_ALGEBRA_EXT_H
#define STARK_ALGEBRA_EXT_H

#include "ext.h"

typedef fq_t v_t;
typedef fq_t x_t;

static inline v_t
v_const(fp_t c)
{
    return fq_from(c);
}

static inline v_t
v_add(v_t a, v_t b)
{
    return fq_add(a, b);
}

static inline v_t
v_sub(v_t a, v_t b)
{
    return fq_sub(a, b);
}

static inline v_t
v_mul(v_t a, v_t b)
{
    return fq_mul(a, b);
}

static inline x_t
x_const(fq_t c)
{
    return c;
}

static inline x_t
x_add(x_t a, x_t b)
{
    return fq_add(a, b);
}

static inline x_t
x_sub(x_t a, x_t b)
{
    return fq_sub(a, b);
}

static inline x_t
x_mul(x_t a, x_t b)
{
    return fq_mul(a, b);
}

/* a + v for a column's value v. */
static inline x_t
x_add_value(x_t a, v_t v)
{
    return fq_add(a, v);
}

static inline x_t
x_sub_value(x_t a, v_t v)
{
    return fq_sub(a, v);
}

/* sum + v * c */
static inline x_t
x_accumulate(x_t sum, v_t v, fq_t c)
{
    return fq_add(sum, fq_mul(v, c));
}

#endif
