/*
 * serial.c - the three problems by plain recursion: what everybody's tasks cost
 * on top of.
 *
 *     tasks_serial 1 FIB QUEENS full|small REPEATS
 */
#include "problems.h"

/* The barrier keeps each call a call: gcc would make half of them a loop. */
__attribute__((noinline)) static uint64_t
fib(uint64_t n)
{
    uint64_t a, b;

    if (n < 2)
        return n;
    a = fib(n - 1);
    b = fib(n - 2);
    __asm__ volatile("" : "+r"(a), "+r"(b));
    return a + b;
}

static void
place(struct queens *q)
{
    struct queens next[QUEENS_MAX];
    unsigned count = queens_unfold(q, next);

    for (unsigned i = 0; i < count; i++) {
        place(&next[i]);
        q->ways += next[i].ways;
    }
}

static void
walk(struct tree *t)
{
    struct tree next[TREE_CHILDREN];
    unsigned count = tree_unfold(t, next);

    for (unsigned i = 0; i < count; i++) {
        walk(&next[i]);
        tree_fold(t, &next[i]);
    }
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
    place(&problem.queens_result);
}

static void
run_tree(void)
{
    problem.tree_result = tree_root(problem.shape.seed);
    walk(&problem.tree_result);
}

int
main(int argc, char **argv)
{
    unsigned repeats = problem_read(argc, argv);

    problem_measure(1, repeats, run_fib, run_queens, run_tree);
    return 0;
}
