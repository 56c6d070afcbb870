/*
 * aside.h - the large block that a thread freed last, kept for its next one.
 *
 * Owns:   what a cache's slot says of that block, and the word of its first page
 *         while it stands there.
 * Never:  keeps more than one block of at most 2 MiB for a thread, or longer than
 *         a free run would be kept.
 *
 *     slot:  0, or  | when it was freed, ms | pages | first page |
 *                     63               32    31 26   25        0
 *
 * A program that takes and frees a buffer of a megabyte again and again has it
 * without the lock of the pages, and without its pages' words being written
 * anew. For everybody else the block is free: a second free is found by the word
 * of its first page (find.h), and what is counted says so (stats.c).
 *
 * K1  While a slot names a block, the first page's word says "aside", and nobody
 *     but who takes it out of the slot may change its record.
 * K2  Only the cache's thread fills its slot; anybody may empty it, by a
 *     compare-and-swap or an exchange: that is owning the block.
 *
 *             put  take  old        x  same thread only
 *     put      x    x     -         -  free to overlap
 *     take     x    x     -
 *     old      -    -     -
 *
 * R1 -> A1   who empties the slot sees the word and what its thread wrote
 */
#ifndef ZK_ALLOC_HEAP_ASIDE_H
#define ZK_ALLOC_HEAP_ASIDE_H

#include <stdbool.h>

#include "alloc/heap/span.h"

#define ZK_ASIDE_PAGES ((size_t)32) /* 2 MiB */

typedef _Atomic uint64_t zk_aside_t;

/*
 * Puts a large block into the slot. What stood there is in *out and the caller's
 * to free, or NULL. False: the block is too large, and nothing was done.
 *
 * pre  the block is of the process's heap, and was found live; now_ms is of
 *      zk__pages_now()
 */
bool zk__aside_put(zk_aside_t *slot, struct zk_span *s, uint32_t now_ms,
                   struct zk_span **out);

/* The block in the slot, where it has exactly so many pages and is aligned to so
 * many; else NULL. It is live again. */
struct zk_span *zk__aside_take(zk_aside_t *slot, size_t pages, size_t align);

/*
 * The block in the slot where it was freed at least decay_ms ago, live again and
 * the caller's to free; else NULL. Any thread. *since_ms is when it was freed;
 * where it is too young *wait becomes what is left, if that is less, or *wait 0.
 */
struct zk_span *zk__aside_old(zk_aside_t *slot, unsigned decay_ms,
                              uint32_t *since_ms, unsigned *wait);

/* Bytes of the block in the slot; 0: none. Any thread. */
static inline size_t
zk_aside_bytes(zk_aside_t *slot)
{
    return (size_t)(zk_load_relaxed(slot) >> 26 & 0x3f) << ZK_HEAP_PAGE_SHIFT;
}

#endif
