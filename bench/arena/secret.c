/*
 * secret.c - what ZK_PHASE_SECRET costs: begin and end of a phase, with the flag
 * and without, and the bare zeros of one thread.
 *
 *     arena_secret [PAIRS [DIVISOR]]
 *
 * Owns:   how much of the slabs is used, by both workers.
 * Never:  counts what the program itself does with its memory: pages are there
 *         before the clock runs, and only begin, allocation and end are within.
 *
 * Metrics: secret_64m and plain_64m are begin + allocate + end in ns with
 * 64 MiB used, half of it by each worker; secret_0 uses one block of 64 bytes.
 * memset_64m is one thread's memset of as much memory, warm. locked_64m is the
 * share of it that the system locked. DIVISOR makes the used part smaller, for a
 * run that is only a check.
 */
#include <string.h>
#include <sys/mman.h>

#include "lane.h"

enum { BATCHES = 9 };

static size_t share;

/* Each worker's part. They wait for each other, so each has one. */
static int arrived;

static int
allocate(size_t begin, size_t end, void *arg)
{
    char *p = zk_phase_alloc(share, 0);

    (void)end;
    bench_check(p != NULL, "an arena of that size");
    if (arg != NULL)
        for (size_t at = 0; at < share; at += 4096)
            p[at] = (char)begin;
    __atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < 2)
        sched_yield();
    return 0;
}

static double
pair(const zk_phase_options_t *options, int touch, double *locked)
{
    zk_phase_stats_t stats = {.size = sizeof stats};
    uint64_t start = bench_now_ns();

    must(zk_phase_begin_ex(NULL, "pair", options), "begin");
    arrived = 0;
    if (share > 64)
        must(zk_parallel_for(0, 2, 1, allocate, touch ? &share : NULL), "loop");
    else
        bench_check(zk_phase_alloc(64, 0) != NULL, "a block");
    if (locked != NULL) {
        must(zk_phase_stats(&stats), "stats");
        *locked = (double)stats.locked_bytes / (double)stats.peak_bytes;
    }
    must(zk_phase_end(), "end");
    return (double)(bench_now_ns() - start);
}

static void
report(const char *what, const char *name, double value)
{
    char metric[48];

    snprintf(metric, sizeof metric, "%s_%s", what, name);
    bench_report(metric, value);
}

static void
measure(const char *name, size_t bytes, size_t pairs)
{
    const zk_phase_options_t secret = {.size = sizeof secret,
                                       .flags = ZK_PHASE_SECRET};
    zk_runtime_t *lane = lane_enter(2);
    double ns[2][BATCHES] = {{0}}, locked = 0;

    share = bytes / 2;
    for (int i = 0; i < 3; i++)
        (void)pair(NULL, 1, NULL);
    for (int i = 0; i < BATCHES; i++)
        for (int kind = 0; kind < 2; kind++) {
            double sum = 0;

            for (size_t k = 0; k < pairs; k++)
                sum += pair(kind != 0 ? &secret : NULL, 0, NULL);
            ns[kind][i] = sum / (double)pairs;
        }
    (void)pair(&secret, 0, &locked);
    report("plain", name, bench_median(ns[0], BATCHES));
    report("secret", name, bench_median(ns[1], BATCHES));
    report("locked", name, locked);
    lane_leave(lane);
}

static void
zeros_by_hand(const char *name, size_t bytes)
{
    double ns[BATCHES];
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    bench_check(p != MAP_FAILED, "mmap");
    (void)madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 1, bytes);
    for (int i = 0; i < BATCHES; i++) {
        uint64_t start = bench_now_ns();

        memset(p, 0, bytes);
        bench_escape(p);
        ns[i] = (double)(bench_now_ns() - start);
    }
    report("memset", name, bench_median(ns, BATCHES));
    munmap(p, bytes);
}

int
main(int argc, char **argv)
{
    size_t pairs = (size_t)bench_arg(argc, argv, 1, 20);
    size_t divisor = (size_t)bench_arg(argc, argv, 2, 1);

    bench_check(pairs > 0 && divisor > 0, "PAIRS and DIVISOR");
    measure("0", 64, pairs * 20);
    measure("1m", ((size_t)1 << 20) / divisor, pairs);
    measure("64m", ((size_t)64 << 20) / divisor, pairs);
    measure("1g", ((size_t)1 << 30) / divisor, pairs / 10 + 1);
    zeros_by_hand("1m", ((size_t)1 << 20) / divisor);
    zeros_by_hand("64m", ((size_t)64 << 20) / divisor);
    zeros_by_hand("1g", ((size_t)1 << 30) / divisor);
    return 0;
}
