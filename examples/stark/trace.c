/*
 * trace.c - the stage that runs the sponge and writes down every cell.
 *
 * Owns:   the values of the main and of the lookup's columns on the rows.
 * Never:  checks a constraint: a wrong cell is for the verifier to find.
 *
 * Rows after the last block go on absorbing blocks of zeros, so that the step
 * constraint holds on them as well.
 */
#include <string.h>

#include <zkrt/zkrt.h>

#include "poseidon2.h"
#include "prover_state.h"

#include "lanes_portable.h"
#include "poseidon2_layers.h"

/* A cache line of each column. */
#define TILE_ROWS 8u

static void
flip_cell(const struct prover_job *job, struct matrix *m, size_t first_column)
{
    size_t column = job->flip_column;

    if (job->flip_by == 0 || column < first_column ||
        column - first_column >= m->columns || job->flip_row >= m->rows)
        return;

    fp_t *cell = matrix_column(m, column - first_column) + job->flip_row;

    *cell = fp_add(*cell, job->flip_by);
}

/*
 * A sponge is a chain, so this loop is serial by nature; it does no more than
 * the chain needs. Everything else of a row follows from its input state.
 */
static void
fill_inputs(struct prover_state *s)
{
    const struct prover_job *job = s->job;
    fp_t state[P2_WIDTH] = {0};
    uint8_t block[STARK_BLOCK_BYTES];
    fp_t *count = matrix_column(&s->main, AIR_COUNT);

    memset(count, 0, s->main.rows * sizeof *count);
    for (size_t row = 0; row < s->main.rows; row++) {
        sponge_block(job->file, job->length, row, block);
        for (unsigned i = 0; i < STARK_BLOCK_BYTES; i++)
            count[block[i]]++;
        for (unsigned i = 0; i < P2_RATE; i++)
            state[i] = fp_add(state[i], sponge_element(block, i));
        for (unsigned i = 0; i < P2_WIDTH; i++)
            matrix_column(&s->main, AIR_IN + i)[row] = state[i];
        poseidon2_permute(state);
        if (row + 1 == s->statement.blocks)
            memcpy(s->statement.digest, state, sizeof s->statement.digest);
    }
}

static fp_t *
fill_full_round(fp_t s[P2_WIDTH], unsigned round, fp_t *cell)
{
    for (unsigned i = 0; i < P2_WIDTH; i++) {
        s[i] = p2_sbox(fp_add(s[i], p2_full_constants[round][i]));
        *cell++ = s[i];
    }
    p2_external(s);
    return cell;
}

/* The cells of the S-boxes; the columns of full and partial rounds follow one
 * another in a row, not in time. */
static void
fill_row(const fp_t input[P2_WIDTH], fp_t full[P2_FULL * P2_WIDTH],
         fp_t partial[P2_PARTIAL])
{
    fp_t s[P2_WIDTH];

    memcpy(s, input, sizeof s);
    p2_external(s);
    for (unsigned r = 0; r < P2_FULL / 2; r++)
        full = fill_full_round(s, r, full);
    for (unsigned r = 0; r < P2_PARTIAL; r++) {
        s[0] = p2_sbox(fp_add(s[0], p2_partial_constants[r]));
        partial[r] = s[0];
        p2_internal(s);
    }
    for (unsigned r = P2_FULL / 2; r < P2_FULL; r++)
        full = fill_full_round(s, r, full);
}

static void
fill_tile(struct prover_state *s, size_t first)
{
    fp_t cell[TILE_ROWS][AIR_MAIN];

    for (size_t i = 0; i < TILE_ROWS; i++) {
        uint8_t block[STARK_BLOCK_BYTES];

        sponge_block(s->job->file, s->job->length, first + i, block);
        for (size_t c = 0; c < P2_WIDTH; c++)
            cell[i][AIR_IN + c] =
                matrix_column(&s->main, AIR_IN + c)[first + i];
        for (size_t c = 0; c < STARK_BLOCK_BYTES; c++)
            cell[i][AIR_BYTE + c] = block[c];
        fill_row(cell[i] + AIR_IN, cell[i] + AIR_FULL, cell[i] + AIR_PARTIAL);
    }
    for (size_t c = AIR_BYTE; c < AIR_COUNT; c++)
        for (size_t i = 0; i < TILE_ROWS; i++)
            matrix_column(&s->main, c)[first + i] = cell[i][c];
}

