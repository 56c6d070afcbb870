/*
 * fork_test.c - forks and joins: where they run, what others can take, and whose
 * phase they are of. Many at once are in fork_stack_test.c.
 */
#include "tests/runtime/forks.h"

struct where {
    _Atomic int slot; /* 1 + the slot it ran on; 0: not yet */
    int code;
};

static int
note_slot(void *arg)
{
    struct where *w = arg;

    zk_store_release(&w->slot, 1 + zk_slot());
    return w->code;
}

/* ---- running ------------------------------------------------------------ */

static void
test_recursion_is_right_for_any_number_of_workers(void **state)
{
    static const unsigned workers[] = {1, 2, 3, 8, 32};
    unsigned n = TEST_VALGRIND ? 14 : 20;

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = enter(test_workers(workers[w]));

        assert_non_null(lane);
        for (unsigned i = 0; i < test_scaled(30); i++) {
            struct fib f = {n, 0};

            assert_int_equal(fib(&f), 0);
            assert_int_equal(f.result, n == 14 ? 377 : 6765);
        }
        leave(lane);
    }
}

static void
test_a_join_returns_the_code_wherever_the_task_ran(void **state)
{
    zk_runtime_t *lane = enter(2);
    struct where here = {0, 7}, there = {0, 8};
    zk_fork_t f;

    (void)state;
    f = zk_fork(note_slot, &here);
    assert_int_equal(zk_join(f), 7);

    f = zk_fork(note_slot, &there);
    while (zk_load_acquire(&there.slot) == 0)
        sched_yield();
    assert_int_equal(zk_join(f), 8);
    assert_int_equal(zk_load_acquire(&there.slot), 1 + 1);
    leave(lane);
}

/* The two oldest forks can be had by others before their owner does anything
 * else. */
static void
test_forks_are_there_to_be_taken_before_a_long_call(void **state)
{
    enum { N = 2 };
    zk_runtime_t *lane = enter(2);
    struct where w[N] = {{0, 0}};
    zk_fork_t f[N];

    (void)state;
    for (unsigned i = 0; i < N; i++)
        f[i] = zk_fork(note_slot, &w[i]);
    for (unsigned i = 0; i < N; i++)
        while (zk_load_acquire(&w[i].slot) == 0)
            sched_yield(); /* the long call: we do not take them */
    for (unsigned i = N; i-- > 0;)
        assert_int_equal(zk_join(f[i]), 0);
    leave(lane);
}

/* Here, as a thief does that finds our deque empty. */
static int
ask(void *arg)
{
    (void)arg;
    zk__forks_ask(my_forks());
    return 0;
}

struct elsewhere {
    int owner; /* the slot that forks */
    _Atomic unsigned ran;
};

static int
count_elsewhere(void *arg)
{
    struct elsewhere *e = arg;

    if (zk_slot() != e->owner)
        zk_add_seq_cst(&e->ran, 1u);
    return 0;
}

/* Forks more than is offered at first, then only joins. What is left of the older
 * half is offered meanwhile: somebody else runs it, if he has not run all of it
 * already, since he asks for himself, too. */
static int
fork_many_then_join(void *arg)
{
    enum { N = 200, ROUNDS = 10 };
    struct elsewhere *e = arg;
    zk_fork_t f[N];
    unsigned i;
    int err = 0;

    e->owner = zk_slot();
    for (i = 0; i < N / 2; i++)
        f[i] = zk_fork(count_elsewhere, arg);
    for (; i < N; i++)
        f[i] = zk_fork(ask, NULL);
    for (unsigned k = 0; k < ROUNDS; k++) {
        unsigned before = zk_load_acquire(&e->ran);

        err |= zk_join(f[--i]); /* asks */
        err |= zk_join(f[--i]); /* answers */
        rt_await(&e->ran, before < N / 2 ? before + 1 : N / 2);
    }
    while (i > 0)
        err |= zk_join(f[--i]);
    return err;
}

