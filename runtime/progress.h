/*
 * progress.h - how much of a phase's loops is done, and who is told.
 *
 * Owns:   the counts, and the calls of a program's zk_progress_fn.
 * Never:  makes a worker wait, or call: progress.c says who does.
 *
 * Each slot counts for itself, with plain stores, what it has done of the
 * iterations of loops, and what it has planned by beginning one. Both only grow
 * for as long as the record of the phase lives: what a phase or stage has done is
 * the difference to what was when it began.
 *
 * N1  A loop is planned before any of its iterations is done. Who sums up reads
 *     what is done first, so it never finds more done than planned.
 * N2  A loop inside of another one's body is part of that iteration, and counts
 *     for nothing: the outer loop knows best how far it is.
 */
#ifndef ZK_RUNTIME_PROGRESS_H
#define ZK_RUNTIME_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <zkrt/phase.h>

struct zk_phase;

/* What begin was asked for; fn NULL: nothing. */
struct zk_watch {
    zk_progress_fn fn;
    void *arg;
    uint64_t interval_ns, due_ns;
    struct zk_phase *next;
};

struct zk_work {
    uint64_t done, total;
};

/* All that the record has ever seen. */
struct zk_work zk__progress_sum(const struct zk_phase *phase);

/* Since the begin of what is open at this depth. */
struct zk_work zk__progress_at(const struct zk_phase *phase, unsigned depth);

/* A phase begins; pre: it is quiet, and has its name. */
void zk__progress_begin(struct zk_phase *phase, const struct zk_watch *watch);

/* Its last call, if it is watched; none runs afterwards. pre: it is quiet */
void zk__progress_end(struct zk_phase *phase);

/* Around a change of the phase's depth and name. */
void zk__progress_lock(const struct zk_phase *phase);
void zk__progress_unlock(const struct zk_phase *phase);

/* The lane closes: pre: no phase is open */
void zk__progress_close(zk_runtime_t *lane);

#endif
