/*
 * slab_test.c - one slot's bump range: what is alive, where it lies, and what
 * reset, mark and rewind do to it.
 */
#include <sys/resource.h>

#include "alloc/os.h"
#include "alloc/slab.h"
#include "private/bits.h"
#include "private/poison.h"
#include "tests/support.h"

#define SLAB_BYTES (16 * MIB)

struct fixture {
    struct zk_slab slab;
    char *base;
    char *tables;
};

static bool
fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->base = zk__os_reserve(SLAB_BYTES, ZK_HUGE_PAGE);
    f->tables =
        zk__os_reserve(zk__slab_tables_bytes(SLAB_BYTES), zk__os_page());
    if (f->base == NULL || f->tables == NULL)
        return false;
    zk__slab_init(&f->slab, f->base, SLAB_BYTES, f->tables, 0, ZK_HUGE_AUTO);
    return true;
}

static void
fixture_fini(struct fixture *f)
{
    zk__unpoison(f->base, SLAB_BYTES);
    zk__os_unmap(f->base, SLAB_BYTES);
    zk__os_unmap(f->tables, zk__slab_tables_bytes(SLAB_BYTES));
}

static int
setup(void **state)
{
    struct fixture *f = aligned_alloc(ZK_CACHE_LINE, sizeof *f);

    if (f == NULL || !fixture_init(f))
        return -1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    fixture_fini(f);
    free(f);
    return 0;
}

static struct zk_slab *
slab_of(void **state)
{
    struct fixture *f = *state;

    return &f->slab;
}

static size_t
live(const struct zk_slab *s, const void *p)
{
    return zk__slab_block(s, p).bytes;
}

static char *
next_of(const struct zk_slab *s)
{
    return zk_load_relaxed(&s->next);
}

/* A block of n bytes, filled to its last byte. */
static char *
take(struct zk_slab *s, size_t n)
{
    char *p = zk__slab_alloc(s, n, ZK_GRANULE);

    if (p != NULL)
        test_fill(p, n, (uintptr_t)p);
    return p;
}

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

/* ---- reset, mark, rewind --------------------------------------------------- */

/* Z6 */
static void
test_reset_kills_everything_and_starts_at_the_base(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *small = take(s, 100), *large = take(s, 100000);

    zk__slab_reset(s);
    assert_int_equal(live(s, small), 0);
    assert_int_equal(live(s, large), 0);
    assert_ptr_equal(next_of(s), s->base);
    assert_int_equal(zk__slab_peak(s), 0);
    assert_false(zk__slab_free(s, large));

    /* Over dead blocks, none of which may come to life again. */
    assert_ptr_equal(zk__slab_alloc(s, MIB, 64), s->base);
    assert_int_equal(live(s, large), 0);
    assert_int_equal(live(s, s->base), MIB);
}

static void
test_many_resets_leave_the_slab_as_it_was(void **state)
{
    struct zk_slab *s = slab_of(state);

    for (unsigned i = 0; i < test_scaled(100000); i++) {
        char *p = zk__slab_alloc(s, 10, 64);
        char *q = zk__slab_alloc(s, 5000 + i % 64, 64);

        assert_ptr_equal(p, s->base);
        assert_ptr_equal(q, s->base + ZK_WINDOW_BYTES);
        assert_int_equal(live(s, p), 64);
        zk__slab_reset(s);
    }
}

/* The tag of a slab has 24 bits: after 16 million phases it begins anew, and
 * blocks that had the same number back then are no blocks now. */
