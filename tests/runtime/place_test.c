/*
 * place_test.c - loops with a place, on an imagined machine of two nodes.
 *
 * Slots 0 and 1 are on node 0, and slots 2 and 3 on node 1; the caller is slot 0.
 */
#include "runtime/shares.h"

#include "tests/runtime/two_nodes.h"

enum { N = 1000, WORKERS = 4, PIECE = 10 };

static struct {
    _Atomic unsigned runs[N];
    _Atomic int slot[N];
    _Atomic unsigned inside, most;
} seen;

static int
body(size_t begin, size_t end, void *arg)
{
    unsigned inside = zk_add_seq_cst(&seen.inside, 1u) + 1;
    unsigned most = zk_load_relaxed(&seen.most);

    (void)arg;
    while (inside > most && !zk_cas_acq_rel(&seen.most, &most, inside))
        ;
    for (size_t i = begin; i < end; i++) {
        zk_add_relaxed(&seen.runs[i], 1u);
        zk_store_relaxed(&seen.slot[i], zk_slot());
    }
    sched_yield();
    zk_sub_seq_cst(&seen.inside, 1u);
    return 0;
}

static bool
each_ran_once(void)
{
    for (size_t i = 0; i < N; i++)
        if (zk_load_relaxed(&seen.runs[i]) != 1)
            return false;
    return true;
}

/* How many iterations the slots of a node had. */
static unsigned
iterations_of(unsigned node)
{
    unsigned n = 0;

    for (size_t i = 0; i < N; i++)
        n += zk_load_relaxed(&seen.slot[i]) / 2 == (int)node;
    return n;
}

static zk_err_t
loop_on_node(unsigned node, unsigned most, zk_range_fn fn)
{
    for (size_t i = 0; i < N; i++) {
        zk_store_relaxed(&seen.runs[i], 0u);
        zk_store_relaxed(&seen.slot[i], -1);
    }
    zk_store_relaxed(&seen.most, 0u);
    return zk_parallel_for_ex(NULL, 0, N,
                              ZK_LOOP_OPTIONS(.grain = PIECE,
                                              .max_workers = most,
                                              .place = ZK_PLACE_NODE(node)),
                              fn, NULL);
}

/* Others wait so long for workers of the place that are idle. */
static zk_runtime_t *
open_entered(uint64_t grace_ns)
{
    zk__shares_grace_ns = grace_ns;
    return two_nodes_enter();
}

/* As long as workers of the node may come nobody else does a piece: here patience
 * has no end. The first loop also starts the threads. */
static void
test_a_loop_runs_on_the_idle_workers_of_its_place(void **state)
{
    zk_runtime_t *lane = open_entered(UINT64_MAX);
    unsigned rounds = test_scaled(60);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_num_workers(), WORKERS);
    for (unsigned i = 0; i < rounds; i++) {
        unsigned most = i / 2 % 3, node = (i + 1) % 2;

        two_nodes_await_idle(lane);
        assert_int_equal(loop_on_node(node, most, body), ZK_OK);
        assert_true(each_ran_once());
        assert_int_equal(iterations_of(node), N);
        if (most != 0)
            assert_true(zk_load_relaxed(&seen.most) <= most);
    }
    two_nodes_close(lane);
}

/* The same share to the same slot: the first piece of each waits for the others. */
static _Atomic unsigned met;

static int
meet(size_t begin, size_t end, void *arg)
{
    if (begin % (N / 2) == 0) {
        zk_add_seq_cst(&met, 1u);
        rt_await(&met, 2);
    }
    return body(begin, end, arg);
}

static void
test_each_worker_of_a_place_begins_with_its_own_share(void **state)
{
    zk_runtime_t *lane = open_entered(UINT64_MAX);
    unsigned rounds = test_scaled(40);

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 0; i < rounds; i++) {
        two_nodes_await_idle(lane);
        zk_store_relaxed(&met, 0u);
        assert_int_equal(loop_on_node(1, 0, meet), ZK_OK);
        assert_true(each_ran_once());
        assert_int_equal(zk_load_relaxed(&seen.slot[0]), 2);
        assert_int_equal(zk_load_relaxed(&seen.slot[N / 2]), 3);
    }
    two_nodes_close(lane);
}

/* The workers of node 1 are inside of another loop, which waits for this one. */
static struct {
    _Atomic unsigned met, over;
    zk_err_t err;
    unsigned helped; /* iterations of node 0 */
    bool complete;
} nested;

static int
call_while_they_are_busy(size_t begin, size_t end, void *arg)
{
    (void)arg;
    (void)end;
    if (begin % (N / WORKERS) != 0)
        return 0;
    zk_add_seq_cst(&nested.met, 1u);
    rt_await(&nested.met, WORKERS);
    if (zk_slot() == 0) {
        nested.err = loop_on_node(1, 0, body);
        nested.complete = each_ran_once();
        nested.helped = iterations_of(0);
        zk_store_release(&nested.over, 1u);
    } else if (zk_slot() > 1) {
        rt_await(&nested.over, 1);
    }
    return 0;
}

static void
test_a_place_whose_workers_wait_for_the_loop_is_no_deadlock(void **state)
{
    zk_runtime_t *lane = open_entered(UINT64_MAX);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(
        zk_parallel_for_ex(NULL, 0, N,
                           ZK_LOOP_OPTIONS(.grain = PIECE, .affinity = 1),
                           call_while_they_are_busy, NULL),
        ZK_OK);
    assert_int_equal(nested.err, ZK_OK);
    assert_true(nested.complete);
    assert_int_equal(nested.helped, N);
    two_nodes_close(lane);
}

/* Nobody waits: all that is promised is that it ends, and ran once. */
static void
test_a_place_is_a_wish_and_the_loop_is_done_once(void **state)
{
    zk_runtime_t *lane = open_entered(0);
    unsigned rounds = test_scaled(200);

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 0; i < rounds; i++) {
        unsigned most = i / 2 % 4;

        assert_int_equal(loop_on_node(i % 2, most, body), ZK_OK);
        assert_true(each_ran_once());
        if (most != 0)
            assert_true(zk_load_relaxed(&seen.most) <= most);
    }
    two_nodes_close(lane);
}

static int
fail_at_500(size_t begin, size_t end, void *arg)
{
    (void)body(begin, end, arg);
    return begin <= 500 && 500 < end ? 44 : 0;
}

static void
test_errors_come_back_from_a_place(void **state)
{
    zk_runtime_t *lane = open_entered(1000);
    unsigned rounds = test_scaled(40);

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 0; i < rounds; i++)
        assert_int_equal(loop_on_node(i % 2, i % 3, fail_at_500), 44);
    two_nodes_close(lane);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loop_runs_on_the_idle_workers_of_its_place),
        cmocka_unit_test(test_each_worker_of_a_place_begins_with_its_own_share),
        cmocka_unit_test(
            test_a_place_whose_workers_wait_for_the_loop_is_no_deadlock),
        cmocka_unit_test(test_a_place_is_a_wish_and_the_loop_is_done_once),
        cmocka_unit_test(test_errors_come_back_from_a_place),
    };

    two_nodes_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
