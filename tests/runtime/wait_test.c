/*
 * wait_test.c - what a waiting thread runs, and that it always gets on.
 *
 * The locks are of the error-checking kind: a thread that runs a stranger's task
 * while it holds one is told so, instead of hanging.
 */
#include "tests/runtime/rt.h"

static pthread_mutex_t lock;
static _Atomic unsigned relocked;

static void
init_lock(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&lock, &attr);
    pthread_mutexattr_destroy(&attr);
    zk_store_relaxed(&relocked, 0u);
}

static bool
take_lock(void)
{
    if (pthread_mutex_lock(&lock) == 0)
        return true;
    zk_add_relaxed(&relocked, 1u);
    return false;
}

/* ---- locks held around a wait ------------------------------------------ */

static int
burn_some(size_t begin, size_t end, void *arg)
{
    zk_add_relaxed((_Atomic unsigned *)arg, (unsigned)(end - begin));
    rt_burn(3);
    return 0;
}

static int
loop_under_lock(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    if (!take_lock())
        return 1;
    int code = zk_parallel_for(0, 16, 1, burn_some, arg);
    pthread_mutex_unlock(&lock);
    return code;
}

static void
test_a_lock_held_around_a_nested_loop_never_deadlocks(void **state)
{
    static const unsigned workers[] = {2, 3, 8};
    const unsigned n = test_scaled(600);

    (void)state;
    init_lock();
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 2);
        _Atomic unsigned ran = 0;

        assert_int_equal(
            zk_parallel_for_on(lane, 0, n, 1, loop_under_lock, &ran), ZK_OK);
        assert_int_equal(ran, n * 16);
        assert_int_equal(relocked, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    pthread_mutex_destroy(&lock);
}

static int
burn_one(void *arg)
{
    return burn_some(0, 1, arg);
}

static int
group_under_lock(void *arg)
{
    zk_group_t g = ZK_GROUP_INIT;
    zk_err_t err = ZK_OK;

    if (!take_lock())
        return 1;
    for (int i = 0; i < 8 && err == ZK_OK; i++)
        err = zk_spawn(&g, burn_one, arg);
    if (err == ZK_OK)
        err = zk_sync(&g);
    pthread_mutex_unlock(&lock);
    return err;
}

static void
test_a_lock_held_around_a_nested_group_never_deadlocks(void **state)
{
    static const unsigned workers[] = {2, 3, 8};
    const unsigned n = test_scaled(600);

    (void)state;
    init_lock();
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 2);
        zk_group_t g = ZK_GROUP_INIT;
        _Atomic unsigned ran = 0;

        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(zk_spawn(&g, group_under_lock, &ran), ZK_OK);
        assert_int_equal(zk_sync(&g), ZK_OK);
        assert_int_equal(ran, n * 8);
        assert_int_equal(relocked, 0);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    pthread_mutex_destroy(&lock);
}

/*
 * Two loops after each other stand at the same place of the stack. A thief of
 * the first one, which is over, still has tasks that it left behind; whoever
 * waits for the second one must not take them for its own.
 */
struct leftovers {
    zk_group_t group;
    pthread_t main;
    _Atomic unsigned helper_busy, helper_go; /* keeps one worker away */
    _Atomic unsigned spawned, first, release, taken;
    _Atomic unsigned holding, strangers;
};

static int
leftover(void *arg)
{
    struct leftovers *l = arg;

    /* As long as the first loop lasts, the main thread may help out here. */
    if (pthread_equal(pthread_self(), l->main)) {
        if (zk_load_acquire(&l->holding) != 0)
            zk_add_relaxed(&l->strangers, 1u);
        return 0;
    }
    /* The first one keeps its worker, so that the others stay where they are.*/
    if (zk_add_acq_rel(&l->first, 1u) == 0)
        rt_await(&l->release, 1);
    return 0;
}

static int
first_loop(size_t begin, size_t end, void *arg)
{
    struct leftovers *l = arg;

    (void)begin;
    (void)end;
    if (pthread_equal(pthread_self(), l->main)) {
        rt_await(&l->spawned, 1);
        return 0;
    }
    for (int i = 0; i < 8; i++)
        if (zk_spawn(&l->group, leftover, l) != ZK_OK)
            return 1;
    zk_store_release(&l->spawned, 1u);
    return 0;
}

