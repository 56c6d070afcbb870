/*
 * lane.h - the lane, its slots, and the calling thread's place in them.
 *
 * Owns:   the records that the files of runtime/ share. Each field says who
 *         writes it.
 * Never:  is seen outside runtime/.
 *
 * The records live in pages of their own (alloc/os.h), never in an arena and
 * never in the heap.
 */
#ifndef ZK_RUNTIME_LANE_H
#define ZK_RUNTIME_LANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zkrt/parallel.h>
#include <zkrt/phase.h>
#include <zkrt/runtime.h>

#include "alloc/arena.h"
#include "alloc/scratch.h"
#include "private/atomic.h"
#include "private/topology.h"
#include "runtime/config.h"
#include "runtime/deque.h"
#include "runtime/domain.h"
#include "runtime/fork.h"
#include "runtime/frame.h"
#include "runtime/job.h"
#include "runtime/learn.h"
#include "runtime/notice.h"
#include "runtime/plan.h"
#include "runtime/progress.h"
#include "runtime/topology.h"

struct zk_lease;

#define ZK_MAX_PHASES 256 /* at once, per lane */

/*
 * What one slot pushed and finished for one phase: tasks, and iterations of loops.
 * Written by the slot alone, so counting costs two plain stores a task, and one a
 * call of a loop's body.
 */
struct zk_count {
    ZK_ALIGNED_LINE _Atomic uint64_t pushed;
    _Atomic uint64_t done;
    _Atomic uint64_t planned, iterations; /* of loops: see progress.h */
};

/*
 * A phase, or rather its record, which is used again with its arena. The lane's
 * `outside` is one without an arena: what is spawned in no phase.
 */
struct zk_phase {
    zk_runtime_t *lane;
    struct zk_arena *arena; /* NULL: outside */
    struct zk_job detached; /* tasks without a group */
    _Atomic bool open;      /* the opener: others may add tasks */
    _Atomic bool still;     /* the opener: not in this moment, though */
    _Atomic uint64_t epoch; /* the opener, at begin */
    _Atomic uint64_t id;    /* the same; 0: outside, or none yet */
    unsigned cell;          /* its word, see cancel.h; 0: none */
    bool given_up; /* under the lane's lock: all of it, see residency.c */
    uint64_t idle_since_ns; /* the same: when it went to the pool */
    bool held;   /* under the lane's lock: some thread's last phase */
    bool orphan; /* the same: nobody's, but threads are still attached */
    _Atomic unsigned attached; /* threads, but for the opener: see team.c */
    unsigned team;  /* the opener: how many were visited, with it; 0: none */
    unsigned depth; /* the opener, for the tasks: as zk_thread's */
    size_t records; /* bytes of this record */
    bool secret;    /* the opener, at begin; after the end: it was */
    struct zk_scratch_frame scratch[ZK_MAX_STAGES + 1]; /* the opener's */
    char name[ZK_MAX_STAGES + 2][ZK_PHASE_NAME];        /* by depth */
    struct zk_work work[ZK_MAX_STAGES + 2]; /* the same, when it began */
    struct zk_watch watch; /* the opener, under the lane's watch_lock */
    struct zk_frame frame[ZK_MAX_STAGES + 2]; /* the same */

    ZK_ALIGNED_LINE _Atomic uint64_t far_pushed; /* threads without a slot */
    struct zk_count count[];                     /* per slot */
};

/* A worker's place, or a guest's. */
struct zk_slot {
    struct zk_deque deque;
    struct zk_fork_stack forks;

    /* The thread that has the slot. */
    ZK_ALIGNED_LINE zk_runtime_t *lane;
    unsigned index;
    unsigned pu;              /* of the topology: the first of its place */
    unsigned domain;          /* its index */
    struct zk_phase *phase;   /* of the running task */
    const struct zk_job *job; /* of the running task; NULL: none runs */
    int64_t frame;            /* the deque's mark when the task began */
    int64_t floor;            /* the same of the innermost zk_isolate() */
    uint64_t random;
    uint64_t jobs;                       /* bound here so far */
    unsigned near_in_a_row, looks_aside; /* see domain.c */
    pthread_t thread;
    _Atomic int
        tid; /* the kernel's, of a thread of ours at its place; 0: none */
    _Atomic(struct zk_lease *) lease; /* who may take its tasks: see lease.c */