static void
test_wrapped_tag_names_no_block_of_the_past(void **state)
{
    const uint32_t last = (1u << 24) - 1;
    struct zk_slab *s = slab_of(state);
    char *old[3];

    assert_int_equal(zk_load_relaxed(&s->tag), 1);
    take(s, 4096);
    old[0] = take(s, 5000); /* with tag 1 */
    old[1] = take(s, 100);
    zk_store_relaxed(&s->tag, last - 1);
    zk__slab_reset(s);
    take(s, 9000);
    old[2] = take(s, 8192); /* with the last tag */
    assert_true(live(s, old[2]) != 0);
    zk__slab_reset(s); /* tag 1 again */
    assert_true(zk_load_relaxed(&s->tag) <= last);

    char *p = take(s, 4 * MIB); /* over them all */
    for (int i = 0; i < 3; i++)
        assert_int_equal(live(s, old[i]), 0);
    assert_int_equal(live(s, p), 4 * MIB);
    for (uint64_t i = 1; i < 4 * MIB / 64; i++)
        assert_int_equal(live(s, p + i * 64), 0);
}

static void
test_rewind_kills_the_stage_and_nothing_else(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *small = take(s, 100), *large = take(s, 100000);
    char *next = next_of(s), *window = s->window.next;
    char *inner_small, *inner_large, *inner_window;

    zk__slab_mark(s);
    inner_small = take(s, 100);
    inner_large = take(s, 50000);
    for (int i = 0; i < 100; i++) /* several windows */
        inner_window = take(s, 4000);
    assert_true(live(s, inner_small) != 0 && live(s, inner_window) != 0);
    zk__slab_rewind(s);

    assert_int_equal(live(s, inner_small), 0);
    assert_int_equal(live(s, inner_large), 0);
    assert_int_equal(live(s, inner_window), 0);
    assert_ptr_equal(next_of(s), next);
    assert_ptr_equal(s->window.next, window);
    assert_true(test_holds(small, 100, (uintptr_t)small));
    assert_true(test_holds(large, 100000, (uintptr_t)large));
    assert_int_equal(live(s, small), 128);
    assert_ptr_equal(take(s, 64), inner_small);
    assert_ptr_equal(take(s, 40000), inner_large);
    assert_int_equal(live(s, inner_window), 0);
}

/* A stage may not take off what was there before it: its end would hand those
 * bytes out although the enclosing stage has used them since. */
static void
test_stage_never_takes_off_an_older_block(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *small = take(s, 100), *large = take(s, 10000);
    char *next = next_of(s), *window = s->window.next;

    zk__slab_mark(s);
    assert_true(zk__slab_free(s, large)); /* newest of the slab, not ours */
    assert_true(zk__slab_free(s, small));
    assert_ptr_equal(next_of(s), next);
    assert_ptr_equal(s->window.next, window);
    assert_int_equal(live(s, large), 0);
    assert_false(zk__slab_free(s, large));
    zk__slab_rewind(s);
    assert_int_equal(live(s, large), 0); /* freed stays freed */
    assert_int_equal(live(s, small), 0);
    assert_ptr_equal(next_of(s), large); /* now it is the newest */
}

static void
test_stage_never_grows_an_older_block_in_place(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *large = take(s, 10000);

    zk__slab_mark(s);
    assert_false(zk__slab_resize(s, large, zk__slab_block(s, large), 20000));
    assert_true(zk__slab_resize(s, large, zk__slab_block(s, large), 5000));
    assert_int_equal(live(s, large), zk_round_up(5000, 64));
    zk__slab_rewind(s);
    assert_true(zk__slab_resize(s, large, zk__slab_block(s, large), 20000));
}

/* S3: words of dead blocks between two live ones, where alignment skipped. */
static void
test_dead_block_under_an_alignment_gap_stays_dead(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *dead[40], *p;

    take(s, 4096);
    zk__slab_mark(s);
    for (int i = 0; i < 40; i++)
        dead[i] = take(s, 4096 + 64 * (size_t)(i % 3));
    zk__slab_rewind(s);

    p = zk__slab_alloc(s, 4096, 128 * KIB); /* skips pages of the dead */
    assert_non_null(p);
    for (int i = 0; i < 40; i++)
        if (dead[i] != p)
            assert_int_equal(live(s, dead[i]), 0);

    zk__slab_reset(s);
    take(s, 4096);
    zk__slab_mark(s);
    for (int i = 0; i < 40; i++)
        dead[i] = take(s, 4096 + 64);
    zk__slab_rewind(s);
    p = take(s, 100); /* a window starts at the next page */
    for (int i = 0; i < 40; i++)
        if (dead[i] != p)
            assert_int_equal(live(s, dead[i]), 0);
}

