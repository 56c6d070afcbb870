/*
 * lane_test.c - opening, closing, threads, and what is left in a forked child.
 */
#include "tests/runtime/rt.h"

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int
add(size_t begin, size_t end, void *arg)
{
    zk_add_relaxed((_Atomic size_t *)arg, end - begin);
    return 0;
}

static size_t
loop(zk_runtime_t *lane, size_t n)
{
    _Atomic size_t sum = 0;

    if (zk_parallel_for_on(lane, 0, n, 1, add, &sum) != ZK_OK)
        return 0;
    return sum;
}

/* ---- opening and closing ---------------------------------------------------- */

static void
test_open_without_a_place_for_the_lane_is_refused(void **state)
{
    (void)state;
    assert_int_equal(zk_runtime_open(NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_runtime_open(NULL, ZK_OPTIONS(.workers = 2)),
                     ZK_EINVAL);
}

static void
test_a_refused_option_leaves_no_lane_and_no_mapping(void **state)
{
    unsigned before;

    (void)state;
    zk_free(zk_malloc(1)); /* the heap opens once, with the first lane or so */
    before = rt_mappings();
    for (int i = 0; i < 100; i++) {
        zk_runtime_t *lane = (zk_runtime_t *)(uintptr_t)1;

        assert_int_equal(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 1000000)),
                         ZK_EINVAL);
        assert_null(lane);
    }
    assert_in_range(rt_mappings(), 0, before + 3);
}

static void
test_closing_no_lane_is_ok(void **state)
{
    (void)state;
    assert_int_equal(zk_runtime_close(NULL), ZK_OK);
}

