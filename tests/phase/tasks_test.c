/*
 * tasks_test.c - the phase of a task: where it allocates, who waits for it, and
 * what happens to those that come too late.
 */
#include "tests/phase/phases.h"

static int
setup(void **state)
{
    return phases_open(state, 2, 0, true);
}

/* ---- where tasks allocate ---------------------------------------------------- */

struct seen {
    _Atomic int runs, in_arena, elsewhere;
};

static void
look(struct seen *s)
{
    void *p = zk_malloc(10000);

    if (zk_in_arena(p))
        zk_add_relaxed(&s->in_arena, 1);
    zk_free(p);
    if (zk_slot() != 0)
        zk_add_relaxed(&s->elsewhere, 1);
    zk_add_relaxed(&s->runs, 1);
}

static int
look_task(void *arg)
{
    look(arg);
    return 0;
}

static int
look_body(size_t from, size_t to, void *arg)
{
    for (size_t i = from; i < to; i++)
        look(arg);
    return 0;
}

static void
test_tasks_and_loops_of_a_phase_allocate_from_it(void **state)
{
    struct seen s = {0};
    zk_group_t group = ZK_GROUP_INIT;

    (void)state;
    begin("a");
    assert_int_equal(test_run_on_worker(look_task, &s), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zk_spawn(&group, look_task, &s), ZK_OK);
    assert_int_equal(zk_sync(&group), 0);
    assert_int_equal(zk_parallel_for(0, 100, 1, look_body, &s), ZK_OK);
    end();
    assert_int_equal(s.runs, 201);
    assert_int_equal(s.in_arena, 201);
    assert_true(s.elsewhere >= 1);
    assert_int_equal(zk_parallel_for(0, 100, 1, look_body, &s), ZK_OK);
    assert_int_equal(s.in_arena, 201);
}

struct hand {
    _Atomic bool go, done;
    zk_runtime_t *lane;
    struct seen *seen;
    _Atomic int code;
};

static void *
submit_from_outside(void *arg)
{
    struct hand *h = arg;
    zk_group_t group = ZK_GROUP_INIT;
    int code = ZK_OK;

    for (int i = 0; i < 100 && code == ZK_OK; i++)
        code = zk_spawn_on(h->lane, &group, look_task, h->seen);
    if (code == ZK_OK)
        code = zk_sync(&group);
    zk_store_release(&h->code, code);
    zk_store_release(&h->done, true);
    return NULL;
}

/* Point 5 of the runtime: on the same workers, at the same time, a task that
 * was spawned outside of the phase allocates from the heap. */
static void
test_task_of_no_phase_allocates_from_the_heap_meanwhile(void **state)
{
    struct seen outside = {0}, inside = {0};
    struct hand h = {.lane = *state, .seen = &outside};
    zk_group_t group = ZK_GROUP_INIT;
    pthread_t thread;

    begin("a");
    assert_int_equal(pthread_create(&thread, NULL, submit_from_outside, &h), 0);
    while (!zk_load_acquire(&h.done)) {
        assert_int_equal(zk_spawn(&group, look_task, &inside), ZK_OK);
        assert_int_equal(zk_sync(&group), 0);
    }
    pthread_join(thread, NULL);
    assert_int_equal(h.code, ZK_OK);
    assert_int_equal(outside.runs, 100);
    assert_int_equal(outside.in_arena, 0);
    assert_int_equal(inside.runs, inside.in_arena);
    assert_true(zk_in_arena(zk_malloc(5000))); /* and ours is as it was */
    end();
}

static int
spawn_more(void *arg)
{
    return zk_spawn(NULL, look_task, arg);
}

/* A group that was bound outside of the phase takes its tasks outside. */
static void
test_group_keeps_the_phase_of_its_first_task(void **state)
{
    struct seen s = {0};
    zk_group_t group = ZK_GROUP_INIT;

    (void)state;
    assert_int_equal(zk_spawn(&group, look_task, &s), ZK_OK);
    begin("a");
    for (int i = 0; i < 20; i++)
        assert_int_equal(zk_spawn(&group, look_task, &s), ZK_OK);
    assert_int_equal(zk_sync(&group), 0);
    assert_int_equal(s.runs, 21);
    assert_int_equal(s.in_arena, 0);
    assert_true(zk_in_arena(zk_malloc(5000)));
    end();
}

