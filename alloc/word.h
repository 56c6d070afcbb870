/*
 * word.h - the words of pages[], and where an address lies in the tables.
 *
 *     63    41 40                9 8    6 5      0
 *    |  tag   |     granules      | kind | start |
 *
 * `start` is the granule within the page at which the block begins.
 *
 * Owns:   the encoding. slab.h says what the words mean.
 * Never:  is used outside alloc/.
 */
#ifndef ZK_ALLOC_WORD_H
#define ZK_ALLOC_WORD_H

#include <stddef.h>
#include <stdint.h>

#include "alloc/slab.h"

enum zk_kind {
    ZK_KIND_NONE = 0,
    ZK_KIND_LARGE = 1,
    ZK_KIND_FREE = 2,
    ZK_KIND_WINDOW = 3, /* the whole page belongs to a window */
    ZK_KIND_SENT = 4    /* freed by another thread, on its way to the owner */
};

#define ZK_TAG_MAX ((1u << 23) - 1)

/* In sizes[]: bits above any size of a small block. */
#define ZK_SIZE_FREED ((uint16_t)0x8000)
#define ZK_SIZE_SENT  ((uint16_t)0x4000)

#define ZK_GRANULES_PER_PAGE (ZK_PAGE / ZK_GRANULE)

static inline uint64_t
zk_word_make(uint32_t tag, enum zk_kind kind, size_t granules, size_t start)
{
    return (uint64_t)tag << 41 | (uint64_t)granules << 9 | (uint64_t)kind << 6 |
           (uint64_t)start;
}

static inline uint32_t
zk_word_tag(uint64_t w)
{
    return (uint32_t)(w >> 41);
}

static inline enum zk_kind
zk_word_kind(uint64_t w)
{
    return (enum zk_kind)(w >> 6 & 7);
}

static inline size_t
zk_word_granules(uint64_t w)
{
    return (size_t)(w >> 9 & UINT32_MAX);
}

static inline size_t
zk_word_start(uint64_t w)
{
    return (size_t)(w & 63);
}

/* What lookups by other threads may read while the owner writes. */
static inline char *
zk_slab_base(const struct zk_slab *s)
{
    return zk_load_relaxed(&s->base);
}

static inline char *
zk_slab_next(const struct zk_slab *s)
{
    return zk_load_relaxed(&s->next);
}

/* B3: what may be handed out is charged. */
static inline void
zk_slab_clip_ready(struct zk_slab *s)
{
    char *charged = zk_slab_base(s) + zk_load_relaxed(&s->near);

    if (s->ready > charged)
        s->ready = charged;
}

static inline void
zk_slab_set_next(struct zk_slab *s, char *p)
{
    zk_store_relaxed(&s->next, p);
}

static inline uint32_t
zk_slab_tag(const struct zk_slab *s)
{
    return zk_load_relaxed(&s->tag);
}

static inline size_t
zk_slab_page(const struct zk_slab *s, const char *p)
{
    return (size_t)(p - zk_slab_base(s)) / ZK_PAGE;
}

static inline size_t
zk_slab_granule(const struct zk_slab *s, const char *p)
{
    return (size_t)(p - zk_slab_base(s)) / ZK_GRANULE;
}

static inline zk_page_word *
zk_slab_word(const struct zk_slab *s, const char *p)
{
    return &s->pages[zk_slab_page(s, p)];
}

/* The word of a block that starts at p. */
static inline void
zk_slab_write(struct zk_slab *s, char *p, enum zk_kind kind, size_t granules)
{
    zk_store_relaxed(
        zk_slab_word(s, p),
        zk_word_make(zk_slab_tag(s), kind, granules,
                     zk_slab_granule(s, p) % ZK_GRANULES_PER_PAGE));
}

static inline void
zk_slab_erase(struct zk_slab *s, char *p)
{
    zk_store_relaxed(zk_slab_word(s, p), (uint64_t)0);
}

/* Granules of the block of this kind that starts at p; 0: there is none. */
static inline size_t
zk_slab_read(const struct zk_slab *s, const char *p, enum zk_kind kind)
{
    uint64_t w = zk_load_relaxed(zk_slab_word(s, p));

    return zk_word_tag(w) == zk_slab_tag(s) && zk_word_kind(w) == kind &&
                   zk_word_start(w) ==
                       zk_slab_granule(s, p) % ZK_GRANULES_PER_PAGE
               ? zk_word_granules(w)
               : 0;
}

/*
 * The depth of the stage that a block belongs to: stages are bumped one behind
 * the other, but a small block may lie in what an outer window had left.
 */
static inline unsigned
zk_slab_depth(const struct zk_slab *s, const char *p)
{
    unsigned d = s->depth;

    for (; d != 0; d--) {
        const struct zk_slab_mark *m = &s->marks[d - 1];

        if (p >= m->next || (p >= m->window_next && p < m->window_end))
            break;
    }
    return d;
}

/* The highest fill, before next goes down. */
static inline void
zk_slab_note_peak(struct zk_slab *s)
{
    char *next = zk_slab_next(s);

    if (next > zk_load_relaxed(&s->peak))
        zk_store_relaxed(&s->peak, next);
    if (next > zk_load_relaxed(&s->stage_peak))
        zk_store_relaxed(&s->stage_peak, next);
}

#endif
