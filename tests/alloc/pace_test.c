/*
 * pace_test.c - which pages are chosen, on machines that are made up.
 *
 * A machine is a function from how much the slab has taken to what a unit of either
 * kind takes. Numbers in front of the tests are invariants of pace.h.
 */
#include "alloc/pace.h"
#include "tests/support.h"

#define US ((uint64_t)1000)

/* At hand, as it was measured; and where the host has to find the page. */
#define HUGE_NS (40 * US)
#define BASE_NS (300 * US)
#define COLD_NS (2600 * US)

struct machine {
    size_t huge_dear_from, huge_dear_to; /* by units that were taken */
    size_t base_dear_from, base_dear_to;
};

#define NOT_YET SIZE_MAX

struct run {
    struct zk_pace pace;
    size_t taken, huge, looks[2], changes;
    uint64_t cost_ns;
};

static uint64_t
cost(const struct machine *m, size_t at, enum zk_kind_of_page kind)
{
    if (kind == ZK_PAGE_HUGE)
        return at >= m->huge_dear_from && at < m->huge_dear_to ? COLD_NS
                                                               : HUGE_NS;
    return at >= m->base_dear_from && at < m->base_dear_to ? COLD_NS + BASE_NS
                                                           : BASE_NS;
}

static struct run
started(void)
{
    struct run r = {.taken = 0};

    zk__pace_begin(&r.pace, HUGE_NS, BASE_NS);
    return r;
}

/* What a slab does with its pace: some units are looked at, the others follow. */
static void
grow(struct run *r, const struct machine *m, size_t units)
{
    size_t to = r->taken + units;
    enum zk_kind_of_page kind, before;

    zk__pace_grew(&r->pace, units);
    for (; r->taken < to; r->taken++) {
        uint64_t ns;

        if (!zk__pace_wants(&r->pace, &kind))
            break;
        before = r->pace.chosen;
        ns = cost(m, r->taken, kind);
        zk__pace_saw(&r->pace, kind, ns);
        r->looks[kind]++;
        r->huge += kind == ZK_PAGE_HUGE;
        r->cost_ns += ns;
        r->changes += r->pace.chosen != before;
    }
    for (; r->taken < to; r->taken++) {
        r->huge += r->pace.chosen == ZK_PAGE_HUGE;
        r->cost_ns += cost(m, r->taken, r->pace.chosen);
    }
}

static struct run
run_of(const struct machine *m, size_t units)
{
    struct run r = started();

    while (r.taken < units)
        grow(&r, m, 1);
    return r;
}

/* 1.5 GiB. */
#define MANY ((size_t)768)

static void
test_where_both_are_at_hand_all_is_huge(void **state)
{
    const struct machine m = {NOT_YET, 0, NOT_YET, 0};
    struct run r = run_of(&m, MANY);

    (void)state;
    assert_int_equal(r.huge, MANY);
    assert_int_equal(r.looks[ZK_PAGE_BASE], 0);
    assert_int_equal(r.pace.extra_ns, 0);
    assert_in_range(r.looks[ZK_PAGE_HUGE], MANY / 8, MANY / 8 + 3);
}

/* The fault that all this is for. Two huge pages tell, another one asks again. */
static void
test_where_huge_pages_are_dear_after_the_first_they_are_left(void **state)
{
    struct machine m = {1, NOT_YET, NOT_YET, 0};

    (void)state;
    for (m.huge_dear_from = 0; m.huge_dear_from < 2; m.huge_dear_from++) {
        struct run r = run_of(&m, MANY);

        assert_int_equal(r.pace.chosen, ZK_PAGE_BASE);
        assert_int_equal(r.changes, 1);
        assert_in_range(r.huge, 3, 8);
        assert_true(r.cost_ns < MANY * BASE_NS * 21 / 20 + 3 * COLD_NS);
    }
}

/* Q2: fewer faults for the same time. Q3: and few looks. */
static void
test_where_both_are_dear_all_is_huge_but_few(void **state)
{
    const struct machine m = {0, NOT_YET, 0, NOT_YET};
    struct run r = run_of(&m, MANY);

    (void)state;
    assert_int_equal(r.pace.chosen, ZK_PAGE_HUGE);
    assert_int_equal(r.changes, 0);
    assert_in_range(r.looks[ZK_PAGE_BASE], 3, 10);
    assert_int_equal(r.huge, MANY - r.looks[ZK_PAGE_BASE]);
}

static void
test_choice_changes_back_when_huge_pages_are_at_hand_again(void **state)
{
    const struct machine m = {1, MANY / 2, NOT_YET, 0};
    struct run r = run_of(&m, 2 * MANY);

    (void)state;
    assert_int_equal(r.pace.chosen, ZK_PAGE_HUGE);
    assert_int_equal(r.changes, 2);
    assert_true(r.huge > MANY);
}

/* Q4: two dear ones in turn among many are found out soon. */
static void
test_few_dear_pages_among_many_cost_little(void **state)
{
    (void)state;
    for (size_t at = 8; at < 40; at++) {
        const struct machine m = {at, at + 4, NOT_YET, 0};
        struct run r = run_of(&m, 128);

        assert_int_equal(r.pace.chosen, ZK_PAGE_HUGE);
        assert_true(r.huge >= 128 - 16);
    }
}

