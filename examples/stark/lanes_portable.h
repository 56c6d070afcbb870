/*
 * lanes_portable.h - one field element as a vector of length one.
 *
 * Owns:   the words v_* for plain C.
 * Never:  is included together with another lanes_*.h.
 */
#ifndef STARK_LANES_H
#define STARK_LANES_H

#include "field.h"

#define V_LANES 1u

typedef fp_t v_t;

static inline v_t
v_load(const fp_t *p)
{
    return *p;
}

static inline void
v_store(fp_t *p, v_t v)
{
    *p = v;
}

static inline v_t
v_const(fp_t c)
{
    return c;
}

static inline v_t
v_add(v_t a, v_t b)
{
    return fp_add(a, b);
}

static inline v_t
v_sub(v_t a, v_t b)
{
    return fp_sub(a, b);
}

static inline v_t
v_mul(v_t a, v_t b)
{
    return fp_mul(a, b);
}

#endif
