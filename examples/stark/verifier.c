/*
 * verifier.c - the checks, in the order of the proof's bytes.
 *
 * Owns:   the verifier's side of the protocol.
 * Never:  draws a coin before all that it must depend on was absorbed: each
 *         section below absorbs first and draws then.
 *
 * All sizes are fixed by the parameters and the claimed length, which is
 * bounded first, so everything fits a state of fixed size.
 */
#include "verifier.h"

#include <string.h>

#include "fri.h"
#include "merkle.h"
#include "proof.h"

enum { GROUPS = 3 };

static const unsigned group_columns[GROUPS] = {AIR_MAIN, AIR_AUX, AIR_QUOTIENT};

struct verifier {
    struct wire_reader in;
    struct transcript transcript;
    struct air_statement statement;
    struct air_challenges challenges;
    struct deep_weights coins;
    fq_t z;

    struct digest root[GROUPS];
    fq_t here[AIR_COLUMNS], next[AIR_COLUMNS_NEXT];

    struct fri_shape shape;
    struct digest layer_root[STARK_MAX_LAYERS];
    fq_t layer_challenge[STARK_MAX_LAYERS];
    fq_t final[1u << STARK_LOG_FINAL];

    size_t query[STARK_QUERIES];          /* e: the point is s*w^e */
    fp_t row[STARK_QUERIES][AIR_COLUMNS]; /* opened there */
    fq_t value[STARK_QUERIES];            /* D there, then its folds */
};

/* Never that the proof is accepted, whatever the fault. */
static enum verdict
fault_verdict(enum wire_fault fault)
{
    return fault == WIRE_NONCANONICAL ? VERDICT_NONCANONICAL : VERDICT_SHORT;
}

static enum verdict
read_header(struct verifier *v, const fp_t digest[P2_DIGEST])
{
    const uint8_t *header = v->in.at;

    switch (proof_take_header(&v->in, digest, &v->statement)) {
    case PROOF_HEADER_OK: break;
    case PROOF_HEADER_SHORT: return VERDICT_SHORT;
    case PROOF_HEADER_MAGIC: return VERDICT_NO_PROOF;
    case PROOF_HEADER_VERSION: return VERDICT_VERSION;
    case PROOF_HEADER_PARAMETERS: return VERDICT_PARAMETERS;
    case PROOF_HEADER_LENGTH: return VERDICT_LENGTH;
    case PROOF_HEADER_ROWS: return VERDICT_ROWS;
    }
    v->shape = fri_shape(v->statement.log_rows);
    proof_start_transcript(&v->transcript, header, &v->statement);
    return VERDICT_ACCEPTED;
}

static void
read_root(struct verifier *v, struct digest *root, const char *label)
{
    *root = wire_take_digest(&v->in);
    transcript_absorb(&v->transcript, label, root, sizeof *root);
}

/* Reads n extension elements and absorbs their bytes. */
static void
read_values(struct verifier *v, fq_t *values, size_t n, const char *label)
{
    const uint8_t *bytes = wire_take_fqs(&v->in, values, n);

    if (bytes != NULL)
        transcript_absorb(&v->transcript, label, bytes, n * sizeof(fq_t));
}

/* The constraints hold at a point that was not known when all was committed. */
static enum verdict
check_constraints(struct verifier *v)
{
    struct transcript *t = &v->transcript;

    read_root(v, &v->root[0], "main");
    air_challenges_alpha(&v->challenges, transcript_draw_fq(t));
    read_root(v, &v->root[1], "aux");
    proof_draw_weights(t, &v->challenges);
    read_root(v, &v->root[2], "quotient");
    v->z = transcript_draw_outside(t);

    const uint8_t *openings = v->in.at;

    (void)wire_take_fqs(&v->in, v->here, AIR_COLUMNS);
    (void)wire_take_fqs(&v->in, v->next, AIR_COLUMNS_NEXT);
    if (v->in.fault != WIRE_OK)
        return fault_verdict(v->in.fault);
    transcript_absorb(t, "openings", openings, (size_t)(v->in.at - openings));
    proof_draw_deep_weights(t, &v->coins);

    fq_t said = air_join_chunks(&v->statement, v->z, v->here);
    fq_t found =
        air_quotient_at(&v->statement, &v->challenges, v->z, v->here, v->next);

    return fq_equal(said, found) ? VERDICT_ACCEPTED : VERDICT_CONSTRAINTS;
}

