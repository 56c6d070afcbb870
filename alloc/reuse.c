/*
 * reuse.c - freed blocks of a slab.
 *
 * Owns:   the free lists of each stage, and the inbox's links.
 * Never:  lets memory of an outer stage serve an inner one: that dies first.
 *
 * A free extent is kept joined with its free neighbours (S5), so a freed buffer
 * can serve a larger one later. Its record lies in extents[]: where it starts
 * its size and links, where it ends the page of its start. The latter is only a
 * hint, believed when the word at that start says the same.
 */
#include "alloc/reuse.h"

#include <string.h>

#include "alloc/word.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/poison.h"

void
zk__reuse_clear(struct zk_free *f)
{
    zk__fit_clear(&f->fit);
    f->small_sizes = 0;
}

/* ---- extents ---------------------------------------------------------- */

/* The addresses that a stage has bumped. */
static char *
stage_begin(const struct zk_slab *s, unsigned depth)
{
    return depth != 0 ? s->marks[depth - 1].next : zk_slab_base(s);
}

static char *
stage_end(const struct zk_slab *s, unsigned depth)
{
    return depth < s->depth ? s->marks[depth].next : zk_slab_next(s);
}

static void
insert(struct zk_slab *s, unsigned depth, char *p, size_t bytes)
{
    uint32_t first = (uint32_t)zk_slab_page(s, p);
    uint32_t last = (uint32_t)zk_slab_page(s, p + bytes - 1);

    zk_slab_write(s, p, ZK_KIND_FREE, bytes / ZK_GRANULE);
    s->extents[first].granules = (uint32_t)(bytes / ZK_GRANULE);
    s->extents[last].ends = first;
    zk__fit_insert(&s->free[depth].fit, s->extents, first);
}

static void
take_out(struct zk_slab *s, unsigned depth, char *p)
{
    zk__fit_remove(&s->free[depth].fit, s->extents,
                   (uint32_t)zk_slab_page(s, p));
    zk_slab_erase(s, p);
}

/* The free extent that ends at p, or NULL. */
static char *
free_before(const struct zk_slab *s, unsigned depth, char *p)
{
    uint32_t page;
    uint64_t w;
    char *q;

    if (p <= stage_begin(s, depth))
        return NULL;
    page = s->extents[zk_slab_page(s, p - 1)].ends;
    if (page > zk_slab_page(s, p - 1))
        return NULL; /* written for an earlier phase, as it may be */
    w = zk_load_relaxed(&s->pages[page]);
    q = zk_slab_base(s) + page * ZK_PAGE + zk_word_start(w) * ZK_GRANULE;
    if (q < stage_begin(s, depth) || q >= p ||
        q + zk_slab_read(s, q, ZK_KIND_FREE) * ZK_GRANULE != p)
        return NULL;
    return q;
}

/* The length of the free extent that starts at p, or 0. */
static size_t
free_behind(const struct zk_slab *s, unsigned depth, const char *p)
{
    if (p >= stage_end(s, depth))
        return 0;
    return zk_slab_read(s, p, ZK_KIND_FREE) * ZK_GRANULE;
}

void
zk__reuse_give_large(struct zk_slab *s, char *p, size_t bytes)
{
    unsigned depth = zk_slab_depth(s, p);
    size_t behind = free_behind(s, depth, p + bytes);
    char *before = free_before(s, depth, p);

    zk__poison(p, bytes);
    zk_slab_erase(s, p);
    if (behind != 0) {
        take_out(s, depth, p + bytes);
        bytes += behind;
    }
    if (before != NULL) {
        take_out(s, depth, before);
        bytes += (size_t)(p - before);
        p = before;
    }
    if (depth == s->depth && p + bytes == zk_slab_next(s)) {
        zk_slab_note_peak(s);
        zk_slab_set_next(s, p);
    } else {
        insert(s, depth, p, bytes);
    }
}

void
zk__reuse_settle(struct zk_slab *s)
{
    char *p = free_before(s, s->depth, zk_slab_next(s));

    if (p != NULL) {
        take_out(s, s->depth, p);
        zk_slab_set_next(s, p);
    }
}

/* Gives the tail of an extent back, unless it is too short to be one (X1). */
static size_t
split(struct zk_slab *s, unsigned depth, char *p, size_t have, size_t want)
{
    if (have - want < ZK_PAGE)
        return have;
    insert(s, depth, p + want, have - want);
    return want;
}

char *
zk__reuse_large(struct zk_slab *s, size_t n)
{
    unsigned depth = s->depth;
    struct zk_fit *fit = &s->free[depth].fit;
    uint32_t page;
    size_t bytes;
    char *p;

    if (zk__fit_empty(fit) || n / ZK_GRANULE > UINT32_MAX)
        return NULL;
    page = zk__fit_take(fit, s->extents, (uint32_t)(n / ZK_GRANULE));
    if (page == ZK_FIT_NONE)
        return NULL;
    p = zk_slab_base(s) + page * ZK_PAGE +
        zk_word_start(zk_load_relaxed(&s->pages[page])) * ZK_GRANULE;
    bytes = s->extents[page].granules * ZK_GRANULE;
    bytes = split(s, depth, p, bytes, n);
    zk_slab_write(s, p, ZK_KIND_LARGE, bytes / ZK_GRANULE);
    return p;
}

