/*
 * heap.h - the process's heap: what outlives a phase, or is too small for one.
 *
 * Owns:   the calling thread's cache, and the way from a request to a block of it.
 * Never:  sees an arena's address.
 *
 *     request -> class -> the thread's bin of it          cache.h
 *                          | empty, or full: a batch
 *                         the class's pool                pool.h
 *                          | bits of a span               span.h
 *                         runs of 64 KiB pages            pages.h
 *     above 512 KiB ---------^                            large.h
 *
 * A thread's cache opens with its first block and goes back when it exits. What
 * a thread allocates or frees after that goes to the pools one by one. There are
 * caches of threads, not of slots: a thread may allocate before it enters a lane
 * and after it left, and a slot's memory lies on its node anyhow, since a span is
 * touched first by the thread that it was cut for.
 *
 * While the checks of debug.h are on no thread has a cache.
 *
 * A child of fork() has the forking thread's cache. What the others had in theirs
 * is lost to it: at most 128 KiB of a class.
 */
#ifndef ZK_ALLOC_HEAP_H
#define ZK_ALLOC_HEAP_H

#include <stddef.h>

#include <zkrt/export.h>

#include "alloc/heap/cache.h"
#include "alloc/heap/debug.h"
#include "private/poison.h"

extern struct zk_heap zk__heap;

/* The calling thread's cache; zk__cache_none before there is one, and after. */
extern ZK_THREAD_LOCAL struct zk_cache *zk__cache;

/* Opens what all heaps share, once. False: no address space is left. */
bool zk__heap_ready(void);

void *zk__heap_alloc_slow(size_t n);

/* As malloc, with errno ENOMEM. A size of 0 is a block of the smallest size. */
static inline void *
zk__heap_alloc(size_t n)
{
    void *p;

    if (ZK_UNLIKELY(n > ZK_CACHED_MAX - ZK_REDZONE) ||
        ZK_UNLIKELY(
            !zk_cache_pop(zk__cache, zk_class_of_cached(n + ZK_REDZONE), &p)))
        return zk__heap_alloc_slow(n);
    zk__mark_alloc(p, n, false);
    return p;
}

/* Frees a block that fits the caller's cache. False: nothing was done. */
static inline bool
zk__heap_free_fast(void *p)
{
    size_t page = zk_page_of(p);
    uint32_t word, offset;
    unsigned kind;

    if (ZK_UNLIKELY(!zk_page_quick(page)))
        return false;
    word = zk_load_relaxed(&zk__pages.words[page]);
    kind = zk_run_kind(word);
    offset = zk_run_back_bytes(word) | (uint16_t)(uintptr_t)p;
    if (ZK_UNLIKELY(!zk_cached_starts(kind, offset)) ||
        ZK_UNLIKELY(!zk_cache_push(zk__cache, kind, p)))
        return false;
    zk__mark_free(p, zk__class[kind].size);
    return true;
}

/*
 * The same for any block, and for NULL. Whatever is no block of the process's
 * heap ends the process with a report that names the call.
 */
void zk__heap_free_slow(void *p, const char *call);

static inline void
zk__heap_free(void *p)
{
    if (ZK_UNLIKELY(!zk__heap_free_fast(p)))
        zk__heap_free_slow(p, "free");
}

/* As calloc, aligned_alloc with any size, and realloc. */
void *zk__heap_alloc_zeroed(size_t n);
void *zk__heap_alloc_aligned(size_t align, size_t n);
void *zk__heap_realloc(void *p, size_t n);

/*
 * Frees a block of which the caller says how large it is; where that is checked
 * (debug.h), another size ends the process.
 */
void zk__heap_free_sized(void *p, size_t n, const char *call);

/* Gives what the caller's cache holds to the pools, and their whole spans to the
 * pages. */
void zk__heap_flush(void);

/* As zk__pages_release(), of what caches keep aside for so long as well. */
size_t zk__heap_release(size_t bytes, unsigned decay_ms, unsigned *next_ms);

/* What may be used at p: all of its block, or with guards (debug.h) no more than
 * was asked for. 0: p is no block. */
size_t zk__heap_usable(const void *p);

/* Whether an address lies in the range of the heaps. */
static inline bool
zk__heap_owns(const void *p)
{
    return zk_page_ours(zk_page_of(p));
}

#endif
