/*
 * sequence.c - a process makes a large proof, then small ones for a while, then a
 * large one again: what it has in memory meanwhile.
 *
 *     memory_CONTENDER SECONDS [DIVISOR]
 *
 * Owns:   the sequence, and a thread that looks at the resident size 20 times a
 *         second.
 * Never:  judges a first touch (see proof.c, whose contenders and trace it has).
 *
 * The large proof has the 1541 MiB of the trace, a small one a sixteenth of it; a
 * proof writes a byte into each page. SECONDS is how long all of it lasts: a large
 * proof at its begin and at 3/5 of it, and about a hundred small ones.
 * DIVISOR makes all buffers smaller, for a run that is only a check.
 *
 * Reported: lines "sample SECONDS MIB", the mean of them, the last, and the median
 * time of a proof of either kind.
 */
#include <pthread.h>
#include <unistd.h>

#include "../proof/contender.h"
#include "../proof/trace.h"
#include "../proof/warm_host.h"
#include "bench.h"

enum { SAMPLES_MAX = 4096, PROOFS_MAX = 4096, SMALLER = 16 };

#define SAMPLE_NS UINT64_C(50000000)

/* ---- a proof ------------------------------------------------------------------ */

static struct trace large, small;
static const struct trace *trace;
static void *held[TRACE_THREADS][TRACE_BUFFERS];

static void
share(unsigned thread)
{
    for (size_t i = 0; i < trace->count[thread]; i++) {
        size_t bytes = trace->size[thread][i];
        char *p = contender_alloc(thread, bytes);

        bench_check(p != NULL, "out of memory");
        for (size_t at = 0; at < bytes; at += 4096)
            *(volatile char *)(p + at) = 1;
        held[thread][i] = p;
    }
}

static void
drop(unsigned thread)
{
    for (size_t i = 0; i < trace->count[thread]; i++)
        contender_free(thread, held[thread][i]);
}

static double
prove(const struct trace *t)
{
    uint64_t start = bench_now_ns();

    trace = t;
    contender_begin();
    contender_run(share);
    if (contender_wants_frees())
        contender_run(drop);
    contender_end();
    return (double)(bench_now_ns() - start) / 1e6;
}

/* ---- who looks ----------------------------------------------------------------- */

static uint64_t begun;
static int stop;
static struct {
    size_t count;
    double at[SAMPLES_MAX], mib[SAMPLES_MAX];
} seen;

static double
resident_mib(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    char line[128] = "", *second;

    bench_check(f != NULL && fgets(line, sizeof line, f) != NULL,
                "/proc/self/statm");
    fclose(f);
    (void)strtoul(line, &second, 10); /* all of the address space */
    return (double)strtoul(second, NULL, 10) * (double)sysconf(_SC_PAGESIZE) /
           (1 << 20);
}

static void *
look(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) &&
           seen.count < SAMPLES_MAX) {
        seen.at[seen.count] = (double)(bench_now_ns() - begun) / 1e9;
        seen.mib[seen.count] = resident_mib();
        seen.count++;
        bench_sleep_ns(SAMPLE_NS);
    }
    return NULL;
}

static void
report(const double *ms[2], const size_t count[2])
{
    static const char *const kinds[2] = {"small_ms", "large_ms"};
    static double sorted[PROOFS_MAX];
    double sum = 0;

    for (size_t i = 0; i < seen.count; i++) {
        printf("sample %.3f %.1f\n", seen.at[i], seen.mib[i]);
        sum += seen.mib[i];
    }
    bench_report("mean_mib", sum / (double)seen.count);
    bench_report("last_mib", seen.mib[seen.count - 1]);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < count[k]; i++)
            sorted[i] = ms[k][i];
        bench_report(kinds[k], bench_median(sorted, count[k]));
    }
}

int
main(int argc, char **argv)
{
    static double small_ms[PROOFS_MAX], large_ms[PROOFS_MAX];
    const double *ms[2] = {small_ms, large_ms};
    size_t count[2] = {0, 0};
    double seconds = (double)bench_arg(argc, argv, 1, 20);
    size_t divisor = (size_t)bench_arg(argc, argv, 2, 1);
    double again = seconds * 3 / 5, now;
    pthread_t looker;

    bench_check(seconds >= 1 && seconds <= 200 && divisor > 0,
                "1 to 200 seconds");
    trace_make(&large, divisor);
    trace_make(&small, divisor * SMALLER);
    warm_the_host(large.bytes[0] + 128 * TRACE_MIB / divisor);
    contender_open(large.bytes[0] + 64 * TRACE_MIB, "");
    begun = bench_now_ns();
    bench_check(pthread_create(&looker, NULL, look, NULL) == 0, "a thread");
    large_ms[count[1]++] = prove(&large);
    do {
        now = (double)(bench_now_ns() - begun) / 1e9;
        if (now >= again && count[1] == 1)
            large_ms[count[1]++] = prove(&large);
        small_ms[count[0]++] = prove(&small);
        bench_sleep_ns((uint64_t)(seconds * 1e7));
    } while (now < seconds && count[0] < PROOFS_MAX);
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    pthread_join(looker, NULL);
    contender_close();
    report(ms, count);
    return 0;
}
