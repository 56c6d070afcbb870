/*
 * sim_test.c - small graphs of tasks under schedules that are drawn from a seed:
 * forks, groups, loops and phases, cancelled or not, with workers that sleep and
 * wake.
 *
 * ZK_TEST_FULL=1: a hundred thousand schedules.
 */
#include "tests/support.h"

#include "private/atomic.h"

enum { GRAPHS = 20 }; /* of one run: each is a schedule of its own */

enum kind { LEAF, FORKS, GROUP, LOOP, KINDS };

/* Each node is counted when it runs, and by the plan. */
struct graph {
    unsigned planned;
    _Atomic unsigned ran, twice;
    _Atomic unsigned alive; /* tasks that run */
    bool cancel;
    zk_phase_id_t phase;
};

struct node {
    struct graph *graph;
    enum kind kind;
    unsigned children, first; /* of the children, in the plan */
    _Atomic unsigned runs;
};

enum { NODES = 64 };

struct plan {
    struct graph graph;
    struct node node[NODES];
    unsigned count;
    unsigned errors; /* what should not have been */
};

static struct plan plan;

/* Draws a tree of at most NODES nodes, breadth first. */
static void
draw(void)
{
    unsigned open = 1;

    memset(&plan.graph, 0, sizeof plan.graph);
    plan.count = 1;
    for (unsigned i = 0; i < open; i++) {
        struct node *n = &plan.node[i];
        unsigned children = 1 + sim_below(3);

        memset(n, 0, sizeof *n);
        n->graph = &plan.graph;
        n->kind = open + children > 24 ? LEAF : (enum kind)sim_below(KINDS);
        if (i == 0 && n->kind == LEAF)
            n->kind = FORKS;
        n->children = n->kind != LEAF ? children : 0;
        n->first = open;
        open += n->children;
    }
    plan.count = open;
    plan.graph.planned = open;
    plan.graph.cancel = sim_below(4) == 0;
}

static int run_node(void *arg);

static int
run_children(size_t from, size_t to, void *arg)
{
    const struct node *n = arg;
    int code = 0;

    for (; from < to && code == 0; from++)
        code = run_node(&plan.node[n->first + from]);
    return code;
}

static int
run_forks(const struct node *n)
{
    zk_fork_t fork[3];
    int code = 0;

    for (unsigned i = 0; i < n->children; i++)
        fork[i] = zk_fork(run_node, &plan.node[n->first + i]);
    for (unsigned i = n->children; i-- > 0;) {
        int other = zk_join(fork[i]);

        code = code != 0 ? code : other;
    }
    return code;
}

static int
run_group(const struct node *n)
{
    zk_group_t g = ZK_GROUP_INIT;
    int code = 0;

    for (unsigned i = 0; i < n->children && code == 0; i++)
        code = zk_spawn(&g, run_node, &plan.node[n->first + i]);
    if (code == 0)
        return zk_sync(&g);
    (void)zk_sync(&g);
    return code;
}

static int
run_node(void *arg)
{
    struct node *n = arg;
    struct graph *g = n->graph;
    int code = 0;

    zk_add_seq_cst(&g->alive, 1u);
    zk_add_seq_cst(&g->ran, 1u);
    if (zk_add_seq_cst(&n->runs, 1u) != 0)
        zk_add_seq_cst(&g->twice, 1u);
    if (g->cancel && n == &plan.node[plan.count / 2])
        (void)zk_phase_cancel(g->phase);
    if (n->kind == FORKS)
        code = run_forks(n);
    else if (n->kind == GROUP)
        code = run_group(n);
    else if (n->kind == LOOP)
        code = zk_parallel_for(0, n->children, 1, run_children, n);
    zk_sub_seq_cst(&g->alive, 1u);
    return code;
}

/* What the children's results and the phase's end must have been. */
static void
check_graph(int code, zk_err_t ended)
{
    struct graph *g = &plan.graph;
    bool cancelled = g->cancel && ended == ZK_ECANCELED;

    plan.errors += zk_load_relaxed(&g->alive) != 0;
    plan.errors += zk_load_relaxed(&g->twice) != 0;
    if (cancelled) {
        plan.errors += code != 0 && code != ZK_ECANCELED;
        return;
    }
    plan.errors += g->cancel && zk_load_relaxed(&g->ran) == g->planned;
    plan.errors += code != 0 || ended != ZK_OK;
    plan.errors += zk_load_relaxed(&g->ran) != g->planned;
}

struct meeting {
    unsigned wanted;
    _Atomic unsigned came;
};

