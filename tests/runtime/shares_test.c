/*
 * shares_test.c - loops with options: how many run at once, and who gets what.
 */
#include "tests/runtime/rt.h"

enum { N = 1000 };

struct seen {
    _Atomic unsigned runs[N];
    _Atomic int slot[N];
    _Atomic unsigned inside, most, too_long;
    size_t grain;
    unsigned meet; /* so many wait for each other; 0: nobody does */
    _Atomic unsigned met;
};

static struct seen seen;

static void
see(size_t begin, size_t end)
{
    unsigned inside = zk_add_seq_cst(&seen.inside, 1u) + 1;
    unsigned most = zk_load_relaxed(&seen.most);

    while (inside > most && !zk_cas_acq_rel(&seen.most, &most, inside))
        ;
    if (seen.grain != 0 && end - begin > seen.grain)
        zk_add_relaxed(&seen.too_long, 1u);
    for (size_t i = begin; i < end; i++) {
        zk_add_relaxed(&seen.runs[i % N], 1u);
        zk_store_relaxed(&seen.slot[i % N], zk_slot());
    }
}

static int
body(size_t begin, size_t end, void *arg)
{
    (void)arg;
    see(begin, end);
    sched_yield();
    zk_sub_seq_cst(&seen.inside, 1u);
    return 0;
}

/* The first piece of each share waits until all shares have begun. */
static int
meet(size_t begin, size_t end, void *arg)
{
    see(begin, end);
    if (begin % (N / seen.meet) == 0) {
        zk_add_seq_cst(&seen.met, 1u);
        rt_await(&seen.met, seen.meet);
    }
    zk_sub_seq_cst(&seen.inside, 1u);
    (void)arg;
    return 0;
}

static void
forget(size_t grain)
{
    for (size_t i = 0; i < N; i++) {
        zk_store_relaxed(&seen.runs[i], 0u);
        zk_store_relaxed(&seen.slot[i], -1);
    }
    zk_store_relaxed(&seen.most, 0u);
    zk_store_relaxed(&seen.too_long, 0u);
    zk_store_relaxed(&seen.met, 0u);
    seen.grain = grain;
}

static bool
each_ran_once(void)
{
    for (size_t i = 0; i < N; i++)
        if (zk_load_relaxed(&seen.runs[i]) != 1)
            return false;
    return zk_load_relaxed(&seen.too_long) == 0;
}

