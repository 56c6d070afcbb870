/*
 * large.c - runs of pages as blocks.
 *
 * Owns:   heap->large and large_bytes.
 * Never:  takes a lock of its own.
 */
#include "alloc/heap/large.h"

#include <string.h>

#include "private/bits.h"
#include "private/check.h"
#include "private/poison.h"

#define MOVE_BYTES ((size_t)1 << 20) /* below, a copy is faster */

void *
zk__large_alloc(struct zk_heap *h, size_t n, size_t align, bool zeroed)
{
    size_t pages = zk_large_pages(n), bytes = pages << ZK_HEAP_PAGE_SHIFT;
    struct zk_span *s;
    uint32_t first;

    if (n > SIZE_MAX - ZK_HEAP_PAGE || !zk__heap_charge(h, bytes))
        return NULL;
    first = zk__pages_take(pages, zk_max_size(align >> ZK_HEAP_PAGE_SHIFT, 1),
                           zeroed);
    if (first == ZK_PAGE_NONE) {
        zk__heap_discharge(h, bytes);
        return NULL;
    }
    s = zk_span_at(first);
    s->heap = h;
    s->pages = (uint32_t)pages;
    s->class = ZK_CLASSES;
    zk__pages_name(first, pages, ZK_RUN_LARGE);
    zk__heap_link(h, s);
    (void)zk_add_relaxed(&h->large, (size_t)1);
    (void)zk_add_relaxed(&h->large_bytes, bytes);
    zk__poison(zk_span_base(s), bytes); /* to the end of its last page */
    return zk_span_base(s);
}

/* It is no block any more; its pages are still taken, and charged for. */
static void
forget(struct zk_span *s)
{
    zk__heap_unlink(s->heap, s);
    (void)zk_add_relaxed(&s->heap->large, (size_t)0 - 1);
    (void)zk_add_relaxed(&s->heap->large_bytes, (size_t)0 - zk_large_bytes(s));
    zk__poison(zk_span_base(s), zk_large_bytes(s));
}

void
zk__large_free(struct zk_span *s)
{
    struct zk_heap *h = s->heap;
    size_t bytes = zk_large_bytes(s);

    forget(s);
    zk__pages_give(zk_span_first(s), s->pages);
    zk__heap_discharge(h, bytes);
}

void
zk__large_free_old(struct zk_span *s, uint32_t since_ms)
{
    struct zk_heap *h = s->heap;
    size_t bytes = zk_large_bytes(s);

    forget(s);
    zk__pages_give_old(zk_span_first(s), s->pages, since_ms);
    zk__heap_discharge(h, bytes);
}

static void
resized(struct zk_span *s, size_t pages)
{
    (void)zk_add_relaxed(&s->heap->large_bytes, (pages - s->pages)
                                                    << ZK_HEAP_PAGE_SHIFT);
    s->pages = (uint32_t)pages;
}

static void
shrink(struct zk_span *s, size_t pages)
{
    uint32_t first = zk_span_first(s);
    size_t less = s->pages - pages;

    resized(s, pages);
    zk__pages_give((uint32_t)(first + pages), less);
    zk__heap_discharge(s->heap, less << ZK_HEAP_PAGE_SHIFT);
}

static bool
grow(struct zk_span *s, size_t pages)
{
    uint32_t first = zk_span_first(s);
    size_t more = pages - s->pages;

    if (!zk__heap_charge(s->heap, more << ZK_HEAP_PAGE_SHIFT))
        return false;
    if (!zk__pages_take_at(first + s->pages, more, false)) {
        zk__heap_discharge(s->heap, more << ZK_HEAP_PAGE_SHIFT);
        return false;
    }
    resized(s, pages);
    zk__pages_name(first, pages, ZK_RUN_LARGE);
    return true;
}

static void *
move(struct zk_span *s, size_t n)
{
    char *to = zk__large_alloc(s->heap, n, 1, false), *from = zk_span_base(s);
    size_t bytes = zk_large_bytes(s);

    if (to == NULL)
        return NULL;
    zk__unpoison(from, bytes);
    zk__unpoison(to, n);
    if (bytes < MOVE_BYTES ||
        !zk__pages_move(zk_span_first(s), (uint32_t)zk_page_of(to), s->pages))
        memcpy(to, from, bytes);
    zk__large_free(s);
    return to;
}

void *
zk__large_resize(struct zk_span *s, size_t n)
{
    size_t pages = zk_large_pages(n);

    if (n > SIZE_MAX - ZK_HEAP_PAGE)
        return NULL;
    if (pages < s->pages)
        shrink(s, pages);
    else if (pages > s->pages && !grow(s, pages))
        return move(s, n);
    return zk_span_base(s);
}
