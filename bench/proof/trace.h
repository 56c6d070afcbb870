/*
 * trace.h - which buffers a proof allocates, in which order, on which thread.
 *
 * Owns:   the one trace that all contenders run.
 * Never:  allocates from the contender: a trace is made before the first proof.
 *
 * 253 buffers of together exactly 1541 MiB, the same in every run:
 *
 *     16 x 32 MiB, 32 x 16 MiB, 40 x 8 MiB, 34 x 4 MiB, 51 x 1 MiB,
 *     80 x 128 KiB
 *
 * as the columns, trees and layers of a prover are: mostly powers of two. In
 * every second pair of a class one buffer gives up to a quarter of its size to
 * the other, in steps of 64 bytes, so that not all of them are. Then they are
 * shuffled, and each goes to the thread that has fewer bytes so far.
 */
#ifndef ZK_BENCH_TRACE_H
#define ZK_BENCH_TRACE_H

#include <stddef.h>
#include <stdint.h>

enum { TRACE_THREADS = 2, TRACE_BUFFERS = 253 };

#define TRACE_MIB        ((size_t)1 << 20)
#define TRACE_LIVE_LIMIT (192 * TRACE_MIB) /* per thread, in mode rand */

struct trace {
    size_t count[TRACE_THREADS];
    size_t bytes[TRACE_THREADS]; /* sum of sizes */
    size_t size[TRACE_THREADS][TRACE_BUFFERS];
};

/*
 * Sizes are divided by `divisor`, a power of two: 1 is the trace. Up to 16 all
 * buffers have more than 4 KiB, which is from where an arena serves them.
 */
void trace_make(struct trace *trace, size_t divisor);

#endif
