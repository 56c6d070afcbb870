/*
 * slab.c - one slot's bump range.
 *
 * Owns:   next, the windows for small blocks, and both tables of sizes.
 * Never:  looks at another slot, takes a lock, or asks the system for anything
 *         but pages of its own reservation (os.h).
 *
 * slab.h has the picture and the invariants S1 to S4.
 */
#include "alloc/slab.h"

#include <string.h>

#include "alloc/os.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/poison.h"

/*
 * A word of pages[]:
 *
 *     63     40 39                8 7    6 5      0
 *    |   tag   |      granules     | kind | start |
 *
 * `start` is the granule within the page at which the block begins.
 */
enum kind {
    KIND_NONE = 0,
    KIND_LARGE = 1,
    KIND_FREED = 2,
    KIND_WINDOW = 3 /* the whole page belongs to a window */
};

#define TAG_MAX      ((1u << 24) - 1)
#define SIZE_FREED   ((uint16_t)0x8000)
#define COMMIT_CHUNK ((size_t)64 << 20)
#define SMALL_PAGES  ZK_HUGE_PAGE /* of a slab's start, under ZK_HUGE_AUTO */

struct zk_slab zk__slab_none = {.min_bytes = SIZE_MAX};

ZK_THREAD_LOCAL struct zk_window *zk__window = &zk__slab_none.window;

static uint64_t
word_make(uint32_t tag, enum kind kind, size_t granules, size_t start)
{
    return (uint64_t)tag << 40 | (uint64_t)granules << 8 | (uint64_t)kind << 6 |
           (uint64_t)start;
}

static uint32_t
word_tag(uint64_t w)
{
    return (uint32_t)(w >> 40);
}

static enum kind
word_kind(uint64_t w)
{
    return (enum kind)(w >> 6 & 3);
}

static size_t
word_granules(uint64_t w)
{
    return (size_t)(w >> 8 & UINT32_MAX);
}

static size_t
word_start(uint64_t w)
{
    return (size_t)(w & 63);
}

/* What lookups by other threads may read while the owner writes. */
static char *
next(const struct zk_slab *s)
{
    return zk_load_relaxed(&s->next);
}

static void
set_next(struct zk_slab *s, char *p)
{
    zk_store_relaxed(&s->next, p);
}

static uint32_t
tag(const struct zk_slab *s)
{
    return zk_load_relaxed(&s->tag);
}

static size_t
page_of(const struct zk_slab *s, const char *p)
{
    return (size_t)(p - s->base) / ZK_PAGE;
}

static size_t
granule_of(const struct zk_slab *s, const char *p)
{
    return (size_t)(p - s->base) / ZK_GRANULE;
}

size_t
zk__slab_pages_bytes(size_t slab_bytes)
{
    return zk_round_up(slab_bytes / ZK_PAGE * sizeof(zk_page_word),
                       zk__os_page());
}

size_t
zk__slab_sizes_bytes(size_t slab_bytes)
{
    return zk_round_up(slab_bytes / ZK_GRANULE * sizeof(uint16_t),
                       zk__os_page());
}

static void
close_window(struct zk_slab *s)
{
    s->window.next = s->base;
    s->window.end = s->base;
}

void
zk__slab_init(struct zk_slab *s, char *base, size_t slab_bytes, void *pages,
              void *sizes, size_t min_bytes, enum zk_huge huge)
{
    s->base = s->end = base;
    set_next(s, base);
    s->touched = s->dirty = s->peak = s->stage_peak = base;
    s->limit = base + slab_bytes - zk__os_page(); /* the last page guards */
    s->pages = pages;
    s->window.base = base;
    s->window.sizes = sizes;
    s->min_bytes = min_bytes;
    zk_store_relaxed(&s->tag, 1u);
    s->huge = huge;
    close_window(s);
}

/* ---- growing ---------------------------------------------------------- */

/* Commits the part of a table that serves slab bytes [from, to). */
static bool
commit_table(void *table, size_t from, size_t to)
{
    size_t page = zk__os_page();
    size_t lo = zk_round_down(from, page), hi = zk_round_up(to, page);

    return zk__os_commit((char *)table + lo, hi - lo);
}