static int
second_loop(size_t begin, size_t end, void *arg)
{
    struct leftovers *l = arg;

    (void)begin;
    (void)end;
    if (pthread_equal(pthread_self(), l->main)) {
        zk_store_release(&l->helper_go, 1u);
        rt_await(&l->taken, 1);
        return 0;
    }
    zk_store_release(&l->taken, 1u);
    usleep(2000); /* time for the main thread to do something wrong */
    return 0;
}

static int
keep_away(void *arg)
{
    struct leftovers *l = arg;

    zk_store_release(&l->helper_busy, 1u);
    rt_await(&l->helper_go, 1);
    return 0;
}

static int
bind_only(void *arg)
{
    (void)arg;
    return 0;
}

static void
test_a_wait_does_not_run_what_an_earlier_loop_left_behind(void **state)
{
    zk_runtime_t *lane = rt_lane(3, 2);
    unsigned strangers = 0;

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned round = 0; round < 20; round++) {
        struct leftovers l = {.main = pthread_self()};

        assert_int_equal(zk_spawn(&l.group, bind_only, NULL), ZK_OK);
        assert_int_equal(zk_spawn(&l.group, keep_away, &l), ZK_OK);
        rt_await(&l.helper_busy, 1);
        for (int i = 0; i < 2; i++) {
            zk_store_release(&l.holding, (unsigned)i);
            assert_int_equal(
                zk_parallel_for(0, 2, 1, i == 0 ? first_loop : second_loop, &l),
                ZK_OK);
        }
        zk_store_release(&l.holding, 0u);
        zk_store_release(&l.release, 1u);
        assert_int_equal(zk_sync(&l.group), ZK_OK);
        strangers += l.strangers;
    }
    assert_int_equal(strangers, 0);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- waits that need somebody else's tasks ------------------------------ */

struct outside {
    zk_runtime_t *lane;
    zk_group_t group;
    _Atomic unsigned go, ran, over;
    zk_err_t err;
};

static int
wait_to_go(void *arg)
{
    struct outside *o = arg;

    rt_await(&o->go, 1);
    return 0;
}

static int
count_outside(void *arg)
{
    struct outside *o = arg;

    zk_add_relaxed(&o->ran, 1u);
    return 0;
}

static int
sync_inside(void *arg)
{
    struct outside *o = arg;

    o->err = zk_sync(&o->group);
    zk_store_release(&o->over, 1u);
    return 0;
}