/* Z20: before the first phase, too. */
static void
test_info_says_what_was_chosen(void **state)
{
    zk_runtime_t *lane = NULL;
    zk_runtime_info_t info;

    (void)state;
    assert_int_equal(
        zk_runtime_open(
            &lane,
            ZK_OPTIONS(.workers = 3, .spare_slots = 5, .slab_bytes = 2 * MIB,
                       .min_bytes = 100, .spin_us = 11, .bind = ZK_BIND_SPREAD,
                       .hugepages = ZK_HUGE_NEVER, .notice = test_no_notice)),
        ZK_OK);
    info = test_info(lane);
    assert_int_equal(info.workers, 3);
    assert_int_equal(info.threads, 0);
    assert_int_equal(info.slots, 8);
    assert_int_equal(info.arenas, 1);
    assert_true(info.nodes >= 1);
    assert_int_equal(info.slab_bytes, 2 * MIB);
    assert_int_equal(info.slab_bytes_got, 2 * MIB);
    assert_int_equal(info.min_bytes, 100);
    assert_int_equal(info.spin_us, 11);
    assert_int_equal(info.bind, ZK_BIND_SPREAD);
    assert_int_equal(info.hugepages, ZK_HUGE_NEVER);
    assert_string_equal(info.workers_from, "options");
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Z9: an ancestor's first end started a pool of threads. */
static void
test_workers_start_with_the_first_work_and_not_before(void **state)
{
    unsigned before = rt_threads();
    zk_runtime_t *lane = rt_lane(4, 2);

    (void)state;
    assert_int_equal(rt_threads(), before);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_phase_begin("quiet"), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(rt_threads(), before);
    assert_int_equal(loop(lane, 100), 100);
    assert_int_equal(test_info(lane).threads, 3);
    assert_int_equal(rt_threads(), before + 3);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_true(rt_threads_become(before));
}

static void
test_a_lane_of_one_worker_starts_no_thread_for_a_loop(void **state)
{
    unsigned before = rt_threads();
    zk_runtime_t *lane = rt_lane(1, 2);

    (void)state;
    assert_int_equal(loop(lane, 1000), 1000);
    assert_int_equal(rt_threads(), before);
    assert_int_equal(test_info(lane).threads, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_opening_and_closing_leaks_no_thread_and_no_mapping(void **state)
{
    unsigned cycles = test_scaled(2000);
    unsigned threads = 0, mappings = 0;

    (void)state;
    for (unsigned i = 0; i < cycles; i++) {
        zk_runtime_t *lane = rt_lane(1 + i % 3, 2);

        if (i == 20) { /* after what libc and sanitizers keep */
            threads = rt_threads();
            mappings = rt_mappings();
        }
        assert_non_null(lane);
        if (i % 2 == 0)
            assert_int_equal(loop(lane, 20), 20);
        if (i % 5 == 0) {
            assert_int_equal(zk_phase_begin_on(lane, "cycle"), ZK_OK);
            assert_non_null(zk_malloc(100000));
            assert_int_equal(zk_phase_end(), ZK_OK);
        }
        if (i % 7 == 0)
            assert_int_equal(zk_spawn_on(lane, NULL, nothing, NULL), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    assert_true(rt_threads_become(threads));
    if (!TEST_SANITIZED) /* their shadow splits as it likes */
        assert_in_range(rt_mappings(), 0, mappings + 8);
}

static void
test_several_lanes_work_side_by_side(void **state)
{
    zk_runtime_t *lanes[5];
    size_t n = test_scaled(10000);

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_non_null(lanes[i] = rt_lane(1 + i, 2));
    for (int round = 0; round < 3; round++)
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(loop(lanes[i], n), n);
            assert_int_equal(test_info(lanes[i]).workers, 1 + i);
        }
    assert_int_equal(zk_runtime_close(lanes[2]), ZK_OK);
    assert_int_equal(loop(lanes[4], n), n);
    assert_int_equal(loop(lanes[0], n), n);
    for (unsigned i = 0; i < 5; i++)
        if (i != 2)
            assert_int_equal(zk_runtime_close(lanes[i]), ZK_OK);
}

/* ---- the default lane ------------------------------------------------------- */

static int
use_the_default_lane(void *arg)
{
    zk_runtime_t *first, *again;

    (void)arg;
    setenv("ZK_NUM_WORKERS", "3", 1);
    setenv("ZK_ALLOC_SLAB_BYTES", "4M", 1);
    CHILD_CHECK(loop(NULL, 1000) == 1000);
    first = zk_runtime_current();
    CHILD_CHECK(first != NULL && first == zk_runtime_current());
    CHILD_CHECK(zk_num_workers() == 3);
    CHILD_CHECK(strcmp(test_info(first).workers_from, "ZK_NUM_WORKERS") == 0);
    CHILD_CHECK(zk_runtime_close(first) == ZK_OK);
    setenv("ZK_NUM_WORKERS", "2", 1);
    CHILD_CHECK(loop(NULL, 1000) == 1000);
    again = zk_runtime_current();
    CHILD_CHECK(again != NULL && test_info(again).workers == 2);
    CHILD_CHECK(zk_runtime_close(again) == ZK_OK);
    return 0;
}

static void
test_the_default_lane_opens_at_first_use_and_again_after_its_close(void **state)
{
    (void)state;
    RT_SKIP_IF_CHILDREN_START_NO_THREADS();
    assert_true(test_child_succeeds(use_the_default_lane, NULL));
}

static int
work_as_programs_do(void *arg)
{
    _Atomic size_t sum = 0;
    zk_group_t g = ZK_GROUP_INIT;

    (void)arg;
    unsetenv("ZK_TEST_SEED"); /* which the library does not know */
    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(zk_phase_begin("work") == ZK_OK);
        CHILD_CHECK(zk_malloc(1000000) != NULL);
        CHILD_CHECK(zk_parallel_for(0, 10000, 0, add, &sum) == ZK_OK);
        CHILD_CHECK(zk_spawn(&g, nothing, NULL) == ZK_OK);
        CHILD_CHECK(zk_sync(&g) == ZK_OK);
        CHILD_CHECK(zk_phase_end() == ZK_OK);
        CHILD_CHECK(zk_phase_end() == ZK_ESTALE);
    }
    CHILD_CHECK(sum == 30000);
    return 0;
}

static void
test_a_program_that_asks_nothing_hears_nothing(void **state)
{
    struct test_child child;

    (void)state;
    RT_SKIP_IF_CHILDREN_START_NO_THREADS();
    child = test_in_child(work_as_programs_do, NULL);
    assert_string_equal(child.err, "");
    assert_int_equal(child.code, 0);
}

static void
count_line(const char *message, void *arg)
{
    if (strchr(message, '\n') == NULL)
        zk_add_relaxed((_Atomic unsigned *)arg, 1u);
}

static int
open_with_a_hook(void *arg)
{
    _Atomic unsigned lines = 0;
    zk_runtime_t *lane = NULL;

    (void)arg;
    setenv("ZK_NONSENSE", "1", 1);
    setenv("ZK_SEED", "x", 1);
    unsetenv("ZK_TEST_SEED");
    CHILD_CHECK(
        zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .notice = count_line,
                                          .notice_arg = &lines)) == ZK_OK);
    CHILD_CHECK(lines == 2);
    CHILD_CHECK(loop(lane, 1000) == 1000);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static int
open_without_a_lender(void *arg)
{
    zk_runtime_t *lane = NULL;
    _Atomic unsigned lines = 0;
    _Atomic size_t sum = 0;
    zk_runtime_info_t info;

    (void)arg;
    setenv("ZK_BACKEND", "openmp", 1);
    for (unsigned i = 1; i <= 2; i++) {
        CHILD_CHECK(zk_runtime_open(
                        &lane, ZK_OPTIONS(.workers = 2, .notice = count_line,
                                          .notice_arg = &lines)) == ZK_OK);
        CHILD_CHECK(lines == i);
        info = test_info(lane);
        CHILD_CHECK(info.backend == ZK_BACKEND_PTHREADS && info.workers == 2);
        CHILD_CHECK(zk_parallel_for_on(lane, 0, 1000, 1, add, &sum) == ZK_OK);
        CHILD_CHECK(TEST_TSAN || test_info(lane).threads == 1);
        CHILD_CHECK(sum == 1000 * i);
        CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    }
    return 0;
}

/* This program is not linked with libzkrt-omp. */
static void
test_a_backend_that_is_not_there_is_named_and_threads_are_our_own(void **state)
{
    (void)state;
    RT_SKIP_IF_CHILDREN_START_NO_THREADS();
    assert_true(test_child_succeeds(open_without_a_lender, NULL));
}

static void
test_a_hook_hears_every_line_and_stderr_none(void **state)
{
    struct test_child child;

    (void)state;
    RT_SKIP_IF_CHILDREN_START_NO_THREADS();
    child = test_in_child(open_with_a_hook, NULL);
    assert_string_equal(child.err, "");
    assert_int_equal(child.code, 0);
}

/* ---- closing at the wrong time ----------------------------------------------- */

static int
close_from_inside(void *arg)
{
    return zk_runtime_close(arg);
}

static int
close_from_a_loop(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    return zk_runtime_close(arg);
}

static void
test_close_from_a_task_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);
        zk_group_t g = ZK_GROUP_INIT;

        assert_int_equal(zk_spawn_on(lane, &g, close_from_inside, lane), ZK_OK);
        assert_int_equal(zk_sync(&g), ZK_EPERM);
        assert_int_equal(
            zk_parallel_for_on(lane, 0, 2, 1, close_from_a_loop, lane),
            ZK_EPERM);
        assert_int_equal(loop(lane, 100), 100);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_close_with_an_open_phase_is_busy_and_changes_nothing(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    char *p;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "open"), ZK_OK);
    p = zk_malloc(100000);
    assert_non_null(p);
    assert_int_equal(zk_runtime_close(lane), ZK_EBUSY);
    memset(p, 1, 100000);
    assert_true(zk_in_arena(p));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(zk_slot(), -1);
}

