/*
 * fri_prover.c - the stages that fold, grind and answer the queries.
 *
 * Owns:   the prover's side of FRI, and the order of the proof's last part.
 * Never:  computes a fold's formula (fri.c does).
 */
#include <stdatomic.h>

#include <zkrt/zkrt.h>

#include "bytes.h"
#include "merkle.h"
#include "prover_state.h"

/* Nonces that are searched before looking whether one of them was good. */
#define GRIND_BLOCK ((uint64_t)1 << 16)

struct fold_job {
    const struct prover_state *state;
    unsigned layer;
    fq_t challenge;
};

static int
fold_leaves(size_t begin, size_t end, void *arg)
{
    const struct fold_job *job = arg;
    const struct fri_layer *from = &job->state->layer[job->layer];
    fq_t *to = job->state->layer[job->layer + 1].values;
    unsigned log_rows = job->state->domain.log_rows;
    fp_t root = fp_root(fri_log_points(log_rows, job->layer));
    fp_t step = fp_inverse(root);
    fp_t x_inverse = fp_inverse(fri_point(log_rows, job->layer, begin));

    for (size_t k = begin; k < end; k++) {
        fq_t v[STARK_FOLD];

        for (size_t i = 0; i < STARK_FOLD; i++)
            v[i] = from->values[k + i * from->tree.leaves];
        to[k] = fri_fold(v, x_inverse, job->challenge);
        x_inverse = fp_mul(x_inverse, step);
    }
    return 0;
}

static int
fold_layer(struct prover_state *s, unsigned l)
{
    struct fri_layer *layer = &s->layer[l];
    struct fold_job job = {.state = s, .layer = l};
    int err = merkle_tree_of_cosets(&layer->tree, layer->values, STARK_FOLD);

    if (err != ZK_OK)
        return err;

    const struct digest *root = merkle_tree_root(&layer->tree);

    wire_put(&s->proof, root, sizeof *root);
    transcript_absorb(&s->transcript, "fri", root, sizeof *root);
    job.challenge = transcript_draw_fq(&s->transcript);
    return zk_parallel_for(0, layer->tree.leaves, 0, fold_leaves, &job);
}

/*
 * Coefficient i of the polynomial of degree < 2^log_final through the last
 * layer. There are at most 512 points, so the plain sum will do.
 */
static fq_t
final_coefficient(const struct prover_state *s, size_t i)
{
    unsigned log_rows = s->domain.log_rows, l = s->shape.layers;
    size_t points = (size_t)1 << fri_log_points(log_rows, l);
    fp_t step = fp_inverse(fp_pow(fp_root(fri_log_points(log_rows, l)), i));
    fp_t factor =
        fp_inverse(fp_mul(points, fp_pow(fri_point(log_rows, l, 0), i)));
    fq_t sum = FQ_ZERO;

    for (size_t e = 0; e < points; e++) {
        sum = fq_add(sum, fq_scale(s->layer[l].values[e], factor));
        factor = fp_mul(factor, step);
    }
    return sum;
}

int
prover_fri(void *state)
{
    struct prover_state *s = state;
    size_t start;

    for (unsigned l = 0; l < s->shape.layers; l++) {
        int err = fold_layer(s, l);

        if (err != ZK_OK)
            return err;
    }

    start = s->proof.length;
    for (size_t i = 0; i < (size_t)1 << s->shape.log_final; i++)
        wire_put_fq(&s->proof, final_coefficient(s, i));
    transcript_absorb(&s->transcript, "final", s->proof.bytes + start,
                      s->proof.length - start);
    return STARK_OK;
}

struct grind_job {
    const struct transcript *transcript;
    uint64_t first;
    _Atomic uint64_t best; /* the smallest good nonce seen so far */
};

static int
grind_range(size_t begin, size_t end, void *arg)
{
    struct grind_job *job = arg;

    for (size_t i = begin; i < end; i++) {
        uint64_t nonce = job->first + i;
        uint64_t best = atomic_load_explicit(&job->best, memory_order_relaxed);

        if (nonce >= best)
            return 0;
        if (!transcript_work_done(job->transcript, nonce, STARK_GRINDING_BITS))
            continue;
        while (nonce < best && !atomic_compare_exchange_weak_explicit(
                                   &job->best, &best, nonce,
                                   memory_order_relaxed, memory_order_relaxed))
            ;
        return 0;
    }
    return 0;
}

/*
 * The smallest good nonce, whoever finds one first: a block is searched up to
 * the best nonce in it, and no later block is looked at. The end of the loop
 * orders the relaxed stores before the load here.
 */
static int
grind(const struct transcript *t, uint64_t *nonce)
{
    struct grind_job job = {.transcript = t};

    atomic_init(&job.best, UINT64_MAX);
    for (;;) {
        int err = zk_parallel_for(0, GRIND_BLOCK, 0, grind_range, &job);

        *nonce = atomic_load_explicit(&job.best, memory_order_relaxed);
        if (err != ZK_OK || *nonce != UINT64_MAX)
            return err;
        job.first += GRIND_BLOCK;
    }
}

static void
answer_group(struct prover_state *s, enum group group,
             const size_t query[STARK_QUERIES])
{
    const struct matrix *m = &s->extended[group];
    size_t index[STARK_QUERIES];

    for (unsigned i = 0; i < STARK_QUERIES; i++)
        index[i] = proof_leaf(query[i], s->domain.log_rows);

    size_t count = merkle_sort_unique(index, STARK_QUERIES);

    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < m->columns; c++)
            wire_put64(&s->proof, matrix_column(m, c)[index[i]]);
    merkle_tree_open(&s->tree[group], index, count, &s->proof);
}

/* Reduces the queries to leaves of this layer, which are points of the next. */
static void
answer_layer(struct prover_state *s, unsigned l, size_t query[STARK_QUERIES])
{
    const struct fri_layer *layer = &s->layer[l];
    size_t leaves = layer->tree.leaves;
    size_t index[STARK_QUERIES];

    for (unsigned i = 0; i < STARK_QUERIES; i++)
        index[i] = query[i] = query[i] % leaves;

    size_t count = merkle_sort_unique(index, STARK_QUERIES);

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < STARK_FOLD; k++)
            wire_put_fq(&s->proof, layer->values[index[i] + k * leaves]);
    merkle_tree_open(&layer->tree, index, count, &s->proof);
}

int
prover_answer(void *state)
{
    struct prover_state *s = state;
    size_t query[STARK_QUERIES];
    uint8_t bytes[8];
    uint64_t nonce;
    int err = grind(&s->transcript, &nonce);

    if (err != ZK_OK)
        return err;
    bytes_put64(bytes, nonce);
    wire_put(&s->proof, bytes, sizeof bytes);
    transcript_absorb(&s->transcript, "nonce", bytes, sizeof bytes);

    proof_draw_queries(&s->transcript, s->domain.log_rows, query);
    for (unsigned g = 0; g < GROUP_COUNT; g++)
        answer_group(s, (enum group)g, query);
    for (unsigned l = 0; l < s->shape.layers; l++)
        answer_layer(s, l, query);
    return STARK_OK;
}