size_t
zk__reuse_extend(struct zk_slab *s, char *p, size_t bytes, size_t n)
{
    unsigned depth = zk_slab_depth(s, p);
    size_t behind = free_behind(s, depth, p + bytes);

    if (behind == 0 || n - bytes > behind)
        return 0;
    take_out(s, depth, p + bytes);
    bytes = split(s, depth, p, bytes + behind, n);
    zk_slab_write(s, p, ZK_KIND_LARGE, bytes / ZK_GRANULE);
    return bytes;
}

void
zk__reuse_trim(struct zk_slab *s, char *p, size_t bytes, size_t n)
{
    if (bytes - n < ZK_PAGE)
        return;
    /* The tail becomes a block of its own for a moment, and is freed. */
    zk_slab_write(s, p, ZK_KIND_LARGE, n / ZK_GRANULE);
    zk__reuse_give_large(s, p + n, bytes - n);
}

/* ---- small blocks ----------------------------------------------------- */

static uint32_t
read_link(const char *p)
{
    uint32_t link;

    zk__unpoison(p, sizeof link);
    memcpy(&link, p, sizeof link);
    zk__poison(p, sizeof link);
    return link;
}

static bool
is_free_small(const struct zk_slab *s, uint32_t granule, size_t granules)
{
    return granule < zk_slab_granule(s, zk_slab_next(s)) &&
           s->window.sizes[granule] == (ZK_SIZE_FREED | (uint16_t)granules);
}

void
zk__reuse_give_small(struct zk_slab *s, char *p, size_t granules)
{
    unsigned depth = zk_slab_depth(s, p);
    uint32_t granule = (uint32_t)zk_slab_granule(s, p);

    zk__poison(p, granules * ZK_GRANULE);
    if (depth == s->depth && p + granules * ZK_GRANULE == s->window.next) {
        s->window.sizes[granule] = 0;
        s->window.next = p;
        zk__poison_window(p, granules * ZK_GRANULE);
    } else {
        zk_reuse_push(s, &s->free[depth], granule, (unsigned)granules);
    }
}

char *
zk__reuse_small(struct zk_slab *s, size_t granules)
{
    struct zk_free *f = &s->free[s->depth];
    unsigned size = (unsigned)granules - 1;
    uint32_t granule, next;
    char *p;

    if ((f->small_sizes >> size & 1) == 0)
        return NULL;
    granule = f->small[size];
    p = zk_slab_base(s) + granule * ZK_GRANULE;
    next = read_link(p);
    s->window.sizes[granule] = (uint16_t)granules;
    if (next != ZK_SMALL_NONE && is_free_small(s, next, granules))
        f->small[size] = next;
    else
        f->small_sizes &= ~((uint64_t)1 << size);
    return p;
}

/* ---- the inbox -------------------------------------------------------- */

/*
 * Marks a block as sent, if it is live. False: it is not, or another thread was
 * faster.
 */
static bool
claim(struct zk_slab *s, char *p, struct zk_block block)
{
    if (block.small) {
        uint16_t *size = &s->window.sizes[zk_slab_granule(s, p)];
        uint16_t granules = (uint16_t)(block.bytes / ZK_GRANULE);

        return zk_cas_plain_acq_rel(
            size, &granules,
            (uint16_t)(granules | ZK_SIZE_FREED | ZK_SIZE_SENT));
    }
    size_t start = zk_slab_granule(s, p) % ZK_GRANULES_PER_PAGE;
    size_t granules = block.bytes / ZK_GRANULE;
    uint64_t live =
        zk_word_make(zk_slab_tag(s), ZK_KIND_LARGE, granules, start);
    uint64_t sent = zk_word_make(zk_slab_tag(s), ZK_KIND_SENT, granules, start);

    return zk_cas_acq_rel(zk_slab_word(s, p), &live, sent);
}

bool
zk__slab_send(struct zk_slab *s, void *address)
{
    struct zk_block block = zk__slab_block(s, address);
    char *p = address;
    uint32_t top, self;

    if (block.bytes == 0 || !claim(s, p, block))
        return false;
    self = (uint32_t)zk_slab_granule(s, p) + 1;
    top = zk_load_relaxed(&s->inbox);
    do {
        if (block.small)
            zk_reuse_link(p, top);
        else
            s->extents[zk_slab_page(s, p)].next = top;
    } while (!zk_cas_acq_rel(&s->inbox, &top, self)); /* I1 -> A1 */
    return true;
}

/* Takes in the block at a granule; the link to the next one, 0 at the end. */
static uint32_t
receive(struct zk_slab *s, uint32_t granule)
{
    char *p = zk_slab_base(s) + granule * ZK_GRANULE;
    uint16_t size = s->window.sizes[granule];
    size_t granules = zk_slab_read(s, p, ZK_KIND_SENT);
    uint32_t next;

    if (granules != 0) {
        next = s->extents[zk_slab_page(s, p)].next;
        zk__reuse_give_large(s, p, granules * ZK_GRANULE);
        return next;
    }
    /* S6: a link that was garbled leads to no block that was sent. */
    if (zk_word_kind(zk_load_relaxed(zk_slab_word(s, p))) != ZK_KIND_WINDOW ||
        (size & ZK_SIZE_SENT) == 0)
        return 0;
    next = read_link(p);
    zk__reuse_give_small(s, p, size & (ZK_SIZE_SENT - 1u));
    return next;
}

void
zk__reuse_drain(struct zk_slab *s)
{
    uint32_t at = zk_exchange_acq_rel(&s->inbox, 0u); /* A1 <- I1 */

    while (at != 0 && at - 1 < zk_slab_granule(s, zk_slab_next(s)))
        at = receive(s, at - 1);
}
