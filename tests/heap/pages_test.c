/* pages_test.c - runs of pages: split, joined, given up. O1, O11, ON4, R6, R14. */
#include "alloc/heap/pages.h"
#include "private/poison.h"
#include "tests/support.h"

#define PAGE ZK_HEAP_PAGE

/* Runs that are free at the begin of a test would hide what it looks for. */
static int
open_pages(void **state)
{
    (void)state;
    zk__class_open();
    zk__pages_set_decay(1000000);
    return zk__pages_open() ? 0 : 1;
}

static char *
bytes_of(uint32_t first, size_t n)
{
    char *p = zk_page_address(first);

    zk__unpoison(p, n * PAGE);
    return p;
}

static uint32_t
take(size_t n)
{
    return zk__pages_take(n, 1, false);
}

static void
test_pages_are_aligned_writable_and_ours(void **state)
{
    static int foreign;

    (void)state;
    for (size_t n = 1; n <= 1000; n = n * 3 + 1) {
        uint32_t first = take(n);
        char *p;

        assert_int_not_equal(first, ZK_PAGE_NONE);
        p = bytes_of(first, n);
        assert_int_equal((uintptr_t)p % PAGE, 0);
        test_fill(p, n * PAGE, n);
        for (size_t i = 0; i < n; i++) {
            size_t page = zk_page_of(p + i * PAGE + 5);
            uint32_t word;

            assert_true(zk_page_ours(page));
            word = zk_load_relaxed(&zk__pages.words[page]);
            assert_int_equal(zk_run_kind(word), ZK_RUN_BUSY);
            assert_int_equal(zk_run_back(word), i);
        }
        assert_true(test_holds(p, n * PAGE, n));
        zk__pages_give(first, n);
    }
    assert_false(zk_page_ours(zk_page_of(&foreign)));
    assert_false(zk_page_ours(zk_page_of(NULL)));
    assert_false(zk_page_ours(zk_page_of((void *)UINTPTR_MAX)));
}

/* Also for pages that become accessible meanwhile. */
static void
test_no_page_is_quick_during_a_detour(void **state)
{
    enum { GROWTH = 300 }; /* pages: more than the heap grows by at once */
    size_t before = zk_load_relaxed(&zk__pages.committed);
    uint32_t first;

    (void)state;
    assert_true(zk_page_quick(0));
    zk__pages_detour(+1);
    zk__pages_detour(+1);
    first = take(before + GROWTH);
    assert_int_not_equal(first, ZK_PAGE_NONE);
    assert_true(zk_page_ours(before + GROWTH - 1));
    assert_false(zk_page_quick(0));
    zk__pages_detour(-1);
    assert_false(zk_page_quick(0));
    zk__pages_detour(-1);
    assert_true(zk_page_quick(0));
    assert_true(zk_page_quick(before + GROWTH - 1));
    assert_false(zk_page_quick(zk_load_relaxed(&zk__pages.committed)));
    zk__pages_give(first, before + GROWTH);
}

/* ON4: three neighbours of 20 serve 60, in whatever order they were freed. */
static void
test_free_neighbours_are_joined_in_every_order(void **state)
{
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        uint32_t whole = take(62), part[3];
        uint32_t again;

        assert_int_not_equal(whole, ZK_PAGE_NONE);
        for (unsigned k = 0; k < 3; k++)
            part[k] = whole + 1 + 20 * k;
        for (unsigned k = 0; k < 3; k++)
            zk__pages_give(part[orders[i][k]], 20);
        again = take(60);
        assert_int_equal(again, whole + 1);
        zk__pages_give(again, 60);
        zk__pages_give(whole, 1);
        zk__pages_give(whole + 61, 1);
    }
}

/* ON4: what is left of a large run serves the next one. */
static void
test_the_rest_of_a_run_can_be_used(void **state)
{
    uint32_t wall, run = take(8000), small, rest;

    (void)state;
    wall = take(1); /* the run does not end at the top */
    zk__pages_give(run, 8000);
    small = take(5000);
    assert_int_equal(small, run);
    rest = take(3000);
    assert_int_equal(rest, run + 5000);
    zk__pages_give(small, 5000);
    zk__pages_give(rest, 3000);
    zk__pages_give(wall, 1);
}

