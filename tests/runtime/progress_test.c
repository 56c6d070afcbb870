/*
 * progress_test.c - how far a phase is, and who is told.
 */
#include "tests/runtime/rt.h"

#include "runtime/lane.h"

static int
nothing(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    return 0;
}

static int
fail_at_500(size_t begin, size_t end, void *arg)
{
    (void)arg;
    return begin <= 500 && 500 < end ? 3 : 0;
}

/* What the calls have said. Calls come one at a time. */
struct heard {
    unsigned calls, ended, wrong;
    zk_progress_t last, stage; /* and the last one about a stage */
    _Atomic unsigned seen;     /* calls, for other threads */
    _Atomic bool over;         /* the end has returned */
    _Atomic unsigned cancel;   /* so many calls from now */
};

static void
hear(const zk_progress_t *progress, void *arg)
{
    struct heard *h = arg;
    bool same = h->calls != 0 && h->ended == 0 && progress->id == h->last.id;

    h->wrong += progress->size != sizeof *progress;
    h->wrong += progress->done > progress->total;
    h->wrong += progress->stage_done > progress->stage_total;
    h->wrong += progress->stage_total > progress->total;
    h->wrong += progress->id == 0;
    h->wrong += same && progress->done < h->last.done;
    h->wrong += same && progress->total < h->last.total;
    h->wrong += zk_load_relaxed(&h->over);
    h->calls++;
    h->ended += progress->ended != 0;
    h->last = *progress;
    if (progress->depth == 2)
        h->stage = *progress;
    if (zk_load_relaxed(&h->cancel) != 0 && zk_sub_seq_cst(&h->cancel, 1u) == 1)
        (void)!zk_phase_cancel(progress->id);
    zk_add_release(&h->seen, 1u);
}

static zk_err_t
begin(zk_runtime_t *lane, const char *name, struct heard *h)
{
    return zk_phase_begin_ex(lane, name,
                             ZK_PHASE_OPTIONS(.progress_ms = 1,
                                              .progress = hear,
                                              .progress_arg = h));
}

/* ---- what is counted --------------------------------------------------------- */