/* Small pages that others had left are used up; what is left is dear either way. */
static void
test_small_pages_that_run_out_are_left_for_huge_ones(void **state)
{
    const struct machine m = {1, NOT_YET, MANY / 2, NOT_YET};
    struct run r = run_of(&m, MANY);

    (void)state;
    assert_int_equal(r.pace.chosen, ZK_PAGE_HUGE);
    assert_int_equal(r.changes, 2);
    assert_in_range(r.huge, MANY / 2 - 64, MANY / 2 + 8);
}

/* Q1 */
static void
test_one_dear_look_alone_changes_nothing(void **state)
{
    struct run r;

    (void)state;
    for (size_t at = 0; at < 40; at++) {
        const struct machine m = {at, at + 1, NOT_YET, 0};

        r = run_of(&m, 64);
        assert_int_equal(r.huge, 64);
        assert_int_equal(r.looks[ZK_PAGE_BASE], 0);
    }
}

static size_t
looks_of(const struct run *r)
{
    return r->looks[ZK_PAGE_HUGE] + r->looks[ZK_PAGE_BASE];
}

/* The first, which had been measured, is at hand in any case, or not even that. */
static void
test_large_requests_are_looked_into_where_pages_are_dear(void **state)
{
    struct machine m = {1, NOT_YET, NOT_YET, 0};

    (void)state;
    for (m.huge_dear_from = 0; m.huge_dear_from < 2; m.huge_dear_from++) {
        struct run r = started();

        grow(&r, &m, 256);
        assert_int_equal(r.pace.chosen, ZK_PAGE_BASE);
        assert_in_range(r.huge, 2, 4);
        assert_in_range(looks_of(&r), 3, 8);
        grow(&r, &m, 1);
        assert_in_range(looks_of(&r), 3, 9);
    }
}

/* Q5, and what nobody looked at is no reason for looks at the next request. */
static void
test_two_looks_are_enough_for_a_large_request_at_hand(void **state)
{
    const struct machine m = {NOT_YET, 0, NOT_YET, 0};
    struct run r = started();

    (void)state;
    for (size_t n = 1; n <= 8; n++) {
        grow(&r, &m, 256);
        assert_int_equal(looks_of(&r), 2 * n);
        grow(&r, &m, 1);
        assert_int_equal(looks_of(&r), 2 * n);
    }
    assert_int_equal(r.huge, 8 * 257);
}

/* Q1 and Q5: at a request one dear look asks for another, and no more of them. */
static void
test_a_dear_look_at_a_large_request_asks_for_more(void **state)
{
    struct run r;

    (void)state;
    for (size_t at = 0; at < 2; at++) {
        const struct machine m = {at, at + 1, NOT_YET, 0};

        r = started();
        grow(&r, &m, 256);
        assert_int_equal(r.huge, 256);
        assert_int_equal(r.looks[ZK_PAGE_HUGE], at + 3);
    }
}

/* It finds out with the next request what it did not see in the last one. */
static void
test_pages_that_become_dear_are_left_at_the_next_request(void **state)
{
    const struct machine m = {100, NOT_YET, NOT_YET, 0};
    struct run r = started();

    (void)state;
    grow(&r, &m, 256);
    assert_int_equal(r.huge, 256);
    grow(&r, &m, 256);
    assert_int_equal(r.pace.chosen, ZK_PAGE_BASE);
    assert_in_range(r.huge, 256 + 2, 256 + 4);
}

/* Q1, Q3 and Q4 whatever the times are. */
static void
test_looks_stay_within_their_bounds_at_random(void **state)
{
    struct test_random random = {test_seed("pace")};

    (void)state;
    for (unsigned i = 0; i < test_scaled(2000); i++) {
        struct zk_pace p = {.off = false};
        uint64_t worst = 0, free = 0;
        size_t since = SIZE_MAX / 2, units;

        zk__pace_begin(&p, HUGE_NS, BASE_NS);
        for (size_t n = 0; n < 400; n++) {
            enum zk_kind_of_page kind, chosen = p.chosen;
            uint64_t ns = (1 + test_below(&random, 3000)) * US;

            units = 1 + test_below(&random, 4);
            since += units;
            zk__pace_grew(&p, units);
            if (!zk__pace_wants(&p, &kind))
                continue;
            if (kind != chosen) {
                assert_true(since >= 4);
                worst = ns > worst ? ns : worst;
                free += p.confirm ? ns : 0;
                since = 0;
            }
            zk__pace_saw(&p, kind, ns);
            if (p.chosen != chosen) {
                assert_int_equal(p.chosen, kind);
                assert_int_equal(p.vain, 4);
            }
            assert_true(p.extra_ns <= p.spent_ns / 32 + worst + free);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_both_are_at_hand_all_is_huge),
        cmocka_unit_test(
            test_where_huge_pages_are_dear_after_the_first_they_are_left),
        cmocka_unit_test(test_where_both_are_dear_all_is_huge_but_few),
        cmocka_unit_test(
            test_choice_changes_back_when_huge_pages_are_at_hand_again),
        cmocka_unit_test(test_few_dear_pages_among_many_cost_little),
        cmocka_unit_test(test_small_pages_that_run_out_are_left_for_huge_ones),
        cmocka_unit_test(test_one_dear_look_alone_changes_nothing),
        cmocka_unit_test(
            test_large_requests_are_looked_into_where_pages_are_dear),
        cmocka_unit_test(test_two_looks_are_enough_for_a_large_request_at_hand),
        cmocka_unit_test(test_a_dear_look_at_a_large_request_asks_for_more),
        cmocka_unit_test(
            test_pages_that_become_dear_are_left_at_the_next_request),
        cmocka_unit_test(test_looks_stay_within_their_bounds_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
