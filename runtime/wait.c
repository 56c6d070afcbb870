/*
 * wait.c - waiting for a job or a phase, and what to do meanwhile.
 *
 * Owns:   which tasks a waiting thread may run, and how it sleeps.
 * Never:  runs a stranger's task. The caller may hold a lock that a stranger
 *         would want, and its stack would grow with every stranger.
 *
 * A thread that waits for a job runs, in this order:
 *
 *   1  tasks in its own deque that were pushed since the job was bound: the
 *      job's own and those of what it ran meanwhile;
 *   2  tasks of the job that came through an inbox;
 *   3  tasks of a thief: leapfrogging, after Wagner and Calder, "Leapfrogging: a
 *      portable technique for implementing efficient futures" (PPoPP 1993);
 *   4  tasks of the job at the top of anybody's deque, for whoever pushed them
 *      may be busy, or wait for us.
 *
 * A thread that has nothing of this to run, and naps, hands older tasks of its
 * own deque over to an inbox: who waits elsewhere for one of them, or this very
 * thread when it is a task of the job, would not get at it otherwise.
 *
 * Inside of zk_isolate() the first of them are those only that were pushed since it
 * began. What is older in the own deque is handed over as soon as the thread naps,
 * and comes back as 2 if it is of the job.
 *
 * For 3 each slot shows as `root` the id of the job of the stolen task that it
 * works on. (Ids differ for ever; a loop's address is the next loop's, too.)
 *
 * L1  A slot sets its root when its own deque is empty, and keeps it until the
 *     deque is empty again. So whatever is in a deque descends from its root.
 * L2  root_seq grows with each change. If it was the same before and after a
 *     steal, then what was stolen descends from the root read in between.
 *     Otherwise it may be a stranger's: it is put into an inbox, where those
 *     who may run it will find it.
 *
 * L3 -> A3   pushes come after the root was set: whoever steals a task sees a
 *            root_seq at least as new
 *
 * A waiter that finds nothing spins, then naps on wait_event, for 1 ms at the
 * most: who finishes a task from elsewhere wakes it, but nobody tells it that a
 * thief has more to steal.
 */
#include <sched.h>

#include "private/check.h"
#include "private/clock.h"
#include "runtime/futex.h"
#include "runtime/lane.h"

#define NAP_FIRST_NS    ((uint64_t)50000)
#define NAP_LAST_NS     ((uint64_t)1000000)
#define SPINS_PER_CLOCK 32

/* ---- napping ---------------------------------------------------------- */

struct patience {
    uint64_t start_ns; /* of the spin; 0: not begun */
    uint64_t nap_ns;   /* of the next nap; 0: still spinning */
    unsigned spins;
};

static bool
job_is_done(const void *job)
{
    return zk__job_done(job);
}

static bool
phase_is_quiet(const void *phase)
{
    return zk__phase_quiet(phase);
}

static void
nap(zk_runtime_t *lane, uint64_t ns, bool (*over)(const void *),
    const void *what)
{
    uint32_t seen = zk_load_seq_cst(&lane->wait_event);

    zk_add_seq_cst(&lane->waiters, 1u); /* F5 = F6: either we see the end, */
    zk_fence_seq_cst();
    if (!over(what))
        zk__futex_wait(&lane->wait_event, seen, ns);
    zk_sub_seq_cst(&lane->waiters, 1u);
}

void
zk__wait_wake(zk_runtime_t *lane)
{
    zk_fence_seq_cst(); /* F6 = F5: or whoever brings it about sees us */
    if (ZK_LIKELY(zk_load_relaxed(&lane->waiters) == 0))
        return;
    zk_add_seq_cst(&lane->wait_event, 1u);
    zk__futex_wake(&lane->wait_event, INT32_MAX);
}

/* One step from a pause to a nap of 1 ms. */
static void
be_patient(zk_runtime_t *lane, struct patience *p, bool (*over)(const void *),
           const void *what)
{
    if (p->nap_ns != 0) {
        nap(lane, p->nap_ns, over, what);
        if (p->nap_ns < NAP_LAST_NS)
            p->nap_ns *= 2;
        return;
    }
    if (lane->crowded)
        sched_yield(); /* what we wait for may need this core */
    else
        zk_pause();
    if (++p->spins % SPINS_PER_CLOCK != 0)
        return;
    if (p->start_ns == 0)
        p->start_ns = zk_now_ns();
    else if (zk_now_ns() - p->start_ns >= (uint64_t)lane->config.spin_us * 1000)
        p->nap_ns = NAP_FIRST_NS;
}

/* ---- what a waiting thread may run ------------------------------------ */

static bool
belongs_to_job(const struct zk_task *task, const void *job)
{
    return task->job == job;
}

static bool
belongs_to_phase(const struct zk_task *task, const void *phase)
{
    return task->job->phase == phase;
}

