/* pages_test.c - the pages of a phase, against what was touched and against
 * what the kernel's smaps say. */
#include <sys/prctl.h>

#include "alloc/huge.h"
#include "alloc/os.h"
#include "alloc/pages.h"
#include "alloc/proc.h"
#include "alloc/word.h"
#include "tests/alloc/arenas.h"
#include "tests/alloc/refuse.h"
#include "tests/support.h"

#define SLAB (64 * MIB)

static struct zk_arena *
arena_with(unsigned nslots, enum zk_huge policy)
{
    size_t bytes = SLAB;

    return test_arena(nslots, &bytes, policy, ZK_TRAP_OFF);
}

static struct zk_pages
pages_of(const struct zk_arena *a)
{
    struct zk_pages pages;

    assert_true(zk__pages_of(a, &pages));
    return pages;
}

/* What smaps say of one slab. */
static struct zk_mapped
mapped(const struct zk_slab *s)
{
    struct zk_mapped m;

    assert_true(zk__proc_mapped(zk_slab_base(s), SLAB - 4096, &m));
    return m;
}

static void
test_base_pages_are_counted_where_they_were_touched(void **state)
{
    struct zk_arena *a = arena_with(2, ZK_HUGE_NEVER);
    struct zk_slab *s = zk__arena_slab(a, 0), *t = zk__arena_slab(a, 1);
    struct zk_pages pages;
    char *p;

    (void)state;
    zk__arena_reset(a, "test");
    pages = pages_of(a);
    assert_int_equal(pages.used, 0);
    assert_int_equal(pages.resident, 0);
    p = zk__slab_alloc(s, 10 * MIB, 64);
    memset(p, 1, MIB);
    p = zk__slab_alloc(t, 3 * MIB + 100, 64);
    memset(p, 1, 3 * MIB + 100);
    p = zk__slab_scratch(t, 100 * KIB, 64);
    memset(p, 1, 100 * KIB);
    pages = pages_of(a);
    assert_int_equal(pages.used, 13 * MIB + 4 * KIB + 100 * KIB);
    if (pages.exact) {
        assert_int_equal(pages.resident, 4 * MIB + 4 * KIB + 100 * KIB);
        assert_int_equal(pages.slab_resident, pages.resident);
    }
    assert_int_equal(pages.slab_resident, mapped(s).bytes + mapped(t).bytes);
    assert_int_equal(pages.huge, 0);
    assert_int_equal(pages.fallbacks, 0);
    zk__arena_destroy(a);
}

/* What a phase used counts until the next one begins, and what is kept of the
 * slab counts for the slab only. */
static void
test_kept_pages_are_the_slabs_and_not_the_phases(void **state)
{
    struct zk_arena *a = arena_with(1, ZK_HUGE_NEVER);
    struct zk_slab *s = zk__arena_slab(a, 0);
    struct zk_pages pages;

    (void)state;
    zk__arena_reset(a, "large");
    memset(zk__slab_alloc(s, 8 * MIB, 64), 1, 8 * MIB);
    zk__arena_ended(a);
    assert_int_equal(pages_of(a).resident, 8 * MIB);
    zk__arena_reset(a, "small");
    memset(zk__slab_alloc(s, MIB, 64), 1, MIB);
    pages = pages_of(a);
    assert_int_equal(pages.used, MIB);
    assert_int_equal(pages.resident, MIB);
    assert_int_equal(pages.slab_resident, 8 * MIB);
    zk__arena_destroy(a);
}

static void
test_huge_pages_are_counted_as_far_as_they_are_in_use(void **state)
{
    struct zk_arena *a = arena_with(1, ZK_HUGE_ALWAYS);
    struct zk_slab *s = zk__arena_slab(a, 0);
    struct zk_pages pages;

    (void)state;
    if (!zk__huge_facts()->given)
        skip();
    zk__arena_reset(a, "test");
    memset(zk__slab_alloc(s, 5 * MIB, 64), 1, 5 * MIB);
    pages = pages_of(a);
    assert_int_equal(pages.used, 5 * MIB);
    assert_int_equal(pages.resident, 5 * MIB);
    assert_int_equal(pages.huge, 5 * MIB);
    assert_int_equal(pages.slab_huge, 6 * MIB);
    assert_int_equal(pages.fallbacks, 0);
    assert_int_equal(mapped(s).huge_bytes, 6 * MIB);

    /* The last huge page of the slab is cut by its guard page. */
    memset(zk__slab_scratch(s, 3 * MIB, 64), 1, 3 * MIB);
    pages = pages_of(a);
    assert_int_equal(pages.used, 8 * MIB);
    assert_int_equal(pages.slab_huge, mapped(s).huge_bytes);
    assert_int_equal(pages.slab_resident, mapped(s).bytes);
    if (pages.exact) {
        assert_int_equal(pages.slab_huge, 8 * MIB);
        assert_int_equal(pages.huge, 6 * MIB + 4 * KIB);
    }
    assert_int_equal(pages.fallbacks, 0);
    zk__arena_destroy(a);
}