/* ---- the barrier -------------------------------------------------------------- */

static int
slow(void *arg)
{
    struct timespec nap = {0, 2000000};

    nanosleep(&nap, NULL);
    look(arg);
    return 0;
}

/* Point 3: detached tasks, groups that nobody synced, and their children. */
static void
test_end_waits_for_every_task_of_the_phase(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct seen s = {0};
        zk_group_t group = ZK_GROUP_INIT;

        begin("a");
        for (int i = 0; i < 3; i++) {
            assert_int_equal(zk_spawn(NULL, slow, &s), ZK_OK);
            assert_int_equal(zk_spawn(&group, look_task, &s), ZK_OK);
            assert_int_equal(zk_spawn(NULL, spawn_more, &s), ZK_OK);
        }
        end();
        assert_int_equal(s.runs, 9);
        assert_int_equal(s.in_arena, 9);
        assert_true(zk_group_done(&group));
        assert_int_equal(zk_sync(&group), 0);
    }
}

/* Begin of a stage and its end are barriers too: what was spawned before runs
 * before, so a rewind takes nothing from under a task. */
static void
test_stage_begin_and_end_wait_as_well(void **state)
{
    struct seen s = {0};

    (void)state;
    begin("phase");
    assert_int_equal(zk_spawn(NULL, slow, &s), ZK_OK);
    begin("stage");
    assert_int_equal(s.runs, 1);
    assert_int_equal(zk_spawn(NULL, slow, &s), ZK_OK);
    end();
    assert_int_equal(s.runs, 2);
    end();
}

static int
fail_with(void *arg)
{
    return *(int *)arg;
}

static void
test_end_returns_the_first_error_of_a_detached_task(void **state)
{
    int code = 33;

    (void)state;
    begin("a");
    assert_int_equal(zk_spawn(NULL, fail_with, &code), ZK_OK);
    assert_int_equal(zk_phase_end(), 33);
    assert_int_equal(zk_phase_error(), 33);
    assert_int_equal(zk_phase_end(), ZK_ESTALE); /* it did end */

    begin("b"); /* and the next one knows nothing of it */
    begin("stage");
    assert_int_equal(zk_spawn(NULL, fail_with, &code), ZK_OK);
    assert_int_equal(zk_phase_end(), 33);
    end();
    begin("c");
    end();
}

/* ---- not from inside a task ------------------------------------------------------ */

struct codes {
    int begin, end, close, leave, release;
    zk_runtime_t *lane;
};

static int
try_everything(void *arg)
{
    struct codes *c = arg;

    c->begin = zk_phase_begin("in a task");
    c->end = zk_phase_end();
    c->close = zk_runtime_close(c->lane);
    c->leave = zk_runtime_leave();
    return 0;
}

static int
try_in_loop(size_t from, size_t to, void *arg)
{
    (void)to;
    if (from == 0)
        try_everything(arg);
    return 0;
}

/* Point 6: inside a task's body begin is an error, since its siblings run. */
static void
test_task_can_neither_begin_nor_end(void **state)
{
    struct codes c = {.lane = *state};
    zk_group_t group = ZK_GROUP_INIT;

    for (int phase = 0; phase < 2; phase++) {
        if (phase == 1)
            begin("a");
        for (int where = 0; where < 3; where++) {
            c.begin = c.end = c.close = c.leave = 1;
            if (where == 0) {
                assert_int_equal(test_run_on_worker(try_everything, &c), 0);
            } else if (where == 1) {
                assert_int_equal(zk_spawn(&group, try_everything, &c), ZK_OK);
                assert_int_equal(zk_sync(&group), 0);
            } else {
                assert_int_equal(zk_parallel_for(0, 4, 1, try_in_loop, &c),
                                 ZK_OK);
            }
            assert_int_equal(c.begin, ZK_EPERM);
            assert_true(c.end == ZK_EPERM || c.end == ZK_ESTALE);
            assert_int_equal(c.close, ZK_EPERM);
            assert_true(c.leave == ZK_EBUSY || c.leave == ZK_ESTALE);
        }
        if (phase == 1) {
            assert_int_equal(test_phase_stats().depth, 1);
            end();
        }
    }
}

/* ---- too late ----------------------------------------------------------------------- */

