/*
 * order_test.c - begin, end, enter, leave and close at the wrong time, too
 * often, or from the wrong thread: a code, and nothing changed.
 */
#include "tests/badinput/work.h"

#include <pthread.h>

/* Z7, B19 */
static void
test_a_second_begin_is_a_stage_and_a_missing_end_is_seen(void **state)
{
    zk_runtime_t *lane = test_lane(2, 4 * MIB, 0);
    char *outer, *inner;

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_phase_begin_on(lane, "proof"), ZK_OK);
    outer = zk_malloc(50000);
    assert_non_null(outer);
    test_fill(outer, 50000, 1);
    assert_int_equal(zk_phase_begin_on(lane, "proof"), ZK_OK); /* by mistake */
    inner = zk_malloc(50000);
    assert_non_null(inner);
    assert_int_equal(test_phase_stats().depth, 2);
    test_fill(inner, 50000, 2);
    assert_true(test_holds(outer, 50000, 1));
    assert_int_equal(zk_runtime_close(lane), ZK_EBUSY);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(test_phase_stats().depth, 1);
    assert_int_equal(zk_runtime_close(lane), ZK_EBUSY); /* still one open */
    assert_int_equal(zk_phase_release(), ZK_EBUSY);
    assert_true(test_holds(outer, 50000, 1));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
    assert_int_equal(zk_phase_error(), ZK_ESTALE);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_end_without_begin_is_stale_wherever_it_is_called(void **state)
{
    zk_runtime_t *lane = test_lane(1, MIB, 0);

    (void)state;
    assert_non_null(lane);
    for (int i = 0; i < 3; i++)
        assert_int_equal(zk_phase_end(), ZK_ESTALE);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
    assert_int_equal(zk_slot(), 0);
    assert_true(work_phase(NULL));
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

struct other {
    zk_runtime_t *lane;
    unsigned failed;
};

/* What it may not do to a phase of another thread, and what it still can. */
static void *
meddle(void *arg)
{
    struct other *o = arg;

    o->failed += zk_phase_end() != ZK_ESTALE;
    o->failed += zk_phase_release() != ZK_OK; /* of its own: there is none */
    o->failed += zk_runtime_leave() != ZK_ESTALE;
    o->failed += zk_runtime_close(o->lane) != ZK_EBUSY;
    o->failed += !work_all(o->lane); /* in a phase of its own */
    o->failed += zk_phase_end() != ZK_ESTALE;
    o->failed += zk_runtime_close(o->lane) != ZK_EBUSY;
    return NULL;
}

/* Z8, B14 */
static void
test_another_thread_can_neither_end_a_phase_nor_close_its_lane(void **state)
{
    struct other o = {.lane = test_lane(2, 4 * MIB, 0)};
    pthread_t thread;
    char *p;

    (void)state;
    assert_non_null(o.lane);
    assert_int_equal(zk_phase_begin_on(o.lane, "mine"), ZK_OK);
    p = zk_malloc(100000);
    assert_non_null(p);
    test_fill(p, 100000, 4);
    assert_int_equal(pthread_create(&thread, NULL, meddle, &o), 0);
    pthread_join(thread, NULL);
    assert_int_equal(o.failed, 0);
    assert_true(test_holds(p, 100000, 4));
    assert_int_equal(test_phase_stats().depth, 1);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(o.lane), ZK_OK);
}

struct task {
    zk_runtime_t *lane, *stranger;
    _Atomic uint64_t failed;
};

/* Everything that a task may not do. */
static int
misbehave(void *arg)
{
    struct task *t = arg;
    uint64_t failed = 0;

    failed += zk_phase_begin("task") != ZK_EPERM;
    failed += zk_phase_begin_on(t->lane, "task") != ZK_EPERM;
    failed += zk_phase_begin_on(t->stranger, "task") != ZK_EPERM;
    failed += zk_phase_error() != ZK_EPERM;
    failed += zk_runtime_close(t->lane) != ZK_EPERM;
    failed += zk_runtime_close(t->stranger) != ZK_EPERM;
    failed += zk_runtime_enter(t->stranger) != ZK_EPERM;
    failed += zk_phase_end() == ZK_OK;
    failed += zk_runtime_leave() == ZK_OK;
    failed += zk_slot() < 0;
    failed += !work_loop(NULL) || !work_group(NULL);
    zk_add_relaxed(&t->failed, failed);
    return 0;
}

static int
misbehave_in_a_loop(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    return misbehave(arg);
}

static void
test_a_task_can_do_none_of_it(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct task t = {.lane = test_lane(workers, 4 * MIB, 0),
                         .stranger = test_lane(1, MIB, 0)};

        assert_non_null(t.lane);
        assert_non_null(t.stranger);
        for (int phase = 0; phase < 2; phase++) {
            zk_group_t group = ZK_GROUP_INIT;

            if (phase)
                assert_int_equal(zk_phase_begin_on(t.lane, "open"), ZK_OK);
            for (int i = 0; i < 10; i++)
                assert_int_equal(zk_spawn_on(t.lane, &group, misbehave, &t),
                                 ZK_OK);
            assert_int_equal(zk_sync(&group), ZK_OK);
            assert_int_equal(
                zk_parallel_for_on(t.lane, 0, 10, 1, misbehave_in_a_loop, &t),
                ZK_OK);
            assert_int_equal(t.failed, 0);
            if (phase)
                assert_int_equal(zk_phase_end(), ZK_OK);
        }
        assert_true(work_all(t.lane));
        assert_int_equal(zk_runtime_close(t.stranger), ZK_OK);
        assert_int_equal(zk_runtime_close(t.lane), ZK_OK);
    }
}

