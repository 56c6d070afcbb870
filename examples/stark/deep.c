/*
 * deep.c - the stage that opens every column at z, and proves the openings.
 *
 * Owns:   the values at z and g*z, and the function that FRI is run on.
 * Never:  chooses z: the transcript did, after all columns were committed.
 *
 *     D(x) = sum_c a_c (f_c(x) - f_c(z)) / (x - z)
 *          + sum_c b_c (f_c(x) - f_c(gz)) / (x - gz)
 *
 * is a polynomial of degree < N if and only if all openings are right. Every
 * f_c has degree < N, so N points determine it: everything here happens on
 * stripe 0, and D is extended like a column.
 *
 * Source: DEEP-ALI (eprint 2019/336), ethSTARK (eprint 2021/582).
 */
#include <zkrt/zkrt.h>

#include "bytes.h"
#include "prover_state.h"

#define BLOCK_POINTS 256u

struct deep_job {
    struct prover_state *state;
    fp_t *pole_a, *pole_b;     /* 1/(x_k - z) on stripe 0 */
    fp_t *weight_a, *weight_b; /* f(z) = sum_k f(x_k) * weight_k */
    struct matrix values;      /* D: 8N rows of 2 columns */
    struct deep_weights coins;
    fq_t scale; /* of the barycentric weights */
    fq_t here[AIR_COLUMNS], next[AIR_COLUMNS_NEXT];
    fq_t sum_here, sum_next; /* the coins' sums of opened values */
};

const fp_t *
prover_column(const struct prover_state *s, size_t c)
{
    if (c < AIR_MAIN)
        return matrix_column(&s->extended[GROUP_MAIN], c);
    c -= AIR_MAIN;
    if (c < AIR_AUX)
        return matrix_column(&s->extended[GROUP_AUX], c);
    return matrix_column(&s->extended[GROUP_QUOTIENT], c - AIR_AUX);
}

/* Column i of those that are opened at g*z too. */
static const fp_t *
next_column(const struct prover_state *s, size_t i)
{
    return prover_column(s,
                         i < AIR_MAIN_NEXT ? i : i - AIR_MAIN_NEXT + AIR_MAIN);
}

/*
 * With x_k = s * g^k, degree < N:
 * f(z) = ((z/s)^N - 1)/N * sum_k f(x_k) * x_k / (z - x_k).
 */
static void
fill_block(const struct deep_job *job, size_t first)
{
    const struct domain *d = &job->state->domain;
    fq_t pole[BLOCK_POINTS], scratch[BLOCK_POINTS];
    fp_t x[BLOCK_POINTS];

    x[0] = fp_mul(FP_GENERATOR, fp_pow(d->root, first));
    for (size_t i = 0; i < BLOCK_POINTS; i++) {
        if (i > 0)
            x[i] = fp_mul(x[i - 1], d->root);
        pole[i] = fq_sub(fq_from(x[i]), job->state->z);
    }
    fq_batch_inverse(pole, BLOCK_POINTS, scratch);

    for (size_t i = 0; i < BLOCK_POINTS; i++) {
        fq_t weight = fq_scale(fq_mul(pole[i], job->scale), fp_neg(x[i]));

        job->pole_a[first + i] = pole[i].a;
        job->pole_b[first + i] = pole[i].b;
        job->weight_a[first + i] = weight.a;
        job->weight_b[first + i] = weight.b;
    }
}

static int
fill_blocks(size_t begin, size_t end, void *arg)
{
    for (size_t block = begin; block < end; block++)
        fill_block(arg, block * BLOCK_POINTS);
    return 0;
}

static int
open_here(size_t begin, size_t end, void *arg)
{
    struct deep_job *job = arg;
    const struct domain *d = &job->state->domain;

    for (size_t c = begin; c < end; c++)
        job->here[c] = d->kernels->dot(prover_column(job->state, c),
                                       job->weight_a, job->weight_b, d->rows);
    return 0;
}

