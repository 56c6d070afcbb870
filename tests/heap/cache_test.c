/* cache_test.c - the blocks at hand. O5, O7, R7, R8, R13. */
#include "alloc/heap/cache.h"
#include "tests/heap/one_heap.h"
#include "tests/support.h"

static void *
pop(struct zk_cache *c, unsigned class)
{
    void *p = NULL;

    if (!zk_cache_pop(c, class, &p) &&
        (!zk__cache_refill(c, class) || !zk_cache_pop(c, class, &p)))
        return NULL;
    return p;
}

static void
push(struct zk_cache *c, unsigned class, void *p)
{
    if (!zk_cache_push(c, class, p)) {
        zk__cache_drain(c, class);
        assert_true(zk_cache_push(c, class, p));
    }
}

static void
test_nobodys_cache_has_nothing_and_takes_nothing(void **state)
{
    int block;
    void *p = &block;

    (void)state;
    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++) {
        assert_false(zk_cache_pop(&zk__cache_none, i, &p));
        assert_false(zk_cache_push(&zk__cache_none, i, &block));
    }
    assert_ptr_equal(p, &block);
}

static void
test_the_newest_block_is_handed_out_first(void **state)
{
    struct zk_cache *c = zk__cache_open(&heap);
    unsigned class = zk_class_of(64);
    void *a = pop(c, class), *b = pop(c, class), *d = pop(c, class);

    (void)state;
    push(c, class, b);
    push(c, class, a);
    push(c, class, d);
    assert_ptr_equal(pop(c, class), d);
    assert_ptr_equal(pop(c, class), a);
    assert_ptr_equal(pop(c, class), b);
    push(c, class, a);
    push(c, class, b);
    push(c, class, d);
    zk__cache_close(c);
}

static void
test_refills_are_half_of_what_fits(void **state)
{
    struct zk_cache *c = zk__cache_open(&heap);

    (void)state;
    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++) {
        void *p = pop(c, i);

        assert_non_null(p);
        assert_in_range(zk_bin_count(&c->bins[i]) + 1, 1,
                        (zk__class[i].limit + 1) / 2);
        push(c, i, p);
    }
    zk__cache_close(c);
}

static void
test_a_full_bin_gives_its_older_half_back(void **state)
{
    struct zk_cache *c = zk__cache_open(&heap);
    unsigned class = zk_class_of(1024), limit = zk__class[class].limit;
    uint64_t given;
    void *held[512] = {NULL};

    (void)state;
    for (unsigned i = 0; i <= limit; i++)
        held[i] = pop(c, class);
    zk__cache_flush(c);
    given = heap.pools[class].given;
    for (unsigned i = 0; i < limit; i++)
        push(c, class, held[i]);
    assert_int_equal(heap.pools[class].given, given);
    push(c, class, held[limit]);
    assert_int_equal(heap.pools[class].given, given + (limit + 1) / 2);
    for (unsigned i = limit; i >= (limit + 1) / 2; i--)
        assert_ptr_equal(pop(c, class), held[i]);
    for (unsigned i = limit; i >= (limit + 1) / 2; i--)
        push(c, class, held[i]);
    zk__cache_close(c);
}

static void
test_the_block_that_was_freed_last_is_not_taken_twice(void **state)
{
    struct zk_cache *c = zk__cache_open(&heap);
    unsigned class = zk_class_of(48);
    void *p = pop(c, class);

    (void)state;
    zk__cache_flush(c);
    assert_true(zk_cache_push(c, class, p));
    assert_false(zk_cache_push(c, class, p));
    assert_int_equal(zk_bin_count(&c->bins[class]), 1);
    zk__cache_close(c);
}

/* R8, R13: nothing of the cache's last life is left in the next. */
static void
test_a_closed_cache_has_given_all_and_is_used_again(void **state)
{
    struct zk_cache *c = zk__cache_open(&heap), *again;
    uint32_t home = c->home;

    (void)state;
    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++)
        push(c, i, pop(c, i));
    assert_true(zk__cache_count(&heap).blocks != 0);
    zk__cache_close(c);
    assert_int_equal(zk__cache_count(&heap).blocks, 0);
    assert_int_equal(zk__cache_count(&heap).caches, 0);
    for (unsigned i = 0; i < ZK_CLASSES; i++) {
        assert_int_equal(heap.pools[i].taken, heap.pools[i].given);
        assert_true(heap.pools[i].spans <= 1);
    }
    again = zk__cache_open(&heap);
    assert_ptr_equal(again, c);
    assert_int_not_equal(again->home, home);
    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++)
        assert_int_equal(zk_bin_count(&again->bins[i]), 0);
    zk__cache_close(again);
}

static void
test_what_is_cached_is_counted(void **state)
{
    struct zk_cache *c = zk__cache_open(&heap), *d = zk__cache_open(&heap);
    unsigned class = zk_class_of(256);
    struct zk_cached n;
    void *p = pop(c, class), *q = pop(d, class);

    (void)state;
    n = zk__cache_count(&heap);
    assert_int_equal(n.caches, 2);
    assert_int_equal(n.blocks, zk_bin_count(&c->bins[class]) +
                                   zk_bin_count(&d->bins[class]));
    assert_int_equal(n.bytes, n.blocks * 256);
    assert_int_equal(n.blocks_of[class], n.blocks);
    assert_int_equal(heap.pools[class].taken - heap.pools[class].given,
                     n.blocks + 2);
    push(c, class, q);
    push(d, class, p);
    assert_int_equal(zk__cache_count(&heap).blocks, n.blocks + 2);
    zk__cache_close(c);
    zk__cache_close(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobodys_cache_has_nothing_and_takes_nothing),
        cmocka_unit_test(test_the_newest_block_is_handed_out_first),
        cmocka_unit_test(test_refills_are_half_of_what_fits),
        cmocka_unit_test(test_a_full_bin_gives_its_older_half_back),
        cmocka_unit_test(test_the_block_that_was_freed_last_is_not_taken_twice),
        cmocka_unit_test(test_a_closed_cache_has_given_all_and_is_used_again),
        cmocka_unit_test(test_what_is_cached_is_counted),
    };

    return cmocka_run_group_tests(tests, open_pages, NULL);
}
