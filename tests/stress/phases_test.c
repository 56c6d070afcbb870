/*
 * phases_test.c - a hundred thousand phases in a row, and nothing piles up.
 *
 * Each has a loop, tasks with and without a group, and allocations in all of
 * them; some have stages and some overflow. What is compared is the state after
 * a thousand of them with the state at the end. Nor is any of its accesses, all of
 * them right, taken for a stale one. With ZK_TEST_FULL=1 there are a million.
 * B7, Z6, Z18, Z19.
 */
#include "runtime/lane.h"
#include "tests/stress/still.h"

#define WARM_UP   1000u
#define OVERFLOWS 50u /* one phase in so many asks for more than a slab has */
#define STAGES    8u

struct run {
    zk_runtime_t *lane;
    struct test_random random;
    _Atomic unsigned wrong, ran;
    uint64_t overflows, stages, tasks;
};

static int
use_block(void *arg)
{
    struct run *run = arg;
    unsigned k = zk_add_relaxed(&run->ran, 1u);
    size_t n = 4096 + k % 5 * 3000;
    char *p = zk_malloc(n);

    if (p == NULL || !zk_in_arena(p)) {
        zk_add_relaxed(&run->wrong, 1u);
    } else {
        p[0] = p[n - 1] = (char)k;
        if (k % 3 != 0)
            zk_free(p);
    }
    return 0;
}

static int
use_heap(void *arg)
{
    struct run *run = arg;
    char *p = zk_malloc(8192);

    if (p == NULL || zk_in_arena(p))
        zk_add_relaxed(&run->wrong, 1u);
    zk_free(p);
    return 0;
}

static int
use_range(size_t from, size_t to, void *arg)
{
    unsigned char *v = arg;

    for (size_t i = from; i < to; i++)
        v[i]++;
    return 0;
}

/* Work for one phase. False: a result was wrong. */
static bool
work(struct run *run)
{
    zk_group_t group = ZK_GROUP_INIT;
    size_t n = 4096 + test_below(&run->random, 20000);
    unsigned char *v = zk_calloc(1, n);
    bool ok = v != NULL && zk_in_arena(v);

    for (int i = 0; i < 3; i++)
        ok = ok && zk_spawn(&group, use_block, run) == ZK_OK;
    ok = ok && zk_spawn(NULL, use_block, run) == ZK_OK;
    ok = ok && zk_parallel_for(0, n, 512, use_range, v) == ZK_OK;
    ok = ok && zk_sync(&group) == 0;
    run->tasks += 4;
    for (size_t i = 0; ok && i < n; i += 97)
        ok = v[i] == 1;
    return ok && v[n - 1] == 1;
}

static bool
one_phase(struct run *run, unsigned i)
{
    bool ok = zk_phase_begin_on(run->lane, "phase") == ZK_OK && work(run);

    if (i % STAGES == 0) {
        ok = ok && zk_phase_begin("stage") == ZK_OK && work(run) &&
             zk_phase_end() == ZK_OK;
        run->stages++;
    }
    if (i % OVERFLOWS == 0) {
        char *p = zk_malloc(2 * MIB); /* of 1 MiB */

        ok = ok && p != NULL && !zk_in_arena(p);
        if (p != NULL)
            p[0] = p[2 * MIB - 1] = 1;
        zk_free(p);
        run->overflows++;
    }
    return ok && zk_phase_end() == ZK_OK;
}

static void
test_a_hundred_thousand_phases_leave_nothing_behind(void **state)
{
    unsigned phases = test_full() ? 1000000 : test_scaled(100000), done;
    struct run run = {.lane = test_lane(2, MIB, 0),
                      .random = {test_seed("phases")}};
    zk_runtime_stats_t warm_stats, stats;
    zk_runtime_info_t warm_info, info;
    zk_group_t outside = ZK_GROUP_INIT;
    struct still warm;
    size_t inbox;

    (void)state;
    assert_non_null(run.lane);
    for (done = 0; done < WARM_UP; done++)
        assert_true(one_phase(&run, done));
    /* The queue for tasks from outside, which a wait may come to use, too. */
    assert_int_equal(zk_spawn_on(run.lane, &outside, use_heap, &run), ZK_OK);
    assert_int_equal(zk_sync(&outside), 0);
    warm = still_now();
    warm_stats = test_stats(run.lane);
    warm_info = test_info(run.lane);
    inbox = run.lane->domains[0].inbox.capacity;

    for (; done < WARM_UP + phases; done++)
        assert_true(one_phase(&run, done));
    stats = test_stats(run.lane);
    info = test_info(run.lane);
    still_assert(&warm);
    assert_int_equal(zk_load_relaxed(&run.wrong), 0);
    assert_int_equal(zk_load_relaxed(&run.ran), run.tasks);

    /* What must be flat. */
    assert_int_equal(info.threads, warm_info.threads);
    assert_int_equal(info.arenas, warm_info.arenas);
    assert_int_equal(info.slots, warm_info.slots);
    assert_int_equal(run.lane->domains[0].inbox.capacity, inbox);
    assert_int_equal(run.lane->domains[0].inbox.count, 0);
    assert_int_equal(stats.bad_frees, 0);
    assert_int_equal(stats.stale_calls, 0); /* a caught access ends the test */
    if (warm_info.trap == ZK_TRAP_ON) {
        assert_int_equal(info.trap, ZK_TRAP_ON);
        assert_true(stats.moves - warm_stats.moves >= phases);
        printf("%llu slabs moved\n",
               (unsigned long long)(stats.moves - warm_stats.moves));
    }
    /* A slab is committed in one call, or in steps, and only so far. */
    assert_true(stats.arena_committed <= 2 * MIB);
    assert_true(warm_stats.arena_committed <= stats.arena_committed);

    /* What must be exact. */
    assert_int_equal(stats.phases, done);
    assert_int_equal(stats.stages, run.stages);
    assert_int_equal(stats.overflow_count, run.overflows);
    assert_int_equal(stats.overflow_bytes, run.overflows * 2 * MIB);
    assert_int_equal(test_phase_stats().epoch, done);
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(zk_runtime_close(run.lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hundred_thousand_phases_leave_nothing_behind),
    };

    rt_begin();
    if (test_full())
        alarm(0); /* as long as it takes */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