/* The first 2 MiB came before huge pages were asked for: no fallback. */
static void
test_pages_from_before_the_request_are_no_fallback(void **state)
{
    struct zk_arena *a;
    struct zk_slab *s;
    struct zk_pages pages;

    (void)state;
    if (!zk__huge_facts()->given)
        skip();
    zk__huge_pretend(&(const struct zk_huge_facts){
        .given = true, .pays = true, .small_bytes = 700 * KIB});
    a = arena_with(1, ZK_HUGE_AUTO);
    s = zk__arena_slab(a, 0);
    zk__arena_reset(a, "test");
    for (int i = 0; i < 10; i++)
        memset(zk__slab_alloc(s, MIB, 64), 1, MIB);
    pages = pages_of(a);
    assert_int_equal(pages.resident, 10 * MIB);
    assert_int_equal(pages.huge, 8 * MIB);
    assert_int_equal(pages.fallbacks, 0);
    zk__arena_destroy(a);
    zk__huge_pretend(NULL);
}

/* ---- asked for, and not given ---------------------------------------------- */

static int
ask_in_vain(void *arg)
{
    struct zk_arena *a;
    struct zk_slab *s;
    struct zk_pages pages;

    (void)arg;
    CHILD_CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    a = arena_with(1, ZK_HUGE_ALWAYS);
    CHILD_CHECK(a != NULL);
    s = zk__arena_slab(a, 0);
    zk__arena_reset(a, "test");
    memset(zk__slab_alloc(s, 9 * MIB, 64), 1, 9 * MIB);
    CHILD_CHECK(zk__pages_of(a, &pages));
    CHILD_CHECK(pages.huge == 0);
    CHILD_CHECK(pages.resident == 9 * MIB);
    CHILD_CHECK(pages.exact ? pages.fallbacks == 5 : pages.fallbacks == 4);
    /* A hole: the unit is one fallback, however many runs it has. */
    assert_true(zk__os_discard(zk_slab_base(s) + 4096, 4096));
    assert_true(zk__os_discard(zk_slab_base(s) + 12 * KIB, 4096));
    CHILD_CHECK(zk__pages_of(a, &pages));
    CHILD_CHECK(pages.exact ? pages.fallbacks == 5 : pages.fallbacks == 4);
    return 0;
}

static void
test_what_was_asked_for_in_vain_is_counted(void **state)
{
    struct test_child child = test_in_child(ask_in_vain, NULL);

    (void)state;
    if (child.code != 0)
        print_error("%s\n", child.err);
    assert_int_equal(child.code, 0);
}

static int
measure_in_vain(void *arg)
{
    (void)arg;
    CHILD_CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    CHILD_CHECK(!zk__huge_facts()->given);
    CHILD_CHECK(!zk__huge_facts()->pays);
    return 0;
}

/* The first test of the program: nobody has measured before. */
static void
test_measurement_finds_out_that_none_is_given(void **state)
{
    (void)state;
    assert_int_equal(test_in_child(measure_in_vain, NULL).code, 0);
}

/* ---- where the kernel tells less -------------------------------------------- */

static void
test_mappings_tell_the_same_where_they_can(void **state)
{
    struct zk_arena *a = arena_with(2, ZK_HUGE_ALWAYS);
    struct zk_slab *s = zk__arena_slab(a, 0), *t = zk__arena_slab(a, 1);
    struct zk_pages exact, estimate;

    (void)state;
    zk__arena_reset(a, "test");
    memset(zk__slab_alloc(s, 6 * MIB, 64), 1, 6 * MIB);
    memset(zk__slab_alloc(t, 20 * MIB, 64), 1, 2 * MIB);
    exact = pages_of(a);
    refuse.ioctl = true;
    estimate = pages_of(a);
    refuse.ioctl = false;
    assert_false(estimate.exact);
    assert_int_equal(estimate.used, exact.used);
    assert_int_equal(estimate.resident, exact.resident);
    assert_int_equal(estimate.huge, exact.huge);
    assert_int_equal(estimate.slab_resident, exact.slab_resident);
    assert_int_equal(estimate.slab_huge, exact.slab_huge);
    assert_int_equal(estimate.fallbacks, exact.fallbacks);
    zk__arena_destroy(a);
}

static void
test_without_proc_it_says_so(void **state)
{
    struct zk_arena *a = arena_with(1, ZK_HUGE_ALWAYS);
    struct zk_slab *s = zk__arena_slab(a, 0);
    struct zk_pages pages;

    (void)state;
    zk__arena_reset(a, "test");
    memset(zk__slab_alloc(s, MIB, 64), 1, MIB);
    refuse.open = "/proc/";
    assert_false(zk__pages_of(a, &pages));
    refuse.open = NULL;
    assert_true(zk__pages_of(a, &pages));
    zk__arena_destroy(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measurement_finds_out_that_none_is_given),
        cmocka_unit_test(test_base_pages_are_counted_where_they_were_touched),
        cmocka_unit_test(test_kept_pages_are_the_slabs_and_not_the_phases),
        cmocka_unit_test(test_huge_pages_are_counted_as_far_as_they_are_in_use),
        cmocka_unit_test(test_pages_from_before_the_request_are_no_fallback),
        cmocka_unit_test(test_what_was_asked_for_in_vain_is_counted),
        cmocka_unit_test(test_mappings_tell_the_same_where_they_can),
        cmocka_unit_test(test_without_proc_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
