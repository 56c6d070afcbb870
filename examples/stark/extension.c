/*
 * extension.c - the stages that extend columns and commit to them.
 *
 * Owns:   the loop over columns, and over the leaves of a tree.
 * Never:  changes a column's values on the rows.
 */
#include <string.h>

#include <zkrt/zkrt.h>

#include "prover_state.h"

struct extend_job {
    const struct domain *domain;
    const struct matrix *from;
    struct matrix *to;
};

/* The last stripe is the scratch for the coefficients: no other is needed. */
static int
extend_values(size_t begin, size_t end, void *arg)
{
    const struct extend_job *job = arg;
    const struct domain *d = job->domain;

    for (size_t c = begin; c < end; c++) {
        fp_t *out = matrix_column(job->to, c);
        fp_t *scratch = out + (STARK_BLOWUP - 1) * d->rows;

        memcpy(scratch, matrix_column(job->from, c), d->rows * sizeof(fp_t));
        domain_interpolate(d, scratch);
        domain_extend(d, out, scratch);
    }
    return 0;
}

static int
extend_coefficients(size_t begin, size_t end, void *arg)
{
    const struct extend_job *job = arg;

    for (size_t c = begin; c < end; c++)
        domain_extend(job->domain, matrix_column(job->to, c),
                      matrix_column(job->from, c));
    return 0;
}

static int
extend_group(struct prover_state *s, enum group group,
             const struct matrix *from, zk_range_fn body)
{
    struct extend_job job = {&s->domain, from, &s->extended[group]};

    return zk_parallel_for(0, from->columns, 0, body, &job);
}

static int
fill_shifts(size_t begin, size_t end, void *arg)
{
    for (size_t j = begin; j < end; j++)
        domain_init_stripe(arg, (unsigned)j);
    return 0;
}

/* The first one fills the tables for all. */
int
prover_extend_main(void *state)
{
    struct prover_state *s = state;
    struct domain *d = &s->domain;
    int err;

    domain_init(d, d->log_rows, d->kernels, d->roots);
    err = zk_parallel_for(0, STARK_BLOWUP, 0, fill_shifts, d);
    if (err != ZK_OK)
        return err;
    return extend_group(s, GROUP_MAIN, &s->main, extend_values);
}

int
prover_extend_aux(void *state)
{
    struct prover_state *s = state;

    return extend_group(s, GROUP_AUX, &s->aux, extend_values);
}

int
prover_extend_quotient(void *state)
{
    struct prover_state *s = state;

    return extend_group(s, GROUP_QUOTIENT, &s->quotient, extend_coefficients);
}

int
prover_commit(void *state)
{
    struct prover_state *s = state;

    return merkle_tree_of_matrix(&s->tree[s->group], &s->extended[s->group]);
}
