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
#include "alloc/secret.h"
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

static struct {
    uint64_t ns[2]; /* what a look takes, by the kind of page */
    bool refused;   /* nothing can be populated */
    size_t most;    /* the end of what was, from the slab's base on */
} looks;

static uint64_t
made_up_cost(enum zk_kind_of_page kind)
{
    return looks.ns[kind];
}

bool __real_zk__os_populate(void *p, size_t bytes);
bool __wrap_zk__os_populate(void *p, size_t bytes);

bool
__wrap_zk__os_populate(void *p, size_t bytes)
{
    size_t end = (size_t)((char *)p - zk_slab_base(f.slab)) + bytes;

    if (looks.refused)
        return false;
    looks.most = end > looks.most ? end : looks.most;
    return __real_zk__os_populate(p, bytes);
}

/* Pages take so long from now on. */
static void
pages_take(uint64_t huge_ns, uint64_t base_ns)
{
    looks.ns[ZK_PAGE_HUGE] = huge_ns;
    looks.ns[ZK_PAGE_BASE] = base_ns;
    zk__huge_pretend_cost(made_up_cost);
}

static int
teardown(void **state)
{
    (void)state;
    zk__huge_pretend_cost(NULL);
    memset(&looks, 0, sizeof looks);
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

/* ---- what comes while a slab grows --------------------------------------------- */

#define DEAR 2600000u /* a huge page that the host has to find */

static unsigned
looked(struct zk_huge_seen before)
{
    return (unsigned)(zk__huge_seen().looks - before.looks);
}

static void
test_slab_leaves_huge_pages_that_are_dear_after_the_first(void **state)
{
    struct zk_huge_seen before = zk__huge_seen(), after;

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(cheap.huge_ns, cheap.base_ns);
    phase_of(4 * MIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_HUGE);
    assert_int_equal(looked(before), 1);
    pages_take(DEAR, cheap.base_ns);
    phase_of(40 * MIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_BASE);
    assert_true(has_flag(" nh"));
    assert_true(huge_now() <= 12 * MIB);
    after = zk__huge_seen();
    assert_int_equal(after.to_base, before.to_base + 1);
    assert_int_equal(after.to_huge, before.to_huge);
    assert_int_equal(after.base_ns, cheap.base_ns);
    assert_int_equal(after.huge_ns, DEAR);
}

static void
test_slab_stays_on_huge_pages_where_both_are_dear(void **state)
{
    struct zk_huge_seen before = zk__huge_seen();

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(DEAR, DEAR + cheap.base_ns);
    phase_of(60 * MIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_HUGE);
    assert_true(has_flag(" hg"));
    assert_int_equal(zk__huge_seen().to_base, before.to_base);
    if (machine_gives_huge_pages())
        assert_true(huge_now() >= 48 * MIB);
}

/* The first look back is soon; the others are when the growth allows (alloc/pace).
 * Nothing but what is looked at is touched here. */
static void
test_slab_comes_back_to_huge_pages_that_are_cheap_again(void **state)
{
    struct zk_huge_seen before = zk__huge_seen();

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(DEAR, cheap.base_ns);
    zk__arena_reset(f.arena, "test");
    for (size_t n = 0; n < 8; n += 2)
        assert_non_null(zk__slab_alloc(f.slab, 2 * MIB, 64));
    assert_int_equal(f.slab->advice, ZK_ADVICE_BASE);
    pages_take(cheap.huge_ns, cheap.base_ns);
    for (size_t n = 8; n < 30; n += 2)
        assert_non_null(zk__slab_alloc(f.slab, 2 * MIB, 64));
    assert_int_equal(f.slab->advice, ZK_ADVICE_HUGE);
    assert_true(has_flag(" hg"));
    assert_int_equal(zk__huge_seen().to_base, before.to_base + 1);
    assert_int_equal(zk__huge_seen().to_huge, before.to_huge + 1);
    zk__arena_ended(f.arena);
}

static void
test_warm_phases_look_at_nothing(void **state)
{
    struct zk_huge_seen before;

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(DEAR, cheap.base_ns);
    phase_of(40 * MIB);
    before = zk__huge_seen();
    for (int i = 0; i < 20; i++)
        phase_of(40 * MIB);
    assert_int_equal(looked(before), 0);
    phase_of(60 * MIB);
    assert_true(looked(before) > 0);
}

/* Whoever takes it may touch it with many threads, or not at all. */
static void
test_little_of_a_large_block_is_looked_at(void **state)
{
    struct zk_huge_seen before = zk__huge_seen();
    size_t there;
    char *p;

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(DEAR, cheap.base_ns);
    zk__arena_reset(f.arena, "test");
    p = zk__slab_alloc(f.slab, 60 * MIB, 64);
    assert_non_null(p);
    assert_in_range(looked(before), 3, 8);
    there = zk__os_in_memory(zk_slab_base(f.slab), 60 * MIB);
    assert_in_range(there, 2 * MIB, 2 * MIB * looked(before));
    for (size_t i = 0; i < 60 * MIB; i += 4096)
        assert_int_equal(p[i], 0);
    zk__arena_ended(f.arena);
}

/* Where pages are at hand a large request is two calls dearer, and no more. */
static void
test_two_units_of_a_large_block_at_hand_are_looked_at(void **state)
{
    struct zk_huge_seen before = zk__huge_seen();

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(cheap.huge_ns, cheap.base_ns);
    zk__arena_reset(f.arena, "test");
    assert_non_null(zk__slab_alloc_zeroed(f.slab, 60 * MIB));
    assert_int_equal(looked(before), 2);
    assert_in_range(zk__os_in_memory(zk_slab_base(f.slab), 60 * MIB), 2 * MIB,
                    4 * MIB);
    zk__arena_ended(f.arena);
}

/* G3, S2: what was looked at and not handed out counts as touched. */
static void
test_what_was_looked_at_counts_as_touched(void **state)
{
    struct zk_huge_seen before = zk__huge_seen();
    size_t most;

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(DEAR, cheap.base_ns);
    zk__arena_reset(f.arena, "test");
    for (size_t n = 0; n < 20 * MIB; n += 64 * KIB) {
        assert_non_null(zk__slab_alloc(f.slab, 64 * KIB, 64));
        assert_true(looks.most <=
                    (size_t)(f.slab->touched - zk_slab_base(f.slab)));
        assert_true(looks.most <= zk_load_relaxed(&f.slab->near));
    }
    most = looks.most;
    assert_true(looked(before) > 2);
    zk__arena_ended(f.arena);
    give_back();
    before = zk__huge_seen();
    phase_of(20 * MIB); /* fresh again */
    assert_true(looked(before) > 0);
    assert_true(looks.most <= most + 2 * MIB);
}

static void
test_what_was_populated_before_the_phase_is_not_looked_at(void **state)
{
    struct zk_huge_seen before = zk__huge_seen();

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(DEAR, cheap.base_ns);
    assert_int_equal(zk__slab_expect(f.slab, 20 * MIB), 20 * MIB);
    assert_true(zk__slab_populate(f.slab, 0, 20 * MIB));
    phase_of(20 * MIB);
    assert_int_equal(looked(before), 0);
    phase_of(40 * MIB);
    assert_true(looked(before) > 0);
}

static void
test_nothing_is_looked_at_where_nothing_is_to_be_chosen(void **state)
{
    static const struct {
        const struct zk_huge_facts *facts;
        enum zk_huge policy;
        size_t bytes;
    } cases[] = {{&cheap, ZK_HUGE_ALWAYS, 40 * MIB},
                 {&cheap, ZK_HUGE_NEVER, 40 * MIB},
                 {&dear, ZK_HUGE_AUTO, 40 * MIB},
                 {&cheap, ZK_HUGE_AUTO, 2 * MIB},
                 {&unasked, ZK_HUGE_AUTO, 256 * KIB}};
    struct zk_huge_seen before = zk__huge_seen();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin_with(cases[i].facts, cases[i].policy);
        pages_take(DEAR, 1);
        phase_of(cases[i].bytes);
        assert_int_equal(looked(before), 0);
        teardown(NULL);
    }
}

