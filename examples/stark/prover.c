/*
 * prover.c - the order of the stages, and which buffers outlive them.
 *
 * Owns:   the course of a proof, from the file to the proof's bytes.
 * Never:  computes anything itself.
 *
 * The whole proof is one phase and each stage one inside it. What a stage
 * leaves for a later one is taken from the phase just before the stage begins.
 * The proof's bytes alone go to the heap: the caller keeps them.
 */
#include "prover.h"

#include <stdlib.h>
#include <string.h>

#include <zkrt/zkrt.h>

#include "prover_state.h"

struct run {
    struct prover_state state;
    struct stages stages;
};

static int
take_matrix(struct prover_state *s, struct matrix *m, size_t columns,
            size_t rows)
{
    *m = matrix_shape(columns, rows);
    m->data = mem_take(s->mem, matrix_bytes(m));
    return m->data == NULL ? STARK_NO_MEMORY : STARK_OK;
}

static int
take_tree(struct prover_state *s, struct merkle_tree *t, size_t leaves)
{
    t->leaves = leaves;
    t->nodes = mem_take(s->mem, merkle_tree_bytes(leaves));
    return t->nodes == NULL ? STARK_NO_MEMORY : STARK_OK;
}

static int
fill_main(struct run *run)
{
    struct prover_state *s = &run->state;
    int err = take_matrix(s, &s->main, AIR_MAIN, s->domain.rows);

    if (err != STARK_OK)
        return err;
    return stage_run(&run->stages, STAGE_TRACE, prover_fill_main, s);
}

static int
fill_aux(struct run *run)
{
    struct prover_state *s = &run->state;
    int err = take_matrix(s, &s->aux, AIR_AUX, s->domain.rows);

    if (err != STARK_OK)
        return err;
    return stage_run(&run->stages, STAGE_TRACE, prover_fill_aux, s);
}

static int
divide(struct run *run)
{
    struct prover_state *s = &run->state;
    int err = take_matrix(s, &s->quotient, AIR_QUOTIENT, s->domain.rows);

    if (err != STARK_OK)
        return err;
    return stage_run(&run->stages, STAGE_QUOTIENT, prover_divide, s);
}

/* Extends a group's columns, commits to them and says the root. */
static int
send_group(struct run *run, enum group group, size_t columns,
           int (*extend)(void *), const char *label)
{
    struct prover_state *s = &run->state;
    size_t points = s->domain.rows * STARK_BLOWUP;
    int err = take_matrix(s, &s->extended[group], columns, points);

    if (err == STARK_OK)
        err = stage_run(&run->stages, STAGE_EXTENSION, extend, s);
    if (err == STARK_OK)
        err = take_tree(s, &s->tree[group], points);
    s->group = group;
    if (err == STARK_OK)
        err = stage_run(&run->stages, STAGE_COMMIT, prover_commit, s);
    if (err != STARK_OK)
        return err;

    const struct digest *root = merkle_tree_root(&s->tree[group]);

    wire_put(&s->proof, root, sizeof *root);
    transcript_absorb(&s->transcript, label, root, sizeof *root);
    return STARK_OK;
}

static int
take_layers(struct prover_state *s)
{
    for (unsigned l = 0; l <= s->shape.layers; l++) {
        struct fri_layer *layer = &s->layer[l];
        size_t points = (size_t)1 << fri_log_points(s->domain.log_rows, l);

        layer->values = mem_take(s->mem, points * sizeof(fq_t));
        if (layer->values == NULL)
            return STARK_NO_MEMORY;
        if (l < s->shape.layers &&
            take_tree(s, &layer->tree, points / STARK_FOLD) != STARK_OK)
            return STARK_NO_MEMORY;
    }
    return STARK_OK;
}

/* The trace tells the digest, so the transcript can start only after it. */
static void
start_proof(struct prover_state *s)
{
    proof_put_header(&s->proof, &s->statement);
    proof_start_transcript(&s->transcript, s->proof.bytes, &s->statement);
}

