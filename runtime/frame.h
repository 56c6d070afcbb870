/*
 * frame.h - whether the frame that is to end a phase is still there.
 *
 * Owns:   what is noted of a function or block form when it begins its phase,
 *         and the conclusions that a later call may draw from it.
 * Never:  follows a pointer into a frame.
 *
 * The function and block forms end their phase before their frame goes, unless
 * somebody jumps out of it with longjmp(). So as long as such a phase is rightly
 * open, whatever its thread calls is called from that frame or from below it:
 * stacks grow down.
 *
 * G1  A form's base is an address in its frame: of zk_runtime_phase() and its
 *     like, or of the function that has the block. Its return address is that
 *     frame's.
 * G2  A call's own frame lies below the base of each form that is open. Where it
 *     does not, that form's frame is gone.
 * G3  Blocks with the same base are in the same activation of a function if it
 *     returns to the same place, and then they have different guards.
 * G4  Whoever walks up the stack meets the frame that has the base, and it
 *     returns to where it did. A walk that comes past the base without meeting
 *     it proves that the frame is gone; one that ends before proves nothing.
 *
 * G4 costs a microsecond or more and is asked of secret phases alone. All this
 * holds on the thread's own stack: of a fibre's nobody knows where it lies.
 */
#ifndef ZK_RUNTIME_FRAME_H
#define ZK_RUNTIME_FRAME_H

#include <stdbool.h>
#include <stdint.h>

struct zk_frame {
    uintptr_t base; /* 0: a begin by hand, of which nothing is known */
    const void *return_address; /* NULL: not known */
    const void *guard;          /* of a block; else NULL */
    bool walkable;              /* G4 may be asked */
};

/* Asks whether a walk from here meets the frame, and if so, lets G4 be asked. */
void zk__frame_try_walk(struct zk_frame *form);

/*
 * True when a call with frame address `caller`, on behalf of the form `now`, can
 * only be made because a form has gone without ending its phase.
 */
bool zk__frame_gone(const struct zk_frame *form, const struct zk_frame *now,
                    uintptr_t caller);

#endif
