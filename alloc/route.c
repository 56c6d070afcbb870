/*
 * route.c - the public allocation calls: arena or heap?
 *
 * Owns:   the routing of zkrt/alloc.h and nothing behind it.
 * Never:  knows whose phase it is: the caller's slab says all (slab.h).
 *
 * To allocate, the caller's slab decides: a thread in no phase has one without
 * room. To give back, the address decides: it lies in an arena or it does not.
 */
#include <errno.h>
#include <string.h>

#include <zkrt/alloc.h>
#include <zkrt/error.h>

#include "alloc/arena.h"
#include "alloc/heap.h"
#include "alloc/overflow.h"
#include "alloc/reuse.h"
#include "alloc/slab.h"
#include "alloc/trap.h"
#include "alloc/word.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/poison.h"

#define ALIGN_MAX ((size_t)1 << 30)

/* A request for the arena went to the heap. The empty slab never gets here with
 * a request that it would have to count, see zk__slab_none. */
static void
count_overflow(struct zk_slab *s, size_t n)
{
    if (s == &zk__slab_none)
        return;
    zk_bump_relaxed(&s->overflow_count, (uint64_t)1);
    zk_bump_relaxed(&s->overflow_bytes, (uint64_t)n);
}

/* Where the heap is asked instead: as zk__heap_alloc(), or the others. */
struct request {
    size_t n;
    size_t align; /* 0: any */
    bool zeroed;
};

static void *
ask_heap(const struct request *r)
{
    if (r->zeroed)
        return zk__heap_alloc_zeroed(r->n);
    return r->align != 0 ? zk__heap_alloc_aligned(r->align, r->n)
                         : zk__heap_alloc(r->n);
}

/* The same, charged to the budget as if the arena had served it. */
static void *
ask_heap_for(struct zk_budget *b, const struct request *r)
{
    void *p;

    if (r->n > PTRDIFF_MAX || !zk__budget_take(b, r->n))
        return NULL;
    p = ask_heap(r);
    if (p != NULL && zk__overflow_enter(p, r->n))
        return p;
    if (p != NULL)
        zk__heap_free(p);
    zk__budget_give(r->n);
    zk__budget_refused(b, ZK_ENOMEM, r->n);
    return NULL;
}

/*
 * The arena has no room for a request: the heap serves it. Not in a secret phase,
 * where nobody would wipe it; and not once the phase was refused memory, of which
 * the heap is only another piece.
 */
static __attribute__((noinline)) void *
overflow(struct zk_slab *s, struct request r)
{
    void *p = NULL;

    if (s->budget == NULL) {
        p = ask_heap(&r);
    } else if (zk_load_relaxed(&s->budget->refused) == 0) {
        count_overflow(s, r.n);
        if (ZK_LIKELY(!zk_load_relaxed(&s->secret)))
            p = ask_heap_for(s->budget, &r);
    }
    if (p == NULL)
        errno = ENOMEM;
    return p;
}

/* Out of line, so that what comes before it needs no stack frame. */
static __attribute__((noinline)) void *
malloc_slow(struct zk_slab *s, size_t n)
{
    void *p = zk__slab_alloc(s, n, ZK_GRANULE);

    return p != NULL ? p : overflow(s, (struct request){.n = n});
}

void *
zk_malloc(size_t n)
{
    struct zk_slab *s = zk__slab_mine();

    if (n >= s->min_bytes) {
        void *p = zk_slab_quick(s, n);

        if (ZK_LIKELY(p != NULL))
            return p;
        return malloc_slow(s, n);
    }
    return zk__heap_alloc(n);
}

void *
zk_calloc(size_t count, size_t each)
{
    struct zk_slab *s = zk__slab_mine();
    size_t n;

    if (__builtin_mul_overflow(count, each, &n)) {
        errno = ENOMEM;
        return NULL;
    }
    if (n >= s->min_bytes) {
        void *p = zk__slab_alloc_zeroed(s, n);

        return ZK_LIKELY(p != NULL)
                   ? p
                   : overflow(s, (struct request){.n = n, .zeroed = true});
    }
    return zk__heap_alloc_zeroed(n);
}

void *
zk_aligned_alloc(size_t align, size_t n)
{
    struct zk_slab *s = zk__slab_mine();
    void *p;

    if (!zk_is_pow2(align) || align > ALIGN_MAX) {
        errno = EINVAL;
        return NULL;
    }
    if (n >= s->min_bytes) {
        p = zk__slab_alloc(s, n, zk_max_size(align, ZK_GRANULE));
        return ZK_LIKELY(p != NULL)
                   ? p
                   : overflow(s, (struct request){.n = n, .align = align});
    }
    p = zk__heap_alloc_aligned(align, n);
    if (p == NULL)
        errno = ENOMEM;
    return p;
}

static __attribute__((noinline)) void *
phase_alloc_slow(size_t n, size_t align)
{
    void *p;

    if (align == 0)
        align = ZK_GRANULE;
    if (!zk_is_pow2(align) || align > ALIGN_MAX) {
        errno = EINVAL;
        return NULL;
    }
    p = zk__slab_alloc(zk__slab_mine(), n, zk_max_size(align, ZK_GRANULE));
    if (p == NULL)
        errno = ENOMEM;
    return p;
}

void *
zk_phase_alloc(size_t n, size_t align)
{
    if (ZK_LIKELY((align & ~ZK_GRANULE) == 0)) {
        void *p = zk_slab_quick(zk__slab_mine(), n);

        if (ZK_LIKELY(p != NULL))
            return p;
    }
    return phase_alloc_slow(n, align);
}

/* The caller was handed, or passes us, an address that is no live block. */
static void
count_bad(struct zk_slab *s)
{
    zk_add_relaxed(&s->bad_frees, (uint64_t)1);
}

