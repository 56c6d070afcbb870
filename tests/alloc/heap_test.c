/* heap_test.c - the seam behind which the general allocator lies. */
#include "alloc/arena.h"
#include "alloc/heap.h"
#include "tests/support.h"
#include <errno.h>

/* Sizes that no allocator can serve, kept from the compiler, which knows. */
static volatile size_t far_too_much = SIZE_MAX;

/* Z17 */
static void
test_zero_bytes_is_a_unique_pointer(void **state)
{
    void *a = zk__heap_alloc(0), *b = zk__heap_alloc(0);
    void *c = zk__heap_alloc_zeroed(0), *d = zk__heap_alloc_aligned(64, 0);

    (void)state;
    assert_true(a != NULL && b != NULL && c != NULL && d != NULL);
    assert_true(a != b && b != c && c != d);
    a = zk__heap_realloc(a, 0);
    assert_non_null(a);
    zk__heap_free(a);
    zk__heap_free(b);
    zk__heap_free(c);
    zk__heap_free(d);
}

static void
test_what_cannot_be_served_is_null_and_leaves_the_old_block(void **state)
{
    char *p;

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* the sanitizer's allocator ends the program */
    p = zk__heap_alloc(100);
    test_fill(p, 100, 1);
    errno = 0;
    assert_null(zk__heap_alloc(far_too_much));
    assert_int_equal(errno, ENOMEM);
    assert_null(zk__heap_alloc_zeroed(far_too_much));
    assert_null(zk__heap_alloc_aligned(4096, far_too_much));
    assert_null(zk__heap_alloc_aligned(4096, far_too_much - 4095));
    assert_null(zk__heap_realloc(p, far_too_much));
    assert_true(test_holds(p, 100, 1));
    zk__heap_free(p);
}

static void
test_aligned_blocks_are_aligned_whatever_their_size(void **state)
{
    (void)state;
    for (size_t align = 1; align <= MIB; align *= 2)
        for (size_t n = 1; n <= 10000; n = n * 7 + 1) {
            char *p = zk__heap_alloc_aligned(align, n);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            memset(p, 1, n);
            zk__heap_free(p);
        }
}

/* N8: what shrinks gives memory back, and the address is no arena's. */
static void
test_realloc_shrinks_for_real(void **state)
{
    char *p = zk__heap_alloc(64 * MIB);

    (void)state;
    test_fill(p, 4096, 2);
    p = zk__heap_realloc(p, 4096);
    assert_non_null(p);
    assert_true(test_holds(p, 4096, 2));
    assert_true(zk__heap_usable(p) >= 4096);
    assert_true(zk__heap_usable(p) < MIB);
    assert_null(zk__arena_find(p).slab);
    zk__heap_free(p);
    zk__heap_free(NULL);
}

static void
test_zeroed_blocks_are_zero(void **state)
{
    (void)state;
    for (size_t n = 1; n < 4 * MIB; n = n * 3 + 1) {
        char *p = zk__heap_alloc(n);

        memset(p, 0xaa, n);
        zk__heap_free(p);
        p = zk__heap_alloc_zeroed(n);
        assert_true(test_all_zero(p, n));
        zk__heap_free(p);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_bytes_is_a_unique_pointer),
        cmocka_unit_test(
            test_what_cannot_be_served_is_null_and_leaves_the_old_block),
        cmocka_unit_test(test_aligned_blocks_are_aligned_whatever_their_size),
        cmocka_unit_test(test_realloc_shrinks_for_real),
        cmocka_unit_test(test_zeroed_blocks_are_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
