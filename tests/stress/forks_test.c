/*
 * forks_test.c - recursions without a cutoff: many forks, deep ones, and trees too
 * deep for any stack, in flat memory, on stacks of 8 MiB.
 *
 * ZK_TEST_FULL=1: fib(35), 12 queens, a tree of depth 10^6.
 */
#include <sys/resource.h>

#include "tests/stress/still.h"
#include "tests/stress/watch.h"

#define STACK_BYTES (8 * MIB)
#define PATIENCE_S  600u /* for fib(35) in a slow build */

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
    zk_runtime_t *lane = NULL;
    zk_err_t err = zk_runtime_open(
        &lane, ZK_OPTIONS(.workers = workers, .spare_slots = 2,
                          .slab_bytes = 4 * MIB, .stack_bytes = STACK_BYTES,
                          .bind = ZK_BIND_NONE, .notice = test_no_notice));

    return err == ZK_OK && zk_runtime_enter(lane) == ZK_OK ? lane : NULL;
}

/* The kernel looks at the limit as the stack grows. */
static bool
limit_own_stack(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_STACK, &limit) != 0)
        return false;
    limit.rlim_cur = STACK_BYTES;
    return setrlimit(RLIMIT_STACK, &limit) == 0;
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

    watch_beat();
    printf("resident %zu -> %zu KiB, mappings %u -> %u\n",
           before->resident / KIB, now.resident / KIB, before->mappings,
           now.mappings);
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
        printf("fib(%u) = %llu, %u workers: ", n, (unsigned long long)f.result,
               widths[w]);
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
        printf("%u queens: %llu ways, %u workers: ", n,
               (unsigned long long)q.ways, widths[w]);
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
        printf("a tree of depth %u, %u workers: ", depth, widths[w]);
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

    if (!limit_own_stack())
        return 1;
    rt_begin();
    watch_begin("forks", PATIENCE_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
