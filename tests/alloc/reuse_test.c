/*
 * reuse_test.c - what a phase frees serves it again, whoever frees it, and no
 * two live blocks ever share a byte.
 */
#include <pthread.h>

#include "alloc/arena.h"
#include "alloc/slab.h"
#include "private/poison.h"
#include "tests/alloc/arenas.h"
#include "tests/support.h"

struct fixture {
    struct zk_arena *arena;
    struct zk_slab *slab;
};

static int
setup(void **state)
{
    size_t bytes = 64 * MIB;
    struct fixture *f = malloc(sizeof *f);

    if (f == NULL)
        return -1;
    f->arena = test_arena(2, &bytes, ZK_HUGE_NEVER, ZK_TRAP_ON);
    if (f->arena == NULL)
        return -1;
    zk__arena_reset(f->arena, "test");
    f->slab = zk__arena_slab(f->arena, 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    zk__arena_destroy(f->arena);
    free(f);
    return 0;
}

static char *
take(struct zk_slab *s, size_t n)
{
    return zk__slab_alloc(s, n, ZK_GRANULE);
}

static size_t
live(const struct zk_slab *s, const void *p)
{
    return zk__slab_block(s, p).bytes;
}

static size_t
used(const struct zk_slab *s)
{
    return (size_t)(zk_load_relaxed(&s->next) - s->base);
}

/* R6 */
static void
test_a_freed_block_is_handed_out_again(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *large = take(s, 100000), *small = take(s, 300), *top = take(s, 5000);

    take(s, 300); /* so that the small one is not the window's newest */
    assert_true(zk__slab_free(s, large));
    assert_true(zk__slab_free(s, small));
    assert_ptr_equal(take(s, 100000), large);
    assert_ptr_equal(take(s, 290), small); /* as many granules */
    assert_true(live(s, large) >= 100000);
    assert_true(live(s, top) >= 5000);
}

/* ON4, O11 */
static void
test_free_neighbours_are_joined_in_every_order(void **state)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct zk_slab *s = ((struct fixture *)*state)->slab;

    for (int o = 0; o < 6; o++) {
        char *b[3] = {take(s, 20032), take(s, 30016), take(s, 10048)};
        char *stop = take(s, 4096); /* keeps them from the top */
        char *all;

        for (int i = 0; i < 3; i++)
            assert_true(zk__slab_free(s, b[orders[o][i]]));
        all = take(s, 20032 + 30016 + 10048);
        assert_ptr_equal(all, b[0]);
        assert_true(zk__slab_free(s, all));
        assert_true(zk__slab_free(s, stop));
        assert_int_equal(used(s), 0);
    }
}

/* ON4, R6 */
static void
test_what_is_left_of_a_larger_block_can_be_used(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *large = take(s, MIB), *stop = take(s, 4096);
    size_t before = used(s);

    assert_true(zk__slab_free(s, large));
    for (size_t i = 0; i < 8; i++)
        assert_ptr_equal(take(s, MIB / 8), large + i * (MIB / 8));
    assert_int_equal(used(s), before);
    assert_true(take(s, MIB / 8) > stop);
}

static void
test_freeing_all_in_any_order_empties_the_slab(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    struct test_random r = {test_seed("reuse")};
    char *blocks[200];

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 200; i++)
            blocks[i] = take(s, 4096 + test_below(&r, 60000));
        for (int i = 200; i > 0; i--) {
            size_t k = test_below(&r, (size_t)i);

            assert_true(zk__slab_free(s, blocks[k]));
            blocks[k] = blocks[i - 1];
        }
        assert_int_equal(used(s), 0);
    }
}

/* The order of TARGETS' `rand`: far more is allocated than is ever alive. */
static void
test_peak_stays_near_what_is_alive(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    struct test_random r = {test_seed("peak")};
    struct {
        char *p;
        size_t n;
    } held[64];
    size_t count = 0, alive = 0, most = 0;

    for (int i = 0; i < 4000; i++) {
        size_t n = (size_t)65536 << test_below(&r, 5);

        while (count == 64 || alive + n > 16 * MIB) {
            size_t k = test_below(&r, count);

            assert_true(zk__slab_free(s, held[k].p));
            alive -= held[k].n;
            held[k] = held[--count];
        }
        held[count].p = take(s, n);
        held[count++].n = n;
        assert_non_null(held[count - 1].p);
        alive += n;
        most = alive > most ? alive : most;
    }
    print_message("most alive %zu KiB, peak %zu KiB\n", most / KIB,
                  zk__slab_peak(s) / KIB);
    assert_true(zk__slab_peak(s) <= most + most / 2);
}

