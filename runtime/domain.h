/*
 * domain.h - the workers of one NUMA node: what comes from outside near them, and
 * where they sleep.
 *
 * Owns:   an inbox and a futex for each node that has workers of the lane, and which
 *         of them is the caller's.
 * Never:  wakes anybody.
 *
 * A task from outside goes to the inbox of the node that its submitter runs on, and
 * is taken by a worker of that node, as long as one comes for it:
 *
 * E1  Each inbox is a queue of its own: first in, first out. Between inboxes there is
 *     no order.
 * E2  Whoever takes, takes from its own node first, then from the nearest ones, then
 *     from the rest. So nothing waits as long as anybody has nothing to do.
 * E3  A searcher that sees something in another node's inbox leaves it there for some
 *     looks, for those who are near and search as well. Not in the last look before it
 *     sleeps (W1 in worker.c).
 * E4  After so many tasks in a row from its own node a worker takes from the others
 *     first. So nothing waits for ever for a node whose workers do not come.
 *
 * A lane of one node, and one whose workers are not bound, has one domain, and none of
 * this costs anything.
 */
#ifndef ZK_RUNTIME_DOMAIN_H
#define ZK_RUNTIME_DOMAIN_H

#include <stdint.h>

#include <zkrt/runtime.h>

#include "runtime/inbox.h"

struct zk_slot;
struct zk_topology;

struct zk_domain {
    ZK_ALIGNED_LINE struct zk_inbox inbox;

    /* Its idle workers: see worker.c. */
    ZK_ALIGNED_LINE _Atomic uint32_t idle_event; /* futex */
    _Atomic uint32_t asleep;

    unsigned pu; /* of one of its workers; constant once open */
};

#define ZK_NEAR_IN_A_ROW 63u /* E4 */
#define ZK_LOOKS_ASIDE   8u  /* E3 */

/* How many domains a lane with this many workers may have at most, and how long its
 * table of CPUs is. */
unsigned zk__domain_room(const struct zk_topology *t, unsigned workers);
unsigned zk__domain_cpus(const struct zk_topology *t);

/* Makes the domains of a lane whose slots have their units. */
void zk__domains_init(zk_runtime_t *lane);
void zk__domains_fini(zk_runtime_t *lane);

/* In a child of fork(), where nobody sleeps and another thread may have had a lock:
 * what was in the inboxes is the parent's. */
void zk__domains_forked(zk_runtime_t *lane);

/* The index of the caller's: of the worker, or of the CPU that it runs on now; where
 * no worker is on that node, of the nearest one. */
unsigned zk__domain_here(const zk_runtime_t *lane);

/* Adds a task to the inbox of the caller's. False: no memory; nothing changed. */
bool zk__domain_put(zk_runtime_t *lane, struct zk_task task);

/* The oldest task of an inbox for which wanted(task, arg) is true; wanted NULL: any
 * (E2). */
bool zk__domain_take(struct zk_slot *self,
                     bool (*wanted)(const struct zk_task *task,
                                    const void *arg),
                     const void *arg, struct zk_task *task);

/* The same for a searcher, who takes any (E2, E3, E4). */
bool zk__domain_find(struct zk_slot *self, struct zk_task *task);

/* The first from `start` on whose inbox is not empty; the number of domains: none. */
unsigned zk__domain_waiting(const zk_runtime_t *lane, unsigned start);

#endif
