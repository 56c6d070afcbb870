/*
 * fit.h - the free extents of a slab, found by size.
 *
 * Owns:   lists of free extents by size class, and the bits that tell which
 *         lists have something.
 * Never:  touches the free memory: the links lie in a table beside the slab, so
 *         a stray write into freed memory cannot lead an allocation astray.
 *
 * Two-level segregated fit, after Masmano, Ripoll, Crespo and Real, "TLSF: a new
 * dynamic memory allocator for real-time systems" (ECRTS 2004), over 4 KiB pages:
 * 8 classes to each power of two, so a class holds sizes within 12.5 % of each
 * other. Inserting, removing and finding take constant time.
 *
 * X1  An extent is at least 4 KiB long, so at most one starts in a page, and
 *     its record is that page's. At most one ends in a page.
 * X2  A class's bit is set iff its list has something. Heads of other classes
 *     are garbage, so emptying everything means clearing the bits.
 */
#ifndef ZK_ALLOC_FIT_H
#define ZK_ALLOC_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZK_FIT_POWERS  27 /* from 4 KiB to 256 GiB */
#define ZK_FIT_CLASSES 8  /* to each power */
#define ZK_FIT_NONE    UINT32_MAX

/* The record of a page. */
struct zk_extent {
    uint32_t next, prev; /* in the list of the extent that starts here */
    uint32_t granules;   /* of that extent */
    uint32_t ends;       /* page of the start of the extent that ends here */
};

struct zk_fit {
    uint32_t powers;
    uint8_t classes[ZK_FIT_POWERS];
    uint32_t head[ZK_FIT_POWERS][ZK_FIT_CLASSES];
};

void zk__fit_clear(struct zk_fit *f);

/* Adds the extent that starts in `page`. pre: x[page].granules is set */
void zk__fit_insert(struct zk_fit *f, struct zk_extent *x, uint32_t page);

/* Takes it out again. pre: it is in */
void zk__fit_remove(struct zk_fit *f, struct zk_extent *x, uint32_t page);

/*
 * Takes out an extent of at least `granules`: one of the same class, if one of
 * the first few there is large enough, else one of the next class that has any.
 * ZK_FIT_NONE: there is none.
 */
uint32_t zk__fit_take(struct zk_fit *f, struct zk_extent *x, uint32_t granules);

static inline bool
zk__fit_empty(const struct zk_fit *f)
{
    return f->powers == 0;
}

#endif
