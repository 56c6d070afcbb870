/*
 * system.c - what pages cost on this machine, whoever asks for them.
 *
 *     pages_system [MIB [ROUNDS]]
 *
 * Owns:   the limits that an arena is held against: the first touch of memory,
 *         populating it, writing to it, wiping it and giving it back, by one
 *         thread and by two at a time, on base pages and on huge ones.
 * Never:  uses zkrt.
 *
 * All are milliseconds per GiB. The kinds take turns, and the first round, in
 * which the host of a virtual machine may have to find the pages, does not count.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

#define HUGE ((size_t)2 << 20)
#define GIB  ((double)((size_t)1 << 30))

enum { FAULT, POPULATE, WRITE, MEMSET, STREAM, RELEASE, STEPS };

static const char *const steps[STEPS] = {"fault",  "populate", "write",
                                         "memset", "stream",   "release"};

#define POPULATE_WRITE 23 /* Linux 5.14; the C library's headers are older */

static void
stream(char *p, size_t n)
{
#if defined(__SSE2__)
    const __m128i zero = _mm_setzero_si128();

    for (size_t at = 0; at < n; at += 16)
        _mm_stream_si128((__m128i *)(void *)(p + at), zero);
    _mm_sfence();
#else
    memset(p, 0, n);
#endif
}

static int no_populate;

static void
step(int which, char *p, size_t n)
{
    switch (which) {
    case FAULT:
        for (size_t at = 0; at < n; at += 4096)
            ((volatile char *)p)[at] = 1;
        break;
    case POPULATE:
        if (madvise(p, n, POPULATE_WRITE) != 0)
            no_populate = 1;
        break;
    case WRITE:
        for (size_t at = 0; at < n; at += 64)
            *(volatile uint64_t *)(void *)(p + at) = at;
        break;
    case MEMSET:
        memset(p, 0, n);
        bench_escape(p);
        break;
    case STREAM: stream(p, n); break;
    default: bench_check(madvise(p, n, MADV_DONTNEED) == 0, "DONTNEED");
    }
}

/* ---- two threads that begin together --------------------------------------- */

struct part {
    char *p;
    size_t bytes;
    unsigned core;
    double ns[STEPS];
    pthread_barrier_t *barrier;
};

/* Each step is as long as the slower of the two. */
static void *
run_part(void *arg)
{
    static const int order[] = {FAULT,   WRITE,    MEMSET, STREAM,
                                RELEASE, POPULATE, RELEASE};
    struct part *part = arg;

    bench_bind(part->core);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        uint64_t start;

        pthread_barrier_wait(part->barrier);
        start = bench_now_ns();
        step(order[i], part->p, part->bytes);
        pthread_barrier_wait(part->barrier);
        part->ns[order[i]] = (double)(bench_now_ns() - start);
    }
    return NULL;
}

static void
run(char *p, size_t bytes, unsigned threads, double ns[STEPS])
{
    pthread_barrier_t barrier;
    pthread_t thread[2];
    struct part part[2] = {{NULL, 0, 0, {0}, NULL}};

    pthread_barrier_init(&barrier, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        size_t each = bytes / threads;

        part[i] = (struct part){
            .p = p + i * each, .bytes = each, .core = i, .barrier = &barrier};
        bench_check(pthread_create(&thread[i], NULL, run_part, &part[i]) == 0,
                    "a thread");
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&barrier);
    memcpy(ns, part[0].ns, sizeof part[0].ns);
}

/* ---- rounds ----------------------------------------------------------------- */

enum { KINDS = 2, ROUNDS_MAX = 64 };

static double taken[KINDS][2][STEPS][ROUNDS_MAX];

int
main(int argc, char **argv)
{
    static const char *const kinds[KINDS] = {"base pages", "huge pages"};
    size_t bytes = (size_t)bench_arg(argc, argv, 1, 512) << 20;
    size_t rounds = (size_t)bench_arg(argc, argv, 2, 7);
    char *raw = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *p = raw + (HUGE - (uintptr_t)raw % HUGE);

    bench_check(raw != MAP_FAILED, "mmap");
    bench_check(rounds > 0 && rounds <= ROUNDS_MAX, "1 to 64 rounds");
    for (size_t round = 0; round <= rounds; round++)
        for (unsigned at = 0; at < 2 * KINDS; at++) {
            unsigned kind = (at + (unsigned)round) % KINDS, two = at / KINDS;
            double ns[STEPS];

            (void)madvise(p, bytes,
                          kind == 1 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
            run(p, bytes, two + 1, ns);
            for (int s = 0; s < STEPS && round > 0; s++)
                taken[kind][two][s][round - 1] =
                    ns[s] / 1e6 * (GIB / (double)bytes);
        }
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned two = 0; two < 2; two++)
            for (int s = 0; s < STEPS; s++) {
                char metric[64];

                if (s == POPULATE && no_populate)
                    continue;
                snprintf(metric, sizeof metric, "%s/%s_%u", kinds[kind],
                         steps[s], two + 1);
                bench_report(metric, bench_median(taken[kind][two][s], rounds));
            }
    munmap(raw, bytes + HUGE);
    return 0;
}
