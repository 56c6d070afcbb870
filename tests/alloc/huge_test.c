/*
 * huge_test.c - who gets huge pages: by what was measured, and by what a slab has
 * learnt. The measurements are injected; what comes of the advice is read from
 * the kernel.
 */
#include <sys/mman.h>

#include "alloc/huge.h"
#include "alloc/keep.h"
#include "alloc/os.h"
#include "alloc/pages.h"
#include "alloc/word.h"
#include "tests/alloc/arenas.h"
#include "tests/support.h"

#define SLAB (64 * MIB)

static const struct zk_huge_facts cheap = {.system = ZK_HUGE_SYSTEM_MADVISE,
                                           .given = true,
                                           .pays = true,
                                           .huge_ns = 250000,
                                           .base_ns = 750000,
                                           .small_bytes = 700 * KIB};

static const struct zk_huge_facts dear = {.system = ZK_HUGE_SYSTEM_MADVISE,
                                          .given = true,
                                          .huge_ns = 900000,
                                          .base_ns = 700000,
                                          .small_bytes = 2 * MIB};

static const struct zk_huge_facts unasked = {.system = ZK_HUGE_SYSTEM_ALWAYS,
                                             .given = true,
                                             .pays = true,
                                             .huge_ns = 250000,
                                             .base_ns = 750000,
                                             .small_bytes = 700 * KIB};

struct fixture {
    struct zk_arena *arena;
    struct zk_slab *slab;
};

static struct fixture f;

static void
begin_with(const struct zk_huge_facts *facts, enum zk_huge policy)
{
    size_t bytes = SLAB;

    zk__huge_pretend(facts);
    f.arena = test_arena(1, &bytes, policy, ZK_TRAP_ON);
    assert_non_null(f.arena);
    assert_int_equal(bytes, SLAB);
    f.slab = zk__arena_slab(f.arena, 0);
}

static int
teardown(void **state)
{
    (void)state;
    zk__arena_destroy(f.arena);
    f.arena = NULL;
    zk__huge_pretend(NULL);
    return 0;
}

/* A phase of blocks of 64 KiB, each of them filled. */
static void
phase_of(size_t bytes)
{
    zk__arena_reset(f.arena, "test");
    for (size_t n = 0; n < bytes; n += 64 * KIB) {
        char *p = zk__slab_alloc(f.slab, 64 * KIB, 64);

        assert_non_null(p);
        memset(p, 1, 64 * KIB);
    }
    zk__arena_ended(f.arena);
}

/* All of the slab's memory goes, as that of an arena that nobody holds. */
static void
give_back(void)
{
    zk__arena_give_up(f.arena);
    (void)zk__arena_release(f.arena, SIZE_MAX, false);
    assert_int_equal(zk__os_in_memory(zk_slab_base(f.slab), SLAB - 4096), 0);
}

static size_t
huge_now(void)
{
    struct zk_pages pages;

    assert_true(zk__pages_of(f.arena, &pages));
    return pages.slab_huge;
}

static bool
machine_gives_huge_pages(void)
{
    return zk__huge_facts()->given;
}

/* ---- judging --------------------------------------------------------------- */

static void
test_huge_pages_pay_where_they_are_given_and_cheaper(void **state)
{
    struct zk_huge_facts facts;

    (void)state;
    facts = zk__huge_judge(ZK_HUGE_SYSTEM_MADVISE, true, 300000, 600000);
    assert_true(facts.pays);
    assert_int_equal(facts.small_bytes, MIB);
    facts = zk__huge_judge(ZK_HUGE_SYSTEM_MADVISE, true, 30000, 600000);
    assert_true(facts.pays);
    assert_int_equal(facts.small_bytes, 2 * MIB / 3);
    facts = zk__huge_judge(ZK_HUGE_SYSTEM_MADVISE, true, 750000, 750000);
    assert_false(facts.pays);
    assert_int_equal(facts.small_bytes, 2 * MIB);
    facts = zk__huge_judge(ZK_HUGE_SYSTEM_ALWAYS, true, 900000, 1);
    assert_false(facts.pays);
    facts = zk__huge_judge(ZK_HUGE_SYSTEM_MADVISE, false, 1, 750000);
    assert_false(facts.pays);
    facts = zk__huge_judge(ZK_HUGE_SYSTEM_NEVER, false, 0, 0);
    assert_false(facts.pays);
    assert_int_equal(facts.small_bytes, 2 * MIB);
}

static void
test_measurement_agrees_with_itself(void **state)
{
    const struct zk_huge_facts *facts = zk__huge_facts();

    (void)state;
    assert_ptr_equal(zk__huge_facts(), facts);
    printf("system %d, given %d, pays %d: %llu ns as a huge page, %llu as base "
           "pages; small is below %zu KiB; took %llu us\n",
           facts->system, facts->given, facts->pays,
           (unsigned long long)facts->huge_ns,
           (unsigned long long)facts->base_ns, facts->small_bytes >> 10,
           (unsigned long long)facts->took_ns / 1000);
    if (facts->system == ZK_HUGE_SYSTEM_NEVER) {
        assert_false(facts->given);
        assert_int_equal(facts->took_ns, 0);
        return;
    }
    assert_true(facts->base_ns > 0 && facts->took_ns > 0);
    assert_true(facts->pays ==
                (facts->given && facts->huge_ns < facts->base_ns));
    assert_in_range(facts->small_bytes, 1, 2 * MIB);
}

/* ---- what a slab asks for -------------------------------------------------- */

