/*
 * groups.c - the three problems with zk_spawn() and zk_sync(): a group of tasks
 * for each node.
 *
 *     tasks_groups THREADS FIB QUEENS full|small REPEATS
 */
#include "lane.h"
#include "problems.h"

struct fib {
    uint64_t n, result;
};

static int
fib(void *arg)
{
    struct fib *f = arg;

    if (f->n < 2) {
        f->result = f->n;
        return 0;
    }

    zk_group_t group = ZK_GROUP_INIT;
    struct fib a = {f->n - 1, 0}, b = {f->n - 2, 0};
    int err = zk_spawn(&group, fib, &a);

    err |= fib(&b);
    err |= zk_sync(&group);
    f->result = a.result + b.result;
    return err;
}

static int
place(void *arg)
{
    struct queens *q = arg, next[QUEENS_MAX];
    zk_group_t group = ZK_GROUP_INIT;
    unsigned count = queens_unfold(q, next);
    int err = 0;

    for (unsigned i = 0; i < count; i++)
        err |= zk_spawn(&group, place, &next[i]);
    err |= zk_sync(&group);
    for (unsigned i = 0; i < count; i++)
        q->ways += next[i].ways;
    return err;
}

static int
walk(void *arg)
{
    struct tree *t = arg, next[TREE_CHILDREN];
    zk_group_t group = ZK_GROUP_INIT;
    unsigned count = tree_unfold(t, next);
    int err = 0;

    for (unsigned i = 0; i < count; i++)
        err |= zk_spawn(&group, walk, &next[i]);
    err |= zk_sync(&group);
    for (unsigned i = 0; i < count; i++)
        tree_fold(t, &next[i]);
    return err;
}

static void
run_fib(void)
{
    struct fib f = {problem.fib, 0};

    must(fib(&f), "fib");
    problem.fib_result = f.result;
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
