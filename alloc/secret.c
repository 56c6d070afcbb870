/*
 * secret.c - hiding, locking and wiping the slabs of a secret phase.
 *
 * Owns:   how far to cover ahead, and how what is to be wiped is cut.
 * Never:  wipes what a phase that goes on may still use.
 */
#include "alloc/secret.h"

#include <errno.h>

#include "alloc/keep.h"
#include "alloc/os.h"
#include "alloc/reuse.h"
#include "alloc/wipe.h"
#include "alloc/word.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/poison.h"

#define PIECE    ZK_HUGE_PAGE
#define LOCK_MAX ((size_t)64 << 20) /* ahead of what is needed */

/* ---- covering ----------------------------------------------------------- */

void
zk__secret_begin(struct zk_slab *s)
{
    ZK_ASSERT(zk_slab_next(s) == zk_slab_base(s) && s->depth == 0);

    s->min_bytes = 0; /* the heap would keep what it is given */
    s->ready = s->hidden = zk_slab_base(s);
    s->far_ready = s->scratch_low = s->limit;
    zk_store_relaxed(&s->locked, (size_t)0);
    zk_store_relaxed(&s->far_locked, (size_t)0);
    zk_store_relaxed(&s->hide_error, 0);
    zk_store_relaxed(&s->show_error, 0);
    zk_store_relaxed(&s->lock_error, 0);
    zk_store_relaxed(&s->secret, true);
}

/* Has the page there exist, with what is in it. */
__attribute__((noinline, no_sanitize("address", "thread"))) static void
touch(volatile char *p)
{
    *p = *p;
}

static void
hide(struct zk_slab *s)
{
    char *base = zk_slab_base(s), *to = s->top;

    if (s->hidden == to)
        return;
    if (s->hidden == base) {
        touch(base); /* E3 */
        if (s->touched == base)
            s->touched = base + ZK_GRANULE; /* so that it can be given up */
    }
    if (!zk__os_hide(base, (size_t)(to - base)))
        zk_store_relaxed(&s->hide_error, errno);
    s->hidden = to;
}

/* Locks `most` bytes from one address on, else `least` from another. How many; 0:
 * the system refused, and is not asked again. */
static size_t
lock(struct zk_slab *s, char *from, size_t most, char *or_from, size_t least)
{
    if (zk__os_lock(from, most))
        return most;
    if (zk__os_lock(or_from, least))
        return least;
    zk_store_relaxed(&s->lock_error, errno);
    return 0;
}

char *
zk__secret_cover(struct zk_slab *s, const char *need)
{
    char *base = zk_slab_base(s);
    size_t room = (size_t)(s->end - base), used = (size_t)(need - base);
    size_t had = zk_load_relaxed(&s->locked), least, most, more;

    hide(s);
    if (zk_load_relaxed(&s->lock_error) != 0)
        return s->end;
    least = zk_round_up(used, zk__os_page());
    most = zk_round_up(used + zk_min_size(used, LOCK_MAX), ZK_HUGE_PAGE);
    most = zk_max_size(zk_min_size(most, room), least); /* E2 */
    more = lock(s, base + had, most - had, base + had, least - had);
    zk_store_relaxed(&s->locked, had + more);
    return more != 0 ? base + had + more : s->end;
}

char *
zk__secret_cover_far(struct zk_slab *s, const char *need)
{
    char *base = zk_slab_base(s), *limit = s->limit;
    size_t room = (size_t)(limit - base), used = (size_t)(limit - need);
    size_t had = zk_load_relaxed(&s->far_locked), least, most, more;

    hide(s);
    if (zk_load_relaxed(&s->lock_error) != 0)
        return NULL;
    if (zk__keep_has_tail(s))
        room = (size_t)(limit - s->tail_most); /* E2 */
    least = zk_round_up(used, zk__os_page());
    most = zk_round_up(used + zk_min_size(used, LOCK_MAX), zk__os_page());
    most = zk_max_size(zk_min_size(most, room), least);
    more = lock(s, limit - most, most - had, limit - least, least - had);
    zk_store_relaxed(&s->far_locked, had + more);
    return more != 0 ? limit - had - more : NULL;
}

void
zk__secret_end(struct zk_slab *s, size_t min_bytes)
{
    char *base = zk_slab_base(s);
    size_t hidden = (size_t)(s->hidden - base);

    if (hidden != 0) {
        zk__os_unlock(base, hidden);
        if (!zk__os_show(base, hidden))
            zk_store_relaxed(&s->show_error, errno);
    }
    s->hidden = base;
    s->ready = s->end;
    zk_slab_clip_ready(s);
    s->far_ready = s->limit - zk_load_relaxed(&s->far);
    s->min_bytes = min_bytes;
    zk_store_relaxed(&s->secret, false);
}

