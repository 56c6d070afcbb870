/*
 * fit_test.c - free extents by size: what is put in is found again, and nothing
 * else is.
 */
#include "alloc/fit.h"
#include "tests/support.h"

#define PAGES 4096

struct fixture {
    struct zk_fit fit;
    struct zk_extent x[PAGES];
    bool in[PAGES]; /* the model */
};

static int
setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);

    if (f == NULL)
        return -1;
    memset(f, 0xa5, sizeof *f); /* X2: only the bits need to be cleared */
    memset(f->in, 0, sizeof f->in);
    zk__fit_clear(&f->fit);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    free(*state);
    return 0;
}

static void
put(struct fixture *f, uint32_t page, uint32_t granules)
{
    f->x[page].granules = granules;
    f->in[page] = true;
    zk__fit_insert(&f->fit, f->x, page);
}

/* Takes one out and holds it against the model. */
static uint32_t
take(struct fixture *f, uint32_t granules)
{
    uint32_t page = zk__fit_take(&f->fit, f->x, granules);

    if (page == ZK_FIT_NONE)
        return page;
    assert_true(page < PAGES);
    assert_true(f->in[page]);
    assert_true(f->x[page].granules >= granules);
    f->in[page] = false;
    return page;
}

static void
test_nothing_is_found_where_nothing_is(void **state)
{
    struct fixture *f = *state;

    assert_true(zk__fit_empty(&f->fit));
    assert_int_equal(take(f, 64), ZK_FIT_NONE);
    assert_int_equal(take(f, UINT32_MAX), ZK_FIT_NONE);
}

static void
test_the_smallest_class_that_fits_is_taken(void **state)
{
    struct fixture *f = *state;

    put(f, 1, 64);
    put(f, 2, 100);
    put(f, 3, 5000);
    put(f, 4, UINT32_MAX);
    assert_int_equal(take(f, 65), 2);
    assert_int_equal(take(f, 65), 3);
    assert_int_equal(take(f, 64), 1);
    assert_int_equal(take(f, 1u << 31), 4);
    assert_true(zk__fit_empty(&f->fit));
}

static void
test_a_smaller_one_of_the_same_class_is_passed_by(void **state)
{
    struct fixture *f = *state;

    put(f, 1, 1040);
    put(f, 2, 1030); /* newest, and too small */
    assert_int_equal(take(f, 1035), 1);
    assert_int_equal(take(f, 1035), ZK_FIT_NONE);
    assert_int_equal(take(f, 1030), 2);
}

static void
test_clearing_forgets_all(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 100; i++)
        put(f, i, 64 + i * 37);
    zk__fit_clear(&f->fit);
    memset(f->in, 0, sizeof f->in);
    assert_int_equal(take(f, 64), ZK_FIT_NONE);
    put(f, 7, 64);
    assert_int_equal(take(f, 64), 7);
    assert_int_equal(take(f, 64), ZK_FIT_NONE);
}

/* Against a model, with removals from the middle of lists. A request is refused
 * only when nothing is 12.5 % larger and none of the first sixteen fits. */
static void
test_random_use_agrees_with_a_model(void **state)
{
    struct fixture *f = *state;
    struct test_random r = {test_seed("fit")};
    unsigned ops = test_scaled(300000), inside = 0;

    for (unsigned i = 0; i < ops; i++) {
        uint32_t page = (uint32_t)test_below(&r, PAGES);
        uint32_t granules =
            64 + (uint32_t)(test_next(&r) >> (33 + test_below(&r, 30)));

        if (!f->in[page] && test_below(&r, 3) != 0) {
            put(f, page, granules);
            inside++;
        } else if (f->in[page]) {
            zk__fit_remove(&f->fit, f->x, page);
            f->in[page] = false;
            inside--;
        } else if (take(f, granules) != ZK_FIT_NONE) {
            inside--;
        }
    }
    for (uint32_t i = 0; i < PAGES; i++)
        if (f->in[i]) {
            zk__fit_remove(&f->fit, f->x, i);
            inside--;
        }
    assert_int_equal(inside, 0);
    assert_true(zk__fit_empty(&f->fit));
}

#define fit_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fit_test(test_nothing_is_found_where_nothing_is),
        fit_test(test_the_smallest_class_that_fits_is_taken),
        fit_test(test_a_smaller_one_of_the_same_class_is_passed_by),
        fit_test(test_clearing_forgets_all),
        fit_test(test_random_use_agrees_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
