/*
 * lanes_test.c - a lane for each node, and jobs on all of them.
 *
 * The machine is an imagined one of two nodes, with two cores of two threads each:
 * what is decided can be seen, and nothing is bound. Where workers and memory
 * really are is seen in guests (tests/guest/lanes_test.c).
 */
#include "tests/runtime/rt.h"

#include <errno.h>

#include "runtime/lane.h"

#define LANES 2u

static struct {
    bool threads;    /* none are started */
    unsigned calloc; /* this one from now fails, and no other; 0: none */
} refuse;

void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);

void *
__wrap_calloc(size_t n, size_t bytes)
{
    if (refuse.calloc != 0 && --refuse.calloc == 0)
        return NULL;
    return __real_calloc(n, bytes);
}

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a,
                          void *(*fn)(void *), void *arg);

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *a,
                      void *(*fn)(void *), void *arg)
{
    return refuse.threads ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}

static zk_lanes_t *
open_lanes(void)
{
    zk_lanes_t *lanes = NULL;

    return zk_lanes_open(&lanes, ZK_OPTIONS(.slab_bytes = 4 * MIB,
                                            .notice = test_no_notice)) == ZK_OK
               ? lanes
               : NULL;
}

static zk_runtime_info_t
info_of(const zk_lanes_t *lanes, unsigned i)
{
    return test_info(zk_lanes_get(lanes, i));
}

/* ---- what is opened ------------------------------------------------------------ */

static void
test_each_node_has_a_lane_of_its_cores(void **state)
{
    zk_lanes_t *lanes = open_lanes();

    (void)state;
    assert_int_equal(zk_lanes_count(lanes), LANES);
    for (unsigned i = 0; i < LANES; i++) {
        zk_runtime_t *lane = zk_lanes_get(lanes, i);
        zk_runtime_info_t info = info_of(lanes, i);

        assert_int_equal(info.workers, 2);
        assert_int_equal(info.nodes, 1);
        assert_int_equal(info.node, i);
        assert_int_equal(info.numa, ZK_NUMA_LANES);
        assert_non_null(strstr(info.workers_why, "2 of 4 on node"));
        for (unsigned w = 0; w < 2; w++)
            assert_int_equal(lane->topology->pus[lane->slots[w].pu].os_index,
                             4 * i + 2 * w);
    }
    assert_null(zk_lanes_get(lanes, LANES));
    assert_int_equal(zk_lanes_close(lanes), ZK_OK);
}

/* Options and environment; lanes and workers of the first. */
/* All nodes, or an error: no node's workers are left out for want of memory. */
static void
test_without_memory_for_a_part_there_are_no_lanes(void **state)
{
    unsigned failed = 0;
    zk_lanes_t *lanes;

    (void)state;
    for (unsigned k = 1; failed + 1 == k; k++) {
        refuse.calloc = k;
        lanes = open_lanes();
        if (lanes == NULL)
            failed++;
        else
            assert_int_equal(zk_lanes_count(lanes), LANES);
        assert_true(lanes == NULL || refuse.calloc != 0);
        refuse.calloc = 0;
        assert_int_equal(zk_lanes_close(lanes), ZK_OK);
    }
    assert_true(failed >= LANES);
}

