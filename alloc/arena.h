/*
 * arena.h - one slab per slot in one reservation, and whose address this is.
 *
 *     base
 *      v
 *      | slab 0 | slab 1 | ... | slab n-1 | tables 0 | tables 1 | ...
 *      '------ stride each -------'
 *
 * Reserving costs address space only. Slabs are as far apart as a power of two,
 * so an address is taken apart with a subtraction and a shift.
 *
 * Thread: create, destroy and all that changes the whole arena: the opener of
 *         its phase, while no task of it is alive. Looking an address up: any.
 */
#ifndef ZK_ALLOC_ARENA_H
#define ZK_ALLOC_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/slab.h"
#include "private/atomic.h"

struct zk_arena {
    char *base;
    size_t bytes;      /* of slabs: what an address is compared with */
    size_t reserved;   /* with the tables */
    size_t records;    /* bytes of this record, for its release */
    size_t slab_bytes; /* what was granted */
    unsigned stride_shift;
    unsigned nslots;
    uint64_t epoch;          /* count of phases; written at begin */
    _Atomic unsigned active; /* slots below this one may have been used */
    _Atomic bool open;       /* between reset and ended: frees count */
    struct zk_slab slabs[];
};

/*
 * Reserves an arena and enters it into the process's table. `slab_bytes` is
 * halved until the system grants it: *slab_bytes says what it got. At most half
 * of what RLIMIT_AS leaves is taken. NULL when not even small slabs fit.
 */
struct zk_arena *zk__arena_create(unsigned nslots, size_t *slab_bytes,
                                  size_t min_bytes, enum zk_huge huge);

/* Every address of it becomes foreign. NULL is fine. */
void zk__arena_destroy(struct zk_arena *a);

/* Around a fork, so that the child finds the table's lock free. */
void zk__arena_lock_table(void);
void zk__arena_unlock_table(void);

/* The arena and slab that an address lies in, or NULL for both. */
struct zk_place {
    struct zk_arena *arena;
    struct zk_slab *slab;
};

struct zk_place zk__arena_find(const void *p);

/* The slab of a slot, noted as used from now on. */
struct zk_slab *zk__arena_slab(struct zk_arena *a, unsigned slot);

/* For all used slabs: see the functions of the same names in slab.h. */
void zk__arena_reset(struct zk_arena *a); /* and epoch + 1 */
void zk__arena_mark(struct zk_arena *a);
void zk__arena_rewind(struct zk_arena *a);
void zk__arena_ended(struct zk_arena *a);

/* Sums over the slabs. The peaks need not have stood at the same moment. */
struct zk_arena_use {
    size_t bytes;
    size_t peak_bytes;
    size_t stage_peak_bytes;
};

struct zk_arena_use zk__arena_use(const struct zk_arena *a);

#endif
