/*
 * open.c - heaps that a program opens (zkrt/heap.h).
 *
 * Owns:   the list of them, and what their calls answer.
 * Never:  ends the process where a code can be returned.
 *
 * A block goes into the cache that its span was cut for, and else straight to
 * its pool: where a heap has a limit, a block that waits in somebody's cache may
 * be the one that another thread is refused.
 */
#include <zkrt/heap.h>

#include "alloc/heap.h"
#include "alloc/heap/find.h"
#include "alloc/heap/large.h"
#include "alloc/os.h"
#include "private/bits.h"

#define ALIGN_MAX ((size_t)1 << 30)

static struct {
    pthread_mutex_t lock;
    struct zk_heap *first;
} heaps = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t
record_bytes(void)
{
    return zk_round_up(sizeof(struct zk_heap), zk__os_page());
}

zk_err_t
zk_heap_open(zk_heap_t **heap, size_t limit_bytes)
{
    struct zk_heap *h;

    if (heap == NULL)
        return ZK_EINVAL;
    *heap = NULL;
    if (!zk__heap_ready())
        return ZK_ENOMEM;
    h = zk__os_map(record_bytes());
    if (h == NULL)
        return ZK_ENOMEM;
    zk__heap_init(h, true, limit_bytes != 0 ? limit_bytes : SIZE_MAX);
    pthread_mutex_lock(&heaps.lock);
    h->next = heaps.first;
    heaps.first = h;
    pthread_mutex_unlock(&heaps.lock);
    *heap = h;
    return ZK_OK;
}

/* Tells Valgrind of the end of each block, of those that are free already too. */
static void
mark_end(const struct zk_span *s)
{
#if ZK_HAVE_VALGRIND
    size_t n = s->class < ZK_CLASSES ? zk__class[s->class].count : 1;
    size_t bytes = s->class < ZK_CLASSES ? zk__class[s->class].size : 0;

    zk__marks_off();
    for (size_t i = 0; i < n; i++)
        zk__mark_free(zk_span_base(s) + i * bytes, bytes);
    zk__marks_on();
#endif
    (void)s;
}

static void
end_run(struct zk_span *s)
{
    size_t pages = s->pages;

    mark_end(s);
    zk__poison(zk_span_base(s), pages << ZK_HEAP_PAGE_SHIFT);
    zk__pages_give(zk_span_first(s), pages);
}

zk_err_t
zk_heap_close(zk_heap_t *heap)
{
    struct zk_heap **at;

    if (heap == NULL)
        return ZK_OK;
    pthread_mutex_lock(&heaps.lock);
    for (at = &heaps.first; *at != heap; at = &(*at)->next)
        if (*at == NULL) {
            pthread_mutex_unlock(&heaps.lock);
            return ZK_ESTALE;
        }
    *at = heap->next;
    pthread_mutex_unlock(&heaps.lock);

    zk__cache_unbind_all(heap);
    for (uint32_t i = heap->runs; i != ZK_PAGE_NONE;) {
        uint32_t above = zk_span_at(i)->above;

        end_run(zk_span_at(i));
        i = above;
    }
    zk__os_unmap(heap, record_bytes());
    return ZK_OK;
}

/* ---- caches ---------------------------------------------------------------- */

zk_err_t
zk_cache_open(zk_cache_t **cache, zk_heap_t *heap)
{
    if (cache == NULL)
        return ZK_EINVAL;
    *cache = NULL;
    if (heap == NULL)
        return ZK_EINVAL;
    *cache = zk__cache_open(heap);
    return *cache != NULL ? ZK_OK : ZK_ENOMEM;
}

zk_err_t
zk_cache_close(zk_cache_t *cache)
{
    if (cache != NULL)
        zk__cache_close(cache);
    return ZK_OK;
}

zk_err_t
zk_cache_flush(zk_cache_t *cache)
{
    if (cache == NULL)
        return ZK_EINVAL;
    if (cache->heap != NULL)
        zk__cache_flush(cache);
    return ZK_OK;
}

