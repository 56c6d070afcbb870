/*
 * worker_test.c - idle workers: they search, sleep, and miss no wake-up.
 *
 * A lost wake-up shows as a hang, which the program's alarm ends.
 */
#include "tests/runtime/asleep.h"
#include "tests/runtime/meeting.h"
#include "tests/runtime/rt.h"

static int
count(void *arg)
{
    zk_add_release((_Atomic unsigned *)arg, 1u);
    return 0;
}

/* A lane whose workers sleep as soon as they find nothing. */
static zk_runtime_t *
sleepy_lane(unsigned workers, uint64_t seed)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane, ZK_OPTIONS(.workers = workers, .spare_slots = 4,
                                          .slab_bytes = MIB, .spin_us = 1,
                                          .seed = seed, .bind = ZK_BIND_NONE,
                                          .notice = test_no_notice)) != ZK_OK)
        return NULL;
    return lane;
}

/* The group is awaited without helping: a worker has to come. */
static bool
run_elsewhere(zk_runtime_t *lane, unsigned n)
{
    zk_group_t group = ZK_GROUP_INIT;
    _Atomic unsigned ran = 0;
    bool ok = true;

    for (unsigned i = 0; i < n; i++)
        ok = zk_spawn_on(lane, &group, count, &ran) == ZK_OK && ok;
    while (!zk_group_done(&group))
        sched_yield();
    return zk_sync(&group) == ZK_OK && ok && ran == n;
}

static void
test_a_sleeping_worker_comes_for_each_task_that_is_pushed(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= 4; workers++) {
        zk_runtime_t *lane = sleepy_lane(workers, 0);

        assert_non_null(lane);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (unsigned i = 0; i < test_scaled(500); i++) {
            assert_true(run_elsewhere(lane, 1 + i % 3));
            if (i % 4 == 0)
                await_all_asleep(lane);
        }
        assert_true(test_stats(lane).sleeps > 0);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_a_sleeping_worker_comes_for_each_task_from_outside(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers++) {
        zk_runtime_t *lane = sleepy_lane(workers, 0);

        assert_non_null(lane);
        for (unsigned i = 0; i < test_scaled(500); i++) {
            assert_true(run_elsewhere(lane, 1 + i % 3));
            if (i % 4 == 0)
                await_all_asleep(lane);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* The moment between the last look and the sleep is the one that counts. */
static void
test_no_wake_up_is_lost_at_any_distance_from_the_last_task(void **state)
{
    zk_runtime_t *lane = sleepy_lane(2, 0);
    struct test_random r = {test_seed("worker")};

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned i = 0; i < test_scaled(20000); i++) {
        for (size_t pause = test_below(&r, 400); pause != 0; pause--)
            zk_pause();
        assert_true(run_elsewhere(lane, 1));
    }
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- bursts ---------------------------------------------------------------------- */

static void
test_a_burst_wakes_every_worker(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= 9; workers++) {
        zk_runtime_t *lane = sleepy_lane(workers, 0);

        assert_non_null(lane);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (unsigned i = 0; i < test_scaled(100); i++) {
            struct meeting m = {.wanted = workers};
            zk_group_t group = ZK_GROUP_INIT;

            for (unsigned k = 0; k < workers; k++)
                assert_int_equal(zk_spawn(&group, meet_in_a_task, &m), ZK_OK);
            assert_int_equal(zk_sync(&group), ZK_OK);
            assert_int_equal(m.here, workers);
            if (i % 8 == 0)
                await_all_asleep(lane);
        }
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_a_burst_from_outside_wakes_every_worker(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= 6; workers++) {
        zk_runtime_t *lane = sleepy_lane(workers, 0);

        assert_non_null(lane);
        for (unsigned i = 0; i < test_scaled(100); i++) {
            struct meeting m = {.wanted = workers - 1};
            zk_group_t group = ZK_GROUP_INIT;

            for (unsigned k = 0; k < workers - 1; k++)
                assert_int_equal(zk_spawn_on(lane, &group, meet_in_a_task, &m),
                                 ZK_OK);
            while (!zk_group_done(&group))
                sched_yield(); /* nobody but the workers */
            assert_int_equal(zk_sync(&group), ZK_OK);
            if (i % 8 == 0)
                await_all_asleep(lane);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* ---- when there is nothing to do ---------------------------------------------------- */

static void
test_workers_without_work_all_sleep_and_leave_no_count_behind(void **state)
{
    zk_runtime_t *lane = sleepy_lane(5, 0);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned i = 0; i < test_scaled(100); i++) {
        assert_true(run_elsewhere(lane, 20));
        await_all_asleep(lane);
        assert_int_equal(zk_load_relaxed(&lane->sleepers), 4);
    }
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Z9, N9: begin and end of a phase that has no work for them wake nobody. */
static void
test_a_phase_without_tasks_wakes_nobody(void **state)
{
    zk_runtime_t *lane = sleepy_lane(4, 0);
    uint64_t sleeps;

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_true(run_elsewhere(lane, 20));
    await_all_asleep(lane);
    sleeps = test_stats(lane).sleeps;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(zk_phase_begin("quiet"), ZK_OK);
        assert_non_null(zk_malloc(10000));
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_true(all_asleep(lane));
    }
    /* A futex may wake somebody for no reason; hardly a hundred times. */
    assert_in_range(test_stats(lane).sleeps, sleeps, sleeps + 50);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_close_ends_workers_that_sleep_search_or_start(void **state)
{
    unsigned before = rt_threads();

    (void)state;
    for (unsigned i = 0; i < test_scaled(300); i++) {
        zk_runtime_t *lane = sleepy_lane(1 + i % 5, i);

        assert_non_null(lane);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        zk__lane_start(lane);
        if (i % 3 != 0)
            assert_true(i % 5 == 0 || run_elsewhere(lane, 3));
        if (i % 3 == 1)
            await_all_asleep(lane);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    assert_true(rt_threads_become(before));
}

/* The order of victims is a matter of taste, not of what gets done. */
static void
test_any_seed_finds_every_task(void **state)
{
    static const uint64_t seeds[] = {0, 1, 2, 12345, UINT64_MAX,
                                     /* with the last two a slot's state is 0 */
                                     UINT64_MAX - 1};

    (void)state;
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        zk_runtime_t *lane = sleepy_lane(3, seeds[s]);

        assert_non_null(lane);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (int i = 0; i < 20; i++)
            assert_true(run_elsewhere(lane, 10));
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_sleeping_worker_comes_for_each_task_that_is_pushed),
        cmocka_unit_test(
            test_a_sleeping_worker_comes_for_each_task_from_outside),
        cmocka_unit_test(
            test_no_wake_up_is_lost_at_any_distance_from_the_last_task),
        cmocka_unit_test(test_a_burst_wakes_every_worker),
        cmocka_unit_test(test_a_burst_from_outside_wakes_every_worker),
        cmocka_unit_test(
            test_workers_without_work_all_sleep_and_leave_no_count_behind),
        cmocka_unit_test(test_a_phase_without_tasks_wakes_nobody),
        cmocka_unit_test(test_close_ends_workers_that_sleep_search_or_start),
        cmocka_unit_test(test_any_seed_finds_every_task),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
