/*
 * proof.c - a process makes proofs, one after the other, on the trace's
 * buffers. What the figures are about is the memory: the only work is to touch
 * it.
 *
 *     proof_CONTENDER MODE WARM_PROOFS [OPTION [DIVISOR]]
 *
 *     line    8 bytes written into each cache line; all freed at the end
 *     page    1 byte into each page; all freed at the end
 *     rand    as page, but each thread keeps at most 192 MiB, and frees buffers
 *             that it picks at random before it allocates more
 *     paced   as page, with pauses: the buffers are spread over 1.3 s
 *
 * DIVISOR makes sizes and pauses smaller, for a run that is only a check.
 *
 * Owns:   what a proof does, its time, and the check of its memory.
 * Never:  judges a first touch by pages that the host had taken back: as much
 *         memory as a proof needs is touched and returned before.
 *
 * Reported, with the mode in front: the first proof (in modes page and rand; it
 * comes with the contender's first contact with memory), the median warm one,
 * page faults of a warm one, and the process' peak. In mode paced the pauses do
 * not count.
 *
 * With OPTION "mark" (for strace) each warm proof stands between two calls of
 * getppid, and nothing else in the process makes this call.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "contender.h"
#include "trace.h"
#include "warm_host.h"

enum mode { LINE, PAGE, RAND, PACED };

static const char *const mode_names[] = {"line", "page", "rand", "paced"};

#define PACED_NS UINT64_C(1300000000)

static struct trace trace;
static enum mode mode;
static size_t live_limit;
static uint64_t paced_ns = PACED_NS;
static uint64_t proof_number;

/* ---- one thread's share of a proof -------------------------------------- */

struct buffer {
    char *p;
    size_t bytes;
    uint64_t stamp;
};

/* What each thread holds when its share is done, and what it has to say. */
static struct {
    _Alignas(64) uint64_t active_ns;
    size_t live_peak;
    size_t count;
    struct buffer held[TRACE_BUFFERS];
} shares[TRACE_THREADS];

static void
touch(const struct buffer *b)
{
    if (mode == LINE) {
        for (size_t at = 0; at + 8 <= b->bytes; at += 64)
            *(volatile uint64_t *)(void *)(b->p + at) = b->stamp;
    } else {
        for (size_t at = 0; at < b->bytes; at += 4096)
            *(volatile char *)(b->p + at) = (char)b->stamp;
    }
}

/* What was written is still there: no two buffers share memory. */
static void
verify(const struct buffer *b)
{
    size_t last = mode == LINE ? (b->bytes - 8) & ~(size_t)63
                               : (b->bytes - 1) & ~(size_t)4095;

    bench_check(b->p[0] == (char)b->stamp && b->p[last] == (char)b->stamp,
                "a buffer was overwritten");
}

static void
pause_until(uint64_t when, uint64_t *paused)
{
    uint64_t now = bench_now_ns();

    if (now >= when)
        return;
    bench_sleep_ns(when - now);
    *paused += bench_now_ns() - now;
}

static void
share(unsigned thread)
{
    struct buffer *held = shares[thread].held;
    size_t count = trace.count[thread], n = 0, live = 0, live_peak = 0;
    uint64_t random = bench_mix(thread);
    uint64_t start = bench_now_ns(), paused = 0;

    for (size_t i = 0; i < count; i++) {
        size_t bytes = trace.size[thread][i];

        if (mode == PACED)
            pause_until(start + paced_ns * i / count, &paused);
        while (mode == RAND && n > 0 && live + bytes > live_limit) {
            random = bench_mix(random);
            size_t victim = random % n;

            verify(&held[victim]);
            contender_free(thread, held[victim].p);
            live -= held[victim].bytes;
            held[victim] = held[--n];
        }

        struct buffer b = {contender_alloc(thread, bytes), bytes,
                           bench_mix(proof_number * 1000 + i * 2 + thread)};

        bench_check(b.p != NULL, "out of memory");
        touch(&b);
        held[n++] = b;
        live += bytes;
        if (live > live_peak)
            live_peak = live;
    }
    for (size_t i = 0; i < n; i++)
        verify(&held[i]);
    shares[thread].count = n;
    shares[thread].live_peak = live_peak;
    shares[thread].active_ns = bench_now_ns() - start - paused;
}

