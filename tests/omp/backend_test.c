/*
 * backend_test.c - a lane whose threads are those of OpenMP's team.
 */
#include "tests/omp/omp.h"

#include "runtime/lane.h"

/* Of a loop of so many pieces all run at once, if there are the threads: who has
 * three offers two of them, and so does who gets those. */
static unsigned
at_once(unsigned threads)
{
    return threads < 3 ? threads : 3;
}

/* ---- where work runs ---------------------------------------------------- */

static void
test_a_loop_has_the_whole_team_and_starts_no_thread(void **state)
{
    (void)state;
    for (size_t k = 0; k < OMP_SIZES; k++) {
        unsigned n = omp_sizes[k], before;
        zk_runtime_t *lane = omp_lane(n);
        struct meeting m = {.wanted = at_once(n)};

        assert_non_null(lane);
        assert_int_equal(test_info(lane).backend, ZK_BACKEND_OPENMP);
#pragma omp parallel
        zk_pause();
        before = rt_threads();
        for (int round = 0; round < 20; round++) {
            zk_store_relaxed(&m.here, 0u);
            assert_int_equal(
                zk_parallel_for_on(lane, 0, m.wanted, 1, meet_in_a_loop, &m),
                ZK_OK);
            assert_int_equal(m.here, m.wanted);
        }
        assert_true(rt_threads() <= before);
        assert_int_equal(test_info(lane).threads, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_a_loop_covers_its_range_once_with_any_grain(void **state)
{
    (void)state;
    for (size_t k = 0; k < OMP_SIZES; k++) {
        zk_runtime_t *lane = omp_lane(omp_sizes[k]);

        for (size_t grain = 0; grain < 40; grain += 13) {
            _Atomic size_t sum = 0;

            for (unsigned round = 0; round < test_scaled(200); round++) {
                sum = 0;
                assert_int_equal(
                    zk_parallel_for_on(lane, 7, 5007, grain, add, &sum), ZK_OK);
                assert_int_equal(sum, 5000);
            }
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_a_group_has_the_whole_team_when_it_is_waited_for(void **state)
{
    (void)state;
    for (size_t k = 0; k < OMP_SIZES; k++) {
        zk_runtime_t *lane = omp_lane(omp_sizes[k]);
        struct meeting m = {.wanted = omp_sizes[k]};
        zk_group_t group = ZK_GROUP_INIT;

        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (unsigned i = 0; i < m.wanted; i++)
            assert_int_equal(zk_spawn(&group, meet_in_a_task, &m), ZK_OK);
        assert_int_equal(zk_sync(&group), ZK_OK);
        assert_int_equal(m.here, m.wanted);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_a_phase_end_runs_its_detached_tasks_on_the_team(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    struct meeting m = {.wanted = 3};

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "detached"), ZK_OK);
    for (unsigned i = 0; i < m.wanted; i++)
        assert_int_equal(zk_spawn(NULL, meet_in_a_task, &m), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(m.here, 3);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

struct nest {
    _Atomic size_t sum;
};

static int
loop_in_a_loop(size_t begin, size_t end, void *arg)
{
    struct nest *n = arg;
    zk_err_t err = ZK_OK;

    for (size_t i = begin; i < end && err == ZK_OK; i++)
        err = zk_parallel_for(0, 100, 1, add, &n->sum);
    return err;
}

static void
test_loops_nest(void **state)
{
    zk_runtime_t *lane = omp_lane(4);
    struct nest n = {.sum = 0};

    (void)state;
    assert_int_equal(zk_parallel_for_on(lane, 0, 200, 1, loop_in_a_loop, &n),
                     ZK_OK);
    assert_int_equal(n.sum, 20000);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
spawn_and_look(void *arg)
{
    struct meeting *m = arg;
    zk_group_t group = ZK_GROUP_INIT;
    zk_err_t err = ZK_OK;

    for (unsigned i = 1; i < m->wanted && err == ZK_OK; i++)
        err = zk_spawn(&group, meet_in_a_task, m);
    meet(m); /* they run though nobody waits for the group */
    return err != ZK_OK ? err : zk_sync(&group) == ZK_OK ? 41 : 1;
}

static void
test_run_lends_the_team_for_the_length_of_a_function(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    struct meeting m = {.wanted = 3};

    (void)state;
    assert_int_equal(zk_omp_run(lane, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_omp_run(lane, spawn_and_look, &m), 41);
    assert_int_equal(m.here, 3);
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
fib(void *arg)
{
    unsigned *n = arg, a, b;
    zk_fork_t left;
    int code;

    if (*n < 2)
        return 0;
    a = *n - 1;
    b = *n - 2;
    left = zk_fork(fib, &a);
    code = fib(&b);
    if (zk_join(left) != 0 || code != 0)
        return 1;
    *n = a + b;
    return 0;
}

static int
fork_and_meet(void *arg)
{
    struct meeting *m = arg;
    zk_fork_t fork = zk_fork(meet_in_a_task, m);
    int code = meet_in_a_task(m);

    return zk_join(fork) != 0 || code != 0;
}

static void
test_forks_run_on_the_team(void **state)
{
    zk_runtime_t *lane = omp_lane(2);
    struct meeting m = {.wanted = 2};
    _Atomic size_t sum = 0;
    unsigned n = 16;
    zk_fork_t fork;

    (void)state;
    assert_int_equal(zk_omp_run(lane, fork_and_meet, &m), 0);
    assert_int_equal(zk_omp_run(lane, fib, &n), 0);
    assert_int_equal(n, 987);

    /* A fork from before a loop is no part of it, and is joined after it. */
    n = 16;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned round = 0; round < test_scaled(200); round++) {
        unsigned k = 5;

        fork = zk_fork(fib, &k);
        assert_int_equal(zk_parallel_for(0, 20, 1, add, &sum), ZK_OK);
        assert_int_equal(zk_join(fork), 0);
        assert_int_equal(k, 5);
    }
    assert_int_equal(sum, 20 * test_scaled(200));
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- locks ---------------------------------------------------------------- */

struct locked {
    pthread_mutex_t lock;
    _Atomic unsigned done;
};

static int
take_the_lock(void *arg)
{
    struct locked *l = arg;

    pthread_mutex_lock(&l->lock);
    zk_add_relaxed(&l->done, 1u);
    pthread_mutex_unlock(&l->lock);
    return 0;
}

static int
burn(size_t begin, size_t end, void *arg)
{
    (void)arg;
    rt_burn(2 * (unsigned)(end - begin));
    return 0;
}

/* The team of a loop must come back before the loop returns: so nothing that it
 * runs may wait for the caller's lock. */
static void
test_a_lock_around_a_loop_meets_no_task_from_before(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    struct locked l = {.lock = PTHREAD_MUTEX_INITIALIZER};
    unsigned rounds = test_scaled(2000);

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned i = 0; i < rounds; i++) {
        zk_group_t before = ZK_GROUP_INIT, after = ZK_GROUP_INIT;
        _Atomic size_t sum = 0;

        assert_int_equal(zk_spawn(&before, take_the_lock, &l), ZK_OK);
        assert_int_equal(zk_spawn(&before, take_the_lock, &l), ZK_OK);
        pthread_mutex_lock(&l.lock);
        assert_int_equal(zk_parallel_for(0, 8, 1, burn, NULL), ZK_OK);
        assert_int_equal(zk_parallel_for(0, 8, 1, add, &sum), ZK_OK);
        pthread_mutex_unlock(&l.lock);
        assert_int_equal(zk_spawn(&before, take_the_lock, &l), ZK_OK);
        pthread_mutex_lock(&l.lock);
        assert_int_equal(
            zk_spawn(&after, meet_in_a_task, &(struct meeting){.wanted = 1}),
            ZK_OK);
        assert_int_equal(zk_sync(&after), ZK_OK);
        pthread_mutex_unlock(&l.lock);
        assert_int_equal(zk_sync(&before), ZK_OK);
        assert_int_equal(sum, 8);
    }
    assert_int_equal(l.done, 3 * rounds);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- errors and cancel ------------------------------------------------------ */

static int
fail_at_70(size_t begin, size_t end, void *arg)
{
    (void)arg;
    return begin <= 70 && 70 < end ? 70 : 0;
}

static int
cancel_the_phase(size_t begin, size_t end, void *arg)
{
    zk_add_relaxed((_Atomic size_t *)arg, end - begin);
    (void)!zk_phase_cancel(zk_phase_id());
    return 0;
}

static void
test_errors_and_cancels_come_back(void **state)
{
    (void)state;
    for (size_t k = 0; k < OMP_SIZES; k++) {
        zk_runtime_t *lane = omp_lane(omp_sizes[k]);
        _Atomic size_t ran = 0;

        for (int round = 0; round < 20; round++) {
            assert_int_equal(
                zk_parallel_for_on(lane, 0, 1000, 1, fail_at_70, NULL), 70);
            assert_int_equal(zk_phase_begin_on(lane, "cancelled"), ZK_OK);
            assert_int_equal(
                zk_parallel_for(0, 100000, 1, cancel_the_phase, &ran),
                ZK_ECANCELED);
            assert_int_equal(zk_phase_end(), ZK_ECANCELED);
            assert_true(ran < 100000);
            ran = 0;
            assert_int_equal(zk_parallel_for_on(lane, 0, 100, 1, add, &ran),
                             ZK_OK);
            assert_int_equal(ran, 100);
            ran = 0;
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* ---- inside parallel regions --------------------------------------------------- */

/* One thread's loop gets the others, which wait at the barrier. */
static void
test_a_loop_in_a_region_gets_the_threads_that_wait(void **state)
{
    static const enum zk_backend backends[] = {ZK_BACKEND_OPENMP,
                                               ZK_BACKEND_PTHREADS};

    (void)state;
    for (size_t b = 0; b < 2; b++)
        for (size_t k = 0; k < OMP_SIZES; k++) {
            unsigned n = omp_sizes[k], before;
            zk_runtime_t *lane = omp_lane_of(backends[b], n);
            struct meeting m = {.wanted = at_once(n)};
            _Atomic unsigned wrong = 0;

#pragma omp parallel
            zk_pause();
            before = rt_threads();
            if (n > 1) {
#pragma omp parallel
#pragma omp single
                if (zk_parallel_for_on(lane, 0, m.wanted, 1, meet_in_a_loop,
                                       &m) != ZK_OK)
                    zk_add_relaxed(&wrong, 1u);
                assert_int_equal(m.here, m.wanted);
            }
            assert_int_equal(wrong, 0);
            assert_true(rt_threads() <= before);
            assert_int_equal(test_info(lane).threads, 0);
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
        }
}

/* All of them at once: nobody idles, nobody is started. */
static void
test_loops_of_a_whole_team_start_no_thread(void **state)
{
    static const enum zk_backend backends[] = {ZK_BACKEND_OPENMP,
                                               ZK_BACKEND_PTHREADS};

    (void)state;
    for (size_t b = 0; b < 2; b++) {
        zk_runtime_t *lane = omp_lane_of(backends[b], 4);
        _Atomic size_t sum = 0;
        _Atomic unsigned wrong = 0;
        unsigned before, rounds = test_scaled(300);

#pragma omp parallel
        zk_pause();
        before = rt_threads();
#pragma omp parallel
        for (unsigned i = 0; i < rounds; i++)
            if (zk_parallel_for_on(lane, 0, 50, 1, add, &sum) != ZK_OK)
                zk_add_relaxed(&wrong, 1u);
        assert_int_equal(wrong, 0);
        assert_int_equal(sum, 4u * 50 * rounds);
        assert_true(rt_threads() <= before);
        assert_int_equal(test_info(lane).threads, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* What the explicit tasks below work on is static. libomp hands out the memory of
 * a task that is done again, and Archer does not tell ThreadSanitizer so: it would
 * take what the next task captures there for a race. */
static struct {
    zk_runtime_t *lane;
    _Atomic size_t sum;
    _Atomic unsigned wrong;
} explicit;

static void
run_a_loop_of_20(void)
{
    if (zk_parallel_for_on(explicit.lane, 0, 20, 1, add, &explicit.sum) !=
        ZK_OK)
        zk_add_relaxed(&explicit.wrong, 1u);
}

static void
test_explicit_tasks_and_nested_regions_run_loops(void **state)
{
    (void)state;
    explicit.lane = omp_lane(3);
    omp_set_max_active_levels(2);
    for (int round = 0; round < 10; round++) {
#pragma omp parallel num_threads(3)
#pragma omp single
        for (int i = 0; i < 10; i++) {
#pragma omp task
            run_a_loop_of_20();
        }
#pragma omp parallel num_threads(2)
#pragma omp parallel num_threads(2)
        run_a_loop_of_20();
    }
    omp_set_max_active_levels(1);
    assert_int_equal(explicit.wrong, 0);
    assert_int_equal(explicit.sum, 10 * (10 + 4) * 20);
    assert_int_equal(zk_runtime_close(explicit.lane), ZK_OK);
}

static int
region_in_a_body(size_t begin, size_t end, void *arg)
{
    for (size_t i = begin; i < end; i++) {
#pragma omp parallel
#pragma omp single
        zk_add_relaxed((_Atomic size_t *)arg, (size_t)1);
    }
    return 0;
}

static void
test_a_region_in_a_body_is_a_nested_one(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    _Atomic size_t sum = 0;
    unsigned before;

    (void)state;
#pragma omp parallel
    zk_pause();
    before = rt_threads();
    assert_int_equal(
        zk_parallel_for_on(lane, 0, 100, 1, region_in_a_body, &sum), ZK_OK);
    assert_int_equal(sum, 100);
    assert_true(rt_threads() <= before);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- several threads of the application ------------------------------------------ */

struct outsider {
    zk_runtime_t *lane;
    _Atomic size_t sum;
    _Atomic unsigned tasks, wrong;
};

static void *
loop_beside_others(void *arg)
{
    struct outsider *o = arg;

    omp_set_num_threads(3);
    for (unsigned i = 0; i < test_scaled(200); i++)
        if (zk_parallel_for_on(o->lane, 0, 64, 1, add, &o->sum) != ZK_OK)
            zk_add_relaxed(&o->wrong, 1u);
    return NULL;
}

static void
test_several_application_threads_have_loops_at_once(void **state)
{
    struct outsider o = {.lane = omp_lane(3)};
    pthread_t thread[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&thread[i], NULL, loop_beside_others, &o), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(o.wrong, 0);
    assert_int_equal(o.sum, (size_t)4 * 64 * test_scaled(200));
    assert_int_equal(zk_runtime_close(o.lane), ZK_OK);
}

static int
count(void *arg)
{
    zk_add_relaxed((_Atomic unsigned *)arg, 1u);
    return 0;
}

static void *
submit(void *arg)
{
    struct outsider *o = arg;
    zk_group_t group = ZK_GROUP_INIT;

    for (unsigned i = 0; i < test_scaled(100); i++) {
        for (int k = 0; k < 10; k++)
            if (zk_spawn_on(o->lane, &group, count, &o->tasks) != ZK_OK)
                zk_add_relaxed(&o->wrong, 1u);
        while (!zk_group_done(&group)) /* without helping */
            sched_yield();
        if (zk_sync(&group) != ZK_OK)
            zk_add_relaxed(&o->wrong, 1u);
    }
    return NULL;
}

static void
test_tasks_from_outside_run_while_the_team_does_something_else(void **state)
{
    struct outsider o = {.lane = omp_lane(2)};
    pthread_t thread[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, submit, &o), 0);
    for (int round = 0; round < 50; round++)
        assert_int_equal(zk_parallel_for_on(o.lane, 0, 1000, 1, add, &o.sum),
                         ZK_OK);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(o.wrong, 0);
    assert_int_equal(o.tasks, 2u * test_scaled(100) * 10);
    assert_int_equal(o.sum, 50000);
    assert_int_equal(zk_spawn_on(o.lane, NULL, count, &o.tasks), ZK_OK);
    assert_int_equal(zk_runtime_close(o.lane), ZK_OK);
    assert_int_equal(o.tasks, 2u * test_scaled(100) * 10 + 1);
}

/* ---- the lane's life ------------------------------------------------------------- */

static void
test_the_environment_chooses_and_the_team_gives_the_width(void **state)
{
    zk_runtime_t *lane = NULL;
    zk_runtime_info_t info;

    (void)state;
    test_clean_environment();
    assert_int_equal(setenv("ZK_BACKEND", "OpenMP", 1), 0);
    omp_set_num_threads(5);
    assert_int_equal(zk_runtime_open(&lane, NULL), ZK_OK);
    info = test_info(lane);
    assert_int_equal(info.backend, ZK_BACKEND_OPENMP);
    assert_int_equal(info.workers, 5);
    assert_string_equal(info.workers_from, "OpenMP");
    assert_int_equal(info.bind, ZK_BIND_NONE);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(unsetenv("ZK_BACKEND"), 0);
    assert_int_equal(zk_runtime_open(&lane, NULL), ZK_OK);
    assert_int_equal(test_info(lane).backend, ZK_BACKEND_PTHREADS);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_lanes_open_and_close_and_leave_nothing(void **state)
{
    unsigned mappings = 0, threads = 0;

    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        zk_runtime_t *lane = omp_lane(3);
        _Atomic size_t sum = 0;

        assert_int_equal(zk_parallel_for_on(lane, 0, 100, 1, add, &sum), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        if (i == 9) {
            mappings = rt_mappings();
            threads = rt_threads();
        }
    }
    assert_true(rt_threads() <= threads);
    if (!TEST_SANITIZED)
        assert_true(rt_mappings() <= mappings + 2);
}

static int
compute_in_the_child(void *arg)
{
    zk_runtime_t *lane = arg;
    _Atomic size_t sum = 0;

    CHILD_CHECK(zk_parallel_for_on(lane, 0, 1000, 1, add, &sum) == ZK_OK);
    CHILD_CHECK(sum == 1000);
    CHILD_CHECK(zk_phase_begin_on(lane, "child") == ZK_OK);
    CHILD_CHECK(zk_malloc(64 * KIB) != NULL);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    return 0;
}

/* OpenMP's team stays with the parent. */
static void
test_a_forked_child_computes_alone(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    _Atomic size_t sum = 0;

    (void)state;
    assert_int_equal(zk_parallel_for_on(lane, 0, 1000, 1, add, &sum), ZK_OK);
    assert_true(test_child_succeeds(compute_in_the_child, lane));
    assert_int_equal(zk_parallel_for_on(lane, 0, 1000, 1, add, &sum), ZK_OK);
    assert_int_equal(sum, 2000);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loop_has_the_whole_team_and_starts_no_thread),
        cmocka_unit_test(test_a_loop_covers_its_range_once_with_any_grain),
        cmocka_unit_test(test_a_group_has_the_whole_team_when_it_is_waited_for),
        cmocka_unit_test(test_a_phase_end_runs_its_detached_tasks_on_the_team),
        cmocka_unit_test(test_loops_nest),
        cmocka_unit_test(test_run_lends_the_team_for_the_length_of_a_function),
        cmocka_unit_test(test_forks_run_on_the_team),
        cmocka_unit_test(test_a_lock_around_a_loop_meets_no_task_from_before),
        cmocka_unit_test(test_errors_and_cancels_come_back),
        cmocka_unit_test(test_a_loop_in_a_region_gets_the_threads_that_wait),
        cmocka_unit_test(test_loops_of_a_whole_team_start_no_thread),
        cmocka_unit_test(test_explicit_tasks_and_nested_regions_run_loops),
        cmocka_unit_test(test_a_region_in_a_body_is_a_nested_one),
        cmocka_unit_test(test_several_application_threads_have_loops_at_once),
        cmocka_unit_test(
            test_tasks_from_outside_run_while_the_team_does_something_else),
        cmocka_unit_test(
            test_the_environment_chooses_and_the_team_gives_the_width),
        cmocka_unit_test(test_lanes_open_and_close_and_leave_nothing),
        cmocka_unit_test(test_a_forked_child_computes_alone),
    };

    rt_begin();
    if (zk_omp_init() != ZK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