/* Everything that must be fixed before the queries are known. */
static enum verdict
read_fri(struct verifier *v)
{
    struct transcript *t = &v->transcript;

    for (unsigned l = 0; l < v->shape.layers; l++) {
        read_root(v, &v->layer_root[l], "fri");
        v->layer_challenge[l] = transcript_draw_fq(t);
    }
    read_values(v, v->final, (size_t)1 << v->shape.log_final, "final");

    uint8_t nonce[8] = {0};
    struct wire_reader again = v->in;
    const uint8_t *bytes = wire_take(&v->in, sizeof nonce);

    if (bytes == NULL)
        return fault_verdict(v->in.fault);
    memcpy(nonce, bytes, sizeof nonce);
    if (!transcript_work_done(t, wire_take64(&again), STARK_GRINDING_BITS))
        return VERDICT_WORK;
    transcript_absorb(t, "nonce", nonce, sizeof nonce);
    proof_draw_queries(t, v->statement.log_rows, v->query);
    return VERDICT_ACCEPTED;
}

/*
 * Reads one group's rows at the queries, checks them against its root and
 * hands a copy to each query; several queries may share a row.
 */
static enum verdict
read_group(struct verifier *v, unsigned group, unsigned first_column)
{
    unsigned columns = group_columns[group];
    unsigned log_rows = v->statement.log_rows;
    size_t index[STARK_QUERIES];
    struct digest leaf[STARK_QUERIES];

    for (unsigned i = 0; i < STARK_QUERIES; i++)
        index[i] = proof_leaf(v->query[i], log_rows);

    size_t count = merkle_sort_unique(index, STARK_QUERIES);

    for (size_t i = 0; i < count; i++) {
        fp_t row[AIR_MAIN];
        const uint8_t *bytes = wire_take_fps(&v->in, row, columns);

        if (bytes == NULL)
            return fault_verdict(v->in.fault);
        leaf[i] = hash_bytes(HASH_LEAF, bytes, columns * (size_t)8);
        for (unsigned q = 0; q < STARK_QUERIES; q++)
            if (proof_leaf(v->query[q], log_rows) == index[i])
                memcpy(v->row[q] + first_column, row, columns * sizeof *row);
    }

    bool good = merkle_check(&v->root[group], log_rows + STARK_LOG_BLOWUP,
                             index, leaf, count, &v->in);

    if (v->in.fault != WIRE_OK)
        return fault_verdict(v->in.fault);
    return good ? VERDICT_ACCEPTED : VERDICT_OPENING;
}

/* D at the point of query q (deep.c), from the opened row and the openings. */
static fq_t
deep_value(const struct verifier *v, unsigned q)
{
    fp_t g = fp_root(v->statement.log_rows);
    fq_t x = fq_from(fri_point(v->statement.log_rows, 0, v->query[q]));
    fq_t here = FQ_ZERO, next = FQ_ZERO;
    const fp_t *row = v->row[q];

    for (unsigned c = 0; c < AIR_COLUMNS; c++) {
        fq_t change = fq_sub(fq_from(row[c]), v->here[c]);

        here = fq_add(here, fq_mul(v->coins.here[c], change));
    }
    for (unsigned i = 0; i < AIR_COLUMNS_NEXT; i++) {
        unsigned c = i < AIR_MAIN_NEXT ? i : i - AIR_MAIN_NEXT + AIR_MAIN;
        fq_t change = fq_sub(fq_from(row[c]), v->next[i]);

        next = fq_add(next, fq_mul(v->coins.next[i], change));
    }

    /* z lies outside the base field, so neither difference is zero. */
    fq_t z_next = fq_scale(v->z, g);

    here = fq_mul(here, fq_inverse(fq_sub(x, v->z)));
    next = fq_mul(next, fq_inverse(fq_sub(x, z_next)));
    return fq_add(here, next);
}

/*
 * One leaf of layer l, for each query that meets it: the value there must be
 * what the layer before came to, and the fold is what the next one must hold.
 * Leaves the queries' exponents as they are.
 */
static enum verdict
fold_leaf(struct verifier *v, unsigned l, size_t leaf, size_t leaves,
          const fq_t value[STARK_FOLD])
{
    fp_t x = fri_point(v->statement.log_rows, l, leaf);
    fq_t folding[STARK_FOLD];
    fq_t folded;

    memcpy(folding, value, sizeof folding);
    folded = fri_fold(folding, fp_inverse(x), v->layer_challenge[l]);
    for (unsigned q = 0; q < STARK_QUERIES; q++) {
        if (v->query[q] % leaves != leaf)
            continue;
        if (!fq_equal(v->value[q], value[v->query[q] / leaves]))
            return VERDICT_FOLD;
        v->value[q] = folded;
    }
    return VERDICT_ACCEPTED;
}

