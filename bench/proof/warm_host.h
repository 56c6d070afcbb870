/*
 * warm_host.h - the host of a virtual machine finds its pages before a clock runs.
 *
 * Owns:   a touch of as much memory as will be used, by two threads, given back at
 *         once.
 * Never:  is part of what is timed.
 */
#ifndef ZK_BENCH_WARM_HOST_H
#define ZK_BENCH_WARM_HOST_H

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>

#include "bench.h"

static inline char *
map_touched(size_t n, int advice)
{
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);

    bench_check(p != MAP_FAILED, "mmap");
    (void)madvise(p, n, advice);
    for (size_t at = 0; at < n; at += 4096)
        *(volatile char *)(p + at) = 1;
    return p;
}

/* What goes last is found first: small pages do not come out of huge ones. */
static inline void *
touch_some(void *arg)
{
    size_t n = *(const size_t *)arg;
    char *huge = map_touched(n, MADV_HUGEPAGE);
    char *base = map_touched(n, MADV_NOHUGEPAGE);

    munmap(base, n);
    munmap(huge, n);
    return NULL;
}

/* The host gives its pages now, not in the first proof: for those who want huge
 * pages, and for those who want others, which the kernel keeps apart. */
static inline void
warm_the_host(size_t bytes)
{
    pthread_t thread;

    bench_check(pthread_create(&thread, NULL, touch_some, &bytes) == 0,
                "a thread");
    touch_some(&bytes);
    pthread_join(thread, NULL);
}

#endif
