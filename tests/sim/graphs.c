/*
 * graphs.c - see graphs.h.
 *
 * Owns:   the plan of a graph, its nodes' bodies, who submits from outside meanwhile,
 *         and what must hold afterwards.
 * Never:  asserts: it counts what should not have been.
 */
#include "tests/sim/graphs.h"

#include "private/atomic.h"
#include "runtime/futex.h"

enum kind { LEAF, FORKS, GROUP, LOOP, KINDS };

#define FAILURE 4711

/* Each node is counted when it runs, and by the plan. */
struct graph {
    unsigned planned;
    _Atomic unsigned ran, twice;
    _Atomic unsigned alive; /* tasks that run */
    _Atomic unsigned torn;  /* memory that was not as it was left */
    bool cancel;
    bool fails; /* the node in the middle of the second half does */
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
    uint64_t far;    /* tasks that came from another node's inbox */
};

static struct plan plan;

unsigned
graphs_errors(void)
{
    return plan.errors;
}

uint64_t
graphs_far(void)
{
    return plan.far;
}

void
graphs_forget_errors(void)
{
    plan.errors = 0;
    plan.far = 0;
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
    plan.graph.fails = sim_below(4) == 0;
}

static const struct node *
failing_node(void)
{
    return plan.graph.fails ? &plan.node[plan.count - 1 - plan.count / 4]
                            : NULL;
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

/* A block of the phase whose words all say whose it is. */
static uintptr_t *
mark_block(const void *whose, size_t words)
{
    uintptr_t *p = zk_malloc(words * sizeof *p);

    for (size_t i = 0; p != NULL && i < words; i++)
        p[i] = (uintptr_t)whose + i;
    return p;
}

static bool
is_marked(const uintptr_t *p, const void *whose, size_t words)
{
    bool whole = p != NULL;

    for (size_t i = 0; whole && i < words; i++)
        whole = p[i] == (uintptr_t)whose + i;
    return whole;
}

static int
run_node(void *arg)
{
    struct node *n = arg;
    struct graph *g = n->graph;
    size_t words = 8 + (size_t)(n - plan.node) * 7;
    uintptr_t *block = mark_block(n, words);
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
    if (!is_marked(block, n, words))
        zk_add_seq_cst(&g->torn, 1u);
    if (words % 2 == 0 || !zk_in_arena(block))
        zk_free(block); /* the others are the phase's to free */
    zk_sub_seq_cst(&g->alive, 1u);
    return n == failing_node() ? FAILURE : code;
}

/* What the children's results and the phase's end must have been. A failure stops
 * what had not started, and its code comes back through whatever is nested. */
static void
check_graph(int code, zk_err_t ended)
{
    struct graph *g = &plan.graph;
    bool cancelled = g->cancel && ended == ZK_ECANCELED;

    plan.errors += zk_load_relaxed(&g->alive) != 0;
    plan.errors += zk_load_relaxed(&g->twice) != 0;
    plan.errors += zk_load_relaxed(&g->torn) != 0;
    if (cancelled) {
        plan.errors +=
            code != 0 && code != ZK_ECANCELED && (code != FAILURE || !g->fails);
        return;
    }
    plan.errors += g->cancel && zk_load_relaxed(&g->ran) == g->planned;
    plan.errors += code != (g->fails ? FAILURE : 0) || ended != ZK_OK;
    if (g->fails)
        plan.errors += zk_load_relaxed(&failing_node()->runs) != 1;
    else
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

/* ---- from outside ---------------------------------------------------------- */

/* A group of a phase that others may add to, while it is open. Never reused in a
 * run, so that whoever comes late finds it. */
struct counter {
    zk_group_t group;
    _Atomic unsigned ran, told;
    _Atomic bool over; /* its phase has ended */
    bool has_phase, cancelled;
    _Atomic unsigned added;
};

static struct {
    zk_runtime_t *lane;
    struct counter of_phase[GRAPHS];
    _Atomic unsigned opened; /* phases with a counter */
    _Atomic uint32_t bell;   /* rung where one begins and ends */
    struct {
        _Atomic uint32_t heard; /* a ring, and is through with what it does */
    } outsider[2];
    _Atomic bool stop;
    _Atomic unsigned errors;
} shop;

static void
complain_if(bool wrong)
{
    if (wrong)
        zk_add_seq_cst(&shop.errors, 1u);
}

static int
count_one(void *arg)
{
    struct counter *c = arg;

    complain_if(zk_load_seq_cst(&c->over));
    if (c->has_phase) {
        uintptr_t *block = mark_block(c, 50);

        for (unsigned i = sim_below(20); i != 0; i--)
            zk__sim_pause();
        complain_if(!is_marked(block, c, 50) || !zk_in_arena(block));
        complain_if(zk_load_seq_cst(&c->over));
    }
    zk_add_seq_cst(&c->ran, 1u);
    return 0;
}

static void
count_told(int code, void *arg)
{
    struct counter *c = arg;

    complain_if(code != 0);
    zk_add_seq_cst(&c->told, 1u);
}

/* Three ways to hear of the end of what was submitted in no phase. */
static void
submit_some(void)
{
    struct counter c = {.ran = 0};
    const zk_submission_t s = {sizeof s, count_one, &c, count_told, &c};
    unsigned n = 1 + sim_below(3), way = sim_below(3);

    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = sim_below(4) / 3 * sim_below(300); k != 0; k--)
            zk__sim_pause(); /* a worker may be about to sleep */
        complain_if((way == 0 ? zk_submit(shop.lane, NULL, &s)
                              : zk_spawn_on(shop.lane, &c.group, count_one,
                                            &c)) != ZK_OK);
    }
    while (way == 0 ? zk_load_seq_cst(&c.told) < n
                    : way == 1 && !zk_group_done(&c.group))
        zk__sim_pause();
    complain_if(zk_sync(&c.group) != ZK_OK);
    complain_if(zk_load_seq_cst(&c.ran) != n);
}

