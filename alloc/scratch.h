/*
 * scratch.h - where scopes are cut off, for those who know tasks and phases.
 *
 * Owns:   the calling thread's innermost scope.
 * Never:  knows why somebody enters or leaves.
 *
 * Each task, each phase and each stage of an opener is a frame: enter hides the
 * scopes that are open, leave ends what was begun since and shows them again.
 *
 * F1  A scope is ended by its own frame only, and that with the slab in hand that
 *     it began on: so a scope's marks always are of the caller's slab.
 * F2  Nothing is allocated but in a scope. So a frame that has no scope open when
 *     it ends leaves everything as it was, and leaving it is one compare.
 */
#ifndef ZK_ALLOC_SCRATCH_H
#define ZK_ALLOC_SCRATCH_H

#include <stdint.h>

#include <zkrt/scratch.h>

#include "alloc/slab.h"
#include "private/check.h"

/* What is not at the far end of a slab: a list, the newest first. */
struct zk_scratch_block {
    struct zk_scratch_block *older;
};

struct zk_scratch_state {
    uint64_t innermost; /* scope; 0: none of this frame is open */
    uint64_t scopes;    /* begun by this thread so far, or rather their ids */
    struct zk_scratch_block *newest;
};

extern ZK_THREAD_LOCAL struct zk_scratch_state zk__scratch
    __attribute__((tls_model("initial-exec")));

struct zk_scratch_frame {
    uint64_t innermost;
    struct zk_scratch_block *newest;
    char *low; /* of the slab in hand */
};

/* pre: the slab that the frame works on is in the thread's hand, in both */
static inline struct zk_scratch_frame
zk__scratch_enter(void)
{
    struct zk_scratch_frame outer = {zk__scratch.innermost, zk__scratch.newest,
                                     zk__slab_mine()->scratch};

    zk__scratch.innermost = 0;
    return outer;
}

/* Ends what the frame has left open. */
void zk__scratch_end_since(const struct zk_scratch_frame *outer);

static inline void
zk__scratch_leave(const struct zk_scratch_frame *outer)
{
    if (ZK_UNLIKELY(zk__scratch.innermost != 0)) /* F2 */
        zk__scratch_end_since(outer);
    zk__scratch.innermost = outer->innermost;
}

#endif
