/*
 * stats_test.c - the counters of a lane and of a phase say what has happened.
 *
 * lane_test.c looks at zk_runtime_info().
 */
#include "tests/runtime/rt.h"

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int
nothing_in_a_loop(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    return 0;
}

static void
test_a_new_lane_has_counted_nothing(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    zk_runtime_stats_t none = {.size = sizeof none}, stats = test_stats(lane);

    (void)state;
    assert_memory_equal(&none, &stats, sizeof stats);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_phases_and_stages_are_counted_apart(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(zk_phase_begin("stage"), ZK_OK);
            assert_int_equal(zk_phase_end(), ZK_OK);
        }
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_ESTALE);
    }
    assert_int_equal(test_stats(lane).phases, 3);
    assert_int_equal(test_stats(lane).stages, 6);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_every_task_is_counted_wherever_it_came_from(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    zk_group_t group = ZK_GROUP_INIT;

    (void)state;
    for (int i = 0; i < 10; i++) /* from outside */
        assert_int_equal(zk_spawn_on(lane, &group, nothing, NULL), ZK_OK);
    assert_int_equal(zk_sync(&group), ZK_OK);
    assert_int_equal(test_stats(lane).tasks, 10);

    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(zk_spawn(&group, nothing, NULL), ZK_OK);
    assert_int_equal(zk_sync(&group), ZK_OK);
    assert_int_equal(test_stats(lane).tasks, 20);

    assert_int_equal(zk_phase_begin("phase"), ZK_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(zk_spawn(&group, nothing, NULL), ZK_OK);
        assert_int_equal(zk_spawn(NULL, nothing, NULL), ZK_OK);
    }
    assert_int_equal(zk_sync(&group), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(test_stats(lane).tasks, 40);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_refused_and_skipped_tasks_are_counted_as_what_they_are(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    zk_group_t group = ZK_GROUP_INIT;

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_spawn(&group, NULL, NULL), ZK_EINVAL);
    assert_int_equal(test_stats(lane).tasks, 0); /* refused */
    zk_group_cancel(&group, ZK_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(zk_spawn(&group, nothing, NULL), ZK_OK);
    assert_int_equal(zk_sync(&group), ZK_ECANCELED);
    assert_int_equal(test_stats(lane).tasks, 5); /* pushed, and skipped */
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_lone_worker_neither_steals_nor_sleeps(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(
            zk_parallel_for_on(lane, 0, 1000, 1, nothing_in_a_loop, NULL),
            ZK_OK);
    assert_int_equal(test_stats(lane).steals, 0);
    assert_int_equal(test_stats(lane).sleeps, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_steals_and_sleeps_of_workers_are_counted(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned i = 1; i <= 10; i++) {
        zk_runtime_stats_t stats;

        assert_int_equal(test_run_on_worker(nothing, NULL), ZK_OK);
        stats = test_stats(lane);
        assert_int_equal(stats.steals, i);
        assert_int_equal(stats.steals_at[0] + stats.steals_at[1] +
                             stats.steals_at[2] + stats.steals_at[3],
                         i);
    }
    while (test_stats(lane).sleeps == 0) /* once there is nothing to do */
        usleep(100);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- memory -------------------------------------------------------------------- */

static void
test_bytes_of_an_arena_are_counted_when_phases_and_stages_end(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK);
    assert_non_null(zk_phase_alloc(8192, 0));
    assert_int_equal(test_stats(lane).arena_bytes, 0);
    assert_true(test_stats(lane).arena_committed >= 8192);
    assert_int_equal(test_phase_stats().bytes, 8192);
    assert_int_equal(zk_phase_begin("stage"), ZK_OK);
    assert_non_null(zk_phase_alloc(16384, 0));
    assert_int_equal(test_phase_stats().bytes, 24576);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(test_stats(lane).arena_bytes, 16384);
    assert_int_equal(test_phase_stats().bytes, 8192);
    assert_int_equal(test_phase_stats().peak_bytes, 24576);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(test_stats(lane).arena_bytes, 24576);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* N2: the first one counts too, and what is small is no overflow. */
static void
test_overflows_are_counted_from_the_first_and_set_to_zero(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    void *p[4];

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "full"), ZK_OK);
    p[0] = zk_malloc(100); /* small */
    assert_int_equal(test_stats(lane).overflow_count, 0);
    for (int i = 1; i < 4; i++) {
        p[i] = zk_malloc(5 * MIB);
        assert_non_null(p[i]);
        assert_false(zk_in_arena(p[i]));
        assert_int_equal(test_stats(lane).overflow_count, i);
        assert_int_equal(test_stats(lane).overflow_bytes, (size_t)i * 5 * MIB);
    }
    assert_null(zk_phase_alloc(5 * MIB, 0)); /* never the heap: no overflow */
    assert_int_equal(test_stats(lane).overflow_count, 3);
    zk_runtime_stats_reset_overflow(lane);
    assert_int_equal(test_stats(lane).overflow_count, 0);
    assert_int_equal(test_stats(lane).overflow_bytes, 0);
    assert_int_equal(test_stats(lane).phases, 1);
    for (int i = 0; i < 4; i++)
        zk_free(p[i]);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void *
overflow_once(void *arg)
{
    zk_runtime_t *lane = arg;
    bool right = zk_phase_begin_on(lane, "full") == ZK_OK;
    void *p = zk_malloc(5 * MIB);

    right = right && p != NULL && !zk_in_arena(p);
    zk_free(p);
    return zk_phase_end() == ZK_OK && right ? lane : NULL;
}

static int
overflow_in_task(void *arg)
{
    void *p = zk_malloc(5 * MIB);

    (void)arg;
    zk_free(p);
    return 0;
}

/* N2: of eight threads each has one request that does not fit, its first, and a
 * worker another. */
static void
test_the_first_overflow_of_each_thread_is_counted(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 8);
    pthread_t threads[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, overflow_once, lane),
                         0);
    for (int i = 0; i < 8; i++) {
        void *right = NULL;

        pthread_join(threads[i], &right);
        assert_non_null(right);
    }
    assert_int_equal(test_stats(lane).overflow_count, 8);
    assert_int_equal(zk_phase_begin_on(lane, "worker"), ZK_OK);
    assert_int_equal(test_run_on_worker(overflow_in_task, NULL), 0);
    assert_int_equal(test_stats(lane).overflow_count, 9);
    assert_int_equal(test_stats(lane).overflow_bytes, 9 * 5 * MIB);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_bad_frees_are_counted(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    char *p;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "bad"), ZK_OK);
    p = zk_malloc(10000);
    zk_free(p + 64);
    assert_int_equal(test_stats(lane).bad_frees, 1);
    zk_free(p);
    zk_free(p);
    assert_int_equal(test_stats(lane).bad_frees, 2);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- phases ---------------------------------------------------------------------- */

static int
see_the_phase(void *arg)
{
    zk_phase_stats_t *seen = arg;

    *seen = test_phase_stats();
    return 0;
}

static void
test_a_task_sees_its_phase_and_a_stranger_none(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    zk_phase_stats_t seen = {.size = sizeof seen};
    zk_group_t outside = ZK_GROUP_INIT;

    (void)state;
    assert_int_equal(zk_phase_stats(&seen), ZK_ESTALE);
    assert_int_equal(zk_phase_begin_on(lane, "seen"), ZK_OK);
    assert_int_equal(test_run_on_worker(see_the_phase, &seen), ZK_OK);
    assert_string_equal(seen.name, "seen");
    assert_int_equal(seen.depth, 1);
    assert_int_equal(seen.epoch, 1);
    assert_int_equal(zk_phase_end(), ZK_OK);

    /* The last one is still told, but no task of no phase hears of it. */
    assert_int_equal(test_phase_stats().epoch, 1);
    assert_int_equal(test_phase_stats().depth, 0);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(test_run_on_worker(see_the_phase, &seen), ZK_OK);
    assert_int_equal(seen.epoch, UINT64_MAX); /* ZK_ESTALE */
    assert_int_equal(zk_sync(&outside), ZK_OK);
    assert_int_equal(zk_phase_release(), ZK_OK);
    assert_int_equal(zk_phase_stats(&seen), ZK_EINVAL); /* its size is gone */
    seen.size = sizeof seen;
    assert_int_equal(zk_phase_stats(&seen), ZK_ESTALE);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- while others work ------------------------------------------------------------- */

struct reader {
    zk_runtime_t *lane;
    _Atomic unsigned stop, reads, backwards;
};

static void *
read_on(void *arg)
{
    struct reader *r = arg;
    zk_runtime_stats_t last = test_stats(r->lane);

    while (!zk_load_relaxed(&r->stop)) {
        zk_runtime_stats_t now = test_stats(r->lane);

        if (now.tasks < last.tasks || now.phases < last.phases ||
            now.steals < last.steals || now.arena_bytes < last.arena_bytes)
            zk_add_relaxed(&r->backwards, 1u);
        last = now;
        zk_add_relaxed(&r->reads, 1u);
    }
    return NULL;
}

static void
test_counters_only_grow_while_they_are_read(void **state)
{
    struct reader r = {.lane = rt_lane(3, 2)};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
    for (unsigned i = 0; i < test_scaled(300) || r.reads < 10; i++) {
        assert_int_equal(zk_phase_begin_on(r.lane, "read"), ZK_OK);
        assert_non_null(zk_malloc(10000));
        assert_int_equal(zk_parallel_for(0, 100, 1, nothing_in_a_loop, NULL),
                         ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_OK);
    }
    zk_store_relaxed(&r.stop, 1u);
    pthread_join(thread, NULL);
    assert_int_equal(r.backwards, 0);
    assert_int_equal(zk_runtime_close(r.lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_lane_has_counted_nothing),
        cmocka_unit_test(test_phases_and_stages_are_counted_apart),
        cmocka_unit_test(test_every_task_is_counted_wherever_it_came_from),
        cmocka_unit_test(
            test_refused_and_skipped_tasks_are_counted_as_what_they_are),
        cmocka_unit_test(test_a_lone_worker_neither_steals_nor_sleeps),
        cmocka_unit_test(test_steals_and_sleeps_of_workers_are_counted),
        cmocka_unit_test(
            test_bytes_of_an_arena_are_counted_when_phases_and_stages_end),
        cmocka_unit_test(
            test_overflows_are_counted_from_the_first_and_set_to_zero),
        cmocka_unit_test(test_the_first_overflow_of_each_thread_is_counted),
        cmocka_unit_test(test_bad_frees_are_counted),
        cmocka_unit_test(test_a_task_sees_its_phase_and_a_stranger_none),
        cmocka_unit_test(test_counters_only_grow_while_they_are_read),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