static void
test_marks_nest_to_the_documented_depth(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *blocks[ZK_MAX_STAGES];

    for (int i = 0; i < ZK_MAX_STAGES; i++) {
        zk__slab_mark(s);
        blocks[i] = take(s, 5000);
    }
    for (int i = ZK_MAX_STAGES - 1; i >= 0; i--) {
        for (int k = 0; k < ZK_MAX_STAGES; k++)
            assert_int_equal(live(s, blocks[k]) != 0, k <= i);
        zk__slab_rewind(s);
    }
    assert_ptr_equal(next_of(s), s->base);
    assert_int_equal(s->depth, 0);
}

static void
test_peaks_are_of_the_phase_and_of_the_stage(void **state)
{
    struct zk_slab *s = slab_of(state);
    char *p = take(s, MIB);

    assert_true(zk__slab_free(s, p));
    take(s, 64 * KIB);
    assert_int_equal(zk__slab_peak(s), MIB);

    zk__slab_mark(s);
    assert_int_equal(zk__slab_stage_peak(s), 64 * KIB);
    take(s, 64 * KIB);
    assert_int_equal(zk__slab_stage_peak(s), 128 * KIB);
    zk__slab_mark(s);
    take(s, 4 * MIB);
    zk__slab_rewind(s);
    assert_int_equal(zk__slab_stage_peak(s), 4 * MIB + 128 * KIB);
    zk__slab_rewind(s);
    assert_int_equal(zk__slab_peak(s), 4 * MIB + 128 * KIB);
    zk__slab_reset(s);
    assert_int_equal(zk__slab_peak(s), 0);
    assert_int_equal(zk__slab_stage_peak(s), 0);
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

/* ---- against a model ------------------------------------------------------- */

#define MODEL_MAX 3000

struct model_block {
    char *p;
    size_t n; /* what the test may use */
    uint64_t key;
    unsigned depth;
    bool alive; /* false: freed, and none starts here now */
};

struct model {
    struct zk_slab *s;
    struct test_random random;
    struct model_block blocks[MODEL_MAX];
    unsigned count, depth;
    unsigned at_mark[ZK_MAX_STAGES];
    uint64_t keys;
};

static bool
model_add(struct model *m, char *p, size_t n)
{
    struct model_block *b = &m->blocks[m->count++];

    /* A dead block at the same address is history. */
    for (unsigned i = 0; i + 1 < m->count; i++) {
        if (m->blocks[i].p == p && m->blocks[i].alive)
            return false;
        if (m->blocks[i].p == p)
            m->blocks[i].p = NULL;
    }
    *b = (struct model_block){p, n, ++m->keys, m->depth, true};
    test_fill(p, n, b->key);
    return live(m->s, p) >= n && (uintptr_t)p % 64 == 0;
}

static bool
model_alloc(struct model *m)
{
    size_t n, align = 64;
    bool zeroed = false;
    char *p;

    switch (test_below(&m->random, 6)) {
    case 0: n = 4096 + test_below(&m->random, 60000); break;
    case 1: n = 4000 + test_below(&m->random, 200); break;
    case 2:
        n = test_below(&m->random, 9000);
        align = (size_t)64 << test_below(&m->random, 12);
        break;
    case 3:
        n = test_below(&m->random, 20000);
        zeroed = true;
        break;
    default: n = test_below(&m->random, 1000); break;
    }
    p = zeroed ? zk__slab_alloc_zeroed(m->s, n)
               : zk__slab_alloc(m->s, n, align);
    if (p == NULL)
        return true;
    if ((uintptr_t)p % align != 0 || (zeroed && !test_all_zero(p, n)))
        return false;
    return model_add(m, p, n);
}

static struct model_block *
model_pick(struct model *m)
{
    if (m->count == 0)
        return NULL;
    /* Often the newest, for which there is a way of its own. */
    if (test_below(&m->random, 2) == 0)
        return &m->blocks[m->count - 1];
    return &m->blocks[test_below(&m->random, m->count)];
}

static bool
model_free(struct model *m)
{
    struct model_block *b = model_pick(m);

    if (b == NULL || b->p == NULL)
        return true;
    if (zk__slab_free(m->s, b->p) != b->alive)
        return false;
    b->alive = false;
    return true;
}

static bool
model_resize(struct model *m)
{
    struct model_block *b = model_pick(m);
    size_t n = test_below(&m->random, 70000);
    size_t old;

    if (b == NULL || b->p == NULL || !b->alive)
        return true;
    old = b->n;
    if (!zk__slab_resize(m->s, b->p, zk__slab_block(m->s, b->p), n))
        return live(m->s, b->p) >= old && n > old;
    if (!test_holds(b->p, n < old ? n : old, b->key))
        return false;
    b->n = n;
    test_fill(b->p, n, b->key);
    return live(m->s, b->p) >= n;
}

/* Each live block is whole and live, and each dead one is dead. */
static bool
model_check(const struct model *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct model_block *b = &m->blocks[i];

        if (b->p == NULL)
            continue;
        if ((live(m->s, b->p) != 0) != b->alive)
            return false;
        if (b->alive && !test_holds(b->p, b->n, b->key))
            return false;
    }
    return true;
}