/* Takes a task from whoever stole from the job. */
static bool
steal_back(struct zk_slot *self, const struct zk_job *job, struct zk_task *task)
{
    zk_runtime_t *lane = self->lane;
    unsigned n = zk__lane_slots(lane);

    for (unsigned i = 0; i < n; i++) {
        struct zk_slot *thief = &lane->slots[i];
        uint64_t seq = zk_load_acquire(&thief->root_seq);

        if (zk_load_acquire(&thief->root) != job->id || thief == self)
            continue;
        if (zk__deque_empty(&thief->deque) ||
            !zk__deque_steal(&thief->deque, task)) {
            zk__forks_ask(&thief->forks);
            continue;
        }
        if (zk_load_acquire(&thief->root_seq) == seq) { /* A3 <- L3 */
            zk__worker_stole(self, thief);
            return true;
        }
        /* L2. Without room in the inbox it is ours after all: it is a task like
         * any other, and the rule yields to progress. */
        if (!zk__domain_put(lane, *task))
            return true;
        zk__worker_wake(lane);
        zk__wait_wake(lane);
    }
    return false;
}

/* Takes a task of the job itself from whoever has it on top. */
static bool
steal_own(struct zk_slot *self, const struct zk_job *job, struct zk_task *task)
{
    zk_runtime_t *lane = self->lane;
    unsigned n = zk__lane_slots(lane);

    for (unsigned i = 0; i < n; i++) {
        struct zk_deque *d = &lane->slots[i].deque;

        if (i == self->index || zk__deque_empty(d) ||
            !zk__deque_steal_of(d, job, task))
            continue;
        zk__worker_stole(self, &lane->slots[i]);
        return true;
    }
    return false;
}

/* Puts what is in the own deque into an inbox. */
static void
hand_over(struct zk_slot *self)
{
    zk_runtime_t *lane = self->lane;
    struct zk_task task;

    while (zk__deque_steal(&self->deque, &task)) {
        if (!zk__domain_put(lane, task))
            zk__task_run(self, task); /* progress comes first */
        zk__worker_wake(lane);
    }
    zk__wait_wake(lane);
}

/* pre: the own deque is empty (L1) */
static void
run_stolen(struct zk_slot *self, struct zk_task task)
{
    uint64_t outer = zk_load_relaxed(&self->root);
    int64_t mark = zk__deque_mark(&self->deque);

    zk__root_set(self, task.job->id);
    do
        zk__task_run(self, task);
    while (zk__deque_pop(&self->deque, mark, &task));
    zk__root_set(self, outer);
}

void
zk__wait_job(struct zk_slot *self, struct zk_job *job)
{
    int64_t since = job->owner == self->index ? job->mark : self->frame;
    int64_t mark = since > self->floor ? since : self->floor;
    struct patience patience = {0, 0, 0};
    struct zk_task task;

    for (;;) {
        while (zk__deque_pop(&self->deque, mark, &task))
            zk__task_run(self, task);
        if (zk__job_done(job))
            return;
        if (zk__domain_take(self, belongs_to_job, job, &task)) {
            zk__task_run(self, task);
        } else if (zk__deque_empty(&self->deque) &&
                   (steal_back(self, job, &task) ||
                    steal_own(self, job, &task))) {
            run_stolen(self, task);
            patience = (struct patience){0, 0, 0};
        } else if (patience.nap_ns != 0 && !zk__deque_empty(&self->deque)) {
            hand_over(self);
        } else {
            be_patient(self->lane, &patience, job_is_done, job);
        }
    }
}

int
zk_isolate(zk_task_fn fn, void *arg)
{
    struct zk_slot *self = zk__thread.slot;
    int64_t outer;
    int code;

    if (fn == NULL)
        return ZK_EINVAL;
    if (self == NULL)
        return fn(arg);
    if (zk__forks_private(&self->forks))
        zk__forks_share(self); /* K2 */
    outer = self->floor;
    self->floor = zk__deque_mark(&self->deque);
    code = fn(arg);
    if (zk__thread.slot == self)
        self->floor = outer;
    return code;
}

void
zk__wait_job_outside(struct zk_job *job)
{
    struct patience patience = {0, 0, 0};

    while (!zk__job_done(job)) {
        struct zk_slot *self =
            zk__thread.slot == NULL ? zk__member_enter(job->lane) : NULL;

        if (self != NULL) {
            zk__wait_job(self, job);
            zk__member_leave(self);
            return;
        }
        /* Whoever has the slots may do something else for ever. */
        zk__lane_start_one(job->lane);
        be_patient(job->lane, &patience, job_is_done, job);
    }
}

void
zk__wait_phase(struct zk_slot *self, struct zk_phase *phase)
{
    struct patience patience = {0, 0, 0};
    struct zk_task task;

    for (;;) {
        while (self != NULL && zk__deque_pop(&self->deque, 0, &task))
            zk__task_run(self, task);
        if (zk__phase_quiet(phase))
            return;
        if (self != NULL &&
            zk__domain_take(self, belongs_to_phase, phase, &task))
            zk__task_run(self, task);
        else
            be_patient(phase->lane, &patience, phase_is_quiet, phase);
    }
}
