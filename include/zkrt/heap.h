/*
 * heap.h - heaps that a program opens, and what heaps have in use.
 *
 * Owns:   heaps as instances, their caches, typed errors, statistics.
 * Never:  is needed for zk_malloc(), which has a heap of its own.
 *
 * A heap that was opened has a limit, tells each error by its kind, and ends as a
 * whole: for a part of a program that shall not take more than its share, or
 * whose memory dies together. Threads allocate through caches, which the caller
 * opens and closes. Blocks of different heaps never share a page, so what is
 * freed in one is never handed out by another.
 */
#ifndef ZKRT_HEAP_H
#define ZKRT_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/error.h>

ZK_BEGIN_DECLS

typedef struct zk_heap zk_heap_t;
typedef struct zk_cache zk_cache_t;

/* What was wrong with a call on a cache. */
enum zk_heap_fault {
    ZK_HEAP_NO_FAULT = 0,
    ZK_HEAP_ZERO_SIZE,  /* nothing was asked for */
    ZK_HEAP_TOO_LARGE,  /* more than the heap's limit, or than can be */
    ZK_HEAP_NO_MEMORY,  /* less is left than was asked for */
    ZK_HEAP_ALIGNMENT,  /* no power of two, or more than 1 GiB */
    ZK_HEAP_FOREIGN,    /* an address of no block of this heap */
    ZK_HEAP_INTERIOR,   /* an address inside of a block */
    ZK_HEAP_FREED,      /* a block that is free already */
    ZK_HEAP_WRONG_SIZE, /* a block of another size */
    ZK_HEAP_UNBOUND     /* the cache's heap was closed */
};

typedef struct {
    size_t size; /* set by the caller: sizeof(zk_heap_error_t) */
    enum zk_heap_fault fault;
    size_t requested;    /* bytes that were asked for */
    size_t remaining;    /* bytes that the limit left */
    const void *address; /* that was to be freed */
} zk_heap_error_t;

/*
 * Opens a heap of at most so many bytes, in whole spans of 64 KiB and more; 0: as
 * many as there are. On an error *heap is NULL.
 *
 * Thread: any.
 * Errors: ZK_EINVAL  heap is NULL
 *         ZK_ENOMEM  no address space is left
 */
ZK_API ZK_NODISCARD zk_err_t zk_heap_open(zk_heap_t **heap, size_t limit_bytes);

/*
 * Ends a heap with all of its blocks. Its caches are empty and unbound then. NULL
 * is ZK_OK.
 *
 * Thread: any, while no other one uses the heap or a cache of it.
 * Cost:   O(spans), not blocks.
 */
ZK_API zk_err_t zk_heap_close(zk_heap_t *heap);

/*
 * A cache for one thread at a time, bound to a heap. On an error *cache is NULL.
 *
 * Thread: any; the cache is that thread's until it is handed on.
 * Errors: ZK_EINVAL  an argument is NULL
 *         ZK_ENOMEM  no memory for it
 */
ZK_API ZK_NODISCARD zk_err_t zk_cache_open(zk_cache_t **cache, zk_heap_t *heap);

/* Gives what it holds to its heap, and ends it. NULL is ZK_OK. The cache's
 * thread, as for all calls that name one. */
ZK_API zk_err_t zk_cache_close(zk_cache_t *cache);

/* Gives what it holds to its heap, where other caches find it. ZK_EINVAL: it is
 * NULL. */
ZK_API zk_err_t zk_cache_flush(zk_cache_t *cache);

/*
 * Binds a cache to another heap.
 *
 * Errors: ZK_EINVAL  an argument is NULL
 *         ZK_EBUSY   it is not empty: flush it first; nothing changed
 */
ZK_API ZK_NODISCARD zk_err_t zk_cache_bind(zk_cache_t *cache, zk_heap_t *heap);

/*
 * n bytes at a multiple of align, a power of two up to 1 GiB; 0: 16, and 64 from
 * 64 bytes on. NULL: zk_cache_error() tells why, and nothing changed.
 *
 * Thread: the cache's.
 */
ZK_API ZK_NODISCARD void *zk_heap_alloc(zk_cache_t *cache, size_t n,
                                        size_t align);

/*
 * Gives a block back, to the cache if it was cut for it, else to the heap, where
 * it can be had at once. NULL is ZK_OK.
 *
 * Errors: ZK_EPERM   no block of this heap
 *         ZK_EINVAL  inside of one
 *         ZK_ESTALE  free already, or the heap was closed
 *         Nothing changed; zk_cache_error() tells more. A block that another
 *         cache holds as free is found when it reaches the heap a second time,
 *         and ends the process: it may have had two owners by then.
 */
ZK_API ZK_NODISCARD zk_err_t zk_heap_free(zk_cache_t *cache, void *p);

/* The same of a block that was asked for with these; ZK_EINVAL: it was not. */
ZK_API ZK_NODISCARD zk_err_t zk_heap_free_sized(zk_cache_t *cache, void *p,
                                                size_t n, size_t align);

/* Bytes that may be used at p; 0: no live block of this heap begins there. */
ZK_API size_t zk_heap_usable_size(const zk_heap_t *heap, const void *p);

/* What was wrong with the last call on a cache that failed. ZK_EINVAL when
 * error->size is not one the library knows. */
ZK_API zk_err_t zk_cache_error(const zk_cache_t *cache, zk_heap_error_t *error);

#define ZK_HEAP_CLASSES 91

/*
 * What a heap has. Read without stopping anybody: exact while no thread uses the
 * heap, close otherwise.
 */
typedef struct {
    size_t size;      /* set by the caller: sizeof(zk_heap_stats_t) */
    size_t limit;     /* SIZE_MAX: none */
    size_t allocated; /* bytes of blocks that the program has */
    size_t cached;    /* bytes of blocks in caches, large ones too */
    size_t active;    /* bytes of spans and large blocks */
    size_t large;     /* large blocks, above 512 KiB, that the program has */
    size_t large_bytes;
    size_t caches;
    uint64_t refills, drains; /* batches from and to the pools */
    uint64_t remote_frees; /* blocks given by others than they were cut for */
    struct {
        size_t bytes; /* of a block */
        size_t live, cached;
    } classes[ZK_HEAP_CLASSES];

    /* Of all heaps of the process together. */
    size_t reserved;   /* address space */
    size_t mapped;     /* accessible */
    size_t resident;   /* used or retained: may be in memory */
    size_t retained;   /* free, and may be in memory */
    uint64_t released; /* bytes given back to the system so far */
    uint64_t moves;    /* large blocks that grew by moving their pages */
} zk_heap_stats_t;

/* NULL: the heap behind zk_malloc(). ZK_EINVAL when stats->size is not one the
 * library knows. */
ZK_API zk_err_t zk_heap_stats(const zk_heap_t *heap, zk_heap_stats_t *stats);

ZK_END_DECLS

#endif