static void
test_alignment_is_kept_and_what_it_cost_is_given_back(void **state)
{
    size_t taken = zk__pages_use().taken;

    (void)state;
    for (size_t align = 1; align <= 1024; align *= 2) {
        uint32_t first = zk__pages_take(3, align, false);

        assert_int_not_equal(first, ZK_PAGE_NONE);
        assert_int_equal((uintptr_t)zk_page_address(first) % (align * PAGE), 0);
        assert_int_equal(zk__pages_use().taken, taken + 3 * PAGE);
        zk__pages_give(first, 3);
    }
    assert_int_equal(zk__pages_use().taken, taken);
}

static void
test_a_run_grows_into_free_pages_and_no_others(void **state)
{
    uint32_t run = take(30), wall = take(1);

    (void)state;
    zk__pages_give(run + 10, 20);
    assert_false(zk__pages_take_at(run + 10, 21, false));
    assert_true(zk__pages_take_at(run + 10, 15, false));
    assert_false(zk__pages_take_at(run + 25, 6, false));
    assert_true(zk__pages_take_at(run + 25, 5, false));
    assert_false(zk__pages_take_at(run + 30, 1, false));
    zk__pages_give(run, 30);
    zk__pages_give(wall, 1);
}

static void
test_the_last_run_grows_upward(void **state)
{
    uint32_t last = take(4000), more;

    (void)state;
    assert_true(zk__pages_take_at(last + 4000, 500, false));
    zk__pages_give(last, 4500);
    more = take(6000); /* more than the run that ends at the top */
    assert_int_equal(more, last);
    zk__pages_give(more, 6000);
}

static void
test_zeroed_pages_are_zero(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 300; n = n * 2 + 1) {
        uint32_t first = take(n);

        memset(bytes_of(first, n), 0xaa, n * PAGE);
        zk__pages_give(first, n);
        first = zk__pages_take(n, 1, true);
        assert_true(test_all_zero(bytes_of(first, n), n * PAGE));
        memset(bytes_of(first, n), 0xbb, n * PAGE);
        zk__pages_give(first, n);
    }
}

/* Not by writing: pages that were never used, or given up, are not touched. */
static void
test_pages_known_to_be_zero_are_not_written(void **state)
{
    unsigned next;
    size_t resident, n = 4096;
    uint32_t first;

    (void)state;
    if (TEST_SANITIZED)
        skip();
    first = take(n);
    memset(zk_page_address(first), 1, n * PAGE);
    zk__pages_give(first, n);
    assert_true(zk__pages_release(SIZE_MAX, 0, &next) >= n * PAGE);
    assert_int_equal(next, 0);
    assert_int_equal(zk__pages_use().retained, 0);
    resident = test_resident();
    first = zk__pages_take(n, 1, true);
    assert_true(test_all_zero(zk_page_address(first) + 12345, 1000));
    assert_true(test_resident() < resident + n * PAGE / 16);
    zk__pages_give(first, n);
}

static void
test_memory_is_released_when_it_is_old_enough(void **state)
{
    uint32_t first = take(1000), wall = take(1);
    struct zk_pages_use before;
    unsigned next;

    (void)state;
    zk__pages_give(first, 1000);
    before = zk__pages_use();
    assert_true(before.retained >= 1000 * PAGE);
    assert_int_equal(zk__pages_release(SIZE_MAX, 1000000, &next), 0);
    assert_in_range(next, 1, 1000000);
    assert_int_equal(zk__pages_use().retained, before.retained);

    /* In steps: the end of a run first. */
    assert_int_equal(zk__pages_release(100 * PAGE, 0, &next), 100 * PAGE);
    assert_int_equal(next, 1);
    assert_int_equal(zk__pages_use().retained, before.retained - 100 * PAGE);
    assert_true(zk__pages_release(SIZE_MAX, 0, &next) >= 900 * PAGE);
    assert_int_equal(next, 0);
    assert_int_equal(zk__pages_use().retained, 0);
    assert_int_equal(zk__pages_release(SIZE_MAX, 0, &next), 0);
    zk__pages_give(wall, 1);
}

/* Nobody calls release: whoever takes and gives does it. */
static void
test_memory_goes_back_while_others_allocate(void **state)
{
    uint32_t first = take(1000), small;

    (void)state;
    zk__pages_set_decay(50);
    zk__pages_give(first, 1000);
    for (int i = 0; i < 10000 && zk__pages_use().retained > 100 * PAGE; i++) {
        small = take(1);
        usleep(1000);
        zk__pages_give(small, 1);
    }
    zk__pages_set_decay(1000000);
    assert_true(zk__pages_use().retained <= 100 * PAGE);
}