static void
test_growing_takes_the_free_block_behind(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *a = take(s, 10048), *b = take(s, 20032), *stop = take(s, 4096);

    assert_false(zk__slab_resize(s, a, zk__slab_block(s, a), 15000));
    assert_true(zk__slab_free(s, b));
    assert_true(zk__slab_resize(s, a, zk__slab_block(s, a), 15000));
    assert_true(live(s, a) >= 15000 && live(s, a) < 15000 + 64);
    assert_false(zk__slab_resize(s, a, zk__slab_block(s, a), 40000));
    assert_true(zk__slab_resize(s, a, zk__slab_block(s, a), 30080));
    assert_ptr_equal(a + live(s, a), stop);
}

/* Z12: what shrinks gives the rest back. */
static void
test_shrinking_gives_the_tail_back(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *a = take(s, MIB), *stop = take(s, 4096);

    assert_true(zk__slab_resize(s, a, zk__slab_block(s, a), 4096));
    assert_int_equal(live(s, a), 4096);
    assert_ptr_equal(take(s, MIB - 4096), a + 4096);
    assert_true(live(s, stop) >= 4096);
}

static void
test_a_reused_block_of_calloc_is_zero(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *a = take(s, 50000), *z;

    take(s, 4096);
    memset(a, 0xff, 50000);
    assert_true(zk__slab_free(s, a));
    z = zk__slab_alloc_zeroed(s, 40000);
    assert_ptr_equal(z, a);
    for (size_t i = 0; i < 40000; i++)
        assert_int_equal(z[i], 0);
}

/* An inner stage must not live in what its end does not own. */
static void
test_a_stage_does_not_use_what_was_freed_outside(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *outer = take(s, 100000), *small = take(s, 64), *inner;

    take(s, 64);
    take(s, 5000);
    assert_true(zk__slab_free(s, outer));
    zk__slab_mark(s);
    inner = take(s, 100000);
    assert_true(inner > outer);
    assert_true(zk__slab_free(s, small)); /* an outer block, freed inside */
    assert_ptr_not_equal(take(s, 64), small);
    assert_true(zk__slab_free(s, inner));
    zk__slab_rewind(s);
    assert_ptr_equal(take(s, 100000), outer);
    assert_ptr_equal(take(s, 64), small);
}

/* A write into freed memory spoils the link that lies there. */
static void
test_a_stray_write_into_freed_memory_is_not_followed(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *a = take(s, 64), *b = take(s, 64), *last = take(s, 64);

    assert_true(zk__slab_free(s, a));
    assert_true(zk__slab_free(s, b));
    zk__unpoison(b, 64);
    memset(b, 0x5a, 64);
    assert_ptr_equal(take(s, 64), b);
    assert_true(take(s, 64) > last); /* the list was dropped, not followed */
    assert_int_equal(live(s, a), 0);
}

/* ---- blocks that others free -------------------------------------------- */

/* R10, ON1, O9: the first of them, not the 128th. */
static void
test_a_block_sent_by_another_thread_serves_its_owner(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *large = take(s, 70016), *small = take(s, 128), *stop = take(s, 4096);

    take(s, 128);
    assert_true(zk__slab_send(s, large));
    assert_true(zk__slab_send(s, small));
    assert_false(zk__slab_send(s, large)); /* S6 */
    assert_false(zk__slab_send(s, small));
    assert_false(zk__slab_free(s, large));
    assert_int_equal(live(s, large), 0);
    assert_int_equal(live(s, small), 0);
    assert_ptr_equal(take(s, 70016), large);
    assert_ptr_equal(take(s, 128), small);
    assert_true(live(s, stop) >= 4096);
}

static void
test_sent_blocks_of_an_outer_stage_survive_a_rewind(void **state)
{
    struct zk_slab *s = ((struct fixture *)*state)->slab;
    char *outer = take(s, 70016), *inner;

    take(s, 4096);
    zk__slab_mark(s);
    inner = take(s, 70016);
    assert_true(zk__slab_send(s, inner));
    assert_true(zk__slab_send(s, outer));
    zk__slab_rewind(s);
    assert_ptr_equal(take(s, 70016), outer);
    assert_true(take(s, 70016) >= inner);
}