/* f(gz) = sum_k f(x_(k+1)) * weight_k: what f takes at z, one row later. */
static int
open_next(size_t begin, size_t end, void *arg)
{
    struct deep_job *job = arg;
    const struct domain *d = &job->state->domain;
    size_t bulk = d->rows - 8; /* a kernel works on multiples of 8 */

    for (size_t c = begin; c < end; c++) {
        const fp_t *v = next_column(job->state, c);
        fq_t sum = d->kernels->dot(v + 1, job->weight_a, job->weight_b, bulk);

        for (size_t k = bulk; k < d->rows; k++) {
            fq_t weight = {job->weight_a[k], job->weight_b[k]};

            sum = fq_add(sum, fq_scale(weight, v[(k + 1) % d->rows]));
        }
        job->next[c] = sum;
    }
    return 0;
}

static void
sum_columns(const struct deep_job *job, size_t first, fp_t *here_a,
            fp_t *here_b, fp_t *next_a, fp_t *next_b)
{
    const struct prover_state *s = job->state;
    const struct kernels *k = s->domain.kernels;

    for (size_t i = 0; i < BLOCK_POINTS; i++)
        here_a[i] = here_b[i] = next_a[i] = next_b[i] = 0;
    for (size_t c = 0; c < AIR_COLUMNS; c++)
        k->accumulate(here_a, here_b, prover_column(s, c) + first,
                      job->coins.here[c], BLOCK_POINTS);
    for (size_t c = 0; c < AIR_COLUMNS_NEXT; c++)
        k->accumulate(next_a, next_b, next_column(s, c) + first,
                      job->coins.next[c], BLOCK_POINTS);
}

/* 1/(x_k - gz) = 1/(x_(k-1) - z) / g: one table of poles serves both. */
static void
combine_block(struct deep_job *job, size_t first)
{
    const struct domain *d = &job->state->domain;
    fp_t g_inverse = fp_inverse(d->root);
    fp_t here_a[BLOCK_POINTS], here_b[BLOCK_POINTS];
    fp_t next_a[BLOCK_POINTS], next_b[BLOCK_POINTS];

    sum_columns(job, first, here_a, here_b, next_a, next_b);
    for (size_t i = 0; i < BLOCK_POINTS; i++) {
        size_t k = first + i;
        size_t before = (k + d->rows - 1) % d->rows;
        fq_t here = fq_sub((fq_t){here_a[i], here_b[i]}, job->sum_here);
        fq_t next = fq_sub((fq_t){next_a[i], next_b[i]}, job->sum_next);
        fq_t here_pole = {job->pole_a[k], job->pole_b[k]};
        fq_t next_pole = {job->pole_a[before], job->pole_b[before]};

        next_pole = fq_scale(next_pole, g_inverse);

        fq_t value = fq_add(fq_mul(here, here_pole), fq_mul(next, next_pole));

        matrix_column(&job->values, 0)[k] = value.a;
        matrix_column(&job->values, 1)[k] = value.b;
    }
}

static int
combine_blocks(size_t begin, size_t end, void *arg)
{
    for (size_t block = begin; block < end; block++)
        combine_block(arg, block * BLOCK_POINTS);
    return 0;
}

/*
 * Stripe 0 starts at s, not at 1, so its transform yields coefficients times
 * s^k. Its own values are computed again with the others.
 */
static int
extend_values(size_t begin, size_t end, void *arg)
{
    struct deep_job *job = arg;
    const struct domain *d = &job->state->domain;
    size_t last = (STARK_BLOWUP - 1) * d->rows;
    fp_t *unshift = job->weight_a; /* done with */

    for (size_t c = begin; c < end; c++) {
        fp_t *v = matrix_column(&job->values, c);

        domain_interpolate(d, v);
        d->kernels->multiply(v + last, v, unshift, d->rows);
        domain_extend(d, v, v + last);
    }
    return 0;
}

