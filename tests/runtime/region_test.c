/*
 * region_test.c - memory that workers of all nodes read.
 *
 * On which nodes it comes to be is seen in guests (tests/guest/shared_test.c).
 */
#include "tests/runtime/rt.h"

#include <errno.h>

#include "alloc/os.h"
#include "alloc/region.h"

#define BYTES (3 * MIB + 1)

static zk_runtime_t *
open_lane(size_t budget, enum zk_huge huge)
{
    zk_runtime_t *lane = NULL;

    return zk_runtime_open(&lane,
                           ZK_OPTIONS(.workers = 2, .bind = ZK_BIND_NONE,
                                      .slab_bytes = 64 * MIB, .hugepages = huge,
                                      .budget_bytes = budget,
                                      .notice = test_no_notice)) == ZK_OK
               ? lane
               : NULL;
}

static void
test_a_region_is_zero_and_the_callers(void **state)
{
    zk_runtime_t *lane = open_lane(0, ZK_HUGE_NEVER);
    char *p = zk_shared_alloc_on(lane, BYTES), *q;

    (void)state;
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % zk__os_page(), 0);
    assert_true(test_all_zero(p, BYTES));
    q = zk_shared_alloc_on(lane, BYTES);
    assert_non_null(q);
    test_fill(p, BYTES, 1);
    test_fill(q, BYTES, 2);
    assert_true(test_holds(p, BYTES, 1));
    assert_int_equal(zk_shared_free(p), ZK_OK);
    assert_true(test_holds(q, BYTES, 2));
    assert_int_equal(zk_shared_free(q), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_it_outlives_phases_and_lanes(void **state)
{
    zk_runtime_t *lane = open_lane(0, ZK_HUGE_NEVER);
    char *p;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "first"), ZK_OK);
    p = zk_shared_alloc(BYTES); /* of the lane that the caller is in */
    assert_non_null(p);
    assert_int_equal(zk_in_arena(p), 0);
    test_fill(p, BYTES, 3);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_phase_begin_on(lane, "second"), ZK_OK);
    assert_true(test_holds(p, BYTES, 3));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_true(test_holds(p, BYTES, 3));
    assert_int_equal(zk_shared_free(p), ZK_OK);
}

