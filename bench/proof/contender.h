/*
 * contender.h - what proof.c asks of the allocator that it measures.
 *
 * Owns:   the seam: each program links proof.c with one contender.
 * Never:  says how a contender gets its memory or its threads.
 *
 * `thread` is 0 or 1, and only that thread calls with it.
 */
#ifndef ZK_BENCH_CONTENDER_H
#define ZK_BENCH_CONTENDER_H

#include <stddef.h>

/* Once, before the first proof. `bytes` is what one thread may allocate. */
void contender_open(size_t bytes, const char *option);

void contender_begin(void); /* a proof begins */
void contender_end(void);   /* a proof ends: all its memory may go */

void *contender_alloc(unsigned thread, size_t bytes);

/* One buffer in the middle of a proof. */
void contender_free(unsigned thread, void *p);

/* Whether buffers have to be freed one by one before contender_end(). */
int contender_wants_frees(void);

/* Runs body(0) and body(1) at the same time on two threads, and waits. */
void contender_run(void (*body)(unsigned thread));

void contender_close(void);

#endif
