/*
 * latency.h - what a lane costs that has nothing to do, and how fast it starts.
 *
 * Owns:   when work is submitted, and the clock on both ends.
 * Never:  runs the work on the thread that submits it: a figure is the time
 *         until another thread runs it.
 *
 * Read from C and from C++.
 */
#ifndef ZK_BENCH_LATENCY_H
#define ZK_BENCH_LATENCY_H

#include <stddef.h>

#include "bench.h"

enum { HOT_SUBMITS = 2000, PAUSE_NS = 10000000 };

/* Where the work writes the time at which it began. 0: not yet. */
static uint64_t latency_began;

static inline void
latency_mark(void)
{
    __atomic_store_n(&latency_began, bench_now_ns(), __ATOMIC_RELEASE);
}

/* Submits once and returns the time until the work began. */
static inline double
latency_once(void (*submit)(void))
{
    uint64_t start, began;

    __atomic_store_n(&latency_began, 0, __ATOMIC_RELAXED);
    start = bench_now_ns();
    submit();
    while ((began = __atomic_load_n(&latency_began, __ATOMIC_ACQUIRE)) == 0)
        if (bench_now_ns() - start > UINT64_C(10000000000))
            bench_check(0, "the work never began");
    return (double)(began - start) / 1e3;
}

/*
 * submit() hands latency_mark() to another thread; finish() does what has to be
 * done before the next submit, or nothing. The command line: SLEEPS IDLE_MS.
 */
static inline void
latency_measure(int argc, char **argv, void (*submit)(void),
                void (*finish)(void))
{
    size_t sleeps = (size_t)bench_arg(argc, argv, 1, 20);
    uint64_t idle_ns = (uint64_t)bench_arg(argc, argv, 2, 2000) * 1000000;
    static double us[HOT_SUBMITS];
    uint64_t cpu, start;

    if (sleeps == 0 || sleeps > HOT_SUBMITS)
        sleeps = HOT_SUBMITS;
    for (size_t i = 0; i < HOT_SUBMITS; i++) {
        us[i] = latency_once(submit);
        finish();
    }
    bench_report("submit_hot", bench_median(us, HOT_SUBMITS));

    cpu = bench_cpu_ns();
    start = bench_now_ns();
    bench_sleep_ns(idle_ns);
    bench_report("idle_cpu", 100 * (double)(bench_cpu_ns() - cpu) /
                                 (double)(bench_now_ns() - start));

    for (size_t i = 0; i < sleeps; i++) {
        bench_sleep_ns(PAUSE_NS);
        us[i] = latency_once(submit);
        finish();
    }
    bench_report("submit_rested", bench_median(us, sleeps));
    bench_report("submit_rested_p90", bench_quantile(us, sleeps, 0.9));
}

#endif
