/*
 * rt.h - what the tests of the runtime share beside support.h.
 *
 * Owns:   counting threads and mappings, waiting for a value, a lane by its
 *         number of workers, and main().
 * Never:  asserts away from the main thread.
 */
#ifndef ZK_TESTS_RUNTIME_RT_H
#define ZK_TESTS_RUNTIME_RT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>

#include "private/atomic.h"
#include "private/clock.h"
#include "tests/support.h"

/* A test that hangs ends its program: a lost wake-up shows as this alarm. */
#define RT_WATCHDOG_S (TEST_VALGRIND ? 1100 : 280)

/* ThreadSanitizer cannot start threads in a child that was forked from a process
 * of several threads. */
#define RT_SKIP_IF_CHILDREN_START_NO_THREADS() \
    do {                                       \
        if (TEST_TSAN)                         \
            skip();                            \
    } while (0)

static inline void *
rt_nothing(void *arg)
{
    return arg;
}

/* First in main(). RT_ONLY=PATTERN runs some of the tests. */
static inline void
rt_begin(void)
{
    const char *only = getenv("RT_ONLY");
    pthread_t thread;

    alarm(RT_WATCHDOG_S);
    /* ThreadSanitizer starts a thread of its own with the first one. */
    if (pthread_create(&thread, NULL, rt_nothing, NULL) == 0)
        pthread_join(thread, NULL);
    if (only != NULL)
        cmocka_set_test_filter(only);
}

/* Threads of the process, and the lines of its memory map. */
static inline unsigned
rt_threads(void)
{
    return test_entries("/proc/self/task");
}

static inline unsigned
rt_mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    unsigned n = 0;

    if (f == NULL)
        return 0;
    for (int c = fgetc(f); c != EOF; c = fgetc(f))
        n += c == '\n';
    fclose(f);
    return n;
}

/* A joined thread may still be listed for a moment. */
static inline bool
rt_threads_become(unsigned wanted)
{
    for (int i = 0; i < 2000; i++) {
        if (rt_threads() == wanted)
            return true;
        usleep(1000);
    }
    return false;
}

static inline void
rt_await(_Atomic unsigned *word, unsigned at_least)
{
    while (zk_load_acquire(word) < at_least)
        usleep(20);
}

/* A lane with small slabs, spare slots for `spare` threads, not bound. */
static inline zk_runtime_t *
rt_lane(unsigned workers, unsigned spare)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = workers, .spare_slots = spare,
                                   .slab_bytes = 4 * MIB, .bind = ZK_BIND_NONE,
                                   .notice = test_no_notice)) != ZK_OK)
        return NULL;
    return lane;
}

/* Keeps the core busy for some microseconds. */
static inline void
rt_burn(unsigned us)
{
    uint64_t end = zk_now_ns() + (uint64_t)us * 1000;

    while (zk_now_ns() < end)
        zk_pause();
}

#endif
