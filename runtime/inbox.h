/*
 * inbox.h - a queue for tasks that come from outside; see domain.h.
 *
 * Owns:   a list under a lock, in pages of its own.
 * Never:  is touched on the way of a task that a worker pushes and runs. `count`
 *         lets everybody else pass by with one load.
 */
#ifndef ZK_RUNTIME_INBOX_H
#define ZK_RUNTIME_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "private/atomic.h"
#include "runtime/deque.h"

struct zk_inbox {
    pthread_mutex_t lock;
    struct zk_task *tasks; /* oldest first, from `first` */
    size_t first, end, capacity;
    _Atomic size_t count; /* end - first; written under the lock */
};

/* Takes its first pages at once: a task may come in the midst of a phase, handed
 * back by a thief, and a phase makes no system call. */
void zk__inbox_init(struct zk_inbox *box);
void zk__inbox_fini(struct zk_inbox *box);

/* Moves its pages to a node. */
void zk__inbox_gather(struct zk_inbox *box, unsigned node);

/* False: no memory; nothing changed. */
bool zk__inbox_put(struct zk_inbox *box, struct zk_task task);

/* The oldest task for which wanted(task, arg) is true; wanted NULL: any. */
bool zk__inbox_take(struct zk_inbox *box,
                    bool (*wanted)(const struct zk_task *task, const void *arg),
                    const void *arg, struct zk_task *task);

#endif
