/*
 * pages.h - the heap's one reservation, in pages of 64 KiB, and who has which.
 *
 *     base                                     top            limit
 *      v                                        v               v
 *      | span | free run | large block | span | never used ... |
 *
 * Owns:   the reservation, its tables, the free runs, and when the memory of
 *         free runs goes back to the system.
 * Never:  knows what a run is used for: it stores the words it is given.
 *
 * One range of address space serves all heaps of the process, so that any
 * address is known for ours or not with a subtraction and a comparison, and what
 * it belongs to with one load more. Beside the pages lie their tables, one entry
 * a page, touched only where there are pages in use:
 *
 *   words[i]    what the page is part of, and how far back that begins
 *   records[i]  of what begins in page i (span.h)
 *   extents[i]  of the free run that begins or ends in page i (fit.h)
 *   blocks[i]   a bit for each block of 64 bytes or more that can begin in page i,
 *   fine[i]     and of less (span.h): few pages have those, and the bits of a page
 *               are a quarter of what they would need
 *   dirty       a bit a page: it may be in memory. Not set: it reads as zero.
 *
 * Nothing of this lies in the pages, so no stray write can reach it from a block
 * that is overrun by a few bytes, and free memory is never touched.
 *
 * G1  Each page below top is part of exactly one run: a free one, or one that was
 *     taken. Both ends of a free run are known to extents, all its words say
 *     "free".
 * G2  No two free runs are neighbours, but for those that are just being
 *     released.
 * G3  Pages in [base, committed) are accessible, as are their tables.
 *
 * Free runs are found by two-level segregated fit (fit.h): best fit to within
 * 12.5 %, the lowest-bound of constant time. A run that reaches the top grows
 * upward.
 *
 * Thread: any. One lock for free runs and the top; words are read without it.
 *
 * The fields of zk__pages and the words need no edges of their own: whoever looks
 * an address up was handed the block, and with it all that was written before. An
 * address that was not is compared with `committed` only.
 */
#ifndef ZK_ALLOC_HEAP_PAGES_H
#define ZK_ALLOC_HEAP_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/fit.h"
#include "alloc/heap/class.h"
#include "private/atomic.h"

#define ZK_PAGE_NONE UINT32_MAX

/*
 * A word: the kind in the low 8 bits; above, how many pages back the run begins.
 * Kinds below ZK_CLASSES are spans of the process's heap, by their class.
 */
enum {
    ZK_RUN_ASIDE =
        0xfa, /* the first page of a large block that is kept (aside.h) */
    ZK_RUN_OWNED = 0xfb, /* a span of a heap that somebody opened */
    ZK_RUN_LARGE = 0xfc,
    ZK_RUN_BUSY = 0xfd, /* taken, and nothing yet */
    ZK_RUN_FREE = 0xfe,
    ZK_RUN_NONE = 0xff,
};

/* Words of 64 bits for each page. */
#define ZK_BLOCK_WORDS 16 /* 1024 blocks of 64 bytes */
#define ZK_FINE_WORDS  64 /* 4096 blocks of 16 bytes */

struct zk_span;

/* Read on each free; written when the heap grows. */
struct zk_pages {
    _Atomic uintptr_t base; /* 0: not open yet */
    _Atomic size_t committed;
    _Atomic size_t quick; /* committed, or 0 during a detour */
    _Atomic uint32_t *words;
    struct zk_span *records;
    _Atomic uint64_t *blocks, *fine;
};

extern struct zk_pages zk__pages;

/*
 * Reserves the range, once. False when the system refuses even a small one; it is
 * asked again then.
 */
bool zk__pages_open(void);

/* The page of an address, at least zk__pages.committed where it is not ours. */
static inline size_t
zk_page_of(const void *p)
{
    return ((uintptr_t)p - zk_load_relaxed(&zk__pages.base)) >>
           ZK_HEAP_PAGE_SHIFT;
}

static inline bool
zk_page_ours(size_t page)
{
    return page < zk_load_relaxed(&zk__pages.committed);
}

/* The same, but never true during a detour: what the shortest way of a free asks. */
static inline bool
zk_page_quick(size_t page)
{
    return page < zk_load_relaxed(&zk__pages.quick);
}

static inline char *
zk_page_address(size_t page)
{
    return (char *)(zk_load_relaxed(&zk__pages.base) +
                    (page << ZK_HEAP_PAGE_SHIFT));
}

static inline unsigned
zk_run_kind(uint32_t word)
{
    return word & 0xff;
}

static inline size_t
zk_run_back(uint32_t word)
{
    return word >> 8;
}

/* The same in bytes, of a run below 4 GiB as every span is. */
static inline uint32_t
zk_run_back_bytes(uint32_t word)
{
    return (word & ~0xffu) << (ZK_HEAP_PAGE_SHIFT - 8);
}

/*
 * Takes n pages in a row, the first a multiple of `align` pages, or ZK_PAGE_NONE.
 * Their words say "busy". With `zeroed` they read as zero.
 *
 * pre   n > 0; align is a power of two
 * cost  a lock; a system call where the heap grows by 16 MiB
 */
uint32_t zk__pages_take(size_t n, size_t align, bool zeroed);

/* Makes all words of a run that was taken say `kind`. */
void zk__pages_name(uint32_t first, size_t n, unsigned kind);

/* Whether a run of exactly n pages, all named so, begins at `first`. */
bool zk__pages_are(uint32_t first, size_t n, unsigned kind);

/* Gives pages back that were taken. */
void zk__pages_give(uint32_t first, size_t n);

/*
 * The same of pages that are free since since_ms (zk__pages_now()). Releases
 * nothing meanwhile, whatever is due: the caller may hold a lock.
 */
void zk__pages_give_old(uint32_t first, size_t n, uint32_t since_ms);

/* Milliseconds of a clock that wraps around, to within a few. Never 0. */
uint32_t zk__pages_now(void);

/* Takes the n pages that follow page `end - 1`, if all of them are free. */
bool zk__pages_take_at(uint32_t end, size_t n, bool zeroed);

/*
 * Moves what is in n pages to others without copying; the old ones are zero
 * then. False: the kernel refuses.
 *
 * pre  both were taken
 */
bool zk__pages_move(uint32_t from, uint32_t to, size_t n);

/*
 * Gives memory back that has been free for `decay_ms`: up to so many bytes, plus
 * what is left of the last run. Returns how many; *next_ms is after how long
 * there will be more, 0: there is nothing to wait for.
 */
size_t zk__pages_release(size_t bytes, unsigned decay_ms, unsigned *next_ms);

/*
 * A detour begins (+1) or ends (-1): there are blocks for which a free has to do
 * more than put them into a cache. So that it need not ask while there are none,
 * no page is quick until all detours have ended. Whoever is handed a block after a
 * detour began has seen it begin.
 */
void zk__pages_detour(int by);

/* For how long free memory is kept. SIZE_MAX bytes are never given back. */
void zk__pages_set_decay(unsigned ms);
unsigned zk__pages_decay(void);

struct zk_pages_use {
    size_t reserved;
    size_t mapped;   /* accessible */
    size_t taken;    /* bytes of runs that are in use */
    size_t retained; /* bytes of free runs that may be in memory */
    uint64_t released;
    uint64_t moves;
};

struct zk_pages_use zk__pages_use(void);

void zk__pages_lock(void);
void zk__pages_unlock(void);

#endif
