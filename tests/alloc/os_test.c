/* os_test.c - address ranges from the system. */
#include <errno.h>
#include <sys/resource.h>

#include "alloc/os.h"
#include "tests/support.h"

static void
test_page_size_is_a_power_of_two(void **state)
{
    size_t page = zk__os_page();

    (void)state;
    assert_true(page >= 4096);
    assert_int_equal(page & (page - 1), 0);
}

static void
test_reserved_range_has_the_alignment_that_was_asked_for(void **state)
{
    (void)state;
    for (size_t align = zk__os_page(); align <= GIB; align *= 2) {
        char *p = zk__os_reserve(3 * zk__os_page(), align);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        assert_true(zk__os_commit(p, 3 * zk__os_page()));
        memset(p, 1, 3 * zk__os_page());
        zk__os_unmap(p, 3 * zk__os_page());
    }
}

/* B3: more than the machine's memory is only address space. */
static void
test_reserving_more_than_memory_succeeds(void **state)
{
    /* ThreadSanitizer leaves a program little address space of its own. */
    size_t bytes = TEST_TSAN ? 64 * GIB : 4096 * GIB;
    void *p = zk__os_reserve(bytes, ZK_HUGE_PAGE);

    (void)state;
    assert_non_null(p);
    zk__os_unmap(p, bytes);
}

/* Z2, N6: refused, and not an abort. */
static void
test_reserving_more_than_the_address_space_is_null(void **state)
{
    (void)state;
    assert_null(zk__os_reserve((size_t)1 << 48, ZK_HUGE_PAGE));
    assert_null(zk__os_reserve((size_t)1 << 62, ZK_HUGE_PAGE));
    assert_null(zk__os_reserve(SIZE_MAX - 4095, ZK_HUGE_PAGE));
    assert_null(zk__os_map((size_t)1 << 60));
}

static void
test_committed_range_reads_as_zero_and_keeps_what_is_written(void **state)
{
    size_t n = 4 * zk__os_page();
    char *p = zk__os_reserve(n, zk__os_page());

    (void)state;
    assert_non_null(p);
    assert_true(zk__os_commit(p, n));
    assert_true(test_all_zero(p, n));
    test_fill(p, n, 7);
    assert_true(zk__os_commit(p, n)); /* again: no effect on the bytes */
    assert_true(test_holds(p, n, 7));
    zk__os_unmap(p, n);
}

static void
test_discarded_pages_read_as_zero_and_neighbours_stay(void **state)
{
    size_t page = zk__os_page();
    char *p = zk__os_map(3 * page);

    (void)state;
    assert_non_null(p);
    test_fill(p, 3 * page, 9);
    assert_true(zk__os_discard(p + page, page));
    assert_true(test_holds(p, page, 9));
    assert_true(test_all_zero(p + page, page));
    assert_true(test_holds(p + 2 * page, page, 9 + 2 * page));
    zk__os_unmap(p, 3 * page);
}

static void
test_committing_what_was_never_reserved_is_refused(void **state)
{
    size_t page = zk__os_page();
    char *p = zk__os_reserve(page, page);

    (void)state;
    zk__os_unmap(p, page);
    assert_false(zk__os_commit(p, page));
    zk__os_unmap(NULL, page); /* nothing */
}

static int
touch(void *p)
{
    *(volatile char *)p = 1;
    return 0;
}

static void
test_touching_a_reserved_range_kills(void **state)
{
    char *p = zk__os_reserve(zk__os_page(), zk__os_page());
    struct test_child child = test_in_child(touch, p);

    (void)state;
    assert_false(child.exited && child.code == 0);
    zk__os_unmap(p, zk__os_page());
}

static void
test_huge_page_advice_leaves_the_bytes_alone(void **state)
{
    char *p = zk__os_reserve(2 * ZK_HUGE_PAGE, ZK_HUGE_PAGE);

    (void)state;
    assert_true(zk__os_commit(p, 2 * ZK_HUGE_PAGE));
    test_fill(p, ZK_HUGE_PAGE, 3);
    zk__os_advise_huge(p, 2 * ZK_HUGE_PAGE, true);
    assert_true(test_holds(p, ZK_HUGE_PAGE, 3));
    zk__os_advise_huge(p, 2 * ZK_HUGE_PAGE, false);
    assert_true(test_holds(p, ZK_HUGE_PAGE, 3));
    zk__os_unmap(p, 2 * ZK_HUGE_PAGE);
}

static int
limit_address_space(void *arg)
{
    struct rlimit limit = {2 * GIB, 2 * GIB};
    size_t left;
    void *p;

    (void)arg;
    CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    left = zk__os_address_space_left();
    CHILD_CHECK(left < 2 * GIB && left > GIB);
    CHILD_CHECK(zk__os_reserve(2 * GIB, ZK_HUGE_PAGE) == NULL);
    p = zk__os_reserve(left / 2, ZK_HUGE_PAGE);
    CHILD_CHECK(p != NULL);
    CHILD_CHECK(zk__os_address_space_left() <= left - left / 2);

    limit.rlim_cur = 4 * MIB; /* below what is in use */
    CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHILD_CHECK(zk__os_address_space_left() == 0);
    CHILD_CHECK(zk__os_map(MIB) == NULL);
    return 0;
}

static void
test_address_space_left_follows_the_limit(void **state)
{
    (void)state;
    if (TEST_SANITIZED)
        skip();
    assert_int_equal(zk__os_address_space_left(), SIZE_MAX);
    assert_true(test_child_succeeds(limit_address_space, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_size_is_a_power_of_two),
        cmocka_unit_test(
            test_reserved_range_has_the_alignment_that_was_asked_for),
        cmocka_unit_test(test_reserving_more_than_memory_succeeds),
        cmocka_unit_test(test_reserving_more_than_the_address_space_is_null),
        cmocka_unit_test(
            test_committed_range_reads_as_zero_and_keeps_what_is_written),
        cmocka_unit_test(test_discarded_pages_read_as_zero_and_neighbours_stay),
        cmocka_unit_test(test_committing_what_was_never_reserved_is_refused),
        cmocka_unit_test(test_touching_a_reserved_range_kills),
        cmocka_unit_test(test_huge_page_advice_leaves_the_bytes_alone),
        cmocka_unit_test(test_address_space_left_follows_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