#define RING   256
#define HANDS  3
#define ROUNDS 200000u

/* Blocks on their way from the owner to the threads that free them. */
struct ring {
    struct zk_slab *slab;
    _Atomic(char *) at[RING];
    _Atomic bool over;
    _Atomic unsigned freed, refused, spoilt;
};

static void
send_one(struct ring *ring, char *p)
{
    size_t n;

    memcpy(&n, p, sizeof n);
    if (!test_holds(p + sizeof n, n - sizeof n, (uintptr_t)p))
        zk_add_relaxed(&ring->spoilt, 1u);
    if (!zk__slab_send(ring->slab, p))
        zk_add_relaxed(&ring->refused, 1u);
    zk_add_relaxed(&ring->freed, 1u);
}

static void *
free_for_others(void *arg)
{
    struct ring *ring = arg;
    struct test_random r = {(uintptr_t)pthread_self()};

    while (!zk_load_acquire(&ring->over)) {
        size_t i = test_below(&r, RING);
        char *p = zk_exchange_acq_rel(&ring->at[i], (char *)NULL);

        if (p != NULL)
            send_one(ring, p);
    }
    return NULL;
}

/* B1: a storm of frees by others corrupts no list. */
static void
test_a_storm_of_frees_by_others_loses_no_byte(void **state)
{
    static struct ring ring;
    struct test_random r = {test_seed("storm")};
    unsigned rounds = test_scaled(ROUNDS), sent = 0;
    pthread_t hands[HANDS];
    struct zk_slab *s = ((struct fixture *)*state)->slab;

    ring.slab = s;
    for (int i = 0; i < HANDS; i++)
        assert_int_equal(
            pthread_create(&hands[i], NULL, free_for_others, &ring), 0);
    for (unsigned i = 0; i < rounds; i++) {
        size_t n = test_below(&r, 2) != 0 ? 16 + test_below(&r, 2000)
                                          : 4096 + test_below(&r, 20000);
        char *p = take(s, n), *old;

        assert_non_null(p);
        memcpy(p, &n, sizeof n);
        test_fill(p + sizeof n, n - sizeof n, (uintptr_t)p);
        old = zk_exchange_acq_rel(&ring.at[test_below(&r, RING)], p);
        sent++;
        if (old != NULL) { /* some the owner frees itself */
            assert_true(zk__slab_free(s, old));
            sent--;
        }
    }
    zk_store_release(&ring.over, true);
    for (int i = 0; i < HANDS; i++)
        pthread_join(hands[i], NULL);
    for (int i = 0; i < RING; i++)
        if (zk_load_relaxed(&ring.at[i]) != NULL)
            send_one(&ring, zk_load_relaxed(&ring.at[i]));

    assert_int_equal(zk_load_relaxed(&ring.spoilt), 0);
    assert_int_equal(zk_load_relaxed(&ring.refused), 0);
    assert_int_equal(zk_load_relaxed(&ring.freed), sent);
    print_message("peak %zu KiB\n", zk__slab_peak(s) / KIB);
    assert_true(zk__slab_peak(s) < 48 * MIB);
}

#define reuse_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        reuse_test(test_a_freed_block_is_handed_out_again),
        reuse_test(test_free_neighbours_are_joined_in_every_order),
        reuse_test(test_what_is_left_of_a_larger_block_can_be_used),
        reuse_test(test_freeing_all_in_any_order_empties_the_slab),
        reuse_test(test_peak_stays_near_what_is_alive),
        reuse_test(test_growing_takes_the_free_block_behind),
        reuse_test(test_shrinking_gives_the_tail_back),
        reuse_test(test_a_reused_block_of_calloc_is_zero),
        reuse_test(test_a_stage_does_not_use_what_was_freed_outside),
        reuse_test(test_a_stray_write_into_freed_memory_is_not_followed),
        reuse_test(test_a_block_sent_by_another_thread_serves_its_owner),
        reuse_test(test_sent_blocks_of_an_outer_stage_survive_a_rewind),
        reuse_test(test_a_storm_of_frees_by_others_loses_no_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