    /* What is populated of the slab before the first phase: see warm.c. */
    size_t warm_bytes; /* constant once the lane is open */
    _Atomic size_t warm_next;

    /*
     * What leapfrogging needs to know (wait.c): the id of the job of the stolen
     * task that this slot works on, and a count of its changes. Written by the
     * slot. Not the job's address, where the next job may stand already.
     */
    ZK_ALIGNED_LINE _Atomic uint64_t root;
    _Atomic uint64_t root_seq;

    /* Who is in here: workers keep theirs, other threads take a free one. */
    ZK_ALIGNED_LINE _Atomic bool taken;

    /* Statistics: written by the slot, read by anyone. */
    ZK_ALIGNED_LINE _Atomic uint64_t steals[ZK_DISTANCES]; /* by how far */
    _Atomic uint64_t sleeps;
    _Atomic uint64_t outside_near, outside_far; /* taken from inboxes */
};

struct zk_runtime {
    struct zk_config config;   /* constant once open */
    struct zk_plan plan;       /* the same */
    struct zk_numa numa;       /* the same */
    struct zk_domain *domains; /* behind the slots */
    int *nodes;              /* constant once open: of each slot, behind them */
    uint16_t *domain_of_cpu; /* the same, and behind those */
    unsigned ndomains, ncpus; /* how many of both */
    const struct zk_topology *topology;
    struct zk_topology part; /* the same, where it is one node of several */
    uint64_t serial;         /* differs for every lane ever opened */
    size_t records;          /* bytes of this record */
    unsigned nworkers;
    unsigned nslots;
    bool crowded;   /* more workers than processing units */
    unsigned reach; /* no two slots are farther apart, see worker.c */
    bool borrows;   /* it has no threads of its own: see lease.c */
    size_t slab_bytes_got;
    size_t budget_bytes;     /* SIZE_MAX: none; see budget.c */
    bool watched;            /* the container's room counts too */
    struct zk_budget shared; /* of regions, see region.c */
    const char *budget_from;
    size_t memory_limit; /* the container's when the lane was opened */

    /* Idle workers: see worker.c. */
    ZK_ALIGNED_LINE _Atomic uint32_t sleepers;
    _Atomic uint32_t searching;
    _Atomic uint32_t tokens;
    _Atomic bool closing;

    /* When memory is to be released; 0: nothing is. See residency.c. */
    ZK_ALIGNED_LINE _Atomic uint64_t release_due_ns;

    /* Threads that wait for a job: see wait.c. */
    ZK_ALIGNED_LINE _Atomic uint32_t wait_event; /* futex */
    _Atomic uint32_t waiters;
    _Atomic uint64_t far_jobs; /* bound by threads without a slot */

    /* Threads that borrowed lanes have: see lease.c. */
    ZK_ALIGNED_LINE _Atomic uint32_t lent_event; /* futex */
    _Atomic uint32_t lent_asleep;
    _Atomic uint32_t service_event; /* futex */
    _Atomic uint32_t service_asleep;
    _Atomic bool lending; /* a team is at work, or will be in a moment */

    /* Threads that may take tasks, and those of them that we have started. */
    ZK_ALIGNED_LINE _Atomic unsigned threads;
    _Atomic unsigned own_threads;
    _Atomic bool started;
    _Atomic bool bind_refused;
    _Atomic int numa_error; /* errno of a refusal, or 0 */
    _Atomic bool hide_refused, show_refused, lock_refused; /* secret phases */
    _Atomic unsigned guests; /* slots at and above workers + this: never used */

