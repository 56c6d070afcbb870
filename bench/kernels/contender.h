/*
 * contender.h - what kernels.c asks of the runtime that it measures.
 *
 * Owns:   the seam: each program links kernels.c with one contender.
 * Never:  knows a kernel.
 *
 * Read from C and from C++.
 */
#ifndef ZK_BENCH_KERNELS_CONTENDER_H
#define ZK_BENCH_KERNELS_CONTENDER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Iterations [begin, end); as zk_range_fn, and always 0. */
typedef int (*kernel_body)(size_t begin, size_t end, void *arg);

void contender_open(unsigned threads);

/*
 * Runs body over [begin, end) on all threads, in the form that a user of this
 * runtime would write. `uneven`: few iterations, of which some have much more to
 * do than others.
 */
void contender_loop(size_t begin, size_t end, kernel_body body, void *arg,
                    int uneven);

void contender_close(void);

#ifdef __cplusplus
}
#endif

#endif
