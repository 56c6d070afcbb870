/*
 * fork_test.c - fork while workers run: the child is serial and works, and the
 * parent does not notice.
 *
 * ThreadSanitizer's own fork with several threads is not reliable enough to
 * judge by; what one thread alone can do is tried there, too.
 */
#include "tests/death/death.h"

#include <pthread.h>

#include <spawn.h>

extern char **environ;

static int
add(size_t begin, size_t end, void *arg)
{
    zk_add_relaxed((_Atomic size_t *)arg, end - begin);
    return 0;
}

static int
count(void *arg)
{
    zk_add_relaxed((_Atomic unsigned *)arg, 1u);
    return 0;
}

static bool
loop(zk_runtime_t *lane, size_t n)
{
    _Atomic size_t sum = 0;

    return zk_parallel_for_on(lane, 0, n, 3, add, &sum) == ZK_OK && sum == n;
}

static unsigned
threads(void)
{
    char line[256];
    unsigned n = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Threads: %u", &n) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return n;
}

/* Loops, tasks and phases, and no thread but the one that forked. */
static int
work_alone(void *arg)
{
    zk_runtime_t *lane = arg;
    zk_group_t group = ZK_GROUP_INIT;
    _Atomic unsigned ran = 0;
    char *p;

    CHILD_CHECK(TEST_TSAN || threads() == 1);
    CHILD_CHECK(loop(lane, 5000));
    CHILD_CHECK(zk_phase_begin_on(lane, "child") == ZK_OK);
    p = zk_malloc(200000);
    CHILD_CHECK(p != NULL);
    test_fill(p, 200000, 1);
    for (int i = 0; i < 20; i++)
        CHILD_CHECK(zk_spawn(&group, count, &ran) == ZK_OK);
    CHILD_CHECK(zk_sync(&group) == ZK_OK && ran == 20);
    for (int i = 0; i < 20; i++)
        CHILD_CHECK(zk_spawn(NULL, count, &ran) == ZK_OK);
    CHILD_CHECK(loop(NULL, 5000));
    CHILD_CHECK(test_holds(p, 200000, 1));
    CHILD_CHECK(zk_phase_end() == ZK_OK && ran == 40);
    CHILD_CHECK(test_info(lane).threads == 0);
    CHILD_CHECK(TEST_TSAN || threads() == 1);
    return 0;
}

static int
work_alone_and_close(void *arg)
{
    CHILD_CHECK(work_alone(arg) == 0);
    CHILD_CHECK(zk_runtime_close(arg) == ZK_OK);
    return 0;
}

/* ---- the rest of the parent is busy ------------------------------------------ */

struct parent {
    zk_runtime_t *lane;
    pthread_t thread[3];
    _Atomic unsigned stop, rounds, failed;
};

static int
short_task(void *arg)
{
    (void)arg;
    for (volatile int i = 0; i < 200; i++)
        ;
    return 0;
}

/* Phases, loops and tasks without a pause. */
static void *
keep_working(void *arg)
{
    struct parent *p = arg;

    while (!zk_load_relaxed(&p->stop)) {
        zk_group_t group = ZK_GROUP_INIT;
        unsigned failed = 0;

        failed += zk_phase_begin_on(p->lane, "parent") != ZK_OK;
        failed += zk_malloc(50000) == NULL;
        failed += !loop(NULL, 300);
        for (int i = 0; i < 30; i++)
            failed += zk_spawn(&group, short_task, NULL) != ZK_OK;
        failed += zk_sync(&group) != ZK_OK;
        failed += zk_phase_end() != ZK_OK;
        zk_add_relaxed(&p->failed, failed);
        zk_add_relaxed(&p->rounds, 1u);
    }
    return NULL;
}

static bool
start(struct parent *p)
{
    bool ok = p->lane != NULL;

    for (int i = 0; i < 3 && ok; i++)
        ok = pthread_create(&p->thread[i], NULL, keep_working, p) == 0;
    while (ok && zk_load_relaxed(&p->rounds) < 3)
        usleep(100);
    return ok;
}

