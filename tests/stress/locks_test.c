/*
 * locks_test.c - locks held around loops, joins and syncs, and tasks that wait for
 * others: none of it may deadlock.
 *
 * ZK_TEST_FULL=1: a million tries.
 */
#include <errno.h>

#include "tests/runtime/rt.h"
#include "tests/stress/watch.h"

/* An error-checking mutex: who runs, below a wait under the lock, a task that wants
 * it gets EDEADLK. What waits in a circle ends with the watchdog's report. */
struct locked {
    pthread_mutex_t lock;
    unsigned held; /* under the lock */
    _Atomic unsigned deadlocks;
    zk_group_t before;
};

static void
init(struct locked *l)
{
    pthread_mutexattr_t attr;

    memset(l, 0, sizeof *l);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&l->lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

static bool
lock(struct locked *l)
{
    if (pthread_mutex_lock(&l->lock) == 0)
        return true;
    zk_add_relaxed(&l->deadlocks, 1u);
    return false;
}

static int
inner(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    sched_yield();
    return 0;
}

static int
lock_around_a_loop(size_t begin, size_t end, void *arg)
{
    struct locked *l = arg;

    for (; begin < end; begin++) {
        if (!lock(l))
            return 1;
        l->held++;
        if (zk_parallel_for(0, 4, 1, inner, NULL) != ZK_OK)
            return 2;
        pthread_mutex_unlock(&l->lock);
    }
    return 0;
}

static int
spin_a_little(void *arg)
{
    (void)arg;
    zk_pause();
    return 0;
}

static int
lock_around_joins(size_t begin, size_t end, void *arg)
{
    struct locked *l = arg;

    for (; begin < end; begin++) {
        int err;

        if (!lock(l))
            return 1;
        l->held++;
        err = zk_parallel_invoke(spin_a_little, NULL, spin_a_little, NULL);
        pthread_mutex_unlock(&l->lock);
        if (err != 0)
            return 2;
    }
    return 0;
}

static const unsigned widths[] = {1, 2, 4};

/* `tries` locked sections, in loops of 16. */
static void
try_under_a_lock(zk_range_fn body)
{
    unsigned tries = test_full() ? 1000000 : test_scaled(20000);

    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        zk_runtime_t *lane = rt_lane(widths[w], 2);
        unsigned rounds = tries / 3 / 16 + 1;
        struct locked l;

        init(&l);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (unsigned i = 0; i < rounds; i++) {
            assert_int_equal(zk_parallel_for(0, 16, 1, body, &l), ZK_OK);
            watch_beat();
        }
        assert_int_equal(l.held, rounds * 16);
        printf("%u locked sections, %u workers\n", l.held, widths[w]);
        assert_int_equal(zk_load_acquire(&l.deadlocks), 0);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        pthread_mutex_destroy(&l.lock);
    }
}

static void
test_a_lock_around_a_nested_loop_never_deadlocks(void **state)
{
    (void)state;
    try_under_a_lock(lock_around_a_loop);
}

static void
test_a_lock_around_nested_forks_never_deadlocks(void **state)
{
    (void)state;
    try_under_a_lock(lock_around_joins);
}

/* ---- isolation ----------------------------------------------------------- */

static int
want_the_lock(void *arg)
{
    struct locked *l = arg;

    if (!lock(l))
        return 1;
    l->held++;
    pthread_mutex_unlock(&l->lock);
    return 0;
}

static int
sync_under_the_lock(void *arg)
{
    struct locked *l = arg;
    int err;

    if (!lock(l))
        return 1;
    err = zk_sync(&l->before);
    err |= zk_parallel_for(0, 4, 1, inner, NULL);
    pthread_mutex_unlock(&l->lock);
    return err;
}

/* A sync runs what was spawned since its group's first task, and that wants the
 * lock: but not in isolation. */