static void
test_group_of_an_ended_phase_is_stale(void **state)
{
    struct seen s = {0};
    zk_group_t group = ZK_GROUP_INIT;

    (void)state;
    begin("a");
    assert_int_equal(zk_spawn(&group, look_task, &s), ZK_OK);
    end();
    assert_int_equal(zk_spawn(&group, look_task, &s), ZK_ESTALE);
    begin("b"); /* the same record, another epoch */
    assert_int_equal(zk_spawn(&group, look_task, &s), ZK_ESTALE);
    assert_int_equal(zk_sync(&group), 0);
    assert_int_equal(zk_spawn(&group, look_task, &s), ZK_OK); /* bound anew */
    assert_int_equal(zk_sync(&group), 0);
    end();
    assert_int_equal(s.runs, 2);
}

struct late_task {
    struct late *l;
    unsigned round;
};

struct late {
    zk_runtime_t *lane;
    zk_group_t *groups;
    struct late_task *tasks; /* by round, like the groups */
    unsigned rounds;
    bool enter;                 /* as a guest of the lane, or from outside */
    _Atomic unsigned published; /* groups that may be spawned into */
    _Atomic unsigned arrived;   /* the round that the thread spawns for */
    _Atomic unsigned open;      /* the round whose phase is open, or 0 */
    _Atomic unsigned after_end, not_in_arena, bad_codes, ran, accepted;
};

static int
late_task(void *arg)
{
    struct late_task *t = arg;
    void *p = zk_malloc(5000);

    if (zk_load_seq_cst(&t->l->open) != t->round)
        zk_add_relaxed(&t->l->after_end, 1u);
    if (p == NULL)
        return 0;
    if (!zk_in_arena(p)) { /* or the slab is full: an honest overflow */
        zk_add_relaxed(&t->l->not_in_arena, 1u);
        zk_free(p);
    } else {
        test_fill(p, 5000, t->round);
    }
    if (zk_load_seq_cst(&t->l->open) != t->round)
        zk_add_relaxed(&t->l->after_end, 1u);
    zk_add_relaxed(&t->l->ran, 1u);
    return 0;
}

static void *
spawn_late(void *arg)
{
    struct late *l = arg;

    if (l->enter && zk_runtime_enter(l->lane) != ZK_OK)
        zk_add_relaxed(&l->bad_codes, 1000u);
    for (unsigned r = 1; r <= l->rounds; r++) {
        zk_err_t err = ZK_OK;

        l->tasks[r] = (struct late_task){l, r};
        while (zk_load_acquire(&l->published) < r)
            sched_yield();
        zk_store_release(&l->arrived, r);
        while (err == ZK_OK) { /* until its phase has ended */
            err = zk_spawn_on(l->lane, &l->groups[r], late_task, &l->tasks[r]);
            if (err == ZK_OK)
                zk_add_relaxed(&l->accepted, 1u);
            /* Never more than some tasks ahead of those that run them. */
            while (err == ZK_OK && zk_load_relaxed(&l->accepted) >
                                       zk_load_relaxed(&l->ran) + 100)
                sched_yield();
            if (!l->enter)
                sched_yield();
        }
        if (err != ZK_ESTALE)
            zk_add_relaxed(&l->bad_codes, 1u);
    }
    if (l->enter)
        while (zk_runtime_leave() == ZK_OK)
            ;
    return NULL;
}

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* A thread spawns into a group of the phase while the opener ends it: each task
 * runs before the end returns, or was refused. The groups are synced when the
 * thread is gone, or it would bind them anew. */
