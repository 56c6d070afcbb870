/*
 * kernels_test.c - every form of the inner loops gives the same elements.
 *
 * Owns:   the comparison of the AVX-512 form with the portable one, on random
 *         and on edge values. Skipped where the processor lacks it.
 * Never:  says which of them is right: the other tests do.
 */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

#include "domain.h"
#include "support.h"

#define ROWS   512u
#define STRIDE (ROWS + 8)

static fp_t
any_value(void)
{
    return test_below(3) == 0 ? test_edges[test_below(test_edge_count)]
                              : test_fp();
}

static void
fill(fp_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = any_value();
}

static const struct kernels *
wide_or_skip(void)
{
    const struct kernels *wide = kernels_avx512();

    if (wide == NULL)
        skip();
    return wide;
}

static void
test_products_of_edges_are_equal(void **state)
{
    const struct kernels *wide = wide_or_skip();
    fp_t a[256], b[256], x[256], y[256];

    (void)state;
    assert_int_equal(test_edge_count, 16);
    for (size_t i = 0; i < 256; i++) {
        a[i] = test_edges[i / 16];
        b[i] = test_edges[i % 16];
    }
    kernels_portable.multiply(x, a, b, 256);
    wide->multiply(y, a, b, 256);
    assert_memory_equal(x, y, sizeof x);
}

static void
test_products_are_equal(void **state)
{
    const struct kernels *wide = wide_or_skip();

    (void)state;
    test_seed();
    for (int i = 0; i < TEST_TIMES(2000); i++) {
        fp_t a[64], b[64], x[64], y[64], c = any_value();

        fill(a, 64);
        fill(b, 64);
        kernels_portable.multiply(x, a, b, 64);
        wide->multiply(y, a, b, 64);
        assert_memory_equal(x, y, sizeof x);
        kernels_portable.scale(x, c, 64);
        wide->scale(y, c, 64);
        assert_memory_equal(x, y, sizeof x);
    }
}

static void
test_sums_are_equal(void **state)
{
    const struct kernels *wide = wide_or_skip();

    (void)state;
    test_seed();
    for (int i = 0; i < TEST_TIMES(2000); i++) {
        fp_t v[64], a[2][64], b[2][64];
        fq_t c = {any_value(), any_value()}, x, y;

        fill(v, 64);
        fill(a[0], 64);
        fill(b[0], 64);
        memcpy(a[1], a[0], sizeof a[0]);
        memcpy(b[1], b[0], sizeof b[0]);
        kernels_portable.accumulate(a[0], b[0], v, c, 64);
        wide->accumulate(a[1], b[1], v, c, 64);
        assert_memory_equal(a[0], a[1], sizeof a[0]);
        assert_memory_equal(b[0], b[1], sizeof b[0]);
        x = kernels_portable.dot(v, a[0], b[0], 64);
        y = wide->dot(v, a[0], b[0], 64);
        assert_true(fq_equal(x, y));
    }
}

static void
test_transforms_are_equal(void **state)
{
    const struct kernels *wide = wide_or_skip();

    (void)state;
    test_seed();
    for (unsigned log_n = 4; log_n <= 14; log_n++) {
        size_t n = (size_t)1 << log_n;
        fp_t *twiddles = malloc(n * sizeof *twiddles);
        fp_t *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);

        assert_true(twiddles != NULL && x != NULL && y != NULL);
        domain_twiddles(twiddles, log_n, fp_root(log_n));
        fill(x, n);
        memcpy(y, x, n * sizeof *x);
        kernels_portable.ntt_dif(x, log_n, twiddles);
        wide->ntt_dif(y, log_n, twiddles);
        assert_memory_equal(x, y, n * sizeof *x);
        kernels_portable.ntt_dit(x, log_n, twiddles);
        wide->ntt_dit(y, log_n, twiddles);
        assert_memory_equal(x, y, n * sizeof *x);
        free(twiddles);
        free(x);
        free(y);
    }
}

/* On columns of anything: the kernels do not care whether they are a trace. */
static void
test_constraints_are_equal(void **state)
{
    const struct kernels *wide = wide_or_skip();
    const size_t cells = (size_t)(AIR_MAIN + AIR_AUX) * STRIDE;
    fp_t *data = malloc(cells * sizeof *data);
    fp_t table[AIR_TABLE_ROWS], end[ROWS], first[ROWS], last[ROWS];
    fp_t a[2][ROWS], b[2][ROWS];
    struct air_challenges challenges;
    struct air_statement statement;
    fp_t digest[P2_DIGEST];

    (void)state;
    assert_non_null(data);
    test_seed();
    fill(data, cells);
    fill(table, AIR_TABLE_ROWS);
    fill(end, ROWS);
    fill(first, ROWS);
    fill(last, ROWS);
    fill(digest, P2_DIGEST);
    assert_true(air_statement_init(&statement, 56 * 300 + 17, digest));
    air_challenges_alpha(&challenges, test_fq());
    for (size_t i = 0; i < AIR_CONSTRAINTS; i++)
        challenges.weight[i] = test_fq();

    const struct quotient_stripe stripe = {
        .statement = &statement,
        .challenges = &challenges,
        .main = data,
        .aux = data + (size_t)AIR_MAIN * STRIDE,
        .stride = STRIDE,
        .table = table,
        .rows = ROWS,
        .over_all = any_value(),
    };

    for (int i = 0; i < 2; i++) {
        const struct kernels *k = i == 0 ? &kernels_portable : wide;
        const struct quotient_points points = {
            .first = 0,
            .count = ROWS,
            .from_end = end,
            .over_first = first,
            .over_last = last,
            .a = a[i],
            .b = b[i],
        };

        k->quotient(&stripe, &points);
    }
    assert_memory_equal(a[0], a[1], sizeof a[0]);
    assert_memory_equal(b[0], b[1], sizeof b[0]);
    free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_of_edges_are_equal),
        cmocka_unit_test(test_products_are_equal),
        cmocka_unit_test(test_sums_are_equal),
        cmocka_unit_test(test_transforms_are_equal),
        cmocka_unit_test(test_constraints_are_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
