/*
 * support.h - what the prover's tests share.
 *
 * Owns:   cmocka's includes in their order, seeded random numbers, and how much
 *         a test may do in a build that runs many times slower.
 * Never:  asserts from a thread that is not the main one.
 */
#ifndef STARK_TEST_SUPPORT_H
#define STARK_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ext.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define TEST_SLOW_BUILD 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define TEST_SLOW_BUILD 1
#    endif
#endif
#ifndef TEST_SLOW_BUILD
#    define TEST_SLOW_BUILD 0
#endif

/* How often to do something, of which `often` is meant for a fast build. */
#define TEST_TIMES(often) (TEST_SLOW_BUILD ? (often) / 20 : (often))

/*
 * Prints the seed: STARK_TEST_SEED from the environment, or the time. Call it
 * at the start of each random test.
 */
void test_seed(void);
uint64_t test_random(void);

/* Uniform in [0, n). */
size_t test_below(size_t n);

fp_t test_fp(void);
fq_t test_fq(void);

/* Elements near the places where carries and reductions change. */
extern const fp_t test_edges[];
extern const size_t test_edge_count;

/* n random bytes on the heap, never NULL. */
uint8_t *test_bytes(size_t n);

#endif
