/* memory_test.c - how much memory the heap takes, and that it comes back. */
#include "alloc/heap.h"
#include "tests/support.h"

static void
test_a_million_blocks_of_64_bytes_take_72_mib_at_most(void **state)
{
    enum { N = 1 << 20 };
    static void *held[N];
    size_t before;

    (void)state;
    assert_true(zk__heap_ready());
    if (TEST_SANITIZED || zk_debug())
        skip(); /* they are larger then */
    memset(held, 1, sizeof held);
    before = test_resident();
    for (size_t i = 0; i < N; i++) {
        held[i] = zk__heap_alloc(64);
        *(char *)held[i] = 1;
    }
    assert_in_range(test_resident() - before, 60 * MIB, 72 * MIB);
    for (size_t i = 0; i < N; i++)
        zk__heap_free(held[i]);
}

/* Nobody has to ask for it: allocating goes on, and memory goes back. */
static void
test_what_is_freed_goes_back_after_the_decay_time(void **state)
{
    enum { N = 100000 };
    static void *held[N];
    struct test_random r = {test_seed(__func__)};
    unsigned decay = zk__pages_decay();
    size_t full, empty = 0;

    (void)state;
    if (TEST_SANITIZED)
        skip();
    for (size_t i = 0; i < N; i++) {
        size_t n = 1 + test_below(&r, 2000);

        held[i] = zk__heap_alloc(n);
        memset(held[i], 1, n);
    }
    full = test_resident();
    for (size_t i = 0; i < N; i++)
        zk__heap_free(held[i]);
    zk__pages_set_decay(100);
    for (int i = 0; i < 10000; i++) {
        /* More of them than a cache holds, so that pools are visited. */
        for (size_t k = 0; k < 1000; k++)
            held[k] = zk__heap_alloc(2000);
        for (size_t k = 0; k < 1000; k++)
            zk__heap_free(held[k]);
        empty = test_resident();
        if (empty < full - 90 * MIB)
            break;
        usleep(1000);
    }
    zk__pages_set_decay(decay);
    assert_true(empty < full - 90 * MIB);
}

/* Nobody else may look into a cache, so it is the caller's that is emptied. */
static void
test_trim_empties_the_callers_cache_and_the_pools(void **state)
{
    enum { N = 3000 };
    static void *held[N];
    zk_runtime_t *lane = test_lane(1, MIB, 0);
    zk_heap_stats_t stats = {.size = sizeof stats};

    (void)state;
    assert_non_null(lane);
    assert_true(zk__heap_ready());
    if (zk_debug())
        skip(); /* there are no caches */
    for (size_t i = 0; i < N; i++)
        held[i] = zk_malloc(1 + i);
    for (size_t i = 0; i < N; i++)
        zk_free(held[i]);
    assert_int_equal(zk_heap_stats(NULL, &stats), ZK_OK);
    assert_true(stats.cached > 100 * KIB && stats.active > stats.cached);
    assert_int_equal(zk_runtime_trim(lane, NULL), ZK_OK);
    assert_int_equal(zk_heap_stats(NULL, &stats), ZK_OK);
    assert_int_equal(stats.cached, 0);
    assert_int_equal(stats.active, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_blocks_of_64_bytes_take_72_mib_at_most),
        cmocka_unit_test(test_what_is_freed_goes_back_after_the_decay_time),
        cmocka_unit_test(test_trim_empties_the_callers_cache_and_the_pools),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
