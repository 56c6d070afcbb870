/*
 * slab_stages_test.c - what reset, mark and rewind do to a slab.
 */
#include "tests/alloc/one_slab.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        slab_test(test_reset_kills_everything_and_starts_at_the_base),
        slab_test(test_many_resets_leave_the_slab_as_it_was),
        slab_test(test_wrapped_tag_names_no_block_of_the_past),
        slab_test(test_rewind_kills_the_stage_and_nothing_else),
        slab_test(test_stage_never_takes_off_an_older_block),
        slab_test(test_stage_never_grows_an_older_block_in_place),
        slab_test(test_dead_block_under_an_alignment_gap_stays_dead),
        slab_test(test_marks_nest_to_the_documented_depth),
        slab_test(test_peaks_are_of_the_phase_and_of_the_stage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