/* ---- wiping ------------------------------------------------------------- */

struct range {
    char *p;
    size_t bytes;
};

/* E4: the blocks handed out since the phase began, or the innermost stage. */
static struct range
blocks_of(const struct zk_slab *s)
{
    char *base = zk_slab_base(s);
    char *from = s->depth != 0 ? s->marks[s->depth - 1].next : base;
    char *to =
        base + (s->depth != 0 ? zk__slab_stage_peak(s) : zk__slab_peak(s));

    return (struct range){from, (size_t)(to - from)};
}

/* The scratch that is over; all of it when the phase is. */
static struct range
scratch_of(const struct zk_slab *s)
{
    char *to = s->depth != 0 ? s->scratch : s->limit;

    return (struct range){s->scratch_low, s->scratch_low < to
                                              ? (size_t)(to - s->scratch_low)
                                              : 0};
}

static void
wipe(struct range r, bool past_cache)
{
    zk__unpoison(r.p, r.bytes);
    zk__wipe(r.p, r.bytes, past_cache);
    zk__poison(r.p, r.bytes);
}

/* Drops the pages of a range, and what shares them; where that is refused the
 * range is wiped. */
static void
drop(char *from, char *to)
{
    char *page = from - (uintptr_t)from % zk__os_page();

    if (!zk__os_discard(page, zk_round_up((size_t)(to - page), zk__os_page())))
        wipe((struct range){from, (size_t)(to - from)}, true);
}

void
zk__secret_wipe(struct zk_slab *s, bool forked)
{
    char *base = zk_slab_base(s);
    size_t blocks = zk__slab_peak(s);
    size_t scratch = zk_load_relaxed(&s->scratch_peak);
    bool past_cache = blocks + scratch > zk__wipe_cache_bytes();

    if (!forked) {
        wipe((struct range){base, blocks}, past_cache);
        wipe((struct range){s->limit - scratch, scratch}, past_cache);
        return;
    }
    zk__os_unlock(base, (size_t)(s->hidden - base));
    drop(base, base + blocks);
    drop(s->limit - scratch, s->limit);
}

static size_t
pieces_of(struct range r)
{
    return (r.bytes + PIECE - 1) / PIECE;
}

/* What a stage has put into a window of an outer one. */
static void
wipe_window(const struct zk_slab_mark *m)
{
    wipe((struct range){m->window_next,
                        (size_t)(m->window_end - m->window_next)},
         false);
}

struct zk_wipe
zk__wipe_begin(struct zk_arena *a)
{
    struct zk_wipe w = {.arena = a};

    for (unsigned i = 0; i < zk_load_relaxed(&a->active); i++) {
        struct zk_slab *s = &a->slabs[i];

        zk__reuse_receive(s); /* some links run through what is wiped */
        if (a->forked && s->depth == 0) {
            zk__secret_wipe(s, true);
            continue;
        }
        w.bytes += blocks_of(s).bytes + scratch_of(s).bytes;
        w.pieces += pieces_of(blocks_of(s)) + pieces_of(scratch_of(s));
        if (s->depth != 0)
            wipe_window(&s->marks[s->depth - 1]);
    }
    w.past_cache = w.bytes > zk__wipe_cache_bytes();
    return w;
}

/* Wipes a piece, if it is one of this range; else counts on to the next. */
static bool
wipe_in(struct range r, size_t *piece, bool past_cache)
{
    size_t n = pieces_of(r), at = *piece * PIECE;

    if (*piece >= n) {
        *piece -= n;
        return false;
    }
    wipe((struct range){r.p + at, zk_min_size(PIECE, r.bytes - at)},
         past_cache);
    return true;
}

void
zk__wipe_piece(const struct zk_wipe *w, size_t piece)
{
    const struct zk_arena *a = w->arena;

    ZK_ASSERT(piece < w->pieces);
    for (unsigned i = 0; i < zk_load_relaxed(&a->active); i++)
        if (wipe_in(blocks_of(&a->slabs[i]), &piece, w->past_cache) ||
            wipe_in(scratch_of(&a->slabs[i]), &piece, w->past_cache))
            return;
}

void
zk__wipe_end(const struct zk_wipe *w)
{
    for (unsigned i = 0; i < zk_load_relaxed(&w->arena->active); i++) {
        struct zk_slab *s = &w->arena->slabs[i];

        s->scratch_low = s->scratch;
    }
}
