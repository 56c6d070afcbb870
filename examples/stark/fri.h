/*
 * fri.h - what both sides of FRI share: the sizes and the fold.
 *
 * Owns:   the shape of each layer, one fold of 8 values to 1.
 * Never:  commits (fri_prover.c) or checks (verifier.c).
 *
 * Layer l is a function on the M_l = 8N / 8^l points s_l * w_l^e, in natural
 * order of e, with s_l = 7^(8^l) and w_l of order M_l. Leaf k of its tree holds
 * the values at e = k, k + M_l/8, ..., k + 7*M_l/8: those points have the same
 * 8th power, which is point k of layer l + 1. A polynomial sum x^i f_i(x^8)
 * folds to sum r^i f_i(y), r the layer's challenge.
 *
 * Source: FRI (Ben-Sasson et al., ICALP 2018), DEEP-FRI (eprint 2019/336).
 */
#ifndef STARK_FRI_H
#define STARK_FRI_H

#include "ext.h"
#include "params.h"

struct fri_shape {
    unsigned layers;    /* that are committed and folded */
    unsigned log_final; /* the last polynomial has 2^log_final coefficients */
};

/* Folds while the degree bound 2^log_rows is more than 2^STARK_LOG_FINAL. */
struct fri_shape fri_shape(unsigned log_rows);

/* log2 of the points of layer l. */
static inline unsigned
fri_log_points(unsigned log_rows, unsigned layer)
{
    return log_rows + STARK_LOG_BLOWUP - STARK_LOG_FOLD * layer;
}

/* Point s_l * w_l^e. */
fp_t fri_point(unsigned log_rows, unsigned layer, size_t e);

/*
 * The fold of one leaf. v[i] is the value at x * u^i, u the 8th root of unity
 * that fp_root(3) is; x_inverse = 1/x. Overwrites v.
 */
fq_t fri_fold(fq_t v[STARK_FOLD], fp_t x_inverse, fq_t challenge);

#endif
