/*
 * lanes_test.c - lanes one after the other: some with threads, an arena or two and
 * work, and many that are opened and closed. B17.
 *
 * ZK_TEST_FULL=1: a million of these.
 */
#include "tests/stress/still.h"
#include "tests/stress/watch.h"

struct count {
    _Atomic unsigned ran, in_arena;
};

static int
allocate(size_t from, size_t to, void *arg)
{
    struct count *c = arg;

    for (size_t i = from; i < to; i++) {
        char *p = zk_malloc(8192);

        zk_add_relaxed(&c->ran, 1u);
        if (p != NULL && zk_in_arena(p))
            zk_add_relaxed(&c->in_arena, 1u);
        if (p != NULL)
            p[0] = 1;
        zk_free(p);
    }
    return 0;
}

static int
allocate_one(void *arg)
{
    return allocate(0, 1, arg);
}

static bool
one_lane(unsigned i)
{
    struct count c = {0};
    zk_runtime_t *lane = test_lane(1 + i % 4, MIB << i % 3, 0);
    bool ok = lane != NULL;

    if (i % 2 == 0)
        ok = ok && zk_runtime_enter(lane) == ZK_OK;
    ok = ok && zk_phase_begin_on(lane, "phase") == ZK_OK;
    ok = ok && zk_parallel_for(0, 32, 1, allocate, &c) == ZK_OK;
    ok = ok && zk_spawn(NULL, allocate_one, &c) == ZK_OK;
    ok = ok && zk_phase_end() == ZK_OK;
    ok = ok && zk_load_relaxed(&c.in_arena) == 33;
    if (i % 3 == 0) /* left for the close to await */
        ok = ok && zk_spawn_on(lane, NULL, allocate_one, &c) == ZK_OK;
    ok = zk_runtime_close(lane) == ZK_OK && ok;
    return ok && zk_load_relaxed(&c.ran) == (i % 3 == 0 ? 34u : 33u) &&
           zk_load_relaxed(&c.in_arena) == 33 && zk_slot() == -1;
}

static void
test_a_thousand_lanes_leave_nothing_behind(void **state)
{
    unsigned lanes = test_scaled(1000), i;
    struct still warm;

    (void)state;
    for (i = 0; i < 24; i++)
        assert_true(one_lane(i));
    assert_true(rt_threads_become(1 + WATCH_THREADS + TEST_TSAN));
    warm = still_now();
    for (; i < 24 + lanes; i++) {
        assert_true(one_lane(i));
        watch_beat();
    }
    still_assert(&warm);
}

static int
nothing(size_t from, size_t to, void *arg)
{
    (void)from;
    (void)to;
    (void)arg;
    return 0;
}

/* One in eight starts its threads, by a loop; one in 64 is the default lane. */
static bool
open_and_close(unsigned i, unsigned *with_threads)
{
    zk_runtime_t *lane =
        i % 64 == 1 ? zk_runtime_current() : test_lane(1 + i % 3, MIB, 0);
    bool ok = lane != NULL;

    if (i % 8 == 0)
        ok = ok && zk_parallel_for_on(lane, 0, 8, 1, nothing, NULL) == ZK_OK;
    if (ok)
        *with_threads += test_info(lane).threads != 0;
    return zk_runtime_close(lane) == ZK_OK && ok;
}

static void
test_lanes_that_open_and_close_leave_nothing_behind(void **state)
{
    unsigned cycles = test_full() ? 1000000 : test_scaled(2000);
    unsigned with_threads = 0, i = 0;
    struct still warm;

    (void)state;
    for (; i < 192; i++)
        assert_true(open_and_close(i, &with_threads));
    assert_true(rt_threads_become(1 + WATCH_THREADS + TEST_TSAN));
    warm = still_now();
    with_threads = 0;
    for (; i < 192 + cycles; i++) {
        assert_true(open_and_close(i, &with_threads));
        watch_beat();
    }
    printf("%u lanes, %u of them with threads\n", cycles, with_threads);
    assert_true(with_threads >= cycles / 16); /* two of three have any */
    still_assert(&warm);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_lanes_leave_nothing_behind),
        cmocka_unit_test(test_lanes_that_open_and_close_leave_nothing_behind),
    };

    rt_begin();
    watch_begin("lanes", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
