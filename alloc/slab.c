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

#include "alloc/charge.h"
#include "alloc/huge.h"
#include "alloc/keep.h"
#include "alloc/os.h"
#include "alloc/reuse.h"
#include "alloc/secret.h"
#include "alloc/word.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/poison.h"

#define COMMIT_CHUNK ((size_t)64 << 20)
#define STEP_MOST    ((size_t)64 << 20)

struct zk_slab zk__slab_none = {.min_bytes = SIZE_MAX};

ZK_THREAD_LOCAL struct zk_window *zk__window = &zk__slab_none.window;

/* Bytes of the tables that serve the first `bytes` of a slab. */
struct tables {
    size_t pages, extents, sizes;
};

static struct tables
tables_for(size_t bytes)
{
    return (struct tables){
        bytes / ZK_PAGE * sizeof(zk_page_word),
        bytes / ZK_PAGE * sizeof(struct zk_extent),
        bytes / ZK_GRANULE * sizeof(uint16_t),
    };
}

size_t
zk__slab_tables_bytes(size_t slab_bytes)
{
    struct tables t = tables_for(slab_bytes);
    size_t page = zk__os_page();

    return zk_round_up(t.pages, page) + zk_round_up(t.extents, page) +
           zk_round_up(t.sizes, page);
}

static void
close_window(struct zk_slab *s)
{
    s->window.next = zk_slab_base(s);
    s->window.end = zk_slab_base(s);
}

void
zk__slab_init(struct zk_slab *s, char *base, size_t slab_bytes, char *tables,
              size_t min_bytes, enum zk_huge huge)
{
    struct tables t = tables_for(slab_bytes);
    size_t page = zk__os_page();

    zk_store_relaxed(&s->base, base);
    zk_slab_set_next(s, base);
    s->end = s->top = s->tail_end = s->tail_most = s->kept = base;
    s->touched = s->dirty = s->ready = s->hidden = base;
    zk_store_relaxed(&s->peak, base);
    zk_store_relaxed(&s->stage_peak, base);
    s->limit = base + slab_bytes - page; /* the last page guards */
    s->scratch = s->scratched = s->scratch_low = s->far_ready = s->limit;
    s->pages = (zk_page_word *)(void *)tables;
    tables += zk_round_up(t.pages, page);
    s->extents = (struct zk_extent *)(void *)tables;
    tables += zk_round_up(t.extents, page);
    s->window.sizes = (uint16_t *)(void *)tables;
    s->window.base = base;
    s->min_bytes = min_bytes;
    zk_store_relaxed(&s->tag, 1u);
    s->huge = huge;
    s->advice = zk__huge_first_advice(huge);
    close_window(s);
}

/* ---- growing ---------------------------------------------------------- */

/* Commits bytes [from, to) of a table, and what shares their pages. */
static bool
commit_table(void *table, size_t from, size_t to)
{
    size_t page = zk__os_page();
    size_t lo = zk_round_down(from, page), hi = zk_round_up(to, page);

    return zk__os_commit((char *)table + lo, hi - lo);
}

static bool
commit_to(struct zk_slab *s, char *to)
{
    size_t from = (size_t)(s->top - zk_slab_base(s)),
           upto = (size_t)(to - zk_slab_base(s));
    struct tables had = tables_for(from), has = tables_for(upto);

    /* Tables first: a slab byte without a place for its size is no use. */
    if (!commit_table(s->pages, had.pages, has.pages) ||
        !commit_table(s->extents, had.extents, has.extents) ||
        !commit_table(s->window.sizes, had.sizes, has.sizes) ||
        !zk__os_commit(s->top, (size_t)(to - s->top)))
        return false;
    zk__numa_committed(s, s->top, (size_t)(to - s->top));
    s->top = to;
    zk_store_relaxed(&s->committed, (uint64_t)upto);
    zk__huge_committed(s);
    return true;
}