static void
test_done_and_total_are_the_sums_of_the_ranges(void **state)
{
    static const unsigned workers[] = {1, 2, 8};

    (void)state;
    for (size_t w = 0; w < 3; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 2);

        for (int round = 0; round < 3; round++) {
            assert_int_equal(zk_phase_begin_on(lane, "counts"), ZK_OK);
            assert_int_equal(test_phase_stats().work_total, 0);
            for (size_t grain = 0; grain < 3; grain++)
                assert_int_equal(zk_parallel_for(5, 1005, grain, nothing, NULL),
                                 ZK_OK);
            assert_int_equal(zk_parallel_for(7, 7, 1, nothing, NULL), ZK_OK);
            assert_int_equal(zk_parallel_for_ex(NULL, 0, 777,
                                                ZK_LOOP_OPTIONS(.affinity = 1),
                                                nothing, NULL),
                             ZK_OK);
            assert_int_equal(test_phase_stats().work_done, 3777);
            assert_int_equal(test_phase_stats().work_total, 3777);
            assert_int_equal(zk_phase_end(), ZK_OK);
            assert_int_equal(test_phase_stats().work_done, 3777);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static int
loop_of_100(void *arg)
{
    return zk_parallel_for(0, 100, 1, nothing, arg);
}

static int
loops_inside(size_t begin, size_t end, void *arg)
{
    zk_err_t err = ZK_OK;

    for (size_t i = begin; i < end && err == ZK_OK; i++) {
        zk_group_t group = ZK_GROUP_INIT;
        zk_fork_t fork = zk_fork(loop_of_100, arg);

        err = loop_of_100(arg);
        if (zk_join(fork) != ZK_OK || zk_spawn(&group, loop_of_100, arg) != 0 ||
            zk_sync(&group) != ZK_OK)
            return 1;
    }
    return err;
}

/* N2 */
static void
test_a_loop_inside_of_a_loop_is_a_part_of_it_and_one_in_a_task_is_not(
    void **state)
{
    static const unsigned workers[] = {1, 3};

    (void)state;
    for (size_t w = 0; w < 2; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 2);
        zk_group_t group = ZK_GROUP_INIT;
        zk_fork_t fork;

        assert_int_equal(zk_phase_begin_on(lane, "nested"), ZK_OK);
        assert_int_equal(zk_parallel_for(0, 50, 1, loops_inside, NULL), ZK_OK);
        assert_int_equal(test_phase_stats().work_done, 50);
        assert_int_equal(test_phase_stats().work_total, 50);
        for (int i = 0; i < 4; i++)
            assert_int_equal(zk_spawn(&group, loop_of_100, NULL), ZK_OK);
        assert_int_equal(zk_sync(&group), ZK_OK);
        fork = zk_fork(loop_of_100, NULL);
        assert_int_equal(zk_join(fork), ZK_OK);
        assert_int_equal(test_phase_stats().work_done, 550);
        assert_int_equal(test_phase_stats().work_total, 550);
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_what_an_error_skips_is_never_done(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    struct heard h = {.calls = 0};

    (void)state;
    assert_int_equal(begin(lane, "fails", &h), ZK_OK);
    assert_int_equal(zk_parallel_for(0, 1000, 1, fail_at_500, NULL), 3);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(h.last.total, 1000);
    assert_true(h.last.done < 1000);
    assert_int_equal(h.wrong, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- who is told --------------------------------------------------------------- */

static void
test_the_last_call_has_all_of_it_and_none_comes_after(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);

    (void)state;
    for (unsigned round = 0; round < test_scaled(300); round++) {
        struct heard h = {.calls = 0};

        assert_int_equal(begin(lane, "all", &h), ZK_OK);
        assert_int_equal(zk_parallel_for(0, 100, 0, nothing, NULL), ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_OK);
        zk_store_relaxed(&h.over, true);
        assert_int_equal(h.ended, 1);
        assert_int_equal(h.wrong, 0);
        assert_true(h.last.ended);
        assert_int_equal(h.last.done, 100);
        assert_int_equal(h.last.total, 100);
        assert_int_equal(h.last.depth, 1);
        assert_string_equal(h.last.name, "all");
        if (round % 50 == 0)
            usleep(2000);
        assert_int_equal(h.ended, 1);
        assert_int_equal(h.wrong, 0);
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Loops begin all the time, also between what a call says of the phase and of the
 * stage. */
static void
test_a_call_is_one_view_of_phase_and_stage(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    struct heard h = {.calls = 0};

    (void)state;
    assert_int_equal(begin(lane, "many loops", &h), ZK_OK);
    while (zk_load_acquire(&h.seen) < test_scaled(60))
        assert_int_equal(zk_parallel_for(0, 1, 0, nothing, NULL), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(h.wrong, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* One call of the body waits until the program was told so often meanwhile. */
static int
wait_for_calls(size_t begin, size_t end, void *arg)
{
    struct heard *h = arg;
    unsigned first = zk_load_acquire(&h->seen);

    if (begin <= 3 && 3 < end)
        while (zk_load_acquire(&h->seen) < first + 4)
            usleep(100);
    return 0;
}

/* With one worker, too: it is in the body all the time. */
static void
test_calls_come_while_every_worker_is_in_a_body(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);
        struct heard h = {.calls = 0};

        assert_int_equal(begin(lane, "busy", &h), ZK_OK);
        assert_int_equal(zk_parallel_for(0, 10, 1, wait_for_calls, &h), ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_true(h.calls >= 5);
        assert_int_equal(h.ended, 1);
        assert_int_equal(h.wrong, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static int
wait_in_a_stage(size_t begin, size_t end, void *arg)
{
    struct heard *h = arg;
    unsigned first = zk_load_acquire(&h->seen);

    (void)begin;
    (void)end;
    while (zk_load_acquire(&h->seen) < first + 2)
        usleep(100);
    return 0;
}

static void
test_a_stage_has_a_name_and_counts_of_its_own(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct heard h = {.calls = 0};

    (void)state;
    assert_int_equal(begin(lane, "proof", &h), ZK_OK);
    assert_int_equal(zk_parallel_for(0, 30, 0, nothing, NULL), ZK_OK);
    assert_int_equal(zk_phase_begin("commit"), ZK_OK);
    assert_int_equal(zk_parallel_for(0, 12, 0, nothing, NULL), ZK_OK);
    assert_int_equal(zk_parallel_for(0, 1, 1, wait_in_a_stage, &h), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(h.stage.depth, 2);
    assert_string_equal(h.stage.name, "commit");
    assert_int_equal(h.stage.stage_total, 13);
    assert_true(h.stage.stage_done == 12 || h.stage.stage_done == 13);
    assert_int_equal(h.stage.total, 43);
    assert_int_equal(h.last.depth, 1);
    assert_int_equal(h.last.done, 43);
    assert_int_equal(h.last.stage_done, 43);
    assert_string_equal(h.last.name, "proof");
    assert_int_equal(h.wrong, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
until_cancelled(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    usleep(100);
    return 0;
}

static void
test_a_call_may_cancel_its_phase(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    struct heard h = {.cancel = 3};

    (void)state;
    assert_int_equal(begin(lane, "cancelled", &h), ZK_OK);
    assert_int_equal(zk_parallel_for(0, SIZE_MAX, 1, until_cancelled, NULL),
                     ZK_ECANCELED);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_true(h.calls >= 3);
    assert_int_equal(h.ended, 1);
    assert_true(h.last.done < h.last.total);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_stage_with_a_callback_is_refused(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct heard h = {.calls = 0};

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "outer"), ZK_OK);
    assert_int_equal(begin(NULL, "inner", &h), ZK_EINVAL);
    assert_int_equal(test_phase_stats().depth, 1);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(h.calls, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- its thread ------------------------------------------------------------------ */

static void
test_only_a_phase_with_a_callback_starts_the_watcher_and_close_joins_it(
    void **state)
{
    unsigned before = rt_threads();
    zk_runtime_t *lane = rt_lane(1, 2);
    struct heard h = {.calls = 0};

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "plain"), ZK_OK);
    assert_int_equal(zk_parallel_for(0, 100, 0, nothing, NULL), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(rt_threads(), before);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(begin(lane, "told", &h), ZK_OK);
        assert_int_equal(rt_threads(), before + 1);
        assert_int_equal(zk_phase_end(), ZK_OK);
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_true(rt_threads_become(before));
}

struct prover {
    zk_runtime_t *lane;
    struct heard heard;
    _Atomic unsigned wrong;
};

static void *
prove(void *arg)
{
    struct prover *p = arg;

    for (unsigned round = 0; round < test_scaled(60); round++) {
        p->heard = (struct heard){.calls = 0};
        if (begin(p->lane, "one of several", &p->heard) != ZK_OK ||
            zk_parallel_for(0, 200, 1, nothing, NULL) != ZK_OK ||
            zk_phase_end() != ZK_OK)
            zk_add_relaxed(&p->wrong, 1u);
        if (p->heard.last.done != 200 || p->heard.ended != 1 ||
            p->heard.wrong != 0)
            zk_add_relaxed(&p->wrong, 1u);
    }
    return NULL;
}

static void
test_several_phases_of_a_lane_are_told_apart(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 8);
    struct prover prover[4];
    pthread_t thread[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        prover[i] = (struct prover){.lane = lane};
        assert_int_equal(pthread_create(&thread[i], NULL, prove, &prover[i]),
                         0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(prover[i].wrong, 0);
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
go_on_in_the_child(void *arg)
{
    struct heard *h = arg;
    unsigned calls = h->calls;

    CHILD_CHECK(zk_parallel_for(0, 10, 1, nothing, NULL) == ZK_OK);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(h->calls == calls); /* its program told the parent */
    return 0;
}

static void
test_a_forked_child_tells_nobody(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct heard h = {.calls = 0};

    (void)state;
    for (unsigned i = 0; i < test_scaled(30); i++) {
        assert_int_equal(begin(lane, "forks", &h), ZK_OK);
        assert_true(test_child_succeeds(go_on_in_the_child, &h));
        assert_int_equal(zk_phase_end(), ZK_OK);
    }
    assert_int_equal(h.wrong, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done_and_total_are_the_sums_of_the_ranges),
        cmocka_unit_test(
            test_a_loop_inside_of_a_loop_is_a_part_of_it_and_one_in_a_task_is_not),
        cmocka_unit_test(test_what_an_error_skips_is_never_done),
        cmocka_unit_test(test_the_last_call_has_all_of_it_and_none_comes_after),
        cmocka_unit_test(test_a_call_is_one_view_of_phase_and_stage),
        cmocka_unit_test(test_calls_come_while_every_worker_is_in_a_body),
        cmocka_unit_test(test_a_stage_has_a_name_and_counts_of_its_own),
        cmocka_unit_test(test_a_call_may_cancel_its_phase),
        cmocka_unit_test(test_a_stage_with_a_callback_is_refused),
        cmocka_unit_test(
            test_only_a_phase_with_a_callback_starts_the_watcher_and_close_joins_it),
        cmocka_unit_test(test_several_phases_of_a_lane_are_told_apart),
        cmocka_unit_test(test_a_forked_child_tells_nobody),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