/* Adds to the group of a phase that ends at any moment, or has long ended. */
static void
submit_to_a_phase(void)
{
    unsigned opened = zk_load_seq_cst(&shop.opened);
    struct counter *c;
    zk_err_t err;

    if (opened == 0)
        return;
    c = &shop.of_phase[opened - 1];
    for (unsigned i = sim_below(6); i != 0; i--) {
        err = zk_spawn_on(shop.lane, &c->group, count_one, c);
        complain_if(err != ZK_OK && err != ZK_ESTALE && err != ZK_ECANCELED);
        if (err == ZK_OK)
            zk_add_seq_cst(&c->added, 1u);
    }
}

static void *
come_from_outside(void *index)
{
    for (;;) {
        uint32_t seen = zk_load_seq_cst(&shop.bell);

        if (zk_load_seq_cst(&shop.stop))
            break;
        if (sim_below(2) == 0)
            submit_some();
        else
            submit_to_a_phase();
        zk_store_seq_cst(&shop.outsider[(uintptr_t)index].heard, seen);
        zk__futex_wait(&shop.bell, seen, ZK_FOREVER);
    }
    return index;
}

static void
ring(void)
{
    zk_add_seq_cst(&shop.bell, 1u);
    zk__futex_wake(&shop.bell, INT32_MAX);
}

/* Until the outsiders have what they want, without lifting a finger: a wake-up that is
 * lost here nobody makes good. */
static void
let_them_come(unsigned outsiders)
{
    uint32_t wanted;

    ring();
    wanted = zk_load_seq_cst(&shop.bell);
    for (unsigned i = 0; i < outsiders; i++)
        while (zk_load_seq_cst(&shop.outsider[i].heard) != wanted)
            zk__sim_pause();
}