static void
test_moved_pages_keep_what_is_in_them(void **state)
{
    uint32_t from = take(64), to = take(64);
    uint64_t moves = zk__pages_use().moves;

    (void)state;
    test_fill(bytes_of(from, 64), 64 * PAGE, 7);
    memset(bytes_of(to, 64), 9, 64 * PAGE);
    if (!zk__pages_move(from, to, 64))
        skip(); /* an old kernel */
    assert_true(test_holds(bytes_of(to, 64), 64 * PAGE, 7));
    assert_true(test_all_zero(bytes_of(from, 64), 64 * PAGE));
    assert_int_equal(zk__pages_use().moves, moves + 1);
    zk__pages_give(from, 64);
    zk__pages_give(to, 64);
}

static void
test_too_much_is_refused_and_nothing_is_lost(void **state)
{
    size_t all = zk__pages_use().reserved / PAGE;
    struct zk_pages_use before = zk__pages_use();

    (void)state;
    assert_int_equal(take(all + 1), ZK_PAGE_NONE);
    assert_int_equal(take(SIZE_MAX), ZK_PAGE_NONE);
    assert_int_equal(zk__pages_take(1, all * 2, false), ZK_PAGE_NONE);
    assert_int_equal(zk__pages_take(all, all, false), ZK_PAGE_NONE);
    assert_int_equal(zk__pages_use().taken, before.taken);
}

/* Random runs against a map of who has which page. */
static void
test_no_page_is_anybody_elses(void **state)
{
    enum { RUNS = 200, PAGES = 40000 };
    static struct {
        uint32_t first;
        size_t n;
    } run[RUNS];
    static unsigned char owner[PAGES];
    struct test_random r = {test_seed(__func__)};
    size_t before = zk__pages_use().taken, sum = 0;
    uint32_t base = take(1);

    (void)state;
    zk__pages_give(base, 1);
    for (unsigned i = 0; i < test_scaled(60000); i++) {
        size_t at = test_below(&r, RUNS);
        size_t n = test_below(&r, 16) == 0 ? 1 + test_below(&r, 300)
                                           : 1 + test_below(&r, 20);

        if (run[at].n == 0) {
            run[at].first = zk__pages_take(n, (size_t)1 << test_below(&r, 4),
                                           test_below(&r, 8) == 0);
            assert_int_not_equal(run[at].first, ZK_PAGE_NONE);
            run[at].n = n;
            for (size_t k = 0; k < n; k++)
                assert_int_equal(owner[(run[at].first + k) % PAGES]++, 0);
            sum += n;
        } else if (test_below(&r, 4) == 0 &&
                   zk__pages_take_at((uint32_t)(run[at].first + run[at].n), n,
                                     false)) {
            for (size_t k = 0; k < n; k++)
                assert_int_equal(
                    owner[(run[at].first + run[at].n + k) % PAGES]++, 0);
            run[at].n += n;
            sum += n;
        } else {
            for (size_t k = 0; k < run[at].n; k++)
                owner[(run[at].first + k) % PAGES]--;
            zk__pages_give(run[at].first, run[at].n);
            sum -= run[at].n;
            run[at].n = 0;
        }
        if (i % 1000 == 0) {
            unsigned next;

            (void)zk__pages_release(test_below(&r, 100) * PAGE, 0, &next);
        }
        assert_int_equal(zk__pages_use().taken, before + sum * PAGE);
    }
    for (unsigned i = 0; i < RUNS; i++)
        if (run[i].n != 0)
            zk__pages_give(run[i].first, run[i].n);
    assert_int_equal(zk__pages_use().taken, before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_aligned_writable_and_ours),
        cmocka_unit_test(test_no_page_is_quick_during_a_detour),
        cmocka_unit_test(test_free_neighbours_are_joined_in_every_order),
        cmocka_unit_test(test_the_rest_of_a_run_can_be_used),
        cmocka_unit_test(test_alignment_is_kept_and_what_it_cost_is_given_back),
        cmocka_unit_test(test_a_run_grows_into_free_pages_and_no_others),
        cmocka_unit_test(test_the_last_run_grows_upward),
        cmocka_unit_test(test_zeroed_pages_are_zero),
        cmocka_unit_test(test_pages_known_to_be_zero_are_not_written),
        cmocka_unit_test(test_memory_is_released_when_it_is_old_enough),
        cmocka_unit_test(test_memory_goes_back_while_others_allocate),
        cmocka_unit_test(test_moved_pages_keep_what_is_in_them),
        cmocka_unit_test(test_too_much_is_refused_and_nothing_is_lost),
        cmocka_unit_test(test_no_page_is_anybody_elses),
    };

    return cmocka_run_group_tests(tests, open_pages, NULL);
}