static void
test_what_was_asked_for_decides_how_many_there_are(void **state)
{
    static const struct {
        const char *name, *value;
        zk_options_t options;
        unsigned lanes, workers;
        enum zk_numa_mode numa;
        int node;
    } rows[] = {
        {"ZK_NUMA", "lanes", {.numa = ZK_NUMA_LOCAL}, 2, 2, ZK_NUMA_LANES, 0},
        {"ZK_NUMA", "local", {.numa = 0}, 1, 4, ZK_NUMA_OFF, -1},
        {"ZK_NUMA", "off", {.numa = ZK_NUMA_LANES}, 1, 4, ZK_NUMA_OFF, -1},
        {"ZK_NUM_WORKERS", "8", {.numa = 0}, 2, 4, ZK_NUMA_LANES, 0},
        {"ZK_NUM_WORKERS", "3", {.numa = 0}, 2, 2, ZK_NUMA_LANES, 0},
        {"ZK_NUM_WORKERS", "2", {.numa = 0}, 1, 2, ZK_NUMA_LANES, 0},
        {"ZK_NUM_WORKERS",
         "2",
         {.bind = ZK_BIND_SPREAD},
         2,
         1,
         ZK_NUMA_LANES,
         0},
        {"ZK_PROC_BIND", "none", {.numa = 0}, 2, 2, ZK_NUMA_LANES, 0},
        {"ZK_PLACES", "{4},{6},{0}", {.numa = 0}, 2, 1, ZK_NUMA_LANES, 0},
        {"ZK_PLACES", "{4},{5}", {.numa = 0}, 1, 1, ZK_NUMA_LANES, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        zk_options_t options = rows[i].options;
        zk_lanes_t *lanes;
        zk_runtime_info_t info;

        options.size = sizeof options;
        options.slab_bytes = 4 * MIB;
        options.notice = test_no_notice;
        setenv(rows[i].name, rows[i].value, 1);
        assert_int_equal(zk_lanes_open(&lanes, &options), ZK_OK);
        unsetenv(rows[i].name);
        info = info_of(lanes, 0);
        if (zk_lanes_count(lanes) != rows[i].lanes ||
            info.workers != rows[i].workers || info.numa != rows[i].numa ||
            info.node != rows[i].node)
            print_error("%s=%s: %u lanes, the first of %u workers, mode %d, "
                        "node %d\n",
                        rows[i].name, rows[i].value, zk_lanes_count(lanes),
                        info.workers, (int)info.numa, info.node);
        assert_int_equal(zk_lanes_count(lanes), rows[i].lanes);
        assert_int_equal(info.workers, rows[i].workers);
        assert_int_equal(info.numa, rows[i].numa);
        assert_int_equal(info.node, rows[i].node);
        assert_int_equal(zk_lanes_close(lanes), ZK_OK);
    }
}

/* A worker that is bound to nothing in particular still stays on its node. */
static void
test_without_binding_each_worker_has_all_of_its_node(void **state)
{
    zk_lanes_t *lanes;
    static char text[1 << 16];

    (void)state;
    assert_int_equal(zk_lanes_open(&lanes, ZK_OPTIONS(.bind = ZK_BIND_NONE,
                                                      .slab_bytes = 4 * MIB)),
                     ZK_OK);
    assert_in_range(
        zk_runtime_describe(zk_lanes_get(lanes, 1), ZK_TEXT, text, sizeof text),
        1, sizeof text - 1);
    assert_non_null(strstr(text, "- worker 0, cpus 4-7, "));
    assert_non_null(strstr(text, "- worker 1, cpus 4-7, "));
    assert_int_equal(zk_lanes_close(lanes), ZK_OK);
}

/* ---- jobs ---------------------------------------------------------------------- */

struct jobs {
    zk_lanes_t *lanes;
    _Atomic unsigned met, iterations[LANES];
    zk_runtime_t *lane[LANES];
    int slot[LANES];
    zk_err_t err[LANES];
    char *result[LANES];
    pthread_t thread[LANES];
    int answer[LANES]; /* to be returned */
};

static int
count(size_t begin, size_t end, void *arg)
{
    zk_add_relaxed((_Atomic unsigned *)arg, (unsigned)(end - begin));
    return 0;
}

/* All jobs are at work at once; each has a phase, a loop, and memory. */
static int
job(zk_runtime_t *lane, unsigned index, void *arg)
{
    struct jobs *j = arg;

    j->lane[index] = zk_runtime_current() == lane ? lane : NULL;
    j->slot[index] = zk_slot();
    j->thread[index] = pthread_self();
    zk_add_seq_cst(&j->met, 1u);
    rt_await(&j->met, LANES);
    j->err[index] = zk_phase_begin("job");
    if (j->err[index] != ZK_OK)
        return j->err[index];
    j->result[index] = zk_phase_alloc(10000, 0);
    if (j->result[index] != NULL)
        test_fill(j->result[index], 10000, index);
    j->err[index] = zk_parallel_for(0, 1000, 10, count, &j->iterations[index]);
    if (j->err[index] == ZK_OK)
        j->err[index] = zk_phase_end();
    return j->answer[index];
}

static void
test_each_lane_runs_the_job_inside_and_at_once(void **state)
{
    struct jobs j = {.lanes = open_lanes()};
    pthread_t first[LANES];

    (void)state;
    assert_non_null(j.lanes);
    for (unsigned round = 0; round < test_scaled(30); round++) {
        zk_store_relaxed(&j.met, 0u);
        for (unsigned i = 0; i < LANES; i++)
            zk_store_relaxed(&j.iterations[i], 0u);
        assert_int_equal(zk_lanes_run(j.lanes, job, &j), ZK_OK);
        for (unsigned i = 0; i < LANES; i++) {
            assert_ptr_equal(j.lane[i], zk_lanes_get(j.lanes, i));
            assert_int_equal(j.slot[i], 0);
            assert_int_equal(j.err[i], ZK_OK);
            assert_int_equal(zk_load_relaxed(&j.iterations[i]), 1000);
            assert_int_equal(test_stats(j.lane[i]).phases, round + 1);
            /* Readable until the next begin, which is the same thread's. */
            assert_non_null(j.result[i]);
            assert_true(test_holds(j.result[i], 10000, i));
            if (round == 0)
                first[i] = j.thread[i];
            assert_true(pthread_equal(first[i], j.thread[i]));
            assert_false(pthread_equal(pthread_self(), j.thread[i]));
        }
    }
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(zk_lanes_close(j.lanes), ZK_OK);
}

static void
test_the_first_lanes_error_is_the_runs(void **state)
{
    struct jobs j = {.lanes = open_lanes(), .answer = {0, 7}};

    (void)state;
    assert_non_null(j.lanes);
    assert_int_equal(zk_lanes_run(j.lanes, job, &j), 7);
    j.answer[0] = 5;
    zk_store_relaxed(&j.met, 0u);
    assert_int_equal(zk_lanes_run(j.lanes, job, &j), 5);
    assert_int_equal(j.err[0] | j.err[1], ZK_OK); /* none was stopped */
    assert_int_equal(zk_load_relaxed(&j.iterations[1]), 2000);
    assert_int_equal(zk_lanes_close(j.lanes), ZK_OK);
}

static int
run_again(zk_runtime_t *lane, unsigned index, void *arg)
{
    struct jobs *j = arg;

    (void)lane;
    j->err[index] = zk_lanes_run(j->lanes, job, j);
    return zk_lanes_close(j->lanes) == ZK_EBUSY ? 0 : 1;
}

static void
test_wrong_calls_run_nothing(void **state)
{
    struct jobs j = {.lanes = open_lanes()};
    zk_options_t bad = ZK_OPTIONS_INIT;
    zk_lanes_t *none = (zk_lanes_t *)(void *)&j;

    (void)state;
    assert_non_null(j.lanes);
    assert_int_equal(zk_lanes_run(NULL, job, &j), ZK_EINVAL);
    assert_int_equal(zk_lanes_run(j.lanes, NULL, &j), ZK_EINVAL);
    assert_int_equal(zk_lanes_run(j.lanes, run_again, &j), ZK_OK);
    assert_int_equal(j.err[0], ZK_EBUSY);
    assert_int_equal(j.err[1], ZK_EBUSY);
    assert_int_equal(zk_load_relaxed(&j.met), 0);
    assert_int_equal(zk_lanes_close(j.lanes), ZK_OK);

    assert_int_equal(zk_lanes_open(NULL, NULL), ZK_EINVAL);
    bad.size--;
    assert_int_equal(zk_lanes_open(&none, &bad), ZK_EINVAL);
    bad.size++;
    bad.workers = ZK_MAX_WORKERS + 1;
    assert_int_equal(zk_lanes_open(&none, &bad), ZK_EINVAL);
    assert_null(none);
    assert_int_equal(zk_lanes_count(NULL), 0);
    assert_null(zk_lanes_get(NULL, 0));
    assert_int_equal(zk_lanes_close(NULL), ZK_OK);
}

/* ---- what jobs leave ------------------------------------------------------------ */

static int
leave_all_open(zk_runtime_t *lane, unsigned index, void *arg)
{
    (void)arg;
    (void)index;
    return zk_runtime_enter(lane) == ZK_OK &&
                   zk_phase_begin("left open") == ZK_OK &&
                   zk_phase_begin("this too") == ZK_OK
               ? 0
               : 1;
}

static int
leave_the_lane(zk_runtime_t *lane, unsigned index, void *arg)
{
    (void)lane;
    (void)index;
    (void)arg;
    return zk_runtime_leave();
}

static void
test_what_a_job_leaves_open_is_ended(void **state)
{
    struct jobs j = {.lanes = open_lanes()};

    (void)state;
    assert_non_null(j.lanes);
    assert_int_equal(zk_lanes_run(j.lanes, leave_all_open, NULL), ZK_OK);
    assert_int_equal(zk_lanes_run(j.lanes, leave_the_lane, NULL), ZK_OK);
    assert_int_equal(zk_lanes_run(j.lanes, job, &j), ZK_OK);
    assert_int_equal(j.slot[0] | j.slot[1], 0); /* which was free */
    assert_int_equal(zk_lanes_close(j.lanes), ZK_OK);
}

/* ---- threads -------------------------------------------------------------------- */

static int
alone(zk_runtime_t *lane, unsigned index, void *arg)
{
    struct jobs *j = arg;

    j->lane[index] = lane;
    j->slot[index] = zk_slot();
    j->thread[index] = pthread_self();
    return zk_parallel_for(0, 1000, 10, count, &j->iterations[index]);
}

static bool
ran_here(const struct jobs *j)
{
    for (unsigned i = 0; i < LANES; i++)
        if (j->slot[i] != 0 || !pthread_equal(j->thread[i], pthread_self()) ||
            zk_load_relaxed(&j->iterations[i]) != 1000)
            return false;
    return zk_slot() == -1;
}

static void
test_where_threads_are_refused_the_caller_does_it_all(void **state)
{
    struct jobs j = {.lanes = open_lanes()};

    (void)state;
    assert_non_null(j.lanes);
    refuse.threads = true;
    assert_int_equal(zk_lanes_run(j.lanes, alone, &j), ZK_OK);
    refuse.threads = false;
    assert_true(ran_here(&j));
    assert_int_equal(zk_lanes_run(j.lanes, job, &j), ZK_OK); /* they start */
    assert_false(pthread_equal(j.thread[0], pthread_self()));
    assert_int_equal(zk_lanes_close(j.lanes), ZK_OK);
}

static int
run_in_child(void *arg)
{
    struct jobs *j = arg;

    CHILD_CHECK(zk_lanes_run(j->lanes, alone, j) == ZK_OK);
    CHILD_CHECK(ran_here(j));
    CHILD_CHECK(zk_lanes_close(j->lanes) == ZK_OK);
    return 0;
}

static void
test_a_forked_child_runs_jobs_by_itself(void **state)
{
    struct jobs j = {.lanes = open_lanes()};

    (void)state;
    assert_non_null(j.lanes);
    assert_int_equal(zk_lanes_run(j.lanes, job, &j), ZK_OK);
    for (unsigned i = 0; i < LANES; i++)
        zk_store_relaxed(&j.iterations[i], 0u);
    assert_true(test_child_succeeds(run_in_child, &j));
    assert_int_equal(zk_lanes_close(j.lanes), ZK_OK);
}

static void
test_no_thread_starts_before_a_run_and_none_is_left_after_the_close(
    void **state)
{
    unsigned before = rt_threads(), maps;
    struct jobs j = {.lanes = open_lanes()};

    (void)state;
    assert_non_null(j.lanes);
    assert_int_equal(rt_threads(), before);
    assert_int_equal(zk_lanes_run(j.lanes, job, &j), ZK_OK);
    assert_true(rt_threads() > before);
    assert_int_equal(zk_lanes_close(j.lanes), ZK_OK);
    assert_true(rt_threads_become(before));

    maps = rt_mappings();
    for (int i = 0; i < 10; i++)
        assert_int_equal(zk_lanes_close(open_lanes()), ZK_OK);
    assert_true(TEST_SANITIZED || rt_mappings() <= maps + 2);
}

static void
test_a_lane_in_use_keeps_them_from_being_closed(void **state)
{
    struct jobs j = {.lanes = open_lanes()};
    zk_runtime_t *lane = zk_lanes_get(j.lanes, 1);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_phase_begin_on(lane, "mine"), ZK_OK);
    assert_int_equal(zk_lanes_close(j.lanes), ZK_EBUSY);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_lanes_close(j.lanes), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_node_has_a_lane_of_its_cores),
        cmocka_unit_test(test_without_memory_for_a_part_there_are_no_lanes),
        cmocka_unit_test(test_what_was_asked_for_decides_how_many_there_are),
        cmocka_unit_test(test_without_binding_each_worker_has_all_of_its_node),
        cmocka_unit_test(test_each_lane_runs_the_job_inside_and_at_once),
        cmocka_unit_test(test_the_first_lanes_error_is_the_runs),
        cmocka_unit_test(test_wrong_calls_run_nothing),
        cmocka_unit_test(test_what_a_job_leaves_open_is_ended),
        cmocka_unit_test(test_where_threads_are_refused_the_caller_does_it_all),
        cmocka_unit_test(test_a_forked_child_runs_jobs_by_itself),
        cmocka_unit_test(
            test_no_thread_starts_before_a_run_and_none_is_left_after_the_close),
        cmocka_unit_test(test_a_lane_in_use_keeps_them_from_being_closed),
    };

    test_clean_environment();
    setenv("ZK_TOPOLOGY", "package:2 [numa] core:2 pu:2", 1);
    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
