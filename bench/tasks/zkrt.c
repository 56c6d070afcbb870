/*
 * zkrt.c - the three problems with zk_fork() and zk_join().
 *
 *     tasks_zkrt THREADS FIB QUEENS full|small REPEATS
 */
#include <zkrt/fork.h>

#include "lane.h"
#include "problems.h"

struct fib {
    uint64_t n, result;
};

static uint64_t fib(uint64_t n);

__attribute__((always_inline)) static inline int
fib_task(void *arg)
{
    struct fib *f = arg;

    f->result = fib(f->n);
    return 0;
}

__attribute__((noinline)) static uint64_t
fib(uint64_t n)
{
    if (n < 2)
        return n;

    struct fib a = {n - 1, 0};
    zk_fork_t fork = zk_fork(fib_task, &a);
    uint64_t b = fib(n - 2);

    must(zk_join(fork), "fib");
    return a.result + b;
}

static int
place(void *arg)
{
    struct queens *q = arg, next[QUEENS_MAX];
    zk_fork_t fork[QUEENS_MAX];
    unsigned count = queens_unfold(q, next);

    for (unsigned i = 0; i < count; i++)
        fork[i] = zk_fork(place, &next[i]);
    for (unsigned i = count; i-- > 0;)
        must(zk_join(fork[i]), "queens");
    for (unsigned i = 0; i < count; i++)
        q->ways += next[i].ways;
    return 0;
}

static int
walk(void *arg)
{
    struct tree *t = arg, next[TREE_CHILDREN];
    zk_fork_t fork[TREE_CHILDREN];
    unsigned count = tree_unfold(t, next);

    for (unsigned i = 0; i < count; i++)
        fork[i] = zk_fork(walk, &next[i]);
    for (unsigned i = count; i-- > 0;)
        must(zk_join(fork[i]), "tree");
    for (unsigned i = 0; i < count; i++)
        tree_fold(t, &next[i]);
    return 0;
}

static void
run_fib(void)
{
    problem.fib_result = fib(problem.fib);
}

static void
run_queens(void)
{
    problem.queens_result = queens_root(problem.queens);
    must(place(&problem.queens_result), "queens");
}

static void
run_tree(void)
{
    problem.tree_result = tree_root(problem.shape.seed);
    must(walk(&problem.tree_result), "tree");
}

int
main(int argc, char **argv)
{
    unsigned threads = (unsigned)bench_arg(argc, argv, 1, 2);
    unsigned repeats = problem_read(argc, argv);
    zk_runtime_t *lane = lane_enter(threads);

    problem_measure(threads, 1, repeats, run_fib, run_queens, run_tree);
    lane_leave(lane);
    return 0;
}
