/*
 * keep.h - what of a slab stays in memory after a phase.
 *
 * Owns:   the high-water marks of recent phases, and the tail: the part of a
 *         slab that they did not use, which goes back to the system.
 * Never:  takes a page from a phase: what lies below `end` is the owner's.
 *
 *     base              end                tail_end          top
 *      v                 v                   v                v
 *      | recent phases   | tail, given up    | clean          | not committed
 *
 * When a phase begins, its opener gives up what recent phases did not use: end
 * comes down to there. The pages of the tail are still in memory. Idle workers
 * release them piece by piece, from the top down, while the phase may already
 * run. A phase that grows beyond end after all takes back what is left.
 *
 * K1  end <= tail_end <= top. Pages of [end, tail_end) may be in memory; there is
 *     no tail where the two are equal.
 * K2  end, tail_end and top change under the lock. The owner changes end and top
 *     and reads them without it; everybody else touches the tail alone.
 * K3  Bytes in [tail_end, top) read as zero: what is taken back was touched as
 *     far as the tail went (S2).
 * K4  What was expected of a slab and populated may be in memory as well as what
 *     was touched, and reads as zero.
 * K5  What recent phases used, below `kept`, is released only instead of refusing
 *     memory to somebody. Where the budget is nearly used up the tail begins at the
 *     base, so that a slab which this phase does not use can serve another; what is
 *     used is taken back step by step.
 */
#ifndef ZK_ALLOC_KEEP_H
#define ZK_ALLOC_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/slab.h"

/* Notes what the phase that is over used, also as what the slab has learnt, which
 * outlives the marks. pre: quiet, not reset yet */
void zk__keep_note(struct zk_slab *s);

/* A new window of time begins: marks older than the last window are forgotten. */
void zk__keep_forget(struct zk_slab *s);

/*
 * Gives up what neither recent phases nor `least` bytes need, and where memory is
 * tight all of it, to be taken back or reclaimed (K5). True: some of the tail is
 * to be released in any case.
 *
 * pre  just reset
 */
bool zk__keep_give_up(struct zk_slab *s, size_t least, bool tight);

/*
 * Raises end, and takes the tail back as far as it is still there.
 *
 * pre  end <= top. Thread: the owner
 */
void zk__keep_raise(struct zk_slab *s, char *end);

/* Whether there is a tail. Any thread; what it tells may change at once. */
bool zk__keep_has_tail(struct zk_slab *s);

/*
 * Releases up to `bytes` of the tail, whole huge pages from its top; `all`: also
 * what is kept (K5). Returns how many; 0: there is none left, or the system
 * refuses, and it stays the tail. Any thread.
 */
size_t zk__keep_release(struct zk_slab *s, size_t bytes, bool all);

/* Around what needs the slab's mapping to itself. */
void zk__keep_lock(struct zk_slab *s);
void zk__keep_unlock(struct zk_slab *s);

#endif
