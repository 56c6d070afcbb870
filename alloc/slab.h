/*
 * slab.h - one slot's bump range and the sizes of the blocks in it.
 *
 *     base                          next     end            scratch  limit
 *      v                             v        v                v      v
 *      | block | window of small ... | free   | not committed  | used | guard
 *
 * (Between end and what is committed there may be a tail: keep.h.)
 *
 * Small blocks (below ZK_SMALL_LIMIT) are bumped inside windows of 64 KiB, by
 * the code that zkrt/alloc.h inlines; the others are bumped here. Both start
 * on a cache line. What is freed serves later requests of the same stage: the
 * block at the top is taken off again, others are joined with free neighbours
 * and found by size (fit.h), small ones wait in a list for each size. Blocks
 * that other threads free come through the slab's inbox.
 *
 * Sizes lie beside the slab, so data stay aligned, a stray write cannot forge a
 * header, and free, realloc and usable_size need no size from the caller:
 *
 *   pages[i]  one word per 4 KiB of the slab. A block that is not small covers
 *             at least 4 KiB, so at most one of them starts in a page: the word
 *             holds where, how long, and the tag of the phase that wrote it.
 *   sizes[g]  one number per 64-byte granule, used inside windows only.
 *   extents[i] the record of a free extent that starts or ends in page i.
 *
 * That is 0.2 % of a slab's large blocks, 0.4 % more where they are freed, and
 * 3 % of its windows, touched only where blocks start. A reset writes none of
 * it: the tag changes, and words with an old tag name no block.
 *
 * S1  base <= next <= end <= top <= limit, all multiples of 64.
 * S2  Bytes in [touched, scratched) have never been handed out since their pages
 *     were fresh: they read as zero.
 * S3  A word of pages[] names a live block iff it lies below next, its tag is
 *     the slab's, and its kind says so. Words in [.., dirty) may carry the
 *     slab's tag from blocks that a rewind killed, so whoever bumps over them
 *     clears them first.
 * S4  A small block starts at granule g iff its page is a window's, g lies below
 *     window.next, and sizes[g] is neither 0 nor marked as freed.
 * S5  No two free extents of a stage touch each other, and none touches next.
 *     Each stage has free lists of its own, since its memory dies with it.
 * S6  A block is in the inbox at most once: whoever sends it there has changed
 *     its word or its size to "sent" with a CAS first.
 * S7  next <= scratch <= limit. What lies above scratch belongs to scopes of
 *     tasks that run (scratch.h). It has no words and no sizes, so as a block
 *     it is none. Where it is used, all up to the limit is committed. No live
 *     scratch lies in a tail.
 *
 * Thread: the slot's owner, but for zk__slab_block() and zk__slab_send(), which
 * any thread may call on a block that was passed to it properly.
 */
#ifndef ZK_ALLOC_SLAB_H
#define ZK_ALLOC_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zkrt/alloc.h>
#include <zkrt/phase.h>
#include <zkrt/runtime.h>

#include "alloc/budget.h"
#include "alloc/fit.h"
#include "alloc/numa.h"
#include "alloc/pace.h"
#include "private/atomic.h"

#define ZK_GRANULE      ((size_t)64)
#define ZK_SMALL_LIMIT  ((size_t)4096)
#define ZK_PAGE         ((size_t)4096) /* of pages[], whatever the system's */
#define ZK_WINDOW_BYTES ((size_t)64 << 10)

/* Granules and their count fit 32 bits, with room for "none". */
#define ZK_SLAB_BYTES_MAX ((size_t)1 << 37)
#define ZK_SLAB_BYTES_MIN ((size_t)1 << 20)

typedef _Atomic uint64_t zk_page_word;

/* What the kernel was told about a slab's pages: see huge.h. */
enum zk_advice { ZK_ADVICE_NONE, ZK_ADVICE_BASE, ZK_ADVICE_HUGE };

#define ZK_SMALL_SIZES (ZK_SMALL_LIMIT / ZK_GRANULE)

/* What a stage, or the phase itself, has free. */
struct zk_free {
    struct zk_fit fit;
    uint64_t small_sizes;           /* bit g: small[g] has something */
    uint32_t small[ZK_SMALL_SIZES]; /* first block of g + 1 granules */
};

