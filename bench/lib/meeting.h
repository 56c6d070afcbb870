/*
 * meeting.h - a task for each worker but the caller's, and none of them ends before
 * all have begun.
 */
#ifndef ZK_BENCH_MEETING_H
#define ZK_BENCH_MEETING_H

#include <sched.h>

#include "lane.h"

/* The caller sets `all`: the workers of its lane, itself among them. */
static struct {
    _Alignas(64) unsigned here;
    _Alignas(64) unsigned all;
} meeting;

static inline int
meet(void *arg)
{
    unsigned spins = 0;

    (void)arg;
    __atomic_fetch_add(&meeting.here, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&meeting.here, __ATOMIC_ACQUIRE) < meeting.all)
        if (++spins % 64 == 0)
            sched_yield();
    return 0;
}

static inline void
hold_meeting(void)
{
    zk_group_t group = ZK_GROUP_INIT;

    __atomic_store_n(&meeting.here, 0, __ATOMIC_RELAXED);
    for (unsigned i = 1; i < meeting.all; i++)
        must(zk_spawn(&group, meet, NULL), "spawn");
    must(meet(NULL), "meet");
    must(zk_sync(&group), "sync");
    bench_check(meeting.here == meeting.all, "a meeting");
}

#endif