static void
test_who_only_joins_still_answers_the_hungry(void **state)
{
    zk_runtime_t *lane = enter(2);

    (void)state;
    for (unsigned i = 0; i < test_scaled(200); i++) {
        struct elsewhere e = {0, 0};

        assert_int_equal(run_as_task(fork_many_then_join, &e), ZK_OK);
        assert_true(zk_load_acquire(&e.ran) >= 10);
    }
    leave(lane);
}

static void
test_an_unasked_fork_is_no_task(void **state)
{
    zk_runtime_t *lane = enter(1);
    struct fib f = {15, 0};
    uint64_t before;

    (void)state;
    assert_int_equal(run_as_task(fib, &f), 0);
    before = test_stats(lane).tasks;
    assert_int_equal(run_as_task(fib, &f), 0);
    assert_int_equal(test_stats(lane).tasks, before + 1);
    leave(lane);
}

static int
fail_with(void *arg)
{
    return *(const int *)arg;
}

static void
test_invoke_runs_both_and_returns_the_first_code(void **state)
{
    static const unsigned workers[] = {1, 2};
    int five = 5, six = 6;

    (void)state;
    for (size_t w = 0; w < 2; w++) {
        zk_runtime_t *lane = enter(workers[w]);
        _Atomic unsigned n = 0;

        assert_int_equal(zk_parallel_invoke(add_one, &n, add_one, &n), 0);
        assert_int_equal(zk_load_acquire(&n), 2);
        assert_int_equal(zk_parallel_invoke(fail_with, &five, add_one, &n), 5);
        assert_int_equal(zk_parallel_invoke(add_one, &n, fail_with, &six), 6);
        assert_int_equal(zk_parallel_invoke(fail_with, &five, fail_with, &six),
                         5);
        assert_int_equal(zk_load_acquire(&n), 4);
        assert_int_equal(zk_parallel_invoke(NULL, NULL, add_one, &n),
                         ZK_EINVAL);
        assert_int_equal(zk_parallel_invoke(add_one, &n, NULL, NULL),
                         ZK_EINVAL);
        assert_int_equal(zk_load_acquire(&n), 4);
        leave(lane);
    }
}

static void
test_no_function_is_an_error_at_the_join(void **state)
{
    zk_runtime_t *lane = enter(2);
    _Atomic unsigned n = 0;
    zk_fork_t a, b, c;

    (void)state;
    a = zk_fork(add_one, &n);
    b = zk_fork(NULL, &n);
    c = zk_fork(add_one, &n);
    assert_int_equal(zk_join(c), 0);
    assert_int_equal(zk_join(b), ZK_EINVAL);
    assert_int_equal(zk_join(a), 0);
    assert_int_equal(zk_load_acquire(&n), 2);
    leave(lane);
}

/* ---- outside ------------------------------------------------------------ */

static void
test_a_thread_outside_is_inside_from_fork_to_join(void **state)
{
    struct where w = {0, 3};
    zk_fork_t outer, inner;

    (void)state;
    assert_int_equal(zk_slot(), -1);
    outer = zk_fork(note_slot, &w);
    assert_true(zk_slot() >= 0);
    inner = zk_fork(note_slot, &w);
    assert_int_equal(zk_join(inner), 3);
    assert_true(zk_slot() >= 0);
    assert_int_equal(zk_join(outer), 3);
    assert_int_equal(zk_slot(), -1);

    assert_int_equal(zk_parallel_invoke(note_slot, &w, note_slot, &w), 3);
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(zk_runtime_close(zk_runtime_current()), ZK_OK);
}

struct fib_of_outside {
    struct fib fib;
    int code;
};

static void *
fib_from_outside(void *arg)
{
    struct fib_of_outside *f = arg;

    f->code = fib(&f->fib);
    f->code |= zk_slot() != -1;
    return NULL;
}

