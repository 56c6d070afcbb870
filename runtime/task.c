/*
 * task.c - pushing a task and running it.
 *
 * Owns:   the counting (job.h, and zk_count in lane.h) and the change of phase
 *         around a task's body.
 * Never:  decides which task is next.
 *
 * P1  A task is counted as pushed in its phase before anyone can see it.
 * P2  It is counted as done after its body has returned and its worker
 *     allocates for what it did before. So when all that was pushed is done, no
 *     task of the phase is alive, and no worker has its slab in hand.
 *
 * D2 -> A1   who sees the phase quiet sees all that its tasks wrote
 */
#include "runtime/lane.h"

#include "private/check.h"

/*
 * The next task will stand at the deque's mark, which may be lower than when
 * the job was bound or the running task began: waiting for an older group has
 * emptied the deque meanwhile. Whatever stands at or above it was pushed since,
 * so the wait for either may take it.
 */
static void
lower_marks(struct zk_slot *self, struct zk_job *job)
{
    int64_t mark = zk__deque_mark(&self->deque);

    if (ZK_UNLIKELY(mark < self->frame))
        self->frame = mark;
    if (job->owner == self->index && ZK_UNLIKELY(mark < job->mark))
        job->mark = mark;
}

/* Counts a task that this slot pushes. */
static void
count_pushed(const struct zk_slot *self, struct zk_job *job)
{
    if (job->owner == self->index)
        zk_bump_release(&job->own_pushed, (uint64_t)1);
    else
        zk_add_release(&job->far_pushed, (uint64_t)1);
    zk_bump_release(&job->phase->count[self->index].pushed, (uint64_t)1);
}

/* J4: nothing of the job may be read after its counter. */
static void
count_done(const struct zk_slot *self, struct zk_job *job)
{
    struct zk_phase *phase = job->phase;
    bool own = job->owner == self->index;

    if (own)
        zk_bump_release(&job->own_done, (uint64_t)1);
    else
        zk_add_seq_cst(&job->far_done, (uint64_t)1); /* D1 -> A1 */
    zk_bump_release(&phase->count[self->index].done, (uint64_t)1); /* D2 */
    if (!own)
        zk__wait_wake(self->lane);
}

/* Instead of running it. Out of line: what runs shall not pay for it. */
__attribute__((noinline, cold)) static void
skip(struct zk_task task)
{
    if (zk__cancelled(task.job->phase_id))
        zk__job_fail(task.job, ZK_ECANCELED); /* unless it has a code */
    zk__group_skipped(task);
}

void
zk__task_run(struct zk_slot *self, struct zk_task task)
{
    struct zk_job *job = task.job;
    struct zk_phase *outer_phase = self->phase;
    const struct zk_job *outer_job = self->job;
    int64_t outer_frame = self->frame;
    struct zk_slab *outer_slab =
        zk__slab_use(job->phase->arena != NULL
                         ? zk__arena_slab(job->phase->arena, self->index)
                         : &zk__slab_none);
    struct zk_scratch_frame outer_scratch = zk__scratch_enter();

    const struct zk_fork_entry *forked = self->forks.open.next;

    self->phase = job->phase;
    self->job = job;
    self->frame = zk__deque_mark(&self->deque);
    if (!zk__job_stopped(job)) {
        int code = job->run(job, task.x, task.y);

        if (code != 0)
            zk__job_fail(job, code);
    } else {
        skip(task);
    }
    ZK_ASSERT(self->forks.open.next == forked); /* it has joined its forks */
    (void)forked;
    self->frame = outer_frame < self->frame ? outer_frame : self->frame;
    self->job = outer_job;
    if (outer_job == NULL)
        zk__forks_ask(&self->forks); /* K5 */
    self->phase = outer_phase;
    zk__scratch_leave(&outer_scratch);
    zk__slab_use(outer_slab);
    count_done(self, job);
}

void
zk__task_push(struct zk_slot *self, struct zk_job *job, uintptr_t x,
              uintptr_t y)
{
    struct zk_task task = {job, x, y};

    lower_marks(self, job);
    count_pushed(self, job); /* P1 */
    if (ZK_LIKELY(zk__deque_push(&self->deque, task)))
        zk__worker_wake(self->lane);
    else
        zk__task_run(self, task);
}

bool
zk__phase_quiet(const struct zk_phase *phase)
{
    unsigned nslots = phase->lane->nslots;
    uint64_t done = 0, pushed = 0;

    /* J3, over the slots: all that is done first. */
    for (unsigned i = 0; i < nslots; i++)
        done += zk_load_acquire(&phase->count[i].done); /* A1 <- D2 */
    for (unsigned i = 0; i < nslots; i++)
        pushed += zk_load_acquire(&phase->count[i].pushed);
    pushed += zk_load_acquire(&phase->far_pushed);
    return done == pushed;
}
