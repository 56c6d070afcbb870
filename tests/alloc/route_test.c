/*
 * route_test.c - the public allocation calls: what goes to the arena, what to
 * the heap, and how both give back.
 */
#include <errno.h>

#include "alloc/arena.h"
#include "alloc/slab.h"
#include "tests/support.h"

/* Sizes that no allocator can serve, kept from the compiler, which knows. */
static volatile size_t far_too_much = SIZE_MAX;

#define THRESHOLD 4096
#define SLAB      (16 * MIB)

static int
setup(void **state)
{
    zk_runtime_t *lane = test_lane(2, SLAB, 0);

    if (lane == NULL || zk_runtime_enter(lane) != ZK_OK)
        return -1;
    *state = lane;
    return 0;
}

/* One whose every request goes to the arena. */
static int
setup_all(void **state)
{
    zk_runtime_t *lane = test_lane(2, SLAB, 1);

    if (lane == NULL || zk_runtime_enter(lane) != ZK_OK)
        return -1;
    *state = lane;
    return 0;
}

static int
teardown(void **state)
{
    while (zk_phase_end() != ZK_ESTALE)
        ;
    return zk_runtime_close(*state) == ZK_OK ? 0 : -1;
}

static void
begin(void)
{
    assert_int_equal(zk_phase_begin("test"), ZK_OK);
}

static void
end(void)
{
    assert_int_equal(zk_phase_end(), ZK_OK);
}

/* ---- to the arena or to the heap ------------------------------------------ */

static void
test_outside_of_a_phase_everything_is_heap(void **state)
{
    void *blocks[] = {zk_malloc(10), zk_malloc(MIB), zk_calloc(1000, 1000),
                      zk_aligned_alloc(4096, 100000), zk_realloc(NULL, 50000)};

    (void)state;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        assert_non_null(blocks[i]);
        assert_false(zk_in_arena(blocks[i]));
        zk_free(blocks[i]);
    }
    errno = 0;
    assert_null(zk_phase_alloc(100, 0));
    assert_int_equal(errno, ENOMEM);
    assert_null(zk_bump(100));
}

/* Z1, Z4: the threshold itself is the arena's, one byte less the heap's. */
static void
test_threshold_itself_goes_to_the_arena(void **state)
{
    void *below, *at, *above;

    begin();
    below = zk_malloc(THRESHOLD - 1);
    at = zk_malloc(THRESHOLD);
    above = zk_malloc(THRESHOLD + 1);
    assert_false(zk_in_arena(below));
    assert_true(zk_in_arena(at));
    assert_true(zk_in_arena(above));
    zk_free(below);
    below = zk_calloc(1, THRESHOLD - 1);
    at = zk_calloc(THRESHOLD / 2, 2);
    assert_false(zk_in_arena(below));
    assert_true(zk_in_arena(at));
    zk_free(below);
    below = zk_aligned_alloc(64, THRESHOLD - 1);
    at = zk_aligned_alloc(8, THRESHOLD);
    assert_false(zk_in_arena(below));
    assert_true(zk_in_arena(at));
    zk_free(below);
    end();
    assert_int_equal(test_stats(*state).overflow_count, 0); /* Z19: routed */
}

/* B9, Z4: every threshold works, from none to larger than the slab. */
static void
test_every_threshold_routes_by_itself(void **state)
{
    const size_t thresholds[] = {1, 64, 256, 4096, 6144, MIB, GIB};

    (void)state;
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
        size_t min = thresholds[i];
        zk_runtime_t *lane = test_lane(2, SLAB, min);

        assert_non_null(lane);
        assert_int_equal(test_info(lane).min_bytes, min == 1 ? 0 : min);
        assert_int_equal(zk_phase_begin_on(lane, "threshold"), ZK_OK);
        for (size_t n = 0; n < 2 * MIB; n = n * 2 + 1) {
            char *p = zk_malloc(n);

            assert_non_null(p);
            memset(p, 1, n);
            assert_int_equal(zk_in_arena(p), min == 1 || n >= min);
            zk_free(p);
        }
        assert_non_null(zk_phase_alloc(1, 0)); /* of any size */
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    assert_int_equal(zk_runtime_enter(*state), ZK_OK);
}

