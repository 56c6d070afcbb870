/*
 * group.c - groups of tasks, from inside a lane and from outside.
 *
 * Owns:   the life of the job in a zk_group_t, and detached tasks.
 * Never:  runs a task itself: zk_sync() leaves that to wait.c.
 *
 * A group is idle until its first task binds it to a lane and a phase, and idle
 * again after zk_sync().
 *
 * B1 -> A1   who sees a group as bound sees to what
 */
#include <sched.h>
#include <string.h>

#include "private/check.h"
#include "runtime/lane.h"
#include "runtime/lease.h"

/* The library's view of the caller's storage, whose words may alias anything. */
static struct zk_job *
job_of(zk_group_t *group)
{
    return (struct zk_job *)(void *)group->zk__private;
}

/* x: the task's function; y: its argument. */
static int
run_function(struct zk_job *job, uintptr_t x, uintptr_t y)
{
    zk_task_fn fn = (zk_task_fn)x;

    (void)job;
    return fn((void *)y);
}

/* Outside of all phases nobody waits for a result, and a failure must not stop
 * the tasks of others. */
static int
run_and_forget(struct zk_job *job, uintptr_t x, uintptr_t y)
{
    (void)run_function(job, x, y);
    return 0;
}

static void
tell(const zk_submission_t *s, int code)
{
    s->done(code, s->done_arg); /* which may have freed it */
}

/* Stands for the function of a task that tells when it is over. */
static int
run_submission(void *submission)
{
    const zk_submission_t *s = submission;
    int code = s->fn(s->arg);

    tell(s, code);
    return code;
}

void
zk__group_skipped(struct zk_task task)
{
    const struct zk_job *job = task.job;

    if ((job->run == run_function || job->run == run_and_forget) &&
        (zk_task_fn)task.x == run_submission)
        tell((const zk_submission_t *)task.y, ZK_ECANCELED);
}

void
zk__group_init_detached(struct zk_phase *phase)
{
    struct zk_job *job = &phase->detached;

    job->lane = phase->lane;
    job->phase = phase;
    job->run = phase->arena != NULL ? run_function : run_and_forget;
    job->owner = ZK_NO_SLOT;
    zk_store_release(&job->state, ZK_JOB_BOUND);
}

/* Binds an idle group, or waits until the thread that does so is through. */
static void
bind(struct zk_job *job, zk_runtime_t *lane, struct zk_phase *phase,
     struct zk_slot *self)
{
    int state = ZK_JOB_IDLE;

    if (!zk_cas_acq_rel(&job->state, &state, ZK_JOB_BINDING)) {
        while (zk_load_acquire(&job->state) == ZK_JOB_BINDING)
            zk_pause();
        return;
    }
    job->lane = lane;
    job->phase = phase;
    job->phase_id = zk_load_relaxed(&phase->id);
    job->parent = NULL; /* a group may outlive the task that binds it */
    job->run = run_function;
    job->owner = self != NULL ? self->index : ZK_NO_SLOT;
    job->in_loop = self != NULL && self->job != NULL && self->job->in_loop;
    job->id = zk__job_id(lane, self);
    job->mark = self != NULL ? zk__deque_mark(&self->deque) : 0;
    zk_store_release(&job->state, ZK_JOB_BOUND); /* B1 */
}

/* Whether the job is one of the phase that its record now stands for. */
static bool
is_current(const struct zk_job *job)
{
    return zk_load_relaxed(&job->phase->id) == job->phase_id;
}

/* Counts a task from outside, but not while the slabs are marked or rewound. */
static void
count_far(struct zk_job *job)
{
    struct zk_phase *phase = job->phase;

    for (;;) {
        zk_add_seq_cst(&job->far_pushed, (uint64_t)1);
        zk_add_seq_cst(&phase->far_pushed, (uint64_t)1);
        zk_fence_seq_cst(); /* F8 = F7 */
        if (ZK_LIKELY(!zk_load_seq_cst(&phase->still)))
            return;
        zk_sub_seq_cst(&job->far_pushed, (uint64_t)1);
        zk_sub_seq_cst(&phase->far_pushed, (uint64_t)1);
        while (zk_load_acquire(&phase->still))
            sched_yield(); /* its opener may need this core */
    }
}

/*
 * A thread that is not in the phase adds a task. It counts first and looks
 * afterwards whether the phase is open; zk_phase_end() closes first and counts
 * afterwards (phase.c): one of them sees the other.
 */
