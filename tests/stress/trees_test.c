/*
 * trees_test.c - random trees of tasks: groups, loops, forks and detached tasks
 * inside each other, counted twice.
 *
 * A node's shape follows from its seed alone, so the same walk without the
 * library says how many nodes there are. Some trees have nodes that fail.
 */
#include "tests/runtime/rt.h"

#define MAX_DEPTH 7u
#define FAILURE   1000 /* codes of failing nodes are above it */

enum kind { LEAF, GROUP, LOOP, FORKS, DETACHED, KINDS };

struct tree {
    unsigned failing; /* one node in so many fails; 0: none does */
    bool phase;       /* within one: nodes allocate, too */
    _Atomic uint64_t nodes, torn, refused;
    _Atomic uint64_t detached; /* nodes that detached tasks have to run */
    uint64_t failures;         /* by the sequential count */
};

struct node {
    struct tree *tree;
    uint64_t seed;
    unsigned depth;
};

static enum kind
shape(const struct node *n, unsigned *children)
{
    struct test_random r = {n->seed};
    enum kind kind = (enum kind)test_below(&r, KINDS);

    *children = 1 + (unsigned)test_below(&r, 4);
    return n->depth >= MAX_DEPTH ? LEAF : n->depth < 3 ? kind % 3 + 1 : kind;
}

static struct node
child(const struct node *n, unsigned i)
{
    struct test_random r = {n->seed + i * 0x9e3779b97f4a7c15u + 1};

    return (struct node){n->tree, test_next(&r), n->depth + 1};
}

/* 0, or the code that this node returns by itself. Detached ones never do. */
static int
failure(const struct node *n)
{
    struct test_random r = {n->seed ^ 0x5555555555555555u};

    return n->tree->failing != 0 && test_below(&r, n->tree->failing) == 0
               ? FAILURE + 1 + (int)test_below(&r, 1000)
               : 0;
}

static uint64_t
count_nodes(const struct node *n)
{
    unsigned children;
    enum kind kind = shape(n, &children);
    uint64_t sum = 1;

    n->tree->failures += failure(n) != 0;
    for (unsigned i = 0; kind != LEAF && i < children; i++) {
        struct node c = child(n, i);

        if (kind == DETACHED)
            sum++; /* a leaf whatever its seed says */
        else
            sum += count_nodes(&c);
    }
    return sum;
}

static int run_node(void *arg);

static int
run_children(size_t from, size_t to, void *arg)
{
    int code = 0;

    for (size_t i = from; i < to && code == 0; i++) {
        struct node c = child(arg, (unsigned)i);

        code = run_node(&c);
    }
    return code;
}

static int
run_detached(void *arg)
{
    struct tree *t = arg;

    zk_add_relaxed(&t->nodes, (uint64_t)1);
    return 0;
}

static int
run_group(struct node *n, unsigned children)
{
    zk_group_t group = ZK_GROUP_INIT;
    struct node c[4];

    for (unsigned i = 0; i < children; i++) {
        c[i] = child(n, i);
        if (zk_spawn(&group, run_node, &c[i]) != ZK_OK)
            zk_add_relaxed(&n->tree->refused, (uint64_t)1);
    }
    return zk_sync(&group);
}

/* All but the first child are forked. A failing one does not stop the others. */
static int
run_forks(struct node *n, unsigned children)
{
    zk_fork_t fork[4];
    struct node c[4] = {child(n, 0)};
    int code;

    for (unsigned i = 1; i < children; i++) {
        c[i] = child(n, i);
        fork[i] = zk_fork(run_node, &c[i]);
    }
    code = run_node(&c[0]);
    for (unsigned i = children - 1; i > 0; i--) {
        int other = zk_join(fork[i]);

        code = code != 0 ? code : other;
    }
    return code;
}