/* B8, B24: a small block that outlives its phase is not touched by the next. */
static void
test_small_block_of_a_phase_survives_the_next(void **state)
{
    char *p, *q;

    (void)state;
    begin();
    p = zk_malloc(1000);
    test_fill(p, 1000, 5);
    end();
    begin();
    q = zk_malloc(4 * MIB);
    memset(q, 0xff, 4 * MIB);
    assert_true(test_holds(p, 1000, 5));
    zk_free(p);
    end();
}

/* B10: what a library keeps may reach the threshold. Then it is the phase's and
 * dies with it, which is told; a higher threshold keeps it, and so does having
 * been small at first. */
static void
test_what_a_library_keeps_can_be_kept_out_of_the_arena(void **state)
{
    const size_t sizes[] = {4096, 5000, 6144};

    assert_int_equal(zk_runtime_leave(), ZK_OK);
    for (int raised = 0; raised <= 1; raised++) {
        zk_runtime_t *lane = test_lane(2, SLAB, raised != 0 ? 8192 : 0);
        char *kept[3], *grown[3], *all;

        assert_non_null(lane);
        assert_int_equal(zk_phase_begin_on(lane, "a"), ZK_OK);
        for (int i = 0; i < 3; i++) {
            kept[i] = zk_malloc(sizes[i]);
            grown[i] = zk_realloc(zk_malloc(100), sizes[i]);
            assert_int_equal(zk_in_arena(kept[i]), !raised);
            assert_false(zk_in_arena(grown[i]));
            test_fill(kept[i], sizes[i], 1);
            test_fill(grown[i], sizes[i], 2);
        }
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_phase_begin_on(lane, "b"), ZK_OK);
        all = zk_malloc(8 * MIB);
        memset(all, 0xff, 8 * MIB);
        for (int i = 0; i < 3; i++) {
            assert_true(test_holds(grown[i], sizes[i], 2));
            zk_free(grown[i]);
            if (raised != 0)
                assert_true(test_holds(kept[i], sizes[i], 1));
            else
                assert_int_equal(zk_usable_size(kept[i]), 0);
            zk_free(kept[i]);
        }
        assert_int_equal(test_stats(lane).stale_calls, raised != 0 ? 0 : 6);
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    assert_int_equal(zk_runtime_enter(*state), ZK_OK);
}

/* ---- overflow -------------------------------------------------------------- */

/* Z18, Z19, N2, B3: the heap serves what does not fit, and each is counted. */
static void
test_full_slab_overflows_to_the_heap_and_counts(void **state)
{
    size_t arena = 0, heap = 0;
    void *blocks[40];

    begin();
    for (int i = 0; i < 40; i++) {
        blocks[i] = i % 2 == 0 ? zk_malloc(MIB) : zk_calloc(4, MIB / 4);
        assert_non_null(blocks[i]);
        test_fill(blocks[i], MIB, (uint64_t)i);
        if (zk_in_arena(blocks[i]))
            arena++;
        else
            heap++;
    }
    assert_int_equal(arena, 15); /* the slab's last page guards */
    assert_int_equal(test_stats(*state).overflow_count, heap);
    assert_int_equal(test_stats(*state).overflow_bytes, heap * MIB);
    assert_true(zk_in_arena(zk_malloc(500 * KIB))); /* the tail still serves */
    assert_null(zk_phase_alloc(MIB, 0)); /* never the heap, never counted */
    assert_int_equal(test_stats(*state).overflow_count, heap);
    for (int i = 0; i < 40; i++)
        assert_true(test_holds(blocks[i], MIB, (uint64_t)i));
    end();
    for (int i = 0; i < 40; i++)
        zk_free(blocks[i]);

    zk_runtime_stats_reset_overflow(*state);
    assert_int_equal(test_stats(*state).overflow_count, 0);
    assert_int_equal(test_stats(*state).overflow_bytes, 0);
}

static void
test_request_larger_than_a_slab_is_the_heaps(void **state)
{
    char *p;

    begin();
    p = zk_malloc(SLAB + 1);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    p[SLAB] = 1;
    zk_free(p);
    p = zk_aligned_alloc(GIB, 5000);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % GIB, 0);
    if (!zk_in_arena(p))
        zk_free(p);
    end();
    assert_true(test_stats(*state).overflow_count >= 1);
}