/*
 * Makes [base, need) accessible: the whole slab at once, so that it is one mapping
 * for good, which one call can move. Where strict overcommit refuses so much, in
 * steps; once such a slab has moved, the kernel does not join what is added.
 */
static bool
commit(struct zk_slab *s, const char *need)
{
    size_t bytes = (size_t)(need - zk_slab_base(s));
    size_t room = (size_t)(s->limit - zk_slab_base(s));
    size_t step = zk_min_size(zk_round_up(bytes, COMMIT_CHUNK), room);
    size_t least = zk_min_size(zk_round_up(bytes, zk__os_page()), room);

    return commit_to(s, s->limit) || commit_to(s, zk_slab_base(s) + step) ||
           commit_to(s, zk_slab_base(s) + least);
}

/* The bump may go on to `end`, a multiple of the page size in what is committed. */
static void
raise_end(struct zk_slab *s, size_t end)
{
    char *to = zk_slab_base(s) + end;
    char *marks = to < s->scratch ? to : s->scratch;

    if (marks > s->end)
        zk__poison(s->end, (size_t)(marks - s->end));
    zk__keep_raise(s, to);
    s->marked = zk_max_size(s->marked, end);
}

/*
 * Lets next go up to `need` and further. Under ZK_HUGE_AUTO a slab that may stay
 * small stops at the end of its first huge page, and is asked again there. Under
 * AddressSanitizer it goes in steps, whose marks take an eighth of their size.
 */
static bool
extend(struct zk_slab *s, const char *need)
{
    size_t bytes = (size_t)(need - zk_slab_base(s)), room, end;

    if (need > s->top && !commit(s, need))
        return false;
    room = (size_t)(s->top - zk_slab_base(s));
    end = ZK_HAVE_MARKS ? zk_min_size(zk_round_up(bytes, COMMIT_CHUNK), room)
                        : room;
    if (s->huge == ZK_HUGE_AUTO && !zk__huge_choose(s, bytes))
        end = zk_min_size(end, ZK_HUGE_PAGE);
    if (s->end < s->tail_most) /* K5: no more of a tail than is used soon */
        end =
            zk_min_size(end, zk_round_up(bytes + zk_min_size(bytes, STEP_MOST),
                                         ZK_HUGE_PAGE));
    raise_end(s, end);
    return true;
}

/* Has `ready` reach `need`. `last`: where that fails the request has failed. */
static bool
grow(struct zk_slab *s, const char *need, bool last)
{
    size_t near = zk_load_relaxed(&s->near);

    if ((need > s->end && !extend(s, need)) || !zk__charge_near(s, need, last))
        return false;
    s->ready = zk_load_relaxed(&s->secret) ? zk__secret_cover(s, need) : s->end;
    zk_slab_clip_ready(s);
    if (zk_load_relaxed(&s->near) != near)
        zk__huge_grew(s, need);
    return true;
}

/* The same for far_ready. pre: the whole slab is committed */
static bool
grow_far(struct zk_slab *s, const char *need)
{
    char *covered = NULL;

    if (!zk__charge_far(s, need))
        return false;
    if (zk_load_relaxed(&s->secret)) {
        /* E3: that takes the slab's first page. */
        if (!zk__charge_near(s, zk_slab_base(s) + ZK_GRANULE, false))
            return false;
        covered = zk__secret_cover_far(s, need);
    }
    s->far_ready = s->limit - zk_load_relaxed(&s->far);
    if (s->far_ready < covered)
        s->far_ready = covered;
    return true;
}

/* ---- before the first phase --------------------------------------------- */

size_t
zk__slab_expect(struct zk_slab *s, size_t bytes)
{
    size_t room = (size_t)(s->limit - zk_slab_base(s));

    bytes =
        zk_min_size(zk_round_up(zk_min_size(bytes, room), zk__os_page()), room);
    s->learnt = zk_max_size(s->learnt, bytes);
    if (bytes == 0 || !extend(s, zk_slab_base(s) + bytes) ||
        !zk__charge_near(s, zk_slab_base(s) + bytes, false))
        return 0;
    s->high[0] = zk_max_size(s->high[0], bytes);
    s->expected = zk_max_size(s->expected, bytes);
    return bytes;
}