/* To FRI's order: point s*w^e, e = 8k + j, is row k of stripe j. */
static int
reorder(size_t begin, size_t end, void *arg)
{
    const struct deep_job *job = arg;
    const struct prover_state *s = job->state;

    for (size_t e = begin; e < end; e++) {
        size_t at = proof_leaf(e, s->domain.log_rows);

        s->layer[0].values[e].a = matrix_column(&job->values, 0)[at];
        s->layer[0].values[e].b = matrix_column(&job->values, 1)[at];
    }
    return 0;
}

static int
take_buffers(struct deep_job *job)
{
    struct prover_state *s = job->state;
    size_t rows = s->domain.rows;
    fp_t *arrays = mem_take(s->mem, 4 * rows * sizeof(fp_t));

    job->values = matrix_shape(2, rows * STARK_BLOWUP);
    job->values.data = mem_take(s->mem, matrix_bytes(&job->values));
    if (arrays == NULL || job->values.data == NULL)
        return STARK_NO_MEMORY;

    job->pole_a = arrays;
    job->pole_b = arrays + rows;
    job->weight_a = arrays + 2 * rows;
    job->weight_b = arrays + 3 * rows;
    return STARK_OK;
}

static int
open_columns(struct deep_job *job)
{
    struct prover_state *s = job->state;
    size_t rows = s->domain.rows;
    fp_t s_inverse = fp_inverse(FP_GENERATOR);
    fq_t power = fq_pow(fq_scale(s->z, s_inverse), rows);
    int err;

    job->scale = fq_scale(fq_sub(power, FQ_ONE), fp_inverse(rows));
    err = zk_parallel_for(0, rows / BLOCK_POINTS, 0, fill_blocks, job);
    if (err == ZK_OK)
        err = zk_parallel_for(0, AIR_COLUMNS, 0, open_here, job);
    if (err == ZK_OK)
        err = zk_parallel_for(0, AIR_COLUMNS_NEXT, 0, open_next, job);
    return err;
}

/* Says the openings, then draws the coins that combine them. */
static void
exchange(struct deep_job *job)
{
    struct prover_state *s = job->state;
    size_t start = s->proof.length;

    for (size_t c = 0; c < AIR_COLUMNS; c++)
        wire_put_fq(&s->proof, job->here[c]);
    for (size_t c = 0; c < AIR_COLUMNS_NEXT; c++)
        wire_put_fq(&s->proof, job->next[c]);
    transcript_absorb(&s->transcript, "openings", s->proof.bytes + start,
                      s->proof.length - start);
    proof_draw_deep_weights(&s->transcript, &job->coins);

    job->sum_here = job->sum_next = FQ_ZERO;
    for (size_t c = 0; c < AIR_COLUMNS; c++)
        job->sum_here =
            fq_add(job->sum_here, fq_mul(job->coins.here[c], job->here[c]));
    for (size_t c = 0; c < AIR_COLUMNS_NEXT; c++)
        job->sum_next =
            fq_add(job->sum_next, fq_mul(job->coins.next[c], job->next[c]));
}

int
prover_deep(void *state)
{
    struct prover_state *s = state;
    struct deep_job job = {.state = s};
    size_t rows = s->domain.rows;
    int err = take_buffers(&job);

    if (err == STARK_OK)
        err = open_columns(&job);
    if (err != STARK_OK)
        return err;
    exchange(&job);

    err = zk_parallel_for(0, rows / BLOCK_POINTS, 0, combine_blocks, &job);
    if (err != ZK_OK)
        return err;
    domain_powers_reversed(job.weight_a, rows, 1, fp_inverse(FP_GENERATOR));
    err = zk_parallel_for(0, 2, 0, extend_values, &job);
    if (err == ZK_OK)
        err = zk_parallel_for(0, rows * STARK_BLOWUP, 0, reorder, &job);
    return err;
}
