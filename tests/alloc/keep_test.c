/* keep_test.c - what stays in memory, what is given up, what comes back. */
#include <pthread.h>
#include <sys/mman.h>

#include "alloc/keep.h"
#include "alloc/os.h"
#include "alloc/word.h"
#include "private/clock.h"
#include "tests/alloc/arenas.h"
#include "tests/support.h"

#define SLAB (64 * MIB)

struct fixture {
    struct zk_arena *arena;
    struct zk_slab *slab;
};

static int
setup(void **state)
{
    size_t bytes = SLAB;
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    f->arena = test_arena(1, &bytes, ZK_HUGE_NEVER, ZK_TRAP_ON);
    if (f->arena == NULL)
        return -1;
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

/* A phase that fills n bytes with a value. */
static char *
phase_of(struct fixture *f, size_t n, int value)
{
    char *p;

    zk__arena_reset(f->arena, "test");
    p = zk__slab_alloc(f->slab, n, 64);
    if (p != NULL)
        memset(p, value, n);
    zk__arena_ended(f->arena);
    return p;
}

/* Pages of the slab that are in memory, in bytes, as the kernel says. */
static size_t
in_memory(const struct zk_slab *s)
{
    static unsigned char pages[SLAB / 4096];
    size_t n = 0;

    if (mincore(zk_slab_base(s), (size_t)(s->top - zk_slab_base(s)), pages) !=
        0)
        return SIZE_MAX;
    for (char *p = zk_slab_base(s); p < s->top; p += 4096)
        n += pages[(p - zk_slab_base(s)) / 4096] & 1;
    return n * 4096;
}

static void
test_one_large_phase_is_kept_while_it_is_recent(void **state)
{
    struct fixture *f = *state;

    phase_of(f, 40 * MIB, 1);
    for (int i = 0; i < 8; i++) {
        phase_of(f, MIB, 2);
        assert_false(f->arena->tails);
    }
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 0);
}

static void
test_what_small_phases_do_not_use_is_given_up_and_released(void **state)
{
    struct fixture *f = *state;
    size_t released;

    phase_of(f, 40 * MIB, 1);
    for (int i = 0; i < 40; i++)
        phase_of(f, MIB, 2);
    assert_true(f->arena->tails);
    assert_true(in_memory(f->slab) >= 40 * MIB); /* nobody has released it */
    released = zk__arena_release(f->arena, SIZE_MAX, false);
    assert_int_equal(released, 38 * MIB); /* 2 MiB are one huge page */
    assert_true(in_memory(f->slab) <= 2 * MIB);
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 0);
    phase_of(f, MIB, 3);
    assert_false(f->arena->tails);
}

static void
test_release_goes_in_steps_of_whole_huge_pages_from_the_top(void **state)
{
    struct fixture *f = *state;
    size_t sum = 0;

    phase_of(f, 41 * MIB, 1);
    for (int i = 0; i < 40; i++)
        phase_of(f, 3 * MIB, 2);
    while (sum < 38 * MIB) {
        size_t some = zk__arena_release(f->arena, 5 * MIB, false);

        assert_true(some >= 2 * MIB && some % (2 * MIB) == 0);
        sum += some;
        assert_true(in_memory(f->slab) <= 42 * MIB - sum);
    }
    assert_int_equal(zk__arena_release(f->arena, 5 * MIB, false), 0);
}

/* The tail comes back with what is left of it, and calloc knows what is zero. */
static void
test_phase_that_grows_takes_the_tail_back(void **state)
{
    struct fixture *f = *state;
    char *p;

    phase_of(f, 40 * MIB, 0xff);
    for (int i = 0; i < 40; i++)
        phase_of(f, MIB, 2);
    assert_true(zk__arena_release(f->arena, 10 * MIB, false) > 0);
    zk__arena_reset(f->arena, "large again");
    p = zk__slab_alloc_zeroed(f->slab, 60 * MIB);
    assert_non_null(p);
    assert_true(test_all_zero(p, 60 * MIB));
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 0);
    zk__arena_ended(f->arena);
    for (int i = 0; i < 3; i++)
        phase_of(f, 50 * MIB, i);
    assert_false(f->arena->tails);
}

static void
test_kept_bytes_are_a_lower_bound(void **state)
{
    struct fixture *f = *state;

    f->arena->want.keep_bytes = 16 * MIB;
    phase_of(f, 40 * MIB, 1);
    for (int i = 0; i < 40; i++)
        phase_of(f, MIB, 2);
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 24 * MIB);
    f->arena->want.keep_bytes = SIZE_MAX;
    phase_of(f, 40 * MIB, 1);
    for (int i = 0; i < 40; i++)
        phase_of(f, MIB, 2);
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 0);
}