static zk_err_t
submit(struct zk_job *job, struct zk_task task)
{
    struct zk_phase *phase = job->phase;
    zk_runtime_t *lane = job->lane;
    zk_err_t err = ZK_OK;

    zk__lane_start_one(lane);
    count_far(job);
    if (!zk_load_seq_cst(&phase->open) || !is_current(job))
        err = ZK_ESTALE;
    else if (zk__cancelled(job->phase_id))
        err = ZK_ECANCELED;
    else if (!zk__domain_put(lane, task))
        err = ZK_ENOMEM;
    if (err != ZK_OK) {
        zk_sub_seq_cst(&job->far_pushed, (uint64_t)1);
        zk_sub_seq_cst(&phase->far_pushed, (uint64_t)1);
        return err;
    }
    zk__worker_wake(lane);
    zk__wait_wake(lane); /* somebody may wait for this very group */
    return ZK_OK;
}

zk_err_t
zk_spawn_on(zk_runtime_t *lane, zk_group_t *group, zk_task_fn fn, void *arg)
{
    struct zk_slot *self = zk__thread.slot;
    struct zk_phase *phase;
    struct zk_job *job;

    if (fn == NULL)
        return ZK_EINVAL;
    if (self != NULL && lane != NULL && self->lane != lane)
        self = NULL; /* inside another lane: outside of this one */
    if (lane == NULL)
        lane = self != NULL ? self->lane : zk__lane_default();
    if (lane == NULL)
        return ZK_ENOMEM;

    phase = self != NULL ? self->phase : lane->outside;
    job = group != NULL ? job_of(group) : &phase->detached;
    if (zk_load_acquire(&job->state) != ZK_JOB_BOUND) /* A1 <- B1 */
        bind(job, lane, phase, self);
    if (job->lane != lane)
        return ZK_EPERM;
    /* From outside of the phase, which may end at any moment: and its opener
     * could not get at a task in our deque. */
    if (self == NULL || self->phase != job->phase)
        return submit(job,
                      (struct zk_task){job, (uintptr_t)fn, (uintptr_t)arg});
    /* Its phase is open, or ends and waits for us: but it may be of an older
     * phase that had the same record. */
    if (!is_current(job))
        return ZK_ESTALE;
    if (zk__cancelled(job->phase_id))
        return ZK_ECANCELED;

    zk__lane_start(lane);
    if (ZK_UNLIKELY(zk__forks_private(&self->forks)))
        zk__forks_share(self); /* K2 */
    zk__task_push(self, job, (uintptr_t)fn, (uintptr_t)arg);
    return ZK_OK;
}

zk_err_t
zk_spawn(zk_group_t *group, zk_task_fn fn, void *arg)
{
    return zk_spawn_on(NULL, group, fn, arg);
}

zk_err_t
zk_submit(zk_runtime_t *lane, zk_group_t *group,
          const zk_submission_t *submission)
{
    if (submission == NULL || submission->size != sizeof *submission ||
        submission->fn == NULL || submission->done == NULL)
        return ZK_EINVAL;
    return zk_spawn_on(lane, group, run_submission,
                       (void *)(uintptr_t)submission);
}

static void
wait_inside(void *job)
{
    zk__wait_job(zk__thread.slot, job);
}

static void
wait_for(struct zk_job *job)
{
    struct zk_slot *self = zk__thread.slot;

    if (self != NULL && ZK_UNLIKELY(zk__forks_private(&self->forks)))
        zk__forks_share(self); /* K2 */
    if (self != NULL && self->lane == job->lane &&
        ZK_UNLIKELY(!zk__job_done(job) && zk__lease_wanted(self)))
        zk__lease_run(self, job->owner == self->index ? job->mark : self->frame,
                      wait_inside, job);
    else if (self != NULL && self->lane == job->lane)
        zk__wait_job(self, job);
    else
        zk__wait_job_outside(job);
}

zk_err_t
zk_sync(zk_group_t *group)
{
    struct zk_job *job;
    bool cancelled = false;
    int code;

    if (group == NULL)
        return ZK_EINVAL;
    job = job_of(group);
    if (zk_load_acquire(&job->state) != ZK_JOB_IDLE) {
        wait_for(job);
        cancelled = zk__cancelled(job->phase_id);
        zk_store_relaxed(&job->own_pushed, (uint64_t)0);
        zk_store_relaxed(&job->own_done, (uint64_t)0);
        zk_store_relaxed(&job->far_pushed, (uint64_t)0);
        zk_store_relaxed(&job->far_done, (uint64_t)0);
        zk_store_release(&job->state, ZK_JOB_IDLE);
    }
    code = zk_load_acquire(&job->error);
    zk_store_relaxed(&job->error, 0);
    return code == 0 && cancelled ? ZK_ECANCELED : code;
}

int
zk_group_done(const zk_group_t *group)
{
    const struct zk_job *job;

    if (group == NULL)
        return 1;
    job = (const struct zk_job *)(const void *)group->zk__private;
    return zk_load_acquire(&job->state) == ZK_JOB_IDLE || zk__job_done(job);
}

void
zk_group_cancel(zk_group_t *group, zk_err_t code)
{
    if (group != NULL)
        zk__job_fail(job_of(group), code != ZK_OK ? code : ZK_ECANCELED);
}