zk_err_t
zk_cache_bind(zk_cache_t *cache, zk_heap_t *heap)
{
    if (cache == NULL || heap == NULL)
        return ZK_EINVAL;
    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++)
        if (zk_bin_count(&cache->bins[i]) != 0)
            return ZK_EBUSY;
    zk__cache_bind(cache, heap);
    return ZK_OK;
}

/* ---- errors ------------------------------------------------------------------ */

static size_t
remaining(const struct zk_heap *h)
{
    size_t bytes = zk_load_relaxed(&h->bytes);

    return bytes < h->limit ? h->limit - bytes : 0;
}

static void *
refuse(struct zk_cache *c, enum zk_heap_fault fault, size_t n)
{
    c->error = (zk_heap_error_t){
        .size = sizeof c->error,
        .fault = fault,
        .requested = n,
        .remaining = c->heap != NULL ? remaining(c->heap) : 0,
    };
    return NULL;
}

static zk_err_t
reject(struct zk_cache *c, enum zk_misuse why, const void *p)
{
    static const struct {
        enum zk_heap_fault fault;
        zk_err_t code;
    } answer[] = {
        [ZK_MISUSE_FOREIGN] = {ZK_HEAP_FOREIGN, ZK_EPERM},
        [ZK_MISUSE_OWNED] = {ZK_HEAP_FOREIGN, ZK_EPERM},
        [ZK_MISUSE_INTERIOR] = {ZK_HEAP_INTERIOR, ZK_EINVAL},
        [ZK_MISUSE_TWICE] = {ZK_HEAP_FREED, ZK_ESTALE},
    };

    if (why == ZK_MISUSE_RECORD)
        zk__misuse(why, "zk_heap_free", p);
    (void)refuse(c, answer[why].fault, 0);
    c->error.address = p;
    return answer[why].code;
}

zk_err_t
zk_cache_error(const zk_cache_t *cache, zk_heap_error_t *error)
{
    if (cache == NULL || error == NULL || error->size != sizeof *error)
        return ZK_EINVAL;
    *error = cache->error;
    error->size = sizeof *error;
    return ZK_OK;
}

/* ---- blocks ------------------------------------------------------------------- */

static void *
take_block(struct zk_cache *c, unsigned class)
{
    void *p = NULL;

    if (class >= ZK_CACHED_CLASSES || zk_debug())
        (void)zk__pool_take(c->heap, class, c->home, &p, 1);
    else if (!zk_cache_pop(c, class, &p) && zk__cache_refill(c, class))
        (void)zk_cache_pop(c, class, &p);
    return p;
}

static void *
take(struct zk_cache *c, size_t n, size_t align)
{
    size_t want = n + zk_heap_extra();
    unsigned class = zk__heap_class(want, align);
    size_t bytes = class < ZK_CLASSES ? zk__class[class].size
                                      : zk_round_up(want, ZK_HEAP_PAGE);
    void *p = class < ZK_CLASSES ? take_block(c, class)
                                 : zk__large_alloc(c->heap, want, align, false);

    if (p != NULL && zk_debug())
        zk__debug_hand_out(p, n, bytes, class < ZK_CLASSES, "zk_heap_alloc");
    return p;
}

void *
zk_heap_alloc(zk_cache_t *cache, size_t n, size_t align)
{
    void *p;

    if (cache == NULL)
        return NULL;
    if (cache->heap == NULL)
        return refuse(cache, ZK_HEAP_UNBOUND, n);
    if (n == 0)
        return refuse(cache, ZK_HEAP_ZERO_SIZE, n);
    if (align == 0)
        align = 1;
    if (!zk_is_pow2(align) || align > ALIGN_MAX)
        return refuse(cache, ZK_HEAP_ALIGNMENT, n);
    if (n > SIZE_MAX / 2 || n > cache->heap->limit ||
        n > zk__pages_use().reserved)
        return refuse(cache, ZK_HEAP_TOO_LARGE, n);
    p = take(cache, n, align);
    if (p == NULL) { /* what is free, but not here, may be enough */
        zk__cache_flush(cache);
        zk__heap_trim(cache->heap);
        p = take(cache, n, align);
    }
    if (p == NULL)
        return refuse(cache, ZK_HEAP_NO_MEMORY, n);
    zk__mark_alloc(p, n, false);
    return p;
}

