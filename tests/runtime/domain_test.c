/*
 * domain_test.c - what comes from outside goes to its submitter's node, and is taken
 * there first.
 *
 * The machine is one of four nodes in a ring, with two cores each, that hwloc makes
 * from a description, and the CPU that a thread runs on is what the test says. Where no
 * thread of the lane is started the main thread stands for each of its workers.
 */
#include "tests/runtime/asleep.h"
#include "tests/runtime/meeting.h"
#include "tests/runtime/rt.h"

#include "runtime/lane.h"
#include "runtime/topology.h"

enum { NODES = 4, CORES = 8 };

static _Thread_local int cpu_now;
int __wrap_sched_getcpu(void);

int
__wrap_sched_getcpu(void)
{
    return cpu_now;
}

static zk_runtime_t *
open_lane(unsigned workers, enum zk_bind bind)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane, ZK_OPTIONS(.workers = workers, .spare_slots = 4,
                                          .slab_bytes = MIB, .spin_us = 1,
                                          .bind = bind,
                                          .notice = test_no_notice)) != ZK_OK)
        return NULL;
    return lane;
}

static unsigned
node_of(const zk_runtime_t *lane, const struct zk_slot *slot)
{
    return lane->topology->pus[slot->pu].node;
}

/* A task that is told from others, and never run. */
static struct zk_task
task(uintptr_t n)
{
    return (struct zk_task){.x = n};
}

static bool
put_from(zk_runtime_t *lane, int cpu, uintptr_t n)
{
    cpu_now = cpu;
    return zk__domain_put(lane, task(n));
}

static size_t
waiting_at(const zk_runtime_t *lane, unsigned domain)
{
    return zk_load_relaxed(&lane->domains[domain].inbox.count);
}

/* ---- which queues there are ---------------------------------------------------- */

