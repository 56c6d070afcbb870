/*
 * scratch_test.c - the far end of a slab, scopes where there is no slab, and the
 * two functions for libraries. Tasks and phases: tests/phase/scratch_test.c.
 */
#include <errno.h>
#include <sys/resource.h>

#include "alloc/keep.h"
#include "alloc/os.h"
#include "alloc/scratch.h"
#include "alloc/slab.h"
#include "private/poison.h"
#include "tests/support.h"

#define SLAB_BYTES (16 * MIB)

struct fixture {
    struct zk_slab slab;
    char *base, *tables;
};

static int
setup(void **state)
{
    struct fixture *f = aligned_alloc(ZK_CACHE_LINE, sizeof *f);

    if (f == NULL)
        return -1;
    memset(f, 0, sizeof *f);
    f->base = zk__os_reserve(2 * SLAB_BYTES, ZK_HUGE_PAGE);
    f->tables =
        zk__os_reserve(zk__slab_tables_bytes(SLAB_BYTES), zk__os_page());
    if (f->base == NULL || f->tables == NULL)
        return -1;
    zk__slab_init(&f->slab, f->base, SLAB_BYTES, f->tables, 0, ZK_HUGE_AUTO);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    zk__unpoison(f->base, 2 * SLAB_BYTES);
    zk__os_unmap(f->base, 2 * SLAB_BYTES);
    zk__os_unmap(f->tables, zk__slab_tables_bytes(SLAB_BYTES));
    free(f);
    return 0;
}

static struct zk_slab *
slab_of(void **state)
{
    struct fixture *f = *state;

    return &f->slab;
}

/* ---- a slab's far end ---------------------------------------------------- */

static void
test_scratch_is_taken_from_the_limit_down(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *a = zk__slab_scratch(s, 100, 64), *b = zk__slab_scratch(s, 1, 64);
    char *c = zk__slab_scratch(s, 5000, 1 << 16);

    assert_ptr_equal(a, s->limit - 128);
    assert_ptr_equal(b, a - 64);
    assert_true(c + 5000 <= b && (uintptr_t)c % (1 << 16) == 0);
    memset(c, 1, 5000);
    memset(b, 2, 1);
    memset(a, 3, 100);
    assert_int_equal(zk_load_relaxed(&s->scratch_peak), (size_t)(s->limit - c));
    zk__slab_scratch_back(s, a);
    assert_ptr_equal(zk__slab_scratch(s, 64, 64), b);
    zk__slab_scratch_back(s, s->limit);
    assert_ptr_equal(s->scratch, s->limit);
    assert_int_equal(zk_load_relaxed(&s->scratch_peak), (size_t)(s->limit - c));
}

/* It is no block, and no word or size of a table is written for it. */
static void
test_scratch_is_no_block(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *p = zk__slab_scratch(s, 10000, 64);

    assert_non_null(p);
    assert_int_equal(zk__slab_block(s, p).bytes, 0);
    assert_false(zk__slab_free(s, p));
    assert_false(zk__slab_send(s, p));
    zk__slab_scratch_back(s, s->limit);
}

static void
test_blocks_never_reach_into_scratch(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *scratch = zk__slab_scratch(s, 4 * MIB, 64), *p, *last = NULL;

    test_fill(scratch, 4 * MIB, 1);
    while ((p = zk__slab_alloc(s, 100000, ZK_GRANULE)) != NULL) {
        last = p;
        memset(p, 0xaa, 100000);
    }
    while ((p = zk__slab_alloc(s, 4096, 4096)) != NULL)
        memset(p, 0xbb, 4096);
    while ((p = zk__slab_alloc(s, 64, ZK_GRANULE)) != NULL)
        memset(p, 0xcc, 64);
    assert_non_null(last);
    assert_false(zk__slab_resize(s, last, zk__slab_block(s, last), 6 * MIB));
    assert_true(zk_load_relaxed(&s->next) <= s->scratch);
    assert_true(test_holds(scratch, 4 * MIB, 1));
    assert_null(zk__slab_scratch(s, MIB, 64));
    assert_null(zk__slab_scratch(s, SIZE_MAX, 64));
    assert_null(zk__slab_scratch(s, SIZE_MAX - 10, 1 << 20));
    zk__slab_scratch_back(s, s->limit);
    assert_non_null(zk__slab_alloc(s, 3 * MIB, ZK_GRANULE)); /* now it may */
}

