/*
 * arena.h - one slab per slot in one reservation, and whose address this is.
 *
 *     base
 *      v
 *      | sites of slab 0 | sites of slab 1 | ... | tables 0 | tables 1 | ...
 *
 * A slab stands at one of several sites. When a phase begins, each slab that the
 * last one used moves to its next site, and what it leaves is inaccessible: a
 * pointer into the old site traps (trap.h). Each site remembers which phase was
 * there last. The sites are used in turn, so one comes back after as many phases
 * as there are others.
 *
 * Reserving costs address space only. Sites are as far apart as a power of two
 * (the stride), so an address is taken apart with a subtraction, a shift and a
 * multiplication.
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

#define ZK_SITES_MAX  65 /* a site comes back after 64 phases */
#define ZK_PHASE_NAME 48

/* The last phase that a slab spent at a site it has left; epoch 0: none. */
struct zk_site {
    _Atomic uint64_t epoch;
    char name[ZK_PHASE_NAME];
};

/* What an arena is made for. */
struct zk_arena_want {
    unsigned nslots;
    size_t slab_bytes;
    size_t min_bytes;    /* routing threshold */
    size_t budget_bytes; /* of all arenas together; 0, SIZE_MAX: no limit */
    bool watched;        /* the container's room counts too (budget.h) */
    enum zk_huge huge;
    enum zk_trap trap;
    size_t keep_bytes; /* of each slab, at the least; SIZE_MAX: all */
    unsigned decay_ms; /* memory that was not used for so long may go */
    struct zk_numa numa;
    uint64_t lane; /* its number, for reports */
    /* Told of stale pointers in calls, and of refusals; may be NULL. */
    void (*report)(const char *line, void *arg);
    void *report_arg;
};

struct zk_arena {
    struct zk_arena_want want;
    char *base;
    size_t bytes;      /* of sites: what an address is compared with */
    size_t reserved;   /* with the tables */
    size_t records;    /* bytes of this record, for its release */
    size_t slab_bytes; /* what was granted */
    unsigned stride_shift;
    unsigned nslots;
    unsigned nsites;          /* of each slab; 1: slabs stay where they are */
    uint64_t slot_of_site;    /* 2^32 / nsites, rounded up */
    uint64_t epoch;           /* count of phases; written at begin */
    char name[ZK_PHASE_NAME]; /* of the open phase, or of the last one */
    _Atomic unsigned active;  /* slots below this one may have been used */
    _Atomic bool open;        /* between reset and ended: frees count */
    _Atomic bool secret;      /* what it holds is to be wiped */
    bool forked;              /* it held that when this process was forked */
    struct zk_budget budget;  /* what the slabs charge, and were refused */

    /* Moving: the opener writes, statistics read. */
    _Atomic bool moving;       /* some slab may be in two places, see fork() */
    _Atomic bool move_refused; /* by the kernel; not tried again */
    _Atomic uint64_t moves, moves_skipped;
    uint64_t begun_ns, length_ns; /* of the last phase, under ZK_TRAP_AUTO */
    uint64_t move_ns;             /* what a begin's moves take, smoothed */
    uint64_t window_ns;           /* keep.h: begin of this window of time */
    unsigned window_phases;       /* and phases begun in it */
    bool tails;                   /* the last reset left something to release */
    struct zk_site *sites;        /* [slot][site] */
    struct zk_slab slabs[];
};

/*
 * Reserves an arena and enters it into the process's table. The number of sites
 * is cut down to what the system grants, to two; then the size of slabs is halved
 * until it fits, and only then do slabs stay where they are. At most half of what
 * RLIMIT_AS leaves is taken. NULL when not even small slabs fit.
 */
struct zk_arena *zk__arena_create(const struct zk_arena_want *want);

/* Every address of it becomes foreign. NULL is fine. */
void zk__arena_destroy(struct zk_arena *a);

/* Around a fork, so that the child finds the table's lock free. */
void zk__arena_lock_table(void);
void zk__arena_unlock_table(void);

/* In the child of a fork: whoever worked on this arena is not here. */
void zk__arena_after_fork(struct zk_arena *a);

/* The arena and slab that an address lies in, or NULL for both. */
struct zk_place {
    struct zk_arena *arena;
    struct zk_slab *slab;
    bool stale; /* it lies in a site that the slab has left */
};

struct zk_place zk__arena_find(const void *p);

/* The slab of a slot, noted as used from now on. */
struct zk_slab *zk__arena_slab(struct zk_arena *a, unsigned slot);

/*
 * Hands the arena to the next phase: its slabs are reset and move on, the epoch
 * grows by one, and the name is copied; NULL: none.
 */
void zk__arena_reset(struct zk_arena *a, const char *name);

/* What stale pointers do now: ZK_TRAP_ON, _AUTO or _OFF. */
enum zk_trap zk__arena_trap(const struct zk_arena *a);

/*
 * Bytes of all arenas of the process that are in memory and charged, as the kernel
 * says. Any thread; about 1 ms per GiB.
 */
size_t zk__arena_resident(void);

/* What the arena's slabs have charged, without the claim of its phase. */
size_t zk__arena_charged(const struct zk_arena *a);

/* The same, but none of it is just on its way back. */
size_t zk__arena_charged_for_sure(struct zk_arena *a);

/* Releases up to so many bytes of tails, `all`: also what is kept (keep.h); how
 * many. Any thread. */
size_t zk__arena_release(struct zk_arena *a, size_t bytes, bool all);

/*
 * Gives up all of an arena that nobody holds: its data are dead. True: there is
 * something to release.
 */
bool zk__arena_give_up(struct zk_arena *a);

/* For all used slabs: see the functions of the same names in slab.h. */
void zk__arena_mark(struct zk_arena *a);
void zk__arena_rewind(struct zk_arena *a);
void zk__arena_ended(struct zk_arena *a);

/*
 * Makes the phase that was just begun a secret one; and the arena one like any
 * other again, once what the phase used is wiped (secret.h).
 */
void zk__arena_begin_secret(struct zk_arena *a);
void zk__arena_end_secret(struct zk_arena *a);

/* In a child of fork(): whatever the arena held, it reads as zero now. */
void zk__arena_forked(struct zk_arena *a, bool goes_on);

/* Wipes whatever secret arenas hold, for the end of the process. */
void zk__arena_wipe_all(void);

/* Sums over the slabs. The peaks need not have stood at the same moment. */
struct zk_arena_use {
    size_t bytes;
    size_t peak_bytes;
    size_t stage_peak_bytes;
    size_t scratch_peak_bytes;
    size_t locked_bytes; /* of both peaks; the phase is or was secret */
    int hide_error, show_error, lock_error; /* errno of a refusal, or 0 */
};

struct zk_arena_use zk__arena_use(const struct zk_arena *a);

#endif