    pthread_mutex_t lock; /* starting threads, and the pool of phases */
    struct zk_phase *phases[ZK_MAX_PHASES];
    _Atomic unsigned nphases; /* written under the lock */
    _Atomic uint64_t phases_begun;
    _Atomic uint64_t stages_begun;

    /* Warm start: see warm.c. */
    ZK_ALIGNED_LINE _Atomic uint32_t warm_left; /* pieces to do; a futex */
    _Atomic bool warm_refused; /* by the system: the rest is left out */
    bool warm_alone; /* constant once open: not every worker has a thread */
    _Atomic uint64_t warmed; /* bytes */
    pthread_mutex_t learn_lock;
    bool learning;         /* under learn_lock, as are ... */
    struct zk_learn learn; /* the marks of this run */
    char learn_path[ZK_LEARN_PATH];
    /* Who tells of progress: see progress.c. */
    pthread_mutex_t watch_lock; /* what follows, and calls */
    struct zk_phase *told;
    pthread_t watcher;
    bool watcher_runs, watch_over;
    _Atomic uint32_t watch_event; /* futex */

    struct zk_phase *outside; /* count for tasks of no phase */
    zk_runtime_t *next;       /* in the registry, under its lock */
    struct zk_slot slots[];
};

struct zk_binding;

/* The calling thread. All zero: it is in no lane. */
struct zk_thread {
    struct zk_slot *slot;
    unsigned entered;           /* zk_runtime_enter() calls, and the phase's */
    struct zk_binding *binding; /* the affinity to restore; NULL: not bound */

    unsigned depth;        /* of the open phase: 0 none, 1 phase, 2 stage ... */
    bool phase_entered;    /* the open phase has entered for itself */
    zk_err_t phase_error;  /* zk_phase_error() */
    struct zk_phase *last; /* open or last phase: its arena is ours ... */
    zk_runtime_t *last_lane; /* ... as long as this lane lives. It may have */
    uint64_t last_serial;    /* closed: compare before following `last` */

    struct zk_phase *attached; /* whose member it is, without having begun it */
    struct zk_scratch_frame attached_scratch;
    bool attached_entered; /* it got its slot for that */
    bool unbound;          /* entering is not to bind it */
    bool exiting;
};

extern ZK_THREAD_LOCAL struct zk_thread zk__thread;

/* ---- describe.c ---- */

/* Prints what was decided to stderr, if ZK_DISPLAY asks for it. */
void zk__display(const zk_runtime_t *lane);

/* ---- residency.c ---- */

/* After a begin, before an arena goes to the pool (the lane's lock is held), and
 * after an end. */
void zk__residency_begun(struct zk_phase *phase);
void zk__residency_returned(struct zk_phase *phase);
void zk__residency_ended(zk_runtime_t *lane);

/* Releases a step, if one is due. How long to sleep: 0: come back at once. */
uint64_t zk__residency_step(zk_runtime_t *lane);

/* Releases memory of all lanes that no phase uses, at least `bytes` if there is so
 * much, and what the heap has free; how much it was. */
size_t zk__residency_reclaim(const struct zk_budget *own, size_t bytes,
                             bool heap);

/* ---- budget.c ---- */

/* Decides what the arenas of a lane that is being opened may have. */
void zk__budget_decide(zk_runtime_t *lane);

/* Around a fork, outside of the registry's lock. */
void zk__admission_lock(void);
void zk__admission_unlock(void);

/* ---- stats.c ---- */

/* The phase that a thread is in, or was in last; NULL: there is none. */
const struct zk_phase *zk__phase_of(const struct zk_thread *me);

/* ---- warm.c ---- */

/* Populates what the options ask for, by threads that it starts. pre: the lane is
 * all open */
void zk__warm_open(zk_runtime_t *lane);

/* A worker, before it looks for tasks: does its part. */
void zk__warm_help(struct zk_slot *self);

/* The opener of a phase in the lane's first arena: returns when all is done. */
void zk__warm_finish(struct zk_slot *self);

/* After an outermost phase of the slot's thread: what it used is learnt. */
void zk__warm_ended(const struct zk_phase *phase, unsigned opener);