static void
test_scratch_never_reaches_into_blocks(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *block = zk__slab_alloc(s, 9 * MIB, ZK_GRANULE), *p;
    size_t n = 0;

    test_fill(block, 9 * MIB, 1);
    while ((p = zk__slab_scratch(s, 1000, 64)) != NULL) {
        memset(p, 0xaa, 1000);
        n++;
    }
    assert_true(s->scratch - zk_load_relaxed(&s->next) < 1024);
    assert_true(n > 6 * KIB);
    for (size_t align = 64; align <= MIB; align *= 2)
        assert_null(zk__slab_scratch(s, 1000, align));
    assert_true(test_holds(block, 9 * MIB, 1));
    assert_null(zk__slab_alloc(s, 4096, ZK_GRANULE));
    zk__slab_scratch_back(s, s->limit);
}

/* The move at a begin is one call: zk__os_move() fails for two mappings. */
static void
check_moves(struct zk_slab *s, char *to)
{
    size_t committed = (size_t)(s->limit - s->top);

    zk__slab_reset(s);
    zk__unpoison(to, SLAB_BYTES);
    assert_true(zk__slab_move(s, to));
    assert_ptr_equal(s->scratch, s->limit);
    assert_true((size_t)(s->limit - s->top) == committed);
    assert_ptr_equal(s->limit, to + SLAB_BYTES - zk__os_page());
}

static void
test_used_slab_moves_as_one_mapping(void **state)
{
    enum zk_huge kinds[] = {ZK_HUGE_AUTO, ZK_HUGE_ALWAYS, ZK_HUGE_NEVER};

    for (unsigned order = 0; order < 4; order++)
        for (unsigned i = 0; i < 3; i++) {
            struct zk_slab *s;
            char *p, *other;

            assert_int_equal(teardown(state), 0);
            assert_int_equal(setup(state), 0);
            s = slab_of(state);
            s->huge = kinds[i];
            other = ((struct fixture *)*state)->base + SLAB_BYTES;
            /* Blocks of none, of the start, or of all; before or after. */
            if (order == 1)
                assert_non_null(zk__slab_alloc(s, 100000, ZK_GRANULE));
            if (order == 2)
                assert_non_null(zk__slab_alloc(s, 5 * MIB, ZK_GRANULE));
            p = zk__slab_scratch(s, 100000, 64);
            assert_non_null(p);
            test_fill(p, 100000, 1);
            if (order == 3)
                assert_non_null(zk__slab_alloc(s, 5 * MIB, ZK_GRANULE));
            assert_true(test_holds(p, 100000, 1));
            zk__slab_scratch_back(s, s->limit);
            assert_true(zk__slab_used(s));
            check_moves(s, other);
            assert_false(zk__slab_used(s));
            assert_non_null(zk__slab_alloc(s, 5 * MIB, ZK_GRANULE));
            p = zk__slab_scratch(s, 100000, 64);
            assert_non_null(p);
            memset(p, 1, 100000);
            zk__slab_scratch_back(s, s->limit);
            zk__unpoison(((struct fixture *)*state)->base, SLAB_BYTES);
            check_moves(s, ((struct fixture *)*state)->base);
        }
}

/* What was scratch is not known to be zero. */
static void
test_zeroed_block_over_former_scratch_is_zero(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *scratch = zk__slab_scratch(s, 6 * MIB, 64), *p;

    memset(scratch, 0xff, 6 * MIB);
    zk__slab_scratch_back(s, s->limit);
    p = zk__slab_alloc_zeroed(s, 3 * MIB);
    assert_true(test_all_zero(p, 3 * MIB));
    p = zk__slab_alloc_zeroed(s, 8 * MIB); /* across where scratch began */
    assert_true(p < scratch && p + 8 * MIB > scratch);
    assert_true(test_all_zero(p, 8 * MIB));
    p = zk__slab_alloc_zeroed(s, 3 * MIB);
    assert_true(p > scratch);
    assert_true(test_all_zero(p, 3 * MIB));

    check_moves(s, ((struct fixture *)*state)->base + SLAB_BYTES);
    for (int i = 0; i < 5; i++) {
        p = zk__slab_alloc_zeroed(s, 3 * MIB);
        assert_true(test_all_zero(p, 3 * MIB));
        memset(p, 0xff, 3 * MIB);
    }
}

/* A phase begins after one that used what it used. */
static void
next_phase(struct zk_slab *s, bool new_window)
{
    if (new_window)
        zk__keep_forget(s);
    zk__keep_note(s);
    zk__slab_reset(s);
    (void)zk__keep_give_up(s, 0, false);
}

static void
test_scratch_that_recent_phases_did_not_use_is_released(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *p = zk__slab_scratch(s, 6 * MIB, 64);

    memset(p, 0xff, 6 * MIB);
    zk__slab_scratch_back(s, s->limit);
    next_phase(s, false);
    next_phase(s, true);
    assert_int_equal(zk_load_relaxed(&s->released), 0);
    assert_ptr_equal(zk__slab_scratch(s, MIB, 64), s->limit - MIB);
    next_phase(s, true);
    assert_true(zk_load_relaxed(&s->released) >= 4 * MIB - zk__os_page());
    assert_ptr_equal(s->scratched, s->limit - 2 * MIB);
    p = zk__slab_alloc_zeroed(s, 15 * MIB);
    assert_true(test_all_zero(p, 15 * MIB));
    next_phase(s, true);
    next_phase(s, true);
    next_phase(s, true);
    assert_ptr_equal(s->scratched, s->limit);
}