static void
spawn_races_with_end(zk_runtime_t *lane, bool enter)
{
    unsigned rounds = test_scaled(600);
    struct late l = {.lane = lane,
                     .groups = calloc(rounds + 1, sizeof *l.groups),
                     .tasks = calloc(rounds + 1, sizeof *l.tasks),
                     .rounds = rounds,
                     .enter = enter};
    struct test_random random = {test_seed("spawn against end")};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, spawn_late, &l), 0);
    for (unsigned r = 1; r <= rounds; r++) {
        assert_int_equal(zk_phase_begin_on(lane, "late"), ZK_OK);
        zk_store_seq_cst(&l.open, r);
        assert_int_equal(zk_spawn(&l.groups[r], nothing, NULL), ZK_OK);
        zk_store_release(&l.published, r);
        while (zk_load_acquire(&l.arrived) < r)
            sched_yield();
        for (size_t n = test_below(&random, 3000); n != 0; n--)
            zk_pause();
        assert_int_equal(zk_phase_end(), ZK_OK);
        zk_store_seq_cst(&l.open, 0u);
    }
    pthread_join(thread, NULL);
    for (unsigned r = 1; r <= rounds; r++)
        assert_int_equal(zk_sync(&l.groups[r]), 0);
    printf("%u tasks were in time\n", zk_load_relaxed(&l.accepted));
    assert_int_equal(zk_load_relaxed(&l.bad_codes), 0);
    assert_int_equal(zk_load_relaxed(&l.after_end), 0);
    assert_int_equal(zk_load_relaxed(&l.ran), zk_load_relaxed(&l.accepted));
    assert_int_equal(zk_load_relaxed(&l.not_in_arena),
                     test_stats(lane).overflow_count);
    free(l.groups);
    free(l.tasks);
}

static void
test_spawn_from_outside_races_with_end(void **state)
{
    spawn_races_with_end(*state, false);
}

static void
test_spawn_by_another_member_races_with_end(void **state)
{
    spawn_races_with_end(*state, true);
}

struct relay {
    zk_runtime_t *lane;
    zk_group_t *group;
    _Atomic unsigned submitted, ran;
    _Atomic int refused; /* the code */
};

/* Runs until the next task but one is in the queue, or none will come. */
static int
hand_on(void *arg)
{
    struct relay *r = arg;
    unsigned k = zk_add_relaxed(&r->ran, 1u) + 1;

    while (zk_load_acquire(&r->submitted) < k + 1 &&
           zk_load_acquire(&r->refused) == ZK_OK)
        sched_yield();
    return 0;
}

static void *
submit_for_ever(void *arg)
{
    struct relay *r = arg;
    int code = ZK_OK;

    while (code == ZK_OK) {
        if (zk_load_acquire(&r->submitted) > zk_load_acquire(&r->ran) + 1) {
            sched_yield();
            continue;
        }
        code = zk_spawn_on(r->lane, r->group, hand_on, r);
        if (code == ZK_OK)
            zk_add_acq_rel(&r->submitted, 1u);
    }
    zk_store_release(&r->refused, code);
    return NULL;
}

/* As long as the thread may submit, the phase is never quiet. Nevertheless the end
 * comes: from its call on the thread is refused. */
static void
test_end_comes_though_a_thread_submits_for_ever(void **state)
{
    for (unsigned i = 0; i < 50; i++) {
        zk_group_t group = ZK_GROUP_INIT;
        struct relay r = {.lane = *state, .group = &group};
        pthread_t thread;

        begin("relay");
        assert_int_equal(zk_spawn(&group, nothing, NULL), ZK_OK);
        assert_int_equal(pthread_create(&thread, NULL, submit_for_ever, &r), 0);
        while (zk_load_acquire(&r.submitted) < 2)
            sched_yield();
        end();
        assert_int_equal(zk_load_relaxed(&r.ran),
                         zk_load_relaxed(&r.submitted));
        pthread_join(thread, NULL);
        assert_int_equal(zk_load_relaxed(&r.refused), ZK_ESTALE);
        assert_int_equal(zk_sync(&group), 0);
    }
}

/* ---- submissions while stages come and go ---------------------------------------------- */

struct busy {
    zk_runtime_t *lane;
    zk_group_t *group;
    bool enter;
    _Atomic bool stop;
    _Atomic unsigned torn, bad_codes, ran;
};

static int
hold_a_pattern(void *arg)
{
    struct busy *b = arg;
    size_t n = 4096 + zk_add_relaxed(&b->ran, 1u) % 7 * 1000;
    char *p = zk_malloc(n);

    if (p == NULL)
        return 0;
    test_fill(p, n, (uintptr_t)p);
    sched_yield();
    if (!test_holds(p, n, (uintptr_t)p) || zk_usable_size(p) < n)
        zk_add_relaxed(&b->torn, 1u);
    zk_free(p);
    return 0;
}

