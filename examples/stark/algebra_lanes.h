/*
 * algebra_lanes.h - the constraints' words, where columns are base field values
 * and sums are extension elements, as many at once as a vector has lanes.
 *
 * Owns:   x_* for the prover, on top of the v_* of a lanes_*.h.
 * Never:  knows which lanes_*.h it was.
 */
#ifndef STARK_ALGEBRA_LANES_H
#define STARK_ALGEBRA_LANES_H

#include "ext.h"

typedef struct {
    v_t a, b;
} x_t;

static inline x_t
x_const(fq_t c)
{
    return (x_t){v_const(c.a), v_const(c.b)};
}

static inline x_t
x_add(x_t u, x_t w)
{
    return (x_t){v_add(u.a, w.a), v_add(u.b, w.b)};
}

static inline x_t
x_sub(x_t u, x_t w)
{
    return (x_t){v_sub(u.a, w.a), v_sub(u.b, w.b)};
}

static inline x_t
x_mul(x_t u, x_t w)
{
    v_t bb = v_mul(u.b, w.b);

    return (x_t){
        v_add(v_mul(u.a, w.a), v_mul(bb, v_const(FP_GENERATOR))),
        v_add(v_mul(u.a, w.b), v_mul(u.b, w.a)),
    };
}

static inline x_t
x_scale(x_t u, v_t v)
{
    return (x_t){v_mul(u.a, v), v_mul(u.b, v)};
}

/* u + v for a column's value v. */
static inline x_t
x_add_value(x_t u, v_t v)
{
    return (x_t){v_add(u.a, v), u.b};
}

static inline x_t
x_sub_value(x_t u, v_t v)
{
    return (x_t){v_sub(u.a, v), u.b};
}

/* sum + v * c */
static inline x_t
x_accumulate(x_t sum, v_t v, fq_t c)
{
    return (x_t){
        v_add(sum.a, v_mul(v, v_const(c.a))),
        v_add(sum.b, v_mul(v, v_const(c.b))),
    };
}

#endif
