/*
 * support.c - see support.h.
 *
 * Owns:   the state of the random numbers.
 * Never:  is called from two threads.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t state;

const fp_t test_edges[] = {
    0,
    1,
    2,
    FP_GENERATOR,
    FP_EPS - 1,
    FP_EPS,
    FP_EPS + 1,
    FP_EPS + 2,
    UINT64_C(1) << 63,
    (UINT64_C(1) << 63) - 1,
    FP_P / 2,
    FP_P / 2 + 1,
    FP_P - FP_EPS - 1,
    FP_P - FP_EPS,
    FP_P - 2,
    FP_P - 1,
};
const size_t test_edge_count = sizeof test_edges / sizeof test_edges[0];

void
test_seed(void)
{
    const char *given = getenv("STARK_TEST_SEED");

    state = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("STARK_TEST_SEED=%llu\n", (unsigned long long)state);
}

/* SplitMix64. */
uint64_t
test_random(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

size_t
test_below(size_t n)
{
    return (size_t)(test_random() % n);
}

fp_t
test_fp(void)
{
    return test_random() % FP_P;
}

fq_t
test_fq(void)
{
    fp_t a = test_fp();
    fp_t b = test_fp();

    return (fq_t){a, b};
}

uint8_t *
test_bytes(size_t n)
{
    uint8_t *bytes = malloc(n + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)test_random();
    return bytes;
}
