/*
 * slab_test.c - one slot's bump range: where blocks lie, and what is alive.
 */
#include "tests/alloc/one_slab.h"

#include <sys/resource.h>

/* ---- where blocks lie ---------------------------------------------------- */

/* Z16: no two blocks share a cache line, whatever their sizes. */
static void
test_blocks_start_on_lines_of_their_own(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *end[2] = {s->base, s->base}; /* of small and of large ones */
    static char *blocks[600];
    size_t n = 1;

    for (unsigned i = 0; i < 600; i++) {
        n = (n * 13 + 7) % 9000 + 1;
        blocks[i] = take(s, n);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 64, 0);
        assert_true(blocks[i] >= s->base && blocks[i] + n <= s->end);
        assert_true(live(s, blocks[i]) >= n);
        assert_true(blocks[i] >= end[n >= ZK_SMALL_LIMIT]);
        end[n >= ZK_SMALL_LIMIT] = blocks[i] + live(s, blocks[i]);
    }
    n = 1;
    for (unsigned i = 0; i < 600; i++) {
        n = (n * 13 + 7) % 9000 + 1;
        assert_true(test_holds(blocks[i], n, (uintptr_t)blocks[i]));
    }
}

static void
test_alignment_is_kept_up_to_the_slab_itself(void **state)
{
    struct zk_slab *s = slab_of(state);

    for (size_t align = 64; align <= MIB; align *= 2)
        for (size_t n = 1; n <= 5000; n += 4999) {
            char *p = zk__slab_alloc(s, n, align);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_true(live(s, p) >= n);
            memset(p, 1, n);
        }
}

/* Z17 */
static void
test_zero_bytes_is_a_unique_live_block(void **state)
{
    struct zk_slab *s = slab_of(state);
    void *a = zk__slab_alloc(s, 0, 64), *b = zk__slab_alloc(s, 0, 64);
    void *c = zk__slab_alloc(s, 0, 4096), *d = zk__slab_alloc_zeroed(s, 0);

    assert_true(a != NULL && b != NULL && c != NULL && d != NULL);
    assert_true(a != b && b != c && c != d && a != d);
    assert_true(live(s, a) != 0 && live(s, c) != 0);
    assert_true(zk__slab_free(s, d));
    assert_true(zk__slab_free(s, a));
}

/* N7, Z16, ON2: a size near the end of the address space does not wrap around. */
static void
test_sizes_that_would_wrap_are_null_and_move_nothing(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *before = take(s, 5000);
    char *next = next_of(s);

    for (size_t d = 0; d < 5000; d += 63) {
        assert_null(zk__slab_alloc(s, SIZE_MAX - d, 64));
        assert_null(zk__slab_alloc(s, SIZE_MAX - d, GIB));
        assert_null(zk__slab_alloc(s, SIZE_MAX / 2 + 1 - d, 64));
        assert_null(zk__slab_alloc_zeroed(s, SIZE_MAX - d));
        assert_null(zk__slab_alloc(s, ZK_SLAB_BYTES_MAX + d, 64));
        assert_null(zk__slab_alloc(s, (size_t)0 - (size_t)next - d, 64));
    }
    assert_ptr_equal(next_of(s), next);
    assert_true(test_holds(before, 5000, (uintptr_t)before));
    assert_false(
        zk__slab_resize(s, before, zk__slab_block(s, before), SIZE_MAX));
    assert_false(
        zk__slab_resize(s, before, zk__slab_block(s, before), SIZE_MAX - 63));
    assert_int_equal(live(s, before), zk_round_up(5000, 64));
}