/* N7, R11: nothing wraps, in or out of a phase, and the errors say so. */
static void
test_impossible_sizes_are_null_with_enomem(void **state)
{
    zk_runtime_t *lane = *state;

    if (TEST_SANITIZED)
        skip(); /* the sanitizer's allocator ends the program */
    for (int phase = 0; phase < 2; phase++) {
        void *p;

        if (phase == 1)
            begin();
        p = zk_malloc(5000);
        test_fill(p, 5000, 1);
        for (size_t d = 0; d < 4200; d = d * 3 + 1) {
            errno = 0;
            assert_null(zk_malloc(far_too_much - d));
            assert_int_equal(errno, ENOMEM);
            errno = 0;
            assert_null(zk_calloc(1, far_too_much - d));
            assert_int_equal(errno, ENOMEM);
            errno = 0;
            assert_null(zk_aligned_alloc(4096, far_too_much - d));
            assert_int_equal(errno, ENOMEM);
            errno = 0;
            assert_null(zk_phase_alloc(far_too_much - d, 0));
            assert_int_equal(errno, ENOMEM);
            errno = 0;
            assert_null(zk_realloc(p, far_too_much - d));
            assert_int_equal(errno, ENOMEM);
            assert_null(zk_detach("x", far_too_much - d));
        }
        errno = 0;
        assert_null(zk_calloc(far_too_much / 2 + 1, 2)); /* would be 0 */
        assert_int_equal(errno, ENOMEM);
        assert_null(zk_calloc((size_t)1 << 33, (size_t)1 << 33));
        assert_true(test_holds(p, 5000, 1));
        zk_free(p);
        if (phase == 1)
            end();
    }
    assert_true(test_stats(lane).overflow_bytes > SLAB);
}

/* R2, R4 */
static void
test_alignment_that_is_no_power_of_two_is_refused(void **state)
{
    const size_t wrong[] = {0, 3, 12, 100, 4097, SIZE_MAX, SIZE_MAX / 2};

    (void)state;
    begin();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        assert_null(zk_aligned_alloc(wrong[i], 5000));
        assert_int_equal(errno, EINVAL);
        if (wrong[i] == 0)
            continue; /* 64 there */
        errno = 0;
        assert_null(zk_phase_alloc(5000, wrong[i]));
        assert_int_equal(errno, EINVAL);
    }
    errno = 0;
    assert_null(zk_phase_alloc(100, 2 * GIB));
    assert_int_equal(errno, EINVAL);
    end();
}

/* Z16 */
static void
test_alignment_holds_in_the_arena_and_in_the_heap(void **state)
{
    (void)state;
    begin();
    for (size_t align = 1; align <= 2 * MIB; align *= 2)
        for (size_t n = 0; n <= 5000; n += 1250) {
            char *p = zk_aligned_alloc(align, n);
            char *q = zk_phase_alloc(n, align);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            memset(p, 1, n);
            if (q != NULL) {
                assert_int_equal((uintptr_t)q % (align < 64 ? 64 : align), 0);
                assert_true(zk_in_arena(q));
                memset(q, 2, n);
                zk_free(q);
            }
            zk_free(p);
        }
    end();
}

/* Z17 */
static void
test_zero_bytes_is_a_unique_pointer_everywhere(void **state)
{
    void *blocks[8];

    (void)state;
    begin();
    blocks[0] = zk_malloc(0);
    blocks[1] = zk_calloc(0, 100);
    blocks[2] = zk_calloc(100, 0);
    blocks[3] = zk_aligned_alloc(128, 0);
    blocks[4] = zk_phase_alloc(0, 0);
    blocks[5] = zk_bump(0);
    blocks[6] = zk_realloc(NULL, 0);
    blocks[7] = zk_detach(NULL, 0);
    for (int i = 0; i < 8; i++) {
        assert_non_null(blocks[i]);
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(blocks[i], blocks[k]);
    }
    for (int i = 0; i < 8; i++)
        zk_free(blocks[i]);
    end();
    assert_int_equal(test_stats(*state).bad_frees, 0);
}

/* Z21 */
static void
test_calloc_is_zero_on_pages_that_were_used_before(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        begin();
        for (size_t n = 1; n < 3 * MIB; n = n * 2 + 17) {
            char *p = zk_calloc(1, n);

            assert_non_null(p);
            assert_true(test_all_zero(p, n));
            memset(p, 0xab, n);
            if (!zk_in_arena(p))
                zk_free(p);
        }
        end();
    }
}

/* ---- realloc ---------------------------------------------------------------- */

