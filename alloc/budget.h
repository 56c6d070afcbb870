/*
 * budget.h - how much memory the arenas of the process have, and may have.
 *
 * Owns:   the one account of the process, and what each arena adds to it.
 * Never:  reads a file or knows a lane: numbers and the two calls of zk_world are
 *         handed in.
 *
 * A slab charges the account before it hands memory out that it never had, and
 * gives back when the pages are gone (charge.h). A phase that works on pages of
 * the last one charges nothing, and touches no line of this.
 *
 *     0            charged                       limit           container
 *     |  slabs | claims | ......................... |      margin    |
 *
 * C1  charged is the sum of what slabs, claims and overflow blocks have. It is
 *     added to before memory is handed out, and taken from after it is gone.
 * C2  A charge is admitted only if charged stays at or below the arena's limit
 *     and, where a container is watched, at or below the ceiling.
 * C3  ceiling = room + resident: what the container has left for everybody, and
 *     what of it arenas have in memory already. So what was charged and not yet
 *     touched counts in full. `resident` is never more than there was when the
 *     room was read.
 * C4  A refusal is never by an old reading, and never while there is memory that
 *     no phase uses and that could be released instead.
 *
 * C5  While an arena is reserved for its phase, what its slabs give back becomes
 *     its claim: the phase was promised that too.
 *
 * S1 = S2  either who gives sees that the reservation has ended and takes the bytes
 *          out of the claim again, or who ends it does, by the fences
 *
 * What C3 cannot see is what the rest of the container takes after a reading:
 * there is one for each STEP bytes of growth or 10 ms, whichever is first. And
 * pages that were only read: the kernel counts them with the first write.
 */
#ifndef ZK_ALLOC_BUDGET_H
#define ZK_ALLOC_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "private/atomic.h"

/* What an arena may do, and what it was refused. */
struct zk_budget {
    size_t limit;              /* constant; SIZE_MAX: none */
    bool watched;              /* constant: the container's room counts too */
    _Atomic size_t claim;      /* charged, and no slab has drawn it yet */
    _Atomic bool reserved;     /* C5 */
    _Atomic int refused;       /* a code, from the first refusal on */
    _Atomic size_t need, have; /* of the last refusal, or the last claim's */
    _Atomic uint64_t refusals; /* since the arena was made */
};

/* What the account cannot know by itself. */
struct zk_world {
    /* Bytes that the container has left for everybody, may be negative. False:
     * that is not known. Called with the account's lock held. */
    bool (*room)(int64_t *bytes);
    /* Releases memory that no phase uses, at least so much if there is, and what
     * the heap has free, which is not in the account; how much it was. Of arenas
     * that are reserved only from `own`, NULL: from none. */
    size_t (*reclaim)(const struct zk_budget *own, size_t bytes, bool heap);
};

/* From here on; NULL: nobody to ask. It stays valid for good. */
void zk__budget_set_world(const struct zk_world *world);

/*
 * Charges bytes for a slab, from the phase's claim as far as that goes. False:
 * refused, and so is everything else that the phase asks for from now on.
 *
 * Thread: any
 * Cost:   one compare-and-swap; now and then a reading of some files
 */
bool zk__budget_take(struct zk_budget *b, size_t bytes);

/* The same for who has another way if it fails, which then says whether the
 * request is refused: nothing changed. */
bool zk__budget_try(struct zk_budget *b, size_t bytes);

/*
 * Before pages that are charged go back to the system, and after they have gone.
 * Both say the same bytes.
 */
void zk__budget_leaving(size_t bytes);
void zk__budget_give(size_t bytes);

/* The second one for what a slab of this arena had (C5). */
void zk__budget_give_back(struct zk_budget *b, size_t bytes);

/* Claims bytes for the open phase. False: refused; nothing changed but need and
 * have. */
bool zk__budget_claim(struct zk_budget *b, size_t bytes);

/* The open phase is promised what the arena has charged and claimed; or no longer,
 * and what is claimed is everybody's again. */
void zk__budget_reserve(struct zk_budget *b);
void zk__budget_unreserve(struct zk_budget *b);

/* So much of a claim is everybody's again, if there still is so much of it. */
void zk__budget_unclaim(struct zk_budget *b, size_t most);

/* A phase begins. True: the last one was refused something. */
bool zk__budget_begin(struct zk_budget *b);

/* Whether so much is charged that somebody may soon be refused. */
bool zk__budget_is_tight(const struct zk_budget *b);

/* The phase was refused memory, with this code, by somebody else. */
void zk__budget_refused(struct zk_budget *b, int code, size_t need);

/* What all arenas of the process have charged. */
size_t zk__budget_charged(void);

/* What an arena's limit and the container, as it is now, allow all of them
 * together. */
size_t zk__budget_limit(const struct zk_budget *b);

/* Around a fork, so that the child finds the lock free. */
void zk__budget_lock(void);
void zk__budget_unlock(void);

#endif