static void
stop(struct parent *p)
{
    zk_store_relaxed(&p->stop, 1u);
    for (int i = 0; i < 3; i++)
        pthread_join(p->thread[i], NULL);
}

static void
test_a_child_of_a_busy_parent_works_alone(void **state)
{
    struct parent p = {.lane = NULL};
    bool ok = true;
    unsigned rounds;

    (void)state;
    if (TEST_TSAN)
        skip();
    p.lane = test_lane(3, 4 * MIB, 0);
    assert_true(start(&p));
    for (unsigned i = 0; i < test_scaled(60) && ok; i++)
        ok = test_child_succeeds(i % 2 == 0 ? work_alone : work_alone_and_close,
                                 p.lane);
    rounds = p.rounds;
    while (ok && zk_load_relaxed(&p.rounds) < rounds + 3)
        usleep(100); /* the parent goes on */
    stop(&p);
    assert_true(ok);
    assert_int_equal(p.failed, 0);
    assert_int_equal(zk_runtime_close(p.lane), ZK_OK);
}

static int
kill_itself(void *arg)
{
    (void)arg;
    raise(SIGKILL);
    return 0;
}

static void
test_a_child_that_is_killed_leaves_the_parent_alone(void **state)
{
    struct parent p = {.lane = NULL};

    (void)state;
    if (TEST_TSAN)
        skip();
    p.lane = test_lane(2, 4 * MIB, 0);
    assert_true(start(&p));
    for (int i = 0; i < 10; i++) {
        struct test_child child = test_in_child(kill_itself, NULL);

        assert_int_equal(child.signal, SIGKILL);
    }
    stop(&p);
    assert_int_equal(p.failed, 0);
    assert_true(loop(p.lane, 1000));
    assert_int_equal(zk_runtime_close(p.lane), ZK_OK);
}

static void
test_programs_are_started_from_a_busy_parent(void **state)
{
    struct parent p = {.lane = NULL};
    char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                          (char *)(uintptr_t) "exit 5", NULL};

    (void)state;
    if (TEST_TSAN)
        skip();
    p.lane = test_lane(2, 4 * MIB, 0);
    assert_true(start(&p));
    for (int i = 0; i < 10; i++) {
        int status = -1;
        pid_t pid;

        assert_int_equal(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ),
                         0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), 5);
        assert_int_equal(system("true"), 0);
    }
    stop(&p);
    assert_int_equal(p.failed, 0);
    assert_int_equal(zk_runtime_close(p.lane), ZK_OK);
}

/* ---- the thread that forks is in the middle of it ------------------------------- */

struct open_phase {
    zk_runtime_t *lane;
    char *before, *outer, *stage;
};

#define BYTES 60000

static int
go_on_with_the_phase(void *arg)
{
    struct open_phase *o = arg;

    CHILD_CHECK(test_holds(o->before, BYTES, 1));
    CHILD_CHECK(test_holds(o->outer, BYTES, 2));
    CHILD_CHECK(test_holds(o->stage, BYTES, 3));
    CHILD_CHECK(test_phase_stats().depth == 2);
    CHILD_CHECK(loop(NULL, 1000));
    test_fill(o->outer, BYTES, 4); /* its own copy */
    CHILD_CHECK(zk_in_arena(zk_malloc(BYTES)));
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(zk_in_arena(zk_malloc(BYTES)));
    CHILD_CHECK(zk_runtime_close(o->lane) == ZK_EBUSY);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(zk_phase_end() == ZK_ESTALE);
    CHILD_CHECK(test_holds(o->outer, BYTES, 4));
    CHILD_CHECK(work_alone_and_close(o->lane) == 0);
    return 0;
}