/* Z13, B11: a heap block stays in the heap, whatever phase it grows in. */
static void
test_heap_block_grown_in_a_phase_stays_in_the_heap(void **state)
{
    char *p = zk_malloc(100);

    (void)state;
    test_fill(p, 100, 1);
    begin();
    p = zk_realloc(p, MIB);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    assert_true(test_holds(p, 100, 1));
    test_fill(p, MIB, 2);
    end();
    begin();
    memset(zk_malloc(8 * MIB), 0xff, 8 * MIB);
    assert_true(test_holds(p, MIB, 2));
    zk_free(p);
    end();
}

/* Z14: doubling the newest block takes its last size, not the sum of all. */
static void
test_arena_block_grows_in_place_while_it_is_the_newest(void **state)
{
    char *p, *first;

    (void)state;
    begin();
    p = first = zk_malloc(4096);
    for (size_t n = 8192; n <= 8 * MIB; n *= 2) {
        test_fill(p, n / 2, n);
        p = zk_realloc(p, n);
        assert_ptr_equal(p, first);
        assert_true(test_holds(p, n / 2, n));
    }
    assert_int_equal(test_phase_stats().bytes, 8 * MIB);
    end();
}

static void
test_arena_block_with_a_neighbour_moves_within_the_arena(void **state)
{
    char *p, *neighbour, *moved;

    (void)state;
    begin();
    for (size_t n = 4096; n < 400000; n = n * 3 / 2 + 13) {
        p = zk_malloc(n);
        neighbour = zk_malloc(5000);
        test_fill(p, n, n);
        test_fill(neighbour, 5000, n + 1);
        moved = zk_realloc(p, 2 * n); /* copies capacity, not n: see ASan */
        assert_non_null(moved);
        assert_ptr_not_equal(moved, p);
        assert_true(zk_in_arena(moved));
        assert_true(test_holds(moved, n, n));
        assert_true(test_holds(neighbour, 5000, n + 1));
        assert_int_equal(zk_usable_size(p), 0);
        test_fill(moved, 2 * n, n);
        neighbour = zk_malloc(n); /* takes what the move has freed */
        assert_ptr_equal(neighbour, p);
    }
    end();
}

static void
test_arena_block_that_outgrows_its_slab_moves_to_the_heap(void **state)
{
    char *p;

    begin();
    p = zk_malloc(10 * MIB);
    test_fill(p, 10 * MIB, 3);
    p = zk_realloc(p, 20 * MIB);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    assert_true(test_holds(p, 10 * MIB, 3));
    assert_int_equal(test_stats(*state).overflow_count, 1);
    end();
    assert_true(test_holds(p, 10 * MIB, 3));
    zk_free(p);
}

/* Z12, N8 */
static void
test_shrinking_keeps_the_start_of_the_block(void **state)
{
    char *newest, *older;

    (void)state;
    begin();
    older = zk_malloc(MIB);
    newest = zk_malloc(MIB);
    test_fill(older, MIB, 1);
    test_fill(newest, MIB, 2);
    assert_ptr_equal(zk_realloc(newest, 10000), newest);
    assert_ptr_equal(zk_realloc(older, 10000), older);
    assert_true(test_holds(older, 10000, 1));
    assert_true(test_holds(newest, 10000, 2));
    assert_true(test_phase_stats().bytes < MIB + 2 * 10048);
    assert_ptr_equal(zk_realloc(newest, 0), newest);
    assert_true(zk_usable_size(newest) != 0);
    end();
}

/* Z14: outside of the phase it grows into the heap, and is safe there. */
static void
test_block_of_an_ended_phase_grows_into_the_heap(void **state)
{
    char *p, *q;

    (void)state;
    begin();
    p = zk_malloc(10000);
    test_fill(p, 10000, 1);
    end();
    p = zk_realloc(p, 20000);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    begin();
    q = zk_malloc(MIB);
    memset(q, 0xff, MIB);
    assert_true(test_holds(p, 10000, 1));
    end();
    zk_free(p);
}

/* B20: what an ancestor copied onto itself is dead here, and said to be. */
static void
test_realloc_of_a_dead_block_is_null_and_counted(void **state)
{
    char *old;

    begin();
    memset(zk_malloc(4096), 1, 4096);
    old = zk_malloc(8192);
    end();
    begin();
    memset(zk_malloc(64 * KIB), 2, 64 * KIB);
    errno = 0;
    assert_null(zk_realloc(old, 16384));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(test_stats(*state).bad_frees, 1);
    assert_int_equal(zk_usable_size(old), 0);
    end();
}

