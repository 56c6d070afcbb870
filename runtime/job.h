/*
 * job.h - what tasks belong to and what a thread waits for: a group or a loop.
 *
 * A job counts its tasks, and never touches a counter that others hammer as
 * long as its tasks stay with the worker that made them: what its owner pushes
 * and finishes is counted with plain stores, what others do with atomic adds.
 *
 * J1  own_* are written by the slot `owner` alone, far_* by everybody else. All
 *     four only grow while the job is bound.
 * J2  A task is counted as pushed before anyone can see it, and as done after
 *     its last access to anything but the job; done <= pushed at all times.
 * J3  The job is done when done == pushed, read in this order: first both done
 *     counters, then both pushed ones. (They are monotone, so equality means
 *     that nothing was alive in between; after Mattern, "Algorithms for
 *     distributed termination detection", 1987.)
 * J4  Adding to a done counter is the last access to the job: its storage is on
 *     the stack of whoever waits, who may now return.
 *
 * D1 -> A1   who sees a task as done sees all that it wrote
 */
#ifndef ZK_RUNTIME_JOB_H
#define ZK_RUNTIME_JOB_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/parallel.h>

#include "private/atomic.h"
#include "private/check.h"
#include "runtime/cancel.h"

#define ZK_NO_SLOT UINT32_MAX

struct zk_phase;
struct zk_slot;

enum zk_job_state { ZK_JOB_IDLE = 0, ZK_JOB_BINDING, ZK_JOB_BOUND };

struct zk_job {
    _Atomic int state;  /* enum zk_job_state */
    _Atomic int error;  /* the first non-zero result */
    zk_runtime_t *lane; /* from here to mark: written while binding */
    struct zk_phase *phase;
    const struct zk_job *parent; /* of the task that waits for this one */
    int (*run)(struct zk_job *job, uintptr_t x, uintptr_t y);
    uint32_t owner;
    uint32_t in_loop; /* its tasks are, or run inside of, a loop's iterations */
    uint64_t phase_id; /* which of the phases of this record */
    uint64_t id;       /* no other job of the lane ever has it; 0: detached */
    int64_t mark;      /* the owner's deque when it was bound */
    _Atomic uint64_t own_pushed, own_done;
    _Atomic uint64_t far_pushed, far_done;
};

_Static_assert(sizeof(struct zk_job) <= sizeof(zk_group_t),
               "the public group is too small");

/*
 * Takes the error, once it is not 0 for ever: the first one stays.
 */
static inline void
zk__job_fail(struct zk_job *job, int code)
{
    int none = 0;

    (void)zk_cas_acq_rel(&job->error, &none, code);
}

/* Whether the job, one that waits for it, or their phase was told to stop. */
static inline bool
zk__job_stopped(const struct zk_job *job)
{
    if (ZK_UNLIKELY(zk__cancelled(job->phase_id)))
        return true; /* parents are of the same phase */
    for (; job != NULL; job = job->parent)
        if (zk_load_relaxed(&job->error) != 0)
            return true;
    return false;
}

/* J3 */
static inline bool
zk__job_done(const struct zk_job *job)
{
    uint64_t done = zk_load_acquire(&job->own_done) + /* A1 <- D1 */
                    zk_load_acquire(&job->far_done);
    uint64_t pushed =
        zk_load_acquire(&job->own_pushed) + zk_load_acquire(&job->far_pushed);

    return done == pushed;
}

#endif
