/* pool_test.c - batches of blocks, and the spans they come from. O2, O8, O9. */
#include "alloc/heap/pool.h"
#include "tests/heap/one_heap.h"
#include "tests/support.h"

static void
test_a_batch_from_a_new_span_is_contiguous(void **state)
{
    unsigned class = zk_class_of(4096);
    void *out[8];

    (void)state;
    assert_int_equal(zk__pool_take(&heap, class, 1, out, 8), 8);
    for (int i = 1; i < 8; i++)
        assert_ptr_equal((char *)out[i - 1] - 4096, out[i]);
    zk__pool_give(&heap, class, 1, out, 8);
}

/* What one cache gives is there for the next that asks: no batch is waited for. */
static void
test_a_single_block_that_was_given_can_be_taken(void **state)
{
    unsigned class = zk_class_of(ZK_CLASS_MAX);
    void *mine, *again;

    (void)state;
    assert_int_equal(zk__pool_take(&heap, class, 1, &mine, 1), 1);
    zk__pool_give(&heap, class, 2, &mine, 1);
    assert_int_equal(zk__pool_take(&heap, class, 1, &again, 1), 1);
    assert_ptr_equal(mine, again);
    assert_int_equal(heap.pools[class].remote, 1);
    zk__pool_give(&heap, class, 1, &again, 1);
    assert_int_equal(heap.pools[class].remote, 1);
}

static void
test_empty_spans_go_back_but_for_one(void **state)
{
    unsigned class = zk_class_of(64 * KIB);
    void *out[100];
    size_t taken;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(zk__pool_take(&heap, class, 1, &out[i], 1), 1);
    assert_int_equal(zk__class[class].count, 1);
    assert_int_equal(heap.pools[class].spans, 100);
    taken = zk__pages_use().taken;
    for (int i = 99; i >= 0; i--)
        zk__pool_give(&heap, class, 1, &out[i], 1);
    assert_int_equal(heap.pools[class].spans, 1);
    assert_int_equal(heap.pools[class].whole, 1);
    assert_int_equal(zk__pages_use().taken, taken - (size_t)99 * 64 * KIB);
    assert_int_equal(heap.pools[class].taken, heap.pools[class].given);
}

/* R14: what is left under the limit is a smaller batch, and then none. */
static void
test_a_limit_is_kept_and_serves_what_it_can(void **state)
{
    static struct zk_heap small;
    unsigned class = zk_class_of(48 * KIB);
    size_t span = zk__class[class].pages * ZK_HEAP_PAGE;
    unsigned count = zk__class[class].count, n;
    void *out[200];

    (void)state;
    zk__heap_init(&small, false, 3 * span + 1000);
    n = zk__pool_take(&small, class, 1, out, 200);
    assert_int_equal(n, count); /* a new span only where nothing was there */
    while (n < 200 && zk__pool_take(&small, class, 1, out + n, 1) == 1)
        n++;
    assert_int_equal(n, 3 * count);
    assert_int_equal(small.bytes, 3 * span);
    zk__pool_give(&small, class, 1, out, 1);
    assert_int_equal(zk__pool_take(&small, class, 1, out, 200), 1);
    zk__pool_give(&small, class, 1, out, n);
    assert_int_equal(small.bytes, span);
}

/* Threads take and give; every block is held by one of them at a time. */
struct worker {
    pthread_t thread;
    uint64_t seed;
    unsigned rounds, torn, failed;
};

static void *
work(void *arg)
{
    struct worker *w = arg;
    struct test_random r = {w->seed};
    void *held[64];

    for (unsigned i = 0; i < w->rounds; i++) {
        unsigned class = zk_class_of((size_t)64 << test_below(&r, 8));
        size_t size = zk__class[class].size;
        unsigned n = zk__pool_take(&heap, class, (uint32_t)w->seed, held,
                                   1 + (unsigned)test_below(&r, 64));

        w->failed += n == 0;
        for (unsigned k = 0; k < n; k++)
            test_fill(held[k], size < 128 ? size : 128, w->seed + k);
        for (unsigned k = 0; k < n; k++)
            w->torn +=
                !test_holds(held[k], size < 128 ? size : 128, w->seed + k);
        zk__pool_give(&heap, class, (uint32_t)w->seed, held, n);
    }
    return NULL;
}

static void
test_a_block_is_taken_by_one_thread_at_a_time(void **state)
{
    struct worker w[4];
    uint64_t seed = test_seed(__func__);

    (void)state;
    if (TEST_ASAN)
        skip(); /* what the pool hands out is still marked as dead */
    for (unsigned i = 0; i < 4; i++) {
        w[i] = (struct worker){.seed = seed + i * UINT64_C(1000003),
                               .rounds = test_scaled(20000)};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].torn, 0);
        assert_int_equal(w[i].failed, 0);
    }
    for (unsigned i = 0; i < ZK_CLASSES; i++)
        assert_int_equal(heap.pools[i].taken, heap.pools[i].given);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch_from_a_new_span_is_contiguous),
        cmocka_unit_test(test_a_single_block_that_was_given_can_be_taken),
        cmocka_unit_test(test_empty_spans_go_back_but_for_one),
        cmocka_unit_test(test_a_limit_is_kept_and_serves_what_it_can),
        cmocka_unit_test(test_a_block_is_taken_by_one_thread_at_a_time),
    };

    return cmocka_run_group_tests(tests, open_pages, NULL);
}
