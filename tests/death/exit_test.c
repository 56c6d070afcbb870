/*
 * exit_test.c - threads that exit, and processes that do, in the middle of it.
 */
#include "tests/death/death.h"

#include <pthread.h>

static int
count(void *arg)
{
    zk_add_relaxed((_Atomic unsigned *)arg, 1u);
    return 0;
}

static int
count_range(size_t begin, size_t end, void *arg)
{
    zk_add_relaxed((_Atomic unsigned *)arg, (unsigned)(end - begin));
    return 0;
}

/* ---- processes -------------------------------------------------------------- */

#define CODE 23

struct busy {
    zk_runtime_t *lane;
    _Atomic unsigned started, go;
    int how;
};

static int
never_end(void *arg)
{
    struct busy *b = arg;

    zk_add_relaxed(&b->started, 1u);
    while (zk_load_relaxed(&b->go) == 0) /* for ever */
        usleep(100);
    return 0;
}

/* Keeps n workers of the lane busy for ever. */
static bool
keep_busy(struct busy *b, unsigned n)
{
    static zk_group_t group;

    for (unsigned i = 0; i < n; i++)
        if (zk_spawn_on(b->lane, &group, never_end, b) != ZK_OK)
            return false;
    while (zk_load_acquire(&b->started) < n)
        usleep(20);
    return true;
}

static _Atomic unsigned at_exit_ran;

static void
work_at_exit(void)
{
    if (zk_parallel_for(0, 1000, 10, count_range, &at_exit_ran) != ZK_OK ||
        at_exit_ran != 1000)
        _exit(99);
}

static int
exit_from_a_task(void *arg)
{
    (void)arg;
    exit(CODE);
}

static int
exit_from_a_loop(size_t begin, size_t end, void *arg)
{
    (void)end;
    (void)arg;
    if (begin >= 500)
        exit(CODE);
    return 0;
}

enum how {
    EXIT_OUTSIDE,
    EXIT_IN_A_PHASE,
    EXIT_IN_A_STAGE,
    EXIT_QUICKLY,
    EXIT_FROM_A_TASK,
    EXIT_FROM_A_LOOP,
    EXIT_WITH_A_HANDLER,
    EXITS
};

static int
exit_somehow(void *arg)
{
    struct busy b = {.how = *(int *)arg};
    _Atomic unsigned ran = 0;

    setenv("ZK_NUM_WORKERS", "3", 1);
    setenv("ZK_ALLOC_SLAB_BYTES", "4M", 1);
    b.lane = zk_runtime_current();
    CHILD_CHECK(b.lane != NULL);
    if (b.how != EXIT_FROM_A_TASK && b.how != EXIT_FROM_A_LOOP)
        CHILD_CHECK(keep_busy(&b, 2)); /* in no phase */
    if (b.how != EXIT_OUTSIDE) {
        CHILD_CHECK(zk_phase_begin("open") == ZK_OK);
        CHILD_CHECK(zk_malloc(100000) != NULL);
        CHILD_CHECK(zk_spawn(NULL, count, &ran) == ZK_OK);
    }
    if (b.how == EXIT_IN_A_STAGE)
        CHILD_CHECK(zk_phase_begin("stage") == ZK_OK);
    if (b.how == EXIT_QUICKLY)
        quick_exit(CODE);
    if (b.how == EXIT_WITH_A_HANDLER)
        CHILD_CHECK(atexit(work_at_exit) == 0);
    if (b.how == EXIT_FROM_A_TASK) {
        CHILD_CHECK(zk_spawn(NULL, exit_from_a_task, NULL) == ZK_OK);
        for (;;)
            usleep(100); /* a worker runs it, and takes us along */
    }
    if (b.how == EXIT_FROM_A_LOOP)
        (void)zk_parallel_for(0, 1000, 1, exit_from_a_loop, NULL);
    exit(CODE);
}

static void
test_exit_never_hangs_and_its_status_is_the_programs(void **state)
{
    (void)state;
    for (int how = 0; how < EXITS; how++) {
        struct test_child child = test_in_child(exit_somehow, &how);

        if (child.code != CODE)
            print_error("way %d: code %d signal %d\n%s\n", how, child.code,
                        child.signal, child.err);
        assert_true(child.exited);
        assert_int_equal(child.code, CODE);
        assert_string_equal(child.err, "");
    }
}

static int
be_killed(void *arg)
{
    struct busy b = {.lane = test_lane(3, 4 * MIB, 0)};

    CHILD_CHECK(b.lane != NULL && keep_busy(&b, 2));
    CHILD_CHECK(zk_phase_begin_on(b.lane, "open") == ZK_OK);
    raise(*(int *)arg);
    return 1;
}

static void
test_a_signal_that_ends_the_process_ends_it_beside_busy_workers(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGKILL, SIGHUP};

    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        int number = signals[i];
        struct test_child child = test_in_child(be_killed, &number);

        assert_false(child.exited);
        assert_int_equal(child.signal, number);
    }
}

/* ---- threads ------------------------------------------------------------------ */

struct leaver {
    zk_runtime_t *lane;
    zk_group_t group;
    _Atomic unsigned ran, ready;
    unsigned failed;
    int how;
};

enum way { RETURN, PTHREAD_EXIT, CANCELLED, WAYS };

