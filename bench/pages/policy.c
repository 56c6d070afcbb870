/*
 * policy.c - what the choice of pages means to phases, small and large.
 *
 *     pages_policy [ROUNDS [LARGE_MIB]]
 *
 * Owns:   the same phases under ZK_HUGE_AUTO, _ALWAYS and _NEVER, in turn, with
 *         and without memory that is populated before the first one.
 * Never:  measures the host: as much memory is touched and given back before.
 *
 * In a phase, a loop of two pieces touches each page of its blocks once. "first"
 * is the first phase of a lane, "again" one whose memory was given back, so that
 * its slabs know what they used, "warm" one that has it all. "populated" is a
 * first phase whose lane was opened with prefault_bytes, "begin" what its opener
 * waits until it begins: there is no input here to be read meanwhile. "random" is
 * a read of 64 bytes anywhere in the blocks.
 */
#include <string.h>
#include <sys/mman.h>

#include "lane.h"

enum { POLICIES = 3, SIZES = 2, ROUNDS_MAX = 64 };
enum { FIRST, AGAIN, WARM, POPULATED, BEGIN, RANDOM, RESIDENT, FIGURES };

static const char *const figures[FIGURES] = {
    "first", "again", "warm", "populated", "begin", "random", "resident"};

static double taken[POLICIES][SIZES][FIGURES][ROUNDS_MAX];

struct piece {
    char *p;
    size_t bytes;
};

static struct piece pieces[2];

/* One piece for each of the two workers, as they come. */
static int
touch(size_t begin, size_t end, void *arg)
{
    size_t each = *(const size_t *)arg;

    for (size_t i = begin; i < end; i++) {
        char *p = zk_malloc(each);

        if (p == NULL || !zk_in_arena(p))
            return ZK_ENOMEM;
        for (size_t at = 0; at < each; at += 4096)
            ((volatile char *)p)[at] = 1;
        pieces[i] = (struct piece){p, each};
    }
    return 0;
}

/* The work of a phase, in nanoseconds. */
static double
phase(size_t bytes, double *begin_ns)
{
    size_t each = bytes / 2;
    uint64_t start = bench_now_ns(), begun;

    must(zk_phase_begin("pages"), "begin");
    begun = bench_now_ns();
    must(zk_parallel_for(0, 2, 1, touch, &each), "loop");
    *begin_ns = (double)(begun - start);
    return (double)(bench_now_ns() - begun);
}

static double
random_reads(void)
{
    enum { READS = 200000 };
    uint64_t x = 1, sum = 0;
    uint64_t start = bench_now_ns();

    for (int i = 0; i < READS; i++) {
        const struct piece *piece = &pieces[i % 2];
        const char *at;

        /* The next address waits for what was read here. */
        x = bench_mix(x + (sum & 1));
        at = piece->p + (x % (piece->bytes / 64)) * 64;
        sum += *(const volatile uint64_t *)(const void *)at;
    }
    bench_escape(&sum);
    return (double)(bench_now_ns() - start) / (double)READS;
}

static zk_runtime_t *
open_lane(enum zk_huge policy, size_t prefault)
{
    zk_runtime_t *lane;

    must(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .hugepages = policy,
                                           .prefault_bytes = prefault)),
         "open");
    must(zk_runtime_enter(lane), "enter");
    return lane;
}

static void
round_of(enum zk_huge policy, size_t bytes, double out[FIGURES])
{
    zk_runtime_t *lane = open_lane(policy, 0);
    zk_phase_pages_t pages = {.size = sizeof pages};
    double begin_ns;

    out[FIRST] = phase(bytes, &begin_ns);
    must(zk_phase_end(), "end");
    must(zk_phase_release(), "release");
    must(zk_runtime_trim(lane, NULL), "trim");
    out[AGAIN] = phase(bytes, &begin_ns);
    if (zk_phase_pages(&pages) == ZK_OK)
        out[RESIDENT] = (double)pages.slab_resident_bytes / 1024;
    must(zk_phase_end(), "end");
    out[WARM] = phase(bytes, &begin_ns);
    out[RANDOM] = random_reads();
    must(zk_phase_end(), "end");
    lane_leave(lane);

    lane = open_lane(policy, bytes);
    out[POPULATED] = phase(bytes, &out[BEGIN]);
    must(zk_phase_end(), "end");
    lane_leave(lane);
}

static void
warm_the_host(size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    bench_check(p != MAP_FAILED, "mmap");
    for (size_t at = 0; at < bytes; at += 4096)
        ((volatile char *)p)[at] = 1;
    munmap(p, bytes);
}

int
main(int argc, char **argv)
{
    static const enum zk_huge policies[POLICIES] = {
        ZK_HUGE_AUTO, ZK_HUGE_ALWAYS, ZK_HUGE_NEVER};
    static const char *const names[POLICIES] = {"auto", "always", "never"};
    static const char *const sizes[SIZES] = {"small", "large"};
    size_t rounds = (size_t)bench_arg(argc, argv, 1, 11);
    size_t bytes[SIZES] = {512 << 10, (size_t)bench_arg(argc, argv, 2, 512)
                                          << 20};

    bench_check(rounds > 0 && rounds <= ROUNDS_MAX, "1 to 64 rounds");
    warm_the_host(bytes[1] + bytes[1] / 2);
    for (size_t round = 0; round <= rounds; round++)
        for (unsigned at = 0; at < POLICIES * SIZES; at++) {
            unsigned policy = (at + (unsigned)round) % POLICIES;
            unsigned size = at / POLICIES;
            double ns[FIGURES] = {0};

            round_of(policies[policy], bytes[size], ns);
            for (int f = 0; f < FIGURES && round > 0; f++)
                taken[policy][size][f][round - 1] =
                    f < RANDOM ? ns[f] / 1e3 : ns[f];
        }
    for (unsigned policy = 0; policy < POLICIES; policy++)
        for (unsigned size = 0; size < SIZES; size++)
            for (int f = 0; f < FIGURES; f++) {
                char metric[64];

                snprintf(metric, sizeof metric, "%s/%s_%s", names[policy],
                         figures[f], sizes[size]);
                bench_report(metric,
                             bench_median(taken[policy][size][f], rounds));
            }
    return 0;
}
