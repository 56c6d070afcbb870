/*
 * lease.h - threads that others have, lent to a lane for the length of a call.
 *
 * lease.c has the rules.
 */
#ifndef ZK_RUNTIME_LEASE_H
#define ZK_RUNTIME_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "private/check.h"
#include "runtime/lane.h"
#include "runtime/lender.h"

/* Whether threads are lent for what the caller waits for; asked once it is known
 * that there is a lender. */
bool zk__lease_possible(const struct zk_slot *self);

static inline bool
zk__lease_wanted(const struct zk_slot *self)
{
    return ZK_UNLIKELY(zk__lender() != NULL) && zk__lease_possible(self);
}

#define ZK_ALL_BEFORE INT64_MAX

/*
 * Calls call(arg) on this thread, while others work on what comes of it. What
 * stands in the caller's deque below `mark`, and what it has forked, is not part
 * of that.
 *
 * pre  zk__lease_wanted(self)
 */
void zk__lease_run(struct zk_slot *self, int64_t mark, void (*call)(void *arg),
                   void *arg);

/* After a push: true when it is not for threads of the lane's own. */
bool zk__lease_wake(zk_runtime_t *lane);

/* The one thread of its own that a lane has which borrows: it runs what comes
 * from outside, and nothing else. Returns when the lane closes. */
void zk__lease_serve(struct zk_slot *self);

/* The same for its wake-up when the lane closes. */
void zk__lease_wake_service(zk_runtime_t *lane);

/* ---- team.c ---- */

/* After the begin of a phase: visits the team. Before its end: visits it again,
 * and sees to it that the caller's explicit tasks are done. */
void zk__team_join(struct zk_thread *me);
void zk__team_part(struct zk_thread *me);
void zk__team_settle(void);

/* The calling thread stops to be a member of whatever it is attached to. */
void zk__team_detach(void);

#endif
