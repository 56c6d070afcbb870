/*
 * zkrt.c - a proof is a phase, and its two threads are the lane's workers.
 */
#include "contender.h"
#include "lane.h"

static zk_runtime_t *lane;
static void (*work)(unsigned thread);

void
contender_open(size_t bytes, const char *option)
{
    (void)bytes;
    (void)option;
    lane = lane_enter(2);
}

void
contender_begin(void)
{
    must(zk_phase_begin("proof"), "begin");
}

void
contender_end(void)
{
    must(zk_phase_end(), "end");
}

void *
contender_alloc(unsigned thread, size_t bytes)
{
    (void)thread;
    return zk_malloc(bytes);
}

void
contender_free(unsigned thread, void *p)
{
    (void)thread;
    zk_free(p);
}

int
contender_wants_frees(void)
{
    return 0; /* the phase's end is enough */
}

static int
piece(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (size_t i = begin; i < end; i++)
        work((unsigned)i);
    return 0;
}

void
contender_run(void (*body)(unsigned thread))
{
    work = body;
    must(zk_parallel_for(0, 2, 1, piece, NULL), "loop");
}

void
contender_close(void)
{
    zk_runtime_stats_t stats = {.size = sizeof stats};

    must(zk_runtime_stats(lane, &stats), "stats");
    bench_check(stats.overflow_count == 0, "the arena overflowed");
    bench_check(stats.bad_frees == 0, "bad frees");
    lane_leave(lane);
}