/* Where a stage began, so that its end can go back there. */
struct zk_slab_mark {
    char *next;
    char *window_next;
    char *window_end;
    char *stage_peak; /* of the enclosing stage so far */
};

struct zk_slab {
    struct zk_window window;    /* first: zk__window points here */
    size_t min_bytes;           /* routing threshold of the lane */
    char *ready;                /* what may be handed out: see B3 and E1 */
    _Atomic(char *) base;       /* the owner writes; lookups of others read */
    _Atomic(char *) next;       /* the same */
    char *end;                  /* as far as next may go without asking */
    char *top;                  /* what is committed; end < top: see keep.h */
    char *tail_end;             /* keep.h */
    char *tail_most;            /* what a release of it may reach */
    char *kept;                 /* K5; as tail_end while there is a tail */
    char *limit;                /* what is reserved, less the guard */
    char *scratch;              /* S7: as far as blocks may go */
    char *scratched;            /* S2: the lowest that scratch ever was */
    char *touched;              /* S2 */
    char *dirty;                /* S3 */
    _Atomic(char *) peak;       /* highest next since the reset; as next */
    _Atomic(char *) stage_peak; /* the same since the innermost begin */
    zk_page_word *pages;
    struct zk_extent *extents;
    _Atomic uint32_t tag;   /* as next */
    unsigned depth;         /* marks in use */
    size_t high[2];         /* peaks of this window of time, and of the last */
    size_t scratch_high[2]; /* the same of scratch */
    struct zk_budget *budget; /* the arena's; NULL: nothing is counted */
    _Atomic size_t near, far; /* charge.h */
    char *far_ready;          /* as ready for scratch, from above */
    bool no_far_end;          /* the kernel refused to commit all of it once */
    bool gave_up;             /* there may be a tail */
    size_t marked;            /* the highest end, for AddressSanitizer */
    enum zk_huge huge;
    enum zk_advice advice;     /* G1 */
    struct zk_pace pace;       /* G3 */
    size_t learnt;             /* what recent phases used; 0: nothing yet */
    size_t expected;           /* before the first phase; see keep.h */
    _Atomic size_t asked_from; /* G2; as next */
    _Atomic size_t asked_to;
    const struct zk_numa *numa; /* the arena's; NULL: none */
    unsigned slot;              /* its number there */
    unsigned valgrind;          /* poison.h: the name of its range */

    /* Of a secret phase, see secret.h: the owner writes, others may read. */
    _Atomic bool secret;
    char *hidden;              /* up to here */
    char *scratch_low;         /* lowest scratch since the last wipe */
    _Atomic size_t locked;     /* bytes from the base on */
    _Atomic size_t far_locked; /* and below the limit */
    _Atomic int hide_error;    /* errno of a refusal, or 0 */
    _Atomic int show_error;
    _Atomic int lock_error;

    struct zk_slab_mark marks[ZK_MAX_STAGES];
    struct zk_free free[ZK_MAX_STAGES + 1]; /* by depth */

    /* Blocks that others have freed: a stack of granules + 1, 0 when empty.
     * After Treiber, "Systems programming: coping with parallelism", 1986; it
     * is only ever emptied as a whole, so there is no ABA. */
    ZK_ALIGNED_LINE _Atomic uint32_t inbox;

    ZK_ALIGNED_LINE _Atomic uint32_t tail_lock; /* keep.h */
    _Atomic uint64_t released;                  /* bytes, under the lock */

    /* Written by the owner, read by whoever asks for statistics. */
    ZK_ALIGNED_LINE _Atomic uint64_t overflow_count;
    _Atomic uint64_t overflow_bytes;
    _Atomic uint64_t bad_frees;
    _Atomic uint64_t stale_calls;
    _Atomic uint64_t bytes_ended;
    _Atomic uint64_t committed;
    _Atomic size_t scratch_peak; /* the most scratch since the reset */
};

/* What stands at an address of a slab. */
struct zk_block {
    size_t bytes; /* capacity; 0: no live block starts here */
    bool small;
};

_Static_assert(ZK_SMALL_SIZES <= 64, "a bit for each size of small blocks");

/* The slab of a thread that is in no phase: it has no room. Never written. */
extern struct zk_slab zk__slab_none;

/* The calling thread's slab, never NULL. */
static inline struct zk_slab *
zk__slab_mine(void)
{
    return (struct zk_slab *)(void *)zk__window;
}