/* Z18, R14, O2: what is left over still serves smaller requests. */
static void
test_full_slab_serves_what_still_fits(void **state)
{
    struct zk_slab *s = slab_of(state);
    size_t room = (size_t)(s->limit - s->base);
    char *p = take(s, room - 8192);

    assert_non_null(p);
    assert_null(zk__slab_alloc(s, 8193, 64));
    assert_null(zk__slab_alloc(s, 4096, 1 * GIB));
    assert_null(zk__slab_alloc(s, 100, 64)); /* no room for a window */
    p = take(s, 8192);
    assert_non_null(p);
    assert_ptr_equal(p + 8192, s->limit);
    assert_null(zk__slab_alloc(s, 4096, 64));
    assert_null(zk__slab_alloc(s, 0, 64));
    assert_true(zk__slab_free(s, p));
    assert_ptr_equal(zk__slab_alloc(s, 8000, 64), p);
}

static int
write_behind_the_limit(void *slab)
{
    struct zk_slab *s = slab;

    zk__unpoison(s->limit, 64);
    *(volatile char *)s->limit = 1;
    return 0;
}

static void
test_last_page_of_a_slab_is_a_guard(void **state)
{
    struct zk_slab *s = slab_of(state);
    size_t room = (size_t)(s->limit - s->base);
    struct test_child child;

    assert_non_null(take(s, room)); /* every byte of it can be written */
    child = test_in_child(write_behind_the_limit, s);
    assert_false(child.exited && child.code == 0);
}

/* A thread in no phase: no room, no block, and the inlined bump sees it. */
static void
test_slab_of_no_phase_has_no_room(void **state)
{
    (void)state;
    assert_ptr_equal(zk__slab_mine(), &zk__slab_none);
    assert_null(zk__slab_alloc(&zk__slab_none, 0, 64));
    assert_null(zk__slab_alloc(&zk__slab_none, 10, 64));
    assert_null(zk__slab_alloc(&zk__slab_none, 100000, 4096));
    assert_null(zk__slab_alloc_zeroed(&zk__slab_none, 100));
    assert_null(zk_bump(0));
    assert_null(zk_bump(1));
    assert_null(zk_bump(SIZE_MAX));
}

/* The inlined bump and the library agree on where the next block lies. */
static void
test_inlined_bump_shares_its_window_with_the_library(void **state)
{
    struct zk_slab *s = slab_of(state);
    struct zk_slab *old = zk__slab_use(s);
    char *last = zk__slab_alloc(s, 1, 64);

    for (size_t n = 1; n < 100000; n = n * 5 / 3 + 1) {
        char *p = zk_bump(n);
        char *q = zk__slab_alloc(s, 70, 64);

        assert_non_null(p);
        assert_non_null(q);
        memset(p, 1, n);
        assert_true(live(s, p) >= n);
        assert_true(live(s, q) >= 70);
        assert_true(q >= p + n || p >= q + 70);
        assert_true(live(s, last) >= 1);
        last = q;
    }
    assert_null(zk_bump(SIZE_MAX));
    assert_null(zk_bump(SIZE_MAX - 62));
    zk__slab_use(old);
}

/* ---- what is alive ------------------------------------------------------- */

/* R1, R9, O13: an address inside a block, or where none was yet, is refused. */
static void
test_only_the_first_byte_names_a_block(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *small = take(s, 1000), *large = take(s, 10000);

    for (size_t i = 1; i < 1024; i++)
        assert_int_equal(live(s, small + i), 0);
    for (size_t i = 1; i < 10000; i++)
        assert_int_equal(live(s, large + i), 0);
    assert_int_equal(live(s, next_of(s)), 0);
    assert_int_equal(live(s, s->limit), 0);
    assert_int_equal(live(s, s->base + SLAB_BYTES - 64), 0);
    assert_false(zk__slab_free(s, small + 64));
    assert_false(zk__slab_free(s, large + 64));
    assert_false(zk__slab_free(s, large + 4096));
    assert_int_equal(live(s, small), 1024);
    assert_int_equal(live(s, large), zk_round_up(10000, 64));
}

