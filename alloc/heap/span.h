/*
 * span.h - a run of pages, cut into blocks of one class.
 *
 * Owns:   which blocks of a span are in the pool, as bits beside the pages.
 * Never:  touches a block: what is free is never read nor written.
 *
 * A set bit means that the block is in the pool, a clear one that it was handed
 * out or lies in a cache. So a block that comes back twice is found out when the
 * second copy reaches the pool, however long after.
 *
 * B1  `free` is the number of set bits.
 * B2  No bit is set in words below `hint`.
 *
 * Thread: under the lock of the span's pool (pool.h). A bit may be read without
 *         it, by whoever wants to know whether an address was handed out.
 */
#ifndef ZK_ALLOC_HEAP_SPAN_H
#define ZK_ALLOC_HEAP_SPAN_H

#include "alloc/heap/pages.h"

struct zk_heap;

/* Of what begins in a page: a span, a large block, or a free run. */
struct zk_span {
    struct zk_heap *heap;
    uint32_t next, prev;   /* in the pool's list of spans with something */
    uint32_t below, above; /* in the heap's list of all of its runs */
    uint32_t free;
    uint32_t hint;
    uint32_t pages;
    uint32_t since_ms; /* a free run: when it became free */
    uint32_t home;     /* the cache that it was cut for */
    uint8_t class;     /* ZK_CLASSES: a large block */
    bool listed;       /* in the pool's list */
    bool unclean;      /* a free run: part of it may be in memory */
};

_Static_assert(sizeof(struct zk_span) <= 64, "a line for each page");

static inline struct zk_span *
zk_span_at(size_t first)
{
    return &zk__pages.records[first];
}

static inline uint32_t
zk_span_first(const struct zk_span *s)
{
    return (uint32_t)(s - zk__pages.records);
}

static inline char *
zk_span_base(const struct zk_span *s)
{
    return zk_page_address(zk_span_first(s));
}

/* Makes a span of a run that was taken, with all of its blocks in it. */
void zk__span_cut(struct zk_span *s, unsigned class);

/*
 * Takes up to n blocks out, the lowest ones, and stores their addresses so that
 * the lowest is the last. Returns how many. Bits that are not what B1 says end the
 * process (report.h).
 */
unsigned zk__span_take(struct zk_span *s, void **out, unsigned n);

/*
 * Puts blocks in, whose bits are in one word: bit 0 is the block with the index
 * 64 * word, and `count` of them are set. Returns those that are in already; then
 * nothing was done.
 */
uint64_t zk__span_put(struct zk_span *s, uint32_t word, uint64_t bits,
                      uint32_t count);

/* Whether all blocks are in, by their bits. */
bool zk__span_whole(const struct zk_span *s);

/* Whether a block lies in the pool. Any thread, at any time. */
bool zk__span_has(const struct zk_span *s, uint32_t index);

#endif
