/*
 * domain_test.c - transforms against the definition of a polynomial's value.
 *
 * Owns:   the order of rows, stripes and coefficients.
 * Never:  uses a transform to check a transform.
 */
#include "domain.h"

#include <stdlib.h>
#include <string.h>

#include "proof.h"
#include "support.h"

struct fixture {
    struct domain domain;
    fp_t *tables;
};

static struct fixture
make_domain(unsigned log_rows)
{
    struct fixture f;

    f.tables = malloc(domain_table_elements(log_rows) * sizeof(fp_t));
    assert_non_null(f.tables);
    domain_init(&f.domain, log_rows, kernels_best(), f.tables);
    for (unsigned j = 0; j < STARK_BLOWUP; j++)
        domain_init_stripe(&f.domain, j);
    return f;
}

static size_t
reversed(size_t i, unsigned bits)
{
    size_t r = 0;

    for (unsigned k = 0; k < bits; k++)
        r |= (i >> k & 1) << (bits - 1 - k);
    return r;
}

/* coefficients in bit-reversed order */
static fp_t
value_at(const fp_t *coefficients, unsigned log_n, fp_t x)
{
    size_t n = (size_t)1 << log_n;
    fp_t sum = 0;

    for (size_t k = n; k-- > 0;)
        sum = fp_add(fp_mul(sum, x), coefficients[reversed(k, log_n)]);
    return sum;
}

static void
test_interpolation_gives_the_polynomial_through_the_rows(void **state)
{
    (void)state;
    test_seed();
    for (unsigned log_rows = 4; log_rows <= 9; log_rows++) {
        struct fixture f = make_domain(log_rows);
        size_t rows = f.domain.rows;
        fp_t values[512], column[512], x = 1;

        for (size_t i = 0; i < rows; i++)
            column[i] = values[i] = test_fp();
        domain_interpolate(&f.domain, column);
        for (size_t i = 0; i < rows; i++) {
            assert_int_equal(value_at(column, log_rows, x), values[i]);
            x = fp_mul(x, f.domain.root);
        }
        free(f.tables);
    }
}

static void
test_extension_gives_the_values_on_each_stripe(void **state)
{
    struct fixture f = make_domain(8);
    fp_t coefficients[256], out[256 * STARK_BLOWUP];

    (void)state;
    test_seed();
    for (size_t i = 0; i < 256; i++)
        coefficients[i] = test_fp();
    domain_extend(&f.domain, out, coefficients);
    for (size_t e = 0; e < 256 * STARK_BLOWUP; e += 7) {
        fp_t x = fp_mul(FP_GENERATOR, fp_pow(f.domain.extended_root, e));

        assert_int_equal(out[proof_leaf(e, 8)], value_at(coefficients, 8, x));
    }
    free(f.tables);
}

static void
test_coefficients_may_lie_in_the_last_stripe(void **state)
{
    struct fixture f = make_domain(10);
    size_t rows = f.domain.rows;
    fp_t *out = malloc(2 * STARK_BLOWUP * rows * sizeof *out);
    fp_t *again, *last;

    (void)state;
    assert_non_null(out);
    again = out + STARK_BLOWUP * rows;
    last = again + (STARK_BLOWUP - 1) * rows;
    test_seed();
    for (size_t i = 0; i < rows; i++)
        last[i] = test_fp();
    domain_extend(&f.domain, out, last);
    domain_extend(&f.domain, again, last);
    assert_memory_equal(out, again, STARK_BLOWUP * rows * sizeof *out);
    free(out);
    free(f.tables);
}

static void
test_long_transforms_undo_each_other(void **state)
{
    const unsigned log_n = 15; /* longer than what the cache holds */
    const size_t n = (size_t)1 << log_n;
    struct fixture f = make_domain(log_n);
    fp_t *v = malloc(2 * n * sizeof *v);

    (void)state;
    assert_non_null(v);
    test_seed();
    for (size_t i = 0; i < n; i++)
        v[i] = v[n + i] = test_fp();
    domain_interpolate(&f.domain, v);
    f.domain.kernels->ntt_dit(v, log_n, f.domain.roots);
    assert_memory_equal(v, v + n, n * sizeof *v);
    free(v);
    free(f.tables);
}

static void
test_powers_come_in_reversed_order(void **state)
{
    fp_t out[64];

    (void)state;
    domain_powers_reversed(out, 64, 5, 3);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(out[i], fp_mul(5, fp_pow(3, reversed(i, 6))));
}

static void
test_no_extended_point_is_a_row(void **state)
{
    struct fixture f = make_domain(8);

    (void)state;
    for (unsigned j = 0; j < STARK_BLOWUP; j++) {
        fp_t shift = domain_stripe_shift(&f.domain, j);

        assert_int_not_equal(fp_pow(shift, f.domain.rows), 1);
    }
    free(f.tables);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_interpolation_gives_the_polynomial_through_the_rows),
        cmocka_unit_test(test_extension_gives_the_values_on_each_stripe),
        cmocka_unit_test(test_coefficients_may_lie_in_the_last_stripe),
        cmocka_unit_test(test_long_transforms_undo_each_other),
        cmocka_unit_test(test_powers_come_in_reversed_order),
        cmocka_unit_test(test_no_extended_point_is_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
