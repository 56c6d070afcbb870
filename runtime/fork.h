/*
 * fork.h - what a slot has forked: a stack whose oldest part is in its deque.
 *
 *     chunk        shared                 next         limit
 *       v            v                     v             v
 *       | f0 | f1 | f2 | f3 | f4 | f5 | f6 |             |
 *        `-- shared --' `----- private ----'
 *             |
 *             each has a job, and a task in the deque
 *
 * (No relation to fork(2).) Private forks are two plain words each, which their
 * thread alone reads and writes, and joining one is a call. So there is nothing in
 * them to be stolen, and nothing to synchronise. What others can have is in the
 * deque, as tasks like all others: the owner puts the oldest forks there when it
 * is asked to. After Acar, Chargueraud and Rainey, "Scheduling parallel programs by
 * work stealing with private deques" (PPoPP 2013), and van Dijk and van de Pol,
 * "Lace: non-blocking split deque for work-stealing" (MuCoCoS 2014). Unlike
 * there, thieves never see the split: it is this side of an ordinary deque.
 *
 * K1  Forks are joined in reverse order. Those below `shared` have a job and a
 *     task in the deque or with a thief, those from there to `next` have neither:
 *     the shared ones are the oldest.
 * K2  All private forks are younger than all tasks in the deque. Who pushes any
 *     other task, or waits, shares what is private first. So the order in the
 *     deque is the order of age, by which wait.c tells what a waiting thread may
 *     run (and the job of a private fork's parent is the slot's).
 * K3  `limit` is the end of the chunk, or NULL: somebody is hungry, or the deque
 *     is empty. Anybody sets it to NULL. Only the owner sets it back, and only
 *     when it pushes a task afterwards, or when there is no thread to steal: so
 *     whoever asked either finds the task, or is woken for it.
 * K4  An entry's fn is NULL when it is shared, with its job in arg, or when it is
 *     the first of its chunk and came the long way: then fn and arg are in the
 *     chunk. The join of either is a slow one.
 * K5  Outside of all tasks the oldest fork is a shared one, unless memory has
 *     ended. So whatever is forked runs as a task of a job, and begins no phase.
 *
 * limit carries no data, so it is relaxed everywhere. What a fork works on reaches
 * its thief with the deque's bottom (R1 -> A2), and comes back with the job's
 * counters (D1 -> A1 in job.h).
 */
#ifndef ZK_RUNTIME_FORK_H
#define ZK_RUNTIME_FORK_H

#include <stdbool.h>
#include <stddef.h>

#include <zkrt/fork.h>

#include "private/atomic.h"

struct zk_fork_job;
struct zk_fork_jobs;
struct zk_slot;

struct zk_fork_chunk {
    struct zk_fork_chunk *older, *newer;
    struct zk_fork_entry first; /* K4 */
    struct zk_fork_entry entry[];
};

struct zk_fork_stack {
    ZK_ALIGNED_LINE struct zk_forks open; /* the part that is inlined */

    /* The owner's. */
    struct zk_fork_entry *shared;
    struct zk_fork_chunk *shared_chunk;
    struct zk_fork_chunk *chunk; /* where next is */
    struct zk_fork_chunk *oldest;
    struct zk_fork_job *spare; /* records that are free */
    struct zk_fork_jobs *jobs; /* all of them */
    bool entered;              /* the outermost fork has entered the lane */
};

/* What zk__forks points to in a thread without a slot. */
extern struct zk_forks zk__forks_none;

/* False: no memory. fini takes what init has left, too. */
bool zk__forks_init(struct zk_fork_stack *s);
void zk__forks_fini(struct zk_fork_stack *s);

/* Makes the first pages resident, on this thread's node. */
void zk__forks_touch(struct zk_fork_stack *s);

/* Moves them to a node. */
void zk__forks_gather(struct zk_fork_stack *s, unsigned node);

/* Forgets what was not joined: its thread is gone. */
void zk__forks_drop(struct zk_fork_stack *s);

/* Puts all that is private into the deque (K2). */
void zk__forks_share(struct zk_slot *self);

/* Anyone: asks the owner for a task. */
static inline void
zk__forks_ask(struct zk_fork_stack *s)
{
    if (zk_load_plain_relaxed(&s->open.limit) != NULL)
        zk_store_plain_relaxed(&s->open.limit, (struct zk_fork_entry *)NULL);
}

/* The owner: whether anything is forked and not joined. */
static inline bool
zk__forks_any(const struct zk_fork_stack *s)
{
    return s->open.next != s->oldest->entry;
}

/* The owner: whether anything is private. */
static inline bool
zk__forks_private(const struct zk_fork_stack *s)
{
    return s->open.next != s->shared;
}

#endif
