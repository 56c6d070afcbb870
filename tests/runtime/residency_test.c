/*
 * residency_test.c - memory that phases no longer use goes back by itself.
 *
 * What has to happen "in time" is awaited here for much longer than that: no
 * test fails on a time, only on what never comes.
 */
#include <sys/resource.h>

#include "tests/runtime/rt.h"

#define LARGE (48 * MIB)

static zk_runtime_t *
lane_with(unsigned workers, size_t keep, unsigned decay_ms)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = workers, .spare_slots = 4,
                                   .slab_bytes = 64 * MIB, .bind = ZK_BIND_NONE,
                                   .keep_bytes = keep, .decay_ms = decay_ms,
                                   .notice = test_no_notice)) != ZK_OK)
        return NULL;
    return lane;
}

static int
nothing(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    return 0;
}

/* A phase that fills n bytes. */
static bool
one_phase(zk_runtime_t *lane, size_t n)
{
    char *p;
    bool right;

    if (zk_phase_begin_on(lane, "phase") != ZK_OK)
        return false;
    p = zk_malloc(n);
    right = p != NULL && zk_in_arena(p) &&
            zk_parallel_for(0, 8, 1, nothing, NULL) == ZK_OK;
    if (p != NULL)
        memset(p, 1, n);
    return zk_phase_end() == ZK_OK && right;
}

static bool
released_becomes(zk_runtime_t *lane, size_t bytes)
{
    for (int i = 0; i < 20000; i++) {
        if (test_stats(lane).arena_released >= bytes)
            return true;
        usleep(1000);
    }
    return false;
}