struct member {
    pthread_t thread;
    zk_runtime_t *lane;
    _Atomic unsigned inside, leave;
    zk_err_t err;
};

static void *
stay_inside(void *arg)
{
    struct member *m = arg;

    m->err = zk_runtime_enter(m->lane);
    zk_store_release(&m->inside, 1u);
    rt_await(&m->leave, 1);
    if (m->err == ZK_OK)
        m->err = zk_runtime_leave();
    return NULL;
}

static void
test_close_with_another_thread_inside_is_busy(void **state)
{
    (void)state;
    for (int also_us = 0; also_us <= 1; also_us++) {
        zk_runtime_t *lane = rt_lane(2, 2);
        struct member m = {.lane = lane};

        if (also_us)
            assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(pthread_create(&m.thread, NULL, stay_inside, &m), 0);
        rt_await(&m.inside, 1);
        assert_int_equal(zk_runtime_close(lane), ZK_EBUSY);
        assert_int_equal(loop(lane, 100), 100);
        zk_store_release(&m.leave, 1u);
        pthread_join(m.thread, NULL);
        assert_int_equal(m.err, ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(zk_slot(), -1);
    }
}

static void
test_close_leaves_the_lane_for_the_caller_however_often_it_entered(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    cpu_set_t before, after;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(zk_runtime_leave(), ZK_ESTALE);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

static int
slow_count(void *arg)
{
    usleep(200);
    zk_add_relaxed((_Atomic unsigned *)arg, 1u);
    return 0;
}

static void
test_close_awaits_detached_tasks_of_members_and_guests(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);
        _Atomic unsigned ran = 0;

        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (int i = 0; i < 30; i++)
            assert_int_equal(zk_spawn(NULL, slow_count, &ran), ZK_OK);
        if (workers == 2)
            assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(ran, 30);
    }
}

/* ---- signals ------------------------------------------------------------------ */