static void
advise(struct zk_slab *s, char *to)
{
    char *from = s->end;

    if (s->huge == ZK_HUGE_NEVER) {
        zk__os_advise_huge(from, (size_t)(to - from), false);
        return;
    }
    /* auto: a huge page costs more than the base pages that it replaces until
     * about a third of it is used, so slabs that stay small never get one. */
    if (s->huge == ZK_HUGE_AUTO && from < s->base + SMALL_PAGES)
        from = s->base + SMALL_PAGES;
    if (from < to)
        zk__os_advise_huge(from, (size_t)(to - from), true);
}

static bool
commit_to(struct zk_slab *s, char *to)
{
    size_t from = (size_t)(s->end - s->base), upto = (size_t)(to - s->base);

    /* Tables first: a slab byte without a place for its size is no use. */
    if (!commit_table(s->pages, from / ZK_PAGE * sizeof(zk_page_word),
                      upto / ZK_PAGE * sizeof(zk_page_word)) ||
        !commit_table(s->window.sizes, from / ZK_GRANULE * sizeof(uint16_t),
                      upto / ZK_GRANULE * sizeof(uint16_t)) ||
        !zk__os_commit(s->end, (size_t)(to - s->end)))
        return false;

    advise(s, to);
    zk__poison(s->end, (size_t)(to - s->end));
    s->end = to;
    zk_store_relaxed(&s->committed, (uint64_t)upto);
    return true;
}

/*
 * Makes [base, need) accessible. The whole slab at once where the kernel does
 * not account for it; in steps under strict overcommit, where it does, and under
 * AddressSanitizer, whose marks take an eighth of what is committed.
 */
static bool
grow(struct zk_slab *s, char *need)
{
    size_t bytes = (size_t)(need - s->base);
    size_t room = (size_t)(s->limit - s->base);
    size_t step = zk_min_size(zk_round_up(bytes, COMMIT_CHUNK), room);
    size_t least = zk_min_size(zk_round_up(bytes, zk__os_page()), room);

    return (!ZK_HAVE_ASAN && commit_to(s, s->limit)) ||
           commit_to(s, s->base + step) || commit_to(s, s->base + least);
}

/* ---- allocating ------------------------------------------------------- */

/*
 * Takes [next, to). S3: words of dead blocks below `dirty` are cleared, those
 * that an alignment skips too. No live block starts in next's own page: windows
 * end where pages do, and any other block is at least a page long.
 */
static void
advance(struct zk_slab *s, char *to)
{
    const char *from = next(s);

    if (from < s->dirty) {
        size_t last = page_of(s, to < s->dirty ? to - 1 : s->dirty - 1);

        for (size_t i = page_of(s, from); i <= last; i++)
            zk_store_relaxed(&s->pages[i], (uint64_t)0);
    }
    set_next(s, to);
    if (to > s->touched)
        s->touched = to;
}

/* Bumps n bytes, a multiple of 64; NULL when there is no room. */
static char *
bump(struct zk_slab *s, size_t n, size_t align)
{
    uintptr_t at = (uintptr_t)next(s);
    size_t skip = zk_round_up(at, align) - at;
    size_t room = (size_t)(s->limit - next(s));
    char *p;

    if (skip > room || n > room - skip)
        return NULL;
    p = next(s) + skip;
    if (ZK_UNLIKELY(p + n > s->end) && !grow(s, p + n))
        return NULL;
    advance(s, p + n);
    return p;
}

static void *
alloc_large(struct zk_slab *s, size_t n, size_t align)
{
    size_t bytes = zk_round_up(zk_max_size(n, ZK_SMALL_LIMIT), ZK_GRANULE);
    char *p = bump(s, bytes, align);

    if (p == NULL)
        return NULL;
    zk_store_relaxed(&s->pages[page_of(s, p)],
                     word_make(tag(s), KIND_LARGE, bytes / ZK_GRANULE,
                               granule_of(s, p) % (ZK_PAGE / ZK_GRANULE)));
    zk__unpoison(p, n);
    return p;
}

/*
 * Opens a window, or lengthens the one that ends where the new one starts. Its
 * sizes are cleared here, once, so that the inlined bump only ever stores.
 */
