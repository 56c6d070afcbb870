/*
 * forks_test.c - recursions without a cutoff: many forks, deep ones, and trees too
 * deep for any stack, in flat memory.
 *
 * ZK_TEST_FULL=1: fib(35), 12 queens, a tree of depth 10^6.
 */
#include "tests/stress/still.h"

/* ---- problems ------------------------------------------------------------ */

struct fib {
    unsigned n;
    uint64_t result;
};

static int
fib(void *arg)
{
    struct fib *f = arg;
    struct fib a = {f->n - 1, 0}, b = {f->n - 2, 0};
    zk_fork_t fork;
    int err;

    f->result = f->n;
    if (f->n < 2)
        return 0;
    fork = zk_fork(fib, &a);
    err = fib(&b);
    err |= zk_join(fork);
    f->result = a.result + b.result;
    return err;
}

struct queens {
    unsigned n, columns, left, right;
    uint64_t ways;
};

static int
place(void *arg)
{
    struct queens *q = arg, next[12];
    unsigned all = (1u << q->n) - 1;
    unsigned open = all & ~(q->columns | q->left | q->right);
    zk_fork_t fork[12];
    unsigned n = 0;
    int err = 0;

    q->ways = q->columns == all;
    for (; open != 0; open &= open - 1, n++) {
        unsigned bit = open & -open;

        next[n] = (struct queens){q->n, q->columns | bit, (q->left | bit) << 1,
                                  (q->right | bit) >> 1, 0};
        fork[n] = zk_fork(place, &next[n]);
    }
    while (n-- > 0) {
        err |= zk_join(fork[n]);
        q->ways += next[n].ways;
    }
    return err;
}

/*
 * A path with a twig at each node. Its tasks are of one group and end when they
 * have spawned the next, so that the stack does not know how deep the tree is.
 */
struct path {
    zk_group_t group;
    _Atomic unsigned left;
    _Atomic uint64_t nodes;
};

static int
visit_twig(void *arg)
{
    struct path *p = arg;

    zk_add_relaxed(&p->nodes, (uint64_t)1);
    return 0;
}

static int
visit_path(void *arg)
{
    struct path *p = arg;
    int err = 0;

    zk_add_relaxed(&p->nodes, (uint64_t)1);
    if (zk_load_relaxed(&p->left) == 0)
        return 0;
    zk_bump_relaxed(&p->left, -1u); /* the next of the path is the only one */
    err |= zk_spawn(&p->group, visit_path, p);
    err |= zk_spawn(&p->group, visit_twig, p); /* the newest runs first */
    return err;
}

/* ---- tests ---------------------------------------------------------------- */

static const unsigned widths[] = {1, 2, 5};

static zk_runtime_t *
enter(unsigned workers)
{
    zk_runtime_t *lane = rt_lane(workers, 2);

    return lane != NULL && zk_runtime_enter(lane) == ZK_OK ? lane : NULL;
}

static void
leave(zk_runtime_t *lane)
{
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Mappings and memory are as after the first run. */
static void
assert_still(const struct still *before)
{
    struct still now = still_now();

    assert_true(now.resident <= before->resident + STILL_RESIDENT);
    assert_true(now.mappings <= before->mappings + STILL_MAPPINGS);
    assert_int_equal(now.threads, before->threads);
}

static void
test_fibonacci_by_forks_is_right_in_flat_memory(void **state)
{
    unsigned n = test_full() ? 35 : TEST_SANITIZED ? 22 : 28;
    uint64_t a = 0, b = 1;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        uint64_t sum = a + b;

        a = b;
        b = sum;
    }
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        zk_runtime_t *lane = enter(widths[w]);
        struct fib f = {20, 0};
        struct still still;

        assert_int_equal(fib(&f), 0);
        still = still_now();
        f.n = n;
        assert_int_equal(fib(&f), 0);
        assert_int_equal(f.result, a);
        assert_still(&still);
        leave(lane);
    }
}

static void
test_queens_by_forks_are_right_in_flat_memory(void **state)
{
    unsigned n = test_full() ? 12 : TEST_SANITIZED ? 8 : 10;
    uint64_t ways = n == 12 ? 14200 : n == 10 ? 724 : 92;

    (void)state;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        zk_runtime_t *lane = enter(widths[w]);
        struct queens q = {.n = 6};
        struct still still;

        assert_int_equal(place(&q), 0);
        still = still_now();
        q = (struct queens){.n = n};
        assert_int_equal(place(&q), 0);
        assert_int_equal(q.ways, ways);
        assert_still(&still);
        leave(lane);
    }
}

static void
test_a_tree_deeper_than_any_stack_runs_in_flat_memory(void **state)
{
    unsigned depth = test_full() ? 1000000 : test_scaled(200000);

    (void)state;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        zk_runtime_t *lane = enter(widths[w]);
        struct still still = still_now();

        for (unsigned i = 0; i < 2; i++) {
            struct path p = {.left = depth};

            assert_int_equal(zk_spawn(&p.group, visit_path, &p), ZK_OK);
            assert_int_equal(zk_sync(&p.group), ZK_OK);
            assert_int_equal(zk_load_acquire(&p.nodes),
                             2 * (uint64_t)depth + 1);
            if (i == 0)
                still = still_now();
        }
        assert_still(&still);
        leave(lane);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fibonacci_by_forks_is_right_in_flat_memory),
        cmocka_unit_test(test_queens_by_forks_are_right_in_flat_memory),
        cmocka_unit_test(test_a_tree_deeper_than_any_stack_runs_in_flat_memory),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
