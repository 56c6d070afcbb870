/*
 * air.h - the statement and its algebra: columns, constraints, public values.
 *
 * Owns:   where each value stands in a row, and how many constraints there are.
 * Never:  knows how columns are committed or opened.
 *
 * A row is one permutation of the sponge. Its main columns, in this order:
 *
 *     in        12  the state before the permutation, block already added
 *     byte      56  the block that this row absorbed
 *     full   8 x 12 the state after the S-boxes of each full round
 *     partial   22  element 0 after the S-box of each partial round
 *     count      1  how often the table's byte of this row occurs in `byte`
 *
 * and, after the challenge alpha, 9 columns of extension elements, each of them
 * two columns of the base field:
 *
 *     sum        1  running sum of the lookup
 *     helper     8  sum of 1/(alpha - b) over the 7 bytes b of an element
 *
 * A polynomial through a column has degree < N, N rows. Constraints, by where
 * they hold:
 *
 *   all rows    118  cell = (linear form of earlier cells + constant)^7
 *                 8  helper * P(alpha) = P'(alpha), P the product of (X - b)
 *                 1  (sum' - sum - helpers) * (alpha - table) + count = 0
 *   but the last 12  in' = output of this row + elements of the next block
 *   row 0        12  in = elements of the block, and 0 in the capacity
 *   row B - 1     4  output = digest
 *              <=56  byte[L mod 56] = 1 and all later bytes are 0
 *
 * B = floor(L / 56) + 1 blocks for a file of L bytes. The lookup is logUp
 * (eprint 2022/1530); its sum runs in a cycle, so it needs no boundary. The
 * table's column has period 256 and the value i at row i: it is public.
 *
 * The highest degree is 8(N - 1), of the helpers, so the quotient by x^N - 1
 * has degree < 7N: seven chunks.
 */
#ifndef STARK_AIR_H
#define STARK_AIR_H

#include <stdbool.h>

#include "ext.h"
#include "params.h"
#include "poseidon2_constants.h"

enum {
    AIR_IN = 0,
    AIR_BYTE = AIR_IN + P2_WIDTH,
    AIR_FULL = AIR_BYTE + STARK_BLOCK_BYTES,
    AIR_PARTIAL = AIR_FULL + P2_FULL * P2_WIDTH,
    AIR_COUNT = AIR_PARTIAL + P2_PARTIAL,
    AIR_MAIN = AIR_COUNT + 1, /* 187 */

    AIR_HELPERS = P2_RATE,
    AIR_EXTENDED = 1 + AIR_HELPERS, /* extension columns: sum, helpers */
    AIR_AUX = 2 * AIR_EXTENDED,     /* the same in base field columns */

    AIR_CHUNKS = 7,
    AIR_QUOTIENT = 2 * AIR_CHUNKS,

    /* The columns of the next row that any constraint reads come first. */
    AIR_MAIN_NEXT = AIR_FULL,
    AIR_AUX_NEXT = 2,

    /* What is opened at z, and at g*z: all three trees side by side. */
    AIR_COLUMNS = AIR_MAIN + AIR_AUX + AIR_QUOTIENT, /* 219 */
    AIR_COLUMNS_NEXT = AIR_MAIN_NEXT + AIR_AUX_NEXT, /* 70 */

    AIR_TABLE_ROWS = 256,

    AIR_CONSTRAINTS = P2_FULL * P2_WIDTH + P2_PARTIAL /* S-boxes */
                      + AIR_HELPERS + 1               /* lookup */
                      + P2_WIDTH                      /* step */
                      + P2_WIDTH                      /* first row */
                      + P2_DIGEST + STARK_BLOCK_BYTES /* last row */
};

/* What is claimed: a string of `length` bytes has this digest. */
struct air_statement {
    uint64_t length;
    fp_t digest[P2_DIGEST];
    size_t blocks;     /* B */
    unsigned tail;     /* L mod 56: where the byte 0x01 stands */
    unsigned log_rows; /* N = 2^log_rows, the least that holds B rows */
};

/* False when the length is more than STARK_MAX_FILE_BYTES. */
bool air_statement_init(struct air_statement *s, uint64_t length,
                        const fp_t digest[P2_DIGEST]);

/* The verifier's coins, in the shape in which the constraints use them. */
struct air_challenges {
    fq_t power[8]; /* alpha^i */
    fq_t slope[8]; /* i * alpha^(i-1): the derivative of alpha^i */
    fq_t weight[AIR_CONSTRAINTS];
};

/* Fills power and slope. */
void air_challenges_alpha(struct air_challenges *c, fq_t alpha);

/*
 * The right-hand side of the identity that the verifier checks: the weighted
 * sum of all constraints at z, each divided by the polynomial that vanishes
 * where it must hold. here: the columns at z, next: those at g*z.
 */
fq_t air_quotient_at(const struct air_statement *s,
                     const struct air_challenges *c, fq_t z,
                     const fq_t here[AIR_COLUMNS],
                     const fq_t next[AIR_COLUMNS_NEXT]);

/* The quotient's value at z from the chunks' values there. */
fq_t air_join_chunks(const struct air_statement *s, fq_t z,
                     const fq_t here[AIR_COLUMNS]);

/* The table column's polynomial at z, which is not in the base field. */
fq_t air_table_at(unsigned log_rows, fq_t z);

#endif