static enum verdict
check_layer(struct verifier *v, unsigned l)
{
    unsigned log_leaves =
        fri_log_points(v->statement.log_rows, l) - STARK_LOG_FOLD;
    size_t leaves = (size_t)1 << log_leaves;
    size_t index[STARK_QUERIES];
    struct digest node[STARK_QUERIES];

    for (unsigned q = 0; q < STARK_QUERIES; q++)
        index[q] = v->query[q] % leaves;

    size_t count = merkle_sort_unique(index, STARK_QUERIES);

    for (size_t i = 0; i < count; i++) {
        fq_t value[STARK_FOLD];
        const uint8_t *bytes = wire_take_fqs(&v->in, value, STARK_FOLD);
        enum verdict verdict;

        if (bytes == NULL)
            return fault_verdict(v->in.fault);
        node[i] = hash_bytes(HASH_LEAF, bytes, sizeof value);
        verdict = fold_leaf(v, l, index[i], leaves, value);
        if (verdict != VERDICT_ACCEPTED)
            return verdict;
    }
    for (unsigned q = 0; q < STARK_QUERIES; q++)
        v->query[q] %= leaves;

    bool good =
        merkle_check(&v->layer_root[l], log_leaves, index, node, count, &v->in);

    if (v->in.fault != WIRE_OK)
        return fault_verdict(v->in.fault);
    return good ? VERDICT_ACCEPTED : VERDICT_OPENING;
}

static enum verdict
check_final(const struct verifier *v)
{
    for (unsigned q = 0; q < STARK_QUERIES; q++) {
        fp_t x = fri_point(v->statement.log_rows, v->shape.layers, v->query[q]);
        fq_t sum = FQ_ZERO;

        for (size_t i = (size_t)1 << v->shape.log_final; i-- > 0;)
            sum = fq_add(fq_scale(sum, x), v->final[i]);
        if (!fq_equal(sum, v->value[q]))
            return VERDICT_FOLD;
    }
    return VERDICT_ACCEPTED;
}

static enum verdict
check_queries(struct verifier *v)
{
    unsigned first_column = 0;
    enum verdict verdict;

    for (unsigned g = 0; g < GROUPS; g++) {
        verdict = read_group(v, g, first_column);
        if (verdict != VERDICT_ACCEPTED)
            return verdict;
        first_column += group_columns[g];
    }
    for (unsigned q = 0; q < STARK_QUERIES; q++)
        v->value[q] = deep_value(v, q);
    for (unsigned l = 0; l < v->shape.layers; l++) {
        verdict = check_layer(v, l);
        if (verdict != VERDICT_ACCEPTED)
            return verdict;
    }
    return check_final(v);
}

enum verdict
verifier_check(const uint8_t *proof, size_t n, const fp_t digest[P2_DIGEST],
               struct air_statement *statement)
{
    struct verifier v = {.in = {.at = proof, .left = n}};
    enum verdict verdict = read_header(&v, digest);

    *statement = v.statement;
    if (verdict == VERDICT_ACCEPTED)
        verdict = check_constraints(&v);
    if (verdict == VERDICT_ACCEPTED)
        verdict = read_fri(&v);
    if (verdict == VERDICT_ACCEPTED)
        verdict = check_queries(&v);
    if (verdict == VERDICT_ACCEPTED && v.in.left != 0)
        verdict = VERDICT_TRAILING;
    return verdict;
}

const char *
verdict_string(enum verdict v)
{
    static const char *const text[VERDICT_COUNT] = {
        [VERDICT_ACCEPTED] = "accepted",
        [VERDICT_NO_PROOF] = "this is not a proof of this program",
        [VERDICT_VERSION] = "the proof has another version of the format",
        [VERDICT_PARAMETERS] = "the proof was made with other parameters",
        [VERDICT_LENGTH] = "the proof claims a file longer than the limit",
        [VERDICT_ROWS] = "the proof claims a trace of a wrong length",
        [VERDICT_SHORT] = "the proof ends too early",
        [VERDICT_TRAILING] = "there are bytes after the end of the proof",
        [VERDICT_NONCANONICAL] = "a number in the proof is not reduced",
        [VERDICT_CONSTRAINTS] =
            "the constraints do not hold: wrong file, digest or trace",
        [VERDICT_WORK] = "the proof of work is missing",
        [VERDICT_OPENING] = "an opened row does not belong to its commitment",
        [VERDICT_FOLD] = "the low-degree test fails",
    };

    return text[v];
}
