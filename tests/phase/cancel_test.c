/*
 * cancel_test.c - zk_phase_cancel: who stops, what the calls answer, and that
 * the next phase is never meant.
 */
#include "tests/phase/phases.h"

#define WORKERS 2u

static int
setup(void **state)
{
    return phases_open(state, WORKERS, 0, true);
}

struct work {
    zk_phase_id_t id;
    _Atomic unsigned calls;     /* of the body, or tasks that ran */
    _Atomic unsigned after;     /* calls that began after the cancel */
    _Atomic unsigned cancelled; /* zk_phase_cancel() has returned */
    unsigned at;                /* the call that cancels; 0: none does */
    _Atomic int code;
};

/* One call: counts, and is the one that cancels if it is the `at`th. */
static void
work(struct work *w)
{
    if (zk_load_acquire(&w->cancelled) != 0)
        zk_add_relaxed(&w->after, 1u);
    if (zk_add_relaxed(&w->calls, 1u) + 1 == w->at) {
        if (zk_phase_cancel(w->id) != ZK_OK)
            zk_store_relaxed(&w->code, -100);
        zk_store_release(&w->cancelled, 1u);
    }
}

static int
work_task(void *arg)
{
    work(arg);
    return 0;
}

static int
work_body(size_t from, size_t to, void *arg)
{
    (void)from;
    (void)to;
    work(arg);
    rt_burn(5);
    return 0;
}

/* The next phase works, and nothing of it is skipped. */
static void
check_next_phase_is_whole(void)
{
    struct work w = {0};
    zk_group_t group = ZK_GROUP_INIT;

    begin("next");
    assert_int_equal(zk_parallel_for(0, 100, 1, work_body, &w), ZK_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zk_spawn(&group, work_task, &w), ZK_OK);
    assert_int_equal(zk_sync(&group), ZK_OK);
    assert_int_equal(zk_spawn(NULL, work_task, &w), ZK_OK);
    begin("stage");
    assert_non_null(zk_phase_alloc(1000, 0));
    end();
    end();
    assert_int_equal(w.calls, 201);
}

/* ---- ids --------------------------------------------------------------- */

static int
note_id(void *arg)
{
    *(zk_phase_id_t *)arg = zk_phase_id();
    return 0;
}

static int
note_id_body(size_t from, size_t to, void *arg)
{
    (void)from;
    (void)to;
    return note_id(arg);
}

static void
test_id_names_the_phase_in_all_of_it(void **state)
{
    zk_phase_id_t id, seen = 0;

    (void)state;
    assert_int_equal(zk_phase_id(), 0);
    begin("a");
    id = zk_phase_id();
    assert_true(id != 0);
    begin("stage");
    assert_true(zk_phase_id() == id);
    end();
    assert_int_equal(test_run_on_worker(note_id, &seen), ZK_OK);
    assert_true(seen == id);
    seen = 0;
    assert_int_equal(zk_parallel_for(0, 1, 1, note_id_body, &seen), ZK_OK);
    assert_true(seen == id);
    end();
    assert_int_equal(zk_phase_id(), 0);
    seen = 1;
    assert_int_equal(test_run_on_worker(note_id, &seen), ZK_OK);
    assert_int_equal(seen, 0);
    begin("b");
    assert_true(zk_phase_id() != 0 && zk_phase_id() != id);
    end();
}

static void
test_id_of_an_ended_phase_is_stale(void **state)
{
    zk_phase_id_t id;

    (void)state;
    begin("a");
    id = zk_phase_id();
    end();
    assert_int_equal(zk_phase_cancel(id), ZK_ESTALE);
    check_next_phase_is_whole();
    begin("b");
    assert_int_equal(zk_phase_cancel(id), ZK_ESTALE);
    end();
    assert_int_equal(zk_phase_cancel(0), ZK_ESTALE);
}