/* Issue: after a large proof followed by small ones. Idle workers do it. */
static void
test_resident_memory_falls_to_what_small_phases_use(void **state)
{
    zk_runtime_t *lane = lane_with(2, 0, 50);
    size_t with_large;

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_true(one_phase(lane, LARGE));
    with_large = test_resident();
    for (int i = 0; i < 40; i++) {
        assert_true(one_phase(lane, MIB));
        usleep(5000);
    }
    assert_true(released_becomes(lane, LARGE - 2 * MIB));
    if (!TEST_SANITIZED)
        assert_true(test_resident() < with_large - LARGE + 8 * MIB);
    assert_true(one_phase(lane, LARGE)); /* and can be had again */
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Where there is no worker the opener does it, a step at the end of a phase. */
static void
test_lane_without_threads_releases_as_well(void **state)
{
    zk_runtime_t *lane = lane_with(1, 0, 20);
    bool released = false;

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_true(one_phase(lane, LARGE));
    for (int i = 0; i < 20000 && !released; i++) {
        assert_true(one_phase(lane, MIB));
        usleep(1000);
        released = test_stats(lane).arena_released >= LARGE - 2 * MIB;
    }
    assert_true(released);
    assert_int_equal(test_info(lane).threads, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* The same sizes again and again: not one page goes. */
static void
test_steady_load_never_pays(void **state)
{
    zk_runtime_t *lane = lane_with(2, 0, 1);

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (int proof = 0; proof < 30; proof++)
        for (int stage = 0; stage < 7; stage++)
            assert_true(one_phase(lane, stage == 3 ? 20 * MIB : MIB));
    usleep(20000);
    assert_true(one_phase(lane, MIB));
    assert_int_equal(test_stats(lane).arena_released, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static long
page_faults(void)
{
    struct rusage use;

    return getrusage(RUSAGE_SELF, &use) == 0 ? use.ru_minflt : -1;
}

/* B2: a phase runs on the pages of those before it. Pages that are new each time
 * would be at least 24 faults in a phase, and 12,288 without huge ones. */
static void
test_phases_of_one_size_meet_their_pages_again(void **state)
{
    zk_runtime_t *lane = lane_with(2, 0, 0);
    long before, after;

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* its own memory faults */
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (int i = 0; i < 3; i++)
        assert_true(one_phase(lane, LARGE));
    before = page_faults();
    for (int i = 0; i < 20; i++)
        assert_true(one_phase(lane, LARGE));
    after = page_faults();
    printf("%ld faults in 20 phases\n", after - before);
    assert_true(before >= 0 && after - before < 20);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* B22: a lane touches what is used, not what could be. */
static void
test_a_large_reservation_takes_no_memory(void **state)
{
    zk_runtime_t *lane = NULL;
    size_t before = test_resident();

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* 8 GiB for each slot have a shadow there */
    assert_int_equal(
        zk_runtime_open(&lane, ZK_OPTIONS(.workers = 8, .slab_bytes = 8 * GIB,
                                          .bind = ZK_BIND_NONE,
                                          .notice = test_no_notice)),
        ZK_OK);
    for (int i = 0; i < 10; i++)
        assert_true(one_phase(lane, 10000));
    printf("%zu KiB\n", (test_resident() - before) / KIB);
    assert_true(test_resident() < before + 32 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_kept_is_what_was_asked_for(void **state)
{
    zk_runtime_t *lane = lane_with(2, SIZE_MAX, 1);

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_true(one_phase(lane, LARGE));
    for (int i = 0; i < 40; i++)
        assert_true(one_phase(lane, MIB));
    usleep(20000);
    assert_true(one_phase(lane, MIB));
    assert_int_equal(test_stats(lane).arena_released, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- arenas that nobody holds --------------------------------------------------- */

static void *
prove_once(void *lane)
{
    return one_phase(lane, LARGE) ? lane : NULL;
}

static void
test_arena_of_a_thread_that_is_gone_goes_back(void **state)
{
    zk_runtime_t *lane = lane_with(2, 0, 20);
    pthread_t thread;
    void *right;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, prove_once, lane), 0);
    pthread_join(thread, &right);
    assert_non_null(right);
    assert_true(released_becomes(lane, LARGE));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- trim ------------------------------------------------------------------------- */

static void
test_trim_releases_at_once_what_no_phase_uses(void **state)
{
    zk_runtime_t *lane = lane_with(1, 0, 1000000);
    size_t released = 1, before;
    char *p;

    (void)state;
    assert_int_equal(zk_runtime_trim(NULL, &released), ZK_EINVAL);
    assert_int_equal(released, 0);
    assert_int_equal(zk_runtime_trim(lane, &released), ZK_OK);
    assert_int_equal(released, 0);

    /* The data of the last phase stay ... */
    assert_int_equal(zk_phase_begin_on(lane, "a"), ZK_OK);
    p = zk_malloc(LARGE);
    test_fill(p, LARGE, 1);
    assert_int_equal(zk_runtime_trim(lane, &released), ZK_OK);
    assert_int_equal(released, 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_trim(lane, NULL), ZK_OK);
    assert_true(test_holds(p, LARGE, 1));

    /* ... until they are nobody's. */
    before = test_resident();
    assert_int_equal(zk_phase_release(), ZK_OK);
    assert_int_equal(zk_runtime_trim(lane, &released), ZK_OK);
    assert_int_equal(released, LARGE);
    assert_int_equal(test_stats(lane).arena_released, LARGE);
    if (!TEST_SANITIZED)
        assert_true(test_resident() < before - LARGE + 8 * MIB);
    assert_true(one_phase(lane, LARGE));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- while everybody works ---------------------------------------------------------- */

struct prover {
    zk_runtime_t *lane;
    uint64_t seed;
    _Atomic unsigned wrong;
};

static void *
prove_sizes(void *arg)
{
    struct prover *p = arg;
    struct test_random random = {p->seed};

    for (unsigned i = 0; i < test_scaled(600); i++) {
        size_t n = i % 25 == 0 ? 24 * MIB : 4096 + test_below(&random, 3 * MIB);
        unsigned char *v;

        if (zk_phase_begin_on(p->lane, "p") != ZK_OK) {
            zk_add_relaxed(&p->wrong, 1u);
            continue;
        }
        v = zk_calloc(1, n);
        if (v == NULL || !test_all_zero(v, n))
            zk_add_relaxed(&p->wrong, 1u);
        else
            test_fill(v, n, i);
        if (zk_parallel_for(0, 64, 1, nothing, NULL) != ZK_OK ||
            (v != NULL && !test_holds(v, n, i)))
            zk_add_relaxed(&p->wrong, 1u);
        if (zk_phase_end() != ZK_OK)
            zk_add_relaxed(&p->wrong, 1u);
        if (i % 50 == 49)
            (void)!zk_phase_release();
    }
    return NULL;
}

static void
test_releasing_beside_running_phases_loses_nothing(void **state)
{
    enum { N = 3 };
    zk_runtime_t *lane = lane_with(3, 0, 1);
    struct prover provers[N];
    uint64_t seed = test_seed("residency");
    pthread_t threads[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        provers[i] = (struct prover){.lane = lane, .seed = seed + i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, prove_sizes, &provers[i]), 0);
    }
    for (unsigned i = 0; i < test_scaled(200); i++) {
        (void)!zk_runtime_trim(lane, NULL);
        usleep(500);
    }
    for (unsigned i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(zk_load_relaxed(&provers[i].wrong), 0);
    assert_true(test_stats(lane).arena_released > 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resident_memory_falls_to_what_small_phases_use),
        cmocka_unit_test(test_lane_without_threads_releases_as_well),
        cmocka_unit_test(test_steady_load_never_pays),
        cmocka_unit_test(test_phases_of_one_size_meet_their_pages_again),
        cmocka_unit_test(test_a_large_reservation_takes_no_memory),
        cmocka_unit_test(test_kept_is_what_was_asked_for),
        cmocka_unit_test(test_arena_of_a_thread_that_is_gone_goes_back),
        cmocka_unit_test(test_trim_releases_at_once_what_no_phase_uses),
        cmocka_unit_test(test_releasing_beside_running_phases_loses_nothing),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