static void
test_system_that_refuses_to_populate_is_asked_once(void **state)
{
    struct zk_huge_seen before = zk__huge_seen();

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(DEAR, cheap.base_ns);
    looks.refused = true;
    phase_of(20 * MIB);
    assert_int_equal(f.slab->advice, ZK_ADVICE_HUGE);
    looks.refused = false;
    phase_of(40 * MIB);
    assert_int_equal(looked(before), 0);
    assert_true(has_flag(" hg"));
}

/* Of a secret phase: what is looked at is hidden already, and the slab is one
 * mapping afterwards, which moves. */
static void
test_secret_phases_look_and_move_on(void **state)
{
    struct zk_huge_seen before = zk__huge_seen();

    (void)state;
    begin_with(&cheap, ZK_HUGE_AUTO);
    pages_take(DEAR, cheap.base_ns);
    for (size_t n = 10; n <= 60; n += 10) {
        zk__arena_reset(f.arena, "test");
        zk__arena_begin_secret(f.arena);
        looks.most = 0;
        for (size_t at = 0; at < n * MIB; at += 64 * KIB) {
            char *p = zk__slab_alloc(f.slab, 64 * KIB, 64);

            assert_non_null(p);
            memset(p, 1, 64 * KIB);
            assert_true(looks.most <=
                        (size_t)(f.slab->ready - zk_slab_base(f.slab)));
            assert_ptr_equal(f.slab->hidden, f.slab->top);
        }
        zk__secret_wipe(f.slab, false);
        zk__arena_ended(f.arena);
        zk__arena_end_secret(f.arena);
        phase_of(64 * KIB);
    }
    assert_true(looked(before) > 2);
    assert_int_equal(f.slab->advice, ZK_ADVICE_BASE);
    assert_false(zk_load_relaxed(&f.arena->move_refused));
    assert_true(zk_load_relaxed(&f.arena->moves) > 5);
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
        huge_test(test_slab_leaves_huge_pages_that_are_dear_after_the_first),
        huge_test(test_slab_stays_on_huge_pages_where_both_are_dear),
        huge_test(test_slab_comes_back_to_huge_pages_that_are_cheap_again),
        huge_test(test_warm_phases_look_at_nothing),
        huge_test(test_little_of_a_large_block_is_looked_at),
        huge_test(test_two_units_of_a_large_block_at_hand_are_looked_at),
        huge_test(test_what_was_looked_at_counts_as_touched),
        huge_test(test_what_was_populated_before_the_phase_is_not_looked_at),
        huge_test(test_nothing_is_looked_at_where_nothing_is_to_be_chosen),
        huge_test(test_system_that_refuses_to_populate_is_asked_once),
        huge_test(test_secret_phases_look_and_move_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
