/*
 * clock.h - monotonic time in nanoseconds.
 *
 * Owns:   one call. 25 to 50 ns on the machines we measured: per piece of work,
 *         never per iteration.
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

#endif