static int
read_mask(void *arg)
{
    return pthread_sigmask(SIG_SETMASK, NULL, arg);
}

static void
test_workers_block_signals_but_for_those_of_faults(void **state)
{
    static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE,
                                 SIGILL,  SIGTRAP, SIGSYS};
    static const int others[] = {SIGINT,  SIGTERM, SIGHUP,  SIGALRM,
                                 SIGCHLD, SIGUSR1, SIGUSR2, SIGPIPE};
    zk_runtime_t *lane = rt_lane(2, 2);
    sigset_t before, after, worker;

    (void)state;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(test_run_on_worker(read_mask, &worker), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        assert_false(sigismember(&worker, faults[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_true(sigismember(&worker, others[i]));
        assert_int_equal(sigismember(&before, others[i]),
                         sigismember(&after, others[i]));
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- fork ---------------------------------------------------------------------- */

static int
compute_serially(void *arg)
{
    zk_runtime_t *lane = arg;
    unsigned before = rt_threads();
    _Atomic unsigned ran = 0;
    zk_group_t g = ZK_GROUP_INIT;

    CHILD_CHECK(loop(lane, 10000) == 10000);
    CHILD_CHECK(zk_runtime_enter(lane) == ZK_OK);
    for (int i = 0; i < 10; i++)
        CHILD_CHECK(zk_spawn(&g, slow_count, &ran) == ZK_OK);
    CHILD_CHECK(zk_sync(&g) == ZK_OK && ran == 10);
    CHILD_CHECK(zk_phase_begin("child") == ZK_OK);
    CHILD_CHECK(zk_malloc(100000) != NULL);
    CHILD_CHECK(loop(NULL, 1000) == 1000);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(zk_runtime_leave() == ZK_OK);
    CHILD_CHECK(rt_threads() == before);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_a_forked_child_computes_serially_on_the_lanes_it_inherits(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);

        assert_int_equal(loop(lane, 1000), 1000);
        assert_true(test_child_succeeds(compute_serially, lane));
        assert_int_equal(loop(lane, 1000), 1000);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static int
submit_and_close(void *arg)
{
    zk_runtime_t *lane = arg;
    _Atomic unsigned ran = 0;
    zk_group_t g = ZK_GROUP_INIT;

    for (int i = 0; i < 10; i++) {
        CHILD_CHECK(zk_spawn_on(lane, &g, slow_count, &ran) == ZK_OK);
        CHILD_CHECK(zk_spawn_on(lane, NULL, slow_count, &ran) == ZK_OK);
    }
    CHILD_CHECK(zk_sync(&g) == ZK_OK);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    CHILD_CHECK(ran == 20);
    return 0;
}

/* It must not join threads that only the parent has. */
static void
test_a_forked_child_may_submit_and_close(void **state)
{
    (void)state;
    RT_SKIP_IF_CHILDREN_START_NO_THREADS();
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);

        assert_int_equal(zk_spawn_on(lane, NULL, nothing, NULL), ZK_OK);
        assert_int_equal(loop(lane, 1000), 1000);
        assert_true(test_child_succeeds(submit_and_close, lane));
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static int
open_own_lane(void *arg)
{
    zk_runtime_t *lane = rt_lane(3, 2);

    (void)arg;
    CHILD_CHECK(lane != NULL);
    CHILD_CHECK(loop(lane, 10000) == 10000);
    CHILD_CHECK(test_info(lane).threads == 2);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_a_forked_child_opens_a_lane_with_workers_of_its_own(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);

    (void)state;
    RT_SKIP_IF_CHILDREN_START_NO_THREADS();
    assert_int_equal(loop(lane, 1000), 1000);
    assert_true(test_child_succeeds(open_own_lane, NULL));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
begin_and_close(void *arg)
{
    zk_runtime_t *lane = arg;

    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(zk_phase_begin_on(lane, "child") == ZK_OK);
        CHILD_CHECK(zk_phase_begin("stage") == ZK_OK);
        CHILD_CHECK(zk_malloc(100000) != NULL);
        CHILD_CHECK(zk_phase_end() == ZK_OK);
        CHILD_CHECK(zk_phase_end() == ZK_OK);
    }
    CHILD_CHECK(test_info(lane).arenas == 1); /* the other thread's, free now */
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

struct phased {
    pthread_t thread;
    zk_runtime_t *lane;
    _Atomic unsigned ready, leave;
    unsigned failed;
};

static void *
stay_in_a_phase(void *arg)
{
    struct phased *p = arg;

    p->failed += zk_phase_begin_on(p->lane, "parent") != ZK_OK;
    p->failed += zk_phase_begin("stage") != ZK_OK;
    p->failed += zk_malloc(100000) == NULL;
    zk_store_release(&p->ready, 1u);
    rt_await(&p->leave, 1);
    p->failed += zk_phase_end() != ZK_OK;
    p->failed += zk_phase_end() != ZK_OK;
    return NULL;
}

static void
test_a_forked_child_is_not_held_up_by_phases_of_other_threads(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    struct phased p = {.lane = lane};

    (void)state;
    assert_int_equal(pthread_create(&p.thread, NULL, stay_in_a_phase, &p), 0);
    rt_await(&p.ready, 1);
    assert_true(test_child_succeeds(begin_and_close, lane));
    zk_store_release(&p.leave, 1u);
    pthread_join(p.thread, NULL);
    assert_int_equal(p.failed, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

struct opener {
    pthread_t thread;
    _Atomic unsigned stop;
    unsigned failed;
};

static void *
open_and_close(void *arg)
{
    struct opener *o = arg;

    while (zk_load_relaxed(&o->stop) == 0) {
        zk_runtime_t *lane = rt_lane(1, 1);

        o->failed += lane == NULL || zk_runtime_close(lane) != ZK_OK;
        o->failed += zk_runtime_current() == NULL ||
                     zk_runtime_close(zk_runtime_current()) != ZK_OK;
    }
    return NULL;
}

static int
use_lanes_in_the_child(void *arg)
{
    zk_runtime_t *lane = rt_lane(1, 1);

    (void)arg;
    CHILD_CHECK(lane != NULL && loop(lane, 100) == 100);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    CHILD_CHECK(zk_runtime_current() != NULL);
    CHILD_CHECK(loop(NULL, 100) == 100);
    return 0;
}

/* Whatever lock the other thread holds at the fork, the child gets on. */
static void
test_a_fork_while_another_thread_opens_lanes_leaves_no_lock_behind(void **state)
{
    struct opener o = {.stop = 0};
    bool all = true;

    (void)state;
    RT_SKIP_IF_CHILDREN_START_NO_THREADS();
    assert_int_equal(pthread_create(&o.thread, NULL, open_and_close, &o), 0);
    for (unsigned i = 0; i < test_scaled(150) && all; i++)
        all = test_child_succeeds(use_lanes_in_the_child, NULL);
    zk_store_relaxed(&o.stop, 1u);
    pthread_join(o.thread, NULL);
    assert_true(all);
    assert_int_equal(o.failed, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_without_a_place_for_the_lane_is_refused),
        cmocka_unit_test(test_a_refused_option_leaves_no_lane_and_no_mapping),
        cmocka_unit_test(test_closing_no_lane_is_ok),
        cmocka_unit_test(test_info_says_what_was_chosen),
        cmocka_unit_test(test_workers_start_with_the_first_work_and_not_before),
        cmocka_unit_test(test_a_lane_of_one_worker_starts_no_thread_for_a_loop),
        cmocka_unit_test(
            test_opening_and_closing_leaks_no_thread_and_no_mapping),
        cmocka_unit_test(test_several_lanes_work_side_by_side),
        cmocka_unit_test(
            test_the_default_lane_opens_at_first_use_and_again_after_its_close),
        cmocka_unit_test(test_a_program_that_asks_nothing_hears_nothing),
        cmocka_unit_test(test_a_hook_hears_every_line_and_stderr_none),
        cmocka_unit_test(
            test_a_backend_that_is_not_there_is_named_and_threads_are_our_own),
        cmocka_unit_test(test_close_from_a_task_is_refused_and_changes_nothing),
        cmocka_unit_test(
            test_close_with_an_open_phase_is_busy_and_changes_nothing),
        cmocka_unit_test(test_close_with_another_thread_inside_is_busy),
        cmocka_unit_test(
            test_close_leaves_the_lane_for_the_caller_however_often_it_entered),
        cmocka_unit_test(
            test_close_awaits_detached_tasks_of_members_and_guests),
        cmocka_unit_test(test_workers_block_signals_but_for_those_of_faults),
        cmocka_unit_test(
            test_a_forked_child_computes_serially_on_the_lanes_it_inherits),
        cmocka_unit_test(test_a_forked_child_may_submit_and_close),
        cmocka_unit_test(
            test_a_forked_child_opens_a_lane_with_workers_of_its_own),
        cmocka_unit_test(
            test_a_forked_child_is_not_held_up_by_phases_of_other_threads),
        cmocka_unit_test(
            test_a_fork_while_another_thread_opens_lanes_leaves_no_lock_behind),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
