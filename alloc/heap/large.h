/*
 * large.h - blocks that are runs of pages of their own: above 512 KiB.
 *
 * Owns:   the records of those blocks, and how they grow.
 * Never:  copies what the kernel can move.
 *
 * A block grows into the free pages that follow it. Where there are not enough,
 * it is moved to a larger run, by its page tables from 1 MiB on. It shrinks in
 * place.
 *
 * Thread: any; a block is used by one at a time.
 */
#ifndef ZK_ALLOC_HEAP_LARGE_H
#define ZK_ALLOC_HEAP_LARGE_H

#include "alloc/heap/pool.h"

/* NULL: out of memory, or beyond the heap's limit. All of it is poisoned. */
void *zk__large_alloc(struct zk_heap *h, size_t n, size_t align, bool zeroed);

/* pre: s is the record of a large block */
void zk__large_free(struct zk_span *s);

/* The same of a block that is free since since_ms, as zk__pages_give_old(). */
void zk__large_free_old(struct zk_span *s, uint32_t since_ms);

/* Pages of a block of n bytes. */
static inline size_t
zk_large_pages(size_t n)
{
    return (n >> ZK_HEAP_PAGE_SHIFT) + ((n & (ZK_HEAP_PAGE - 1)) != 0);
}

/*
 * The block with a size that is large as well; where it is now, or NULL: out of
 * memory, and it is as it was.
 */
void *zk__large_resize(struct zk_span *s, size_t n);

static inline size_t
zk_large_bytes(const struct zk_span *s)
{
    return (size_t)s->pages << ZK_HEAP_PAGE_SHIFT;
}

#endif
