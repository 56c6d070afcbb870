/*
 * graphs.c - see graphs.h.
 *
 * Owns:   the plan of a graph, its nodes' bodies, and what must hold afterwards.
 * Never:  asserts: it counts what should not have been.
 */
#include "tests/sim/graphs.h"

#include "private/atomic.h"

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

unsigned
graphs_errors(void)
{
    return plan.errors;
}

void
graphs_forget_errors(void)
{
    plan.errors = 0;
}

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

void
graphs_run(void *arg)
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
