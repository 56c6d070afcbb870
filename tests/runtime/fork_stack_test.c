/*
 * fork_stack_test.c - many forks at once: in which order they are joined, on how
 * much memory, and what is younger than they are.
 */
#include "tests/runtime/forks.h"

enum { MANY = 5000 }; /* several chunks */

struct many {
    unsigned next; /* what is to run next, on one worker */
    unsigned wrong;
};

struct numbered {
    struct many *many;
    unsigned number;
    _Atomic unsigned runs;
};

static int
run_numbered(void *arg)
{
    struct numbered *n = arg;

    zk_add_relaxed(&n->runs, 1u);
    return (int)n->number;
}

static int
run_in_order(void *arg)
{
    struct numbered *n = arg;

    n->many->wrong += n->number != n->many->next;
    n->many->next--;
    return run_numbered(arg);
}

static struct numbered numbered[MANY];
static zk_fork_t many_forks[MANY];

/* Forks all and joins all; returns how many were wrong. */
static unsigned
fork_and_join_many(zk_task_fn fn, struct many *many)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < MANY; i++) {
        numbered[i] = (struct numbered){many, i, 0};
        many_forks[i] = zk_fork(fn, &numbered[i]);
    }
    many->next = MANY - 1;
    for (unsigned i = MANY; i-- > 0;) {
        wrong += zk_join(many_forks[i]) != (int)i;
        wrong += zk_load_acquire(&numbered[i].runs) != 1;
    }
    return wrong + many->wrong;
}

static void
test_many_forks_are_joined_in_reverse_order(void **state)
{
    zk_runtime_t *lane = enter(1);
    struct many many = {0, 0};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fork_and_join_many(run_in_order, &many), 0);
    leave(lane);
}

static void
test_many_forks_run_once_beside_thieves(void **state)
{
    static const unsigned workers[] = {2, 3, 8};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = enter(workers[w]);
        struct many many = {0, 0};

        for (unsigned i = 0; i < test_scaled(60); i++)
            assert_int_equal(fork_and_join_many(run_numbered, &many), 0);
        leave(lane);
    }
}

/* A recursion that crosses from chunk to chunk, forking on the way back, too. */
static int
to_the_depth(void *arg)
{
    struct fib *f = arg;
    struct fib deeper = {f->n - 1, 0}, two = {2, 0};
    zk_fork_t a, b;
    int err;

    if (f->n == 0)
        return 0;
    a = zk_fork(fib, &two);
    err = to_the_depth(&deeper);
    deeper.n = 2;
    b = zk_fork(fib, &deeper);
    err |= zk_join(b);
    err |= zk_join(a);
    f->result = two.result + deeper.result;
    return err | (f->result != 2);
}

static void
test_deep_recursion_crosses_chunks_both_ways(void **state)
{
    static const unsigned workers[] = {1, 2, 4};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = enter(workers[w]);

        for (unsigned i = 0; i < test_scaled(30); i++) {
            struct fib f = {3500, 0};

            assert_int_equal(to_the_depth(&f), 0);
        }
        leave(lane);
    }
}

static void
test_forks_take_no_memory_once_they_have_been_deep(void **state)
{
    zk_runtime_t *lane = enter(2);
    struct many many = {0, 0};
    unsigned mappings;
    bool as_many;

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(fork_and_join_many(run_numbered, &many), 0);
    mappings = rt_mappings();
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(fork_and_join_many(run_numbered, &many), 0);
    as_many = rt_mappings() <= mappings + 4;
    assert_true(as_many || TEST_SANITIZED);
    leave(lane);
}

/* K2: a task that is spawned is younger than all that was forked before. */
static int
spawn_above_forks(void *arg)
{
    _Atomic unsigned *n = arg;
    zk_group_t g = ZK_GROUP_INIT;
    zk_fork_t f[8];
    int err = 0;

    for (unsigned i = 0; i < 8; i++)
        f[i] = zk_fork(add_one, n);
    err |= zk_spawn(&g, add_one, n);
    err |= zk__forks_private(my_forks());
    err |= zk_sync(&g);
    for (unsigned i = 8; i-- > 0;)
        err |= zk_join(f[i]);
    return err;
}

static void
test_a_spawn_shares_what_was_forked_before(void **state)
{
    static const unsigned workers[] = {1, 2, 4};

    (void)state;
    for (size_t w = 0; w < 3; w++) {
        zk_runtime_t *lane = enter(workers[w]);
        _Atomic unsigned n = 0;

        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(run_as_task(spawn_above_forks, &n), 0);
        assert_int_equal(zk_load_acquire(&n), 900);
        leave(lane);
    }
}

struct locked {
    pthread_mutex_t lock;
    bool deadlocks;
    unsigned n;
};

static int
take_the_lock(void *arg)
{
    struct locked *l = arg;

    /* Who holds it and runs us would wait for itself. */
    if (pthread_mutex_lock(&l->lock) != 0)
        l->deadlocks = true;
    else
        l->n++;
    pthread_mutex_unlock(&l->lock);
    return 0;
}

static int
nothing(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    return 0;
}

/* Forked before the lock, joined after it: nothing that runs under the lock may
 * be what was forked before. */
static int
wait_under_a_lock(void *arg)
{
    struct locked *l = arg;
    zk_fork_t a = zk_fork(take_the_lock, l), b = zk_fork(take_the_lock, l), c;
    zk_group_t g = ZK_GROUP_INIT;
    int err = 0;

    pthread_mutex_lock(&l->lock);
    err |= zk_parallel_for(0, 8, 1, nothing, NULL);
    err |= zk_spawn(&g, do_nothing, NULL);
    err |= zk_sync(&g);
    c = zk_fork(do_nothing, NULL);
    err |= zk_join(c);
    pthread_mutex_unlock(&l->lock);
    err |= zk_join(b);
    err |= zk_join(a);
    return err;
}

static void
test_what_was_forked_before_a_lock_never_runs_under_it(void **state)
{
    static const unsigned workers[] = {1, 2, 4};
    pthread_mutexattr_t attr;

    (void)state;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    for (size_t w = 0; w < 3; w++) {
        zk_runtime_t *lane = enter(workers[w]);
        struct locked l = {.deadlocks = false};
        unsigned rounds = test_scaled(3000);

        pthread_mutex_init(&l.lock, &attr);
        for (unsigned i = 0; i < rounds; i++)
            assert_int_equal(wait_under_a_lock(&l), 0);
        assert_false(l.deadlocks);
        assert_int_equal(l.n, 2 * rounds);
        leave(lane);
        pthread_mutex_destroy(&l.lock);
    }
    pthread_mutexattr_destroy(&attr);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_forks_are_joined_in_reverse_order),
        cmocka_unit_test(test_many_forks_run_once_beside_thieves),
        cmocka_unit_test(test_deep_recursion_crosses_chunks_both_ways),
        cmocka_unit_test(test_forks_take_no_memory_once_they_have_been_deep),
        cmocka_unit_test(test_a_spawn_shares_what_was_forked_before),
        cmocka_unit_test(
            test_what_was_forked_before_a_lock_never_runs_under_it),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
