/*
 * cache.h - the blocks that one thread has at hand.
 *
 *     bin of a class:   floor                  top        ceil
 *                         v                     v          v
 *                  | NULL | p0 | p1 | ... | pn  |          |
 *
 * Owns:   a stack of addresses for each class up to 128 KiB, and the place of one
 *         large block (aside.h).
 * Never:  touches a block: addresses lie beside each other in the cache, not in
 *         the blocks, so a freed line that is cold stays cold, a batch is not
 *         followed through memory, and there is no link to overwrite.
 *
 * The block that was freed last is handed out first. A bin that is empty is
 * refilled to a half, one that is full gives the older half back.
 *
 * C1  floor <= top <= ceil; all of [floor, top) are blocks of the bin's class
 *     in the cache's heap, each of them once.
 * C2  floor[-1] stands for no block, so top[-1] can be read at any time.
 *
 * Built with ZK_HARDENED, an entry is not the address but one made of it, of the
 * heap's secret and of where the entry stands, and what comes out of a bin has to
 * be where a block of its class begins. So an entry that was overwritten, or was
 * copied from another place, ends the process instead of being handed out. The
 * multiplication spreads what is wrong in a few bits of an entry over all bits
 * above them. Keys of this kind are those of "safe linking" and of the pointer
 * guard of C libraries.
 *
 * Thread: the cache's own. Others read top, for statistics.
 */
#ifndef ZK_ALLOC_HEAP_CACHE_H
#define ZK_ALLOC_HEAP_CACHE_H

#include <stdbool.h>

#include <zkrt/heap.h>

#include "alloc/heap/aside.h"
#include "alloc/heap/pool.h"
#include "private/check.h"
#include "private/poison.h"

struct zk_bin {
    _Alignas(32) _Atomic(void **) top; /* so that a shift finds it */
    void **floor;
    void **ceil;
};

struct zk_cache {
    struct zk_bin bins[ZK_CACHED_CLASSES];
    struct zk_heap *heap; /* NULL: it was closed */
    uintptr_t secret;     /* the heap's, where entries have one */
    zk_aside_t aside;     /* empty where the heap is one that was opened */
    uint32_t home; /* its number; spans remember for whom they were cut */
    struct zk_cache *next, *prev; /* in the list of caches in use */
    zk_heap_error_t error;        /* of the last call that failed (open.c) */
};

/* A cache without room for anything, which stands where there is none. */
extern struct zk_cache zk__cache_none;

/* A cache for this heap, empty; or NULL: out of memory. */
struct zk_cache *zk__cache_open(struct zk_heap *h);

/* Gives all blocks to the pool; the cache stays. */
void zk__cache_flush(struct zk_cache *c);

/* The same, and it is nobody's then. */
void zk__cache_close(struct zk_cache *c);

/* Has an empty cache serve this heap from now on. */
void zk__cache_bind(struct zk_cache *c, struct zk_heap *h);

/* Has all caches of a heap that ends forget its blocks, and it. */
void zk__cache_unbind_all(const struct zk_heap *h);

/* Makes room in a full bin. pre: the class has a limit */
void zk__cache_drain(struct zk_cache *c, unsigned class);

/* Puts something into an empty bin. False: out of memory. pre: as above */
bool zk__cache_refill(struct zk_cache *c, unsigned class);

static inline unsigned
zk_bin_count(const struct zk_bin *b)
{
    return (unsigned)(zk_load_relaxed(&b->top) - b->floor);
}

#ifdef ZK_HARDENED
#    define ZK_ENTRY_TIMES   UINT64_C(0x9e3779b97f4a7c15)
#    define ZK_ENTRY_INVERSE UINT64_C(0xf1de83e19937733d) /* times that: 1 */
#endif

/* The entry that stands at `at` for this block. */
static inline void *
zk_entry_of(const struct zk_cache *c, void *const *at, const void *p)
{
#ifdef ZK_HARDENED
    uintptr_t mixed = (uintptr_t)p ^ (uintptr_t)at ^ c->secret;

    return (void *)(mixed * ZK_ENTRY_TIMES);
#else
    (void)c, (void)at;
    return (void *)(uintptr_t)p;
#endif
}

/* The block that an entry stands for, unchecked. */
static inline void *
zk_entry_block(const struct zk_cache *c, void *const *at)
{
#ifdef ZK_HARDENED
    uintptr_t mixed = (uintptr_t)*at * ZK_ENTRY_INVERSE;

    return (void *)(mixed ^ (uintptr_t)at ^ c->secret);
#else
    (void)c;
    return *at;
#endif
}

/* Where they are built in: ends the process where p is no block of the cache's heap and of this class. */
void zk__cache_check(const struct zk_cache *c, unsigned class, const void *p);

/* Takes the newest block out. False: the bin is empty. */
static inline bool
zk_cache_pop(struct zk_cache *c, unsigned class, void **p)
{
    struct zk_bin *b = &c->bins[class];
    void **top = zk_load_relaxed(&b->top);

    if (ZK_UNLIKELY(top == b->floor))
        return false;
    *p = zk_entry_block(c, top - 1);
#ifdef ZK_HARDENED
    zk__cache_check(c, class, *p);
#endif
    zk__mark_forgotten(top - 1, sizeof *top);
    zk_store_relaxed(&b->top, top - 1);
    return true;
}

/* False: the bin is full, or this very block is the newest one in it. */
static inline bool
zk_cache_push(struct zk_cache *c, unsigned class, void *p)
{
    struct zk_bin *b = &c->bins[class];
    void **top = zk_load_relaxed(&b->top);

    if (ZK_UNLIKELY(top == b->ceil) ||
        ZK_UNLIKELY(top[-1] == zk_entry_of(c, top - 1, p)))
        return false;
    *top = zk_entry_of(c, top, p);
    zk_store_relaxed(&b->top, top + 1);
    return true;
}

/* Blocks and bytes in all caches of a heap; close while their threads run. */
struct zk_cached {
    size_t caches, blocks, bytes;
    size_t blocks_of[ZK_CACHED_CLASSES];
    size_t aside, aside_bytes; /* beside these */
};

struct zk_cached zk__cache_count(const struct zk_heap *h);

/*
 * Has the caller's cache keep a large block instead of freeing it, where it is
 * not too large; what the cache kept before is freed.
 *
 * pre  the cache is of the process's heap, and the block was found live
 */
void zk__cache_keep(struct zk_cache *c, struct zk_span *s);

/*
 * Frees the large blocks that caches have kept for decay_ms. *next_ms is after how
 * long there will be more, 0: there is nothing to wait for.
 */
void zk__cache_sweep(unsigned decay_ms, unsigned *next_ms);

/* The same, if some have been kept for as long as free memory is. */
void zk__cache_sweep_if_due(void);

void zk__cache_lock(void);
void zk__cache_unlock(void);

#endif
