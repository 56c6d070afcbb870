/*
 * poseidon2_layers.h - the S-box and the two linear layers, over any values.
 *
 * Owns:   the one text of these layers, for the sponge, the trace, the
 *         constraints of the prover and those of the verifier.
 * Never:  says what a value is: the includer has defined v_t, v_add, v_mul and
 *         v_const before (lanes_*.h, algebra_ext.h).
 *
 * Source: Poseidon2, eprint 2023/323, section 5 and appendix B for the short
 *         chain of additions that multiplies by M4.
 */
#ifndef STARK_POSEIDON2_LAYERS_H
#define STARK_POSEIDON2_LAYERS_H

#include "poseidon2_constants.h"

static inline v_t
p2_sbox(v_t x)
{
    v_t x2 = v_mul(x, x);
    v_t x3 = v_mul(x2, x);
    v_t x4 = v_mul(x2, x2);

    return v_mul(x3, x4);
}

/*
 *     5 7 1 3
 *     4 6 1 1     times s[0..4), in 8 additions and 4 doublings of sums
 *     1 3 5 7
 *     1 1 4 6
 */
static inline void
p2_m4(v_t *s)
{
    v_t ab = v_add(s[0], s[1]);
    v_t cd = v_add(s[2], s[3]);
    v_t b2 = v_add(v_add(s[1], s[1]), cd);
    v_t d2 = v_add(v_add(s[3], s[3]), ab);
    v_t cd2 = v_add(cd, cd);
    v_t ab2 = v_add(ab, ab);
    v_t row3 = v_add(v_add(cd2, cd2), d2);
    v_t row1 = v_add(v_add(ab2, ab2), b2);

    s[0] = v_add(d2, row1);
    s[1] = row1;
    s[2] = v_add(b2, row3);
    s[3] = row3;
}

/* Three blocks of M4; then each place gains the sum over the blocks. */
static inline void
p2_external(v_t s[P2_WIDTH])
{
    for (unsigned i = 0; i < P2_WIDTH; i += 4)
        p2_m4(s + i);
    for (unsigned i = 0; i < 4; i++) {
        v_t sum = v_add(v_add(s[i], s[i + 4]), s[i + 8]);

        for (unsigned j = i; j < P2_WIDTH; j += 4)
            s[j] = v_add(s[j], sum);
    }
}

static inline void
p2_internal(v_t s[P2_WIDTH])
{
    v_t sum = s[0];

    for (unsigned i = 1; i < P2_WIDTH; i++)
        sum = v_add(sum, s[i]);
    for (unsigned i = 0; i < P2_WIDTH; i++)
        s[i] = v_add(v_mul(s[i], v_const(p2_diagonal[i])), sum);
}

#endif