/* The lane closes: what is not written down yet is now. */
void zk__warm_close(zk_runtime_t *lane);

/* In a child of fork(). */
void zk__warm_forked(zk_runtime_t *lane);

/* ---- lane.c ---- */

/* What was decided for a lane. */
struct zk_opening {
    struct zk_config config;
    struct zk_plan plan;
    const struct zk_topology *topology;
    struct zk_topology
        part; /* the lane's, in its place; no units: it has none */
    bool borrows;
};

/* Decides; and opens a lane, which takes all that there is in the record, also
 * where it fails. */
zk_err_t zk__lane_decide(struct zk_opening *o, const zk_options_t *options);
zk_err_t zk__lane_open(zk_runtime_t **out, const struct zk_opening *o);

/* Calls fn for each open lane; none of them closes meanwhile. */
void zk__lane_each(void (*fn)(zk_runtime_t *lane, void *arg), void *arg);

/* The default lane, opened if need be; NULL when that failed. */
zk_runtime_t *zk__lane_default(void);

/* True when the lane with this serial is open. */
bool zk__lane_alive(const zk_runtime_t *lane, uint64_t serial);

/* Lets others have a phase's arena, if its lane is still open. */
void zk__lane_return_phase(zk_runtime_t *lane, uint64_t serial,
                           struct zk_phase *phase);

/* A thread that is no worker. False: the system refused. */
bool zk__lane_start_helper(const zk_runtime_t *lane, pthread_t *thread,
                           void *(*body)(void *), void *arg);

/* Sees to it that the worker threads run; from the first work on. */
void zk__lane_start(zk_runtime_t *lane);

/* The same, for work that no thread inside may ever run: at least one thread. */
void zk__lane_start_one(zk_runtime_t *lane);

/* Moves what others have touched of a slot's deque and forks to its node, where it is
 * known and the lane places memory at all. */
void zk__lane_gather(zk_runtime_t *lane, struct zk_slot *slot);

/* Binds the calling thread to the place of its slot. A refusal is said once, and
 * shown by the info. */
void zk__lane_bind(zk_runtime_t *lane, const struct zk_slot *slot);

/* ---- member.c ---- */

/*
 * Puts the calling thread into a free slot, without binding it. NULL when it
 * may not or no slot is free. Undone by zk__member_leave().
 */
struct zk_slot *zk__member_enter(zk_runtime_t *lane);
void zk__member_leave(struct zk_slot *self);

/* The same for a thread that is lent: where it may have, the place of a worker. */
struct zk_slot *zk__member_enter_at(zk_runtime_t *lane, unsigned index);

/* After a phase of the caller: back to where it was before. */
void zk__member_home(struct zk_thread *me);

/* Sees to it that the thread leaves and lets go of its arena when it exits. */
void zk__member_watch_exit(void);

/* Has thieves look at this many spare slots at least. */
void zk__lane_note_guest(zk_runtime_t *lane, unsigned guests);

/* Slots that may hold tasks: workers and the guests seen so far. */
static inline unsigned
zk__lane_slots(const zk_runtime_t *lane)
{
    return lane->nworkers + zk_load_acquire(&lane->guests);
}

/* ---- task.c ---- */

/* Runs one task that was taken from a deque or an inbox. */
void zk__task_run(struct zk_slot *self, struct zk_task task);

/*
 * Adds a task to a bound job from inside the lane, and wakes a worker for it.
 * Never fails: where the deque cannot grow the task runs here and now.
 */
void zk__task_push(struct zk_slot *self, struct zk_job *job, uintptr_t x,
                   uintptr_t y);

/* True when all tasks ever pushed in the phase are done. */
bool zk__phase_quiet(const struct zk_phase *phase);

/* ---- worker.c ---- */

/* A worker thread's life. */
void *zk__worker_main(void *arg); /* its slot */

/* A task from anywhere that the slot may take from. pre: its deque is empty */
bool zk__worker_find(struct zk_slot *self, struct zk_task *task);