/* Blocks of an ended stage stay in the list, as dead ones. */
static void
model_kill(struct model *m, unsigned depth)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->blocks[i].depth >= depth)
            m->blocks[i].alive = false;
}

static bool
model_step(struct model *m)
{
    size_t what = test_below(&m->random, 100);

    if (m->count == MODEL_MAX || what == 0) {
        while (m->depth > 0) {
            zk__slab_rewind(m->s);
            m->depth--;
        }
        zk__slab_reset(m->s);
        model_kill(m, 0);
        if (!model_check(m))
            return false;
        m->count = 0;
        return true;
    }
    if (what < 4 && m->depth < ZK_MAX_STAGES) {
        zk__slab_mark(m->s);
        m->depth++;
    } else if (what < 7 && m->depth > 0) {
        zk__slab_rewind(m->s);
        model_kill(m, m->depth);
        m->depth--;
    } else if (what < 25) {
        return model_resize(m);
    } else if (what < 50) {
        return model_free(m);
    } else {
        return model_alloc(m);
    }
    return true;
}

static void
test_random_use_agrees_with_a_model(void **state)
{
    struct model *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->s = slab_of(state);
    m->random.state = test_seed("slab model");
    for (unsigned i = 0; i < test_scaled(60000); i++) {
        assert_true(model_step(m));
        if (i % 16 == 0)
            assert_true(model_check(m));
        assert_true(m->s->base <= next_of(m->s)); /* S1 */
        assert_true(next_of(m->s) <= m->s->end);
        assert_true(m->s->end <= m->s->limit);
    }
    free(m);
}

#define slab_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
        slab_test(test_reset_kills_everything_and_starts_at_the_base),
        slab_test(test_many_resets_leave_the_slab_as_it_was),
        slab_test(test_wrapped_tag_names_no_block_of_the_past),
        slab_test(test_rewind_kills_the_stage_and_nothing_else),
        slab_test(test_stage_never_takes_off_an_older_block),
        slab_test(test_stage_never_grows_an_older_block_in_place),
        slab_test(test_dead_block_under_an_alignment_gap_stays_dead),
        slab_test(test_marks_nest_to_the_documented_depth),
        slab_test(test_peaks_are_of_the_phase_and_of_the_stage),
        slab_test(test_slab_grows_as_far_as_the_kernel_accounts_for),
        slab_test(test_random_use_agrees_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
