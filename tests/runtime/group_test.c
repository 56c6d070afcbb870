/*
 * group_test.c - groups of tasks, from inside a lane and from outside.
 */
#include "tests/runtime/rt.h"

struct tally {
    _Atomic unsigned ran;
    zk_group_t *group;
    zk_runtime_t *lane;
    _Atomic int code;
};

static int
count(void *arg)
{
    struct tally *t = arg;

    zk_add_relaxed(&t->ran, 1u);
    return 0;
}

static int
count_and_fail(void *arg)
{
    (void)count(arg);
    return 42;
}

static zk_err_t
spawn_many(zk_runtime_t *lane, zk_group_t *g, unsigned n, struct tally *t)
{
    zk_err_t err = ZK_OK;

    for (unsigned i = 0; i < n && err == ZK_OK; i++)
        err = zk_spawn_on(lane, g, count, t);
    return err;
}

static void
test_sync_of_an_unused_group_returns_at_once(void **state)
{
    zk_group_t zero = {{0}}, init = ZK_GROUP_INIT;

    (void)state;
    assert_true(zk_group_done(&zero));
    assert_int_equal(zk_sync(&zero), ZK_OK);
    assert_int_equal(zk_sync(&init), ZK_OK);
}

static void
test_every_task_runs_once_for_any_number_of_workers(void **state)
{
    static const unsigned workers[] = {1, 2, 3, 8, 64};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(test_workers(workers[w]), 4);
        zk_group_t g = ZK_GROUP_INIT;
        struct tally t = {.ran = 0};

        assert_non_null(lane);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(spawn_many(NULL, &g, test_scaled(20000), &t), ZK_OK);
        assert_int_equal(zk_sync(&g), ZK_OK);
        assert_int_equal(t.ran, test_scaled(20000));
        assert_true(zk_group_done(&g));
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_a_group_is_used_again_after_sync(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    zk_group_t g = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned round = 1; round <= 500; round++) {
        assert_int_equal(spawn_many(NULL, &g, 5, &t), ZK_OK);
        assert_int_equal(zk_sync(&g), ZK_OK);
        assert_int_equal(t.ran, round * 5);
    }
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_group_moves_to_another_lane_after_sync(void **state)
{
    zk_runtime_t *a = rt_lane(2, 2), *b = rt_lane(2, 2);
    zk_group_t g = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};

    (void)state;
    assert_int_equal(zk_spawn_on(a, &g, count, &t), ZK_OK);
    assert_int_equal(zk_spawn_on(b, &g, count, &t), ZK_EPERM);
    assert_int_equal(zk_sync(&g), ZK_OK);
    assert_int_equal(zk_spawn_on(b, &g, count, &t), ZK_OK);
    assert_int_equal(zk_spawn_on(a, &g, count, &t), ZK_EPERM);
    assert_int_equal(zk_sync(&g), ZK_OK);
    assert_int_equal(t.ran, 2);
    assert_int_equal(zk_runtime_close(a), ZK_OK);
    assert_int_equal(zk_runtime_close(b), ZK_OK);
}

