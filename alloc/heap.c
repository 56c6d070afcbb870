/*
 * heap.c - the process's heap: opening it, threads, fork, and what is not the
 * common case.
 *
 * Owns:   the heap, and the watch for threads that exit.
 * Never:  calls anything that allocates before the caller has a cache: it may
 *         stand under malloc itself.
 */
#include "alloc/heap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "alloc/heap/find.h"
#include "alloc/heap/large.h"
#include "private/bits.h"

struct zk_heap zk__heap;

ZK_THREAD_LOCAL struct zk_cache *zk__cache = &zk__cache_none;

/* This thread's cache was given back, and it shall get no other. */
static ZK_THREAD_LOCAL bool gone;

static struct {
    pthread_mutex_t lock;
    _Atomic bool done;
    bool watched; /* threads that exit */
    pthread_key_t key;
} opened = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- fork ---------------------------------------------------------------- */

/* In the order in which they nest: pool.h, L4. */
static void
before_fork(void)
{
    zk__heaps_lock();
    zk__cache_lock();
    zk__heap_lock_all(&zk__heap);
    zk__pages_lock();
    zk__debug_lock();
}

static void
after_fork(void)
{
    zk__debug_unlock();
    zk__pages_unlock();
    zk__heap_unlock_all(&zk__heap);
    zk__cache_unlock();
    zk__heaps_unlock();
}

/* ---- opening ---------------------------------------------------------------- */

/* A thread exits: destructors that run later do without a cache. */
static void
thread_exits(void *cache)
{
    zk__cache = &zk__cache_none;
    gone = true;
    zk__cache_close(cache);
}

bool
zk__heap_ready(void)
{
    bool first = false;

    if (ZK_LIKELY(zk_load_acquire(&opened.done))) /* A1 <- R1 */
        return true;
    pthread_mutex_lock(&opened.lock);
    if (!zk_load_relaxed(&opened.done)) {
        zk__class_open();
        if (zk__pages_open()) {
            zk__debug_open();
            zk__heap_init(&zk__heap, false, SIZE_MAX);
            opened.watched = pthread_key_create(&opened.key, thread_exits) == 0;
            zk_store_release(&opened.done, true); /* R1 -> A1 */
            first = true;
        }
    }
    pthread_mutex_unlock(&opened.lock);
    /* It allocates, and finds an open heap. */
    if (first)
        (void)pthread_atfork(before_fork, after_fork, after_fork);
    return zk_load_relaxed(&opened.done);
}

/* The caller's cache, or NULL where it has none and gets none. */
static struct zk_cache *
mine(void)
{
    struct zk_cache *c = zk__cache;

    if (ZK_LIKELY(c != &zk__cache_none))
        return c;
    if (gone || !zk__heap_ready() || zk_debug())
        return NULL;
    c = zk__cache_open(&zk__heap);
    if (c == NULL)
        return NULL;
    zk__cache = c;
    /* This may allocate: the C library has room for the first 32 keys only. */
    if (opened.watched)
        (void)pthread_setspecific(opened.key, c);
    return c;
}

/* ---- blocks ------------------------------------------------------------------ */

static void *
no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* A block of a class, wherever it comes from. */
static void *
take(unsigned class)
{
    struct zk_cache *c = mine();
    void *p = NULL;

    if (c != NULL && class < ZK_CACHED_CLASSES) {
        if (!zk_cache_pop(c, class, &p) && zk__cache_refill(c, class))
            (void)zk_cache_pop(c, class, &p);
        zk__cache_sweep_if_due();
    } else if (zk__heap_ready()) {
        (void)zk__pool_take(&zk__heap, class, 0, &p, 1);
    }
    return p;
}

/* A large block: the one that the thread freed last, where that is as large. What
 * shall be zero comes from the pages, which know which of them are. */
static void *
take_large(size_t n, size_t align, bool zeroed)
{
    struct zk_span *s = NULL;

    if (!zeroed)
        s = zk__aside_take(&zk__cache->aside, zk_large_pages(n),
                           zk_max_size(align >> ZK_HEAP_PAGE_SHIFT, 1));
    if (s != NULL)
        return zk_span_base(s);
    zk__cache_sweep_if_due();
    return zk__large_alloc(&zk__heap, n, align, zeroed);
}

static void *
alloc(size_t n, size_t align, bool zeroed)
{
    size_t want, bytes;
    unsigned class;
    void *p;

    if (n > SIZE_MAX / 2 || !zk__heap_ready())
        return no_memory();
    want = zk_max_size(n + zk_heap_extra(), 1);
    class = zk__heap_class(want, align);
    if (class == ZK_CLASSES) {
        p = take_large(want, align, zeroed);
        bytes = zk_round_up(want, ZK_HEAP_PAGE);
    } else {
        p = take(class);
        bytes = zk__class[class].size;
    }
    if (p == NULL)
        return no_memory();
    if (zk_debug())
        zk__debug_hand_out(p, n, bytes, class != ZK_CLASSES, "an allocation");
    zk__mark_alloc(p, n, zeroed && class == ZK_CLASSES);
    if (zeroed && class != ZK_CLASSES)
        memset(p, 0, n);
    return p;
}

void *
zk__heap_alloc_slow(size_t n)
{
    return alloc(n, 1, false);
}