static void
open_counter(unsigned graph)
{
    struct counter *c = &shop.of_phase[graph];

    memset(c, 0, sizeof *c);
    c->has_phase = true;
    complain_if(zk_spawn(&c->group, count_one, c) != ZK_OK);
    zk_add_seq_cst(&c->added, 1u);
    zk_store_seq_cst(&shop.opened, graph + 1);
    ring();
}

/* What was added and not cancelled has run. */
static void
check_counters(unsigned graphs)
{
    for (unsigned i = 0; i < graphs; i++) {
        struct counter *c = &shop.of_phase[i];
        unsigned ran = zk_load_seq_cst(&c->ran);
        unsigned added = zk_load_seq_cst(&c->added);

        complain_if(c->cancelled ? ran > added : ran != added);
        (void)zk_sync(&c->group);
    }
    plan.errors += zk_load_seq_cst(&shop.errors);
}

/* ---- a run ------------------------------------------------------------------ */

/* A graph in a stage, and perhaps in one of that. What the phase had before stays. */
static void
run_stages(unsigned depth)
{
    size_t words = 700;
    uintptr_t *kept = mark_block(&plan, words);
    int code;

    if (depth != 0 && sim_below(2) == 0) {
        ring();
        plan.errors += zk_phase_begin("stage") != ZK_OK;
        run_stages(depth - 1);
        ring();
        plan.errors += zk_phase_end() != ZK_OK;
    }
    draw();
    plan.graph.cancel = false;
    code = run_node(&plan.node[0]);
    check_graph(code, ZK_OK);
    plan.errors += !is_marked(kept, &plan, words);
}

static void
run_phase(unsigned graph)
{
    zk_err_t ended;
    int code;

    plan.errors += zk_phase_begin("graph") != ZK_OK;
    open_counter(graph);
    if (sim_below(3) == 0)
        run_stages(2);
    draw();
    plan.graph.phase = zk_phase_id();
    code = run_node(&plan.node[0]);
    ring();
    ended = zk_phase_end();
    shop.of_phase[graph].cancelled = ended == ZK_ECANCELED;
    zk_store_seq_cst(&shop.of_phase[graph].over, true);
    check_graph(code, ended);
}

void
graphs_run(void *arg)
{
    const unsigned *workers = arg;
    unsigned outsiders = sim_below(3), graph = 0;
    pthread_t outsider[2];
    zk_runtime_stats_t stats = {.size = sizeof stats};
    zk_runtime_t *lane = NULL;

    plan.errors +=
        zk_runtime_open(
            &lane, ZK_OPTIONS(.workers = *workers, .slab_bytes = MIB,
                              .spare_slots = 1 + sim_below(3), .min_bytes = 1,
                              .spin_us = 1,
                              .keep_bytes = sim_below(2) == 0 ? SIZE_MAX : 0,
                              .bind = sim_below(2) == 0 ? ZK_BIND_NONE
                                                        : ZK_BIND_SPREAD,
                              .notice = test_no_notice)) != ZK_OK;
    plan.errors += zk_runtime_enter(lane) != ZK_OK;
    memset(&shop, 0, sizeof shop);
    shop.lane = lane;
    for (unsigned i = 0; i < outsiders; i++)
        plan.errors += pthread_create(&outsider[i], NULL, come_from_outside,
                                      (void *)(uintptr_t)i) != 0;
    while (graph < GRAPHS && plan.errors == 0) {
        run_phase(graph++);
        if (sim_below(3) == 0)
            wait_a_while(); /* some of the workers fall asleep */
        if (sim_below(3) == 0)
            let_them_come(outsiders);
        if (sim_below(3) == 0)
            run_meeting(*workers);
    }
    zk_store_seq_cst(&shop.stop, true);
    ring();
    for (unsigned i = 0; i < outsiders; i++)
        pthread_join(outsider[i], NULL);
    check_counters(graph);
    plan.errors += zk_runtime_stats(lane, &stats) != ZK_OK;
    plan.far += stats.outside_far;
    plan.errors += zk_runtime_leave() != ZK_OK;
    plan.errors += zk_runtime_close(lane) != ZK_OK;
}