/* Z15, B20: with the trap off the old pointer may be a live block again. What is
 * grown is that one, with as many bytes as it has; nothing is read behind it. */
static void
test_realloc_of_an_address_that_lives_again_moves_what_lives(void **state)
{
    zk_runtime_t *lane = NULL;
    char *old, *fresh, *neighbour, *grown;

    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(
        zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = 1, .slab_bytes = SLAB,
                                   .bind = ZK_BIND_NONE, .trap = ZK_TRAP_OFF,
                                   .notice = test_no_notice)),
        ZK_OK);
    assert_int_equal(zk_phase_begin_on(lane, "old"), ZK_OK);
    old = zk_malloc(8192);
    memset(old, 0xc1, 8192);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_phase_begin_on(lane, "new"), ZK_OK);
    fresh = zk_malloc(4096);
    neighbour = zk_malloc(4096);
    assert_ptr_equal(fresh, old);
    test_fill(fresh, 4096, 0xd0);
    test_fill(neighbour, 4096, 0xee);
    grown = zk_realloc(old, 16384);
    assert_non_null(grown);
    assert_true(grown >= neighbour + 4096);
    assert_true(test_holds(grown, 4096, 0xd0));
    memset(grown + 4096, 1, 12288);
    assert_true(test_holds(neighbour, 4096, 0xee));
    assert_int_equal(zk_usable_size(fresh), 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(zk_runtime_enter(*state), ZK_OK);
}

/* ---- free ------------------------------------------------------------------- */

/* Z11: what an ancestor accepted in silence is counted and changes nothing. */
static void
test_wild_and_double_frees_are_counted_and_left_alone(void **state)
{
    char *p, *q;

    begin();
    p = zk_malloc(10000);
    q = zk_malloc(10000);
    test_fill(q, 10000, 1);
    zk_free(p + 64);
    zk_free(p + 1);
    zk_free(q + 9984);
    assert_int_equal(test_stats(*state).bad_frees, 3);
    zk_free(p);
    assert_int_equal(test_stats(*state).bad_frees, 3);
    zk_free(p);
    assert_int_equal(test_stats(*state).bad_frees, 4);
    assert_true(test_holds(q, 10000, 1));
    assert_ptr_equal(zk_malloc(10000), p); /* freed once, so taken once */
    assert_true(zk_malloc(10000) > (void *)q);
    end();

    /* Outside: a block of the ended phase, then a dead one. */
    zk_free(q);
    assert_int_equal(test_stats(*state).bad_frees, 4);
    begin();
    zk_free(q);
    assert_int_equal(test_stats(*state).bad_frees, 5);
    end();
}

/* R3, R6 */
static void
test_usable_size_is_what_may_be_used(void **state)
{
    (void)state;
    assert_int_equal(zk_usable_size(NULL), 0);
    begin();
    for (size_t n = 0; n < 100000; n = n * 3 / 2 + 1) {
        char *p = zk_phase_alloc(n, 0), *q = zk_malloc(n), *r = zk_bump(n);
        char *blocks[] = {p, q, r};

        for (int i = 0; i < 3; i++) {
            size_t usable = zk_usable_size(blocks[i]);

            assert_true(usable >= n);
            memset(blocks[i], 0x77, usable); /* every byte of it */
        }
        assert_int_equal(zk_usable_size(p + 1), 0);
        zk_free(q);
    }
    end();
}

static void
test_detached_copy_outlives_its_phase(void **state)
{
    char *p, *copy;

    (void)state;
    begin();
    p = zk_malloc(100000);
    test_fill(p, 100000, 9);
    copy = zk_detach(p, 100000);
    assert_false(zk_in_arena(copy));
    end();
    begin();
    memset(zk_malloc(MIB), 0, MIB);
    assert_true(test_holds(copy, 100000, 9));
    zk_free(copy);
    end();
}

static void
test_in_arena_is_true_dead_or_alive(void **state)
{
    int local = 0;
    char *p;

    (void)state;
    begin();
    p = zk_malloc(5000);
    assert_true(zk_in_arena(p));
    assert_true(zk_in_arena(p + 4999));
    zk_free(p);
    assert_true(zk_in_arena(p));
    end();
    assert_true(zk_in_arena(p));
    assert_false(zk_in_arena(NULL));
    assert_false(zk_in_arena(&local));
}

/* ---- blocks that other slots allocated -------------------------------------- */

