/*
 * affinity_test.c - whom loops with affinity wait for, on an imagined machine of two
 * nodes.
 *
 * Slots 0 and 1 are on node 0, and slots 2 and 3 on node 1; the caller is slot 0.
 * Patience has no end here: a loop that waits for somebody who does not come hangs.
 */
#include "runtime/shares.h"

#include "tests/runtime/two_nodes.h"

enum { N = 1000, WORKERS = 4, PIECE = 10 };

static struct {
    _Atomic unsigned runs[N];
    _Atomic int slot[N];
    _Atomic unsigned done[2]; /* iterations of each node's shares */
} seen;

static unsigned
node_of(size_t i)
{
    return i < N / 2 ? 0 : 1;
}

static void
forget(void)
{
    for (size_t i = 0; i < N; i++) {
        zk_store_relaxed(&seen.runs[i], 0u);
        zk_store_relaxed(&seen.slot[i], -1);
    }
    for (unsigned node = 0; node < 2; node++)
        zk_store_relaxed(&seen.done[node], 0u);
}

static void
see(size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        zk_add_relaxed(&seen.runs[i], 1u);
        zk_store_relaxed(&seen.slot[i], zk_slot());
    }
    zk_add_seq_cst(&seen.done[node_of(begin)], (unsigned)(end - begin));
}

/* Iterations that ran once, on a slot of the node whose share they are in. */
static unsigned
at_home(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < N; i++)
        n += zk_load_relaxed(&seen.runs[i]) == 1 &&
             zk_load_relaxed(&seen.slot[i]) / 2 == (int)node_of(i);
    return n;
}

static zk_runtime_t *
open_entered(void)
{
    zk__shares_patience = 100000000;
    return two_nodes_enter();
}

static zk_err_t
loop_with_affinity(zk_range_fn body, void *arg)
{
    forget();
    return zk_parallel_for_ex(
        NULL, 0, N, ZK_LOOP_OPTIONS(.grain = PIECE, .affinity = 1), body, arg);
}

/* Workers of the node *arg begin when the other node's shares are done. */
static int
begin_late(size_t begin, size_t end, void *arg)
{
    unsigned late = *(const unsigned *)arg;

    if (node_of(begin) == late && zk_slot() / 2 == (int)late)
        rt_await(&seen.done[1 - late], N / 2);
    see(begin, end);
    return 0;
}

static void
test_workers_of_another_node_that_are_late_are_given_time(void **state)
{
    zk_runtime_t *lane = open_entered();
    unsigned rounds = test_scaled(60);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_num_workers(), WORKERS);
    for (unsigned i = 0; i < rounds; i++) {
        unsigned late = i % 2;

        two_nodes_await_idle(lane);
        assert_int_equal(loop_with_affinity(begin_late, &late), ZK_OK);
        assert_int_equal(at_home(), N);
    }
    two_nodes_close(lane);
}

/* ---- nobody waits in vain ------------------------------------------------- */

static _Atomic unsigned busy, over;

static int
stay(void *arg)
{
    (void)arg;
    zk_add_seq_cst(&busy, 1u);
    rt_await(&over, 1);
    return 0;
}

static int
just_see(size_t begin, size_t end, void *arg)
{
    (void)arg;
    see(begin, end);
    return 0;
}

static void
test_workers_that_are_busy_elsewhere_are_not_waited_for(void **state)
{
    zk_runtime_t *lane = open_entered();
    zk_group_t group = ZK_GROUP_INIT;
    unsigned ran = 0;

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 1; i < WORKERS; i++)
        assert_int_equal(zk_spawn(&group, stay, NULL), ZK_OK);
    rt_await(&busy, WORKERS - 1);
    assert_int_equal(loop_with_affinity(just_see, NULL), ZK_OK);
    for (size_t i = 0; i < N; i++)
        ran += zk_load_relaxed(&seen.runs[i]) == 1 &&
               zk_load_relaxed(&seen.slot[i]) == 0;
    zk_store_release(&over, 1u);
    assert_int_equal(zk_sync(&group), ZK_OK);
    assert_int_equal(ran, N);
    two_nodes_close(lane);
}

/* Node 0 fails when the others are through and wait for it. */
static int
fail_late(size_t begin, size_t end, void *arg)
{
    unsigned late = 0;

    (void)arg;
    (void)begin_late(begin, end, &late);
    return node_of(begin) == late ? 44 : 0;
}

static void
test_an_error_ends_the_wait(void **state)
{
    zk_runtime_t *lane = open_entered();
    unsigned rounds = test_scaled(40);

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 0; i < rounds; i++) {
        two_nodes_await_idle(lane);
        assert_int_equal(loop_with_affinity(fail_late, NULL), 44);
        assert_int_equal(zk_load_relaxed(&seen.done[1]), N / 2);
        assert_true(zk_load_relaxed(&seen.done[0]) <= 2 * PIECE);
    }
    two_nodes_close(lane);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_workers_of_another_node_that_are_late_are_given_time),
        cmocka_unit_test(
            test_workers_that_are_busy_elsewhere_are_not_waited_for),
        cmocka_unit_test(test_an_error_ends_the_wait),
    };

    two_nodes_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
