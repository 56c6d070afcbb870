/*
 * fri_test.c - the fold against the definition of a polynomial.
 *
 * Owns:   the shape of the layers, and the fold's formula.
 * Never:  commits to anything.
 */
#include "fri.h"

#include "support.h"

#define DEGREE 40u

static fq_t
value_at(const fq_t *coefficients, size_t n, fp_t x)
{
    fq_t sum = FQ_ZERO;

    for (size_t k = n; k-- > 0;)
        sum = fq_add(fq_scale(sum, x), coefficients[k]);
    return sum;
}

static void
test_layers_end_at_a_short_polynomial(void **state)
{
    (void)state;
    for (unsigned k = STARK_LOG_ROWS_MIN; k <= STARK_LOG_ROWS_MAX; k++) {
        struct fri_shape shape = fri_shape(k);

        assert_true(shape.log_final <= STARK_LOG_FINAL);
        assert_true(shape.layers <= STARK_MAX_LAYERS);
        assert_int_equal(shape.log_final + STARK_LOG_FOLD * shape.layers, k);
    }
}

static void
test_a_leaf_lies_over_one_point_of_the_next_layer(void **state)
{
    const unsigned log_rows = 9;

    (void)state;
    for (unsigned layer = 0; layer < 2; layer++) {
        unsigned log_points = fri_log_points(log_rows, layer);
        size_t leaves = (size_t)1 << (log_points - STARK_LOG_FOLD);

        for (size_t leaf = 0; leaf < leaves; leaf += 5)
            for (size_t i = 0; i < STARK_FOLD; i++) {
                fp_t x = fri_point(log_rows, layer, leaf + i * leaves);

                assert_int_equal(fp_pow(x, STARK_FOLD),
                                 fri_point(log_rows, layer + 1, leaf));
            }
    }
}

/* f(x) = sum x^i f_i(x^8) folds to sum r^i f_i(y). */
static void
test_the_fold_mixes_the_eight_parts(void **state)
{
    (void)state;
    test_seed();
    for (int round = 0; round < 50; round++) {
        fq_t f[DEGREE], v[STARK_FOLD], part[DEGREE / STARK_FOLD];
        fq_t r = test_fq(), power = FQ_ONE, expected = FQ_ZERO;
        fp_t x = test_fp() | 1, u = fp_root(STARK_LOG_FOLD), at = x;

        for (size_t k = 0; k < DEGREE; k++)
            f[k] = test_fq();
        for (size_t i = 0; i < STARK_FOLD; i++) {
            v[i] = value_at(f, DEGREE, at);
            at = fp_mul(at, u);
        }
        for (size_t i = 0; i < STARK_FOLD; i++) {
            fq_t value;

            for (size_t k = 0; k < DEGREE / STARK_FOLD; k++)
                part[k] = f[STARK_FOLD * k + i];
            value = value_at(part, DEGREE / STARK_FOLD, fp_pow(x, STARK_FOLD));
            expected = fq_add(expected, fq_mul(power, value));
            power = fq_mul(power, r);
        }
        assert_true(fq_equal(fri_fold(v, fp_inverse(x), r), expected));
    }
}

/* Each query must see each of the eight values. */
static void
test_every_value_of_a_leaf_changes_the_fold(void **state)
{
    fq_t v[STARK_FOLD], r;

    (void)state;
    test_seed();
    r = test_fq();
    for (size_t i = 0; i < STARK_FOLD; i++)
        v[i] = test_fq();
    for (size_t i = 0; i < STARK_FOLD; i++) {
        fq_t right[STARK_FOLD], wrong[STARK_FOLD];

        for (size_t k = 0; k < STARK_FOLD; k++)
            right[k] = wrong[k] = v[k];
        wrong[i] = fq_add(wrong[i], FQ_ONE);
        assert_false(fq_equal(fri_fold(right, 3, r), fri_fold(wrong, 3, r)));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_end_at_a_short_polynomial),
        cmocka_unit_test(test_a_leaf_lies_over_one_point_of_the_next_layer),
        cmocka_unit_test(test_the_fold_mixes_the_eight_parts),
        cmocka_unit_test(test_every_value_of_a_leaf_changes_the_fold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