static void
test_it_is_charged_and_counted_until_it_is_freed(void **state)
{
    zk_runtime_t *lane = open_lane(16 * MIB, ZK_HUGE_NEVER);
    size_t whole = (BYTES + zk__os_page() - 1) / zk__os_page() * zk__os_page();
    char *p = zk_shared_alloc_on(lane, BYTES);

    (void)state;
    assert_non_null(p);
    assert_int_equal(test_stats(lane).budget_charged, whole);
    assert_int_equal(test_stats(lane).shared_bytes, whole);
    assert_int_equal(test_stats(lane).shared_regions, 1);
    assert_int_equal(zk_shared_free(p), ZK_OK);
    assert_int_equal(test_stats(lane).budget_charged, 0);
    assert_int_equal(test_stats(lane).shared_bytes, 0);
    assert_int_equal(test_stats(lane).shared_regions, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* And the lane goes on: it is no phase's refusal. */
static void
test_over_the_budget_it_is_refused_and_nothing_else_is(void **state)
{
    zk_runtime_t *lane = open_lane(16 * MIB, ZK_HUGE_NEVER);
    char *p = zk_shared_alloc_on(lane, 12 * MIB);

    (void)state;
    assert_non_null(p);
    errno = 0;
    assert_null(zk_shared_alloc_on(lane, 5 * MIB));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(test_stats(lane).budget_refusals, 1);
    assert_int_equal(test_stats(lane).budget_charged, 12 * MIB);
    assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK);
    assert_non_null(zk_malloc(1 * MIB));
    assert_null(zk_malloc(6 * MIB)); /* which the region has left no room for */
    assert_int_equal(zk_phase_end(), ZK_EBUDGET);
    assert_int_equal(zk_shared_free(p), ZK_OK);
    assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK);
    assert_non_null(zk_malloc(6 * MIB));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_wrong_calls_change_nothing(void **state)
{
    zk_runtime_t *lane = open_lane(0, ZK_HUGE_NEVER);
    char *p = zk_shared_alloc_on(lane, BYTES);
    zk_numa_pages_t pages = {.size = sizeof pages};

    (void)state;
    assert_non_null(p);
    test_fill(p, BYTES, 4);
    errno = 0;
    assert_null(zk_shared_alloc_on(lane, 0));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(zk_shared_alloc_on(lane, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(zk_shared_free(p + 1), ZK_EINVAL);
    assert_int_equal(zk_shared_free(&pages), ZK_EINVAL);
    assert_int_equal(zk_shared_pages(p + 1, &pages), ZK_EINVAL);
    assert_int_equal(zk_shared_pages(NULL, &pages), ZK_EINVAL);
    assert_int_equal(zk_shared_pages(p, NULL), ZK_EINVAL);
    assert_int_equal(zk_shared_pages(p, &pages), ZK_OK);
    assert_true(pages.wanted_bytes + pages.unknown_bytes >= BYTES);
    assert_int_equal(pages.other_bytes, 0);
    pages.size--;
    assert_int_equal(zk_shared_pages(p, &pages), ZK_EINVAL);
    assert_true(test_holds(p, BYTES, 4));
    assert_int_equal(zk_shared_free(p), ZK_OK);
    assert_int_equal(zk_shared_free(p), ZK_EINVAL);
    assert_int_equal(zk_shared_free(NULL), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_whole_huge_pages_where_they_are_always_wanted(void **state)
{
    zk_runtime_t *lane = open_lane(0, ZK_HUGE_ALWAYS);
    char *p = zk_shared_alloc_on(lane, BYTES);

    (void)state;
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % ZK_HUGE_PAGE, 0);
    assert_int_equal(test_stats(lane).shared_bytes, 2 * ZK_HUGE_PAGE);
    assert_int_equal(zk_shared_free(p), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- the container ------------------------------------------------------------- */

static int64_t room_left;

static bool
room(int64_t *bytes)
{
    *bytes = room_left;
    return true;
}

/* What a region has in memory is in the container's use already: it must not count
 * twice, or whoever asks next is refused for it. */
static void
test_what_is_in_memory_counts_once(void **state)
{
    static const struct zk_world world = {room, NULL};
    struct zk_budget budget = {.limit = SIZE_MAX, .watched = true};
    struct zk_numa numa = {.mode = ZK_NUMA_OFF};
    char *p;

    (void)state;
    room_left = 8 * MIB;
    zk__budget_set_world(&world);
    p = zk__region_open(&numa, &budget, 4 * MIB, false);
    assert_non_null(p);
    test_fill(p, 4 * MIB, 5);
    room_left = 1 * MIB;
    assert_int_equal(zk__budget_limit(&budget), 5 * MIB);
    assert_true(zk__budget_try(&budget, 1 * MIB));
    zk__budget_give(1 * MIB);
    assert_false(zk__budget_try(&budget, 1 * MIB + 1));
    assert_true(zk__region_close(p));
    assert_int_equal(zk__budget_limit(&budget), 1 * MIB);
    zk__budget_set_world(NULL);
}

/* ---- threads and children -------------------------------------------------------- */

static int
use_in_child(void *arg)
{
    char *p = arg, *q = zk_shared_alloc(BYTES);

    CHILD_CHECK(test_holds(p, BYTES, 6));
    CHILD_CHECK(q != NULL && test_all_zero(q, BYTES));
    CHILD_CHECK(zk_shared_free(p) == ZK_OK);
    CHILD_CHECK(zk_shared_free(q) == ZK_OK);
    return 0;
}

static int
come_and_go(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (; begin < end; begin++) {
        char *p = zk_shared_alloc((begin % 7 + 1) * 10000);
        zk_numa_pages_t pages = {.size = sizeof pages};

        if (p == NULL)
            return 1;
        test_fill(p, 10000, begin);
        if (zk_shared_pages(p, &pages) != ZK_OK ||
            !test_holds(p, 10000, begin) || zk_shared_free(p) != ZK_OK)
            return 2;
    }
    return 0;
}

static void
test_threads_and_children_have_them_too(void **state)
{
    zk_runtime_t *lane = open_lane(0, ZK_HUGE_NEVER);
    char *p = zk_shared_alloc_on(lane, BYTES);

    (void)state;
    assert_non_null(p);
    test_fill(p, BYTES, 6);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(
        zk_parallel_for(0, test_scaled(2000), 1, come_and_go, NULL), 0);
    assert_true(test_child_succeeds(use_in_child, p));
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_true(test_holds(p, BYTES, 6));
    assert_int_equal(test_stats(lane).shared_regions, 1);
    assert_int_equal(zk_shared_free(p), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_region_is_zero_and_the_callers),
        cmocka_unit_test(test_it_outlives_phases_and_lanes),
        cmocka_unit_test(test_it_is_charged_and_counted_until_it_is_freed),
        cmocka_unit_test(
            test_over_the_budget_it_is_refused_and_nothing_else_is),
        cmocka_unit_test(test_wrong_calls_change_nothing),
        cmocka_unit_test(test_whole_huge_pages_where_they_are_always_wanted),
        cmocka_unit_test(test_what_is_in_memory_counts_once),
        cmocka_unit_test(test_threads_and_children_have_them_too),
    };

    test_clean_environment();
    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
