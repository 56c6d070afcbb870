/*
 * class.h - the sizes in which the heap hands out blocks.
 *
 * Owns:   the mapping from a request to its class, and what a span of a class
 *         looks like.
 * Never:  changes after zk__class_open().
 *
 *   16, 32, 48        aligned to 16
 *   64, 128 .. 1024   in steps of 64, aligned to 64
 *   above 1 KiB       8 to each power of two, up to 512 KiB
 *
 * So above 1 KiB a block is at most 12.5 % larger than the request: where it is
 * most, 2^k + 1 bytes take 2^k * 9 / 8. What is larger than the last class is
 * whole pages of 64 KiB, which is less than 12.5 % of it. Powers of two from 64
 * on are sizes themselves, for vectors of field elements, and are as aligned as
 * they are large.
 *
 * A span is a run of pages cut into blocks of one class. It is as short as it
 * can be with less than 1/32 of it left over at its end.
 */
#ifndef ZK_ALLOC_HEAP_CLASS_H
#define ZK_ALLOC_HEAP_CLASS_H

#include <stddef.h>
#include <stdint.h>

#define ZK_HEAP_PAGE_SHIFT 16
#define ZK_HEAP_PAGE       ((size_t)1 << ZK_HEAP_PAGE_SHIFT)

#define ZK_CLASSES    91u
#define ZK_CLASS_MAX  ((size_t)512 << 10) /* of the last class */
#define ZK_CLASS_FINE ((size_t)1024)      /* up to here: a table */

/* Classes of blocks up to 128 KiB have room in a cache (cache.h). */
#define ZK_CACHED_CLASSES 75u
#define ZK_CACHED_MAX     ((size_t)128 << 10)

/* Classes below this one are of less than 64 bytes. */
#define ZK_CLASSES_FINE 3u

struct zk_class {
    uint32_t size;
    uint32_t count;   /* blocks of a span */
    uint16_t pages;   /* of a span */
    uint16_t limit;   /* blocks that a cache may hold; 0: none */
    uint64_t inverse; /* 2^64 / size, rounded up: see below */
};

extern struct zk_class zk__class[ZK_CLASSES];

/*
 * For each kind of a run (pages.h) that is a class with room in caches, its
 * `inverse`; 0 for all others, where no block starts then. So a free asks one thing
 * instead of two.
 */
extern uint64_t zk__class_cached[256];

/*
 * The classes of requests: in steps of 16 bytes up to ZK_CLASS_FINE, then in steps
 * of 128, which is the finest that there is above, up to ZK_CACHED_MAX.
 */
#define ZK_STEPS_FINE (ZK_CLASS_FINE / 16)
#define ZK_STEPS      (ZK_STEPS_FINE + (ZK_CACHED_MAX - ZK_CLASS_FINE) / 128 + 1)

extern const uint8_t zk__class_steps[ZK_STEPS];

/* Fills the table. Again does no harm. */
void zk__class_open(void);

/* pre: n <= ZK_CLASS_MAX */
static inline unsigned
zk_class_of(size_t n)
{
    unsigned top;

    if (n <= ZK_CLASS_FINE)
        return zk__class_steps[(n + 15) / 16];
    top = 63 ^ (unsigned)__builtin_clzl(n - 1); /* its highest bit */
    return 19 + (top - 10) * 8 + (unsigned)((n - 1) >> (top - 3) & 7);
}

/*
 * The same by the table alone, and without a branch: whether a size is above 1 KiB
 * nobody can predict where sizes are mixed. Up to there the fine step is the lesser
 * one, from there the coarse one.
 *
 * pre: n <= ZK_CACHED_MAX
 */
static inline unsigned
zk_class_of_cached(size_t n)
{
    size_t more = ZK_STEPS_FINE - ZK_CLASS_FINE / 128;
    size_t fine = (n + 15) / 16, coarse = (n + 127 + more * 128) / 128;

    return zk__class_steps[fine < coarse ? fine : coarse];
}

/*
 * Division by a block size without dividing: with c = 2^64 / d rounded up, and
 * n, d below 2^32, n / d is the upper half of c * n, and d divides n iff the
 * lower half is less than c. After Lemire, Kaser and Kurz, "Faster remainder by
 * direct computation", 2019.
 */
__extension__ typedef unsigned __int128 zk_u128;

static inline uint32_t
zk_class_index(unsigned class, size_t offset)
{
    return (uint32_t)((zk_u128)zk__class[class].inverse * offset >> 64);
}

static inline int
zk_class_starts(unsigned class, size_t offset)
{
    uint64_t inverse = zk__class[class].inverse;

    return inverse * offset < inverse;
}

/* The same for a kind of any run: false where blocks do not go into a cache. */
static inline int
zk_cached_starts(unsigned kind, size_t offset)
{
    uint64_t inverse = zk__class_cached[kind];

    return inverse * offset < inverse;
}

#endif