static void
test_spawn_without_a_function_is_refused(void **state)
{
    zk_group_t g = ZK_GROUP_INIT;

    (void)state;
    assert_int_equal(zk_spawn(&g, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_spawn_on(NULL, NULL, NULL, NULL), ZK_EINVAL);
    assert_true(zk_group_done(&g));
}

/*
 * Syncing the older group empties the deque below the place where the younger
 * one was bound, so that its next task stands below its mark.
 */
static void
test_sync_of_an_older_group_between_spawns_does_not_strand_tasks(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    zk_group_t older = ZK_GROUP_INIT, younger = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(spawn_many(NULL, &older, 5, &t), ZK_OK);
    assert_int_equal(spawn_many(NULL, &younger, 1, &t), ZK_OK);
    assert_int_equal(zk_sync(&older), ZK_OK);
    assert_int_equal(spawn_many(NULL, &younger, 1, &t), ZK_OK);
    assert_int_equal(zk_sync(&younger), ZK_OK);
    assert_int_equal(t.ran, 7);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- errors and cancelling -------------------------------------------- */

static void
test_the_first_failure_comes_back_from_sync_and_only_once(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    zk_group_t g = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_spawn(&g, count_and_fail, &t), ZK_OK);
    assert_int_equal(zk_sync(&g), 42);
    assert_int_equal(zk_sync(&g), ZK_OK);
    assert_int_equal(zk_spawn(&g, count, &t), ZK_OK);
    assert_int_equal(zk_sync(&g), ZK_OK);
    assert_int_equal(t.ran, 2);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* One worker runs its newest task first, so that the failure comes first. */
static void
test_tasks_that_had_not_started_are_skipped_after_a_failure(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    zk_group_t g = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(spawn_many(NULL, &g, 100, &t), ZK_OK);
    assert_int_equal(zk_spawn(&g, count_and_fail, &t), ZK_OK);
    assert_int_equal(zk_sync(&g), 42);
    assert_int_equal(t.ran, 1);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_cancelled_group_skips_its_tasks_and_says_so(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    zk_group_t g = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(spawn_many(NULL, &g, 10, &t), ZK_OK);
    zk_group_cancel(&g, ZK_OK);
    assert_int_equal(zk_sync(&g), ZK_ECANCELED);
    assert_int_equal(spawn_many(NULL, &g, 10, &t), ZK_OK);
    zk_group_cancel(&g, 7);
    zk_group_cancel(&g, 8);
    assert_int_equal(zk_sync(&g), 7);
    assert_int_equal(t.ran, 0);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
cancel_at_ten(size_t begin, size_t end, void *arg)
{
    struct tally *t = arg;

    (void)end;
    zk_add_relaxed(&t->ran, 1u);
    if (begin == 10)
        zk_group_cancel(t->group, 5);
    return 0;
}

static int
long_loop(void *arg)
{
    struct tally *t = arg;

    zk_store_relaxed(&t->code,
                     zk_parallel_for(0, 1000000, 1, cancel_at_ten, t));
    return 0;
}

static void
test_cancelling_a_group_stops_the_loops_inside_its_tasks(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    zk_group_t g = ZK_GROUP_INIT;
    struct tally t = {.group = &g};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_spawn(&g, long_loop, &t), ZK_OK);
    assert_int_equal(zk_sync(&g), 5);
    assert_int_equal(t.code, ZK_ECANCELED);
    assert_int_equal(t.ran, 11);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- trees of tasks ---------------------------------------------------- */

struct fib {
    unsigned n, value;
    zk_err_t err;
};

static int
fib(void *arg)
{
    struct fib *f = arg;
    struct fib a = {.n = f->n - 1}, b = {.n = f->n - 2};
    zk_group_t g = ZK_GROUP_INIT;

    if (f->n < 2) {
        f->value = f->n;
        return 0;
    }
    f->err = zk_spawn(&g, fib, &a);
    if (f->err != ZK_OK)
        return f->err;
    (void)fib(&b);
    f->err = zk_sync(&g);
    f->value = a.value + b.value;
    return f->err;
}

static void
test_groups_nest_in_the_tasks_of_groups(void **state)
{
    static const unsigned workers[] = {1, 2, 5, 16};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(test_workers(workers[w]), 2);
        struct fib f = {.n = TEST_SANITIZED ? 15 : 20};

        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(fib(&f), ZK_OK);
        assert_int_equal(f.value, TEST_SANITIZED ? 610 : 6765);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

struct spread {
    zk_group_t *group;
    _Atomic unsigned ran, refused;
};

static int
spread(void *arg)
{
    struct spread *s = arg;
    unsigned n = zk_add_relaxed(&s->ran, 1u);

    /* Each of the first ones adds two more to its own group. */
    for (int i = 0; i < 2 && n < 1000; i++)
        if (zk_spawn(s->group, spread, s) != ZK_OK)
            zk_add_relaxed(&s->refused, 1u);
    return 0;
}

static void
test_tasks_add_tasks_to_their_own_group(void **state)
{
    static const unsigned workers[] = {1, 2, 7};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 2);
        zk_group_t g = ZK_GROUP_INIT;
        struct spread s = {.group = &g};

        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(zk_spawn(&g, spread, &s), ZK_OK);
        assert_int_equal(zk_sync(&g), ZK_OK);
        assert_int_equal(s.ran, 2001);
        assert_int_equal(s.refused, 0);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* ---- from outside ------------------------------------------------------- */

struct submitter {
    pthread_t thread;
    zk_runtime_t *lane;
    unsigned tasks;
    bool detached;
    struct tally *tally;
    zk_err_t err;
};

static void *
submit(void *arg)
{
    struct submitter *s = arg;
    zk_group_t g = ZK_GROUP_INIT;

    for (unsigned round = 0; round < 4 && s->err == ZK_OK; round++) {
        s->err = spawn_many(s->lane, s->detached ? NULL : &g, s->tasks / 4,
                            s->tally);
        if (s->err == ZK_OK)
            s->err = zk_sync(&g);
    }
    return NULL;
}

static void
submit_from_threads(unsigned workers, bool detached)
{
    enum { THREADS = 8 };
    zk_runtime_t *lane = rt_lane(workers, 4); /* more threads than slots */
    struct tally t = {.ran = 0};
    struct submitter s[THREADS];
    unsigned each = test_scaled(2000) / 4 * 4;

    assert_non_null(lane);
    for (int i = 0; i < THREADS; i++) {
        s[i] = (struct submitter){
            .lane = lane, .tasks = each, .detached = detached, .tally = &t};
        assert_int_equal(pthread_create(&s[i].thread, NULL, submit, &s[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(s[i].thread, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(s[i].err, ZK_OK);
    if (!detached)
        assert_int_equal(t.ran, THREADS * each);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(t.ran, THREADS * each);
}

static void
test_many_outside_threads_submit_groups(void **state)
{
    (void)state;
    submit_from_threads(1, false);
    submit_from_threads(2, false);
    submit_from_threads(6, false);
}

static void
test_close_awaits_what_outside_threads_submitted_without_a_group(void **state)
{
    (void)state;
    submit_from_threads(1, true);
    submit_from_threads(2, true);
    submit_from_threads(6, true);
}

/* Nobody syncs: the lane itself has to find a thread for it. */
static void
test_a_detached_task_from_outside_runs_without_anybody_waiting(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);
        struct tally t = {.ran = 0};

        assert_int_equal(zk_spawn_on(lane, NULL, count, &t), ZK_OK);
        rt_await(&t.ran, 1);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

struct blocker {
    pthread_t thread;
    zk_runtime_t *lane;
    _Atomic unsigned inside, leave;
    zk_err_t err;
};

static void *
sit_inside(void *arg)
{
    struct blocker *b = arg;

    b->err = zk_runtime_enter(b->lane);
    zk_store_release(&b->inside, 1u);
    rt_await(&b->leave, 1);
    if (b->err == ZK_OK)
        b->err = zk_runtime_leave();
    return NULL;
}

/* A guest that does something else has the first spare slot. */
static void
test_a_detached_task_finds_a_thread_beside_idle_members(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 3);
    struct blocker b[2] = {{.lane = lane}, {.lane = lane}};
    struct tally t = {.ran = 0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&b[i].thread, NULL, sit_inside, &b[i]),
                         0);
        rt_await(&b[i].inside, 1);
    }
    assert_int_equal(zk_spawn_on(lane, NULL, count, &t), ZK_OK);
    rt_await(&t.ran, 1);
    for (int i = 0; i < 2; i++) {
        zk_store_release(&b[i].leave, 1u);
        pthread_join(b[i].thread, NULL);
        assert_int_equal(b[i].err, ZK_OK);
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void *
release_later(void *arg)
{
    struct blocker *b = arg;

    usleep(20000);
    zk_store_release(&b[0].leave, 1u);
    zk_store_release(&b[1].leave, 1u);
    return NULL;
}

/* One worker, no slot left: the task waits until somebody leaves. */
static void
test_sync_from_outside_ends_when_a_slot_becomes_free(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 1);
    struct blocker b[2] = {{.lane = lane}, {.lane = lane}};
    zk_group_t g = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};
    pthread_t helper;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&b[i].thread, NULL, sit_inside, &b[i]),
                         0);
        rt_await(&b[i].inside, 1);
        assert_int_equal(b[i].err, ZK_OK);
    }
    assert_int_equal(zk_spawn_on(lane, &g, count, &t), ZK_OK);
    assert_int_equal(pthread_create(&helper, NULL, release_later, b), 0);
    assert_int_equal(zk_sync(&g), ZK_OK);
    assert_int_equal(t.ran, 1);
    pthread_join(helper, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(b[i].thread, NULL);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

struct syncer {
    pthread_t thread;
    zk_group_t *group;
    zk_err_t err;
};

static void *
sync_elsewhere(void *arg)
{
    struct syncer *s = arg;

    s->err = zk_sync(s->group);
    return NULL;
}

/* The spawner waits for the other thread with its tasks still in its deque. */
static void
test_sync_from_another_thread_than_the_spawner(void **state)
{
    static const unsigned workers[] = {1, 2, 4};

    (void)state;
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 3);
        zk_group_t g = ZK_GROUP_INIT;
        struct tally t = {.ran = 0};
        struct syncer s = {.group = &g};

        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(spawn_many(NULL, &g, 1000, &t), ZK_OK);
        assert_int_equal(pthread_create(&s.thread, NULL, sync_elsewhere, &s),
                         0);
        pthread_join(s.thread, NULL);
        assert_int_equal(s.err, ZK_OK);
        assert_int_equal(t.ran, 1000);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* ---- groups and phases -------------------------------------------------- */

static void
test_a_group_of_an_ended_phase_takes_no_more_tasks(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    zk_group_t g = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "one"), ZK_OK);
    assert_int_equal(zk_spawn(&g, count, &t), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(t.ran, 1);
    assert_int_equal(zk_spawn_on(lane, &g, count, &t), ZK_ESTALE);
    assert_int_equal(zk_phase_begin_on(lane, "two"), ZK_OK);
    assert_int_equal(zk_spawn(&g, count, &t), ZK_ESTALE);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_sync(&g), ZK_OK);
    assert_int_equal(t.ran, 1);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

struct intruder {
    pthread_t thread;
    zk_runtime_t *lane;
    zk_group_t *group;
    bool enters;
    _Atomic unsigned stop, ready;
    _Atomic unsigned *open;
    _Atomic unsigned late, added;
};

static int
note_when_late(void *arg)
{
    struct intruder *i = arg;

    if (zk_load_seq_cst(i->open) == 0)
        zk_add_relaxed(&i->late, 1u);
    return 0;
}

static void *
intrude(void *arg)
{
    struct intruder *i = arg;

    if (i->enters && zk_runtime_enter(i->lane) != ZK_OK)
        return NULL;
    zk_store_release(&i->ready, 1u);
    while (zk_load_relaxed(&i->stop) == 0)
        if (zk_spawn_on(i->lane, i->group, note_when_late, i) == ZK_OK)
            zk_add_relaxed(&i->added, 1u);
    if (i->enters)
        (void)!zk_runtime_leave();
    return NULL;
}

/*
 * Another thread keeps adding tasks to a group of the phase while it ends. Each
 * is refused or awaited: none runs once the phase has ended.
 */
static void
race_with_end(bool enters)
{
    zk_runtime_t *lane = rt_lane(2, 4);
    unsigned rounds = test_scaled(600);
    unsigned late = 0;

    for (unsigned round = 0; round < rounds; round++) {
        zk_group_t g = ZK_GROUP_INIT;
        struct tally t = {.ran = 0};
        _Atomic unsigned open = 1;
        struct intruder i = {
            .lane = lane, .group = &g, .enters = enters, .open = &open};

        assert_int_equal(zk_phase_begin_on(lane, "race"), ZK_OK);
        assert_int_equal(zk_spawn(&g, count, &t), ZK_OK); /* binds */
        assert_int_equal(pthread_create(&i.thread, NULL, intrude, &i), 0);
        rt_await(&i.ready, 1);
        rt_burn(round % 64);
        assert_int_equal(zk_phase_end(), ZK_OK);
        zk_store_seq_cst(&open, 0u);
        rt_burn(50);
        zk_store_relaxed(&i.stop, 1u);
        pthread_join(i.thread, NULL);
        assert_int_equal(zk_sync(&g), ZK_OK);
        late += i.late;
    }
    assert_int_equal(late, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_no_task_from_outside_runs_after_its_phase_ended(void **state)
{
    (void)state;
    race_with_end(false);
}

static void
test_no_task_of_a_guest_runs_after_its_phase_ended(void **state)
{
    (void)state;
    race_with_end(true);
}

struct guest {
    pthread_t thread;
    zk_runtime_t *lane;
    zk_group_t *group;
    struct tally *tally;
    _Atomic unsigned added, leave;
    zk_err_t err;
};

static void *
add_and_stay(void *arg)
{
    struct guest *g = arg;

    g->err = zk_runtime_enter(g->lane);
    if (g->err == ZK_OK)
        g->err = zk_spawn(g->group, count, g->tally);
    zk_store_release(&g->added, 1u);
    rt_await(&g->leave, 1);
    (void)!zk_runtime_leave();
    return NULL;
}

static void
test_phase_end_runs_what_a_guest_added_and_left_lying(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    zk_group_t group = ZK_GROUP_INIT;
    struct tally t = {.ran = 0};
    struct guest g = {.lane = lane, .group = &group, .tally = &t};

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "shared"), ZK_OK);
    assert_int_equal(zk_spawn(&group, count, &t), ZK_OK);
    assert_int_equal(pthread_create(&g.thread, NULL, add_and_stay, &g), 0);
    rt_await(&g.added, 1);
    assert_int_equal(g.err, ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(t.ran, 2);
    zk_store_release(&g.leave, 1u);
    pthread_join(g.thread, NULL);
    assert_int_equal(zk_sync(&group), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync_of_an_unused_group_returns_at_once),
        cmocka_unit_test(test_every_task_runs_once_for_any_number_of_workers),
        cmocka_unit_test(test_a_group_is_used_again_after_sync),
        cmocka_unit_test(test_a_group_moves_to_another_lane_after_sync),
        cmocka_unit_test(test_spawn_without_a_function_is_refused),
        cmocka_unit_test(
            test_sync_of_an_older_group_between_spawns_does_not_strand_tasks),
        cmocka_unit_test(
            test_the_first_failure_comes_back_from_sync_and_only_once),
        cmocka_unit_test(
            test_tasks_that_had_not_started_are_skipped_after_a_failure),
        cmocka_unit_test(test_a_cancelled_group_skips_its_tasks_and_says_so),
        cmocka_unit_test(
            test_cancelling_a_group_stops_the_loops_inside_its_tasks),
        cmocka_unit_test(test_groups_nest_in_the_tasks_of_groups),
        cmocka_unit_test(test_tasks_add_tasks_to_their_own_group),
        cmocka_unit_test(test_many_outside_threads_submit_groups),
        cmocka_unit_test(
            test_close_awaits_what_outside_threads_submitted_without_a_group),
        cmocka_unit_test(
            test_a_detached_task_from_outside_runs_without_anybody_waiting),
        cmocka_unit_test(
            test_a_detached_task_finds_a_thread_beside_idle_members),
        cmocka_unit_test(test_sync_from_outside_ends_when_a_slot_becomes_free),
        cmocka_unit_test(test_sync_from_another_thread_than_the_spawner),
        cmocka_unit_test(test_a_group_of_an_ended_phase_takes_no_more_tasks),
        cmocka_unit_test(test_phase_end_runs_what_a_guest_added_and_left_lying),
        cmocka_unit_test(test_no_task_from_outside_runs_after_its_phase_ended),
        cmocka_unit_test(test_no_task_of_a_guest_runs_after_its_phase_ended),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
