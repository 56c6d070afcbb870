/*
 * zkrt.c - a proof is a phase, and its two threads are the lane's workers.
 *
 * Each worker takes one share, as the peers' bound threads do: the caller waits
 * until the other has come. With option "loop" the shares are the iterations of
 * a loop, and a worker that is late finds both of them taken.
 */
#include <string.h>

#include "contender.h"
#include "lane.h"

static zk_runtime_t *lane;
static void (*work)(unsigned thread);
static int as_loop;
static unsigned arrived;

void
contender_open(size_t bytes, const char *option)
{
    (void)bytes;
    as_loop = strcmp(option, "loop") == 0;
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

static int
other_share(void *arg)
{
    (void)arg;
    __atomic_store_n(&arrived, 1, __ATOMIC_RELEASE);
    work(1);
    return 0;
}

void
contender_run(void (*body)(unsigned thread))
{
    zk_group_t group = ZK_GROUP_INIT;

    work = body;
    if (as_loop) {
        must(zk_parallel_for(0, 2, 1, piece, NULL), "loop");
        return;
    }
    arrived = 0;
    must(zk_spawn(&group, other_share, NULL), "spawn");
    for (unsigned spins = 1; !__atomic_load_n(&arrived, __ATOMIC_ACQUIRE);
         spins++)
        if (spins % 1024 == 0)
            sched_yield();
    work(0);
    must(zk_sync(&group), "sync");
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