/* However many small phases there are: time counts, too. */
static void
test_nothing_is_given_up_before_its_time(void **state)
{
    struct fixture *f = *state;

    f->arena->want.decay_ms = 1000000;
    f->arena->window_ns = UINT64_MAX / 2; /* set by hand: now is before it */
    phase_of(f, 40 * MIB, 1);
    f->arena->window_ns = zk_now_ns();
    for (int i = 0; i < 1000; i++)
        phase_of(f, MIB, 2);
    assert_false(f->arena->tails);
    f->arena->window_ns -= UINT64_C(500000000000);
    phase_of(f, MIB, 2);
    f->arena->window_ns -= UINT64_C(500000000000);
    f->arena->window_phases = 16;
    phase_of(f, MIB, 2);
    assert_true(f->arena->tails);
}

static void
test_arena_that_nobody_holds_is_given_up_whole(void **state)
{
    struct fixture *f = *state;

    phase_of(f, 40 * MIB, 1);
    assert_true(zk__arena_give_up(f->arena));
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 40 * MIB);
    assert_int_equal(in_memory(f->slab), 0);
    assert_non_null(phase_of(f, 40 * MIB, 2));
}

/* Populated before the first phase: kept like what a phase used, and no longer. */
static void
test_what_was_expected_and_never_used_is_given_up(void **state)
{
    struct fixture *f = *state;
    char *p;

    assert_int_equal(zk__slab_expect(f->slab, 40 * MIB), 40 * MIB);
    assert_true(zk__slab_populate(f->slab, 0, 20 * MIB));
    assert_true(zk__slab_populate(f->slab, 20 * MIB, 40 * MIB));
    assert_int_equal(in_memory(f->slab), 40 * MIB);
    phase_of(f, MIB, 1);
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 0);
    assert_int_equal(in_memory(f->slab), 40 * MIB);
    for (int i = 0; i < 40; i++)
        phase_of(f, MIB, 2);
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 38 * MIB);
    assert_true(in_memory(f->slab) <= 2 * MIB);
    zk__arena_reset(f->arena, "zeros");
    p = zk__slab_alloc_zeroed(f->slab, 40 * MIB);
    assert_true(test_all_zero(p, 40 * MIB));
    zk__arena_ended(f->arena);
}

static void
test_what_was_expected_of_an_arena_that_nobody_takes_goes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(zk__slab_expect(f->slab, 30 * MIB), 30 * MIB);
    assert_true(zk__slab_populate(f->slab, 0, 30 * MIB));
    assert_true(zk__arena_give_up(f->arena));
    assert_int_equal(zk__arena_release(f->arena, SIZE_MAX, false), 30 * MIB);
    assert_int_equal(in_memory(f->slab), 0);
    assert_int_equal(zk__slab_expect(f->slab, SIZE_MAX), SLAB - 4096);
    assert_int_equal(zk__slab_expect(f->slab, 0), 0);
}

/* ---- a race with the owner -------------------------------------------------- */

struct race {
    struct fixture *f;
    _Atomic bool stop;
    _Atomic uint64_t released;
};

static void *
keep_releasing(void *arg)
{
    struct race *r = arg;

    while (!zk_load_relaxed(&r->stop))
        zk_add_relaxed(&r->released, (uint64_t)zk__arena_release(
                                         r->f->arena, 4 * MIB, false));
    return NULL;
}

static void
test_owner_and_releaser_never_lose_a_byte(void **state)
{
    struct race race = {.f = *state};
    struct test_random random = {test_seed("keep")};
    pthread_t thread;
    bool right = true;

    assert_int_equal(pthread_create(&thread, NULL, keep_releasing, &race), 0);
    for (unsigned i = 0; i < test_scaled(1500) && right; i++) {
        size_t n =
            i % 50 == 0 ? 20 * MIB : 16 * KIB + test_below(&random, 2 * MIB);
        char *a, *b;

        zk__arena_reset(race.f->arena, "race");
        a = zk__slab_alloc(race.f->slab, n / 2 + 64, 64);
        test_fill(a, 4096, i);
        test_fill(a + n / 2 - 64, 128, i + 1);
        b = zk__slab_alloc_zeroed(race.f->slab, n);
        right = a != NULL && b != NULL && test_all_zero(b, n) &&
                test_holds(a, n / 2 < 4096 ? n / 2 - 64 : 4096, i) &&
                test_holds(a + n / 2 - 64, 128, i + 1);
        memset(b, 0xee, n);
        zk__arena_ended(race.f->arena);
    }
    zk_store_relaxed(&race.stop, true);
    pthread_join(thread, NULL);
    assert_true(right);
    assert_true(zk_load_relaxed(&race.released) > 0);
}

#define keep_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        keep_test(test_one_large_phase_is_kept_while_it_is_recent),
        keep_test(test_what_small_phases_do_not_use_is_given_up_and_released),
        keep_test(test_release_goes_in_steps_of_whole_huge_pages_from_the_top),
        keep_test(test_phase_that_grows_takes_the_tail_back),
        keep_test(test_kept_bytes_are_a_lower_bound),
        keep_test(test_nothing_is_given_up_before_its_time),
        keep_test(test_arena_that_nobody_holds_is_given_up_whole),
        keep_test(test_what_was_expected_and_never_used_is_given_up),
        keep_test(test_what_was_expected_of_an_arena_that_nobody_takes_goes),
        keep_test(test_owner_and_releaser_never_lose_a_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
