/*
 * task_test.c - what surrounds a task: counts, the phase it allocates for, and
 * what its worker had in hand before.
 */
#include "tests/runtime/rt.h"

#include "runtime/lane.h"

/* ---- one worker, by hand ------------------------------------------------------ */

struct probe {
    struct zk_job job;
    const struct zk_phase *phase; /* seen inside */
    const struct zk_job *inner;
    const struct zk_slab *slab;
    unsigned ran;
    bool quiet;
    int code;
};

static int
look_around(struct zk_job *job, uintptr_t x, uintptr_t y)
{
    struct probe *p = (struct probe *)(void *)job;
    const struct zk_slot *self = zk__thread.slot;

    p->phase = self->phase;
    p->inner = self->job;
    p->slab = zk__slab_mine();
    p->ran += x + 1 == y;
    p->quiet = zk__phase_quiet(job->phase);
    return p->code;
}

static void
bind(struct probe *p, struct zk_phase *phase, uint32_t owner)
{
    *p = (struct probe){.job = {.run = look_around}};
    p->job.lane = phase->lane;
    p->job.phase = phase;
    p->job.owner = owner;
    p->job.id = 12345;
    zk_store_relaxed(&p->job.state, ZK_JOB_BOUND);
}

static bool
pop_and_run(struct zk_slot *self)
{
    struct zk_task task;

    if (!zk__deque_pop(&self->deque, 0, &task))
        return false;
    zk__task_run(self, task);
    return true;
}

static void
test_a_task_runs_in_its_jobs_phase_and_gives_the_old_one_back(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct zk_slot *self;
    struct zk_phase *phase;
    struct probe in, out;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK);
    self = zk__thread.slot;
    phase = self->phase;
    assert_ptr_not_equal(phase, lane->outside);

    /* Of no phase, while the worker is in one. */
    bind(&out, lane->outside, 0);
    zk__task_push(self, &out.job, 1, 2);
    assert_true(pop_and_run(self));
    assert_int_equal(out.ran, 1);
    assert_ptr_equal(out.phase, lane->outside);
    assert_ptr_equal(out.inner, &out.job);
    assert_ptr_equal(out.slab, &zk__slab_none);
    assert_ptr_equal(self->phase, phase);
    assert_null(self->job);
    assert_ptr_equal(zk__slab_mine(), zk__arena_slab(phase->arena, 0));

    /* Of the phase. */
    bind(&in, phase, 0);
    zk__task_push(self, &in.job, 3, 4);
    assert_true(pop_and_run(self));
    assert_int_equal(in.ran, 1);
    assert_ptr_equal(in.phase, phase);
    assert_ptr_equal(in.slab, zk__arena_slab(phase->arena, 0));
    assert_ptr_equal(self->phase, phase);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* P1, P2, J2: alive from the push to the return of the body, in any case. */
