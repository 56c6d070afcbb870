/*
 * vectors.h - numbers out of tests/vectors/poseidon2_goldilocks_12.json.
 *
 * Owns:   a reader that is as small as that file's shape allows: under a key,
 *         every number or "0x..." string counts, in order.
 * Never:  is a JSON parser.
 */
#ifndef STARK_TEST_VECTORS_H
#define STARK_TEST_VECTORS_H

#include "support.h"

/* The whole file, on the heap, with a zero at its end. */
char *vectors_load(void);

/*
 * Reads `count` numbers after the first `"key":` at or behind *at, and leaves
 * *at behind them. Fails the test when there are not so many.
 */
void vectors_read(const char **at, const char *key, uint64_t *value,
                  size_t count);

#endif