/* After both shares: what a proof holds, it holds until its end. */
static void
drop(unsigned thread)
{
    for (size_t i = 0; i < shares[thread].count; i++)
        contender_free(thread, shares[thread].held[i].p);
}

/* One proof, in nanoseconds without the pauses. */
static uint64_t
prove(void)
{
    uint64_t start = bench_now_ns(), begun, ended, now;

    proof_number++;
    contender_begin();
    begun = bench_now_ns();
    contender_run(share);
    ended = bench_now_ns();
    if (contender_wants_frees())
        contender_run(drop);
    contender_end();
    now = bench_now_ns();
    if (mode != PACED)
        return now - start;

    uint64_t active = shares[0].active_ns;

    if (shares[1].active_ns > active)
        active = shares[1].active_ns;
    return now - ended + active + (begun - start);
}

/* ---- the process -------------------------------------------------------- */

/* The other modes are about what comes later. */
static int
first_counts(void)
{
    return mode == PAGE || mode == RAND;
}

/* A line of /proc/self/status, in KiB. */
static double
status_kib(const char *name)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    double kib = -1;

    bench_check(f != NULL, "/proc/self/status");
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name) + 1, NULL);
    fclose(f);
    return kib;
}

/* VmHWM begins anew, so that warm_the_host() is not in it. */
static void
forget_the_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "we");

    bench_check(f != NULL && fputs("5", f) >= 0 && fclose(f) == 0,
                "/proc/self/clear_refs");
}

static void
report(const char *what, double value)
{
    char metric[64];

    snprintf(metric, sizeof metric, "%s_%s", mode_names[mode], what);
    bench_report(metric, value);
}

static void
usage(void)
{
    fputs("usage: proof line|page|rand|paced WARM_PROOFS [OPTION [DIVISOR]]\n",
          stderr);
    exit(2);
}

int
main(int argc, char **argv)
{
    size_t warm = (size_t)bench_arg(argc, argv, 2, 5);
    const char *option = argc > 3 ? argv[3] : "";
    size_t divisor = (size_t)bench_arg(argc, argv, 4, 1);
    int mark = strcmp(option, "mark") == 0;
    double *ns, *faults, first;

    if (argc < 2)
        usage();
    while (strcmp(argv[1], mode_names[mode]) != 0)
        if (mode++ == PACED)
            usage();
    if (warm == 0 || divisor == 0)
        usage();

    trace_make(&trace, divisor);
    live_limit = TRACE_LIVE_LIMIT / divisor;
    paced_ns = PACED_NS / divisor;
    if (first_counts())
        warm_the_host(trace.bytes[0] + 128 * TRACE_MIB / divisor);
    forget_the_peak();

    ns = calloc(warm, sizeof *ns);
    faults = calloc(warm, sizeof *faults);
    bench_check(ns != NULL && faults != NULL, "calloc");

    contender_open(trace.bytes[0] + 64 * TRACE_MIB, option);
    first = (double)prove();
    for (size_t i = 0; i < warm; i++) {
        uint64_t before = bench_faults();

        if (mark)
            syscall(SYS_getppid);
        ns[i] = (double)prove();
        if (mark)
            syscall(SYS_getppid);
        faults[i] = (double)(bench_faults() - before);
    }
    contender_close();

    if (first_counts())
        report("first_ms", first / 1e6);
    report("warm_ms", bench_median(ns, warm) / 1e6);
    report("faults", bench_median(faults, warm));
    report("peak_mib", status_kib("VmHWM:") / 1024);
    report("live_mib", (double)(shares[0].live_peak + shares[1].live_peak) /
                           (double)TRACE_MIB);
    free(ns);
    free(faults);
    return 0;
}