static int
meet(void *arg)
{
    struct meeting *m = arg;

    zk_add_seq_cst(&m->came, 1u);
    while (zk_load_relaxed(&m->came) < m->wanted)
        zk__sim_pause();
    return 0;
}

/* Each worker has to come, also one that sleeps: a lost wake-up ends here. */
static void
run_meeting(unsigned workers)
{
    struct meeting m = {.wanted = workers};
    zk_group_t g = ZK_GROUP_INIT;

    for (unsigned i = 1; i < workers; i++)
        plan.errors += zk_spawn(&g, meet, &m) != ZK_OK;
    plan.errors += meet(&m) != 0;
    plan.errors += zk_sync(&g) != ZK_OK;
}

static void
wait_a_while(void)
{
    unsigned n = sim_below(6000);

    for (unsigned i = 0; i < n; i++)
        zk__sim_pause();
}

static void
run_graphs(void *arg)
{
    const unsigned *workers = arg;
    zk_runtime_t *lane = NULL;

    plan.errors += zk_runtime_open(
                       &lane, ZK_OPTIONS(.workers = *workers, .slab_bytes = MIB,
                                         .spin_us = 1, .bind = ZK_BIND_NONE,
                                         .notice = test_no_notice)) != ZK_OK;
    plan.errors += zk_runtime_enter(lane) != ZK_OK;
    for (unsigned i = 0; i < GRAPHS && plan.errors == 0; i++) {
        zk_err_t ended;
        int code;

        draw();
        plan.errors += zk_phase_begin("graph") != ZK_OK;
        plan.graph.phase = zk_phase_id();
        code = run_node(&plan.node[0]);
        ended = zk_phase_end();
        check_graph(code, ended);
        if (sim_below(3) == 0)
            wait_a_while(); /* some of the workers fall asleep */
        if (sim_below(3) == 0)
            run_meeting(*workers);
    }
    plan.errors += zk_runtime_leave() != ZK_OK;
    plan.errors += zk_runtime_close(lane) != ZK_OK;
}

static void
test_small_graphs_run_right_under_any_schedule(void **state)
{
    uint64_t seed = test_seed("schedules");
    unsigned runs = (test_full() ? 100000 : 4000) / GRAPHS;
    struct sim_result all = {false, 0, 0, 0};

    (void)state;
    plan.errors = 0;
    for (unsigned i = 0; i < runs; i++) {
        unsigned workers = 2 + i % 3;
        uint64_t drawn = seed + i;
        struct sim_result r = sim_run(drawn, run_graphs, &workers);

        if (r.stuck || plan.errors != 0)
            print_error("ZK_TEST_SEED=%llu, %u workers: %s, %u errors\n",
                        (unsigned long long)drawn, workers,
                        r.stuck ? "stuck" : "ended", plan.errors);
        assert_false(r.stuck);
        assert_int_equal(plan.errors, 0);
        all.points += r.points;
        all.switches += r.switches;
        all.sleeps += r.sleeps;
    }
    printf("%u schedules: %llu points, %llu switches, %llu sleeps\n",
           (unsigned)(runs * GRAPHS), (unsigned long long)all.points,
           (unsigned long long)all.switches, (unsigned long long)all.sleeps);
    assert_true(all.sleeps != 0);
}

static uint64_t digest;

static void
run_and_digest(void *arg)
{
    run_graphs(arg);
    digest = sim_below(UINT32_MAX);
}

static void
test_a_seed_is_a_schedule(void **state)
{
    unsigned workers = 3;

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sim_result a = sim_run(seed, run_and_digest, &workers);
        uint64_t first = digest;
        struct sim_result b = sim_run(seed, run_and_digest, &workers);

        assert_true(digest == first);
        assert_true(a.points == b.points && a.switches == b.switches);
    }
}

/* The simulation itself: who waits for nobody is found out. */
static void
wait_for_ever(void *arg)
{
    _Atomic bool *never = arg;

    while (!zk_load_relaxed(never))
        zk_pause();
}

static void
test_what_never_ends_is_found_out(void **state)
{
    _Atomic bool never = false;

    (void)state;
    assert_true(sim_run(1, wait_for_ever, &never).stuck);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_graphs_run_right_under_any_schedule),
        cmocka_unit_test(test_a_seed_is_a_schedule),
        cmocka_unit_test(test_what_never_ends_is_found_out),
    };

    /* What is done once in a process is done before. */
    if (zk_runtime_close(zk_runtime_current()) != ZK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