/* Runs a task from elsewhere and all that it leaves in the own deque. */
void zk__worker_work_on(struct zk_slot *self, struct zk_task task);

/* After a push: lets a sleeping worker know, of the caller's node where one sleeps
 * there, unless one is looking already. */
void zk__worker_wake(zk_runtime_t *lane);

/* Counts a task that the slot has taken from another one's deque. */
void zk__worker_stole(struct zk_slot *self, const struct zk_slot *from);

/* Makes every worker look around, for close. */
void zk__worker_wake_all(zk_runtime_t *lane);

/* There is memory to release: one sleeper of each node looks at the time. */
void zk__worker_wake_for_release(zk_runtime_t *lane);

/* ---- wait.c ---- */

/*
 * Returns when the job is done. Meanwhile the caller runs tasks that it pushed
 * since the job was bound, tasks of the job that came from outside, and tasks
 * of whoever stole from the job; nothing else.
 */
void zk__wait_job(struct zk_slot *self, struct zk_job *job);

/*
 * The same from a thread that found no slot, or is inside another lane. It
 * sleeps, and helps from the moment that a slot is free.
 */
void zk__wait_job_outside(struct zk_job *job);

/* Returns when the phase is quiet, running what is left of it here. */
void zk__wait_phase(struct zk_slot *self, struct zk_phase *phase);

/* After a task was done: lets those who wait look again. */
void zk__wait_wake(zk_runtime_t *lane);

/* Says whose stolen task the slot works on from now on. */
static inline void
zk__root_set(struct zk_slot *self, uint64_t job_id)
{
    zk_store_release(&self->root, job_id);
    zk_bump_release(&self->root_seq, (uint64_t)1);
}

/* An id for a job that this slot binds; NULL: a thread without one. */
static inline uint64_t
zk__job_id(zk_runtime_t *lane, struct zk_slot *self)
{
    const uint64_t places = ZK_MAX_WORKERS + ZK_MAX_SPARE + 1;

    return self != NULL
               ? ++self->jobs * places + self->index
               : (zk_add_relaxed(&lane->far_jobs, (uint64_t)1) + 2) * places -
                     1;
}

/* ---- loop.c ---- */

/* zk_parallel_for_on(). eager: each piece is a task from the start, so that all of
 * them can run at once, and not just a half of what somebody has in hand. */
zk_err_t zk__parallel_for(zk_runtime_t *lane, size_t begin, size_t end,
                          size_t grain, zk_range_fn body, void *arg, bool eager,
                          size_t stands_for);

/* In the body of a loop that stands for so many iterations: n of them are done. */
void zk__loop_did(size_t n);

/* ---- group.c ---- */

/* Makes a phase's job for tasks without a group. */
void zk__group_init_detached(struct zk_phase *phase);

/* A task that will not run, since it was told to stop: who waits to be told of its
 * end is. */
void zk__group_skipped(struct zk_task task);

/* ---- phase.c ---- */

/* Ends a phase of the caller whose form was jumped out of, if that is known by
 * the fact that it calls us with this frame. */
void zk__phase_end_abandoned(const void *frame);

/* Gives the calling thread's last, ended phase back to its lane. */
void zk__phase_forget(struct zk_thread *me);

/* Adds a phase to the lane's pool. pre: the lock is held, or nobody else is
 * there; fewer than ZK_MAX_PHASES */
static inline void
zk__phase_add(zk_runtime_t *lane, struct zk_phase *phase)
{
    unsigned n = zk_load_relaxed(&lane->nphases);

    lane->phases[n] = phase;
    zk_store_release(&lane->nphases, n + 1); /* readers without the lock */
}

/* A record over an arena, or over none; NULL without memory. */
struct zk_phase *zk__phase_new(zk_runtime_t *lane, struct zk_arena *arena);

/* The same with an arena of its own, made as the lane's options say. */
struct zk_phase *zk__phase_with_arena(zk_runtime_t *lane);
void zk__phase_delete(struct zk_phase *phase);

#endif
