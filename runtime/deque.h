/*
 * deque.h - one owner at the bottom, any number of thieves at the top.
 *
 *        top                 bottom
 *         v                    v
 *     ... | t0 | t1 | t2 | t3 | ...            slot of i = ring[i & mask]
 *   steal ->                 <- pop   push ->
 *
 * After Chase and Lev, "Dynamic circular work-stealing deque" (SPAA 2005), in
 * the C11 form of Le, Pop, Cohen and Zappa Nardelli (PPoPP 2013), with two
 * changes. Tasks are three words kept by value, so pushing allocates nothing
 * and there is no record whose lifetime thieves could race for. And all writes
 * of bottom are releases (I2): with relaxed ones in pop, a thief that reads a
 * bottom written by a pop need not see the ring entries that were pushed before
 * it (x86 never shows it, RC11 allows it).
 *
 * I1  Index i holds a task iff top <= i < bottom.
 * I2  Only the owner writes bottom, and each such write is a release: whichever
 *     one a thief reads, it also sees the ring and the entries pushed before it.
 * I3  top only grows, one at a time, by a CAS; winning it is owning the task.
 *     A thief copies the entry first. It may copy words of two tasks, when the
 *     owner has wrapped around meanwhile; then top has moved and the CAS fails.
 * I4  bottom - top <= mask + 1. Only pop lets bottom fall below top, by one,
 *     until it settles.
 * I5  A ring that was outgrown stays mapped until the deque is finished, since a
 *     thief may still read it. Rings double, so all old ones together are
 *     smaller than the newest. (Freeing them where a phase ends would not do:
 *     thieves that work for another phase need not be quiet then.)
 *
 *            push  pop  steal        x  same thread only
 *     push    x     x     -          -  free to overlap
 *     pop     x     x     -
 *     steal   -     -     -
 *
 * R1 -> A2   a thief that sees the new bottom sees the entry and the ring
 * R2 -> A1   the owner reuses an entry only after the thief has copied it
 * R3 -> A3   a thief that sees a ring sees the entries copied into it
 * F1 =  F2   on the last task at least one side sees the other; the CAS decides
 */
#ifndef ZK_RUNTIME_DEQUE_H
#define ZK_RUNTIME_DEQUE_H

#include <stdbool.h>
#include <stdint.h>

#include "private/atomic.h"

struct zk_job;

/* What there is to do; the job says what x and y mean. */
struct zk_task {
    struct zk_job *job;
    uintptr_t x, y;
};

struct zk_ring;

struct zk_deque {
    ZK_ALIGNED_LINE _Atomic int64_t top;    /* thieves and pop: CAS only */
    ZK_ALIGNED_LINE _Atomic int64_t bottom; /* the owner */
    _Atomic(struct zk_ring *) ring;         /* the owner */
};

/* False: no memory. */
bool zk__deque_init(struct zk_deque *d);
void zk__deque_fini(struct zk_deque *d);

/* Owner, or before there is one. Makes the ring's pages resident, on this
 * thread's node: no later push meets a page for the first time. */
void zk__deque_touch(struct zk_deque *d);

/* The same: moves them to a node. What whoever made it has touched is on his. */
void zk__deque_gather(struct zk_deque *d, unsigned node);

/* Owner. False: it is full and could not grow; the caller runs the task. */
bool zk__deque_push(struct zk_deque *d, struct zk_task task);

/* Owner. Takes the newest task when its index is at least `mark`. */
bool zk__deque_pop(struct zk_deque *d, int64_t mark, struct zk_task *task);

/* Anyone else. False: empty, or another thief was faster. */
bool zk__deque_steal(struct zk_deque *d, struct zk_task *task);

/* Anyone, the owner too. The same when the oldest task belongs to the job. */
bool zk__deque_steal_of(struct zk_deque *d, const struct zk_job *job,
                        struct zk_task *task);

/* Owner: the index at which the next task will stand. */
static inline int64_t
zk__deque_mark(const struct zk_deque *d)
{
    return zk_load_relaxed(&d->bottom);
}

/* Anyone: a hint, exact for the owner when no thief is at work. */
static inline bool
zk__deque_empty(const struct zk_deque *d)
{
    return zk_load_relaxed(&d->bottom) <= zk_load_relaxed(&d->top);
}

/* The same: how many there are. */
static inline int64_t
zk__deque_size(const struct zk_deque *d)
{
    return zk_load_relaxed(&d->bottom) - zk_load_relaxed(&d->top);
}

#endif
