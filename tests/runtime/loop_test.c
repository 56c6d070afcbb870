/*
 * loop_test.c - zk_parallel_for: every iteration once, in the pieces promised.
 */
#include "tests/runtime/meeting.h"
#include "tests/runtime/rt.h"

#define MARKS 20001

static _Atomic unsigned char marks[MARKS];

/* What the bodies saw. Bits of `hits` would hide a second visit: bytes. */
struct seen {
    size_t begin, end, grain;
    _Atomic unsigned char *hits; /* NULL: ranges too large to mark */
    _Atomic size_t iterations;
    _Atomic unsigned calls, empty, outside, oversized, misplaced, doubled;
};

static int
look(size_t begin, size_t end, void *arg)
{
    struct seen *s = arg;

    zk_add_relaxed(&s->calls, 1u);
    if (begin >= end)
        zk_add_relaxed(&s->empty, 1u);
    if (begin < s->begin || end > s->end) {
        zk_add_relaxed(&s->outside, 1u);
        return 0;
    }
    if (s->grain != 0 && end - begin > s->grain)
        zk_add_relaxed(&s->oversized, 1u);
    if (s->grain != 0 && (begin - s->begin) % s->grain != 0)
        zk_add_relaxed(&s->misplaced, 1u);
    if (s->grain != 0 && end != s->end && end - begin != s->grain)
        zk_add_relaxed(&s->misplaced, 1u);
    zk_add_relaxed(&s->iterations, end - begin);
    for (size_t i = begin; s->hits != NULL && i < end; i++)
        if (zk_add_relaxed(&s->hits[i - s->begin], (unsigned char)1) != 0)
            zk_add_relaxed(&s->doubled, 1u);
    return 0;
}

static void
check_loop(zk_runtime_t *lane, size_t begin, size_t end, size_t grain,
           bool marked)
{
    struct seen s = {.begin = begin, .end = end, .grain = grain};

    if (marked) {
        assert_in_range(end - begin, 0, MARKS);
        for (size_t i = 0; i < end - begin; i++)
            zk_store_relaxed(&marks[i], (unsigned char)0);
        s.hits = marks;
    }
    assert_int_equal(zk_parallel_for_on(lane, begin, end, grain, look, &s),
                     ZK_OK);
    if (s.iterations != end - begin || s.doubled != 0)
        print_error("[%zu, %zu) grain %zu: %zu iterations, %u doubled\n", begin,
                    end, grain, (size_t)s.iterations, (unsigned)s.doubled);
    assert_true(s.iterations == end - begin);
    assert_int_equal(s.doubled, 0);
    assert_int_equal(s.empty, 0);
    assert_int_equal(s.outside, 0);
    assert_int_equal(s.oversized, 0);
    assert_int_equal(s.misplaced, 0);
}

