/*
 * security.c - see security.h.
 *
 * Owns:   the formulas.
 * Never:  looks at a proof: they depend on parameters and length alone.
 *
 * A cheater may go back and try each round's coins again (round-by-round
 * soundness), so the rounds' errors do not add up: the worst one counts.
 */
#include "security.h"

#include <math.h>

#include "fri.h"
#include "hash.h"

static double
least(double a, double b)
{
    return a < b ? a : b;
}

/* Errors of the folds: 7 points of a curve for each point of a layer, and once
 * the points of the first layer for the combination of all columns. */
static double
folding_bits(unsigned log_rows, double field)
{
    struct fri_shape shape = fri_shape(log_rows);
    double points = ldexp(1, (int)fri_log_points(log_rows, 0));
    double sum = points;

    for (unsigned l = 0; l < shape.layers; l++) {
        sum += points * (STARK_FOLD - 1);
        points /= STARK_FOLD;
    }
    return field - log2(sum);
}

/* Theorem 1.2 of eprint 2020/654 with m = 3: the radius is
 * 1 - sqrt(rate) * (1 + 1/(2m)). */
static double
johnson_bits(unsigned log_rows, double field)
{
    double rate = 1.0 / STARK_BLOWUP;
    double log_points = log_rows + STARK_LOG_BLOWUP;
    double close = sqrt(rate) * (1 + 1.0 / 6);
    double queries = -log2(close) * STARK_QUERIES + STARK_GRINDING_BITS;
    double loss = 7 * log2(3.5) - log2(3 * pow(rate, 1.5)) + 2 * log_points;

    return least(queries, field - loss);
}

struct security
security_of(unsigned log_rows)
{
    struct security s;
    double rows = ldexp(1, (int)log_rows);
    double rate = 1.0 / STARK_BLOWUP;
    double field = 2 * log2((double)FP_P);

    s.queries = STARK_QUERIES * (double)STARK_LOG_BLOWUP + STARK_GRINDING_BITS;
    s.lookup = field - log2(STARK_BLOCK_BYTES * rows + (double)AIR_TABLE_ROWS);
    s.point = field - log2(8 * rows);
    s.folding = folding_bits(log_rows, field);
    s.hash = HASH_COLLISION_BITS;
    s.total = least(least(s.queries, s.lookup), least(s.point, s.folding));
    s.total = least(s.total, s.hash);

    s.unique = -log2((1 + rate) / 2) * STARK_QUERIES + STARK_GRINDING_BITS;
    s.johnson = johnson_bits(log_rows, field);
    return s;
}