void *
zk__heap_alloc_zeroed(size_t n)
{
    void *p;

    if (n > ZK_CACHED_MAX)
        return alloc(n, 1, true);
    p = zk__heap_alloc(n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

void *
zk__heap_alloc_aligned(size_t align, size_t n)
{
    return alloc(n, align, false);
}

/* Whether the block is the one that its thread freed last. */
static bool
just_freed(const struct zk_cache *c, unsigned class, const void *p)
{
    void **newest = zk_load_relaxed(&c->bins[class].top) - 1;

    return *newest == zk_entry_of(c, newest, p);
}

/* A live block where the checks are on: its cache is the row of those that wait. */
static void
free_checked(struct zk_found at, void *p)
{
    unsigned class = at.class;

    if (class == ZK_CLASSES) {
        zk__large_free(at.span);
        return;
    }
    p = zk__debug_wait(p, &class);
    if (p != NULL)
        zk__pool_give(&zk__heap, class, 0, &p, 1);
}

void
zk__heap_free_slow(void *p, const char *call)
{
    struct zk_found at;
    struct zk_cache *c;

    if (p == NULL)
        return;
    at = zk__heap_find(&zk__heap, p);
    if (at.span == NULL)
        zk__misuse(at.why, call, p);
    if (zk_debug()) {
        (void)zk__debug_check(p, at.bytes, call);
        free_checked(at, p);
        return;
    }
    zk__mark_free(p, at.bytes);
    c = mine();
    if (at.class == ZK_CLASSES) {
        if (c != NULL)
            zk__cache_keep(c, at.span);
        else
            zk__large_free(at.span);
        return;
    }
    if (c == NULL || at.class >= ZK_CACHED_CLASSES) {
        zk__pool_give(&zk__heap, at.class, 0, &p, 1);
        return;
    }
    if (just_freed(c, at.class, p))
        zk__misuse(ZK_MISUSE_TWICE, call, p);
    if (!zk_cache_push(c, at.class, p)) {
        zk__cache_drain(c, at.class);
        (void)zk_cache_push(c, at.class, p);
    }
}

void
zk__heap_free_sized(void *p, size_t n, const char *call)
{
    struct zk_found at;

    if (p != NULL && zk_debug()) {
        at = zk__heap_find(&zk__heap, p);
        if (at.span != NULL && zk__debug_check(p, at.bytes, call) != n)
            zk__misuse(ZK_MISUSE_SIZE, call, p);
    }
    zk__heap_free_slow(p, call);
}

static size_t
usable_checked(const void *p, size_t bytes)
{
    size_t n;

    return zk__debug_look(p, bytes, &n) == ZK_SEAL_FILLED
               ? 0
               : zk__debug_check(p, bytes, "usable size");
}

size_t
zk__heap_usable(const void *p)
{
    struct zk_found at = zk__heap_find(&zk__heap, p);

    if (at.span == NULL)
        return 0;
    if (zk_debug())
        return usable_checked(p, at.bytes);
    zk__mark_grown(p, at.bytes); /* the caller may use them from now on */
    return at.bytes;
}

size_t
zk__heap_release(size_t bytes, unsigned decay_ms, unsigned *next_ms)
{
    unsigned wait;
    size_t released;

    zk__cache_sweep(decay_ms, &wait);
    released = zk__pages_release(bytes, decay_ms, next_ms);
    if (wait != 0 && (*next_ms == 0 || wait < *next_ms))
        *next_ms = wait;
    return released;
}

void
zk__heap_flush(void)
{
    if (zk__cache != &zk__cache_none)
        zk__cache_flush(zk__cache);
    if (zk_load_acquire(&opened.done)) /* A1 <- R1 */
        zk__heap_trim(&zk__heap);
}

/* ---- changing a block's size ------------------------------------------------------ */

/* Whether a block of a class stays what it is for a request of n bytes. */
static bool
stays(const struct zk_found *at, size_t n)
{
    /* What shrinks moves when half of it would be idle. */
    return at->class != ZK_CLASSES && n <= at->bytes &&
           (n > at->bytes / 2 || at->bytes <= 64);
}

/* The block always moves, so that whoever still has its old address is seen. */
static void *
realloc_checked(struct zk_found at, void *p, size_t n)
{
    size_t had = zk__debug_check(p, at.bytes, "realloc");
    void *moved = zk__heap_alloc(n);

    if (moved == NULL)
        return NULL;
    memcpy(moved, p, zk_min_size(had, n));
    free_checked(at, p);
    return moved;
}

void *
zk__heap_realloc(void *p, size_t n)
{
    struct zk_found at;
    void *moved;

    if (p == NULL)
        return zk__heap_alloc(n);
    at = zk__heap_find(&zk__heap, p);
    if (at.span == NULL)
        zk__misuse(at.why, "realloc", p);
    if (n > SIZE_MAX / 2)
        return no_memory();
    if (zk_debug())
        return realloc_checked(at, p, n);
    if (stays(&at, n + ZK_REDZONE)) {
        zk__mark_free(p, at.bytes);
        zk__mark_alloc(p, n, true);
        return p;
    }
    if (at.class == ZK_CLASSES && n + ZK_REDZONE > ZK_CLASS_MAX) {
        zk__mark_free(p, at.bytes);
        moved = zk__large_resize(at.span, n + ZK_REDZONE);
        if (moved == NULL) {
            zk__mark_alloc(p, at.bytes, true);
            return no_memory();
        }
        zk__poison(moved, zk_round_up(n + ZK_REDZONE, ZK_HEAP_PAGE));
        zk__mark_alloc(moved, n, true);
        return moved;
    }
    zk__unpoison(p, at.bytes); /* nobody knows how much of it was asked for */
    moved = zk__heap_alloc(n);
    if (moved == NULL)
        return NULL;
    memcpy(moved, p, zk_min_size(at.bytes, n));
    zk__heap_free(p);
    return moved;
}