static void
test_every_iteration_runs_once_for_many_ranges_and_grains(void **state)
{
    static const unsigned workers[] = {1, 2, 3, 5, 8, 64};
    static const size_t begins[] = {0, 1, 7, 1000003};
    static const size_t sizes[] = {1, 2, 3, 4, 5, 63, 64, 65, 1000, 4097};
    static const size_t grains[] = {0, 1, 2, 3, 7, 64, 1000, 5000, SIZE_MAX};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(test_workers(workers[w]), 2);

        assert_non_null(lane);
        for (size_t b = 0; b < sizeof begins / sizeof *begins; b++)
            for (size_t n = TEST_VALGRIND ? (b + w) % 4 : 0;
                 n < sizeof sizes / sizeof *sizes; n += TEST_VALGRIND ? 4 : 1)
                for (size_t g = 0; g < sizeof grains / sizeof *grains; g++)
                    check_loop(lane, begins[b], begins[b] + sizes[n], grains[g],
                               true);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_every_iteration_runs_once_for_random_ranges(void **state)
{
    struct test_random r = {test_seed("loop")};

    (void)state;
    for (unsigned i = 0; i < test_scaled(60); i++) {
        zk_runtime_t *lane = rt_lane(1 + (unsigned)test_below(&r, 9), 2);

        assert_non_null(lane);
        for (unsigned k = 0; k < 30; k++) {
            size_t begin = test_below(&r, 100);
            size_t n = test_below(&r, 20000);
            size_t grain = test_below(&r, 2) * test_below(&r, 3000);

            check_loop(lane, begin, begin + n, grain, true);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_ranges_near_size_max_neither_wrap_nor_stop_early(void **state)
{
    static const size_t grains[] = {
        SIZE_MAX,     SIZE_MAX - 1, SIZE_MAX / 2 + 2, SIZE_MAX / 2 + 1,
        SIZE_MAX / 2, SIZE_MAX / 3, SIZE_MAX / 1000,  (size_t)1 << 60};

    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);

        for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
            check_loop(lane, 0, SIZE_MAX, grains[g], false);
            check_loop(lane, 1, SIZE_MAX, grains[g], false);
            check_loop(lane, SIZE_MAX / 2, SIZE_MAX, grains[g], false);
            check_loop(lane, SIZE_MAX / 3, SIZE_MAX - 5, grains[g], false);
        }
        check_loop(lane, 0, SIZE_MAX, 0, false); /* learns to take an eighth */
        check_loop(lane, SIZE_MAX - 1, SIZE_MAX, 0, true);
        check_loop(lane, SIZE_MAX - 1000, SIZE_MAX, 0, true);
        check_loop(lane, SIZE_MAX - 1000, SIZE_MAX, 7, true);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

enum { CALLS = 20000 };

struct longest {
    unsigned too_long;
};

/* What a call may have at most when the rest may be a thousand times as dear. */
static int
check_length(size_t begin, size_t end, void *arg)
{
    struct longest *l = arg;
    size_t rest = CALLS - begin;

    l->too_long +=
        end - begin > 1 && end - begin > rest / 8 && end - begin > CALLS / 32;
    return 0;
}

static void
test_no_call_gets_most_of_a_range_before_its_cost_is_known(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct longest l = {0};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_parallel_for(0, CALLS, 0, check_length, &l), ZK_OK);
    assert_int_equal(l.too_long, 0);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_an_empty_or_reversed_range_is_ok_and_calls_nothing(void **state)
{
    struct seen s = {.begin = 0};

    (void)state;
    assert_int_equal(zk_parallel_for(5, 5, 0, look, &s), ZK_OK);
    assert_int_equal(zk_parallel_for(0, 0, 1, look, &s), ZK_OK);
    assert_int_equal(zk_parallel_for(SIZE_MAX, 0, 1, look, &s), ZK_OK);
    assert_int_equal(s.calls, 0);
}

static void
test_a_loop_without_a_body_is_refused(void **state)
{
    (void)state;
    assert_int_equal(zk_parallel_for(0, 5, 1, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_parallel_for(5, 5, 1, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_parallel_for_on(NULL, 0, 5, 1, NULL, NULL), ZK_EINVAL);
}

static void
test_the_calls_of_a_lone_worker_are_in_order(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct seen s = {.begin = 0, .end = 1000, .grain = 10};

    (void)state;
    assert_int_equal(zk_parallel_for_on(lane, 0, 1000, 10, look, &s), ZK_OK);
    assert_int_equal(s.calls, 100);
    assert_int_equal(s.misplaced, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_loop_of_cheap_iterations_takes_few_calls(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct seen s = {.begin = 0, .end = (size_t)1 << 40};

    (void)state;
    assert_int_equal(zk_parallel_for_on(lane, 0, s.end, 0, look, &s), ZK_OK);
    assert_true(s.iterations == s.end);
    assert_true(s.calls < 10000);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- errors -------------------------------------------------------------- */

struct failing {
    size_t at;
    int code;
    _Atomic size_t ran;
};

static int
fail_at(size_t begin, size_t end, void *arg)
{
    struct failing *f = arg;

    zk_add_relaxed(&f->ran, end - begin);
    return begin <= f->at && f->at < end ? f->code : 0;
}

static void
test_the_result_of_a_failing_body_comes_back_unchanged(void **state)
{
    static const int codes[] = {1, 42, -1, -1000, INT32_MAX, INT32_MIN};

    (void)state;
    for (unsigned workers = 1; workers <= 4; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);

        for (size_t c = 0; c < sizeof codes / sizeof *codes; c++)
            for (size_t grain = 0; grain <= 64; grain += 16) {
                struct failing f = {.at = 777, .code = codes[c]};

                assert_int_equal(
                    zk_parallel_for_on(lane, 0, 5000, grain, fail_at, &f),
                    codes[c]);
            }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_after_a_failure_the_rest_is_skipped(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct failing f = {.at = 10, .code = 3};

    (void)state;
    assert_int_equal(zk_parallel_for_on(lane, 0, SIZE_MAX, 1, fail_at, &f), 3);
    assert_int_equal(f.ran, 11);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_failure_ends_a_loop_that_would_never_end_on_many_workers(void **state)
{
    static const unsigned workers[] = {2, 3, 8};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(test_workers(workers[w]), 2);

        for (unsigned i = 0; i < test_scaled(100); i++) {
            struct failing f = {.at = 1000 + i * 17, .code = 3};

            assert_int_equal(
                zk_parallel_for_on(lane, 0, SIZE_MAX, 1, fail_at, &f), 3);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static int
fail_inside(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    return zk_parallel_for(0, 1000, 1, fail_at, arg);
}

static int
fail_deep_inside(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    return zk_parallel_for(0, 8, 1, fail_inside, arg);
}

static void
test_a_failure_comes_back_through_nested_loops(void **state)
{
    static const unsigned workers[] = {1, 2, 3, 8};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(test_workers(workers[w]), 2);

        for (unsigned i = 0; i < test_scaled(60); i++) {
            struct failing f = {.at = 500, .code = 99};

            assert_int_equal(
                zk_parallel_for_on(lane, 0, 8, 1, fail_deep_inside, &f), 99);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* The outer loop fails while another of its pieces is in a long inner loop. */
struct halves {
    _Atomic unsigned inner_runs;
    _Atomic size_t inner_iterations;
    _Atomic int inner_code;
};

static int
count_iterations(size_t begin, size_t end, void *arg)
{
    struct halves *h = arg;

    zk_add_relaxed(&h->inner_iterations, end - begin);
    zk_store_release(&h->inner_runs, 1u);
    return 0;
}

static int
one_fails_one_loops(size_t begin, size_t end, void *arg)
{
    struct halves *h = arg;

    (void)end;
    if (begin == 0) {
        rt_await(&h->inner_runs, 1);
        return 5;
    }
    zk_store_relaxed(&h->inner_code,
                     zk_parallel_for(0, SIZE_MAX, 1, count_iterations, h));
    return 0;
}

static void
test_a_failing_loop_stops_the_loops_inside_its_pieces(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    struct halves h = {.inner_runs = 0};

    (void)state;
    assert_int_equal(zk_parallel_for_on(lane, 0, 2, 1, one_fails_one_loops, &h),
                     5);
    assert_int_equal(h.inner_code, ZK_ECANCELED);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- nesting -------------------------------------------------------------- */

struct nest {
    size_t n;
    _Atomic size_t leaves;
    _Atomic unsigned failed;
};

static int
count_leaf(size_t begin, size_t end, void *arg)
{
    struct nest *s = arg;

    zk_add_relaxed(&s->leaves, end - begin);
    return 0;
}

static int
nest_two(size_t begin, size_t end, void *arg)
{
    struct nest *s = arg;

    for (size_t i = begin; i < end; i++)
        if (zk_parallel_for(0, s->n, 0, count_leaf, s) != ZK_OK)
            zk_add_relaxed(&s->failed, 1u);
    return 0;
}

static int
nest_three(size_t begin, size_t end, void *arg)
{
    struct nest *s = arg;

    for (size_t i = begin; i < end; i++)
        if (zk_parallel_for(0, s->n, 1, nest_two, s) != ZK_OK)
            zk_add_relaxed(&s->failed, 1u);
    return 0;
}

static int
leaf_task(void *arg)
{
    return count_leaf(0, 1, arg);
}

static int
groups_in_a_loop(size_t begin, size_t end, void *arg)
{
    struct nest *s = arg;

    for (size_t i = begin; i < end; i++) {
        zk_group_t g = ZK_GROUP_INIT;

        for (size_t k = 0; k < s->n; k++)
            if (zk_spawn(&g, leaf_task, s) != ZK_OK)
                zk_add_relaxed(&s->failed, 1u);
        if (zk_parallel_for(0, s->n, 0, count_leaf, s) != ZK_OK ||
            zk_sync(&g) != ZK_OK)
            zk_add_relaxed(&s->failed, 1u);
    }
    return 0;
}

static int
loop_task(void *arg)
{
    return nest_two(0, 1, arg);
}

static void
test_loops_and_groups_nest_in_each_other(void **state)
{
    static const unsigned workers[] = {1, 2, 3, 16};
    const size_t n = TEST_SANITIZED ? 8 : 20;

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(test_workers(workers[w]), 2);
        zk_group_t g = ZK_GROUP_INIT;
        struct nest s = {.n = n};

        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(zk_parallel_for(0, n, 1, nest_three, &s), ZK_OK);
        assert_true(s.leaves == n * n * n);
        assert_int_equal(zk_parallel_for(0, n, 1, groups_in_a_loop, &s), ZK_OK);
        assert_true(s.leaves == n * n * n + 2 * n * n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(zk_spawn(&g, loop_task, &s), ZK_OK);
        assert_int_equal(zk_sync(&g), ZK_OK);
        assert_true(s.leaves == n * n * n + 3 * n * n);
        assert_int_equal(s.failed, 0);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* ---- who runs it ----------------------------------------------------------- */

/* Each call blocks until both are there: a loop run by one would hang here. */
static void
test_a_second_thread_takes_part_in_a_loop_of_two(void **state)
{
    static const unsigned workers[] = {2, 3, 8, 64};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(test_workers(workers[w]), 2);

        for (unsigned round = 0; round < test_scaled(200); round++) {
            struct meeting m = {.wanted = 2};

            assert_int_equal(
                zk_parallel_for_on(lane, 0, 2, 1, meet_in_a_loop, &m), ZK_OK);
            assert_int_equal(m.here, 2);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

struct looper {
    pthread_t thread;
    zk_runtime_t *lane;
    struct seen seen;
    unsigned wrong;
};

static void *
loop_often(void *arg)
{
    struct looper *l = arg;

    for (unsigned i = 0; i < test_scaled(300); i++) {
        l->seen = (struct seen){.begin = 3, .end = 1003, .grain = i % 40};
        if (zk_parallel_for_on(l->lane, 3, 1003, i % 40, look, &l->seen) !=
                ZK_OK ||
            l->seen.iterations != 1000 || l->seen.oversized != 0 ||
            l->seen.misplaced != 0)
            l->wrong++;
    }
    return NULL;
}

static void
test_threads_without_a_slot_run_their_loops_alone(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 1); /* two slots for six threads */
    struct looper l[6];

    (void)state;
    for (int i = 0; i < 6; i++) {
        l[i] = (struct looper){.lane = lane};
        assert_int_equal(pthread_create(&l[i].thread, NULL, loop_often, &l[i]),
                         0);
    }
    for (int i = 0; i < 6; i++)
        pthread_join(l[i].thread, NULL);
    for (int i = 0; i < 6; i++)
        assert_int_equal(l[i].wrong, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_loop_on_another_lane_than_the_callers_is_refused(void **state)
{
    zk_runtime_t *a = rt_lane(1, 2), *b = rt_lane(1, 2);
    struct seen s = {.end = 10};

    (void)state;
    assert_int_equal(zk_runtime_enter(a), ZK_OK);
    assert_int_equal(zk_parallel_for_on(b, 0, 10, 1, look, &s), ZK_EPERM);
    assert_int_equal(zk_parallel_for_on(a, 0, 10, 1, look, &s), ZK_OK);
    assert_int_equal(s.calls, 10);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(a), ZK_OK);
    assert_int_equal(zk_runtime_close(b), ZK_OK);
}

static void
test_a_loop_leaves_the_caller_outside_again(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    cpu_set_t before, after;
    struct seen s = {.end = 10};

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(zk_parallel_for_on(lane, 0, 10, 1, look, &s), ZK_OK);
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(zk_runtime_leave(), ZK_ESTALE);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_every_iteration_runs_once_for_many_ranges_and_grains),
        cmocka_unit_test(test_every_iteration_runs_once_for_random_ranges),
        cmocka_unit_test(test_ranges_near_size_max_neither_wrap_nor_stop_early),
        cmocka_unit_test(
            test_no_call_gets_most_of_a_range_before_its_cost_is_known),
        cmocka_unit_test(
            test_an_empty_or_reversed_range_is_ok_and_calls_nothing),
        cmocka_unit_test(test_a_loop_without_a_body_is_refused),
        cmocka_unit_test(test_the_calls_of_a_lone_worker_are_in_order),
        cmocka_unit_test(test_a_loop_of_cheap_iterations_takes_few_calls),
        cmocka_unit_test(
            test_the_result_of_a_failing_body_comes_back_unchanged),
        cmocka_unit_test(test_after_a_failure_the_rest_is_skipped),
        cmocka_unit_test(
            test_a_failure_ends_a_loop_that_would_never_end_on_many_workers),
        cmocka_unit_test(test_a_failure_comes_back_through_nested_loops),
        cmocka_unit_test(test_a_failing_loop_stops_the_loops_inside_its_pieces),
        cmocka_unit_test(test_loops_and_groups_nest_in_each_other),
        cmocka_unit_test(test_a_second_thread_takes_part_in_a_loop_of_two),
        cmocka_unit_test(test_threads_without_a_slot_run_their_loops_alone),
        cmocka_unit_test(
            test_a_loop_on_another_lane_than_the_callers_is_refused),
        cmocka_unit_test(test_a_loop_leaves_the_caller_outside_again),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
