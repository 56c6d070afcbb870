/*
 * submit_test.c - tasks that tell when they are over: once, whatever came of them.
 */
#include "tests/runtime/rt.h"

static const unsigned widths[] = {1, 2, 6};
enum { WIDTHS = sizeof widths / sizeof *widths };

/* One submission, and what was heard of it. */
struct request {
    zk_submission_t submission;
    struct desk *desk;
    int code; /* what its task returns */
    _Atomic int heard;
    _Atomic unsigned calls;
    bool freed_when_told;
};

struct desk {
    zk_runtime_t *lane;
    zk_group_t *group;
    _Atomic unsigned ran, told, wrong;
    _Atomic unsigned entered, open; /* of a task that holds up the others */
    unsigned wanted;                /* of a chain */
};

static int
serve(void *arg)
{
    struct request *r = arg;

    zk_add_relaxed(&r->desk->ran, 1u);
    if (zk_load_relaxed(&r->calls) != 0) /* told before it ran */
        zk_add_relaxed(&r->desk->wrong, 1u);
    return r->code;
}

static void
note(int code, void *arg)
{
    struct request *r = arg;
    struct desk *d = r->desk;

    zk_store_relaxed(&r->heard, code);
    zk_add_relaxed(&r->calls, 1u);
    if (zk_slot() < 0) /* it is a part of the task */
        zk_add_relaxed(&d->wrong, 1u);
    if (r->freed_when_told)
        free(r);
    zk_add_release(&d->told, 1u);
}

static void
make(struct request *r, struct desk *d, int code)
{
    *r = (struct request){
        .submission = {sizeof r->submission, serve, r, note, r},
        .desk = d,
        .code = code};
}

static bool
heard_once(struct request *r, int code)
{
    return zk_load_acquire(&r->calls) == 1 &&
           zk_load_relaxed(&r->heard) == code;
}

/* ---- from outside -------------------------------------------------------- */

static void
test_a_caller_from_outside_is_told_the_code_of_each_task(void **state)
{
    enum { N = 200 };
    static struct request r[N];

    (void)state;
    for (unsigned w = 0; w < WIDTHS; w++) {
        struct desk d = {.lane = rt_lane(widths[w], 2)};

        for (int i = 0; i < N; i++) {
            make(&r[i], &d, i % 3); /* a failure is nobody else's */
            assert_int_equal(zk_submit(d.lane, NULL, &r[i].submission), ZK_OK);
        }
        rt_await(&d.told, N);
        for (int i = 0; i < N; i++)
            assert_true(heard_once(&r[i], i % 3));
        assert_int_equal(zk_load_relaxed(&d.ran), N);
        assert_int_equal(zk_load_relaxed(&d.wrong), 0);
        assert_int_equal(zk_runtime_close(d.lane), ZK_OK);
    }
}

static void
test_who_is_told_may_free_the_submission(void **state)
{
    unsigned n = test_scaled(2000);

    (void)state;
    for (unsigned w = 0; w < WIDTHS; w++) {
        struct desk d = {.lane = rt_lane(widths[w], 2)};

        for (unsigned i = 0; i < n; i++) {
            struct request *r = malloc(sizeof *r);

            assert_non_null(r);
            make(r, &d, 0);
            r->freed_when_told = true;
            assert_int_equal(zk_submit(d.lane, NULL, &r->submission), ZK_OK);
        }
        assert_int_equal(zk_runtime_close(d.lane), ZK_OK);
        assert_int_equal(zk_load_acquire(&d.told), n); /* close waits for it */
        assert_int_equal(zk_load_relaxed(&d.wrong), 0);
    }
}

/* ---- with a group -------------------------------------------------------- */

static void
tell_late(int code, void *arg)
{
    struct request *r = arg;

    usleep(2000);
    note(code, r);
}

static void
test_sync_and_done_wait_for_the_call_too(void **state)
{
    enum { N = 20 };
    static struct request r[N];

    (void)state;
    for (unsigned w = 0; w < WIDTHS; w++)
        for (int inside = 0; inside < 2; inside++) {
            struct desk d = {.lane = rt_lane(widths[w], 2)};
            zk_group_t g = ZK_GROUP_INIT;

            if (inside != 0)
                assert_int_equal(zk_runtime_enter(d.lane), ZK_OK);
            for (int i = 0; i < N; i++) {
                make(&r[i], &d, 0);
                r[i].submission.done = tell_late;
                assert_int_equal(zk_submit(inside != 0 ? NULL : d.lane, &g,
                                           &r[i].submission),
                                 ZK_OK);
            }
            if (inside == 0 && widths[w] > 1)
                while (!zk_group_done(&g))
                    usleep(100);
            else
                assert_int_equal(zk_sync(&g), ZK_OK);
            assert_int_equal(zk_load_acquire(&d.told), N);
            assert_int_equal(zk_load_relaxed(&d.wrong), 0);
            assert_int_equal(zk_sync(&g), ZK_OK);
            if (inside != 0)
                assert_int_equal(zk_runtime_leave(), ZK_OK);
            assert_int_equal(zk_runtime_close(d.lane), ZK_OK);
        }
}

static int
hold_up(void *arg)
{
    struct desk *d = arg;

    zk_store_release(&d->entered, 1u);
    rt_await(&d->open, 1);
    return 0;
}