static bool
populate_table(void *table, size_t from, size_t to)
{
    size_t page = zk__os_page();
    size_t lo = zk_round_down(from, page), hi = zk_round_up(to, page);

    return zk__os_populate((char *)table + lo, hi - lo);
}

/* The words of blocks, and of those that are freed. The sizes of small blocks are
 * needed in windows only: those of the first few. */
bool
zk__slab_populate(const struct zk_slab *s, size_t from, size_t to)
{
    struct tables lo = tables_for(from), hi = tables_for(to);
    struct tables windows = tables_for(zk_min_size(to, 16 * ZK_WINDOW_BYTES));

    return zk__os_populate(zk_slab_base(s) + from, to - from) &&
           populate_table(s->pages, lo.pages, hi.pages) &&
           populate_table(s->extents, lo.extents, hi.extents) &&
           (lo.sizes >= windows.sizes ||
            populate_table(s->window.sizes, lo.sizes, windows.sizes));
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
    const char *from = zk_slab_next(s);

    if (from < s->dirty) {
        size_t last = zk_slab_page(s, to < s->dirty ? to - 1 : s->dirty - 1);

        for (size_t i = zk_slab_page(s, from); i <= last; i++)
            zk_store_relaxed(&s->pages[i], (uint64_t)0);
    }
    zk_slab_set_next(s, to);
    if (to > s->touched)
        s->touched = to;
}

/* Bumps n bytes, a multiple of 64; NULL when there is no room. */
static char *
bump(struct zk_slab *s, size_t n, size_t align)
{
    uintptr_t at = (uintptr_t)zk_slab_next(s);
    size_t skip = zk_round_up(at, align) - at;
    size_t room = (size_t)(s->scratch - zk_slab_next(s)); /* S7 */
    char *p;

    if (skip > room || n > room - skip)
        return NULL;
    p = zk_slab_next(s) + skip;
    if (ZK_UNLIKELY(p + n > s->ready) && !grow(s, p + n, true))
        return NULL;
    advance(s, p + n);
    return p;
}

static void *
alloc_large(struct zk_slab *s, size_t n, size_t align)
{
    size_t bytes = zk_round_up(zk_max_size(n, ZK_SMALL_LIMIT), ZK_GRANULE);
    char *p = NULL;

    zk__reuse_receive(s);
    if (align == ZK_GRANULE)
        p = zk__reuse_large(s, bytes);
    if (p == NULL) {
        p = bump(s, bytes, align);
        if (p == NULL)
            return NULL;
        zk_slab_write(s, p, ZK_KIND_LARGE, bytes / ZK_GRANULE);
    }
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
    for (size_t i = 0; i < ZK_WINDOW_BYTES; i += ZK_PAGE)
        zk_slab_write(s, p + i, ZK_KIND_WINDOW, 0);
    memset(&s->window.sizes[zk_slab_granule(s, p)], 0,
           ZK_WINDOW_BYTES / ZK_GRANULE * sizeof(uint16_t));

    zk__poison_window(p, ZK_WINDOW_BYTES);
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

    zk__reuse_receive(s);
    p = zk__reuse_small(s, granules);
    if (p == NULL) {
        if (bytes > (size_t)(s->window.end - s->window.next) && !open_window(s))
            return NULL;
        p = s->window.next;
        s->window.next = p + bytes;
        s->window.sizes[zk_slab_granule(s, p)] = (uint16_t)granules;
    }
    zk__unpoison(p, n);
    return p;
}