/* The next lane, and its arena's record, may stand where the old ones did. */
static void
test_id_of_a_closed_lane_is_stale(void **state)
{
    zk_phase_id_t ids[10];

    (void)state;
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    for (unsigned i = 0; i < 10; i++) {
        zk_runtime_t *lane = test_lane(1, 1 * MIB, 0);

        assert_non_null(lane);
        assert_int_equal(zk_phase_begin_on(lane, "a"), ZK_OK);
        ids[i] = zk_phase_id();
        for (unsigned k = 0; k < i; k++) {
            assert_true(ids[k] != ids[i]);
            assert_int_equal(zk_phase_cancel(ids[k]), ZK_ESTALE);
        }
        end();
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(zk_phase_cancel(ids[i]), ZK_ESTALE);
    }
    assert_int_equal(zk_runtime_enter(*state), ZK_OK);
}

/* ---- who cancels ------------------------------------------------------- */

static void *
cancel_soon(void *arg)
{
    struct work *w = arg;

    rt_await(&w->calls, 20);
    zk_store_relaxed(&w->code, zk_phase_cancel(w->id));
    zk_store_release(&w->cancelled, 1u);
    return NULL;
}

#define FOREVER ((size_t)1 << 40)

/* Begins a phase whose loop ends in no time that a test has. */
static void
check_loop_stops(struct work *w, void *(*canceller)(void *), size_t grain)
{
    pthread_t thread;

    begin("cancelled");
    w->id = zk_phase_id();
    assert_non_null(zk_phase_alloc(1 * MIB, 0));
    if (canceller != NULL)
        assert_int_equal(pthread_create(&thread, NULL, canceller, w), 0);
    assert_int_equal(zk_parallel_for(0, FOREVER, grain, work_body, w),
                     ZK_ECANCELED);
    assert_int_equal(zk_parallel_for(0, FOREVER, 1, work_body, w),
                     ZK_ECANCELED);
    if (canceller != NULL)
        pthread_join(thread, NULL);
    assert_int_equal(w->code, ZK_OK);
    assert_int_equal(zk_phase_cancel(w->id), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(zk_phase_error(), ZK_ECANCELED);
    assert_int_equal(zk_phase_cancel(w->id), ZK_ESTALE);
    check_next_phase_is_whole();
}

static void
test_another_thread_stops_a_loop(void **state)
{
    (void)state;
    check_loop_stops(&(struct work){0}, cancel_soon, 1);
    check_loop_stops(&(struct work){0}, cancel_soon, 0);
}

/* Not one more call of the body for each worker. */
static void
test_body_stops_its_own_loop_at_the_next_call(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct work w = {.at = 50};

        check_loop_stops(&w, NULL, 1);
        assert_true(w.after <= WORKERS);
        assert_true(w.calls <= 50 + 2 * WORKERS);
    }
}

static _Atomic zk_phase_id_t handled;
static _Atomic int handled_code;

static void
on_signal(int signal)
{
    (void)signal;
    zk_store_relaxed(&handled_code, zk_phase_cancel(zk_load_relaxed(&handled)));
}

static pthread_t opener;

static void *
signal_the_opener(void *arg)
{
    struct work *w = arg;

    rt_await(&w->calls, 20);
    zk_store_relaxed(&handled, w->id);
    pthread_kill(opener, SIGUSR1);
    return NULL;
}

static void *
signal_the_process(void *arg)
{
    struct work *w = arg;

    rt_await(&w->calls, 20);
    zk_store_relaxed(&handled, w->id);
    kill(getpid(), SIGUSR1);
    return NULL;
}

static void
test_signal_handler_stops_a_loop(void **state)
{
    struct sigaction act, old;

    (void)state;
    memset(&act, 0, sizeof act);
    act.sa_handler = on_signal;
    opener = pthread_self();
    assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
    for (int i = 0; i < 20; i++) {
        zk_store_relaxed(&handled_code, -100);
        check_loop_stops(&(struct work){0},
                         i % 2 == 0 ? signal_the_opener : signal_the_process,
                         (size_t)i % 3);
        assert_int_equal(handled_code, ZK_OK);
    }
    assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
}

/* ---- what stops -------------------------------------------------------- */

