/*
 * lane.h - a lane for a measured program, and errors that end it.
 */
#ifndef ZK_BENCH_LANE_H
#define ZK_BENCH_LANE_H

#include <zkrt/zkrt.h>

#include "bench.h"

static inline void
must(zk_err_t err, const char *what)
{
    if (err != ZK_OK)
        fprintf(stderr, "%s: %s\n", what, zk_strerror(err));
    bench_check(err == ZK_OK, what);
}

/* A lane as it comes, but for the number of workers, with the caller in it. */
static inline zk_runtime_t *
lane_enter(unsigned workers)
{
    zk_runtime_t *lane;

    must(zk_runtime_open(&lane, ZK_OPTIONS(.workers = workers)), "open");
    must(zk_runtime_enter(lane), "enter");
    return lane;
}

static inline void
lane_leave(zk_runtime_t *lane)
{
    must(zk_runtime_leave(), "leave");
    must(zk_runtime_close(lane), "close");
}

#endif