/* One worker is held up while others queue: then they are told to stop. */
static void
test_tasks_that_are_skipped_are_told_of_as_well(void **state)
{
    enum { N = 50 };
    static struct request r[N];

    (void)state;
    for (int failing = 0; failing < 2; failing++) {
        struct desk d = {.lane = rt_lane(1, 2)};
        zk_group_t g = ZK_GROUP_INIT;
        struct request first;

        make(&first, &d, failing != 0 ? 77 : 0);
        assert_int_equal(zk_spawn_on(d.lane, NULL, hold_up, &d), ZK_OK);
        rt_await(&d.entered, 1);
        assert_int_equal(zk_submit(d.lane, &g, &first.submission), ZK_OK);
        for (int i = 0; i < N; i++) {
            make(&r[i], &d, 0);
            assert_int_equal(zk_submit(d.lane, &g, &r[i].submission), ZK_OK);
        }
        if (failing == 0)
            zk_group_cancel(&g, 0);
        zk_store_release(&d.open, 1u);
        rt_await(&d.told, N + 1);
        assert_true(heard_once(&first, failing != 0 ? 77 : ZK_ECANCELED));
        for (int i = 0; i < N; i++)
            assert_true(heard_once(&r[i], ZK_ECANCELED));
        assert_int_equal(zk_load_relaxed(&d.ran), failing != 0 ? 1 : 0);
        assert_int_equal(zk_sync(&g), failing != 0 ? 77 : ZK_ECANCELED);
        assert_int_equal(zk_runtime_close(d.lane), ZK_OK);
    }
}

/* ---- what may be called -------------------------------------------------- */

static void
tell_and_submit_the_next(int code, void *arg)
{
    struct request *r = arg;
    struct desk *d = r->desk;

    if (code != 0)
        zk_add_relaxed(&d->wrong, 1u);
    if (zk_load_relaxed(&d->told) + 1 < d->wanted &&
        zk_submit(d->lane, d->group, &r->submission) != ZK_OK)
        zk_add_relaxed(&d->wrong, 1u);
    zk_add_release(&d->told, 1u);
}

static void
test_who_is_told_may_submit_the_same_again(void **state)
{
    (void)state;
    for (unsigned w = 0; w < WIDTHS; w++)
        for (int detached = 0; detached < 2; detached++) {
            zk_group_t g = ZK_GROUP_INIT;
            struct desk d = {.lane = rt_lane(widths[w], 2),
                             .group = detached != 0 ? NULL : &g,
                             .wanted = test_scaled(3000)};
            struct request r;

            make(&r, &d, 0);
            r.submission.done = tell_and_submit_the_next;
            assert_int_equal(zk_submit(d.lane, d.group, &r.submission), ZK_OK);
            if (detached != 0)
                rt_await(&d.told, d.wanted);
            else
                assert_int_equal(zk_sync(&g), ZK_OK);
            assert_true(zk_load_acquire(&d.told) >= d.wanted);
            assert_int_equal(zk_load_relaxed(&d.wrong), 0);
            assert_int_equal(zk_runtime_close(d.lane), ZK_OK);
        }
}

static void
tell_and_allocate(int code, void *arg)
{
    struct request *r = arg;
    void *p = zk_malloc(10000);

    if (!zk_in_arena(p))
        zk_add_relaxed(&r->desk->wrong, 1u);
    note(code, r);
}

static void
test_the_call_allocates_for_the_phase_whose_end_waits_for_it(void **state)
{
    enum { N = 40 };
    static struct request r[N];

    (void)state;
    for (unsigned w = 0; w < WIDTHS; w++) {
        struct desk d = {.lane = rt_lane(widths[w], 2)};

        assert_int_equal(zk_phase_begin_on(d.lane, "told"), ZK_OK);
        for (int i = 0; i < N; i++) {
            make(&r[i], &d, 0);
            r[i].submission.done = tell_and_allocate;
            assert_int_equal(zk_submit(NULL, NULL, &r[i].submission), ZK_OK);
        }
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_load_acquire(&d.told), N);
        assert_int_equal(zk_load_relaxed(&d.wrong), 0);
        assert_int_equal(zk_runtime_close(d.lane), ZK_OK);
    }
}

/* ---- refusals ------------------------------------------------------------ */

static void
test_a_refused_submission_is_never_told_of(void **state)
{
    struct desk d = {.lane = rt_lane(2, 2)};
    zk_group_t g = ZK_GROUP_INIT;
    struct request r;

    (void)state;
    make(&r, &d, 0);
    assert_int_equal(zk_submit(d.lane, &g, NULL), ZK_EINVAL);
    r.submission.size--;
    assert_int_equal(zk_submit(d.lane, &g, &r.submission), ZK_EINVAL);
    make(&r, &d, 0);
    r.submission.fn = NULL;
    assert_int_equal(zk_submit(d.lane, &g, &r.submission), ZK_EINVAL);
    make(&r, &d, 0);
    r.submission.done = NULL;
    assert_int_equal(zk_submit(d.lane, &g, &r.submission), ZK_EINVAL);

    make(&r, &d, 0);
    assert_int_equal(zk_phase_begin_on(d.lane, "cancelled"), ZK_OK);
    assert_int_equal(zk_phase_cancel(zk_phase_id()), ZK_OK);
    assert_int_equal(zk_submit(NULL, &g, &r.submission), ZK_ECANCELED);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(zk_submit(d.lane, &g, &r.submission), ZK_ESTALE);
    assert_int_equal(zk_load_acquire(&r.calls), 0);
    assert_int_equal(zk_runtime_close(d.lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_caller_from_outside_is_told_the_code_of_each_task),
        cmocka_unit_test(test_who_is_told_may_free_the_submission),
        cmocka_unit_test(test_sync_and_done_wait_for_the_call_too),
        cmocka_unit_test(test_tasks_that_are_skipped_are_told_of_as_well),
        cmocka_unit_test(test_who_is_told_may_submit_the_same_again),
        cmocka_unit_test(
            test_the_call_allocates_for_the_phase_whose_end_waits_for_it),
        cmocka_unit_test(test_a_refused_submission_is_never_told_of),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