struct foreign {
    char *p;
    size_t n;
    bool ok;
    int slot;
};

static int
allocate(void *arg)
{
    struct foreign *f = arg;

    f->slot = zk_slot();
    f->p = zk_malloc(f->n);
    if (f->p != NULL)
        test_fill(f->p, f->n, f->n);
    return 0;
}

static int
grow_within_capacity(void *arg)
{
    struct foreign *f = arg;
    char *q = zk_realloc(f->p, zk_usable_size(f->p));

    f->ok = q == f->p && test_holds(q, f->n, f->n);
    if (f->ok)
        memset(q, 1, zk_usable_size(q));
    return 0;
}

static int
grow_and_free(void *arg)
{
    struct foreign *f = arg;
    size_t more = zk_usable_size(f->p) + f->n;
    char *q = zk_realloc(f->p, more);

    f->ok =
        q != NULL && q != f->p && zk_in_arena(q) && test_holds(q, f->n, f->n);
    if (f->ok)
        memset(q, 1, more);
    zk_free(q);
    zk_free(f->p); /* again: the move has freed it */
    return 0;
}

/* A block may be grown and freed by another slot than its own. B1: the list that
 * brings it home is not torn. */
static void
test_block_of_another_slot_can_be_grown_and_freed(void **state)
{
    unsigned moves = 0;

    begin();
    for (size_t n = 1; n < 200000; n = n * 4 + 1) {
        struct foreign f = {.n = n};

        assert_int_equal(test_run_on_worker(allocate, &f), 0);
        assert_true(f.slot > 0 && zk_in_arena(f.p));
        assert_int_equal(grow_within_capacity(&f), 0);
        assert_true(f.ok);

        allocate(&f);
        assert_int_equal(f.slot, 0);
        assert_int_equal(test_run_on_worker(grow_within_capacity, &f), 0);
        assert_true(f.ok);

        allocate(&f);
        assert_int_equal(test_run_on_worker(grow_and_free, &f), 0);
        assert_true(f.ok);
        assert_int_equal(zk_usable_size(f.p), 0);
        moves++;
    }
    end();
    assert_int_equal(test_stats(*state).bad_frees, moves);
}

#define route_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define route_test_all(f) \
    cmocka_unit_test_setup_teardown(f, setup_all, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        route_test(test_outside_of_a_phase_everything_is_heap),
        route_test(test_threshold_itself_goes_to_the_arena),
        route_test(test_every_threshold_routes_by_itself),
        route_test(test_small_block_of_a_phase_survives_the_next),
        route_test(test_what_a_library_keeps_can_be_kept_out_of_the_arena),
        route_test(test_full_slab_overflows_to_the_heap_and_counts),
        route_test(test_request_larger_than_a_slab_is_the_heaps),
        route_test(test_impossible_sizes_are_null_with_enomem),
        route_test(test_alignment_that_is_no_power_of_two_is_refused),
        route_test(test_alignment_holds_in_the_arena_and_in_the_heap),
        route_test_all(test_alignment_holds_in_the_arena_and_in_the_heap),
        route_test(test_zero_bytes_is_a_unique_pointer_everywhere),
        route_test_all(test_zero_bytes_is_a_unique_pointer_everywhere),
        route_test(test_calloc_is_zero_on_pages_that_were_used_before),
        route_test_all(test_calloc_is_zero_on_pages_that_were_used_before),
        route_test(test_heap_block_grown_in_a_phase_stays_in_the_heap),
        route_test(test_arena_block_grows_in_place_while_it_is_the_newest),
        route_test(test_arena_block_with_a_neighbour_moves_within_the_arena),
        route_test(test_arena_block_that_outgrows_its_slab_moves_to_the_heap),
        route_test(test_shrinking_keeps_the_start_of_the_block),
        route_test(test_block_of_an_ended_phase_grows_into_the_heap),
        route_test(test_realloc_of_a_dead_block_is_null_and_counted),
        route_test(
            test_realloc_of_an_address_that_lives_again_moves_what_lives),
        route_test(test_wild_and_double_frees_are_counted_and_left_alone),
        route_test(test_usable_size_is_what_may_be_used),
        route_test_all(test_usable_size_is_what_may_be_used),
        route_test(test_detached_copy_outlives_its_phase),
        route_test(test_in_arena_is_true_dead_or_alive),
        route_test_all(test_block_of_another_slot_can_be_grown_and_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
