/*
 * clock.h - time in nanoseconds: monotonic, and of the calling thread alone.
 *
 * Owns:   two calls. The first takes 25 to 50 ns on the machines we measured: per
 *         piece of work, never per iteration.
 * Never:  decides what a test asserts.
 */
#ifndef ZK_PRIVATE_CLOCK_H
#define ZK_PRIVATE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t
zk_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The time that this thread ran: what others had of its core is not in it, what
 * the kernel and a virtual machine's host did for it is. A system call. */
static inline uint64_t
zk_thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