static int
run_node(void *arg)
{
    struct node *n = arg;
    struct tree *t = n->tree;
    unsigned children;
    enum kind kind = shape(n, &children);
    size_t bytes = 64 + n->seed % 6000;
    char *p = t->phase ? zk_malloc(bytes) : NULL;
    int code = 0;

    zk_add_relaxed(&t->nodes, (uint64_t)1);
    if (p != NULL)
        test_fill(p, bytes, n->seed);
    if (kind == GROUP)
        code = run_group(n, children);
    else if (kind == LOOP)
        code = zk_parallel_for(0, children, 1, run_children, n);
    else if (kind == FORKS)
        code = run_forks(n, children);
    else if (kind == DETACHED)
        for (unsigned i = 0; i < children; i++) {
            zk_add_relaxed(&t->detached, (uint64_t)1);
            if (zk_spawn(NULL, run_detached, t) != ZK_OK)
                zk_add_relaxed(&t->refused, (uint64_t)1);
        }
    if (p != NULL && !test_holds(p, bytes, n->seed))
        zk_add_relaxed(&t->torn, (uint64_t)1);
    if (n->seed % 3 == 0)
        zk_free(p);
    else if (!zk_in_arena(p))
        zk_free(p);
    return code != 0 ? code : failure(n);
}

/* Runs the tree of a seed. With a phase all is over at its end; without one, when
 * the lane has closed. */
static int
run_tree(struct tree *t, uint64_t seed)
{
    struct node root = {t, seed, 0};
    zk_group_t group = ZK_GROUP_INIT;
    int code;

    if (t->phase)
        assert_int_equal(zk_phase_begin("tree"), ZK_OK);
    assert_int_equal(zk_spawn(&group, run_node, &root), ZK_OK);
    code = zk_sync(&group);
    if (t->phase)
        assert_int_equal(zk_phase_end(), 0);
    return code;
}

static void
test_trees_run_each_node_once(void **state)
{
    struct test_random random = {test_seed("trees")};
    uint64_t all = 0;

    (void)state;
    for (unsigned i = 0; i < test_scaled(600); i++) {
        zk_runtime_t *lane = test_lane(1 + i % 4, 2 * MIB, 256);
        struct tree trees[4] = {{.phase = true}, {0}, {.phase = true}, {0}};
        uint64_t expected[4];

        assert_non_null(lane);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (unsigned k = 0; k < 4; k++) {
            uint64_t seed = test_next(&random);
            struct node root = {&trees[k], seed, 0};

            expected[k] = count_nodes(&root);
            assert_int_equal(run_tree(&trees[k], seed), 0);
            if (trees[k].phase)
                assert_int_equal(zk_load_relaxed(&trees[k].nodes), expected[k]);
            all += expected[k];
        }
        assert_int_equal(test_stats(lane).bad_frees, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        for (unsigned k = 0; k < 4; k++) {
            assert_int_equal(zk_load_relaxed(&trees[k].nodes), expected[k]);
            assert_int_equal(zk_load_relaxed(&trees[k].torn), 0);
            assert_int_equal(zk_load_relaxed(&trees[k].refused), 0);
        }
    }
    printf("%llu nodes\n", (unsigned long long)all);
}

/* A failure stops what had not started: what ran is at most the whole, every
 * detached task that was spawned has run, and the code is that of a node. */
static void
test_trees_with_failing_nodes_return_one_of_their_codes(void **state)
{
    struct test_random random = {test_seed("failing trees")};
    unsigned failed = 0;

    (void)state;
    for (unsigned i = 0; i < test_scaled(600); i++) {
        zk_runtime_t *lane = test_lane(1 + i % 4, 2 * MIB, 256);

        assert_non_null(lane);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        for (unsigned k = 0; k < 4; k++) {
            struct tree t = {.phase = true, .failing = 10u << k};
            uint64_t seed = test_next(&random);
            struct node root = {&t, seed, 0};
            uint64_t expected = count_nodes(&root);
            int code = run_tree(&t, seed);

            if (t.failures == 0) {
                assert_int_equal(code, 0);
                assert_int_equal(zk_load_relaxed(&t.nodes), expected);
            } else {
                assert_true(code > FAILURE);
                assert_true(zk_load_relaxed(&t.nodes) <= expected);
                failed++;
            }
            assert_true(zk_load_relaxed(&t.nodes) >=
                        zk_load_relaxed(&t.detached));
            assert_int_equal(zk_load_relaxed(&t.torn), 0);
            assert_int_equal(zk_load_relaxed(&t.refused), 0);
        }
        assert_int_equal(test_stats(lane).bad_frees, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    printf("%u trees failed\n", failed);
    assert_true(failed != 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees_run_each_node_once),
        cmocka_unit_test(
            test_trees_with_failing_nodes_return_one_of_their_codes),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
