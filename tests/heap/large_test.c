/* large_test.c - blocks that are runs of pages. O11, R2, R6, ON2, ON4. */
#include "alloc/heap/large.h"
#include "private/poison.h"
#include "tests/heap/one_heap.h"
#include "tests/support.h"

static char *
alloc(size_t n)
{
    char *p = zk__large_alloc(&heap, n, 1, false);

    if (p != NULL)
        zk__unpoison(p, n);
    return p;
}

static struct zk_span *
span(const void *p)
{
    return zk_span_at(zk_page_of(p));
}

static char *
resize(char *p, size_t n)
{
    p = zk__large_resize(span(p), n);
    if (p != NULL)
        zk__unpoison(p, n);
    return p;
}

static void
test_waste_is_less_than_a_page(void **state)
{
    (void)state;
    for (size_t n = ZK_CLASS_MAX + 1; n < 40 * MIB; n = n * 9 / 8 + 12345) {
        char *p = alloc(n);

        assert_true(zk_large_bytes(span(p)) >= n);
        assert_true(zk_large_bytes(span(p)) < n + ZK_HEAP_PAGE);
        assert_int_equal(heap.large, 1);
        assert_int_equal(heap.large_bytes, zk_large_bytes(span(p)));
        zk__large_free(span(p));
    }
    assert_int_equal(heap.large_bytes, 0);
    assert_int_equal(heap.bytes, 0);
}

static void
test_alignment_up_to_a_gib(void **state)
{
    (void)state;
    for (size_t align = 1; align <= (TEST_TSAN ? 64 * MIB : GIB); align *= 2) {
        char *p = zk__large_alloc(&heap, MIB, align, false);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        zk__large_free(span(p));
    }
    assert_int_equal(heap.bytes, 0);
}

static void
test_zeroed_blocks_are_zero_whatever_was_there(void **state)
{
    char *p = alloc(5 * MIB);

    (void)state;
    memset(p, 0xaa, 5 * MIB);
    zk__large_free(span(p));
    p = zk__large_alloc(&heap, 4 * MIB, 1, true);
    zk__unpoison(p, 4 * MIB);
    assert_true(test_all_zero(p, 4 * MIB));
    zk__large_free(span(p));
}

static void
test_a_block_grows_in_place_where_pages_follow(void **state)
{
    char *p = alloc(16 * MIB), *wall = alloc(MIB), *q;

    (void)state;
    test_fill(p, MIB, 3);
    p = resize(p, MIB);
    q = resize(p, 15 * MIB);
    assert_ptr_equal(p, q);
    assert_true(test_holds(p, MIB, 3));
    memset(p, 1, 15 * MIB);
    zk__large_free(span(p));
    zk__large_free(span(wall));
}

static void
test_a_block_that_cannot_grow_is_moved_with_its_contents(void **state)
{
    (void)state;
    for (size_t n = 600 * KIB; n <= 16 * MIB; n *= 3) {
        char *p = alloc(n), *wall = alloc(MIB), *q;

        test_fill(p, n, n);
        q = resize(p, 2 * n);
        assert_non_null(q);
        assert_ptr_not_equal(p, q);
        assert_true(test_holds(q, n, n));
        memset(q + n, 5, n);
        assert_int_equal(heap.large, 2);
        q = resize(q, n); /* and back */
        assert_true(test_holds(q, n, n));
        zk__large_free(span(q));
        zk__large_free(span(wall));
    }
    assert_int_equal(heap.bytes, 0);
}

/* ON4, R6: 200 serve 17 and then 60 and then what is left. */
static void
test_a_freed_block_serves_smaller_ones_together(void **state)
{
    char *p = alloc(200 * MIB), *wall = alloc(MIB), *a, *b, *c;

    (void)state;
    zk__large_free(span(p));
    a = alloc(17 * MIB);
    b = alloc(60 * MIB);
    c = alloc(123 * MIB);
    assert_true(a >= p && a < p + 200 * MIB);
    assert_true(b >= p && b < p + 200 * MIB);
    assert_true(c >= p && c < p + 200 * MIB);
    zk__large_free(span(b));
    zk__large_free(span(a));
    zk__large_free(span(c));
    assert_ptr_equal(alloc(200 * MIB), p);
    zk__large_free(span(p));
    zk__large_free(span(wall));
}

/* ON2: what is refused takes nothing. */
static void
test_what_is_refused_takes_nothing(void **state)
{
    static struct zk_heap small;
    struct zk_pages_use before = zk__pages_use();
    char *p;

    (void)state;
    assert_null(zk__large_alloc(&heap, SIZE_MAX, 1, false));
    assert_null(zk__large_alloc(&heap, SIZE_MAX - 70000, 1, true));
    assert_null(zk__large_alloc(&heap, (size_t)1 << 46, 1, false));
    assert_int_equal(heap.bytes, 0);
    assert_int_equal(zk__pages_use().taken, before.taken);

    zk__heap_init(&small, false, 10 * MIB);
    p = zk__large_alloc(&small, 6 * MIB, 1, false);
    assert_non_null(p);
    zk__unpoison(p, 6 * MIB);
    test_fill(p, 6 * MIB, 1);
    assert_null(zk__large_alloc(&small, 6 * MIB, 1, false));
    assert_null(zk__large_resize(span(p), 11 * MIB));
    assert_true(test_holds(p, 6 * MIB, 1));
    assert_int_equal(small.bytes, 6 * MIB);
    zk__large_free(span(p));
    assert_int_equal(small.bytes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waste_is_less_than_a_page),
        cmocka_unit_test(test_alignment_up_to_a_gib),
        cmocka_unit_test(test_zeroed_blocks_are_zero_whatever_was_there),
        cmocka_unit_test(test_a_block_grows_in_place_where_pages_follow),
        cmocka_unit_test(
            test_a_block_that_cannot_grow_is_moved_with_its_contents),
        cmocka_unit_test(test_a_freed_block_serves_smaller_ones_together),
        cmocka_unit_test(test_what_is_refused_takes_nothing),
    };

    return cmocka_run_group_tests(tests, open_pages, NULL);
}