static bool
open_window(struct zk_slab *s)
{
    char *p = bump(s, ZK_WINDOW_BYTES, ZK_PAGE);

    if (p == NULL)
        return false;
    for (size_t i = 0; i < ZK_WINDOW_BYTES / ZK_PAGE; i++)
        zk_store_relaxed(&s->pages[page_of(s, p) + i],
                         word_make(tag(s), KIND_WINDOW, 0, 0));
    memset(&s->window.sizes[granule_of(s, p)], 0,
           ZK_WINDOW_BYTES / ZK_GRANULE * sizeof(uint16_t));

    if (p != s->window.end)
        s->window.next = p;
    s->window.end = p + ZK_WINDOW_BYTES;
    return true;
}

static void *
alloc_small(struct zk_slab *s, size_t n)
{
    size_t granules = (n + (n == 0) + ZK_GRANULE - 1) / ZK_GRANULE;
    size_t bytes = granules * ZK_GRANULE;
    char *p;

    if (bytes > (size_t)(s->window.end - s->window.next) && !open_window(s))
        return NULL;
    p = s->window.next;
    s->window.next = p + bytes;
    s->window.sizes[granule_of(s, p)] = (uint16_t)granules;
    zk__unpoison(p, n);
    return p;
}

void *
zk__slab_alloc(struct zk_slab *s, size_t n, size_t align)
{
    ZK_ASSERT(zk_is_pow2(align) && align >= ZK_GRANULE);

    if (s->base == NULL || n > ZK_SLAB_BYTES_MAX)
        return NULL;
    if (n < ZK_SMALL_LIMIT && align == ZK_GRANULE)
        return alloc_small(s, n);
    return alloc_large(s, n, align);
}

void *
zk__slab_alloc_zeroed(struct zk_slab *s, size_t n)
{
    char *touched = s->touched; /* before the call moves it */
    char *p = zk__slab_alloc(s, n, ZK_GRANULE);

    if (p != NULL && p < touched)
        memset(p, 0, zk_min_size(n, (size_t)(touched - p)));
    return p;
}

/* ---- looking up ------------------------------------------------------- */

struct zk_block
zk__slab_block(const struct zk_slab *s, const void *address)
{
    const struct zk_block none = {0, false};
    const char *p = address;
    uint64_t w;

    if (p >= next(s) || (size_t)(p - s->base) % ZK_GRANULE != 0)
        return none;
    w = zk_load_relaxed(&s->pages[page_of(s, p)]);
    if (word_tag(w) != tag(s))
        return none;

    if (word_kind(w) == KIND_WINDOW) {
        uint16_t granules = s->window.sizes[granule_of(s, p)];

        if (granules == 0 || (granules & SIZE_FREED) != 0)
            return none;
        return (struct zk_block){granules * ZK_GRANULE, true};
    }
    if (word_kind(w) == KIND_LARGE &&
        word_start(w) == granule_of(s, p) % (ZK_PAGE / ZK_GRANULE))
        return (struct zk_block){word_granules(w) * ZK_GRANULE, false};
    return none;
}

/* Whether a block belongs to the innermost stage, and so may be taken off. */
static bool
is_ours(const struct zk_slab *s, const char *p, bool small)
{
    const struct zk_slab_mark *m;

    if (s->depth == 0)
        return true;
    m = &s->marks[s->depth - 1];
    if (!small)
        return p >= m->next;
    return p >= m->next || (p >= m->window_next && p < m->window_end);
}

static void
note_peak(struct zk_slab *s)
{
    if (next(s) > s->peak)
        s->peak = next(s);
    if (next(s) > s->stage_peak)
        s->stage_peak = next(s);
}

bool
zk__slab_free(struct zk_slab *s, void *address)
{
    struct zk_block block = zk__slab_block(s, address);
    char *p = address;

    if (block.bytes == 0)
        return false;
    zk__poison(p, block.bytes);

    if (block.small) {
        uint16_t *size = &s->window.sizes[granule_of(s, p)];

        if (p + block.bytes == s->window.next && is_ours(s, p, true)) {
            s->window.next = p;
            *size = 0;
        } else {
            *size |= SIZE_FREED;
        }
        return true;
    }

    zk_page_word *word = &s->pages[page_of(s, p)];

    if (p + block.bytes == next(s) && is_ours(s, p, false)) {
        note_peak(s);
        set_next(s, p);
        zk_store_relaxed(word, (uint64_t)0);
    } else {
        zk_store_relaxed(word,
                         word_make(tag(s), KIND_FREED, block.bytes / ZK_GRANULE,
                                   word_start(zk_load_relaxed(word))));
    }
    return true;
}

