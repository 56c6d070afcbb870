/*
 * forks.h - what the tests of forks and joins share.
 *
 * Owns:   a lane with the main thread inside, a recursion to fork, and small
 *         tasks.
 * Never:  asserts away from the main thread.
 */
#ifndef ZK_TESTS_RUNTIME_FORKS_H
#define ZK_TESTS_RUNTIME_FORKS_H

#include "runtime/lane.h"
#include "tests/runtime/rt.h"

static inline zk_runtime_t *
enter(unsigned workers)
{
    zk_runtime_t *lane = rt_lane(workers, 4);

    if (lane != NULL && zk_runtime_enter(lane) != ZK_OK)
        return NULL;
    return lane;
}

static inline void
leave(zk_runtime_t *lane)
{
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static inline struct zk_fork_stack *
my_forks(void)
{
    return &zk__thread.slot->forks;
}

/* Runs fn(arg) as a task of the lane: inside of a job, on any thread. */
static inline zk_err_t
run_as_task(zk_task_fn fn, void *arg)
{
    zk_group_t g = ZK_GROUP_INIT;
    zk_err_t err = zk_spawn(&g, fn, arg);

    return err != ZK_OK ? err : zk_sync(&g);
}

struct fib {
    unsigned n;
    unsigned result;
};

static inline int
fib(void *arg)
{
    struct fib *f = arg;
    struct fib a = {f->n - 1, 0}, b = {f->n - 2, 0};
    zk_fork_t fork;
    int err;

    if (f->n < 2) {
        f->result = f->n;
        return 0;
    }
    fork = zk_fork(fib, &a);
    err = fib(&b);
    err |= zk_join(fork);
    f->result = a.result + b.result;
    return err;
}

static inline int
add_one(void *arg)
{
    _Atomic unsigned *n = arg;

    zk_add_relaxed(n, 1u);
    return 0;
}

static inline int
do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

#endif
