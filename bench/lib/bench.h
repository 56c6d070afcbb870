/*
 * bench.h - what every measured program needs: a clock, a report, a check.
 *
 * Owns:   the format that the driver reads: one line "metric value" for each
 *         figure, on standard output.
 * Never:  includes or links a runtime: each program links the one it measures.
 *
 * Read from C and from C++.
 */
#ifndef ZK_BENCH_BENCH_H
#define ZK_BENCH_BENCH_H

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t
bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void
bench_sleep_ns(uint64_t ns)
{
    struct timespec t;

    t.tv_sec = (time_t)(ns / 1000000000u);
    t.tv_nsec = (long)(ns % 1000000000u);
    nanosleep(&t, NULL);
}

/* CPU time of the whole process. */
static inline uint64_t
bench_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t
bench_faults(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)u.ru_minflt + (uint64_t)u.ru_majflt;
}

static inline void
bench_report(const char *metric, double value)
{
    printf("%s %.9g\n", metric, value);
}

/* Binds the calling thread to a core, as all are that are measured. */
static inline void
bench_bind(unsigned core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    (void)sched_setaffinity(0, sizeof set, &set); /* refused: unbound */
}

/* A wrong result makes every figure worthless: print none of them. */
static inline void
bench_check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "wrong result: %s\n", what);
    exit(1);
}

/* The i-th argument as a number, or what it is by default. */
static inline long
bench_arg(int argc, char **argv, int i, long otherwise)
{
    return i < argc ? strtol(argv[i], NULL, 10) : otherwise;
}

static inline int
bench_compare_(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts v and returns the value below which a share of q (0 to 1) lies. */
static inline double
bench_quantile(double *v, size_t n, double q)
{
    size_t at = (size_t)(q * (double)(n - 1) + 0.5);

    qsort(v, n, sizeof *v, bench_compare_);
    return v[at];
}

static inline double
bench_median(double *v, size_t n)
{
    return bench_quantile(v, n, 0.5);
}

/* One step of splitmix64's sequence, by its state. */
static inline uint64_t
bench_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/*
 * Work that takes time in proportion to `steps`, stays in registers, and that
 * no compiler shortens: each step waits for the one before.
 */
static inline uint64_t
bench_work(uint64_t x, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        __asm__ volatile("" : "+r"(x));
    }
    return x;
}

/* The compiler must make the value, and forget what it knew of memory. */
static inline void
bench_escape(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

#endif
