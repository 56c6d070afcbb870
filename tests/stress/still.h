/*
 * still.h - what a long run must not change.
 *
 * Owns:   a snapshot of the process: memory, mappings, threads, descriptors; and
 *         what the kernel may list for arenas.
 * Never:  asserts away from the main thread.
 */
#ifndef ZK_TESTS_STRESS_STILL_H
#define ZK_TESTS_STRESS_STILL_H

#include "alloc/arena.h"
#include "tests/runtime/rt.h"

/* What resident memory may grow by: pages of the C library's heap and of stacks
 * that are touched late. The sanitizers keep records of what ran. */
#define STILL_RESIDENT (TEST_SANITIZED ? 64 * MIB : 2 * MIB)

/* Neighbours that the kernel joins or keeps apart, and stacks and heaps that the
 * C library keeps for the next thread. One a round would be hundreds. */
#define STILL_MAPPINGS (TEST_SANITIZED ? 64u : 8u)

struct still {
    size_t resident;
    unsigned mappings;  /* but for those of arenas */
    unsigned in_arenas; /* those */
    unsigned at_most;   /* that there can ever be of them */
    unsigned arenas;
    unsigned threads;
    unsigned descriptors;
};

/*
 * What an arena may come to, however long it is used: a slab that left a site
 * leaves an entry for what was accessible, and one for the guard behind it; and a
 * slot has three tables, each accessible up to somewhere. What no slot has used is
 * one more. Slots and arenas get there one by one, the rarest of them after
 * thousands of phases.
 */
static inline unsigned
still_entries(const struct zk_arena *a)
{
    return zk_load_relaxed(&a->active) * (2 * a->nsites + 2 * 3) + 1;
}

/* Counts a line of the memory map. Lines come by address; `in` is the arena that
 * the last ones lay in. */
static inline void
still_count(struct still *s, const struct zk_arena **in, const char *from,
            const char *to)
{
    const struct zk_arena *a = zk__arena_find(from).arena;

    if (a == NULL) /* joined with what lies in front of the arena */
        a = zk__arena_find(to - 1).arena;
    if (a != NULL && a != *in) {
        *in = a;
        s->arenas++;
        s->at_most += still_entries(a);
    }
    if (*in != NULL && from < (*in)->base + (*in)->reserved)
        s->in_arenas++;
    else
        s->mappings++;
}

static inline void
still_count_mappings(struct still *s)
{
    FILE *f = fopen("/proc/self/maps", "r");
    const struct zk_arena *in = NULL;
    void *from, *to;

    if (f == NULL)
        return;
    while (fscanf(f, "%p-%p%*[^\n]", &from, &to) == 2)
        still_count(s, &in, from, to);
    fclose(f);
}

static inline struct still
still_now(void)
{
    struct still now = {.resident = test_resident(),
                        .threads = rt_threads(),
                        .descriptors = test_entries("/proc/self/fd")};

    still_count_mappings(&now);
    return now;
}

static inline void
still_assert_but(const struct still *before, unsigned more_mappings)
{
    struct still now;

    assert_true(rt_threads_become(before->threads));
    now = still_now();
    printf(
        "resident %zu -> %zu KiB, mappings %u -> %u, and %u -> %u of at most "
        "%u in arenas\n",
        before->resident / KIB, now.resident / KIB, before->mappings,
        now.mappings, before->in_arenas, now.in_arenas, now.at_most);
    assert_int_equal(now.descriptors, before->descriptors);
    assert_true(now.mappings <= before->mappings + more_mappings);
    assert_true(now.arenas <= before->arenas);
    assert_true(now.in_arenas <= now.at_most);
    assert_true(now.resident <= before->resident + STILL_RESIDENT);
}

static inline void
still_assert(const struct still *before)
{
    still_assert_but(before, STILL_MAPPINGS);
}

#endif
