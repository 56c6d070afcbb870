/*
 * serial.c - the three problems by plain recursion: what everybody's tasks cost
 * on top of; and twice at once, by two threads that share nothing: what a second
 * core gives at the most.
 *
 *     tasks_serial 1|2 FIB QUEENS full|small REPEATS
 *
 * Of two the figure is half the time in which both are done, as if they had shared
 * one problem.
 */
#include <pthread.h>

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

/* ---- twice at once ------------------------------------------------------- */

/* The second thread solves the same, and keeps the answers to itself. */
static void
fib_again(void)
{
    bench_check(fib(problem.fib) == fib_answer(problem.fib), "fib");
}

static void
queens_again(void)
{
    struct queens q = queens_root(problem.queens);

    place(&q);
    bench_check(q.ways == queens_answer(problem.queens), "queens");
}

static void
tree_again(void)
{
    struct tree t = tree_root(problem.shape.seed);

    walk(&t);
    bench_check(t.nodes == problem.shape.nodes, "tree");
}

/* What the second thread is to do next: the first one counts turns up. */
static struct {
    _Alignas(64) unsigned turn;
    void (*run)(void);
    _Alignas(64) unsigned done;
} other;

static void *
be_other(void *arg)
{
    bench_bind(1);
    for (unsigned turn = 1;; turn++) {
        while (__atomic_load_n(&other.turn, __ATOMIC_ACQUIRE) != turn)
            continue;
        if (other.run == NULL)
            return arg;
        other.run();
        __atomic_store_n(&other.done, turn, __ATOMIC_RELEASE);
    }
}

static void
tell_other(void (*run)(void))
{
    other.run = run;
    __atomic_store_n(&other.turn, other.turn + 1, __ATOMIC_RELEASE);
}

static void
both(void (*mine)(void), void (*theirs)(void))
{
    tell_other(theirs);
    mine();
    while (__atomic_load_n(&other.done, __ATOMIC_ACQUIRE) != other.turn)
        continue;
}

static void
both_fib(void)
{
    both(run_fib, fib_again);
}

static void
both_queens(void)
{
    both(run_queens, queens_again);
}

static void
both_tree(void)
{
    both(run_tree, tree_again);
}

int
main(int argc, char **argv)
{
    unsigned threads = (unsigned)bench_arg(argc, argv, 1, 1);
    unsigned repeats = problem_read(argc, argv);
    pthread_t thread;

    if (threads < 2) {
        problem_measure(1, 1, repeats, run_fib, run_queens, run_tree);
        return 0;
    }
    bench_bind(0);
    bench_check(pthread_create(&thread, NULL, be_other, NULL) == 0, "a thread");
    problem_measure(2, 2, repeats, both_fib, both_queens, both_tree);
    tell_other(NULL);
    pthread_join(thread, NULL);
    return 0;
}