static void
test_in_isolation_a_sync_runs_nothing_but_its_group(void **state)
{
    unsigned rounds = test_scaled(2000);

    (void)state;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        zk_runtime_t *lane = rt_lane(widths[w], 2);
        struct locked l;

        init(&l);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (unsigned i = 0; i < rounds; i++) {
            zk_group_t other = ZK_GROUP_INIT;

            assert_int_equal(zk_spawn(&l.before, spin_a_little, NULL), ZK_OK);
            assert_int_equal(zk_spawn(&other, want_the_lock, &l), ZK_OK);
            assert_int_equal(zk_isolate(sync_under_the_lock, &l), 0);
            assert_int_equal(zk_sync(&other), ZK_OK);
            watch_beat();
        }
        assert_int_equal(l.held, rounds);
        assert_int_equal(zk_load_acquire(&l.deadlocks), 0);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        pthread_mutex_destroy(&l.lock);
    }
}

static int
return_arg(void *arg)
{
    return *(const int *)arg;
}

static int
isolate_again(void *arg)
{
    return zk_isolate(return_arg, arg);
}

static void
test_isolation_nests_and_returns_the_code(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    int nine = 9;

    (void)state;
    assert_int_equal(zk_isolate(return_arg, &nine), 9);
    assert_int_equal(zk_isolate(NULL, &nine), ZK_EINVAL);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_isolate(isolate_again, &nine), 9);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- waiting for outside ------------------------------------------------- */

struct meeting {
    zk_runtime_t *lane;
    zk_group_t group;
    _Atomic unsigned inside, submitted, came;
    _Atomic int err;
};

static int
come(void *arg)
{
    struct meeting *m = arg;

    zk_add_seq_cst(&m->came, 1u);
    return 0;
}

static void *
submit(void *arg)
{
    struct meeting *m = arg;

    rt_await(&m->inside, 1);
    zk_store_release(&m->err, zk_spawn_on(m->lane, &m->group, come, m) |
                                  zk_spawn_on(m->lane, NULL, come, m));
    zk_store_release(&m->submitted, 1u);
    return NULL;
}

/* The lane's one worker is in here, and waits by its own means. */
static int
wait_by_hand(void *arg)
{
    struct meeting *m = arg;

    zk_store_release(&m->inside, 1u);
    rt_await(&m->came, 2);
    return 0;
}

static int
wait_by_sync(void *arg)
{
    struct meeting *m = arg;

    zk_store_release(&m->inside, 1u);
    rt_await(&m->submitted, 1);
    return zk_sync(&m->group);
}

static void
wait_for_outside(zk_task_fn wait)
{
    unsigned rounds = test_full() ? 5000 : test_scaled(300);

    for (unsigned i = 0; i < rounds; i++) {
        struct meeting m = {.lane = rt_lane(1, 2)};
        zk_group_t g = ZK_GROUP_INIT;
        pthread_t thread;

        assert_int_equal(zk_runtime_enter(m.lane), ZK_OK);
        assert_int_equal(pthread_create(&thread, NULL, submit, &m), 0);
        assert_int_equal(zk_spawn(&g, wait, &m), ZK_OK);
        assert_int_equal(zk_sync(&g), ZK_OK);
        pthread_join(thread, NULL);
        assert_int_equal(zk_sync(&m.group), ZK_OK);
        assert_int_equal(zk_load_acquire(&m.err), ZK_OK);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(m.lane), ZK_OK);
        assert_int_equal(zk_load_acquire(&m.came), 2);
        watch_beat();
    }
    printf("%u waits for outside\n", rounds);
}

static void
test_one_worker_waits_by_hand_for_tasks_from_outside(void **state)
{
    (void)state;
    wait_for_outside(wait_by_hand);
}

static void
test_one_worker_waits_by_sync_for_tasks_from_outside(void **state)
{
    (void)state;
    wait_for_outside(wait_by_sync);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lock_around_a_nested_loop_never_deadlocks),
        cmocka_unit_test(test_a_lock_around_nested_forks_never_deadlocks),
        cmocka_unit_test(test_in_isolation_a_sync_runs_nothing_but_its_group),
        cmocka_unit_test(test_isolation_nests_and_returns_the_code),
        cmocka_unit_test(test_one_worker_waits_by_hand_for_tasks_from_outside),
        cmocka_unit_test(test_one_worker_waits_by_sync_for_tasks_from_outside),
    };

    rt_begin();
    watch_begin("locks", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