/* Blocks once filled the slab, and it may go: but not from under scratch. */
static void
test_live_scratch_is_in_no_tail(void **state)
{
    struct zk_slab *s = slab_of(state);
    size_t room = (size_t)(s->limit - s->base);
    char *block = zk__slab_alloc(s, room, ZK_GRANULE), *p;

    memset(block, 0xff, room);
    next_phase(s, true);
    next_phase(s, true);
    next_phase(s, true);
    assert_true(zk__keep_has_tail(s));
    assert_int_equal(zk__keep_release(s, 4 * MIB, false),
                     4 * MIB - zk__os_page());
    p = zk__slab_scratch(s, 100000, 64);
    test_fill(p, 100000, 1);
    assert_int_equal(zk__keep_release(s, SIZE_MAX, false), 0);
    assert_true(test_holds(p, 100000, 1));
    zk__slab_scratch_back(s, s->limit);
    p = zk__slab_alloc_zeroed(s, room);
    assert_true(test_all_zero(p, room));
}

/* Under RLIMIT_DATA mprotect fails as it does under strict overcommit. */
static int
use_scratch_with_little_data(void *slab)
{
    struct zk_slab *s = slab;
    struct rlimit limit;
    char *p;

    CHILD_CHECK(getrlimit(RLIMIT_DATA, &limit) == 0);
    limit.rlim_cur = 4096; /* 0 is no limit, for Valgrind's sake */
    CHILD_CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    CHILD_CHECK(zk__slab_scratch(s, 100, 64) == NULL);
    CHILD_CHECK(s->scratch == s->limit && s->top != s->limit);
    CHILD_CHECK(!zk__slab_used(s));
    limit.rlim_cur = limit.rlim_max;
    CHILD_CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    CHILD_CHECK(zk__slab_scratch(s, 100, 64) == NULL); /* asked once */

    (void)zk__slab_use(s);
    (void)zk_scratch_begin(); /* not ended: no arena knows this slab */
    p = zk_scratch_alloc(10000, 4096);
    CHILD_CHECK(p > s->base && p + 10000 <= zk_load_relaxed(&s->next));
    test_fill(p, 10000, 1);
    CHILD_CHECK(test_holds(p, 10000, 1));
    (void)zk__slab_use(&zk__slab_none);
    return 0;
}

static void
test_refused_far_end_leaves_blocks_for_scratch(void **state)
{
    if (TEST_SANITIZED)
        skip();
    assert_true(
        test_child_succeeds(use_scratch_with_little_data, slab_of(state)));
}

/* ---- scopes in no phase -------------------------------------------------- */

static void
test_scopes_end_in_order_only(void **state)
{
    zk_scratch_t a, b, zero;

    (void)state;
    memset(&zero, 0, sizeof zero);
    assert_int_equal(zk_scratch_end(zero), ZK_ESTALE);
    a = zk_scratch_begin();
    b = zk_scratch_begin();
    assert_int_equal(zk_scratch_end(a), ZK_ESTALE);
    assert_int_equal(zk_scratch_end(zero), ZK_ESTALE);
    assert_int_equal(zk_scratch_end(b), ZK_OK);
    assert_int_equal(zk_scratch_end(b), ZK_ESTALE);
    assert_int_equal(zk_scratch_end(a), ZK_OK);
    assert_int_equal(zk_scratch_end(a), ZK_ESTALE);
}

static void
test_alloc_needs_a_scope_and_a_fair_alignment(void **state)
{
    zk_scratch_t a;

    (void)state;
    errno = 0;
    assert_null(zk_scratch_alloc(10, 0));
    assert_int_equal(errno, EINVAL);
    a = zk_scratch_begin();
    errno = 0;
    assert_null(zk_scratch_alloc(10, 48));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(zk_scratch_alloc(10, (size_t)2 << 30));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(zk_scratch_alloc(SIZE_MAX, 0));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(zk_scratch_alloc(SIZE_MAX - 100, 4096));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(zk_scratch_end(a), ZK_OK);
}

