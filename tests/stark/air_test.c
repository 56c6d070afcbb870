/*
 * air_test.c - the statement's bounds, the public column, the counted bits.
 *
 * Owns:   what can be said of the constraints without a proof.
 * Never:  proves (proof_test.c does).
 */
#include "air.h"

#include "security.h"
#include "support.h"

static const fp_t no_digest[P2_DIGEST];

static void
test_a_statement_has_the_least_rows_that_hold_it(void **state)
{
    struct air_statement s;

    (void)state;
    assert_true(air_statement_init(&s, 0, no_digest));
    assert_int_equal(s.blocks, 1);
    assert_int_equal(s.tail, 0);
    assert_int_equal(s.log_rows, STARK_LOG_ROWS_MIN);
    assert_true(air_statement_init(&s, 56 * 256 - 1, no_digest));
    assert_int_equal(s.blocks, 256);
    assert_int_equal(s.tail, 55);
    assert_int_equal(s.log_rows, 8);
    assert_true(air_statement_init(&s, 56 * 256, no_digest));
    assert_int_equal(s.blocks, 257);
    assert_int_equal(s.tail, 0);
    assert_int_equal(s.log_rows, 9);
}

static void
test_the_longest_file_fills_the_last_row(void **state)
{
    struct air_statement s;

    (void)state;
    assert_true(air_statement_init(&s, STARK_MAX_FILE_BYTES, no_digest));
    assert_int_equal(s.blocks, (size_t)1 << STARK_LOG_ROWS_MAX);
    assert_int_equal(s.log_rows, STARK_LOG_ROWS_MAX);
    assert_false(air_statement_init(&s, STARK_MAX_FILE_BYTES + 1, no_digest));
    assert_false(air_statement_init(&s, UINT64_MAX, no_digest));
}

/* On the rows themselves the formula divides 0 by 0, so: by coefficients. */
static void
test_the_table_column_is_its_polynomial(void **state)
{
    fp_t coefficient[AIR_TABLE_ROWS];
    fp_t step = fp_inverse(fp_root(8)), scale = fp_inverse(AIR_TABLE_ROWS);

    (void)state;
    for (size_t k = 0; k < AIR_TABLE_ROWS; k++) {
        fp_t sum = 0;

        for (size_t i = 0; i < AIR_TABLE_ROWS; i++)
            sum = fp_add(sum, fp_mul(i, fp_pow(step, i * k)));
        coefficient[k] = fp_mul(sum, scale);
    }
    test_seed();
    for (unsigned log_rows = 8; log_rows <= 18; log_rows++) {
        fq_t z = test_fq(), y = fq_pow(z, (uint64_t)1 << (log_rows - 8));
        fq_t sum = FQ_ZERO;

        for (size_t k = AIR_TABLE_ROWS; k-- > 0;)
            sum = fq_add(fq_mul(sum, y), fq_from(coefficient[k]));
        assert_true(fq_equal(air_table_at(log_rows, z), sum));
    }
}

static void
test_the_slope_is_the_derivative_of_the_power(void **state)
{
    struct air_challenges c;
    fq_t alpha;

    (void)state;
    test_seed();
    alpha = test_fq();
    air_challenges_alpha(&c, alpha);
    for (unsigned i = 1; i < 8; i++) {
        assert_true(fq_equal(c.power[i], fq_pow(alpha, i)));
        assert_true(fq_equal(c.slope[i], fq_scale(fq_pow(alpha, i - 1), i)));
    }
    assert_true(fq_equal(c.slope[0], FQ_ZERO));
}

static void
test_every_length_is_worth_100_bits(void **state)
{
    (void)state;
    for (unsigned k = STARK_LOG_ROWS_MIN; k <= STARK_LOG_ROWS_MAX; k++) {
        struct security s = security_of(k);

        assert_true(s.total >= 100);
        assert_true(s.total <= s.queries && s.total <= s.hash);
        assert_true(s.johnson <= s.total && s.unique <= s.johnson);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_statement_has_the_least_rows_that_hold_it),
        cmocka_unit_test(test_the_longest_file_fills_the_last_row),
        cmocka_unit_test(test_the_table_column_is_its_polynomial),
        cmocka_unit_test(test_the_slope_is_the_derivative_of_the_power),
        cmocka_unit_test(test_every_length_is_worth_100_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
