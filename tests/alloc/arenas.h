/*
 * arenas.h - arenas for the tests of alloc/, without a lane.
 *
 * Owns:   what the tests do not care about.
 */
#ifndef ZK_TESTS_ALLOC_ARENAS_H
#define ZK_TESTS_ALLOC_ARENAS_H

#include "alloc/arena.h"

/* *bytes is what to ask for, then what was granted; 0: nothing. */
static inline struct zk_arena *
test_arena(unsigned nslots, size_t *bytes, enum zk_huge huge, enum zk_trap trap)
{
    struct zk_arena *a = zk__arena_create(&(struct zk_arena_want){
        .nslots = nslots,
        .slab_bytes = *bytes,
        .huge = huge,
        .trap = trap,
        .lane = 1,
    });

    *bytes = a != NULL ? a->slab_bytes : 0;
    return a;
}

#endif