static int
inner_loop(size_t from, size_t to, void *arg)
{
    struct work *w = arg;
    zk_err_t err = zk_parallel_for(0, FOREVER, 1, work_body, w);

    (void)from;
    (void)to;
    if (err != ZK_ECANCELED)
        zk_store_relaxed(&w->code, -101);
    return err;
}

static int
inner_loop_task(void *arg)
{
    return inner_loop(0, 1, arg);
}

/* A task of the phase, in a group that knows nothing of the loop around it. */
static int
group_in_loop(size_t from, size_t to, void *arg)
{
    struct work *w = arg;
    zk_group_t group = ZK_GROUP_INIT;
    zk_err_t err = zk_spawn(&group, inner_loop_task, w);

    (void)from;
    (void)to;
    if (err != ZK_OK && err != ZK_ECANCELED)
        zk_store_relaxed(&w->code, -102);
    if (zk_sync(&group) != ZK_ECANCELED)
        zk_store_relaxed(&w->code, -103);
    return ZK_ECANCELED;
}

static void
test_nested_loops_and_their_groups_stop(void **state)
{
    zk_range_fn bodies[] = {inner_loop, group_in_loop};

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct work w = {.at = 30};

        begin("nested");
        w.id = zk_phase_id();
        assert_int_equal(zk_parallel_for(0, 64, 1, bodies[i % 2], &w),
                         ZK_ECANCELED);
        assert_int_equal(w.code, ZK_OK);
        assert_true(w.after <= WORKERS);
        assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    }
    check_next_phase_is_whole();
}

static void
test_tasks_not_begun_are_skipped_and_their_group_is_done(void **state)
{
    zk_group_t group = ZK_GROUP_INIT;
    struct work w = {.at = 1};

    (void)state;
    begin("tasks");
    w.id = zk_phase_id();
    for (int i = 0; i < 10000; i++) {
        zk_err_t err = zk_spawn(&group, work_task, &w);

        assert_true(err == ZK_OK || err == ZK_ECANCELED);
    }
    assert_int_equal(zk_sync(&group), ZK_ECANCELED);
    assert_true(zk_group_done(&group));
    assert_true(w.after <= WORKERS);
    assert_int_equal(zk_spawn(&group, work_task, &w), ZK_ECANCELED);
    assert_int_equal(zk_sync(&group), ZK_ECANCELED);
    assert_int_equal(zk_spawn(NULL, work_task, &w), ZK_ECANCELED);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(zk_sync(&group), ZK_OK); /* it is empty */
    check_next_phase_is_whole();
}

static void
test_detached_tasks_not_begun_are_skipped(void **state)
{
    struct work w = {0};
    int added = 0;

    (void)state;
    begin("detached");
    w.id = zk_phase_id();
    for (int i = 0; i < 10000; i++) {
        zk_err_t err = zk_spawn(NULL, work_task, &w);

        if (i == 5000)
            assert_int_equal(zk_phase_cancel(w.id), ZK_OK);
        assert_int_equal(err, i <= 5000 ? ZK_OK : ZK_ECANCELED);
        added += err == ZK_OK;
    }
    assert_int_equal(added, 5001);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_true(w.calls <= 5001);
    check_next_phase_is_whole();
}

static int
loop_task(void *arg)
{
    struct work *w = arg;

    return zk_parallel_for(0, FOREVER, 1, work_body, w);
}

/* The opener waits inside its end meanwhile. */
static void
test_detached_loop_stops_while_the_end_waits_for_it(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct work w = {0};
        pthread_t thread;

        begin("end");
        w.id = zk_phase_id();
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &w), 0);
        assert_int_equal(zk_spawn(NULL, loop_task, &w), ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_ECANCELED);
        pthread_join(thread, NULL);
        assert_int_equal(w.code, ZK_OK);
    }
    check_next_phase_is_whole();
}

static int
run_later(void *arg)
{
    struct work *w = arg;

    while (zk_load_acquire(&w->cancelled) == 0)
        zk_pause();
    return 0;
}

