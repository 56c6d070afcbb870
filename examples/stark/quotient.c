/*
 * quotient.c - the stage that divides the constraints by what vanishes.
 *
 * Owns:   the quotient's values on all 8N points, and its seven chunks.
 * Never:  notices that a constraint does not hold: the division then leaves an
 *         eighth chunk, which is dropped, and the verifier refuses.
 *
 * The quotient is sum_m x^(mN) C_m(x). On stripe j, where x^N = s^N * u^j is
 * constant (u of order 8), it is one polynomial of degree < N, whose
 * coefficient k is sum_m (s^N u^j)^m C_m,k. So 8 short transforms and, for each
 * k, one inverse DFT over the 8 stripes give the chunks.
 */
#include <zkrt/zkrt.h>

#include "prover_state.h"

/* Points that a task handles at once: their arrays stay in the first cache. */
#define BLOCK_POINTS 64u

struct divide_job {
    struct prover_state *state;
    struct matrix values; /* two columns of 8N: the coordinates */
    fp_t *unshift;        /* (s*w^j)^-k, bit-reversed, N per stripe */
    fp_t table[STARK_BLOWUP][AIR_TABLE_ROWS];
    fp_t over_all[STARK_BLOWUP];
    fp_t from_stripes[AIR_CHUNKS][STARK_BLOWUP]; /* the inverse DFT */
    fp_t last_point;                             /* g^(B-1) */
    fp_t end_point;                              /* g^(N-1) */
};

/* The table's column has period 256 on each stripe, and so few coefficients. */
static void
fill_table(struct divide_job *job)
{
    const struct domain *d = &job->state->domain;
    fp_t coefficients[AIR_TABLE_ROWS], twiddles[AIR_TABLE_ROWS];
    fp_t powers[AIR_TABLE_ROWS];
    fp_t root = fp_root(8);

    for (size_t i = 0; i < AIR_TABLE_ROWS; i++)
        coefficients[i] = i;
    domain_twiddles(twiddles, 8, fp_inverse(root));
    d->kernels->ntt_dif(coefficients, 8, twiddles);
    domain_twiddles(twiddles, 8, root);

    for (unsigned j = 0; j < STARK_BLOWUP; j++) {
        fp_t shift = fp_pow(domain_stripe_shift(d, j), d->rows >> 8);

        domain_powers_reversed(powers, AIR_TABLE_ROWS,
                               fp_inverse(AIR_TABLE_ROWS), shift);
        d->kernels->multiply(job->table[j], coefficients, powers,
                             AIR_TABLE_ROWS);
        d->kernels->ntt_dit(job->table[j], 8, twiddles);
    }
}

static void
fill_constants(struct divide_job *job)
{
    const struct prover_state *s = job->state;
    const struct domain *d = &s->domain;
    fp_t u_inverse = fp_inverse(fp_root(STARK_LOG_BLOWUP));
    fp_t s_inverse = fp_inverse(fp_pow(FP_GENERATOR, d->rows));
    fp_t eighth = fp_inverse(STARK_BLOWUP);

    for (unsigned j = 0; j < STARK_BLOWUP; j++) {
        fp_t power = fp_pow(domain_stripe_shift(d, j), d->rows);

        job->over_all[j] = fp_inverse(fp_sub(power, 1));
    }
    for (unsigned m = 0; m < AIR_CHUNKS; m++)
        for (unsigned j = 0; j < STARK_BLOWUP; j++)
            job->from_stripes[m][j] =
                fp_mul(fp_mul(eighth, fp_pow(s_inverse, m)),
                       fp_pow(u_inverse, (uint64_t)j * m));

    job->last_point = fp_pow(d->root, s->statement.blocks - 1);
    job->end_point = fp_inverse(d->root);
}