static void
test_many_threads_from_outside_fork_at_once(void **state)
{
    enum { THREADS = 12 };
    pthread_t thread[THREADS];
    struct fib_of_outside f[THREADS];

    (void)state;
    setenv("ZK_NUM_WORKERS", "2", 1); /* the default lane's */
    for (unsigned i = 0; i < THREADS; i++) {
        f[i] = (struct fib_of_outside){{16, 0}, -1};
        assert_int_equal(
            pthread_create(&thread[i], NULL, fib_from_outside, &f[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(f[i].code, 0);
        assert_int_equal(f[i].fib.result, 987);
    }
    assert_int_equal(zk_runtime_close(zk_runtime_current()), ZK_OK);
    unsetenv("ZK_NUM_WORKERS");
}

static int
its_number(void *arg)
{
    return (int)*(const unsigned *)arg;
}

struct no_room {
    unsigned wrong;
    int last; /* of the deepest */
};

/* Without a slot forks run at once. Their codes are kept for the joins. */
static void *
fork_without_a_slot(void *arg)
{
    enum { N = 40 };
    struct no_room *r = arg;
    unsigned number[N];
    zk_fork_t f[N];

    for (unsigned i = 0; i < N; i++) {
        number[i] = 100 + i;
        f[i] = zk_fork(its_number, &number[i]);
        number[i] = 0; /* it has run */
    }
    r->wrong += zk_slot() != -1;
    for (unsigned i = N; i-- > 0;) {
        int code = zk_join(f[i]);

        if (i < 15)
            r->wrong += code != (int)(100 + i);
        else
            r->wrong += code < 100; /* an error stays one */
    }
    f[0] = zk_fork(do_nothing, NULL);
    r->wrong += zk_join(f[0]) != 0;
    return NULL;
}

static void
test_without_a_free_slot_forks_run_at_once(void **state)
{
    zk_runtime_t *lane;
    struct no_room r = {0, 0};
    pthread_t thread;

    (void)state;
    setenv("ZK_NUM_WORKERS", "1", 1);
    lane = zk_runtime_current();
    assert_non_null(lane);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned i = lane->nworkers; i < lane->nslots; i++)
        zk_store_release(&lane->slots[i].taken, true);
    assert_int_equal(pthread_create(&thread, NULL, fork_without_a_slot, &r), 0);
    pthread_join(thread, NULL);
    for (unsigned i = lane->nworkers; i < lane->nslots; i++)
        zk_store_release(&lane->slots[i].taken, false);
    assert_int_equal(r.wrong, 0);
    leave(lane);
    unsetenv("ZK_NUM_WORKERS");
}

static void
test_nobody_leaves_or_closes_between_fork_and_join(void **state)
{
    zk_runtime_t *lane = enter(2);
    _Atomic unsigned n = 0;
    zk_fork_t f = zk_fork(add_one, &n);

    (void)state;
    assert_int_equal(zk_runtime_leave(), ZK_EBUSY);
    assert_int_equal(zk_runtime_close(lane), ZK_EPERM);
    assert_int_equal(zk_join(f), 0);
    leave(lane);
}

/* ---- phases ------------------------------------------------------------- */

struct in_phase {
    _Atomic unsigned in_arena, begun, elsewhere;
};

static int
allocate_and_begin(void *arg)
{
    struct in_phase *p = arg;
    void *block = zk_malloc(8192);

    zk_add_relaxed(&p->in_arena, zk_in_arena(block) != 0 ? 1u : 0u);
    zk_add_relaxed(&p->begun,
                   zk_phase_begin("in a fork") != ZK_EPERM ? 1u : 0u);
    zk_add_relaxed(&p->elsewhere, zk_slot() != 0 ? 1u : 0u);
    zk_free(block);
    return 0;
}

static void
test_forks_are_of_their_phase_wherever_they_run(void **state)
{
    static const unsigned workers[] = {1, 2, 4};

    (void)state;
    for (size_t w = 0; w < 3; w++) {
        zk_runtime_t *lane = enter(workers[w]);
        unsigned rounds = test_scaled(2000);
        struct in_phase p = {0, 0, 0};

        for (unsigned i = 0; i < rounds; i++) {
            zk_fork_t f[3];

            assert_int_equal(zk_phase_begin("forks"), ZK_OK);
            for (unsigned k = 0; k < 3; k++)
                f[k] = zk_fork(allocate_and_begin, &p);
            assert_int_equal(zk_phase_begin("between"), ZK_EPERM);
            assert_int_equal(zk_phase_end(), ZK_EPERM);
            for (unsigned k = 3; k-- > 0;)
                assert_int_equal(zk_join(f[k]), 0);
            assert_int_equal(zk_phase_end(), ZK_OK);
        }
        assert_int_equal(zk_load_acquire(&p.in_arena), 3 * rounds);
        assert_int_equal(zk_load_acquire(&p.begun), 0);
        leave(lane);
    }
}

static int
spin_until_stopped(void *arg)
{
    _Atomic unsigned *started = arg;

    zk_store_release(started, 1u);
    while (!zk_stopped())
        sched_yield();
    return 0;
}

static void
test_a_cancelled_phase_skips_shared_forks_and_tells_the_others(void **state)
{
    zk_runtime_t *lane = enter(2);
    _Atomic unsigned started = 0, n = 0;
    zk_fork_t spin, skipped;

    (void)state;
    assert_int_equal(zk_phase_begin("cancelled"), ZK_OK);
    assert_false(zk_stopped());
    spin = zk_fork(spin_until_stopped, &started);
    rt_await(&started, 1);
    skipped = zk_fork(add_one, &n);
    assert_int_equal(zk_phase_cancel(zk_phase_id()), ZK_OK);
    assert_true(zk_stopped());
    assert_int_equal(zk_join(skipped), ZK_ECANCELED);
    assert_int_equal(zk_join(spin), ZK_ECANCELED);
    assert_int_equal(zk_load_acquire(&n), 0);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_false(zk_stopped());
    leave(lane);
}

static int
forks_in_a_failing_loop(size_t begin, size_t end, void *arg)
{
    _Atomic unsigned *started = arg;

    (void)end;
    if (begin == 0) {
        zk_fork_t f = zk_fork(spin_until_stopped, started);
        int code = zk_join(f);

        return code == 0 || code == ZK_ECANCELED ? 0 : 99;
    }
    rt_await(started, 1);
    return 77;
}

static void
test_a_failing_loop_stops_the_forks_in_its_body(void **state)
{
    zk_runtime_t *lane = enter(2);
    unsigned rounds = test_scaled(300);

    (void)state;
    for (unsigned i = 0; i < rounds; i++) {
        _Atomic unsigned started = 0;

        assert_int_equal(
            zk_parallel_for(0, 2, 1, forks_in_a_failing_loop, &started), 77);
    }
    leave(lane);
}

static int
fib_in_a_child(void *arg)
{
    struct fib f = {18, 0};

    (void)arg;
    CHILD_CHECK(fib(&f) == 0);
    CHILD_CHECK(f.result == 2584);
    return 0;
}

static void
test_a_child_forks_and_joins_alone(void **state)
{
    zk_runtime_t *lane;
    struct fib f = {18, 0};

    (void)state;
    if (TEST_VALGRIND) /* drd: a child's locks are made twice */
        skip();
    lane = enter(3);
    assert_int_equal(fib(&f), 0);
    assert_true(test_child_succeeds(fib_in_a_child, NULL));
    assert_int_equal(fib(&f), 0);
    leave(lane);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recursion_is_right_for_any_number_of_workers),
        cmocka_unit_test(test_a_join_returns_the_code_wherever_the_task_ran),
        cmocka_unit_test(test_forks_are_there_to_be_taken_before_a_long_call),
        cmocka_unit_test(test_who_only_joins_still_answers_the_hungry),
        cmocka_unit_test(test_an_unasked_fork_is_no_task),
        cmocka_unit_test(test_invoke_runs_both_and_returns_the_first_code),
        cmocka_unit_test(test_no_function_is_an_error_at_the_join),
        cmocka_unit_test(test_a_thread_outside_is_inside_from_fork_to_join),
        cmocka_unit_test(test_many_threads_from_outside_fork_at_once),
        cmocka_unit_test(test_without_a_free_slot_forks_run_at_once),
        cmocka_unit_test(test_nobody_leaves_or_closes_between_fork_and_join),
        cmocka_unit_test(test_forks_are_of_their_phase_wherever_they_run),
        cmocka_unit_test(
            test_a_cancelled_phase_skips_shared_forks_and_tells_the_others),
        cmocka_unit_test(test_a_failing_loop_stops_the_forks_in_its_body),
        cmocka_unit_test(test_a_child_forks_and_joins_alone),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