/* What was skipped in a phase is told even by a sync after its end. */
static void
test_sync_after_the_end_tells_what_was_skipped(void **state)
{
    zk_group_t group = ZK_GROUP_INIT, whole = ZK_GROUP_INIT;
    struct work w = {0}, other = {0};

    (void)state;
    begin("late");
    assert_int_equal(zk_spawn(&whole, work_task, &other), ZK_OK);
    while (!zk_group_done(&whole))
        sched_yield();
    for (int i = 0; i < 100; i++)
        assert_int_equal(zk_spawn(&group, i < 4 ? run_later : work_task, &w),
                         ZK_OK);
    assert_int_equal(zk_phase_cancel(zk_phase_id()), ZK_OK);
    zk_store_release(&w.cancelled, 1u);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(zk_sync(&group), ZK_ECANCELED);
    assert_int_equal(zk_sync(&whole), ZK_OK);
    assert_int_equal(other.calls, 1);
}

static void
test_stages_are_refused_and_those_open_end(void **state)
{
    size_t before;

    (void)state;
    begin("phase");
    before = test_phase_stats().bytes;
    begin("stage");
    begin("inner");
    assert_non_null(zk_phase_alloc(1 * MIB, 0));
    assert_int_equal(zk_phase_cancel(zk_phase_id()), ZK_OK);
    assert_int_equal(zk_phase_begin("refused"), ZK_ECANCELED);
    assert_int_equal(test_phase_stats().depth, 3);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(zk_phase_begin("refused"), ZK_ECANCELED);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(test_phase_stats().bytes, before);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
    check_next_phase_is_whole();
}

static int
cancel_inside(void *arg)
{
    *(void **)arg = zk_phase_alloc(1 * MIB, 0);
    (void)zk_phase_cancel(zk_phase_id());
    return 0;
}

static void
test_function_and_block_forms_tell(void **state)
{
    void *p = NULL;
    int runs = 0;

    (void)state;
    assert_int_equal(zk_runtime_phase("a", cancel_inside, &p), ZK_ECANCELED);
    assert_non_null(p);
    ZK_PHASE ("b") {
        runs++;
        (void)cancel_inside(&p);
        ZK_PHASE ("refused") {
            runs++;
            assert_int_equal(zk_phase_error(), ZK_ECANCELED);
        }
    }
    assert_int_equal(runs, 2);
    assert_int_equal(zk_phase_error(), ZK_ECANCELED);
    check_next_phase_is_whole();
}

/* The memory of a cancelled phase serves the next one. */
static void
test_memory_is_back_after_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        begin("full");
        while (zk_phase_alloc(256 * KIB, 0) != NULL)
            ;
        assert_true(test_phase_stats().bytes >= 15 * MIB);
        assert_int_equal(zk_phase_cancel(zk_phase_id()), ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_ECANCELED);
        begin("next");
        assert_int_equal(test_phase_stats().bytes, 0);
        assert_non_null(zk_phase_alloc(15 * MIB, 0));
        end();
    }
}

/* ---- which code -------------------------------------------------------- */

static int
fail_with_7(void *arg)
{
    (void)arg;
    return 7;
}

static void
test_earlier_code_is_not_replaced(void **state)
{
    zk_group_t group = ZK_GROUP_INIT;

    (void)state;
    begin("codes");
    assert_int_equal(zk_spawn(&group, fail_with_7, NULL), ZK_OK);
    assert_int_equal(zk_spawn(NULL, fail_with_7, NULL), ZK_OK);
    while (!zk_group_done(&group))
        sched_yield();
    begin("stage"); /* has waited for the detached one */
    assert_int_equal(zk_phase_cancel(zk_phase_id()), ZK_OK);
    assert_int_equal(zk_sync(&group), 7);
    assert_int_equal(zk_phase_end(), 7);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
}

/* ---- who does not stop -------------------------------------------------- */

struct neighbour {
    zk_runtime_t *lane;
    struct work work;
    _Atomic bool over;
    int wrong;
};