void *
zk__slab_alloc(struct zk_slab *s, size_t n, size_t align)
{
    ZK_ASSERT(zk_is_pow2(align) && align >= ZK_GRANULE);

    if (zk_slab_base(s) == NULL || n > ZK_SLAB_BYTES_MAX)
        return NULL;
    if (n < ZK_SMALL_LIMIT && align == ZK_GRANULE)
        return alloc_small(s, n);
    return alloc_large(s, n, align);
}

void *
zk__slab_alloc_zeroed(struct zk_slab *s, size_t n)
{
    size_t left = (size_t)(s->end - zk_slab_next(s));
    size_t room = (size_t)(s->scratch - zk_slab_next(s));
    size_t margin = 2 * ZK_WINDOW_BYTES; /* a new window, and its alignment */
    char *touched, *p;

    /* If this could reach the tail, then `touched` shall say so already. */
    if (s->end < s->top && n <= room && n + margin > left)
        (void)extend(s, zk_slab_next(s) + zk_min_size(n + margin, room));
    touched = s->touched; /* before the call moves it */
    p = zk__slab_alloc(s, n, ZK_GRANULE);
    if (p == NULL)
        return NULL;
    if (p < touched)
        memset(p, 0, zk_min_size(n, (size_t)(touched - p)));
    if (ZK_UNLIKELY(p + n > s->scratched)) {
        char *from = p > s->scratched ? p : s->scratched;

        memset(from, 0, (size_t)(p + n - from));
    }
    return p;
}

/* ---- scratch ---------------------------------------------------------- */

/* Has the whole slab accessible, as one mapping. */
static bool
open_far_end(struct zk_slab *s)
{
    if (!s->no_far_end && !commit_to(s, s->limit))
        s->no_far_end = true; /* it would be asked for each scratch */
    return !s->no_far_end;
}

void *
zk__slab_scratch(struct zk_slab *s, size_t n, size_t align)
{
    size_t room = (size_t)(s->scratch - zk_slab_next(s));
    size_t bytes = n + (n == 0), skip, used;
    char *p;

    if (bytes > room)
        return NULL;
    p = s->scratch - zk_round_up(bytes, ZK_GRANULE);
    skip = (uintptr_t)p & (align - 1);
    if (p < zk_slab_next(s) || skip > (size_t)(p - zk_slab_next(s)))
        return NULL;
    p -= skip;
    if (ZK_UNLIKELY(s->top != s->limit) && !open_far_end(s))
        return NULL;
    if (ZK_UNLIKELY(s->end < s->tail_most && p < s->tail_most))
        raise_end(s, zk_min_size((size_t)(s->tail_most - zk_slab_base(s)),
                                 (size_t)(s->top - zk_slab_base(s))));
    if (ZK_UNLIKELY(p < s->far_ready) && !grow_far(s, p))
        return NULL;
    s->scratch = p;
    if (p < s->scratched)
        s->scratched = p;
    if (p < s->scratch_low)
        s->scratch_low = p;
    used = (size_t)(s->limit - p);
    if (used > zk_load_relaxed(&s->scratch_peak))
        zk_store_relaxed(&s->scratch_peak, used);
    zk__unpoison(p, n);
    return p;
}

void
zk__slab_scratch_back(struct zk_slab *s, char *low)
{
    ZK_ASSERT(s->scratch <= low && low <= s->limit);
    zk__poison(s->scratch, (size_t)(low - s->scratch));
    s->scratch = low;
}

/* ---- looking up ------------------------------------------------------- */

struct zk_block
zk__slab_block(const struct zk_slab *s, const void *address)
{
    const struct zk_block none = {0, false};
    const char *p = address;
    uint64_t w;

    if (p < zk_slab_base(s) || p >= zk_slab_next(s) ||
        (size_t)(p - zk_slab_base(s)) % ZK_GRANULE != 0)
        return none;
    w = zk_load_relaxed(zk_slab_word(s, p));
    if (zk_word_tag(w) == zk_slab_tag(s) && zk_word_kind(w) == ZK_KIND_WINDOW) {
        uint16_t granules = s->window.sizes[zk_slab_granule(s, p)];

        if (granules == 0 || (granules & ZK_SIZE_FREED) != 0)
            return none;
        return (struct zk_block){granules * ZK_GRANULE, true};
    }
    return (struct zk_block){zk_slab_read(s, p, ZK_KIND_LARGE) * ZK_GRANULE,
                             false};
}