static void
test_newest_block_is_taken_off_again(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *a = take(s, 6000), *b = take(s, 7000), *c = take(s, 100);
    char *d = take(s, 200);

    assert_true(zk__slab_free(s, d));
    assert_ptr_equal(take(s, 3000), d);
    assert_true(zk__slab_free(s, d));
    assert_true(zk__slab_free(s, c));
    assert_ptr_equal(zk__slab_alloc(s, 64, 64), c);
    assert_true(test_holds(b, 7000, (uintptr_t)b));

    assert_true(zk__slab_free(s, a)); /* not the newest: it only dies */
    assert_int_equal(live(s, a), 0);
    assert_true(zk__slab_free(s, b)); /* a window lies above it */
    assert_int_equal(live(s, b), 0);
    assert_ptr_equal(take(s, 13000), a); /* both together */
}

static void
test_large_blocks_free_in_reverse_order_back_to_the_base(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *blocks[100];

    for (int i = 0; i < 100; i++)
        blocks[i] = take(s, 4096 + (size_t)i * 100);
    for (int i = 99; i >= 0; i--) {
        assert_true(test_holds(blocks[i], 4096 + (size_t)i * 100,
                               (uintptr_t)blocks[i]));
        assert_true(zk__slab_free(s, blocks[i]));
        assert_int_equal(live(s, blocks[i]), 0);
    }
    assert_ptr_equal(next_of(s), s->base);
}

/* Z11, O14, ON3: a block dies once, in any build. */
static void
test_freeing_twice_is_noticed(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *small = take(s, 10), *other = take(s, 10);
    char *large = take(s, 9000), *top = take(s, 9000);

    assert_true(zk__slab_free(s, small));
    assert_false(zk__slab_free(s, small));
    assert_true(zk__slab_free(s, large));
    assert_false(zk__slab_free(s, large));
    assert_true(zk__slab_free(s, top));
    assert_false(zk__slab_free(s, top));
    assert_true(zk__slab_free(s, other));
    assert_false(zk__slab_free(s, other));
}

/* ---- resizing ------------------------------------------------------------ */

/* Z14: the newest block grows in place, with nothing left behind. */
static void
test_newest_block_grows_and_shrinks_in_place(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *p = take(s, 4096);

    for (size_t n = 4096; n <= 8 * MIB; n *= 2) {
        assert_true(zk__slab_resize(s, p, zk__slab_block(s, p), n));
        assert_int_equal(live(s, p), n);
        assert_ptr_equal(next_of(s), p + n);
        assert_true(test_holds(p, n / 2 < 4096 ? 4096 : n / 2, (uintptr_t)p));
        test_fill(p, n, (uintptr_t)p);
    }
    assert_true(zk__slab_resize(s, p, zk__slab_block(s, p), 5000));
    assert_int_equal(live(s, p), zk_round_up(5000, 64));
    assert_true(test_holds(p, 5000, (uintptr_t)p));
    assert_true(zk__slab_resize(s, p, zk__slab_block(s, p), 0));
    assert_int_equal(live(s, p), 4096);
    assert_int_equal(zk__slab_peak(s), 8 * MIB);
}

static void
test_block_grows_to_the_limit_and_not_beyond(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *p = take(s, 4096);
    size_t room = (size_t)(s->limit - p);

    assert_false(zk__slab_resize(s, p, zk__slab_block(s, p), room + 1));
    assert_int_equal(live(s, p), 4096);
    assert_true(zk__slab_resize(s, p, zk__slab_block(s, p), room));
    memset(p, 1, room);
    assert_int_equal(live(s, p), room);
    assert_null(zk__slab_alloc(s, 1, 64));
}

static void
test_block_with_a_neighbour_only_shrinks(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *a = take(s, 10000), *b = take(s, 10000), *c = take(s, 100);

    assert_false(zk__slab_resize(s, a, zk__slab_block(s, a), 20000));
    assert_true(zk__slab_resize(s, a, zk__slab_block(s, a), 10048));
    assert_true(zk__slab_resize(s, a, zk__slab_block(s, a), 1));
    assert_int_equal(live(s, a), 4096);
    assert_true(zk__slab_resize(s, c, zk__slab_block(s, c), 128));
    memset(c, 1, 128);
    assert_false(zk__slab_resize(s, c, zk__slab_block(s, c), 129));
    assert_true(test_holds(b, 10000, (uintptr_t)b));
}