static void
test_each_node_with_workers_has_a_queue_and_one_does_for_roamers(void **state)
{
    static const struct {
        unsigned workers;
        enum zk_bind bind;
        unsigned domains;
    } cases[] = {
        {1, ZK_BIND_CLOSE, 1},  {2, ZK_BIND_CLOSE, 1},   {3, ZK_BIND_CLOSE, 2},
        {8, ZK_BIND_CLOSE, 4},  {12, ZK_BIND_CLOSE, 4},  {2, ZK_BIND_SPREAD, 2},
        {4, ZK_BIND_SPREAD, 4}, {8, ZK_BIND_PRIMARY, 1}, {8, ZK_BIND_NONE, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zk_runtime_t *lane = open_lane(cases[i].workers, cases[i].bind);

        assert_non_null(lane);
        assert_int_equal(lane->ndomains, cases[i].domains);
        for (unsigned k = 0; k < lane->nslots; k++) {
            assert_in_range(lane->slots[k].domain, 0, lane->ndomains - 1);
            if (lane->ndomains > 1)
                assert_int_equal(
                    node_of(lane, &lane->slots[k]),
                    lane->topology->pus[lane->domains[lane->slots[k].domain].pu]
                        .node);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_a_task_goes_to_the_node_that_its_submitter_runs_on(void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);
    struct zk_task t;

    (void)state;
    assert_non_null(lane);
    for (int cpu = 0; cpu < CORES; cpu++) {
        assert_true(put_from(lane, cpu, (uintptr_t)cpu));
        assert_int_equal(waiting_at(lane, (unsigned)cpu / 2), cpu % 2 + 1);
    }
    /* A CPU that the process had not, and one that the system does not tell. */
    assert_true(put_from(lane, 1000, 8) && put_from(lane, -1, 9));
    assert_int_equal(waiting_at(lane, 0), 4);
    for (unsigned i = 0; i < CORES + 2; i++)
        assert_true(zk__domain_take(&lane->slots[0], NULL, NULL, &t));
    assert_false(zk__domain_take(&lane->slots[0], NULL, NULL, &t));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Nodes 0 and 1 have workers; 2 is beside 1, and 3 beside 0. */
static void
test_where_its_node_has_no_worker_it_goes_to_the_nearest_one(void **state)
{
    zk_runtime_t *lane = open_lane(4, ZK_BIND_CLOSE);
    struct zk_task t;

    (void)state;
    assert_non_null(lane);
    assert_int_equal(lane->ndomains, 2);
    assert_true(put_from(lane, 4, 0));
    assert_int_equal(waiting_at(lane, 1), 1);
    assert_true(put_from(lane, 6, 0));
    assert_int_equal(waiting_at(lane, 0), 1);
    assert_true(zk__domain_take(&lane->slots[0], NULL, NULL, &t));
    assert_true(zk__domain_take(&lane->slots[0], NULL, NULL, &t));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* It is bound, so nobody needs to ask. */
static void
test_what_a_worker_hands_over_stays_on_its_node(void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);
    struct zk_task t;

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 1; i < CORES; i++) {
        cpu_now = 0;
        zk__thread.slot = &lane->slots[i];
        assert_true(zk__domain_put(lane, task(i)));
        zk__thread.slot = NULL;
        assert_int_equal(waiting_at(lane, i / 2), 1);
        assert_true(zk__domain_take(&lane->slots[i], NULL, NULL, &t));
        assert_int_equal(t.x, i);
    }
    assert_int_equal(test_stats(lane).outside_near, CORES - 1);
    assert_int_equal(test_stats(lane).outside_far, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- who takes from which -------------------------------------------------------- */

static void
test_takers_begin_at_home_and_end_on_the_far_side_of_the_ring(void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);
    struct zk_task t;

    (void)state;
    assert_non_null(lane);
    for (unsigned home = 0; home < NODES; home++) {
        struct zk_slot *self = &lane->slots[(size_t)2 * home];
        unsigned far_side = (home + 2) % NODES;
        unsigned seen = 0;

        for (unsigned node = 0; node < NODES; node++)
            for (unsigned i = 0; i < 2; i++)
                assert_true(put_from(lane, 2 * (int)node, 10 * node + i));
        for (unsigned i = 0; i < 2 * NODES; i++) {
            assert_true(zk__domain_take(self, NULL, NULL, &t));
            if (i < 2) /* at home, and in their order */
                assert_int_equal(t.x, 10 * home + i);
            else if (i >= 2 * NODES - 2)
                assert_int_equal(t.x, 10 * far_side + i % 2);
            seen += 1u << (2 * (t.x / 10) + t.x % 10);
        }
        assert_int_equal(seen, (1u << 2 * NODES) - 1);
    }
    assert_int_equal(test_stats(lane).outside_near, NODES * 2);
    assert_int_equal(test_stats(lane).outside_far, NODES * (2 * NODES - 2));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static bool
is_number(const struct zk_task *t, const void *n)
{
    return t->x == *(const uintptr_t *)n;
}

/* Who waits for a job wants its tasks, wherever they are. */
static void
test_a_waiter_finds_its_own_on_any_node_and_nothing_else(void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);
    struct zk_task t;

    (void)state;
    assert_non_null(lane);
    for (uintptr_t n = 0; n < CORES; n++)
        assert_true(put_from(lane, (int)n, n));
    for (uintptr_t n = CORES; n-- > 0;) {
        assert_true(zk__domain_take(&lane->slots[3], is_number, &n, &t));
        assert_int_equal(t.x, n);
        assert_false(zk__domain_take(&lane->slots[3], is_number, &n, &t));
    }
    assert_int_equal(zk__domain_waiting(lane, 2), lane->ndomains);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* E3 */
static void
test_searchers_leave_what_is_elsewhere_to_the_neighbours_for_a_while(
    void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);
    struct zk_slot *self = &lane->slots[2];
    struct zk_task t;

    (void)state;
    assert_non_null(lane);
    for (int round = 0; round < 3; round++) {
        assert_true(put_from(lane, 7, 1));
        for (unsigned i = 0; i < ZK_LOOKS_ASIDE; i++)
            assert_false(zk__domain_find(self, &t));
        assert_true(zk__domain_find(self, &t));
        assert_int_equal(t.x, 1);

        assert_false(zk__domain_find(self, &t)); /* there is nothing */
        assert_true(put_from(lane, 2, 2));
        assert_true(zk__domain_find(self, &t)); /* it is at home */
        assert_int_equal(t.x, 2);
    }
    /* Who is about to sleep looks everywhere. */
    assert_true(put_from(lane, 7, 1));
    self->looks_aside = ZK_LOOKS_ASIDE;
    assert_true(zk__domain_find(self, &t));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* E4 */
static void
test_a_node_that_is_never_idle_still_helps_the_others_out(void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);
    struct zk_slot *self = &lane->slots[2];
    struct zk_task t;
    unsigned far = 0;

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 0; i < 3; i++)
        assert_true(put_from(lane, 7, 1000 + i));
    for (unsigned i = 0; i < 5 * (ZK_NEAR_IN_A_ROW + 1); i++) {
        assert_true(put_from(lane, 2, i)); /* as soon as one is taken */
        assert_true(zk__domain_find(self, &t));
        if (t.x < 1000)
            continue;
        assert_int_equal(t.x, 1000 + far++);
        assert_int_equal(i + 1, far * (ZK_NEAR_IN_A_ROW + 1));
    }
    assert_int_equal(far, 3);
    while (zk__domain_take(self, NULL, NULL, &t))
        continue;
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- with workers ------------------------------------------------------------------ */

static int
count(void *arg)
{
    zk_add_release((_Atomic unsigned *)arg, 1u);
    return 0;
}

static void
test_the_sleeper_that_is_roused_is_one_of_the_submitters_node(void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);
    _Atomic unsigned ran = 0;

    (void)state;
    assert_non_null(lane);
    zk__lane_start(lane);
    for (unsigned i = 0; i < test_scaled(200); i++) {
        zk_group_t group = ZK_GROUP_INIT;
        uint32_t before[NODES];

        await_all_asleep(lane);
        for (unsigned k = 0; k < NODES; k++)
            before[k] = zk_load_seq_cst(&lane->domains[k].idle_event);
        cpu_now = (int)(i % CORES);
        assert_int_equal(zk_spawn_on(lane, &group, count, &ran), ZK_OK);
        while (!zk_group_done(&group))
            sched_yield();
        assert_int_equal(zk_sync(&group), ZK_OK);
        for (unsigned k = 0; k < NODES; k++)
            assert_int_equal(zk_load_seq_cst(&lane->domains[k].idle_event),
                             before[k] + (k == i % CORES / 2 ? 1u : 0u));
    }
    assert_int_equal(ran, test_scaled(200));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Each needs a worker of its own: so sleepers of other nodes have to come, too. */
static void
test_a_burst_from_one_node_or_all_brings_the_workers_of_each(void **state)
{
    (void)state;
    for (unsigned workers = 3; workers <= CORES + 2; workers++) {
        zk_runtime_t *lane = open_lane(workers, ZK_BIND_CLOSE);

        assert_non_null(lane);
        for (unsigned i = 0; i < test_scaled(60); i++) {
            struct meeting m = {.wanted = workers - 1};
            zk_group_t group = ZK_GROUP_INIT;

            for (unsigned k = 0; k < workers - 1; k++) {
                cpu_now = (int)(i % 2 == 0 ? i / 2 % CORES : k % CORES);
                assert_int_equal(zk_spawn_on(lane, &group, meet_in_a_task, &m),
                                 ZK_OK);
            }
            while (!zk_group_done(&group))
                sched_yield(); /* nobody but the workers */
            assert_int_equal(zk_sync(&group), ZK_OK);
            if (i % 8 == 0)
                await_all_asleep(lane);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

struct addition {
    zk_runtime_t *lane;
    zk_group_t group;
    _Atomic unsigned ran, failed;
};

/* A thread that is in no lane. */
static void *
add_from_each_cpu(void *arg)
{
    struct addition *a = arg;

    for (cpu_now = 0; cpu_now < CORES; cpu_now++)
        if (zk_spawn_on(a->lane, &a->group, count, &a->ran) != ZK_OK)
            zk_add_relaxed(&a->failed, 1u);
    return NULL;
}

/* The end of a phase finds what was added to it, on any node. */
static void
test_a_phase_ends_when_what_came_from_each_node_has_run(void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 0; i < test_scaled(100); i++) {
        struct addition a = {.lane = lane, .group = ZK_GROUP_INIT};
        pthread_t thread;

        assert_int_equal(zk_phase_begin_on(lane, "outside"), ZK_OK);
        assert_int_equal(zk_spawn(&a.group, count, &a.ran), ZK_OK);
        assert_int_equal(pthread_create(&thread, NULL, add_from_each_cpu, &a),
                         0);
        pthread_join(thread, NULL);
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(a.failed, 0);
        assert_int_equal(a.ran, CORES + 1);
        assert_int_equal(zk_sync(&a.group), ZK_OK);
        assert_int_equal(zk__domain_waiting(lane, 0), lane->ndomains);
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
finds_nothing(void *arg)
{
    zk_runtime_t *lane = arg;

    CHILD_CHECK(zk__domain_waiting(lane, 0) == lane->ndomains);
    CHILD_CHECK(put_from(lane, 5, 2) && waiting_at(lane, 2) == 1);
    return 0;
}

/* What waits there is the parent's to run. */
static void
test_a_forked_child_finds_every_queue_empty(void **state)
{
    zk_runtime_t *lane = open_lane(CORES, ZK_BIND_CLOSE);
    struct zk_task t;

    (void)state;
    assert_non_null(lane);
    for (int cpu = 0; cpu < CORES; cpu++)
        assert_true(put_from(lane, cpu, 1));
    assert_true(test_child_succeeds(finds_nothing, lane));
    for (int cpu = 0; cpu < CORES; cpu++)
        assert_true(zk__domain_take(&lane->slots[0], NULL, NULL, &t));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* hwloc's descriptions have no distances. */
static void
make_a_ring(void)
{
    static unsigned char ring[NODES * NODES];
    struct zk_topology *t = (struct zk_topology *)(uintptr_t)zk__topology_get();

    for (unsigned i = 0; i < NODES; i++)
        ring[i * NODES + (i + 1) % NODES] =
            ring[i * NODES + (i + NODES - 1) % NODES] = 1;
    t->next = ring;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_each_node_with_workers_has_a_queue_and_one_does_for_roamers),
        cmocka_unit_test(
            test_a_task_goes_to_the_node_that_its_submitter_runs_on),
        cmocka_unit_test(
            test_where_its_node_has_no_worker_it_goes_to_the_nearest_one),
        cmocka_unit_test(test_what_a_worker_hands_over_stays_on_its_node),
        cmocka_unit_test(
            test_takers_begin_at_home_and_end_on_the_far_side_of_the_ring),
        cmocka_unit_test(
            test_a_waiter_finds_its_own_on_any_node_and_nothing_else),
        cmocka_unit_test(
            test_searchers_leave_what_is_elsewhere_to_the_neighbours_for_a_while),
        cmocka_unit_test(
            test_a_node_that_is_never_idle_still_helps_the_others_out),
        cmocka_unit_test(
            test_the_sleeper_that_is_roused_is_one_of_the_submitters_node),
        cmocka_unit_test(
            test_a_burst_from_one_node_or_all_brings_the_workers_of_each),
        cmocka_unit_test(
            test_a_phase_ends_when_what_came_from_each_node_has_run),
        cmocka_unit_test(test_a_forked_child_finds_every_queue_empty),
    };

    rt_begin();
    test_clean_environment();
    setenv("ZK_TOPOLOGY", "package:4 [numa] core:2 pu:1", 1);
    make_a_ring();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