/*
 * A block of an arena gets another size. It stays in its slab when that is the
 * caller's; otherwise it moves to where the caller allocates now.
 */
static void *
realloc_arena(struct zk_slab *s, void *p, size_t n)
{
    struct zk_slab *mine = zk__slab_mine();
    struct zk_block block = zk__slab_block(s, p);
    void *moved;

    if (block.bytes == 0) {
        count_bad(s);
        errno = EINVAL;
        return NULL;
    }
    if (s == mine && zk__slab_resize(s, p, block, n))
        return p;
    zk__unpoison(p, block.bytes); /* all of its capacity is used, or copied */
    if (n <= block.bytes)
        return p;

    if (zk_load_relaxed(&s->secret) && !zk_load_relaxed(&mine->secret)) {
        errno = EPERM; /* it does not leave its phase this way */
        return NULL;
    }
    moved = zk__slab_alloc(mine, n, ZK_GRANULE);
    if (moved == NULL)
        moved = overflow(mine, (struct request){.n = n});
    if (moved == NULL)
        return NULL;
    zk__unpoison(p,
                 block.bytes); /* nobody knows how much of it was asked for */
    memmove(moved, p, zk_min_size(block.bytes, n));
    zk_free(p);
    return moved;
}

/* Back into the table; where that has no memory the charge is dropped. */
static void
enter_again(void *p, size_t charged)
{
    if (!zk__overflow_enter(p, charged))
        zk__budget_give(charged);
}

/* The same of a block that serves for an arena and has charged `had` bytes. */
static void *
realloc_overflow(void *p, size_t n, size_t had)
{
    struct zk_budget *b = zk__slab_mine()->budget;
    size_t has = had; /* outside of phases it grows for nothing */
    void *moved = NULL;

    if (n > had && b != NULL)
        has = n <= PTRDIFF_MAX && zk__budget_take(b, n - had) ? n : 0;
    if (has != 0)
        moved = zk__heap_realloc(p, n);
    if (moved == NULL) {
        if (has > had)
            zk__budget_give(has - had);
        enter_again(p, had);
        errno = ENOMEM;
        return NULL;
    }
    if (n < has) {
        zk__budget_give(has - n);
        has = n;
    }
    enter_again(moved, has);
    return moved;
}

/* A heap block gets another size, and stays one: sticky. */
static void *
realloc_heap(void *p, size_t n)
{
    size_t had = 0;

    if (ZK_UNLIKELY(zk_load_relaxed(&zk__overflow_live) != 0))
        had = zk__overflow_leave(p);
    return had == 0 ? zk__heap_realloc(p, n) : realloc_overflow(p, n, had);
}

void *
zk_realloc(void *p, size_t n)
{
    struct zk_place place;

    if (p == NULL)
        return zk_malloc(n);
    place = zk__arena_find(p);
    if (place.slab == NULL)
        return realloc_heap(p, n);
    if (ZK_UNLIKELY(place.stale)) {
        count_bad(place.slab);
        zk__trap_call(place, "zk_realloc", p);
        errno = EINVAL;
        return NULL;
    }
    return realloc_arena(place.slab, p, n);
}

/*
 * True for what lies in blocks of the caller's own slab: its phase is open and
 * the table of arenas need not be asked.
 */
static inline bool
is_mine(const struct zk_slab *mine, const char *p)
{
    const char *base = zk_slab_base(mine);

    return (size_t)(p - base) < (size_t)(zk_slab_next(mine) - base);
}

static __attribute__((noinline)) void
free_mine(struct zk_slab *mine, void *p)
{
    if (!zk__slab_free(mine, p))
        count_bad(mine);
}

static __attribute__((noinline)) void
free_elsewhere(void *p)
{
    struct zk_place place = zk__arena_find(p);

    if (place.slab == NULL) {
        zk__overflow_freed(p);
        zk__heap_free_slow(p, "zk_free");
        return;
    }
    if (ZK_UNLIKELY(place.stale)) {
        count_bad(place.slab);
        zk__trap_call(place, "zk_free", p);
        return;
    }
    if (!zk_load_acquire(&place.arena->open))
        return; /* the phase has ended: all its blocks die together */
    if (!(place.slab == zk__slab_mine() ? zk__slab_free(place.slab, p)
                                        : zk__slab_send(place.slab, p)))
        count_bad(place.slab);
}

void
zk_free(void *p)
{
    struct zk_slab *mine;

    if (ZK_LIKELY(zk__heap_free_fast(p)))
        return; /* and none of overflow.h: those are detours */
    mine = zk__slab_mine();
    if (!is_mine(mine, p))
        free_elsewhere(p);
    else if (!zk_slab_quick_free(mine, p))
        free_mine(mine, p);
}

size_t
zk_usable_size(const void *p)
{
    struct zk_place place;
    size_t bytes;

    if (p == NULL)
        return 0;
    place = zk__arena_find(p);
    if (place.slab == NULL)
        return zk__heap_usable(p);
    if (ZK_UNLIKELY(place.stale)) {
        zk__trap_call(place, "zk_usable_size", p);
        return 0;
    }
    bytes = zk__slab_block(place.slab, p).bytes;
    zk__unpoison(p, bytes); /* the caller may use them from now on */
    return bytes;
}

void *
zk_detach(const void *p, size_t n)
{
    void *copy;

    if (p == NULL && n != 0) {
        errno = EINVAL;
        return NULL;
    }
    copy = zk__heap_alloc(n);
    if (copy != NULL && n != 0)
        memcpy(copy, p, n);
    return copy;
}

int
zk_in_arena(const void *p)
{
    return zk__arena_find(p).slab != NULL;
}
