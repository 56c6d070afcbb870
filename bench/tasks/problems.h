/*
 * problems.h - three problems that are all spawning: Fibonacci numbers, queens
 * on a board, and a tree of unknown shape.
 *
 * Owns:   their records, how one unfolds, and the right answers.
 * Never:  spawns: each runtime's program does that in its own words, one task
 *         for each child, with no cutoff.
 *
 * Read from C and from C++.
 */
#ifndef ZK_BENCH_PROBLEMS_H
#define ZK_BENCH_PROBLEMS_H

#include <string.h>

#include "bench.h"

/* ---- fib: calls of fib() are what is counted ----------------------------- */

static inline uint64_t
fib_answer(unsigned n)
{
    uint64_t a = 0, b = 1;

    for (; n > 0; n--) {
        uint64_t sum = a + b;

        a = b;
        b = sum;
    }
    return a;
}

static inline double
fib_calls(unsigned n)
{
    return 2 * (double)fib_answer(n + 1) - 1;
}

/* ---- queens: all ways to place n queens ---------------------------------- */

enum { QUEENS_MAX = 16 };

struct queens {
    uint32_t n, columns, left, right; /* bits that are attacked in this row */
    uint64_t ways;                    /* the result */
};

static inline struct queens
queens_root(unsigned n)
{
    struct queens q;

    memset(&q, 0, sizeof q);
    q.n = n;
    return q;
}

/* Fills `next` with one record for each queen that fits into this row. */
static inline unsigned
queens_unfold(struct queens *q, struct queens *next)
{
    uint32_t all = (UINT32_C(1) << q->n) - 1;
    uint32_t free_bits = all & ~(q->columns | q->left | q->right);
    unsigned count = 0;

    q->ways = q->columns == all;
    while (free_bits != 0) {
        uint32_t bit = free_bits & -free_bits;

        free_bits &= free_bits - 1;
        next[count].n = q->n;
        next[count].columns = q->columns | bit;
        next[count].left = (q->left | bit) << 1;
        next[count].right = (q->right | bit) >> 1;
        next[count].ways = 0;
        count++;
    }
    return count;
}

static inline uint64_t
queens_answer(unsigned n)
{
    static const uint64_t ways[] = {1,  1,  0,   0,   2,    10,   4,
                                    40, 92, 352, 724, 2680, 14200};

    bench_check(n < sizeof ways / sizeof *ways, "a board of known size");
    return ways[n];
}

/* ---- tree: each node has eight children or none --------------------------- */

/*
 * Whether a node has children is drawn from a hash of its path, so that nobody
 * knows the shape before walking it, and it is the same for all. There is one
 * child to expect for each node, but for a trifle: subtrees differ wildly. The
 * shape was chosen among seeds for its size and its depth.
 */
enum { TREE_CHILDREN = 8, TREE_ROUNDS = 13 };

#define TREE_CHANCE UINT64_C(0x1ff7ced916872b02) /* 0.124875 of 2^64 */

struct tree {
    uint64_t seed;
    uint64_t depth, nodes, deepest; /* the latter two: the result */
};

struct tree_shape {
    uint64_t seed, nodes, deepest;
};

static const struct tree_shape tree_full = {1744, 1931705, 1233};
static const struct tree_shape tree_small = {1147, 99169, 347};

static inline struct tree
tree_root(uint64_t seed)
{
    struct tree t;

    t.seed = seed;
    t.depth = 1;
    t.nodes = 0;
    t.deepest = 0;
    return t;
}

static inline unsigned
tree_unfold(struct tree *t, struct tree *next)
{
    uint64_t hash = t->seed;

    for (int i = 0; i < TREE_ROUNDS; i++)
        hash = bench_mix(hash);
    t->nodes = 1;
    t->deepest = t->depth;
    if (hash >= TREE_CHANCE && t->depth > 1)
        return 0;
    for (unsigned i = 0; i < TREE_CHILDREN; i++) {
        next[i].seed = hash + i * UINT64_C(0x9e3779b97f4a7c15) + i;
        next[i].depth = t->depth + 1;
        next[i].nodes = 0;
        next[i].deepest = 0;
    }
    return TREE_CHILDREN;
}

static inline void
tree_fold(struct tree *t, const struct tree *child)
{
    t->nodes += child->nodes;
    if (child->deepest > t->deepest)
        t->deepest = child->deepest;
}

/* ---- what each program does ---------------------------------------------- */

/* Where a program is told what to solve, and where it leaves its answers. */
static struct {
    unsigned fib, queens;
    struct tree_shape shape;
    uint64_t fib_result;
    struct queens queens_result;
    struct tree tree_result;
} problem;

/* THREADS FIB QUEENS full|small REPEATS */
static inline unsigned
problem_read(int argc, char **argv)
{
    problem.fib = (unsigned)bench_arg(argc, argv, 2, 20);
    problem.queens = (unsigned)bench_arg(argc, argv, 3, 8);
    problem.shape =
        argc > 4 && strcmp(argv[4], "full") == 0 ? tree_full : tree_small;
    return (unsigned)bench_arg(argc, argv, 5, 3);
}

/* The median time of one run. The first does not count: threads start. */
static inline double
problem_time(void (*run)(void), unsigned repeats)
{
    double ns[31];

    if (repeats == 0 || repeats > 31)
        repeats = 31;
    run();
    for (unsigned i = 0; i < repeats; i++) {
        uint64_t start = bench_now_ns();

        run();
        ns[i] = (double)(bench_now_ns() - start);
    }
    return bench_median(ns, repeats);
}

/*
 * Each function solves its problem `times` times, once of these into `problem`, and
 * the figures are for one of them. `threads` is part of the metrics' names.
 */
static inline void
problem_measure(unsigned threads, unsigned times, unsigned repeats,
                void (*fib)(void), void (*queens)(void), void (*tree)(void))
{
    char metric[32];
    double ns;

    ns = problem_time(fib, repeats) / times;
    bench_check(problem.fib_result == fib_answer(problem.fib), "fib");
    snprintf(metric, sizeof metric, "fib_%u", threads);
    bench_report(metric, ns / fib_calls(problem.fib));

    ns = problem_time(queens, repeats) / times;
    bench_check(problem.queens_result.ways == queens_answer(problem.queens),
                "queens");
    snprintf(metric, sizeof metric, "queens_%u", threads);
    bench_report(metric, ns / 1e6);

    ns = problem_time(tree, repeats) / times;
    bench_check(problem.tree_result.nodes == problem.shape.nodes &&
                    problem.tree_result.deepest == problem.shape.deepest,
                "tree");
    snprintf(metric, sizeof metric, "tree_%u", threads);
    bench_report(metric, ns / 1e6);
}

#endif
