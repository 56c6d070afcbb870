/*
 * phases.c - what begin and end cost, with the trap for stale pointers on, off
 * and left to the library, and what a stage costs.
 *
 *     arena_phases [PAIRS [DIVISOR]]
 *
 * Owns:   what the other worker does meanwhile, and how much of a slab is used.
 * Never:  counts first touches: a slab's pages are there before the clock runs.
 *
 * The other worker is
 *
 *     hot      looking for work all the time
 *     parked   asleep
 *     busy     in a task that was spawned outside of any phase
 *
 * Metrics: on_parked_64m is begin and end with the trap on and 64 MiB of one
 * slab used, in ns; on_grown_64m the same on a lane whose first phases used
 * 1 MiB. Each has a lane of its own. mremap_parked_64m is what the kernel's part
 * of it costs alone: to move as many pages to other addresses, by hand. DIVISOR
 * makes the used part smaller, for a run that is only a check.
 */
#define _GNU_SOURCE /* mremap */

#include <string.h>
#include <sys/mman.h>

#include "lane.h"

enum { BATCHES = 9 };

static size_t pairs_count = 2000, divisor = 1;

/* ---- the other worker ---------------------------------------------------- */

enum other { HOT, PARKED, BUSY };

static const char *const other_names[] = {"hot", "parked", "busy"};

static int busy_runs, busy_stop;
static zk_group_t busy_group;

static int
keep_busy(void *arg)
{
    uint64_t x = 0;

    (void)arg;
    __atomic_store_n(&busy_runs, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&busy_stop, __ATOMIC_ACQUIRE))
        x = bench_work(x, 100);
    bench_escape(&x);
    return 0;
}

static int
some_work(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (size_t i = begin; i < end; i++) {
        uint64_t x = bench_work(i, 1000);

        bench_escape(&x);
    }
    return 0;
}

