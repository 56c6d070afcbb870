/*
 * reuse.h - what a phase has freed, for its later requests.
 *
 * Owns:   joining and splitting free extents, the lists of small blocks, and the
 *         inbox for blocks that other threads free.
 * Never:  bumps: a request that nothing free can serve goes back to slab.c.
 *
 * Thread: the slab's owner, but for zk__slab_send() in slab.h.
 */
#ifndef ZK_ALLOC_REUSE_H
#define ZK_ALLOC_REUSE_H

#include "alloc/slab.h"

/* Forgets all that a stage, or the phase, has free. */
void zk__reuse_clear(struct zk_free *f);

/* A free block of at least n bytes, a multiple of 64, marked as live; or NULL. */
char *zk__reuse_large(struct zk_slab *s, size_t n);

/* The same for exactly this many granules. */
char *zk__reuse_small(struct zk_slab *s, size_t granules);

/* pre: a live block of this kind and size starts at p */
void zk__reuse_give_large(struct zk_slab *s, char *p, size_t bytes);
void zk__reuse_give_small(struct zk_slab *s, char *p, size_t granules);

/*
 * Lengthens the live block at p to at least n bytes with the free extent behind
 * it. Its new size in bytes, or 0: nothing changed.
 */
size_t zk__reuse_extend(struct zk_slab *s, char *p, size_t bytes, size_t n);

/* Cuts the live block at p down to n bytes, where what is cut off can be used. */
void zk__reuse_trim(struct zk_slab *s, char *p, size_t bytes, size_t n);

/* After a rewind: a free extent that ends at next is taken off (S5). */
void zk__reuse_settle(struct zk_slab *s);

/* Takes in what other threads have freed. */
void zk__reuse_drain(struct zk_slab *s);

static inline void
zk__reuse_receive(struct zk_slab *s)
{
    if (zk_load_relaxed(&s->inbox) != 0)
        zk__reuse_drain(s);
}

#endif