/* A phase of its own, and tasks of no phase, on the same workers. */
static void *
live_next_door(void *arg)
{
    struct neighbour *n = arg;
    zk_group_t group = ZK_GROUP_INIT;

    for (int i = 0; !zk_load_acquire(&n->over) && n->wrong == 0; i++) {
        if (i % 2 == 0 && zk_phase_begin_on(n->lane, "mine") != ZK_OK)
            n->wrong = 1;
        if (zk_parallel_for_on(n->lane, 0, 20, 1, work_body, &n->work) != ZK_OK)
            n->wrong = 2;
        if (zk_spawn_on(n->lane, &group, work_task, &n->work) != ZK_OK ||
            zk_sync(&group) != ZK_OK)
            n->wrong = 3;
        if (i % 2 == 0 && zk_phase_end() != ZK_OK)
            n->wrong = 4;
    }
    return NULL;
}

static void
test_other_phases_and_tasks_of_none_go_on(void **state)
{
    struct neighbour n = {.lane = *state};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, live_next_door, &n), 0);
    for (int i = 0; i < 50; i++) {
        struct work w = {.at = 10};

        begin("cancelled");
        w.id = zk_phase_id();
        assert_int_equal(zk_parallel_for(0, FOREVER, 1, work_body, &w),
                         ZK_ECANCELED);
        assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    }
    zk_store_release(&n.over, true);
    pthread_join(thread, NULL);
    assert_int_equal(n.wrong, 0);
}

struct submitter {
    zk_runtime_t *lane;
    zk_group_t *group;
    struct work *work;
    int code;
};

static void *
submit_one(void *arg)
{
    struct submitter *s = arg;

    s->code = zk_spawn_on(s->lane, s->group, work_task, s->work);
    return NULL;
}

static void
test_submission_from_outside_is_refused(void **state)
{
    zk_group_t group = ZK_GROUP_INIT;
    struct work w = {0};
    struct submitter s = {*state, &group, &w, 0};
    pthread_t thread;

    begin("cancelled");
    assert_int_equal(zk_spawn(&group, work_task, &w), ZK_OK);
    while (!zk_group_done(&group))
        sched_yield();
    assert_int_equal(zk_phase_cancel(zk_phase_id()), ZK_OK);
    assert_int_equal(pthread_create(&thread, NULL, submit_one, &s), 0);
    pthread_join(thread, NULL);
    assert_int_equal(s.code, ZK_ECANCELED);
    assert_int_equal(zk_sync(&group), ZK_ECANCELED);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(w.calls, 1);
}

/* ---- fork -------------------------------------------------------------- */

struct elsewhere {
    zk_runtime_t *lane;
    zk_phase_id_t id, mine;
    _Atomic unsigned begun, over;
};

static void *
hold_a_phase(void *arg)
{
    struct elsewhere *e = arg;

    if (zk_phase_begin_on(e->lane, "theirs") == ZK_OK)
        e->id = zk_phase_id();
    zk_store_release(&e->begun, 1u);
    rt_await(&e->over, 1);
    if (e->id != 0)
        (void)!zk_phase_end();
    return NULL;
}

/* In a child of fork() the parent's other threads, and so their phases, are
 * not there; its own one is. */
static int
cancel_in_child(void *arg)
{
    const struct elsewhere *e = arg;

    CHILD_CHECK(zk_phase_cancel(e->id) == ZK_ESTALE);
    CHILD_CHECK(zk_phase_id() == e->mine);
    CHILD_CHECK(zk_phase_cancel(e->mine) == ZK_OK);
    CHILD_CHECK(zk_phase_end() == ZK_ECANCELED);
    CHILD_CHECK(zk_phase_begin("child") == ZK_OK);
    CHILD_CHECK(zk_phase_id() != e->mine && zk_phase_id() != e->id);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    return 0;
}

static void
test_child_of_fork_has_its_own_phase_only(void **state)
{
    struct elsewhere e = {.lane = *state};
    pthread_t thread;
    bool fine;

    assert_int_equal(pthread_create(&thread, NULL, hold_a_phase, &e), 0);
    rt_await(&e.begun, 1);
    begin("mine");
    e.mine = zk_phase_id();
    fine = test_child_succeeds(cancel_in_child, &e);
    end(); /* what the child cancelled is the child's */
    zk_store_release(&e.over, 1u);
    pthread_join(thread, NULL);
    assert_true(e.id != 0);
    assert_true(fine);
}

