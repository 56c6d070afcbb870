/*
 * widths_test.c - from one worker to sixty-four, on however few cores: the same
 * results from loops, nested loops, groups and phases.
 */
#include "tests/runtime/rt.h"

static const unsigned widths[] = {1, 2, 3, 4, 8, 16, 32, 64};

#define WIDTHS (sizeof widths / sizeof *widths)

struct square {
    size_t n;
    unsigned *cells; /* n * n */
    _Atomic uint64_t sum;
    _Atomic unsigned wrong;
};

static int
add_range(size_t from, size_t to, void *arg)
{
    struct square *s = arg;
    uint64_t sum = 0;

    for (size_t i = from; i < to; i++)
        sum += i;
    zk_add_relaxed(&s->sum, sum);
    return 0;
}

struct row {
    struct square *square;
    size_t row;
};

static int
fill_columns(size_t from, size_t to, void *arg)
{
    const struct row *r = arg;

    for (size_t i = from; i < to; i++)
        r->square->cells[r->row * r->square->n + i]++;
    return 0;
}

static int
fill_rows(size_t from, size_t to, void *arg)
{
    struct square *s = arg;

    for (size_t i = from; i < to; i++) {
        struct row r = {s, i};

        if (zk_parallel_for(0, s->n, 8, fill_columns, &r) != ZK_OK)
            zk_add_relaxed(&s->wrong, 1u);
    }
    return 0;
}

/* Fibonacci numbers, the way that makes the most groups. */
struct fib {
    unsigned n;
    uint64_t result;
};

static int
fib(void *arg)
{
    struct fib *f = arg, a, b;
    zk_group_t group = ZK_GROUP_INIT;

    if (f->n < 2) {
        f->result = f->n;
        return 0;
    }
    a = (struct fib){f->n - 1, 0};
    b = (struct fib){f->n - 2, 0};
    if (zk_spawn(&group, fib, &a) != ZK_OK || fib(&b) != 0)
        return 1;
    f->result = zk_sync(&group) == 0 ? 0 : 1000000;
    f->result += a.result + b.result;
    return 0;
}

static int
use_arena(size_t from, size_t to, void *arg)
{
    struct square *s = arg;

    for (size_t i = from; i < to; i++) {
        size_t n = 4096 + i * 64 % 5000;
        char *p = zk_malloc(n);

        if (p == NULL || !zk_in_arena(p)) {
            zk_add_relaxed(&s->wrong, 1u);
            zk_free(p);
            continue;
        }
        test_fill(p, n, i);
        if (i % 16 == 0)
            sched_yield();
        if (!test_holds(p, n, i))
            zk_add_relaxed(&s->wrong, 1u);
        zk_free(p);
    }
    return 0;
}

static zk_runtime_t *
enter(unsigned workers)
{
    zk_runtime_t *lane = test_lane(workers, 2 * MIB, 0);

    if (lane != NULL && zk_runtime_enter(lane) != ZK_OK)
        return NULL;
    return lane;
}

static void
test_loops_add_up_for_every_number_of_workers(void **state)
{
    (void)state;
    for (size_t w = 0; w < WIDTHS; w++) {
        zk_runtime_t *lane = enter(widths[w]);
        uint64_t n = test_scaled(200000);

        assert_non_null(lane);
        for (size_t grain = 0; grain <= 1000; grain = grain * 10 + 1) {
            struct square s = {.n = 0};

            assert_int_equal(zk_parallel_for(0, n, grain, add_range, &s),
                             ZK_OK);
            assert_int_equal(zk_load_relaxed(&s.sum), n * (n - 1) / 2);
        }
        assert_int_equal(test_info(lane).threads, widths[w] - 1);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_nested_loops_fill_each_cell_once_for_every_number_of_workers(void **state)
{
    (void)state;
    for (size_t w = 0; w < WIDTHS; w++) {
        zk_runtime_t *lane = enter(widths[w]);
        struct square s = {.n = TEST_SANITIZED ? 60 : 300};

        assert_non_null(lane);
        s.cells = calloc(s.n * s.n, sizeof *s.cells);
        for (unsigned round = 1; round <= 3; round++) {
            assert_int_equal(zk_parallel_for(0, s.n, 1, fill_rows, &s), ZK_OK);
            for (size_t i = 0; i < s.n * s.n; i++)
                assert_int_equal(s.cells[i], round);
        }
        assert_int_equal(zk_load_relaxed(&s.wrong), 0);
        free(s.cells);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_groups_in_groups_agree_for_every_number_of_workers(void **state)
{
    (void)state;
    for (size_t w = 0; w < WIDTHS; w++) {
        zk_runtime_t *lane = enter(widths[w]);
        struct fib f = {TEST_SANITIZED ? 13 : 20, 0};

        assert_non_null(lane);
        assert_int_equal(fib(&f), 0);
        assert_int_equal(f.result, TEST_SANITIZED ? 233 : 6765);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* B6 */
static void
test_phases_hold_their_data_for_every_number_of_workers(void **state)
{
    (void)state;
    for (size_t w = 0; w < WIDTHS; w++) {
        zk_runtime_t *lane = enter(widths[w]);
        struct square s = {.n = 0};

        assert_non_null(lane);
        for (unsigned i = 0; i < test_scaled(60); i++) {
            char *p;

            assert_int_equal(zk_phase_begin("phase"), ZK_OK);
            p = zk_malloc(50000);
            test_fill(p, 50000, i);
            assert_int_equal(zk_parallel_for(0, 200, 1, use_arena, &s), ZK_OK);
            assert_int_equal(zk_phase_begin("stage"), ZK_OK);
            assert_int_equal(zk_parallel_for(0, 200, 1, use_arena, &s), ZK_OK);
            assert_int_equal(zk_phase_end(), ZK_OK);
            assert_true(test_holds(p, 50000, i));
            assert_int_equal(zk_phase_end(), ZK_OK);
        }
        assert_int_equal(zk_load_relaxed(&s.wrong), 0);
        assert_int_equal(test_stats(lane).bad_frees, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops_add_up_for_every_number_of_workers),
        cmocka_unit_test(
            test_nested_loops_fill_each_cell_once_for_every_number_of_workers),
        cmocka_unit_test(
            test_groups_in_groups_agree_for_every_number_of_workers),
        cmocka_unit_test(
            test_phases_hold_their_data_for_every_number_of_workers),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