static void
divide_block(const struct divide_job *job, size_t stripe, size_t first)
{
    const struct prover_state *s = job->state;
    const struct domain *d = &s->domain;
    size_t at = stripe * d->rows;
    fp_t from_end[BLOCK_POINTS], scratch[BLOCK_POINTS];
    fp_t over_first[BLOCK_POINTS], over_last[BLOCK_POINTS];
    fp_t x = fp_mul(domain_stripe_shift(d, (unsigned)stripe),
                    fp_pow(d->root, first));

    for (size_t i = 0; i < BLOCK_POINTS; i++) {
        from_end[i] = fp_sub(x, job->end_point);
        over_first[i] = fp_sub(x, 1);
        over_last[i] = fp_sub(x, job->last_point);
        x = fp_mul(x, d->root);
    }
    fp_batch_inverse(over_first, BLOCK_POINTS, scratch);
    fp_batch_inverse(over_last, BLOCK_POINTS, scratch);

    const struct quotient_stripe where = {
        .statement = &s->statement,
        .challenges = &s->challenges,
        .main = s->extended[GROUP_MAIN].data + at,
        .aux = s->extended[GROUP_AUX].data + at,
        .stride = s->extended[GROUP_MAIN].stride,
        .table = job->table[stripe],
        .rows = d->rows,
        .over_all = job->over_all[stripe],
    };
    const struct quotient_points points = {
        .first = first,
        .count = BLOCK_POINTS,
        .from_end = from_end,
        .over_first = over_first,
        .over_last = over_last,
        .a = matrix_column(&job->values, 0) + at + first,
        .b = matrix_column(&job->values, 1) + at + first,
    };

    d->kernels->quotient(&where, &points);
}

static int
divide_blocks(size_t begin, size_t end, void *arg)
{
    const struct divide_job *job = arg;
    size_t rows = job->state->domain.rows;

    for (size_t block = begin; block < end; block++) {
        size_t at = block * BLOCK_POINTS;

        divide_block(job, at / rows, at % rows);
    }
    return 0;
}

static int
fill_unshift(size_t begin, size_t end, void *arg)
{
    const struct divide_job *job = arg;
    const struct domain *d = &job->state->domain;

    for (size_t j = begin; j < end; j++)
        domain_powers_reversed(job->unshift + j * d->rows, d->rows, 1,
                               fp_inverse(domain_stripe_shift(d, (unsigned)j)));
    return 0;
}

/* Values to coefficients, on one stripe of one coordinate. */
static int
interpolate_stripes(size_t begin, size_t end, void *arg)
{
    const struct divide_job *job = arg;
    const struct domain *d = &job->state->domain;

    for (size_t i = begin; i < end; i++) {
        size_t at = (i % STARK_BLOWUP) * d->rows;
        fp_t *v = matrix_column(&job->values, i / STARK_BLOWUP) + at;

        domain_interpolate(d, v);
        d->kernels->multiply(v, v, job->unshift + at, d->rows);
    }
    return 0;
}

static int
split_chunks(size_t begin, size_t end, void *arg)
{
    const struct divide_job *job = arg;
    struct prover_state *s = job->state;
    size_t rows = s->domain.rows;

    for (size_t k = begin; k < end; k++)
        for (size_t part = 0; part < 2; part++)
            for (size_t m = 0; m < AIR_CHUNKS; m++) {
                const fp_t *v = matrix_column(&job->values, part) + k;
                fp_t sum = 0;

                for (size_t j = 0; j < STARK_BLOWUP; j++)
                    sum = fp_add(sum,
                                 fp_mul(v[j * rows], job->from_stripes[m][j]));
                matrix_column(&s->quotient, 2 * m + part)[k] = sum;
            }
    return 0;
}

int
prover_divide(void *state)
{
    struct prover_state *s = state;
    size_t points = s->domain.rows * STARK_BLOWUP;
    struct divide_job job = {.state = s, .values = matrix_shape(2, points)};
    int err;

    job.values.data = mem_take(s->mem, matrix_bytes(&job.values));
    job.unshift = mem_take(s->mem, points * sizeof(fp_t));
    if (job.values.data == NULL || job.unshift == NULL)
        return STARK_NO_MEMORY;

    fill_table(&job);
    fill_constants(&job);
    err = zk_parallel_for(0, STARK_BLOWUP, 0, fill_unshift, &job);
    if (err == ZK_OK)
        err = zk_parallel_for(0, points / BLOCK_POINTS, 0, divide_blocks, &job);
    if (err == ZK_OK)
        err = zk_parallel_for(0, (size_t)2 * STARK_BLOWUP, 0,
                              interpolate_stripes, &job);
    if (err == ZK_OK)
        err = zk_parallel_for(0, s->domain.rows, 0, split_chunks, &job);
    return err;
}