bool
zk__slab_free(struct zk_slab *s, void *address)
{
    struct zk_block block = zk__slab_block(s, address);

    if (block.bytes == 0)
        return false;
    if (block.small)
        zk__reuse_give_small(s, address, block.bytes / ZK_GRANULE);
    else
        zk__reuse_give_large(s, address, block.bytes);
    return true;
}

/* The topmost block of the innermost stage gets another end. */
static bool
move_top(struct zk_slab *s, char *p, size_t bytes)
{
    if (bytes > (size_t)(s->scratch - p))
        return false;
    if (p + bytes > s->ready && !grow(s, p + bytes, false))
        return false;
    zk_slab_note_peak(s);
    if (p + bytes > zk_slab_next(s))
        advance(s, p + bytes);
    else
        zk_slab_set_next(s, p + bytes);
    zk_slab_write(s, p, ZK_KIND_LARGE, bytes / ZK_GRANULE);
    return true;
}

bool
zk__slab_resize(struct zk_slab *s, char *p, struct zk_block block, size_t n)
{
    size_t bytes = zk_round_up(zk_max_size(n, ZK_SMALL_LIMIT), ZK_GRANULE);

    if (n > ZK_SLAB_BYTES_MAX)
        return false;
    if (block.small) {
        if (n > block.bytes)
            return false;
    } else if (p + block.bytes == zk_slab_next(s) &&
               zk_slab_depth(s, p) == s->depth) {
        if (!move_top(s, p, bytes))
            return false;
    } else if (bytes <= block.bytes) {
        zk__reuse_trim(s, p, block.bytes, bytes);
    } else if (zk__reuse_extend(s, p, block.bytes, bytes) == 0) {
        return false;
    }
    zk__poison(p, zk_min_size(block.bytes, bytes));
    zk__unpoison(p, n);
    return true;
}

/* ---- phases and stages ------------------------------------------------ */

void
zk__slab_reset(struct zk_slab *s)
{
    ZK_ASSERT(zk_slab_base(s) <= zk_slab_next(s) &&
              zk_slab_next(s) <= s->end); /* S1 */

    zk__poison(zk_slab_base(s), (size_t)(s->touched - zk_slab_base(s)));
    zk_slab_set_next(s, zk_slab_base(s));
    s->dirty = zk_slab_base(s);
    zk_store_relaxed(&s->peak, zk_slab_base(s));
    zk_store_relaxed(&s->stage_peak, zk_slab_base(s));
    zk__slab_scratch_back(s, s->limit); /* of tasks that a fork() cut off */
    zk_store_relaxed(&s->scratch_peak, (size_t)0);
    s->depth = 0;
    close_window(s);
    zk__reuse_clear(&s->free[0]);
    zk_store_relaxed(&s->inbox, 0u);
    zk_bump_relaxed(&s->tag, 1u);
    if (zk_slab_tag(s) > ZK_TAG_MAX) { /* once in 16 million phases */
        size_t used = (size_t)(s->end - zk_slab_base(s)) / ZK_PAGE;

        for (size_t i = 0; i < used; i++)
            zk_store_relaxed(&s->pages[i], (uint64_t)0);
        zk_store_relaxed(&s->tag, 1u);
    }
}