/* Makes s the calling thread's slab; returns the one it replaces. */
static inline struct zk_slab *
zk__slab_use(struct zk_slab *s)
{
    struct zk_slab *old = zk__slab_mine();

    zk__window = &s->window;
    return old;
}

/* Bytes of side tables that a slab of this size needs. */
size_t zk__slab_tables_bytes(size_t slab_bytes);

/*
 * Sets a slab up over reserved ranges, with nothing committed.
 *
 * pre  *s is zero; base is aligned to ZK_HUGE_PAGE; tables are as large as the
 *      function above says
 */
void zk__slab_init(struct zk_slab *s, char *base, size_t slab_bytes,
                   char *tables, size_t min_bytes, enum zk_huge huge);

/*
 * Has the slab be as if recent phases had used its first bytes: these are
 * accessible, count as learnt, are charged, and can be populated before a phase
 * needs them. How many it is; 0: the system refuses, or the budget does.
 *
 * pre  no phase has used the slab yet
 */
size_t zk__slab_expect(struct zk_slab *s, size_t bytes);

/*
 * Has pages of [from, to) of what is expected in memory, with the tables that
 * serve them. False: the system has no memory. Any thread; several may do it at
 * a time, until the first phase.
 */
bool zk__slab_populate(const struct zk_slab *s, size_t from, size_t to);

/*
 * n bytes at a multiple of align, or NULL when the slab has no room.
 *
 * pre   align is a power of two, at least ZK_GRANULE
 * cost  some instructions; a few system calls where the slab first grows
 */
void *zk__slab_alloc(struct zk_slab *s, size_t n, size_t align);

/* The same with all bytes zero; writes only what is not known to be. */
void *zk__slab_alloc_zeroed(struct zk_slab *s, size_t n);

/* What stands at an address; nothing where it does not lie in s. */
struct zk_block zk__slab_block(const struct zk_slab *s, const void *address);

/* Gives a block back to its slab. False when none that lives starts there. */
bool zk__slab_free(struct zk_slab *s, void *address);

/*
 * The same from a thread that does not own the slab: the owner will find the
 * block in its inbox. Any thread.
 */
bool zk__slab_send(struct zk_slab *s, void *address);

/*
 * Makes the block at p n bytes long without moving it. False when something
 * else follows: nothing changed then.
 *
 * pre  a live block of `block` bytes starts at p
 */
bool zk__slab_resize(struct zk_slab *s, char *p, struct zk_block block,
                     size_t n);

/*
 * Hands the whole slab to the phase that begins next.
 *
 * pre   the phase that filled it is quiet
 * post  next == base; pages keep their node; every pointer into it is dead
 * cost  a few stores; O(used) where poison.h is active
 */
void zk__slab_reset(struct zk_slab *s);

/*
 * Has the slab stand at another reserved range of the same size. Its tables and
 * its pages, which are moved, stay what they are; the range it leaves is
 * inaccessible. False when the kernel refuses: the slab stays where it is, or has
 * moved and left a range that is accessible and empty; errno tells why.
 *
 * pre  it was just reset
 */
bool zk__slab_move(struct zk_slab *s, char *to);

/*
 * n bytes of scratch at a multiple of align, below what is in use of it; or NULL:
 * no room, or the far end cannot be committed.
 *
 * pre  as zk__slab_alloc
 */
void *zk__slab_scratch(struct zk_slab *s, size_t n, size_t align);

/* All scratch below this address is dead. pre: s->scratch <= low */
void zk__slab_scratch_back(struct zk_slab *s, char *low);

/* Whether anything has been handed out since the reset. */
bool zk__slab_used(const struct zk_slab *s);

/* Begins a stage: records where it can be rewound to. pre: quiet. */
void zk__slab_mark(struct zk_slab *s);

/* Ends it: what was allocated since dies. pre: quiet, depth > 0. */
void zk__slab_rewind(struct zk_slab *s);

/* Adds what the phase leaves behind to the statistics; changes nothing else. */
void zk__slab_ended(struct zk_slab *s);

/* Highest fill so far since the reset, and since the innermost mark. */
size_t zk__slab_peak(const struct zk_slab *s);
size_t zk__slab_stage_peak(const struct zk_slab *s);

#endif