static void
test_a_job_and_its_phase_are_busy_from_push_to_return(void **state)
{
    static const uint32_t owners[] = {0, 1, ZK_NO_SLOT};
    zk_runtime_t *lane = rt_lane(1, 2);
    struct zk_slot *self;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "counts"), ZK_OK);
    self = zk__thread.slot;
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        struct probe p;

        bind(&p, self->phase, owners[i]);
        assert_true(zk__job_done(&p.job));
        assert_true(zk__phase_quiet(self->phase));
        zk__task_push(self, &p.job, 5, 6);
        zk__task_push(self, &p.job, 7, 8);
        assert_false(zk__job_done(&p.job));
        assert_false(zk__phase_quiet(self->phase));
        assert_true(pop_and_run(self));
        assert_false(p.quiet); /* while it ran */
        assert_false(zk__job_done(&p.job));
        assert_false(zk__phase_quiet(self->phase));
        assert_true(pop_and_run(self));
        assert_false(p.quiet);
        assert_true(zk__job_done(&p.job));
        assert_true(zk__phase_quiet(self->phase));
        assert_int_equal(p.ran, 2);
        /* The owner counts with plain stores, everybody else elsewhere. */
        assert_int_equal(p.job.own_pushed, owners[i] == 0 ? 2 : 0);
        assert_int_equal(p.job.own_done, owners[i] == 0 ? 2 : 0);
        assert_int_equal(p.job.far_pushed, owners[i] == 0 ? 0 : 2);
        assert_int_equal(p.job.far_done, owners[i] == 0 ? 0 : 2);
    }
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_the_first_failure_stays_and_the_rest_is_counted_as_done(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct zk_slot *self;
    struct probe p;

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    self = zk__thread.slot;
    bind(&p, lane->outside, 0);
    p.code = 11;
    for (unsigned i = 0; i < 5; i++)
        zk__task_push(self, &p.job, i, i + 1);
    while (pop_and_run(self))
        p.code++;
    assert_int_equal(p.ran, 1); /* the others were skipped */
    assert_int_equal(p.job.error, 11);
    assert_true(zk__job_done(&p.job));
    assert_true(zk__phase_quiet(lane->outside));
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_task_is_skipped_when_a_job_above_its_own_has_stopped(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    struct zk_slot *self;
    struct probe top, middle, p;

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    self = zk__thread.slot;
    bind(&top, lane->outside, 0);
    bind(&middle, lane->outside, 0);
    bind(&p, lane->outside, 0);
    p.job.parent = &middle.job;
    middle.job.parent = &top.job;
    zk__task_push(self, &p.job, 1, 2);
    assert_true(pop_and_run(self));
    assert_int_equal(p.ran, 1);
    zk__job_fail(&top.job, 9);
    zk__task_push(self, &p.job, 1, 2);
    assert_true(pop_and_run(self));
    assert_int_equal(p.ran, 1);
    assert_int_equal(p.job.error, 0); /* the failure is the other one's */
    assert_true(zk__job_done(&p.job));
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- nested, by the public calls ------------------------------------------------- */

struct nest {
    unsigned depth;
    zk_runtime_t *lane;
    _Atomic unsigned ran, wrong;
};

static int
nest_one_deeper(void *arg)
{
    struct nest *n = arg, inner = {.lane = n->lane};
    struct zk_slot *self = zk__thread.slot;
    const struct zk_job *job = self->job;
    const struct zk_phase *phase = self->phase;
    const struct zk_slab *slab = zk__slab_mine();
    int64_t frame = self->frame;
    zk_group_t group = ZK_GROUP_INIT;

    zk_add_relaxed(&n->ran, 1u);
    if (n->depth != 0) {
        inner.depth = n->depth - 1;
        for (int i = 0; i < 3; i++)
            if (zk_spawn(&group, nest_one_deeper, &inner) != ZK_OK)
                zk_add_relaxed(&n->wrong, 1u);
        if (zk_sync(&group) != ZK_OK)
            zk_add_relaxed(&n->wrong, 1u);
        zk_add_relaxed(&n->ran, inner.ran);
        zk_add_relaxed(&n->wrong, inner.wrong);
    }
    /* The worker is where it was, whatever it ran meanwhile. */
    if (zk__thread.slot != self || self->job != job || self->phase != phase ||
        zk__slab_mine() != slab || self->frame > frame)
        zk_add_relaxed(&n->wrong, 1u);
    return 0;
}

static void
test_a_worker_comes_back_to_the_task_it_left(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);

        for (unsigned round = 0; round < test_scaled(100); round++) {
            struct nest n = {.depth = 4, .lane = lane};

            if (round % 2 == 0)
                assert_int_equal(zk_phase_begin_on(lane, "nest"), ZK_OK);
            else
                assert_int_equal(zk_runtime_enter(lane), ZK_OK);
            assert_int_equal(nest_one_deeper(&n), 0);
            assert_int_equal(n.ran, 1 + 3 + 9 + 27 + 81);
            assert_int_equal(n.wrong, 0);
            assert_true(zk__phase_quiet(lane->outside));
            assert_int_equal(
                round % 2 == 0 ? zk_phase_end() : zk_runtime_leave(), ZK_OK);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* A worker that runs for two phases in turn never mixes their arenas up. */
struct owner {
    zk_runtime_t *lane;
    char *first; /* of its opener, to tell arenas apart */
    _Atomic unsigned wrong;
};

static int
allocate_for_the_owner(void *arg)
{
    struct owner *o = arg;
    char *p = zk_malloc(5000);

    if (p == NULL || !zk_in_arena(p) ||
        zk__arena_find(p).arena != zk__arena_find(o->first).arena)
        zk_add_relaxed(&o->wrong, 1u);
    return 0;
}

static void *
run_a_phase(void *arg)
{
    struct owner *o = arg;

    for (unsigned round = 0; round < test_scaled(100); round++) {
        zk_group_t group = ZK_GROUP_INIT;
        unsigned wrong = 0;

        wrong += zk_phase_begin_on(o->lane, "owner") != ZK_OK;
        o->first = zk_malloc(5000);
        for (int i = 0; i < 30; i++)
            wrong += zk_spawn(&group, allocate_for_the_owner, o) != ZK_OK;
        wrong += zk_sync(&group) != ZK_OK;
        wrong += zk_phase_end() != ZK_OK;
        zk_add_relaxed(&o->wrong, wrong);
    }
    return NULL;
}

static void
test_tasks_of_two_phases_on_the_same_workers_keep_to_their_arenas(void **state)
{
    zk_runtime_t *lane = rt_lane(3, 3);
    struct owner o[3] = {{.lane = lane}, {.lane = lane}, {.lane = lane}};
    pthread_t thread[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run_a_phase, &o[i]),
                         0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(o[i].wrong, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_task_runs_in_its_jobs_phase_and_gives_the_old_one_back),
        cmocka_unit_test(test_a_job_and_its_phase_are_busy_from_push_to_return),
        cmocka_unit_test(
            test_the_first_failure_stays_and_the_rest_is_counted_as_done),
        cmocka_unit_test(
            test_a_task_is_skipped_when_a_job_above_its_own_has_stopped),
        cmocka_unit_test(test_a_worker_comes_back_to_the_task_it_left),
        cmocka_unit_test(
            test_tasks_of_two_phases_on_the_same_workers_keep_to_their_arenas),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