/* LeakSanitizer sees whether each scope gives all of its own back. */
static void
test_scratch_in_no_phase_comes_from_the_heap(void **state)
{
    zk_scratch_t a = zk_scratch_begin(), b;
    char *p = zk_scratch_alloc(1000, 0), *q, *r;

    (void)state;
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    assert_false(zk_in_arena(p));
    test_fill(p, 1000, 1);
    b = zk_scratch_begin();
    q = zk_scratch_alloc(100000, 1 << 16);
    assert_int_equal((uintptr_t)q % (1 << 16), 0);
    test_fill(q, 100000, 2);
    r = zk_scratch_alloc(0, 0);
    assert_true(r != NULL && r != q);
    assert_true(test_holds(q, 100000, 2));
    assert_int_equal(zk_scratch_end(b), ZK_OK);
    assert_true(test_holds(p, 1000, 1));
    assert_int_equal(zk_scratch_end(a), ZK_OK);
}

/* As a task or a phase does it. */
static void
test_frame_hides_scopes_and_ends_its_own(void **state)
{
    zk_scratch_t a = zk_scratch_begin(), b;
    char *p = zk_scratch_alloc(1000, 0);
    struct zk_scratch_frame frame;

    (void)state;
    test_fill(p, 1000, 1);
    frame = zk__scratch_enter();
    assert_int_equal(zk_scratch_end(a), ZK_ESTALE);
    errno = 0;
    assert_null(zk_scratch_alloc(10, 0));
    assert_int_equal(errno, EINVAL);
    b = zk_scratch_begin();
    assert_non_null(zk_scratch_alloc(1000, 0));
    assert_int_equal(zk_scratch_end(a), ZK_ESTALE);
    (void)zk_scratch_begin();
    assert_non_null(zk_scratch_alloc(1000, 0));
    zk__scratch_leave(&frame);
    assert_int_equal(zk_scratch_end(b), ZK_ESTALE);
    assert_true(test_holds(p, 1000, 1));
    assert_int_equal(zk_scratch_end(a), ZK_OK);
}

/* ---- for libraries ------------------------------------------------------- */

static void
test_takes_fit_into_the_sum_of_their_bytes(void **state)
{
    struct test_random r = {test_seed("takes_fit")};

    (void)state;
    for (int round = 0; round < 1000; round++) {
        size_t n[8], align[8], sum = 0;
        zk_scratch_t scope = zk_scratch_begin();
        char *region, *end = NULL;
        void *at;

        for (int i = 0; i < 8; i++) {
            n[i] = test_below(&r, 300);
            align[i] = (size_t)1 << test_below(&r, 13);
            sum += zk_scratch_bytes(n[i], align[i]);
        }
        region = at = zk_scratch_alloc(sum, 0);
        assert_non_null(region);
        for (int i = 0; i < 8; i++) {
            char *p = zk_scratch_take(&at, n[i], align[i]);

            assert_true(p >= region && (end == NULL || p >= end));
            assert_int_equal((uintptr_t)p % align[i], 0);
            assert_int_equal((uintptr_t)p % 64, 0);
            memset(p, i, n[i]);
            end = p + (n[i] != 0 ? n[i] : 1);
        }
        assert_true((char *)at <= region + sum && end <= region + sum);
        assert_int_equal(zk_scratch_end(scope), ZK_OK);
    }
    assert_int_equal(zk_scratch_bytes(SIZE_MAX, 0), SIZE_MAX);
    assert_int_equal(zk_scratch_bytes(SIZE_MAX - 62, 0), SIZE_MAX);
    assert_int_equal(zk_scratch_bytes(SIZE_MAX - 4094, 4096), SIZE_MAX);
    assert_int_equal(zk_scratch_bytes(0, 0), 64);
    assert_int_equal(zk_scratch_bytes(64, 64), 64);
    assert_int_equal(zk_scratch_bytes(65, 128), 192);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define SLAB_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        SLAB_TEST(test_scratch_is_taken_from_the_limit_down),
        SLAB_TEST(test_scratch_is_no_block),
        SLAB_TEST(test_blocks_never_reach_into_scratch),
        SLAB_TEST(test_scratch_never_reaches_into_blocks),
        SLAB_TEST(test_used_slab_moves_as_one_mapping),
        SLAB_TEST(test_zeroed_block_over_former_scratch_is_zero),
        SLAB_TEST(test_scratch_that_recent_phases_did_not_use_is_released),
        SLAB_TEST(test_live_scratch_is_in_no_tail),
        SLAB_TEST(test_refused_far_end_leaves_blocks_for_scratch),
#undef SLAB_TEST
        cmocka_unit_test(test_scopes_end_in_order_only),
        cmocka_unit_test(test_alloc_needs_a_scope_and_a_fair_alignment),
        cmocka_unit_test(test_scratch_in_no_phase_comes_from_the_heap),
        cmocka_unit_test(test_frame_hides_scopes_and_ends_its_own),
        cmocka_unit_test(test_takes_fit_into_the_sum_of_their_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