/* ---- zeroed blocks ------------------------------------------------------- */

/* Z21: what was never touched need not be written, what was must be. */
static void
test_zeroed_blocks_are_zero_after_every_kind_of_reuse(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *p;

    for (int round = 0; round < 3; round++) {
        size_t n = 100;

        while ((p = zk__slab_alloc_zeroed(s, n)) != NULL) {
            assert_true(test_all_zero(p, n));
            memset(p, 0xee, n);
            if (n % 3 == 0 && n >= 4096) { /* grow, dirty, free, again */
                size_t more = live(s, p) + 100;

                if (zk__slab_resize(s, p, zk__slab_block(s, p), more))
                    memset(p, 0xdd, more);
                assert_true(zk__slab_free(s, p));
                p = zk__slab_alloc_zeroed(s, more + 5000);
                if (p == NULL)
                    break;
                assert_true(test_all_zero(p, more + 5000));
                memset(p, 0xcc, more + 5000);
            }
            n = n * 5 / 4 + 1;
        }
        zk__slab_reset(s);
    }
}

/* ---- pages refused --------------------------------------------------------- */

/* What the kernel has accounted to this process as data. */
static size_t
data_bytes(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    unsigned long kib = 0;
    char line[256];

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmData: %lu kB", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return (size_t)kib * KIB;
}

/* Under RLIMIT_DATA mprotect fails as it does under strict overcommit. */
static int
fill_with_little_data(void *slab)
{
    struct zk_slab *s = slab;
    struct rlimit limit;
    size_t got = 0;

    limit.rlim_cur = limit.rlim_max = data_bytes() + 8 * MIB;
    CHILD_CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    CHILD_CHECK(zk__slab_alloc(s, 12 * MIB, 64) == NULL);
    CHILD_CHECK(next_of(s) == s->base);
    for (char *p; (p = zk__slab_alloc(s, MIB, 64)) != NULL; got++) {
        memset(p, 1, MIB);
        CHILD_CHECK(live(s, p) == MIB);
    }
    CHILD_CHECK(got >= 6 && got <= 8);
    CHILD_CHECK(s->end >= next_of(s) && s->end <= s->limit);
    return 0;
}

static void
test_slab_grows_as_far_as_the_kernel_accounts_for(void **state)
{
    if (TEST_SANITIZED)
        skip();
    assert_true(test_child_succeeds(fill_with_little_data, slab_of(state)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        slab_test(test_blocks_start_on_lines_of_their_own),
        slab_test(test_alignment_is_kept_up_to_the_slab_itself),
        slab_test(test_zero_bytes_is_a_unique_live_block),
        slab_test(test_sizes_that_would_wrap_are_null_and_move_nothing),
        slab_test(test_full_slab_serves_what_still_fits),
        slab_test(test_last_page_of_a_slab_is_a_guard),
        slab_test(test_slab_of_no_phase_has_no_room),
        slab_test(test_inlined_bump_shares_its_window_with_the_library),
        slab_test(test_only_the_first_byte_names_a_block),
        slab_test(test_newest_block_is_taken_off_again),
        slab_test(test_large_blocks_free_in_reverse_order_back_to_the_base),
        slab_test(test_freeing_twice_is_noticed),
        slab_test(test_newest_block_grows_and_shrinks_in_place),
        slab_test(test_block_grows_to_the_limit_and_not_beyond),
        slab_test(test_block_with_a_neighbour_only_shrinks),
        slab_test(test_zeroed_blocks_are_zero_after_every_kind_of_reuse),
        slab_test(test_slab_grows_as_far_as_the_kernel_accounts_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