static void
test_each_iteration_runs_once_with_any_options(void **state)
{
    static const unsigned workers[] = {1, 2, 5, 80};
    static const unsigned most[] = {0, 1, 2, 3, 100};
    static const size_t grains[] = {0, 1, 7, SIZE_MAX};
    static const size_t begins[] = {0, SIZE_MAX - N};
    static const unsigned places[] = {0, ZK_PLACE_NODE(0), ZK_PLACE_NODE(900)};

    (void)state;
    for (size_t w = 0; w < 4; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 2);

        for (size_t m = 0; m < 5; m++)
            for (size_t g = 0; g < 4; g++)
                for (unsigned a = 0; a < 6; a++) {
                    size_t begin = begins[(g + a) % 2];

                    forget(grains[g]);
                    assert_int_equal(
                        zk_parallel_for_ex(
                            lane, begin, begin + N,
                            ZK_LOOP_OPTIONS(.grain = grains[g],
                                            .max_workers = most[m],
                                            .affinity = a % 2,
                                            .place = places[a / 2]),
                            body, NULL),
                        ZK_OK);
                    assert_true(each_ran_once());
                    if (most[m] != 0)
                        assert_true(zk_load_relaxed(&seen.most) <= most[m]);
                }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_no_more_workers_than_allowed_are_inside_at_once(void **state)
{
    zk_runtime_t *lane = rt_lane(6, 2);
    unsigned rounds = test_scaled(200);

    (void)state;
    for (unsigned most = 1; most <= 4; most++)
        for (unsigned i = 0; i < rounds; i++) {
            forget(1);
            assert_int_equal(
                zk_parallel_for_ex(
                    lane, 0, N,
                    ZK_LOOP_OPTIONS(.grain = 1, .max_workers = most,
                                    .place = i % 2 ? ZK_PLACE_NODE(0) : 0),
                    body, NULL),
                ZK_OK);
            assert_true(zk_load_relaxed(&seen.most) <= most);
            assert_true(each_ran_once());
        }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* While everybody keeps up, which the first piece of each share sees to. */
static void
test_with_affinity_each_slot_begins_with_its_own_share(void **state)
{
    enum { WORKERS = 4 };
    zk_runtime_t *lane = rt_lane(WORKERS, 2);
    unsigned rounds = test_scaled(200);

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    seen.meet = WORKERS;
    for (unsigned i = 0; i < rounds; i++) {
        forget(10);
        assert_int_equal(
            zk_parallel_for_ex(lane, 0, N,
                               ZK_LOOP_OPTIONS(.grain = 10, .affinity = 1),
                               meet, NULL),
            ZK_OK);
        assert_true(each_ran_once());
        for (int s = 0; s < WORKERS; s++)
            assert_int_equal(zk_load_relaxed(&seen.slot[s * N / WORKERS]), s);
    }
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- who helps whom ------------------------------------------------------ */

enum { FREE = 3, SHARES = 4, PIECE = 10, PIECES = N / SHARES / PIECE };

/* What those of another node leave of a share: less than an eighth of it. */
enum { LEFT = N / SHARES / 8 / PIECE };

static struct {
    _Atomic unsigned met, done, released;
    unsigned order[SHARES], helped; /* shares, as FREE came to them */
    unsigned of[SHARES];            /* pieces that it has done of each */
} help;

/* All slots but one stay in the first piece of their shares until that one has done
 * all that it does. */
static int
all_but_one_fall_behind(size_t begin, size_t end, void *arg)
{
    unsigned share = (unsigned)(begin * SHARES / N);

    (void)arg;
    (void)end;
    if (begin % (N / SHARES) == 0) {
        zk_add_seq_cst(&help.met, 1u);
        rt_await(&help.met, SHARES);
        if (zk_slot() != FREE)
            rt_await(&help.released, 1);
    }
    if (zk_slot() == FREE && help.of[share]++ == 0)
        help.order[help.helped++] = share;
    if (zk_add_seq_cst(&help.done, 1u) + 1 ==
        SHARES * PIECES - (SHARES - 1) - 2 * LEFT)
        zk_store_release(&help.released, 1u);
    return 0;
}

/* In a child, since a process loads its topology once. */
static int
help_on_an_imagined_machine(void *arg)
{
    zk_runtime_t *lane = NULL;

    (void)arg;
    setenv("ZK_TOPOLOGY", "package:2 [numa] core:2 pu:1", 1);
    CHILD_CHECK(zk_runtime_open(&lane, ZK_OPTIONS(.slab_bytes = 4 * MIB)) ==
                ZK_OK);
    CHILD_CHECK(zk_runtime_enter(lane) == ZK_OK);
    CHILD_CHECK(zk_num_workers() == SHARES);
    CHILD_CHECK(zk_parallel_for_ex(
                    lane, 0, N, ZK_LOOP_OPTIONS(.grain = PIECE, .affinity = 1),
                    all_but_one_fall_behind, NULL) == ZK_OK);
    CHILD_CHECK(zk_load_relaxed(&help.done) == SHARES * PIECES);
    CHILD_CHECK(help.helped == SHARES);
    CHILD_CHECK(help.order[0] == FREE);
    CHILD_CHECK(help.order[1] == 2); /* its neighbour on the node */
    CHILD_CHECK(help.of[2] == PIECES - 1);
    CHILD_CHECK(help.of[0] == PIECES - 1 - LEFT);
    CHILD_CHECK(help.of[1] == PIECES - 1 - LEFT);
    CHILD_CHECK(zk_runtime_leave() == ZK_OK);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_with_affinity_those_of_the_same_node_are_helped_first_and_most(
    void **state)
{
    (void)state;
    RT_SKIP_IF_CHILDREN_START_NO_THREADS();
    test_clean_environment();
    assert_true(test_child_succeeds(help_on_an_imagined_machine, NULL));
}

static int
fail_at_500(size_t begin, size_t end, void *arg)
{
    (void)body(begin, end, arg);
    return begin <= 500 && 500 < end ? 44 : 0;
}

static void
test_errors_come_back_and_wrong_options_run_nothing(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    zk_loop_options_t bad = ZK_LOOP_OPTIONS_INIT;

    (void)state;
    forget(1);
    assert_int_equal(
        zk_parallel_for_ex(lane, 0, N,
                           ZK_LOOP_OPTIONS(.grain = 1, .max_workers = 1),
                           fail_at_500, NULL),
        44);
    assert_int_equal(zk_load_relaxed(&seen.runs[500]), 1);
    assert_int_equal(zk_load_relaxed(&seen.runs[501]), 0);

    forget(0);
    assert_int_equal(zk_parallel_for_ex(lane, 0, N, NULL, NULL, NULL),
                     ZK_EINVAL);
    bad.size += 8;
    assert_int_equal(zk_parallel_for_ex(lane, 0, N, &bad, body, NULL),
                     ZK_EINVAL);
    bad.size = sizeof bad;
    bad.affinity = 2;
    assert_int_equal(zk_parallel_for_ex(lane, 0, N, &bad, body, NULL),
                     ZK_EINVAL);
    assert_int_equal(zk_load_relaxed(&seen.most), 0);
    assert_int_equal(zk_parallel_for_ex(lane, 5, 5, NULL, body, NULL), ZK_OK);
    assert_int_equal(zk_parallel_for_ex(lane, 0, N, NULL, body, NULL), ZK_OK);
    assert_true(each_ran_once());
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(/* first: it forks before there is a lane */
                         test_with_affinity_those_of_the_same_node_are_helped_first_and_most),
        cmocka_unit_test(test_each_iteration_runs_once_with_any_options),
        cmocka_unit_test(test_no_more_workers_than_allowed_are_inside_at_once),
        cmocka_unit_test(
            test_with_affinity_each_slot_begins_with_its_own_share),
        cmocka_unit_test(test_errors_come_back_and_wrong_options_run_nothing),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
