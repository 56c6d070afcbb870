/*
 * secret.h - slabs whose phase holds secrets.
 *
 * Owns:   keeping such a slab out of core dumps, of children and of swap, and
 *         finding what is to be wiped.
 * Never:  decides which phase is secret, or who wipes.
 *
 *     base         ready              end         far_ready       limit
 *      v             v                 v              v             v
 *      | hidden ................................................... |
 *      | locked .... |                                | locked .... |
 *      | blocks                                           scratch   |
 *
 * E1  What a secret slab hands out lies below `ready` or above far_ready. There
 *     it is hidden and, unless the system refused, locked. So these start at the
 *     base and at the limit, and allocating asks for more as it goes.
 * E2  No lock reaches into a tail (keep.h): the kernel does not release locked
 *     pages.
 * E3  All that is committed is hidden, so the only borders within the mapping
 *     are those of the locks. They go when the phase ends, and the slab is one
 *     mapping that can be moved again: it had a page, so all parts of it keep
 *     what the kernel knows of its pages (its anon_vma) in common.
 * E4  All blocks that were handed out since the phase began lie below the slab's
 *     peak, freed, reused and rewound ones too; all scratch lies within its own
 *     peak of the limit.
 */
#ifndef ZK_ALLOC_SECRET_H
#define ZK_ALLOC_SECRET_H

#include "alloc/arena.h"

/* From here on, what the slab hands out is a secret. pre: it was just reset */
void zk__secret_begin(struct zk_slab *s);

/*
 * Covers what is committed up to `need` at least, and says how far it came.
 * What the system refuses is kept as hide_error, show_error and lock_error.
 *
 * pre   need <= end
 * cost  a few system calls, each time that the slab has doubled, at the most
 *       each 64 MiB; locking looks at each page that is there already
 */
char *zk__secret_cover(struct zk_slab *s, const char *need);

/* The same for scratch, down to `need`. pre: the whole slab is committed */
char *zk__secret_cover_far(struct zk_slab *s, const char *need);

/*
 * Wipes all that was handed out, on the calling thread. `forked`: what was there
 * when the process was forked is zero already, and to write it would only make
 * it resident; so the pages are dropped, with those written since.
 */
void zk__secret_wipe(struct zk_slab *s, bool forked);

/* The slab is one like any other again. pre: it is wiped, or holds nothing */
void zk__secret_end(struct zk_slab *s, size_t min_bytes);

/*
 * What an arena has to wipe where its phase ends, or its innermost stage: in
 * pieces, any of them from any thread, all of them before anything else happens
 * to the arena.
 */
struct zk_wipe {
    struct zk_arena *arena;
    size_t bytes;
    size_t pieces;
    bool past_cache;
};

/* pre: the phase is quiet. What a stage left in outer windows, at most 64 KiB a
 * slab, is wiped right here. */
struct zk_wipe zk__wipe_begin(struct zk_arena *a);
void zk__wipe_piece(const struct zk_wipe *w, size_t piece);

/* All pieces are wiped. */
void zk__wipe_end(const struct zk_wipe *w);

#endif