/* In a stage of a phase, entered more than once, with tasks pending. */
static void *
leave_without_a_word(void *arg)
{
    struct leaver *l = arg;

    if (l->how != CANCELLED) /* an assertion could not be told any more */
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    l->failed += zk_runtime_enter(l->lane) != ZK_OK;
    l->failed += zk_runtime_enter(l->lane) != ZK_OK;
    l->failed += zk_phase_begin("left open") != ZK_OK;
    l->failed += zk_malloc(100000) == NULL;
    l->failed += zk_phase_begin("stage") != ZK_OK;
    l->failed += zk_malloc(100000) == NULL;
    for (int i = 0; i < 50; i++)
        l->failed += zk_spawn(NULL, count, &l->ran) != ZK_OK;
    zk_store_release(&l->ready, 1u);
    if (l->how == PTHREAD_EXIT)
        pthread_exit(NULL);
    while (l->how == CANCELLED)
        usleep(1000);
    return NULL;
}

static void
test_a_thread_that_exits_in_a_phase_ends_it_and_leaves(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++)
        for (int how = 0; how < WAYS; how++) {
            zk_runtime_t *lane;

            /* ThreadSanitizer loses its way where a call is cancelled. */
            if (TEST_TSAN && how == CANCELLED)
                continue;
            lane = test_lane(workers, 4 * MIB, 0);
            assert_non_null(lane);
            for (int i = 0; i < 30; i++) {
                struct leaver l = {.lane = lane, .how = how};
                pthread_t thread;

                assert_int_equal(
                    pthread_create(&thread, NULL, leave_without_a_word, &l), 0);
                if (how == CANCELLED) {
                    while (!zk_load_acquire(&l.ready))
                        usleep(20);
                    pthread_cancel(thread);
                }
                pthread_join(thread, NULL);
                assert_int_equal(l.failed, 0);
                assert_int_equal(l.ran, 50); /* its end has waited for them */
            }
            /* One arena served all of them, and no slot is lost. */
            assert_int_equal(test_info(lane).arenas, 1);
            assert_int_equal(test_stats(lane).phases, 30);
            assert_int_equal(zk_runtime_enter(lane), ZK_OK);
            assert_int_equal(zk_slot(), 0);
            assert_int_equal(zk_runtime_leave(), ZK_OK);
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
        }
}

static void *
spawn_and_leave(void *arg)
{
    struct leaver *l = arg;

    l->failed += zk_runtime_enter(l->lane) != ZK_OK;
    for (int i = 0; i < 50; i++)
        l->failed += zk_spawn(&l->group, count, &l->ran) != ZK_OK;
    return NULL;
}

/* Z5, N5: slots come back, and what was in them is done. */
static void
test_tasks_of_a_thread_that_exits_are_not_lost(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = test_lane(workers, 4 * MIB, 0);

        assert_non_null(lane);
        for (unsigned i = 0; i < 50; i++) {
            struct leaver l = {.lane = lane};
            pthread_t thread;

            assert_int_equal(pthread_create(&thread, NULL, spawn_and_leave, &l),
                             0);
            pthread_join(thread, NULL);
            assert_int_equal(zk_sync(&l.group), ZK_OK);
            assert_int_equal(l.failed, 0);
            assert_int_equal(l.ran, 50);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* Other destructors of the exiting thread may use the library too. */
static pthread_key_t late_key;
static _Atomic unsigned late_failed, late_ran;

static void
use_it_late(void *arg)
{
    zk_runtime_t *lane = arg;
    void *p;
    unsigned failed = 0;

    failed += zk_phase_begin_on(lane, "late") != ZK_OK;
    p = zk_malloc(100000);
    failed += p == NULL;
    failed += zk_parallel_for(0, 100, 1, count_range, &late_ran) != ZK_OK;
    zk_free(p);
    /* And it forgets the end. */
    zk_add_relaxed(&late_failed, failed);
}

static void *
exit_with_a_destructor(void *arg)
{
    zk_runtime_t *lane = arg;

    if (pthread_setspecific(late_key, lane) != 0 ||
        zk_phase_begin_on(lane, "early") != ZK_OK)
        zk_add_relaxed(&late_failed, 1u);
    return NULL;
}

/* Z24, R12 */
static void
test_destructors_of_a_thread_may_use_the_library(void **state)
{
    zk_runtime_t *lane = test_lane(2, 4 * MIB, 0);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(pthread_key_create(&late_key, use_it_late), 0);
    for (unsigned i = 0; i < 20; i++) {
        pthread_t thread;

        assert_int_equal(
            pthread_create(&thread, NULL, exit_with_a_destructor, lane), 0);
        pthread_join(thread, NULL);
        assert_int_equal(late_failed, 0);
        assert_int_equal(late_ran, 100 * (i + 1));
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    pthread_key_delete(late_key);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_never_hangs_and_its_status_is_the_programs),
        cmocka_unit_test(
            test_a_signal_that_ends_the_process_ends_it_beside_busy_workers),
        cmocka_unit_test(
            test_a_thread_that_exits_in_a_phase_ends_it_and_leaves),
        cmocka_unit_test(test_tasks_of_a_thread_that_exits_are_not_lost),
        cmocka_unit_test(test_destructors_of_a_thread_may_use_the_library),
    };

    death_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
