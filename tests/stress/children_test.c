/*
 * children_test.c - fork(2) at any moment, while workers run loops and phases and
 * outside threads submit: the child computes on what it inherits and on a lane of
 * its own, and the parent loses nothing.
 *
 * ZK_TEST_FULL=1: ten thousand children.
 */
#include "tests/stress/still.h"
#include "tests/stress/watch.h"

enum { PROVERS = 2, N = 64 };

struct site {
    zk_runtime_t *lane;
    _Atomic bool stop;
    _Atomic unsigned wrong;
    _Atomic uint64_t phases, submitted, ran, told;
};

static struct site site;

static void
expect(bool holds)
{
    if (!holds)
        zk_add_relaxed(&site.wrong, 1u);
}

/* ---- what goes on in the parent ------------------------------------------- */

static int
fill(size_t from, size_t to, void *arg)
{
    _Atomic unsigned *bad = arg;

    for (; from < to; from++) {
        size_t bytes = 200 + from * 211;
        char *p = zk_malloc(bytes);

        if (p == NULL) {
            zk_add_relaxed(bad, 1u);
            continue;
        }
        test_fill(p, bytes, from);
        if (!test_holds(p, bytes, from))
            zk_add_relaxed(bad, 1u);
        zk_free(p);
    }
    return 0;
}

static int
fork_a_little(void *arg)
{
    unsigned depth = *(unsigned *)arg;
    unsigned next = depth - 1;

    return depth == 0
               ? 0
               : zk_parallel_invoke(fork_a_little, &next, fork_a_little, &next);
}

static void *
prove(void *unused)
{
    while (!zk_load_relaxed(&site.stop)) {
        unsigned depth = 6;

        expect(zk_phase_begin_on(site.lane, "prove") == ZK_OK);
        expect(zk_parallel_for(0, N, 1, fill, &site.wrong) == ZK_OK);
        expect(fork_a_little(&depth) == 0);
        expect(zk_phase_end() == ZK_OK);
        zk_add_relaxed(&site.phases, (uint64_t)1);
    }
    return unused;
}

static int
serve(void *unused)
{
    (void)unused;
    zk_add_relaxed(&site.ran, (uint64_t)1);
    return zk_parallel_for(0, 4, 1, fill, &site.wrong);
}

static void
note(int code, void *unused)
{
    (void)unused;
    expect(code == 0);
    zk_add_relaxed(&site.told, (uint64_t)1);
}

static void *
submit(void *unused)
{
    static const zk_submission_t s = {sizeof s, serve, NULL, note, NULL};

    while (!zk_load_relaxed(&site.stop)) {
        zk_group_t g = ZK_GROUP_INIT;

        for (int i = 0; i < 8; i++)
            expect(zk_submit(site.lane, i % 2 == 0 ? &g : NULL, &s) == ZK_OK);
        zk_add_relaxed(&site.submitted, (uint64_t)8);
        expect(zk_sync(&g) == ZK_OK);
        usleep(100);
    }
    return unused;
}

/* ---- what the child does ---------------------------------------------------- */

static int
add(size_t from, size_t to, void *arg)
{
    for (; from < to; from++)
        zk_add_relaxed((_Atomic uint64_t *)arg, (uint64_t)from);
    return 0;
}

static int
compute_on(zk_runtime_t *lane)
{
    _Atomic uint64_t sum = 0;
    _Atomic unsigned bad = 0;
    zk_group_t g = ZK_GROUP_INIT;
    unsigned depth = 5;

    CHILD_CHECK(zk_parallel_for_on(lane, 0, 1000, 0, add, &sum) == ZK_OK);
    CHILD_CHECK(zk_load_relaxed(&sum) == 499500);
    CHILD_CHECK(zk_phase_begin_on(lane, "child") == ZK_OK);
    CHILD_CHECK(zk_parallel_for(0, N, 1, fill, &bad) == ZK_OK);
    CHILD_CHECK(zk_spawn(&g, fork_a_little, &depth) == ZK_OK);
    CHILD_CHECK(zk_sync(&g) == ZK_OK);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(zk_load_relaxed(&bad) == 0);
    return 0;
}

/* How the forking thread stood when it forked. */
enum place { OUTSIDE, INSIDE, IN_A_PHASE, PLACES };

static int
be_a_child(enum place place, const char *kept, bool own_lane)
{
    zk_runtime_t *lane = NULL;

    if (place == IN_A_PHASE) {
        CHILD_CHECK(test_holds(kept, 9000, 17));
        CHILD_CHECK(zk_phase_end() == ZK_OK);
    }
    CHILD_CHECK(compute_on(site.lane) == 0);
    if (place != OUTSIDE)
        CHILD_CHECK(zk_runtime_leave() == ZK_OK);
    if (!own_lane)
        return 0;
    lane = test_lane(2, MIB, 0);
    CHILD_CHECK(lane != NULL);
    CHILD_CHECK(compute_on(lane) == 0);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

/* Forks once. True: the child did what it should. */
static bool
one_child(enum place place, bool own_lane)
{
    int status = 0;
    char *kept = NULL;
    pid_t pid;

    if (place != OUTSIDE && zk_runtime_enter(site.lane) != ZK_OK)
        return false;
    if (place == IN_A_PHASE) {
        if (zk_phase_begin("forks") != ZK_OK)
            return false;
        kept = zk_malloc(9000);
        test_fill(kept, 9000, 17);
    }
    pid = fork();
    if (pid == 0) {
        watch_child(WATCH_S);
        _exit(be_a_child(place, kept, own_lane));
    }
    if (place == IN_A_PHASE && zk_phase_end() != ZK_OK)
        return false;
    if (place != OUTSIDE && zk_runtime_leave() != ZK_OK)
        return false;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void
test_children_of_a_busy_process_compute_and_it_goes_on(void **state)
{
    unsigned children = test_full() ? 10000 : test_scaled(150), failed = 0;
    pthread_t threads[PROVERS + 1];
    struct still before;

    (void)state;
    site.lane = rt_lane(3, 4);
    assert_non_null(site.lane);
    for (int i = 0; i < PROVERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, prove, NULL), 0);
    assert_int_equal(pthread_create(&threads[PROVERS], NULL, submit, NULL), 0);
    /* They are in full swing, and each thread that will ever have an arena has. */
    while (zk_load_relaxed(&site.phases) < (TEST_TSAN ? 30 : 300) ||
           zk_load_relaxed(&site.told) < 80)
        usleep(1000);
    assert_true(one_child(IN_A_PHASE, false));
    before = still_now();
    for (unsigned i = 0; i < children && failed == 0; i++) {
        failed +=
            !one_child((enum place)(i % PLACES), i % 4 == 0 && !TEST_TSAN);
        watch_beat();
    }
    zk_store_relaxed(&site.stop, true);
    for (int i = 0; i <= PROVERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failed, 0);
    assert_int_equal(zk_load_relaxed(&site.wrong), 0);
    before.threads -= PROVERS + 1;
    still_assert(&before);
    assert_int_equal(zk_runtime_close(site.lane), ZK_OK);
    printf("%u children, beside %llu phases and %llu submissions\n", children,
           (unsigned long long)zk_load_relaxed(&site.phases),
           (unsigned long long)zk_load_relaxed(&site.submitted));
    assert_true(zk_load_relaxed(&site.ran) == zk_load_relaxed(&site.submitted));
    assert_true(zk_load_relaxed(&site.told) ==
                zk_load_relaxed(&site.submitted));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_children_of_a_busy_process_compute_and_it_goes_on),
    };

    rt_begin();
    watch_begin("children", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
