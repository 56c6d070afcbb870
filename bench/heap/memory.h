/*
 * memory.h - the malloc family under test, by another name.
 *
 * Owns:   the seam: the tests are built once for each of
 *
 *             (nothing)      malloc as the process has it, or as preloaded
 *             BENCH_ZKRT     zk_malloc() outside of any phase: zkrt's heap
 *             BENCH_PHASE    zk_malloc() inside a phase, blocks of any size
 *
 * Never:  does anything besides: inlined, it costs nothing of its own.
 */
#ifndef ZK_BENCH_MEMORY_H
#define ZK_BENCH_MEMORY_H

#include <stdlib.h>

#include "bench.h"

#if defined BENCH_ZKRT || defined BENCH_PHASE

#    include "lane.h"

#    define memory_alloc   zk_malloc
#    define memory_zeroed  zk_calloc
#    define memory_realloc zk_realloc
#    define memory_free    zk_free

#else

#    define memory_alloc   malloc
#    define memory_zeroed  calloc
#    define memory_realloc realloc
#    define memory_free    free

#endif

#ifdef BENCH_PHASE

static inline void
memory_open(void)
{
    zk_runtime_t *lane;

    must(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .min_bytes = 1)),
         "open");
    must(zk_runtime_enter(lane), "enter");
    must(zk_phase_begin("heap"), "begin");
}

/* All memory goes at once; what the caller held is gone. */
static inline void
memory_reset(void)
{
    must(zk_phase_end(), "end");
    must(zk_phase_begin("heap"), "begin");
}

static inline void
memory_close(void)
{
    zk_runtime_stats_t stats = {.size = sizeof stats};
    zk_runtime_t *lane = zk_runtime_current();

    must(zk_phase_end(), "end");
    must(zk_runtime_stats(lane, &stats), "stats");
    bench_check(stats.overflow_count == 0, "the arena overflowed");
    bench_check(stats.bad_frees == 0, "bad frees");
    lane_leave(lane);
}

#else

static inline void
memory_open(void)
{
    bench_bind(0);
}

static inline void
memory_reset(void)
{
}

static inline void
memory_close(void)
{
}

#endif

/* A block, or the end of the program. */
static inline void *
memory_must(void *p)
{
    bench_check(p != NULL, "out of memory");
    return p;
}

#endif