bool
zk__slab_resize(struct zk_slab *s, char *p, struct zk_block block, size_t n)
{
    size_t bytes;

    if (block.small || n > ZK_SLAB_BYTES_MAX || p + block.bytes != next(s) ||
        !is_ours(s, p, false)) {
        if (n > block.bytes)
            return false;
        zk__unpoison(p, n);
        return true; /* it shrinks: the capacity stays with it */
    }

    bytes = zk_round_up(zk_max_size(n, ZK_SMALL_LIMIT), ZK_GRANULE);
    if (bytes > (size_t)(s->limit - p))
        return false;
    if (p + bytes > s->end && !grow(s, p + bytes))
        return false;

    note_peak(s);
    if (bytes > block.bytes)
        advance(s, p + bytes);
    else
        set_next(s, p + bytes);
    zk_page_word *word = &s->pages[page_of(s, p)];
    zk_store_relaxed(word, word_make(tag(s), KIND_LARGE, bytes / ZK_GRANULE,
                                     word_start(zk_load_relaxed(word))));
    zk__poison(p, block.bytes);
    zk__unpoison(p, n);
    return true;
}

/* ---- phases and stages ------------------------------------------------ */

void
zk__slab_reset(struct zk_slab *s)
{
    ZK_ASSERT(s->base <= next(s) && next(s) <= s->end); /* S1 */

    zk__poison(s->base, (size_t)(s->touched - s->base));
    set_next(s, s->base);
    s->dirty = s->peak = s->stage_peak = s->base;
    s->depth = 0;
    close_window(s);
    zk_bump_relaxed(&s->tag, 1u);
    if (tag(s) > TAG_MAX) { /* once in 16 million phases */
        size_t used = (size_t)(s->end - s->base) / ZK_PAGE;

        for (size_t i = 0; i < used; i++)
            zk_store_relaxed(&s->pages[i], (uint64_t)0);
        zk_store_relaxed(&s->tag, 1u);
    }
}

void
zk__slab_mark(struct zk_slab *s)
{
    struct zk_slab_mark *m = &s->marks[s->depth++];

    ZK_ASSERT(s->depth <= ZK_MAX_STAGES);
    m->next = next(s);
    m->window_next = s->window.next;
    m->window_end = s->window.end;
    note_peak(s);
    m->stage_peak = s->stage_peak;
    s->stage_peak = next(s);
}

void
zk__slab_rewind(struct zk_slab *s)
{
    const struct zk_slab_mark *m = &s->marks[--s->depth];
    size_t first = granule_of(s, m->window_next);
    size_t last = granule_of(s, m->window_end);

    note_peak(s);
    zk_bump_relaxed(&s->bytes_ended, (uint64_t)(next(s) - m->next));
    if (next(s) > s->dirty)
        s->dirty = next(s);
    zk__poison(m->next, (size_t)(next(s) - m->next));
    zk__poison(m->window_next, (size_t)(m->window_end - m->window_next));
    set_next(s, m->next);
    s->window.next = m->window_next;
    s->window.end = m->window_end;
    if (first < last) /* S4: what the stage put into the outer window */
        memset(&s->window.sizes[first], 0, (last - first) * sizeof(uint16_t));
    if (m->stage_peak > s->stage_peak)
        s->stage_peak = m->stage_peak;
}

void
zk__slab_ended(struct zk_slab *s)
{
    zk_bump_relaxed(&s->bytes_ended, (uint64_t)(next(s) - s->base));
}

size_t
zk__slab_peak(const struct zk_slab *s)
{
    return (size_t)((next(s) > s->peak ? next(s) : s->peak) - s->base);
}

size_t
zk__slab_stage_peak(const struct zk_slab *s)
{
    const char *peak = next(s) > s->stage_peak ? next(s) : s->stage_peak;

    return (size_t)(peak - s->base);
}
