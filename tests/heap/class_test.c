/* class_test.c - sizes of blocks and spans. O4, O5, R3. */
#include "alloc/heap/class.h"
#include "tests/support.h"

static int
open_classes(void **state)
{
    (void)state;
    zk__class_open();
    return 0;
}

static void
test_each_request_gets_the_smallest_class_that_holds_it(void **state)
{
    (void)state;
    for (size_t n = 0; n <= ZK_CLASS_MAX; n++) {
        unsigned class = zk_class_of(n);

        if (class >= ZK_CLASSES || zk__class[class].size < n ||
            (class > 0 && zk__class[class - 1].size >= n))
            fail_msg("%zu bytes: class %u", n, class);
    }
}

static void
test_the_tables_say_the_same(void **state)
{
    (void)state;
    for (size_t n = 0; n <= ZK_CACHED_MAX; n++)
        if (zk_class_of_cached(n) != zk_class_of(n))
            fail_msg("%zu bytes: class %u by the tables", n,
                     zk_class_of_cached(n));
}

static void
test_blocks_of_cached_classes_only_start_for_a_cache(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 256; kind++)
        for (size_t at = 0; at < 4 * ZK_HEAP_PAGE; at += 16)
            if (zk_cached_starts(kind, at) !=
                (kind < ZK_CACHED_CLASSES && zk_class_starts(kind, at)))
                fail_msg("kind %u, %zu", kind, at);
}

static void
test_waste_is_bounded(void **state)
{
    (void)state;
    for (size_t n = 1; n <= ZK_CLASS_MAX; n++) {
        size_t size = zk__class[zk_class_of(n)].size;
        bool fits = n <= 48     ? size - n < 16
                    : n <= 1024 ? size - n < 64
                                : (size - n) * 8 < n;

        if (!fits)
            fail_msg("%zu bytes take %zu", n, size);
    }
    assert_int_equal(zk__class[zk_class_of(16)].size, 16);
    assert_int_equal(zk__class[zk_class_of(8)].size, 16);
}

static void
test_sizes_from_64_on_are_multiples_of_64(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ZK_CLASSES; i++) {
        size_t size = zk__class[i].size;

        assert_int_equal(size % (size < 64 ? 16 : 64), 0);
    }
}

static void
test_powers_of_two_are_sizes(void **state)
{
    (void)state;
    for (size_t n = 16; n <= ZK_CLASS_MAX; n *= 2)
        assert_int_equal(zk__class[zk_class_of(n)].size, n);
}

static void
test_spans_lose_little_at_their_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ZK_CLASSES; i++) {
        const struct zk_class *c = &zk__class[i];
        size_t bytes = c->pages * ZK_HEAP_PAGE;
        size_t used = (size_t)c->count * c->size;

        assert_true(c->count >= 1 && used <= bytes);
        assert_true(bytes - used <= bytes / 32);
        assert_true(c->count <= 4096u * c->pages);
    }
}

static void
test_caches_hold_some_of_each_class_up_to_128_kib(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ZK_CLASSES; i++) {
        const struct zk_class *c = &zk__class[i];

        assert_int_equal(c->limit != 0, c->size <= ZK_CACHED_MAX);
        assert_int_equal(c->limit != 0, i < ZK_CACHED_CLASSES);
        if (i < ZK_CACHED_CLASSES)
            assert_in_range((size_t)c->limit * c->size, c->size, 512 * KIB);
    }
    assert_true(zk_class_of(ZK_CACHED_MAX) == ZK_CACHED_CLASSES - 1);
}

/* Every offset of every class, against what dividing says. */
static void
test_division_without_dividing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ZK_CLASSES; i++) {
        size_t size = zk__class[i].size;
        size_t bytes = zk__class[i].pages * ZK_HEAP_PAGE;

        for (size_t at = 0; at < bytes; at++)
            if (zk_class_index(i, at) != at / size ||
                (zk_class_starts(i, at) != 0) != (at % size == 0))
                fail_msg("class %u offset %zu", i, at);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_each_request_gets_the_smallest_class_that_holds_it),
        cmocka_unit_test(test_the_tables_say_the_same),
        cmocka_unit_test(test_blocks_of_cached_classes_only_start_for_a_cache),
        cmocka_unit_test(test_waste_is_bounded),
        cmocka_unit_test(test_sizes_from_64_on_are_multiples_of_64),
        cmocka_unit_test(test_powers_of_two_are_sizes),
        cmocka_unit_test(test_spans_lose_little_at_their_end),
        cmocka_unit_test(test_caches_hold_some_of_each_class_up_to_128_kib),
        cmocka_unit_test(test_division_without_dividing),
    };

    return cmocka_run_group_tests(tests, open_classes, NULL);
}