static void
test_slab_asks_for_huge_pages_when_it_grows_beyond_one(void **state)
{
    (void)state;
    if (!machine_gives_huge_pages())
        skip();
    begin_with(&cheap, ZK_HUGE_AUTO);
    phase_of(2 * MIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_NONE);
    assert_int_equal(huge_now(), 0);
    phase_of(8 * MIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_HUGE);
    /* The base pages before it may be gathered by the kernel meanwhile. */
    assert_in_range(huge_now(), 6 * MIB, 8 * MIB);
}

static void
test_slab_that_learnt_that_it_is_large_begins_with_a_huge_page(void **state)
{
    (void)state;
    if (!machine_gives_huge_pages())
        skip();
    begin_with(&cheap, ZK_HUGE_AUTO);
    phase_of(8 * MIB);
    give_back();
    zk__arena_reset(f.arena, "again");
    memset(zk__slab_alloc(f.slab, 4096, 64), 1, 4096);
    assert_int_equal(huge_now(), 2 * MIB);
    zk__arena_ended(f.arena);
}

/* 1 MiB never reaches the end of a huge page, and yet it pays. */
static void
test_break_even_is_the_measured_one(void **state)
{
    struct zk_huge_facts later = cheap;

    (void)state;
    if (!machine_gives_huge_pages())
        skip();
    begin_with(&cheap, ZK_HUGE_AUTO);
    phase_of(MIB);
    assert_int_equal(huge_now(), 0);
    give_back();
    phase_of(MIB);
    assert_int_equal(huge_now(), 2 * MIB);
    give_back();
    later.small_bytes = 1500 * KIB;
    zk__huge_pretend(&later);
    phase_of(MIB);
    assert_int_equal(huge_now(), 0);
}

static void
test_slab_that_learnt_that_it_is_small_goes_back_to_base_pages(void **state)
{
    (void)state;
    if (!machine_gives_huge_pages())
        skip();
    begin_with(&cheap, ZK_HUGE_AUTO);
    phase_of(8 * MIB);
    for (int i = 0; i < 40; i++) /* two windows of marks, without their time */
        phase_of(256 * KIB);
    give_back();
    phase_of(256 * KIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_BASE);
    assert_int_equal(huge_now(), 0);
    phase_of(8 * MIB); /* and can change its mind */
    assert_int_equal(f.slab->advice, ZK_ADVICE_HUGE);
    assert_int_equal(huge_now(), 6 * MIB);
}

static void
test_where_huge_pages_do_not_pay_none_is_asked_for(void **state)
{
    (void)state;
    begin_with(&dear, ZK_HUGE_AUTO);
    phase_of(40 * MIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_NONE);
    if (zk__huge_facts()->system != ZK_HUGE_SYSTEM_ALWAYS)
        assert_int_equal(huge_now(), 0);
}

/* The kernel's flags of the slab's mapping: hg was asked for, nh was refused. */
static bool
has_flag(const char *flag)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    unsigned long from, to, at = (unsigned long)zk_slab_base(f.slab);
    bool inside = false, found = false;
    char line[512];

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from <= at && at < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static void
test_small_slab_refuses_them_where_they_come_unasked(void **state)
{
    (void)state;
    begin_with(&unasked, ZK_HUGE_AUTO);
    phase_of(256 * KIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_BASE);
    assert_true(has_flag(" nh"));
    phase_of(8 * MIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_HUGE);
    assert_true(has_flag(" hg"));
    assert_false(has_flag(" nh"));
}

static void
test_always_and_never_are_obeyed_whatever_was_measured(void **state)
{
    (void)state;
    begin_with(&dear, ZK_HUGE_ALWAYS);
    phase_of(64 * KIB);
    assert_true(has_flag(" hg"));
    teardown(NULL);
    begin_with(&cheap, ZK_HUGE_NEVER);
    phase_of(40 * MIB);
    assert_true(has_flag(" nh"));
    assert_int_equal(huge_now(), 0);
}

/* Slabs have one mapping, whatever their advice was: each phase's move works. */
static void
test_changes_of_mind_leave_one_mapping_that_moves(void **state)
{
    static const size_t sizes[] = {64 * KIB, 8 * MIB, 256 * KIB, 3 * MIB};

    (void)state;
    begin_with(&unasked, ZK_HUGE_AUTO);
    for (unsigned i = 0; i < 40; i++) {
        phase_of(sizes[i % 4]);
        if (i % 7 == 6)
            give_back();
    }
    assert_false(zk_load_relaxed(&f.arena->move_refused));
    assert_true(zk_load_relaxed(&f.arena->moves) > 20);
}

#define huge_test(test) cmocka_unit_test_teardown(test, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_huge_pages_pay_where_they_are_given_and_cheaper),
        cmocka_unit_test(test_measurement_agrees_with_itself),
        huge_test(test_slab_asks_for_huge_pages_when_it_grows_beyond_one),
        huge_test(
            test_slab_that_learnt_that_it_is_large_begins_with_a_huge_page),
        huge_test(test_break_even_is_the_measured_one),
        huge_test(
            test_slab_that_learnt_that_it_is_small_goes_back_to_base_pages),
        huge_test(test_where_huge_pages_do_not_pay_none_is_asked_for),
        huge_test(test_small_slab_refuses_them_where_they_come_unasked),
        huge_test(test_always_and_never_are_obeyed_whatever_was_measured),
        huge_test(test_changes_of_mind_leave_one_mapping_that_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