static void
other_begin(enum other other)
{
    must(zk_parallel_for(0, 200, 1, some_work, NULL), "loop");
    if (other == PARKED)
        bench_sleep_ns(20000000);
    if (other != BUSY)
        return;
    busy_runs = busy_stop = 0;
    must(zk_spawn(&busy_group, keep_busy, NULL), "spawn");
    while (!__atomic_load_n(&busy_runs, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void
other_end(enum other other)
{
    if (other != BUSY)
        return;
    __atomic_store_n(&busy_stop, 1, __ATOMIC_RELEASE);
    must(zk_sync(&busy_group), "sync");
}

/* ---- begin and end ------------------------------------------------------- */

static void
use(size_t bytes, int touch)
{
    char *p;

    if (bytes == 0)
        return;
    p = zk_phase_alloc(bytes, 0);
    bench_check(p != NULL, "an arena of that size");
    for (size_t at = 0; touch && at < bytes; at += 4096)
        *(volatile char *)(p + at) = 1;
}

static double
pairs(size_t bytes)
{
    uint64_t start = bench_now_ns();

    for (size_t i = 0; i < pairs_count; i++) {
        must(zk_phase_begin("pair"), "begin");
        use(bytes, 0);
        must(zk_phase_end(), "end");
    }
    return (double)(bench_now_ns() - start) / (double)pairs_count;
}

static uint64_t
moves_of(zk_runtime_t *lane)
{
    zk_runtime_stats_t stats = {.size = sizeof stats};

    must(zk_runtime_stats(lane, &stats), "stats");
    return stats.moves;
}

/* `nested`: stages of one phase, in place of phases. */
static void
measure(const char *metric, zk_runtime_t *lane, enum other other, size_t bytes,
        int nested)
{
    double ns[BATCHES];
    uint64_t moves;

    must(zk_phase_begin("touch"), "begin");
    use(bytes, 1);
    must(zk_phase_end(), "end");

    other_begin(other);
    if (nested)
        must(zk_phase_begin("outer"), "begin");
    (void)pairs(bytes);
    moves = moves_of(lane);
    for (int i = 0; i < BATCHES; i++)
        ns[i] = pairs(bytes);
    moves = moves_of(lane) - moves;
    if (nested)
        must(zk_phase_end(), "end");
    other_end(other);

    bench_report(metric, bench_median(ns, BATCHES));
    if (bytes > 0) {
        char name[64];

        snprintf(name, sizeof name, "%s_moves", metric);
        bench_report(name, (double)moves / (double)(BATCHES * pairs_count));
    }
}

static zk_runtime_t *
open_with(enum zk_trap trap, enum other other)
{
    zk_runtime_t *lane;

    must(zk_runtime_open(&lane,
                         ZK_OPTIONS(.workers = 2, .trap = trap,
                                    .spin_us = other == HOT ? 1000000 : 0)),
         "open");
    must(zk_runtime_enter(lane), "enter");
    return lane;
}

/* ---- the kernel's part of the trap --------------------------------------- */

#define WINDOW_BYTES ((size_t)8 << 30)

/* What is left behind is shut, as the trap does it, while the clock stands still. */
static double
move_on(char **at, char *to)
{
    uint64_t start = bench_now_ns();
    void *p = mremap(*at, WINDOW_BYTES, WINDOW_BYTES,
                     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
    double ns = (double)(bench_now_ns() - start);

    bench_check(p == to, "mremap");
    bench_check(mprotect(*at, WINDOW_BYTES, PROT_NONE) == 0, "mprotect");
    *at = to;
    return ns;
}

/* Three windows with room in between, each the next after the last. */
static void
measure_mremap(const char *metric, enum other other, size_t bytes)
{
    enum { WINDOWS = 3, MOVES = 1000 };
    static double ns[MOVES];
    zk_runtime_t *lane = open_with(ZK_TRAP_OFF, other);
    size_t reserved = (2 * WINDOWS + 1) * WINDOW_BYTES;
    char *base = mmap(NULL, reserved, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *first, *at;

    bench_check(base != MAP_FAILED, "mmap");
    first = base + (WINDOW_BYTES - (uintptr_t)base % WINDOW_BYTES);
    at = first;
    bench_check(mprotect(at, WINDOW_BYTES, PROT_READ | PROT_WRITE) == 0,
                "mprotect");
    (void)madvise(at, WINDOW_BYTES, MADV_HUGEPAGE);
    memset(at, 1, bytes);
    other_begin(other);
    for (size_t i = 0; i < MOVES; i++) {
        ns[i] = move_on(&at, first + (i + 1) % WINDOWS * 2 * WINDOW_BYTES);
        *at = 1;
    }
    other_end(other);
    bench_report(metric, bench_median(ns, MOVES));
    munmap(base, reserved);
    lane_leave(lane);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum zk_trap trap;
    } traps[] = {
        {"off", ZK_TRAP_OFF}, {"on", ZK_TRAP_ON}, {"auto", ZK_TRAP_AUTO}};
    static const struct {
        const char *name;
        size_t bytes;
    } used[] = {{"0", 0},
                {"1m", (size_t)1 << 20},
                {"64m", (size_t)64 << 20},
                {"1g", (size_t)1 << 30}};

    pairs_count = (size_t)bench_arg(argc, argv, 1, 2000);
    divisor = (size_t)bench_arg(argc, argv, 2, 1);
    bench_check(pairs_count > 0 && divisor > 0, "PAIRS and DIVISOR");

    for (size_t t = 0; t < sizeof traps / sizeof *traps; t++)
        for (int other = HOT; other <= BUSY; other++) {
            for (size_t u = 0; u < sizeof used / sizeof *used; u++) {
                zk_runtime_t *lane =
                    open_with(traps[t].trap, (enum other)other);
                char metric[48];

                snprintf(metric, sizeof metric, "%s_%s_%s", traps[t].name,
                         other_names[other], used[u].name);
                measure(metric, lane, (enum other)other,
                        used[u].bytes / divisor, 0);
                lane_leave(lane);
            }
        }

    for (int other = HOT; other <= BUSY; other++)
        for (size_t u = 1; u < sizeof used / sizeof *used; u++) {
            char metric[48];

            snprintf(metric, sizeof metric, "mremap_%s_%s", other_names[other],
                     used[u].name);
            measure_mremap(metric, (enum other)other, used[u].bytes / divisor);
        }

    zk_runtime_t *lane = open_with(ZK_TRAP_ON, HOT);

    measure("stage", lane, HOT, 0, 1);
    measure("stage_64m", lane, HOT, used[2].bytes / divisor, 1);
    lane_leave(lane);

    /* Small phases first: what they leave at each site must not matter. */
    lane = open_with(ZK_TRAP_ON, PARKED);
    for (int i = 0; i < 200; i++) {
        must(zk_phase_begin("small"), "begin");
        use(used[1].bytes / divisor, 1);
        must(zk_phase_end(), "end");
    }
    measure("on_grown_64m", lane, PARKED, used[2].bytes / divisor, 0);
    lane_leave(lane);
    return 0;
}
