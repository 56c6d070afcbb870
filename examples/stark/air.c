/*
 * air.c - the verifier's view of the constraints: one point, no lanes.
 *
 * Owns:   the division of each sum by what vanishes on its rows, and the
 *         public table column.
 * Never:  sees the trace.
 */
#include "air.h"

#include <string.h>

#include "algebra_ext.h"

#include "air_eval.h"

bool
air_statement_init(struct air_statement *s, uint64_t length,
                   const fp_t digest[P2_DIGEST])
{
    if (length > STARK_MAX_FILE_BYTES)
        return false;

    s->length = length;
    memcpy(s->digest, digest, sizeof s->digest);
    s->blocks = (size_t)(length / STARK_BLOCK_BYTES) + 1;
    s->tail = (unsigned)(length % STARK_BLOCK_BYTES);
    s->log_rows = STARK_LOG_ROWS_MIN;
    while (((size_t)1 << s->log_rows) < s->blocks)
        s->log_rows++;
    return true;
}

void
air_challenges_alpha(struct air_challenges *c, fq_t alpha)
{
    c->power[0] = FQ_ONE;
    c->slope[0] = FQ_ZERO;
    for (unsigned i = 1; i < 8; i++) {
        c->power[i] = fq_mul(c->power[i - 1], alpha);
        c->slope[i] = fq_scale(c->power[i - 1], i);
    }
}

/*
 * The table is t(x^(N/256)) with t(w^i) = i over the 256th roots of unity, and
 * t(y) = (y^256 - 1)/256 * sum of i * w^i / (y - w^i).
 */
fq_t
air_table_at(unsigned log_rows, fq_t z)
{
    fq_t pole[AIR_TABLE_ROWS], scratch[AIR_TABLE_ROWS];
    fp_t root[AIR_TABLE_ROWS];
    fp_t w = fp_root(8);
    fq_t y = fq_pow(z, (uint64_t)1 << (log_rows - 8));
    fq_t sum = FQ_ZERO;

    for (unsigned i = 0; i < AIR_TABLE_ROWS; i++) {
        root[i] = i == 0 ? 1 : fp_mul(root[i - 1], w);
        pole[i] = fq_sub(y, fq_from(root[i]));
    }
    fq_batch_inverse(pole, AIR_TABLE_ROWS, scratch);
    for (unsigned i = 0; i < AIR_TABLE_ROWS; i++)
        sum = fq_add(sum, fq_scale(pole[i], fp_mul(i, root[i])));

    fq_t vanishing = fq_sub(fq_pow(y, AIR_TABLE_ROWS), FQ_ONE);

    return fq_scale(fq_mul(sum, vanishing), fp_inverse(AIR_TABLE_ROWS));
}

/* u + x*w, where u and w are values of polynomials over the base field. */
static fq_t
join_parts(fq_t u, fq_t w)
{
    return fq_add(u, fq_mul((fq_t){0, 1}, w));
}

static void
row_at_point(struct air_row *row, const struct air_statement *s, fq_t z,
             const fq_t here[AIR_COLUMNS], const fq_t next[AIR_COLUMNS_NEXT])
{
    const fq_t *aux = here + AIR_MAIN;
    const fq_t *aux_next = next + AIR_MAIN_NEXT;

    memcpy(row->here, here, sizeof row->here);
    memcpy(row->next, next, sizeof row->next);
    for (unsigned i = 0; i < AIR_EXTENDED; i++)
        row->extended[i] = join_parts(aux[2 * i], aux[2 * i + 1]);
    row->next_sum = join_parts(aux_next[0], aux_next[1]);
    row->table = air_table_at(s->log_rows, z);
}

fq_t
air_quotient_at(const struct air_statement *s, const struct air_challenges *c,
                fq_t z, const fq_t here[AIR_COLUMNS],
                const fq_t next[AIR_COLUMNS_NEXT])
{
    struct air_row row;
    uint64_t rows = (uint64_t)1 << s->log_rows;
    fp_t g = fp_root(s->log_rows);
    fq_t from_end = fq_sub(z, fq_from(fp_inverse(g))); /* z - g^(N-1) */
    fq_t from_first = fq_sub(z, FQ_ONE);
    fq_t from_last = fq_sub(z, fq_from(fp_pow(g, s->blocks - 1)));
    fq_t vanishing = fq_sub(fq_pow(z, rows), FQ_ONE);

    row_at_point(&row, s, z, here, next);

    struct air_sums sums = air_eval(s, c, &row);
    fq_t everywhere = fq_add(sums.all, fq_mul(sums.step, from_end));
    fq_t total = fq_mul(everywhere, fq_inverse(vanishing));

    total = fq_add(total, fq_mul(sums.first, fq_inverse(from_first)));
    return fq_add(total, fq_mul(sums.last, fq_inverse(from_last)));
}

fq_t
air_join_chunks(const struct air_statement *s, fq_t z,
                const fq_t here[AIR_COLUMNS])
{
    const fq_t *chunk = here + AIR_MAIN + AIR_AUX;
    fq_t step = fq_pow(z, (uint64_t)1 << s->log_rows);
    fq_t sum = FQ_ZERO;

    for (unsigned i = AIR_CHUNKS; i-- > 0;) {
        sum = fq_mul(sum, step);
        sum = fq_add(sum, join_parts(chunk[2 * i], chunk[2 * i + 1]));
    }
    return sum;
}
