/*
 * openmp.c - the three problems with OpenMP tasks; once for each runtime.
 *
 *     tasks_libgomp, tasks_libomp THREADS FIB QUEENS full|small REPEATS
 */
#include <omp.h>

#include "problems.h"

static uint64_t
fib(uint64_t n)
{
    uint64_t a, b;

    if (n < 2)
        return n;
#pragma omp task default(none) shared(a) firstprivate(n)
    a = fib(n - 1);
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

static void
place(struct queens *q)
{
    struct queens next[QUEENS_MAX];
    unsigned count = queens_unfold(q, next);

    for (unsigned i = 0; i < count; i++) {
        struct queens *child = &next[i];
#pragma omp task default(none) firstprivate(child)
        place(child);
    }
#pragma omp taskwait
    for (unsigned i = 0; i < count; i++)
        q->ways += next[i].ways;
}

static void
walk(struct tree *t)
{
    struct tree next[TREE_CHILDREN];
    unsigned count = tree_unfold(t, next);

    for (unsigned i = 0; i < count; i++) {
        struct tree *child = &next[i];
#pragma omp task default(none) firstprivate(child)
        walk(child);
    }
#pragma omp taskwait
    for (unsigned i = 0; i < count; i++)
        tree_fold(t, &next[i]);
}

static void
run_fib(void)
{
#pragma omp parallel default(shared)
#pragma omp single
    problem.fib_result = fib(problem.fib);
}

static void
run_queens(void)
{
    problem.queens_result = queens_root(problem.queens);
#pragma omp parallel default(shared)
#pragma omp single
    place(&problem.queens_result);
}

static void
run_tree(void)
{
    problem.tree_result = tree_root(problem.shape.seed);
#pragma omp parallel default(shared)
#pragma omp single
    walk(&problem.tree_result);
}

int
main(int argc, char **argv)
{
    int threads = (int)bench_arg(argc, argv, 1, 2);
    unsigned repeats = problem_read(argc, argv);

    omp_set_num_threads(threads);
    problem_measure((unsigned)threads, 1, repeats, run_fib, run_queens,
                    run_tree);
    return 0;
}