bool
zk__slab_move(struct zk_slab *s, char *to)
{
    char *from = zk_slab_base(s);
    size_t committed = (size_t)(s->top - from);
    bool shut;

    ZK_ASSERT(zk_slab_next(s) == from && s->depth == 0);
    zk__keep_lock(s);
    if (committed != 0 && !zk__os_move(from, to, committed)) {
        zk__keep_unlock(s);
        return false;
    }
    s->end = s->ready = to + (s->end - from); /* clipped below */
    s->top = to + (s->top - from);
    s->tail_end = to + (s->tail_end - from);
    s->tail_most = to + (s->tail_most - from);
    s->kept = to + (s->kept - from);
    s->scratched = to + (s->scratched - from);
    s->hidden = to;
    s->limit = to + (s->limit - from);
    s->far_ready = s->limit - zk_load_relaxed(&s->far);
    s->scratch = s->limit;
    s->touched = to + (s->touched - from);
    s->dirty = to;
    zk_store_relaxed(&s->peak, to);
    zk_store_relaxed(&s->stage_peak, to);
    s->window.base = to;
    zk_store_relaxed(&s->base, to);
    zk_slab_clip_ready(s);
    zk_slab_set_next(s, to);
    close_window(s);
    shut = committed == 0 || zk__os_shut(from, committed);
    zk__keep_unlock(s);
    return shut;
}

void
zk__slab_mark(struct zk_slab *s)
{
    struct zk_slab_mark *m = &s->marks[s->depth++];

    zk__reuse_clear(&s->free[s->depth]);
    ZK_ASSERT(s->depth <= ZK_MAX_STAGES);
    m->next = zk_slab_next(s);
    m->window_next = s->window.next;
    m->window_end = s->window.end;
    zk_slab_note_peak(s);
    m->stage_peak = zk_load_relaxed(&s->stage_peak);
    zk_store_relaxed(&s->stage_peak, zk_slab_next(s));
}

void
zk__slab_rewind(struct zk_slab *s)
{
    const struct zk_slab_mark *m = &s->marks[s->depth - 1];
    size_t first = zk_slab_granule(s, m->window_next);
    size_t last = zk_slab_granule(s, m->window_end);

    zk__reuse_receive(s); /* blocks of outer stages may be among them */
    s->depth--;
    zk_slab_note_peak(s);
    zk_bump_relaxed(&s->bytes_ended, (uint64_t)(zk_slab_next(s) - m->next));
    if (zk_slab_next(s) > s->dirty)
        s->dirty = zk_slab_next(s);
    zk__poison(m->next, (size_t)(zk_slab_next(s) - m->next));
    zk__poison_window(m->window_next, (size_t)(m->window_end - m->window_next));
    zk_slab_set_next(s, m->next);
    s->window.next = m->window_next;
    s->window.end = m->window_end;
    if (first < last) /* S4: what the stage put into the outer window */
        memset(&s->window.sizes[first], 0, (last - first) * sizeof(uint16_t));
    zk__reuse_settle(s);
    if (m->stage_peak > zk_load_relaxed(&s->stage_peak))
        zk_store_relaxed(&s->stage_peak, m->stage_peak);
}

void
zk__slab_ended(struct zk_slab *s)
{
    zk_bump_relaxed(&s->bytes_ended,
                    (uint64_t)(zk_slab_next(s) - zk_slab_base(s)));
}

/* The higher of a noted peak and where the fill stands now, from the base on. */
static size_t
fill(const struct zk_slab *s, const char *peak)
{
    const char *next = zk_slab_next(s);

    return (size_t)((next > peak ? next : peak) - zk_slab_base(s));
}

size_t
zk__slab_peak(const struct zk_slab *s)
{
    return fill(s, zk_load_relaxed(&s->peak));
}

bool
zk__slab_used(const struct zk_slab *s)
{
    return zk__slab_peak(s) != 0 || zk_load_relaxed(&s->scratch_peak) != 0;
}

size_t
zk__slab_stage_peak(const struct zk_slab *s)
{
    return fill(s, zk_load_relaxed(&s->stage_peak));
}