/* Whether a block lies in this very cache. */
static bool
holds(const struct zk_cache *c, unsigned class, const void *p)
{
    const struct zk_bin *b = &c->bins[class];

    for (void **at = zk_load_relaxed(&b->top); at != b->floor;)
        if (zk_entry_block(c, --at) == p)
            return true;
    return false;
}

static zk_err_t
give_back(struct zk_cache *c, struct zk_found at, void *p)
{
    if (zk_debug())
        (void)zk__debug_check(p, at.bytes, "zk_heap_free");
    if (at.class == ZK_CLASSES) {
        zk__mark_free(p, at.bytes);
        zk__large_free(at.span);
        return ZK_OK;
    }
    if (at.class < ZK_CACHED_CLASSES && holds(c, at.class, p))
        return reject(c, ZK_MISUSE_TWICE, p);
    zk__mark_free(p, at.bytes);
    if (zk_debug())
        zk__debug_fill(p, at.bytes);
    if (at.class >= ZK_CACHED_CLASSES || at.span->home != c->home ||
        zk_debug()) {
        zk__pool_give(c->heap, at.class, c->home, &p, 1);
    } else if (!zk_cache_push(c, at.class, p)) {
        zk__cache_drain(c, at.class);
        (void)zk_cache_push(c, at.class, p);
    }
    return ZK_OK;
}

zk_err_t
zk_heap_free(zk_cache_t *cache, void *p)
{
    struct zk_found at;

    if (p == NULL)
        return ZK_OK;
    if (cache == NULL)
        return ZK_EINVAL;
    if (cache->heap == NULL) {
        (void)refuse(cache, ZK_HEAP_UNBOUND, 0);
        return ZK_ESTALE;
    }
    at = zk__heap_find(cache->heap, p);
    return at.span != NULL ? give_back(cache, at, p) : reject(cache, at.why, p);
}

/* Whether a request for this would have got a block like that. */
static bool
is_size(struct zk_found at, const void *p, size_t n, size_t align)
{
    if (align == 0)
        align = 1;
    if (n == 0 || n > SIZE_MAX / 2 || !zk_is_pow2(align) || align > ALIGN_MAX)
        return false;
    if (zk_debug() && zk__debug_check(p, at.bytes, "zk_heap_free_sized") != n)
        return false;
    n += zk_heap_extra();
    if (zk__heap_class(n, align) != at.class)
        return false;
    return at.class < ZK_CLASSES || zk_round_up(n, ZK_HEAP_PAGE) == at.bytes;
}

zk_err_t
zk_heap_free_sized(zk_cache_t *cache, void *p, size_t n, size_t align)
{
    if (cache != NULL && cache->heap != NULL && p != NULL) {
        struct zk_found at = zk__heap_find(cache->heap, p);

        if (at.span != NULL && !is_size(at, p, n, align)) {
            (void)refuse(cache, ZK_HEAP_WRONG_SIZE, n);
            cache->error.address = p;
            return ZK_EINVAL;
        }
    }
    return zk_heap_free(cache, p);
}

size_t
zk_heap_usable_size(const zk_heap_t *heap, const void *p)
{
    struct zk_found at;

    if (heap == NULL || p == NULL)
        return 0;
    at = zk__heap_find(heap, p);
    if (at.span == NULL)
        return 0;
    if (zk_debug())
        return zk__debug_check(p, at.bytes, "zk_heap_usable_size");
    zk__mark_grown(p, at.bytes); /* the caller may use them from now on */
    return at.bytes;
}

/* ---- fork --------------------------------------------------------------------- */

void
zk__heaps_lock(void)
{
    pthread_mutex_lock(&heaps.lock);
    for (struct zk_heap *h = heaps.first; h != NULL; h = h->next)
        zk__heap_lock_all(h);
}

void
zk__heaps_unlock(void)
{
    for (struct zk_heap *h = heaps.first; h != NULL; h = h->next)
        zk__heap_unlock_all(h);
    pthread_mutex_unlock(&heaps.lock);
}