static void
test_a_child_goes_on_with_the_open_phase_of_the_thread_that_forked(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct open_phase o = {.lane = test_lane(workers, 4 * MIB, 0)};

        assert_non_null(o.lane);
        if (!TEST_TSAN)
            assert_true(loop(o.lane, 1000)); /* there are workers */
        o.before = zk_malloc(BYTES);
        assert_non_null(o.before);
        test_fill(o.before, BYTES, 1);
        assert_int_equal(zk_phase_begin_on(o.lane, "phase"), ZK_OK);
        o.outer = zk_malloc(BYTES);
        assert_true(zk_in_arena(o.outer));
        test_fill(o.outer, BYTES, 2);
        assert_int_equal(zk_phase_begin("stage"), ZK_OK);
        o.stage = zk_malloc(BYTES);
        assert_true(zk_in_arena(o.stage));
        test_fill(o.stage, BYTES, 3);

        assert_true(test_child_succeeds(go_on_with_the_phase, &o));

        assert_true(test_holds(o.outer, BYTES, 2));
        assert_true(test_holds(o.stage, BYTES, 3));
        if (!TEST_TSAN)
            assert_true(loop(NULL, 1000));
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_OK);
        zk_free(o.before);
        assert_int_equal(zk_runtime_close(o.lane), ZK_OK);
    }
}

static int
leave_in_the_child(void *arg)
{
    CHILD_CHECK(zk_slot() == 0);
    CHILD_CHECK(zk_runtime_enter(arg) == ZK_OK);
    CHILD_CHECK(zk_runtime_leave() == ZK_OK);
    CHILD_CHECK(zk_runtime_leave() == ZK_OK);
    CHILD_CHECK(zk_runtime_leave() == ZK_ESTALE);
    CHILD_CHECK(zk_slot() == -1);
    return work_alone_and_close(arg);
}

static void
test_a_child_is_inside_where_its_parent_was(void **state)
{
    zk_runtime_t *lane = test_lane(2, 4 * MIB, 0);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_true(test_child_succeeds(leave_in_the_child, lane));
    assert_int_equal(zk_slot(), 0);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
fork_again(void *lane)
{
    CHILD_CHECK(work_alone(lane) == 0);
    CHILD_CHECK(test_child_succeeds(work_alone_and_close, lane));
    CHILD_CHECK(work_alone_and_close(lane) == 0);
    return 0;
}

static void
test_a_child_may_fork_as_well(void **state)
{
    zk_runtime_t *lane = test_lane(3, 4 * MIB, 0);

    (void)state;
    assert_non_null(lane);
    if (!TEST_TSAN)
        assert_true(loop(lane, 1000));
    assert_true(test_child_succeeds(fork_again, lane));
    if (!TEST_TSAN)
        assert_true(loop(lane, 1000));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* N4: the default lane was used, a phase has ended, and the child begins one. */
static int
use_the_default_lane(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(zk_phase_begin("child") == ZK_OK);
        CHILD_CHECK(loop(NULL, 1000));
        CHILD_CHECK(zk_phase_end() == ZK_OK);
    }
    return 0;
}

static void
test_a_fork_after_a_phase_of_the_default_lane_does_not_hang(void **state)
{
    (void)state;
    if (TEST_TSAN)
        skip();
    setenv("ZK_NUM_WORKERS", "3", 1);
    setenv("ZK_ALLOC_SLAB_BYTES", "16M", 1);
    assert_int_equal(use_the_default_lane(NULL), 0);
    assert_true(test_child_succeeds(use_the_default_lane, NULL));
    assert_int_equal(use_the_default_lane(NULL), 0);
    assert_int_equal(zk_runtime_close(zk_runtime_current()), ZK_OK);
    unsetenv("ZK_NUM_WORKERS");
    unsetenv("ZK_ALLOC_SLAB_BYTES");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_child_goes_on_with_the_open_phase_of_the_thread_that_forked),
        cmocka_unit_test(test_a_child_is_inside_where_its_parent_was),
        cmocka_unit_test(test_a_child_may_fork_as_well),
        cmocka_unit_test(
            test_a_fork_after_a_phase_of_the_default_lane_does_not_hang),
        cmocka_unit_test(test_a_child_of_a_busy_parent_works_alone),
        cmocka_unit_test(test_a_child_that_is_killed_leaves_the_parent_alone),
        cmocka_unit_test(test_programs_are_started_from_a_busy_parent),
    };

    death_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
