/*
 * sim_test.c - small graphs of tasks under schedules that are drawn from a seed:
 * forks, groups, loops, phases and stages, cancelled, failing or neither, with
 * workers that sleep and wake, and threads that submit from outside meanwhile. Half
 * of the lanes have their workers on up to three nodes.
 *
 * ZK_TEST_FULL=1: 60,000 schedules; ZK_TEST_SCHEDULES: so many.
 */
#include "tests/sim/graphs.h"

#include "private/atomic.h"

static void
test_small_graphs_run_right_under_any_schedule(void **state)
{
    uint64_t seed = test_seed("schedules");
    const char *wanted = getenv("ZK_TEST_SCHEDULES");
    unsigned runs = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10)
                    : test_full()  ? 60000
                                   : 4000;
    struct sim_result all = {false, 0, 0, 0};

    (void)state;
    graphs_forget_errors();
    runs = (runs + GRAPHS - 1) / GRAPHS;
    for (unsigned i = 0; i < runs; i++) {
        unsigned workers = i % 5 != 4 ? 1 + i % 4 : 5 + i / 5 % 2;
        uint64_t drawn = seed + i;
        struct sim_result r = sim_run(drawn, graphs_run, &workers);

        if (r.stuck || graphs_errors() != 0)
            print_error("ZK_TEST_SEED=%llu, %u workers: %s, %u errors\n",
                        (unsigned long long)drawn, workers,
                        r.stuck ? "stuck" : "ended", graphs_errors());
        assert_false(r.stuck);
        assert_int_equal(graphs_errors(), 0);
        all.points += r.points;
        all.switches += r.switches;
        all.sleeps += r.sleeps;
    }
    printf("%u schedules: %llu points, %llu switches, %llu sleeps\n",
           (unsigned)(runs * GRAPHS), (unsigned long long)all.points,
           (unsigned long long)all.switches, (unsigned long long)all.sleeps);
    printf("%llu tasks came from another node's inbox\n",
           (unsigned long long)graphs_far());
    assert_true(all.sleeps != 0 && graphs_far() != 0);
}

static uint64_t digest;

static void
run_and_digest(void *arg)
{
    graphs_run(arg);
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

/* ---- waking ----------------------------------------------------------------- */

enum { SLEEPERS = 63 };

static struct {
    zk_runtime_t *lane;
    _Atomic unsigned here;
    uint64_t steps;  /* until all had come */
    uint64_t sleeps; /* that a single task has interrupted */
    unsigned errors;
} waking;

static void
must(zk_err_t err)
{
    waking.errors += err != ZK_OK;
}

static void
let_them_sleep(void)
{
    sim_work(4000000);
}

/* Until everybody has come: whoever is asked for has to wake up. */
static int
meet(void *arg)
{
    const unsigned *all = arg;

    zk_add_seq_cst(&waking.here, 1u);
    while (zk_load_relaxed(&waking.here) < *all)
        zk_pause();
    return 0;
}

static uint64_t
sleeps(void)
{
    zk_runtime_stats_t stats = {.size = sizeof stats};

    must(zk_runtime_stats(waking.lane, &stats));
    return stats.sleeps;
}

static void
call_for(unsigned all)
{
    zk_group_t group = ZK_GROUP_INIT;

    zk_store_relaxed(&waking.here, 0u);
    for (unsigned i = 1; i < all; i++)
        must(zk_spawn(&group, meet, &all));
    must(meet(&all));
    must(zk_sync(&group));
}

static void
wake_all_then_one(void *arg)
{
    (void)arg;
    must(zk_runtime_open(&waking.lane,
                         ZK_OPTIONS(.workers = SLEEPERS + 1, .slab_bytes = MIB,
                                    .trap = ZK_TRAP_OFF, .spin_us = 1,
                                    .bind = ZK_BIND_NONE,
                                    .notice = test_no_notice)));
    must(zk_runtime_enter(waking.lane));
    call_for(SLEEPERS + 1); /* now there are threads */
    let_them_sleep();
    waking.steps = sim_clock();
    call_for(SLEEPERS + 1);
    waking.steps = sim_clock() - waking.steps;
    let_them_sleep();
    waking.sleeps = sleeps();
    call_for(2);
    let_them_sleep();
    waking.sleeps = sleeps() - waking.sleeps;
    must(zk_runtime_leave());
    must(zk_runtime_close(waking.lane));
}

static void
test_many_sleepers_wake_as_a_tree_and_for_one_task_one(void **state)
{
    uint64_t seed = test_seed("waking");

    (void)state;
    sim_with_clocks(true);
    for (uint64_t i = 0; i < 10; i++) {
        memset(&waking, 0, sizeof waking);
        assert_false(sim_run(seed + i, wake_all_then_one, NULL).stuck);
        assert_int_equal(waking.errors, 0);
        /* One after the other would take a wake-up for each. */
        assert_true(waking.steps < SLEEPERS * SIM_WAKE_STEPS / 2);
        assert_int_equal(waking.sleeps, 1);
    }
    sim_with_clocks(false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_graphs_run_right_under_any_schedule),
        cmocka_unit_test(test_a_seed_is_a_schedule),
        cmocka_unit_test(test_what_never_ends_is_found_out),
        cmocka_unit_test(
            test_many_sleepers_wake_as_a_tree_and_for_one_task_one),
    };

    setenv("ZK_TOPOLOGY", "package:3 [numa] core:1 pu:1", 1);
    sim_cpus(4); /* one of them is on none of these nodes */
    /* What is done once in a process is done before. */
    if (zk_runtime_close(zk_runtime_current()) != ZK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
