/*
 * meeting.h - a place that nobody leaves before all have come.
 *
 * Owns:   the count of who is there. As many threads as are wanted have to be
 *         inside at once, so fewer of them hang.
 */
#ifndef ZK_TESTS_RUNTIME_MEETING_H
#define ZK_TESTS_RUNTIME_MEETING_H

#include <sched.h>
#include <stddef.h>

#include "private/atomic.h"

struct meeting {
    unsigned wanted;
    _Atomic unsigned here;
};

static inline void
meet(struct meeting *m)
{
    zk_add_acq_rel(&m->here, 1u);
    while (zk_load_acquire(&m->here) < m->wanted)
        sched_yield();
}

/* A body of a loop with grain 1, and a task. */
static inline int
meet_in_a_loop(size_t begin, size_t end, void *arg)
{
    for (size_t i = begin; i < end; i++)
        meet(arg);
    return 0;
}

static inline int
meet_in_a_task(void *arg)
{
    meet(arg);
    return 0;
}

#endif