static void *
keep_submitting(void *arg)
{
    struct busy *b = arg;

    if (b->enter && zk_runtime_enter(b->lane) != ZK_OK)
        zk_add_relaxed(&b->bad_codes, 1u);
    for (unsigned n = 1; !zk_load_acquire(&b->stop); n++) {
        if (zk_spawn_on(b->lane, b->group, hold_a_pattern, b) != ZK_OK)
            zk_add_relaxed(&b->bad_codes, 1u);
        /* One or two at a time, or the phase would never be quiet. */
        while (n > zk_load_relaxed(&b->ran) && !zk_load_acquire(&b->stop))
            sched_yield();
    }
    if (b->enter && zk_runtime_leave() != ZK_OK)
        zk_add_relaxed(&b->bad_codes, 1u);
    return NULL;
}

/* A stage begins and ends while another thread submits into the phase. Marks
 * and rewinds must find every slab at rest, and no task may lose its memory. */
static void
stages_race_with_submissions(zk_runtime_t *lane, bool enter)
{
    zk_group_t group = ZK_GROUP_INIT;
    struct busy b = {.lane = lane, .group = &group, .enter = enter};
    pthread_t thread;
    char *outer;

    begin("phase");
    outer = zk_malloc(10000);
    test_fill(outer, 10000, 1);
    assert_int_equal(zk_spawn(&group, hold_a_pattern, &b), ZK_OK);
    assert_int_equal(pthread_create(&thread, NULL, keep_submitting, &b), 0);
    for (unsigned i = 0; i < test_scaled(3000); i++) {
        char *p;

        begin("stage");
        p = zk_malloc(5000);
        test_fill(p, 5000, i);
        assert_true(test_holds(p, 5000, i));
        end();
    }
    zk_store_release(&b.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(zk_sync(&group), 0);
    assert_true(test_holds(outer, 10000, 1));
    end();
    printf("%u tasks ran meanwhile\n", zk_load_relaxed(&b.ran));
    assert_int_equal(zk_load_relaxed(&b.torn), 0);
    assert_int_equal(zk_load_relaxed(&b.bad_codes), 0);
    assert_int_equal(test_stats(lane).bad_frees, 0);
}

static void
test_stages_come_and_go_under_submissions_from_outside(void **state)
{
    stages_race_with_submissions(*state, false);
}

static void
test_stages_come_and_go_under_spawns_of_another_member(void **state)
{
    stages_race_with_submissions(*state, true);
}

/* ---- statistics while tasks run ----------------------------------------------------------- */

static int
use_and_free(void *arg)
{
    _Atomic bool *stop = arg;

    while (!zk_load_relaxed(stop)) {
        char *p = zk_malloc(8192);

        p = zk_realloc(p, 20000);
        zk_free(p);
    }
    return 0;
}

static void
test_statistics_may_be_read_while_tasks_allocate(void **state)
{
    _Atomic bool stop = false;
    zk_group_t group = ZK_GROUP_INIT;

    begin("a");
    assert_int_equal(zk_spawn(&group, use_and_free, &stop), ZK_OK);
    for (int i = 0; i < 2000; i++) {
        assert_true(test_phase_stats().peak_bytes <= 32 * MIB);
        assert_true(test_stats(*state).phases == 1);
    }
    zk_store_relaxed(&stop, true);
    assert_int_equal(zk_sync(&group), 0);
    end();
}

#define tasks_test(f) cmocka_unit_test_setup_teardown(f, setup, phases_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        tasks_test(test_tasks_and_loops_of_a_phase_allocate_from_it),
        tasks_test(test_task_of_no_phase_allocates_from_the_heap_meanwhile),
        tasks_test(test_group_keeps_the_phase_of_its_first_task),
        tasks_test(test_end_waits_for_every_task_of_the_phase),
        tasks_test(test_stage_begin_and_end_wait_as_well),
        tasks_test(test_end_returns_the_first_error_of_a_detached_task),
        tasks_test(test_task_can_neither_begin_nor_end),
        tasks_test(test_group_of_an_ended_phase_is_stale),
        tasks_test(test_spawn_from_outside_races_with_end),
        tasks_test(test_spawn_by_another_member_races_with_end),
        tasks_test(test_end_comes_though_a_thread_submits_for_ever),
        tasks_test(test_stages_come_and_go_under_submissions_from_outside),
        tasks_test(test_stages_come_and_go_under_spawns_of_another_member),
        tasks_test(test_statistics_may_be_read_while_tasks_allocate),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
