/*
 * pages.h - the pages that the kernel gave to an arena.
 *
 * Owns:   counting them, and telling huge ones from those that should be.
 * Never:  asks for any: huge.h does.
 */
#ifndef ZK_ALLOC_PAGES_H
#define ZK_ALLOC_PAGES_H

#include "alloc/arena.h"

/* Sums over the slabs; see zk_phase_pages_t. */
struct zk_pages {
    size_t used, resident, huge;
    size_t fallbacks;
    size_t slab_resident, slab_huge;
    bool exact;
};

/*
 * False: the system does not tell.
 *
 * pre  the slabs stay where they are meanwhile
 */
bool zk__pages_of(const struct zk_arena *a, struct zk_pages *pages);

/* The same by the mappings alone, as on a kernel that tells no more. */
bool zk__pages_by_mapping(const struct zk_arena *a, struct zk_pages *pages);

#endif
