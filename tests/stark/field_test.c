/*
 * field_test.c - the Goldilocks field against plain division.
 *
 * Owns:   the laws that every other file of the prover relies on.
 * Never:  needs a thread.
 */
#include "support.h"

static fp_t
slow_product(fp_t a, fp_t b)
{
    return (fp_t)((fp_wide_t)a * b % FP_P);
}

static void
check_pair(fp_t a, fp_t b)
{
    fp_wide_t sum = (fp_wide_t)a + b;
    fp_wide_t difference = (fp_wide_t)a + FP_P - b;

    assert_int_equal(fp_mul(a, b), slow_product(a, b));
    assert_int_equal(fp_add(a, b), (fp_t)(sum % FP_P));
    assert_int_equal(fp_sub(a, b), (fp_t)(difference % FP_P));
}

static void
test_edge_values_agree_with_division(void **state)
{
    (void)state;
    for (size_t i = 0; i < test_edge_count; i++)
        for (size_t j = 0; j < test_edge_count; j++)
            check_pair(test_edges[i], test_edges[j]);
}

static void
test_random_values_agree_with_division(void **state)
{
    (void)state;
    test_seed();
    for (int i = 0; i < TEST_TIMES(1000000); i++)
        check_pair(test_fp(), test_fp());
}

static void
test_any_128_bits_reduce(void **state)
{
    (void)state;
    test_seed();
    for (int i = 0; i < TEST_TIMES(1000000); i++) {
        uint64_t lo = test_random(), hi = test_random();
        fp_wide_t wide = (fp_wide_t)hi << 64 | lo;

        assert_int_equal(fp_reduce(lo, hi), (fp_t)(wide % FP_P));
    }
    assert_int_equal(fp_reduce(UINT64_MAX, UINT64_MAX),
                     (fp_t)(~(fp_wide_t)0 % FP_P));
    assert_int_equal(fp_reduce(0, UINT64_MAX),
                     (fp_t)(((fp_wide_t)UINT64_MAX << 64) % FP_P));
}

static void
test_an_element_plus_its_negative_is_zero(void **state)
{
    (void)state;
    for (size_t i = 0; i < test_edge_count; i++)
        assert_int_equal(fp_add(test_edges[i], fp_neg(test_edges[i])), 0);
}

static void
test_an_element_times_its_inverse_is_one(void **state)
{
    (void)state;
    test_seed();
    for (int i = 0; i < TEST_TIMES(2000); i++) {
        fp_t a = test_fp() | 1;

        assert_int_equal(fp_mul(a, fp_inverse(a)), 1);
    }
    assert_int_equal(fp_inverse(0), 0);
}

static void
test_batch_inverse_skips_zeros(void **state)
{
    fp_t v[64], copy[64], scratch[64];

    (void)state;
    test_seed();
    for (size_t i = 0; i < 64; i++)
        copy[i] = v[i] = i % 5 == 0 ? 0 : test_fp();
    fp_batch_inverse(v, 64, scratch);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(v[i], fp_inverse(copy[i]));
}

static void
test_roots_have_exactly_their_order(void **state)
{
    (void)state;
    for (unsigned k = 0; k <= FP_TWO_ADICITY; k++) {
        fp_t root = fp_root(k);

        assert_int_equal(fp_pow(root, UINT64_C(1) << k), 1);
        if (k > 0)
            assert_int_equal(fp_pow(root, UINT64_C(1) << (k - 1)), FP_P - 1);
    }
}

/* Or the extension would have zero divisors. */
static void
test_seven_is_no_square(void **state)
{
    (void)state;
    assert_int_equal(fp_pow(FP_GENERATOR, (FP_P - 1) / 2), FP_P - 1);
}

static void
test_x_squared_is_seven(void **state)
{
    fq_t x = {0, 1};

    (void)state;
    assert_true(fq_equal(fq_mul(x, x), fq_from(FP_GENERATOR)));
}

static void
test_extension_is_a_field(void **state)
{
    (void)state;
    test_seed();
    for (int i = 0; i < TEST_TIMES(20000); i++) {
        fq_t u = test_fq(), v = test_fq(), w = test_fq();
        fq_t left = fq_mul(u, fq_add(v, w));
        fq_t right = fq_add(fq_mul(u, v), fq_mul(u, w));

        assert_true(fq_equal(left, right));
        assert_true(fq_equal(fq_mul(fq_mul(u, v), w), fq_mul(u, fq_mul(v, w))));
        assert_true(fq_equal(fq_sub(fq_add(u, v), v), u));
        assert_true(fq_equal(fq_mul(u, fq_inverse(u)), FQ_ONE));
        assert_true(fq_equal(fq_scale(u, w.a), fq_mul(u, fq_from(w.a))));
    }
    assert_true(fq_equal(fq_inverse(FQ_ZERO), FQ_ZERO));
}

static void
test_extension_batch_inverse_skips_zeros(void **state)
{
    fq_t v[33], copy[33], scratch[33];

    (void)state;
    test_seed();
    for (size_t i = 0; i < 33; i++)
        copy[i] = v[i] = i % 4 == 0 ? FQ_ZERO : test_fq();
    fq_batch_inverse(v, 33, scratch);
    for (size_t i = 0; i < 33; i++)
        assert_true(fq_equal(v[i], fq_inverse(copy[i])));
}

static void
test_powers_of_the_extension_wrap_at_its_order(void **state)
{
    fq_t u = {3, 5};
    fq_t conjugate = {3, fp_neg(5)};

    (void)state;
    assert_true(fq_equal(fq_pow(u, FP_P), conjugate)); /* Frobenius */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edge_values_agree_with_division),
        cmocka_unit_test(test_random_values_agree_with_division),
        cmocka_unit_test(test_any_128_bits_reduce),
        cmocka_unit_test(test_an_element_plus_its_negative_is_zero),
        cmocka_unit_test(test_an_element_times_its_inverse_is_one),
        cmocka_unit_test(test_batch_inverse_skips_zeros),
        cmocka_unit_test(test_roots_have_exactly_their_order),
        cmocka_unit_test(test_seven_is_no_square),
        cmocka_unit_test(test_x_squared_is_seven),
        cmocka_unit_test(test_extension_is_a_field),
        cmocka_unit_test(test_extension_batch_inverse_skips_zeros),
        cmocka_unit_test(test_powers_of_the_extension_wrap_at_its_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