static int
fill_tiles(size_t begin, size_t end, void *arg)
{
    struct prover_state *s = arg;

    for (size_t tile = begin; tile < end; tile++)
        fill_tile(s, tile * TILE_ROWS);
    return 0;
}

int
prover_fill_main(void *state)
{
    struct prover_state *s = state;
    int err;

    fill_inputs(s);
    err = zk_parallel_for(0, s->main.rows / TILE_ROWS, 0, fill_tiles, s);
    flip_cell(s->job, &s->main, 0);
    return err;
}

struct lookup_job {
    struct prover_state *state;
    fq_t inverse[AIR_TABLE_ROWS]; /* 1/(alpha - i) */
    fq_t alpha;
};

/* A cell that a test has flipped may be no byte. */
static fq_t
lookup_inverse(const struct lookup_job *job, fp_t value)
{
    if (value < AIR_TABLE_ROWS)
        return job->inverse[value];
    return fq_inverse(fq_sub(job->alpha, fq_from(value)));
}

static void
store_extended(struct matrix *aux, size_t column, size_t row, fq_t v)
{
    matrix_column(aux, 2 * column)[row] = v.a;
    matrix_column(aux, 2 * column + 1)[row] = v.b;
}

/* The helpers, and in the sum's column what each row adds to it. */
static int
fill_helpers(size_t begin, size_t end, void *arg)
{
    const struct lookup_job *job = arg;
    struct prover_state *s = job->state;

    for (size_t row = begin; row < end; row++) {
        fp_t count = matrix_column(&s->main, AIR_COUNT)[row];
        fq_t term = fq_scale(job->inverse[row % AIR_TABLE_ROWS], count);
        fq_t total = fq_sub(FQ_ZERO, term);

        for (size_t i = 0; i < AIR_HELPERS; i++) {
            fq_t helper = FQ_ZERO;

            for (size_t k = 0; k < 7; k++) {
                size_t c = AIR_BYTE + 7 * i + k;
                fp_t byte = matrix_column(&s->main, c)[row];

                helper = fq_add(helper, lookup_inverse(job, byte));
            }
            store_extended(&s->aux, 1 + i, row, helper);
            total = fq_add(total, helper);
        }
        store_extended(&s->aux, 0, row, total);
    }
    return 0;
}

/* One addition a row: too little to be worth two parallel passes. */
static void
sum_up(struct matrix *aux)
{
    fp_t *a = matrix_column(aux, 0), *b = matrix_column(aux, 1);
    fq_t sum = FQ_ZERO;

    for (size_t row = 0; row < aux->rows; row++) {
        fq_t term = {a[row], b[row]};

        store_extended(aux, 0, row, sum);
        sum = fq_add(sum, term);
    }
}

int
prover_fill_aux(void *state)
{
    struct prover_state *s = state;
    struct lookup_job job = {.state = s, .alpha = s->challenges.power[1]};
    fq_t scratch[AIR_TABLE_ROWS];
    int err;

    for (size_t i = 0; i < AIR_TABLE_ROWS; i++)
        job.inverse[i] = fq_sub(job.alpha, fq_from(i));
    fq_batch_inverse(job.inverse, AIR_TABLE_ROWS, scratch);

    err = zk_parallel_for(0, s->main.rows, 0, fill_helpers, &job);
    sum_up(&s->aux);
    flip_cell(s->job, &s->aux, AIR_MAIN);
    return err;
}
