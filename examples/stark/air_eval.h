/*
 * air_eval.h - every constraint, written once.
 *
 * Owns:   the weighted sums of the constraints of a row, one sum for each set
 *         of rows on which they hold. air.h lists them.
 * Never:  divides: who calls it knows the point and the divisors.
 *
 * The includer has defined v_* and x_* before: over lanes of base field values
 * (algebra_lanes.h, the prover's many points) or over extension elements
 * (algebra_ext.h, the verifier's one point). So both check the same text.
 */
#ifndef STARK_AIR_EVAL_H
#define STARK_AIR_EVAL_H

#include "air.h"
#include "poseidon2_layers.h"

struct air_row {
    v_t here[AIR_MAIN];
    v_t next[AIR_MAIN_NEXT];
    x_t extended[AIR_EXTENDED];
    x_t next_sum;
    v_t table;
};

struct air_sums {
    x_t all;   /* constraints of all rows */
    x_t step;  /* of all but the last row */
    x_t first; /* of row 0 */
    x_t last;  /* of row B - 1 */
};

/* Element i of the block whose bytes these are. */
static inline v_t
air_element(const v_t *byte, unsigned i)
{
    v_t e = byte[7 * i + 6];

    for (unsigned k = 6; k-- > 0;)
        e = v_add(v_mul(e, v_const(256)), byte[7 * i + k]);
    return e;
}

/* Adds the S-box constraints to *sum and leaves the output in s. */
static inline const fq_t *
air_eval_permutation(const struct air_row *row, const fq_t *weight, x_t *sum,
                     v_t s[P2_WIDTH])
{
    const v_t *cell = row->here + AIR_FULL;
    const v_t *partial = row->here + AIR_PARTIAL;

    for (unsigned i = 0; i < P2_WIDTH; i++)
        s[i] = row->here[AIR_IN + i];
    p2_external(s);

    for (unsigned r = 0; r < P2_FULL; r++) {
        for (unsigned i = 0; i < P2_WIDTH; i++) {
            v_t x = v_add(s[i], v_const(p2_full_constants[r][i]));

            *sum = x_accumulate(*sum, v_sub(*cell, p2_sbox(x)), *weight++);
            s[i] = *cell++;
        }
        p2_external(s);
        if (r != P2_FULL / 2 - 1)
            continue;

        for (unsigned q = 0; q < P2_PARTIAL; q++) {
            v_t x = v_add(s[0], v_const(p2_partial_constants[q]));

            *sum = x_accumulate(*sum, v_sub(*partial, p2_sbox(x)), *weight++);
            s[0] = *partial++;
            p2_internal(s);
        }
    }
    return weight;
}

/*
 * helper * P(alpha) - P'(alpha) for the seven bytes of one element. P is
 * expanded over the base field, where products are cheap, and only then met
 * with the powers of alpha.
 */
static inline x_t
air_eval_helper(const v_t *byte, x_t helper, const struct air_challenges *c)
{
    v_t p[8]; /* coefficients of the product so far, degree k at p[k] */

    p[0] = v_sub(v_const(0), byte[0]);
    p[1] = v_const(1);
    for (unsigned k = 1; k < 7; k++) {
        p[k + 1] = p[k];
        for (unsigned i = k; i > 0; i--)
            p[i] = v_sub(p[i - 1], v_mul(p[i], byte[k]));
        p[0] = v_sub(v_const(0), v_mul(p[0], byte[k]));
    }

    x_t value = x_const(c->power[7]); /* p[7] is one */
    x_t slope = x_const(c->slope[7]);

    for (unsigned i = 0; i < 7; i++)
        value = x_accumulate(value, p[i], c->power[i]);
    for (unsigned i = 1; i < 7; i++)
        slope = x_accumulate(slope, p[i], c->slope[i]);
    return x_sub(x_mul(helper, value), slope);
}

static inline const fq_t *
air_eval_lookup(const struct air_row *row, const struct air_challenges *c,
                const fq_t *weight, x_t *sum)
{
    x_t rest = x_sub(row->next_sum, row->extended[0]);

    for (unsigned i = 0; i < AIR_HELPERS; i++) {
        x_t helper = row->extended[1 + i];
        x_t error = air_eval_helper(row->here + AIR_BYTE + 7 * i, helper, c);

        *sum = x_add(*sum, x_mul(error, x_const(*weight++)));
        rest = x_sub(rest, helper);
    }

    x_t pole = x_sub_value(x_const(c->power[1]), row->table);
    x_t error = x_add_value(x_mul(rest, pole), row->here[AIR_COUNT]);

    *sum = x_add(*sum, x_mul(error, x_const(*weight++)));
    return weight;
}

static inline const fq_t *
air_eval_step(const struct air_row *row, const v_t out[P2_WIDTH],
              const fq_t *weight, x_t *sum)
{
    for (unsigned i = 0; i < P2_WIDTH; i++) {
        v_t error = v_sub(row->next[AIR_IN + i], out[i]);

        if (i < P2_RATE)
            error = v_sub(error, air_element(row->next + AIR_BYTE, i));
        *sum = x_accumulate(*sum, error, *weight++);
    }
    return weight;
}

static inline const fq_t *
air_eval_first(const struct air_row *row, const fq_t *weight, x_t *sum)
{
    for (unsigned i = 0; i < P2_WIDTH; i++) {
        v_t error = row->here[AIR_IN + i];

        if (i < P2_RATE)
            error = v_sub(error, air_element(row->here + AIR_BYTE, i));
        *sum = x_accumulate(*sum, error, *weight++);
    }
    return weight;
}

static inline void
air_eval_last(const struct air_row *row, const struct air_statement *s,
              const v_t out[P2_WIDTH], const fq_t *weight, x_t *sum)
{
    for (unsigned i = 0; i < P2_DIGEST; i++) {
        v_t error = v_sub(out[i], v_const(s->digest[i]));

        *sum = x_accumulate(*sum, error, weight[i]);
    }
    weight += P2_DIGEST;

    for (unsigned i = s->tail; i < STARK_BLOCK_BYTES; i++) {
        v_t want = v_const(i == s->tail ? 1 : 0);
        v_t error = v_sub(row->here[AIR_BYTE + i], want);

        *sum = x_accumulate(*sum, error, weight[i]);
    }
}

static inline struct air_sums
air_eval(const struct air_statement *s, const struct air_challenges *c,
         const struct air_row *row)
{
    struct air_sums sums = {
        x_const(FQ_ZERO),
        x_const(FQ_ZERO),
        x_const(FQ_ZERO),
        x_const(FQ_ZERO),
    };
    const fq_t *weight = c->weight;
    v_t out[P2_WIDTH];

    weight = air_eval_permutation(row, weight, &sums.all, out);
    weight = air_eval_lookup(row, c, weight, &sums.all);
    weight = air_eval_step(row, out, weight, &sums.step);
    weight = air_eval_first(row, weight, &sums.first);
    air_eval_last(row, s, out, weight, &sums.last);
    return sums;
}

#endif