/* The only thread waits in the task; what it waits for stands behind it. */
static void
test_a_task_may_wait_for_a_group_from_outside_with_one_worker(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct outside o = {.lane = lane};

    (void)state;
    assert_int_equal(zk_spawn_on(lane, NULL, wait_to_go, &o), ZK_OK);
    assert_int_equal(zk_spawn_on(lane, &o.group, count_outside, &o), ZK_OK);
    assert_int_equal(zk_spawn_on(lane, NULL, sync_inside, &o), ZK_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zk_spawn_on(lane, &o.group, count_outside, &o), ZK_OK);
    zk_store_release(&o.go, 1u);
    rt_await(&o.over, 1);
    assert_int_equal(o.err, ZK_OK);
    assert_int_equal(o.ran, 101);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
spawn_then_wait_elsewhere(void *arg)
{
    struct outside *o = arg;

    /* The group's task lies below the waiting one in the same deque. */
    if (zk_spawn(&o->group, count_outside, o) != ZK_OK)
        return 1;
    return zk_spawn(NULL, sync_inside, o);
}

static void
test_a_task_may_wait_for_what_lies_below_it_in_its_own_deque(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct outside o = {.lane = lane};

    (void)state;
    assert_int_equal(zk_spawn_on(lane, &o.group, count_outside, &o), ZK_OK);
    assert_int_equal(zk_spawn_on(lane, NULL, spawn_then_wait_elsewhere, &o),
                     ZK_OK);
    rt_await(&o.over, 1);
    assert_int_equal(o.err, ZK_OK);
    assert_int_equal(o.ran, 2);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* The caller is inside with the group's tasks, and blocks in its own way. */
static void
test_a_task_may_wait_for_what_lies_in_a_blocked_threads_deque(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    struct outside o = {.lane = lane};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_spawn(&o.group, wait_to_go, &o), ZK_OK);
    assert_int_equal(zk_spawn(NULL, sync_inside, &o), ZK_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(zk_spawn(&o.group, count_outside, &o), ZK_OK);
    zk_store_release(&o.go, 1u);
    rt_await(&o.over, 1);
    assert_int_equal(o.err, ZK_OK);
    assert_int_equal(o.ran, 10);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

struct lane_pair {
    zk_runtime_t *other;
    _Atomic unsigned ran;
    zk_err_t err;
};

static int
count_pair(void *arg)
{
    struct lane_pair *p = arg;

    zk_add_relaxed(&p->ran, 1u);
    return 0;
}

static int
use_the_other_lane(void *arg)
{
    struct lane_pair *p = arg;
    zk_group_t g = ZK_GROUP_INIT;

    for (int i = 0; i < 10 && p->err == ZK_OK; i++)
        p->err = zk_spawn_on(p->other, &g, count_pair, p);
    return zk_sync(&g);
}

static void
test_a_task_may_wait_for_a_group_of_another_lane(void **state)
{
    zk_runtime_t *a = rt_lane(2, 2), *b = rt_lane(1, 2);
    struct lane_pair p = {.other = b};
    zk_group_t g = ZK_GROUP_INIT;

    (void)state;
    assert_int_equal(zk_spawn_on(a, &g, use_the_other_lane, &p), ZK_OK);
    assert_int_equal(zk_sync(&g), ZK_OK);
    assert_int_equal(p.err, ZK_OK);
    assert_int_equal(p.ran, 10);
    assert_int_equal(zk_runtime_close(a), ZK_OK);
    assert_int_equal(zk_runtime_close(b), ZK_OK);
}

/* ---- waiting for a phase ------------------------------------------------ */

struct chain {
    _Atomic unsigned ran;
    unsigned length;
    _Atomic unsigned refused;
};

static int
spawn_the_next(void *arg)
{
    struct chain *c = arg;

    if (zk_add_relaxed(&c->ran, 1u) + 1 < c->length &&
        zk_spawn(NULL, spawn_the_next, c) != ZK_OK)
        zk_add_relaxed(&c->refused, 1u);
    return 0;
}

static void
test_the_end_of_a_phase_awaits_detached_tasks_and_theirs(void **state)
{
    static const unsigned workers[] = {1, 2, 8};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 2);

        for (unsigned round = 0; round < test_scaled(200); round++) {
            struct chain c = {.length = 50};

            assert_int_equal(zk_phase_begin_on(lane, "chain"), ZK_OK);
            for (int i = 0; i < 3; i++)
                assert_int_equal(zk_spawn(NULL, spawn_the_next, &c), ZK_OK);
            assert_int_equal(zk_phase_end(), ZK_OK);
            assert_true(c.ran >= 50 && c.ran <= 52);
            assert_int_equal(c.refused, 0);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_the_end_of_a_stage_awaits_detached_tasks_too(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    struct chain c = {.length = 50};

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK);
    assert_int_equal(zk_phase_begin("stage"), ZK_OK);
    assert_int_equal(zk_spawn(NULL, spawn_the_next, &c), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(c.ran, 50);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lock_held_around_a_nested_loop_never_deadlocks),
        cmocka_unit_test(
            test_a_lock_held_around_a_nested_group_never_deadlocks),
        cmocka_unit_test(
            test_a_wait_does_not_run_what_an_earlier_loop_left_behind),
        cmocka_unit_test(
            test_a_task_may_wait_for_a_group_from_outside_with_one_worker),
        cmocka_unit_test(
            test_a_task_may_wait_for_what_lies_below_it_in_its_own_deque),
        cmocka_unit_test(
            test_a_task_may_wait_for_what_lies_in_a_blocked_threads_deque),
        cmocka_unit_test(test_a_task_may_wait_for_a_group_of_another_lane),
        cmocka_unit_test(
            test_the_end_of_a_phase_awaits_detached_tasks_and_theirs),
        cmocka_unit_test(test_the_end_of_a_stage_awaits_detached_tasks_too),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
