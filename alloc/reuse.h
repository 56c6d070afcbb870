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

#include <string.h>

#include "alloc/slab.h"
#include "alloc/word.h"
#include "private/poison.h"

#define ZK_SMALL_NONE UINT32_MAX /* end of a list of small blocks */

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

/*
 * The common case of zk__slab_alloc(s, n, ZK_GRANULE), for inlining: n small and
 * not 0, the window not full, nothing of that size free and the inbox empty.
 * NULL: it is another case. As a call of its own it takes twice as long.
 */
static inline void *
zk_slab_quick(struct zk_slab *s, size_t n)
{
    char *p = s->window.next;
    size_t last = (n - 1) / ZK_GRANULE; /* of the block's granules */

    if (ZK_HAVE_MARKS || n - 1 >= ZK_SMALL_LIMIT - 1 ||
        n - 1 >= (size_t)(s->window.end - p) ||
        (s->free[s->depth].small_sizes >> last & 1) != 0 ||
        zk_load_relaxed(&s->inbox) != 0)
        return NULL;
    s->window.next = p + (last + 1) * ZK_GRANULE;
    s->window.sizes[(size_t)(p - s->window.base) / ZK_GRANULE] =
        (uint16_t)(last + 1);
    return p;
}

/*
 * The lists of small blocks run through the blocks themselves: the first word
 * of each is the granule of the next. A stray write may garble it, so it is
 * believed only if sizes[] says that a freed block of this size starts there.
 */
static inline void
zk_reuse_link(char *p, uint32_t link)
{
    zk__unpoison(p, sizeof link);
    memcpy(p, &link, sizeof link);
    zk__poison(p, sizeof link);
}

/* Enters the small block at a granule into its list. */
static inline void
zk_reuse_push(struct zk_slab *s, struct zk_free *f, uint32_t granule,
              unsigned granules)
{
    uint64_t bit = (uint64_t)1 << (granules - 1);
    uint32_t *first = &f->small[granules - 1];

    s->window.sizes[granule] = (uint16_t)(ZK_SIZE_FREED | granules);
    zk_reuse_link(zk_slab_base(s) + granule * ZK_GRANULE,
                  (f->small_sizes & bit) != 0 ? *first : ZK_SMALL_NONE);
    *first = granule;
    f->small_sizes |= bit;
}

/*
 * The common case of zk__slab_free(s, p), for inlining: a small block, and no
 * stage is open. False: it is another case, and nothing happened.
 *
 * pre: p lies below next
 */
static inline bool
zk_slab_quick_free(struct zk_slab *s, char *p)
{
    size_t offset = (size_t)(p - s->window.base);
    uint16_t *size = &s->window.sizes[offset / ZK_GRANULE];
    unsigned granules;

    if (ZK_HAVE_MARKS || s->depth != 0 || offset % ZK_GRANULE != 0 ||
        zk_load_relaxed(&s->pages[offset / ZK_PAGE]) !=
            zk_word_make(zk_slab_tag(s), ZK_KIND_WINDOW, 0, 0))
        return false;
    granules = *size;
    if (granules - 1 >= ZK_SMALL_SIZES) /* S4 */
        return false;
    if (p + granules * ZK_GRANULE == s->window.next) {
        *size = 0;
        s->window.next = p;
    } else {
        zk_reuse_push(s, &s->free[0], (uint32_t)(offset / ZK_GRANULE),
                      granules);
    }
    return true;
}

#endif
