/*
 * still.h - what a long run must not change.
 *
 * Owns:   a snapshot of the process: memory, mappings, threads, descriptors.
 * Never:  asserts away from the main thread.
 */
#ifndef ZK_TESTS_STRESS_STILL_H
#define ZK_TESTS_STRESS_STILL_H

#include "tests/runtime/rt.h"

/* What resident memory may grow by: pages of the C library's heap and of stacks
 * that are touched late. The sanitizers keep records of what ran. */
#define STILL_RESIDENT (TEST_SANITIZED ? 64 * MIB : 2 * MIB)

/* Neighbours that the kernel joins or keeps apart, and stacks and heaps that the
 * C library keeps for the next thread. One a round would be hundreds. */
#define STILL_MAPPINGS (TEST_SANITIZED ? 64u : 8u)

struct still {
    size_t resident;
    unsigned mappings;
    unsigned threads;
    unsigned descriptors;
};

static inline struct still
still_now(void)
{
    return (struct still){test_resident(), rt_mappings(), rt_threads(),
                          test_entries("/proc/self/fd")};
}

/* What the kernel may list more once slabs have stood at all of their sites: two
 * for each that a used slab has left. */
static inline unsigned
still_sites(zk_runtime_t *lane)
{
    zk_runtime_info_t info = test_info(lane);

    return 2 * info.trap_phases * info.slots * info.arenas;
}

static inline void
still_assert_but(const struct still *before, unsigned more_mappings)
{
    struct still now;

    assert_true(rt_threads_become(before->threads));
    now = still_now();
    printf("resident %zu -> %zu KiB, mappings %u -> %u\n",
           before->resident / KIB, now.resident / KIB, before->mappings,
           now.mappings);
    assert_int_equal(now.descriptors, before->descriptors);
    assert_true(now.mappings <= before->mappings + more_mappings);
    assert_true(now.resident <= before->resident + STILL_RESIDENT);
}

static inline void
still_assert(const struct still *before)
{
    still_assert_but(before, STILL_MAPPINGS);
}

#endif