static void
test_leaving_too_often_is_stale_and_too_early_is_busy(void **state)
{
    zk_runtime_t *lane = test_lane(1, MIB, 0);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_runtime_leave(), ZK_ESTALE);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_phase_begin("open"), ZK_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(zk_runtime_leave(), ZK_EBUSY);
    assert_non_null(zk_phase_alloc(100, 0));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(zk_runtime_leave(), ZK_ESTALE);
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_entering_a_second_lane_is_refused_and_keeps_the_first(void **state)
{
    zk_runtime_t *a = test_lane(1, MIB, 0), *b = test_lane(1, MIB, 0);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(zk_runtime_enter(a), ZK_OK);
    assert_int_equal(zk_runtime_enter(b), ZK_EPERM);
    assert_int_equal(zk_phase_begin_on(b, "b"), ZK_EPERM);
    assert_ptr_equal(zk_runtime_current(), a);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_ESTALE);
    assert_true(work_all(b));
    assert_int_equal(zk_runtime_close(a), ZK_OK);
    assert_int_equal(zk_runtime_close(b), ZK_OK);
}

static void
test_closing_a_lane_that_is_closed_is_stale(void **state)
{
    zk_runtime_t *first = test_lane(1, MIB, 0);
    zk_runtime_t *second = test_lane(2, MIB, 0);

    (void)state;
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(zk_runtime_close(first), ZK_OK);
    assert_int_equal(zk_runtime_close(first), ZK_ESTALE);
    assert_true(work_all(second));
    assert_int_equal(zk_runtime_enter(second), ZK_OK);
    assert_int_equal(zk_runtime_close(first), ZK_ESTALE);
    assert_int_equal(zk_runtime_close(second), ZK_OK);
    assert_int_equal(zk_runtime_close(second), ZK_ESTALE);
    assert_int_equal(zk_slot(), -1);
}

/* ---- entering without leaving ------------------------------------------------ */

static int
enter_and_forget(size_t begin, size_t end, void *arg)
{
    struct task *t = arg;

    (void)begin;
    (void)end;
    if (zk_runtime_enter(t->lane) != ZK_OK)
        zk_add_relaxed(&t->failed, (uint64_t)1);
    return 0;
}

/* The thread is inside for the length of the loop: so is its entering. */
static void
test_entering_in_a_loop_without_leaving_ends_with_the_loop(void **state)
{
    struct task t = {.lane = test_lane(1, MIB, 0)};

    (void)state;
    assert_non_null(t.lane);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            zk_parallel_for_on(t.lane, 0, 5, 1, enter_and_forget, &t), ZK_OK);
        assert_int_equal(zk_slot(), -1);
        assert_int_equal(zk_runtime_leave(), ZK_ESTALE);
        assert_int_equal(zk_runtime_enter(t.lane), ZK_OK);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_slot(), -1); /* once in, once out */
    }
    assert_int_equal(t.failed, 0);
    assert_int_equal(zk_runtime_close(t.lane), ZK_OK);
}

static void *
enter_forget_and_exit(void *arg)
{
    struct task *t = arg;
    uint64_t failed = 0;

    failed += zk_runtime_enter(t->lane) != ZK_OK; /* its exit is watched now */
    failed += zk_runtime_leave() != ZK_OK;
    failed += zk_parallel_for_on(t->lane, 0, 5, 1, enter_and_forget, t) != 0;
    zk_add_relaxed(&t->failed, failed);
    return NULL;
}

static void
test_a_thread_that_entered_in_a_loop_without_leaving_can_exit(void **state)
{
    struct task t = {.lane = test_lane(1, MIB, 0)};
    pthread_t thread;

    (void)state;
    assert_non_null(t.lane);
    assert_int_equal(pthread_create(&thread, NULL, enter_forget_and_exit, &t),
                     0);
    pthread_join(thread, NULL);
    assert_int_equal(t.failed, 0);
    assert_int_equal(zk_runtime_close(t.lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_second_begin_is_a_stage_and_a_missing_end_is_seen),
        cmocka_unit_test(test_end_without_begin_is_stale_wherever_it_is_called),
        cmocka_unit_test(
            test_another_thread_can_neither_end_a_phase_nor_close_its_lane),
        cmocka_unit_test(test_a_task_can_do_none_of_it),
        cmocka_unit_test(test_leaving_too_often_is_stale_and_too_early_is_busy),
        cmocka_unit_test(
            test_entering_a_second_lane_is_refused_and_keeps_the_first),
        cmocka_unit_test(test_closing_a_lane_that_is_closed_is_stale),
        cmocka_unit_test(
            test_entering_in_a_loop_without_leaving_ends_with_the_loop),
        cmocka_unit_test(
            test_a_thread_that_entered_in_a_loop_without_leaving_can_exit),
    };

    work_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
