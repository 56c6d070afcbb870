/*
 * lanes_test.c - with a lane for each node, workers and their memory are there.
 */
#include "tests/guest/nodes.h"

#include <zkrt/lanes.h>

#define LANES_MAX 8u
#define BYTES     (2 * MIB)

struct job {
    _Atomic unsigned met, failed, elsewhere;
    unsigned workers;
    int node;
    zk_numa_pages_t pages;
};

/* On each worker of the lane: whether it runs on one of the lane's processors, which
 * are the node's and those of nodes without memory that have no nearer one. */
static int
look_around(void *arg)
{
    struct job *j = arg;
    const struct zk_topology *t = zk__thread.slot->lane->topology;
    bool here = false;
    unsigned cpu;
    char *p;

    zk_add_seq_cst(&j->met, 1u);
    while (zk_load_acquire(&j->met) < j->workers)
        sched_yield();
    p = zk_phase_alloc(BYTES, 0);
    if (p == NULL || syscall(SYS_getcpu, &cpu, NULL, NULL) != 0) {
        zk_add_relaxed(&j->failed, 1u);
        return 0;
    }
    for (unsigned i = 0; i < t->npus; i++)
        here = here || t->pus[i].os_index == cpu;
    if (!here)
        zk_add_relaxed(&j->elsewhere, 1u);
    test_fill(p, BYTES, cpu);
    return 0;
}

static int
run_job(zk_runtime_t *lane, unsigned index, void *arg)
{
    struct job *j = (struct job *)arg + index;
    zk_runtime_info_t info = {.size = sizeof info};
    zk_group_t group = ZK_GROUP_INIT;
    zk_err_t err;

    if (zk_runtime_info(lane, &info) != ZK_OK || zk_phase_begin("job") != ZK_OK)
        return 1;
    j->workers = info.workers;
    j->node = info.node;
    for (unsigned i = 0; i < info.workers; i++)
        if (zk_spawn(&group, look_around, j) != ZK_OK)
            return 2;
    err = zk_sync(&group);
    j->pages = (zk_numa_pages_t){.size = sizeof j->pages};
    return err != ZK_OK || zk_phase_end() != ZK_OK ||
                   zk_numa_pages(lane, &j->pages) != ZK_OK
               ? 3
               : 0;
}

static void
test_workers_and_memory_of_each_lane_are_on_its_node(void **state)
{
    struct job jobs[LANES_MAX] = {{.workers = 0}};
    const struct zk_topology *t = zk__topology_get();
    zk_lanes_t *lanes = NULL;
    unsigned n, workers = 0;

    (void)state;
    assert_int_equal(zk_lanes_open(&lanes, ZK_OPTIONS(.slab_bytes = 64 * MIB)),
                     ZK_OK);
    n = zk_lanes_count(lanes);
    if (n < 2) {
        assert_int_equal(zk_lanes_close(lanes), ZK_OK);
        skip();
    }
    assert_in_range(n, 2, LANES_MAX);
    for (int again = 0; again < 2; again++) {
        for (unsigned i = 0; i < n; i++)
            zk_store_relaxed(&jobs[i].met, 0u);
        assert_int_equal(zk_lanes_run(lanes, run_job, jobs), ZK_OK);
    }
    for (unsigned i = 0; i < n; i++) {
        const struct zk_topology *part = zk_lanes_get(lanes, i)->topology;

        for (unsigned k = 0; k < part->npus; k++)
            assert_int_equal(part->pus[k].node, jobs[i].node);
        print_message("node %d: %u workers, %zu KiB there, %zu elsewhere\n",
                      jobs[i].node, jobs[i].workers,
                      jobs[i].pages.wanted_bytes >> 10,
                      jobs[i].pages.other_bytes >> 10);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(jobs[i].node, jobs[k].node);
        assert_int_equal(zk_load_relaxed(&jobs[i].failed), 0);
        assert_int_equal(zk_load_relaxed(&jobs[i].elsewhere), 0);
        assert_true(jobs[i].pages.wanted_bytes >= jobs[i].workers * BYTES);
        assert_int_equal(jobs[i].pages.other_bytes, 0);
        assert_int_equal(jobs[i].pages.unknown_bytes, 0);
        workers += jobs[i].workers;
    }
    assert_non_null(t);
    assert_int_equal(workers, t->ncores);
    assert_int_equal(zk_lanes_close(lanes), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_and_memory_of_each_lane_are_on_its_node),
    };

    test_clean_environment();
    alarm(500); /* virtual machines are slow */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