/* ---- races ------------------------------------------------------------- */

struct race {
    _Atomic zk_phase_id_t id, before;
    _Atomic bool over;
    unsigned hits;      /* phases that it was told were cancelled */
    unsigned long late; /* calls with the id of the phase before */
    unsigned long wrong;
};

/* Cancels some of the phases as they pass, and always the one before, too. */
static void *
cancel_all_the_time(void *arg)
{
    struct race *r = arg;
    struct test_random random = {1};
    zk_phase_id_t last = 0;

    while (!zk_load_acquire(&r->over)) {
        zk_phase_id_t id = zk_load_acquire(&r->id);
        /* Read second: it had ended before this one was shown. */
        zk_phase_id_t before = zk_load_relaxed(&r->before);

        if (before != id) {
            r->late++;
            r->wrong += zk_phase_cancel(before) != ZK_ESTALE;
        }
        if (id != last && test_below(&random, 8) == 0 &&
            zk_phase_cancel(id) == ZK_OK) {
            r->hits++;
            last = id;
        }
    }
    return NULL;
}

static int
short_body(size_t from, size_t to, void *arg)
{
    zk_add_relaxed((_Atomic unsigned *)arg, (unsigned)(to - from));
    return 0;
}

/*
 * A cancel is told by the end of its own phase or it is stale: as many ends say
 * so as the canceller was told, and a whole phase has run whole.
 */
static void
test_cancel_races_with_end_and_next_begin(void **state)
{
    struct race r = {0};
    unsigned rounds = 100000, told = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_all_the_time, &r), 0);
    for (unsigned i = 0; i < rounds; i++) {
        _Atomic unsigned done = 0;
        zk_phase_id_t id;
        zk_err_t err, ended;

        begin("race");
        id = zk_phase_id();
        zk_store_release(&r.id, id);
        err = zk_parallel_for(0, 8, 1, short_body, &done);
        if (i % 16 == 0)
            sched_yield();
        ended = zk_phase_end();
        zk_store_release(&r.before, id);
        assert_true(err == ZK_OK || err == ZK_ECANCELED);
        assert_true(ended == ZK_OK || ended == ZK_ECANCELED);
        assert_true(err == ZK_OK || ended == ZK_ECANCELED);
        assert_true(err != ZK_OK || done == 8);
        told += ended == ZK_ECANCELED;
    }
    zk_store_release(&r.over, true);
    pthread_join(thread, NULL);
    printf("%u of %u cancelled, %lu stale calls\n", told, rounds, r.late);
    assert_int_equal(told, r.hits);
    assert_int_equal(r.wrong, 0);
    check_next_phase_is_whole();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, phases_close)
        TEST(test_id_names_the_phase_in_all_of_it),
        TEST(test_id_of_an_ended_phase_is_stale),
        TEST(test_id_of_a_closed_lane_is_stale),
        TEST(test_another_thread_stops_a_loop),
        TEST(test_body_stops_its_own_loop_at_the_next_call),
        TEST(test_signal_handler_stops_a_loop),
        TEST(test_nested_loops_and_their_groups_stop),
        TEST(test_tasks_not_begun_are_skipped_and_their_group_is_done),
        TEST(test_detached_tasks_not_begun_are_skipped),
        TEST(test_detached_loop_stops_while_the_end_waits_for_it),
        TEST(test_sync_after_the_end_tells_what_was_skipped),
        TEST(test_stages_are_refused_and_those_open_end),
        TEST(test_function_and_block_forms_tell),
        TEST(test_memory_is_back_after_the_end),
        TEST(test_earlier_code_is_not_replaced),
        TEST(test_other_phases_and_tasks_of_none_go_on),
        TEST(test_submission_from_outside_is_refused),
        TEST(test_child_of_fork_has_its_own_phase_only),
        TEST(test_cancel_races_with_end_and_next_begin),
#undef TEST
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
