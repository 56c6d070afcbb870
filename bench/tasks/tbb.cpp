/*
 * tbb.cpp - the three problems with oneTBB's task_group.
 *
 *     tasks_tbb THREADS FIB QUEENS full|small REPEATS
 */
#include <oneapi/tbb/task_group.h>

#include "problems.h"
#include "tbb_threads.hpp"

static uint64_t
fib(uint64_t n)
{
    if (n < 2)
        return n;

    tbb::task_group group;
    uint64_t a = 0;

    group.run([&a, n] { a = fib(n - 1); });

    uint64_t b = fib(n - 2);

    group.wait();
    return a + b;
}

static void
place(struct queens *q)
{
    struct queens next[QUEENS_MAX];
    unsigned count = queens_unfold(q, next);
    tbb::task_group group;

    for (unsigned i = 0; i < count; i++)
        group.run([child = &next[i]] { place(child); });
    group.wait();
    for (unsigned i = 0; i < count; i++)
        q->ways += next[i].ways;
}

static void
walk(struct tree *t)
{
    struct tree next[TREE_CHILDREN];
    unsigned count = tree_unfold(t, next);
    tbb::task_group group;

    for (unsigned i = 0; i < count; i++)
        group.run([child = &next[i]] { walk(child); });
    group.wait();
    for (unsigned i = 0; i < count; i++)
        tree_fold(t, &next[i]);
}

static void
run_fib()
{
    problem.fib_result = fib(problem.fib);
}

static void
run_queens()
{
    problem.queens_result = queens_root(problem.queens);
    place(&problem.queens_result);
}

static void
run_tree()
{
    problem.tree_result = tree_root(problem.shape.seed);
    walk(&problem.tree_result);
}

int
main(int argc, char **argv)
{
    unsigned n = static_cast<unsigned>(bench_arg(argc, argv, 1, 2));
    unsigned repeats = problem_read(argc, argv);
    threads team(n);

    problem_measure(n, 1, repeats, run_fib, run_queens, run_tree);
    return 0;
}