static int
run_phase(void *arg)
{
    struct run *run = arg;
    struct prover_state *s = &run->state;
    struct stages *stages = &run->stages;
    size_t tables = domain_table_elements(s->domain.log_rows);
    int err;

    s->domain.roots = mem_take(s->mem, tables * sizeof(fp_t));
    if (s->domain.roots == NULL)
        return STARK_NO_MEMORY;

    err = fill_main(run);
    if (err != STARK_OK)
        return err;
    start_proof(s);

    err = send_group(run, GROUP_MAIN, AIR_MAIN, prover_extend_main, "main");
    if (err != STARK_OK)
        return err;
    air_challenges_alpha(&s->challenges, transcript_draw_fq(&s->transcript));

    err = fill_aux(run);
    if (err == STARK_OK)
        err = send_group(run, GROUP_AUX, AIR_AUX, prover_extend_aux, "aux");
    if (err != STARK_OK)
        return err;
    proof_draw_weights(&s->transcript, &s->challenges);

    err = divide(run);
    if (err == STARK_OK)
        err = send_group(run, GROUP_QUOTIENT, AIR_QUOTIENT,
                         prover_extend_quotient, "quotient");
    if (err != STARK_OK)
        return err;
    s->z = transcript_draw_outside(&s->transcript);

    err = take_layers(s);
    if (err == STARK_OK)
        err = stage_run(stages, STAGE_DEEP, prover_deep, s);
    if (err == STARK_OK)
        err = stage_run(stages, STAGE_FRI, prover_fri, s);
    if (err == STARK_OK)
        err = stage_run(stages, STAGE_QUERIES, prover_answer, s);
    return err;
}

static void
init_run(struct run *run, const struct prover_job *job, struct mem *mem,
         struct prover_result *result)
{
    struct prover_state *s = &run->state;
    struct domain *d = &s->domain;

    s->job = job;
    s->mem = mem;
    d->kernels = job->kernels != NULL ? job->kernels : kernels_best();
    d->log_rows = s->statement.log_rows;
    d->rows = (size_t)1 << d->log_rows;
    s->shape = fri_shape(d->log_rows);
    s->proof.bytes = result->proof;
    s->proof.capacity = PROOF_MAX_BYTES;

    run->stages.mem = mem;
    run->stages.cost = &result->cost;
    run->stages.progress = job->progress;
    run->stages.progress_arg = job->progress_arg;
}

int
prover_run(const struct prover_job *job, struct prover_result *result)
{
    static const fp_t unknown[P2_DIGEST]; /* the trace will tell it */
    struct run run = {0};
    struct prover_state *s = &run.state;
    struct mem mem;
    int err;

    if (!air_statement_init(&s->statement, job->length, unknown))
        return STARK_TOO_LONG;

    mem_init(&mem, job->memory);
    mem.options = job->options;
    init_run(&run, job, &mem, result);
    err = stage_run_proof(&run.stages, run_phase, &run);
    if (err != STARK_OK)
        return err;

    memcpy(result->digest, s->statement.digest, sizeof result->digest);
    result->proof_bytes = s->proof.length;
    return s->proof.overrun ? STARK_NO_MEMORY : STARK_OK;
}

int
prover_result_init(struct prover_result *result)
{
    memset(result, 0, sizeof *result);
    result->proof = malloc(PROOF_MAX_BYTES);
    return result->proof == NULL ? STARK_NO_MEMORY : STARK_OK;
}

void
prover_result_fini(struct prover_result *result)
{
    free(result->proof);
    result->proof = NULL;
}

const char *
prover_strerror(int err)
{
    switch (err) {
    case STARK_NO_MEMORY: return "out of memory";
    case STARK_TOO_LONG: return "the file is too long for this proof system";
    default: return zk_strerror(err);
    }
}

size_t
prover_memory_needed(uint64_t length)
{
    static const fp_t unknown[P2_DIGEST];
    struct air_statement s;

    if (!air_statement_init(&s, length, unknown))
        return 0;

    size_t rows = (size_t)1 << s.log_rows;
    size_t points = rows * STARK_BLOWUP;
    size_t columns = AIR_COLUMNS * (points + rows) * sizeof(fp_t);
    size_t trees = GROUP_COUNT * merkle_tree_bytes(points);
    size_t folds = 2 * points * sizeof(fq_t);
    size_t tables = domain_table_elements(s.log_rows) * sizeof(fp_t);

    return columns + trees + folds + tables + 3 * points * sizeof(fp_t);
}
