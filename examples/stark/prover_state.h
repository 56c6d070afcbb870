/*
 * prover_state.h - what the stages of one proof hand to one another.
 *
 * Owns:   the list of buffers that outlive a stage, and of the stages.
 * Never:  is seen outside the prover (prover.h is).
 *
 * Each prover_* function below is the body of a stage: it gets the state, may
 * take temporary buffers from state->mem, and returns STARK_OK or an error.
 */
#ifndef STARK_PROVER_STATE_H
#define STARK_PROVER_STATE_H

#include "fri.h"
#include "merkle_tree.h"
#include "proof.h"
#include "prover.h"

/* The three committed groups of columns, in the order of air.h. */
enum group { GROUP_MAIN, GROUP_AUX, GROUP_QUOTIENT, GROUP_COUNT };

struct fri_layer {
    fq_t *values; /* in natural order of the points (fri.h) */
    struct merkle_tree tree;
};

struct prover_state {
    const struct prover_job *job;
    struct air_statement statement;
    struct mem *mem;

    struct domain domain;
    struct matrix main;     /* N rows of values */
    struct matrix aux;      /* the same */
    struct matrix quotient; /* N coefficients of each chunk */

    struct matrix extended[GROUP_COUNT]; /* 8N rows each */
    struct merkle_tree tree[GROUP_COUNT];

    enum group group; /* the one that extension and commit are to work on */

    struct transcript transcript;
    struct air_challenges challenges;
    fq_t z;

    struct fri_shape shape;
    struct fri_layer layer[STARK_MAX_LAYERS + 1]; /* the last has no tree */

    struct wire_writer proof;
};

int prover_fill_main(void *state);
int prover_fill_aux(void *state);
int prover_extend_main(void *state);
int prover_extend_aux(void *state);
int prover_extend_quotient(void *state);
int prover_commit(void *state);
int prover_divide(void *state);
int prover_deep(void *state);
int prover_fri(void *state);
int prover_answer(void *state);

/* Column c of all groups side by side, on the extended domain. */
const fp_t *prover_column(const struct prover_state *s, size_t c);

#endif
