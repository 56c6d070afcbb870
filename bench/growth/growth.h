/*
 * growth.h - the sizes, the iteration that all contenders run, and the timing.
 *
 * Owns:   how often a size runs: smaller ones in batches, which last as long.
 * Never:  decides who runs which iteration.
 *
 * Read from C and from C++.
 */
#ifndef ZK_BENCH_GROWTH_H
#define ZK_BENCH_GROWTH_H

#include "bench.h"

enum { GROWTH_STEPS = 14, GROWTH_REPEATS = 31, GROWTH_BATCH_LOG = 18 };

/* About 3.6 ns. */
static inline uint64_t
growth_iteration(size_t i)
{
    return bench_work(i, GROWTH_STEPS);
}

/*
 * FROM, TO and REPEATS are the arguments from argv[at] on. Reports metric_LOG: the
 * nanoseconds of a run, over its 2^LOG rows.
 */
static inline void
growth_measure(const char *metric, int argc, char **argv, int at,
               void (*run)(size_t n))
{
    unsigned from = (unsigned)bench_arg(argc, argv, at, 10);
    unsigned to = (unsigned)bench_arg(argc, argv, at + 1, 24);
    unsigned repeats = (unsigned)bench_arg(argc, argv, at + 2, 5);
    double ns[GROWTH_REPEATS];

    bench_check(from <= to && to < 40 && repeats > 0 &&
                    repeats <= GROWTH_REPEATS,
                "FROM TO REPEATS");
    for (unsigned log = from; log <= to; log++) {
        size_t n = (size_t)1 << log;
        unsigned batch =
            log < GROWTH_BATCH_LOG ? 1u << (GROWTH_BATCH_LOG - log) : 1;
        char name[32];

        run(n);
        for (unsigned i = 0; i < repeats; i++) {
            uint64_t start = bench_now_ns();

            for (unsigned k = 0; k < batch; k++)
                run(n);
            ns[i] = (double)(bench_now_ns() - start) / batch / (double)n;
        }
        snprintf(name, sizeof name, "%s_%u", metric, log);
        bench_report(name, bench_median(ns, repeats));
    }
}

/* ---- loops: each run's sum has to be the right one --------------------------- */

static uint64_t (*growth_loop)(size_t n);

static inline void
growth_checked(size_t n)
{
    static size_t known;
    static uint64_t wanted;

    if (known != n) {
        wanted = 0;
        for (size_t i = 0; i < n; i++)
            wanted += growth_iteration(i);
        known = n;
    }
    bench_check(growth_loop(n) == wanted, "the sum of a loop");
}

static inline void
growth_loops(int argc, char **argv, int at, uint64_t (*loop)(size_t n))
{
    growth_loop = loop;
    growth_measure("loop", argc, argv, at, growth_checked);
}

#endif
