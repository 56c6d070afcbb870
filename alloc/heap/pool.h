/*
 * pool.h - a heap's blocks of one class that are in no cache.
 *
 * Owns:   the spans of a class that have something, and the counts of what comes
 *         and goes.
 * Never:  sees a single request: caches come for batches.
 *
 * Blocks come back from whichever cache had room for them, so this is where what
 * one thread frees reaches the thread that allocates: a batch is there as soon as
 * it was given, for everybody.
 *
 * L1  A span is in its pool's list iff it has something; spans without anything
 *     are known by their blocks only.
 * L2  At most one span of a pool has all of its blocks: the next one goes back to
 *     the pages.
 * L3  What a record says of a list, its neighbours there say too; each visit of a
 *     span and each way out of a list asks them, and a record that was overwritten
 *     ends the process (report.h).
 * L4  Whoever holds a pool's lock may take that of the pages, never the other way
 *     round; nobody takes two pools' locks, but for fork (heap.h).
 */
#ifndef ZK_ALLOC_HEAP_POOL_H
#define ZK_ALLOC_HEAP_POOL_H

#include <pthread.h>

#include "alloc/heap/span.h"
#include "private/atomic.h"

/* Classes share locks: the thread sanitizer follows 64 in one thread at most, and
 * a fork takes them all. */
#define ZK_POOL_LOCKS 32u

struct zk_pool {
    uint32_t list;  /* first page of a span, or ZK_PAGE_NONE */
    uint32_t whole; /* spans in the list that have all of their blocks */
    uint32_t spans;
    _Atomic uint64_t taken, given; /* blocks so far */
    _Atomic uint64_t refills, drains;
    _Atomic uint64_t remote; /* given by another cache than they were cut for */
};

/*
 * A heap. `owned`: somebody opened it (zkrt/heap.h), it has a limit, and its runs
 * are known to it, so that it can end as a whole.
 */
struct zk_heap {
    struct zk_pool pools[ZK_CLASSES];
    struct {
        ZK_ALIGNED_LINE pthread_mutex_t lock;
    } locks[ZK_POOL_LOCKS];
    ZK_ALIGNED_LINE pthread_mutex_t runs_lock;
    uint32_t runs; /* the list of all of them, where it is owned */
    bool owned;
    uintptr_t secret;       /* of entries in its caches (cache.h) */
    size_t limit;           /* bytes of runs; SIZE_MAX: as many as there are */
    _Atomic size_t bytes;   /* of runs that it has */
    _Atomic uint32_t homes; /* numbers of caches given out */
    _Atomic size_t large, large_bytes;
    struct zk_heap *next; /* in the list of those that somebody opened */
};

/* An empty heap. */
void zk__heap_init(struct zk_heap *h, bool owned, size_t limit);

/* Counts the bytes of a run in. False: the limit does not allow them. */
bool zk__heap_charge(struct zk_heap *h, size_t bytes);
void zk__heap_discharge(struct zk_heap *h, size_t bytes);

/* Enters a run into an owned heap's list, and removes it. */
void zk__heap_link(struct zk_heap *h, struct zk_span *s);
void zk__heap_unlink(struct zk_heap *h, struct zk_span *s);

/*
 * Takes 1 to n blocks of a class, or 0: out of memory. They come from as few
 * spans as have them, the lowest address last; a span that is new serves
 * consecutive ones.
 */
unsigned zk__pool_take(struct zk_heap *h, unsigned class, uint32_t home,
                       void **out, unsigned n);

/*
 * Gives n blocks of a class back. A block that is in the pool already ends the
 * process (report.h).
 */
void zk__pool_give(struct zk_heap *h, unsigned class, uint32_t home,
                   void *const *in, unsigned n);

/* Gives the spans back that pools keep although they have all of their blocks. */
void zk__heap_trim(struct zk_heap *h);

/* An owned heap has one lock: there may be many such heaps. */
static inline pthread_mutex_t *
zk_pool_lock(struct zk_heap *h, unsigned class)
{
    return &h->locks[h->owned ? 0 : class % ZK_POOL_LOCKS].lock;
}

/* All of a heap's locks, for fork; and those of all heaps that were opened. */
void zk__heap_lock_all(struct zk_heap *h);
void zk__heap_unlock_all(struct zk_heap *h);
void zk__heaps_lock(void);
void zk__heaps_unlock(void);

#endif
