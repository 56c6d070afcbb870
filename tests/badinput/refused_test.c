/*
 * refused_test.c - the system refuses memory, threads and bindings.
 *
 * The test says which calls fail (refuse.h): the k-th alone, or all from the k-th
 * on, for each k that a run has.
 */
#include "tests/badinput/refuse.h"
#include "tests/badinput/work.h"

#include <errno.h>

static int
refuse_nothing(void **state)
{
    (void)state;
    refuse_none();
    return 0;
}

/* ---- memory for the library's records, and address space --------------------- */

struct guest {
    zk_runtime_t *lane;
    unsigned failed;
};

/* A phase of another thread, in an arena of its own. */
static void *
second_phase(void *arg)
{
    struct guest *g = arg;
    zk_err_t err = zk_phase_begin_on(g->lane, "second");

    if (err != ZK_OK && err != ZK_ENOMEM)
        g->failed++;
    if (err == ZK_OK) {
        g->failed += !work_inside();
        g->failed += zk_phase_end() != ZK_OK;
    }
    return NULL;
}

#define MANY 1500 /* more than a first deque and a first inbox hold */

/* Each call is right or answers ZK_ENOMEM; what was taken on is done. */
static unsigned
go_through(void)
{
    zk_runtime_t *lane = (zk_runtime_t *)(uintptr_t)64;
    zk_group_t group = ZK_GROUP_INIT, outer = ZK_GROUP_INIT;
    _Atomic uint64_t ran = 0;
    uint64_t spawned = 0;
    unsigned failed = 0;
    pthread_t thread;
    zk_err_t err;
    struct guest g = {NULL, 0};

    err = zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .spare_slots = 3,
                                            .slab_bytes = 4 * MIB,
                                            .notice = test_no_notice));
    if (err != ZK_OK)
        return err != ZK_ENOMEM || lane != NULL;

    failed += !work_loop(lane);
    for (int i = 0; i < MANY; i++) { /* through the inbox */
        err = zk_spawn_on(lane, &outer, work_add_one, &ran);
        failed += err != ZK_OK && err != ZK_ENOMEM;
        spawned += err == ZK_OK;
    }
    failed += zk_sync(&outer) != ZK_OK;

    failed += zk_runtime_enter(lane) != ZK_OK;
    err = zk_phase_begin("first");
    failed += err != ZK_OK && err != ZK_ENOMEM;
    failed += (err == ZK_OK) != (test_info(lane).arenas != 0);
    g.lane = lane;
    if (!refuse_not_thread(&thread, second_phase, &g))
        failed++;
    else
        pthread_join(thread, NULL);
    for (int i = 0; i < MANY; i++) { /* through the deque */
        failed += zk_spawn(&group, work_add_one, &ran) != ZK_OK;
        spawned++;
    }
    failed += !work_inside();
    failed += zk_sync(&group) != ZK_OK;
    if (err == ZK_OK)
        failed += zk_phase_end() != ZK_OK;
    failed += zk_runtime_leave() != ZK_OK;
    failed += g.failed + (ran != spawned);
    failed += zk_runtime_close(lane) != ZK_OK;
    return failed;
}

/*
 * The topology is loaded once and stays, and so does the heap, which is to serve
 * what an arena refuses: it asks for memory before anything is counted.
 */
static int
warm_up(void **state)
{
    refuse_nothing(state);
    zk_free(zk_malloc(64 * MIB));
    return go_through() != 0;
}

static void
test_each_mapping_may_be_refused_and_none_is_lost(void **state)
{
    size_t before = refuse_mapped;

    (void)state;
    for (int alone = 0; alone < 2; alone++)
        for (unsigned k = 0;; k++) {
            unsigned failed;

            refuse(REFUSED_MMAP, k, alone ? k + 1 : UINT32_MAX);
            failed = go_through();
            if (failed != 0 || refuse_mapped != before)
                print_error("mapping %u%s refused: %u failures, %zd bytes\n", k,
                            alone ? "" : " and later", failed,
                            (ssize_t)(refuse_mapped - before));
            assert_int_equal(failed, 0);
            assert_true(refuse_mapped == before);
            if (refuse_count() == 0)
                break;
            assert_in_range(k, 0, 1000);
        }
}

/* Z2 */
static void
test_a_lane_without_any_arena_says_so_and_computes(void **state)
{
    struct work_said said = {0};
    zk_runtime_t *lane = NULL;
    size_t before = refuse_mapped;
    void *p;

    (void)state;
    /* First come the lane's own records, then the arena's. */
    for (unsigned k = 0; lane == NULL; k++) {
        zk_err_t err;

        refuse(REFUSED_MMAP, k, UINT32_MAX);
        err = zk_runtime_open(
            &lane, ZK_OPTIONS(.workers = 1, .spare_slots = 1, .slab_bytes = GIB,
                              .notice = work_hear, .notice_arg = &said));
        assert_true(err == (lane != NULL ? ZK_OK : ZK_ENOMEM));
        assert_in_range(k, 0, 100);
    }
    assert_int_equal(test_info(lane).slab_bytes_got, 0);
    assert_int_equal(test_info(lane).arenas, 0);
    assert_int_equal(said.lines, 1);
    assert_non_null(strstr(said.last, "address space"));

    assert_int_equal(zk_phase_begin_on(lane, "none"), ZK_ENOMEM);
    assert_int_equal(zk_slot(), -1);
    assert_true(work_loop(lane));
    p = zk_malloc(100000);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    zk_free(p);

    refuse(REFUSED_MMAP, 0, 0); /* there is some again */
    assert_true(work_phase(lane));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_true(refuse_mapped == before);
}

/* ---- pages of a slab ---------------------------------------------------------- */

/* Z18; R5: counted is what was asked for, not what it is rounded to. */
static void
test_pages_that_are_refused_come_from_the_heap_and_are_counted(void **state)
{
    zk_runtime_t *lane = test_lane(2, 4 * MIB, 0);
    char *p, *q;

    (void)state;
    assert_non_null(lane);
    refuse(REFUSED_MPROTECT, 0, UINT32_MAX);
    assert_int_equal(zk_phase_begin_on(lane, "refused"), ZK_OK);
    p = zk_malloc(100000);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    test_fill(p, 100000, 1);
    assert_null(zk_phase_alloc(100000, 0));
    assert_int_equal(errno, ENOMEM);
    assert_null(zk_bump(64));
    assert_int_equal(test_stats(lane).overflow_count, 1);
    assert_int_equal(test_stats(lane).overflow_bytes, 100000);
    assert_true(work_inside());

    refuse(REFUSED_MPROTECT, 0, 0);
    q = zk_malloc(100000);
    assert_non_null(q);
    assert_true(zk_in_arena(q));
    assert_true(test_holds(p, 100000, 1));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_true(test_holds(p, 100000, 1)); /* the heap's */
    zk_free(p);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_each_commit_may_be_refused_alone(void **state)
{
    (void)state;
    for (unsigned k = 0;; k++) {
        zk_runtime_t *lane = test_lane(1, 4 * MIB, 1);

        assert_non_null(lane);
        refuse(REFUSED_MPROTECT, k, k + 1);
        for (int phase = 0; phase < 3; phase++) {
            assert_int_equal(zk_phase_begin_on(lane, "commit"), ZK_OK);
            for (int i = 0; i < 10; i++) {
                char *p = zk_calloc(1, 150000);

                assert_non_null(p);
                assert_true(test_all_zero(p, 150000));
                test_fill(p, 150000, 1);
                if (!zk_in_arena(p))
                    zk_free(p);
            }
            assert_int_equal(zk_phase_end(), ZK_OK);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        if (refuse_count() == 0)
            break;
        assert_in_range(k, 0, 1000);
    }
}

static void
test_refused_advice_changes_nothing(void **state)
{
    static const enum zk_huge huges[] = {ZK_HUGE_AUTO, ZK_HUGE_ALWAYS,
                                         ZK_HUGE_NEVER};

    (void)state;
    refuse(REFUSED_MADVISE, 0, UINT32_MAX);
    for (size_t i = 0; i < sizeof huges / sizeof *huges; i++) {
        zk_runtime_t *lane = NULL;
        char *p;

        assert_int_equal(
            zk_runtime_open(&lane,
                            ZK_OPTIONS(.workers = 2, .slab_bytes = 16 * MIB,
                                       .hugepages = huges[i],
                                       .notice = test_no_notice)),
            ZK_OK);
        assert_int_equal(zk_phase_begin_on(lane, "advice"), ZK_OK);
        p = zk_malloc(8 * MIB);
        assert_true(zk_in_arena(p));
        test_fill(p, 8 * MIB, 1);
        assert_true(work_inside());
        assert_true(test_holds(p, 8 * MIB, 1));
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    assert_true(refuse_count() != 0);
}

/* A lane of one worker that gives back at once what 16 phases did not use. */
static zk_runtime_t *
thrifty_lane(struct work_said *said)
{
    zk_runtime_t *lane = NULL;

    assert_int_equal(
        zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = 1, .spare_slots = 1,
                                   .slab_bytes = 16 * MIB, .min_bytes = 1,
                                   .decay_ms = 1, .notice = work_hear,
                                   .notice_arg = said)),
        ZK_OK);
    return lane;
}

static void
small_phases(zk_runtime_t *lane)
{
    for (int i = 0; i < 40; i++) {
        assert_int_equal(zk_phase_begin_on(lane, "small"), ZK_OK);
        assert_non_null(zk_malloc(100));
        assert_int_equal(zk_phase_end(), ZK_OK);
        usleep(200);
    }
}

/* As MADV_DONTNEED is where the program has locked its memory. */
static void
test_pages_that_are_not_released_are_not_taken_for_zero(void **state)
{
    struct work_said said = {0};
    zk_runtime_t *lane = thrifty_lane(&said);
    zk_scratch_t scope;
    size_t released = 1;
    char *p, *q;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "large"), ZK_OK);
    p = zk_malloc(4 * MIB);
    test_fill(p, 4 * MIB, 1);
    scope = zk_scratch_begin();
    q = zk_scratch_alloc(4 * MIB, 0);
    test_fill(q, 4 * MIB, 2);
    assert_int_equal(zk_scratch_end(scope), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);

    refuse(REFUSED_MADVISE, 0, UINT32_MAX);
    small_phases(lane);
    assert_int_equal(zk_runtime_trim(lane, &released), ZK_OK);
    assert_int_equal(released, 0);
    assert_int_equal(test_stats(lane).arena_released, 0);
    assert_true(refuse_count() != 0);

    assert_int_equal(zk_phase_begin_on(lane, "zeroed"), ZK_OK);
    p = zk_calloc(1, 14 * MIB);
    assert_true(zk_in_arena(p));
    assert_true(test_all_zero(p, 14 * MIB));
    assert_int_equal(zk_phase_end(), ZK_OK);

    /* And once the system allows it, they are. */
    refuse_none();
    small_phases(lane);
    assert_int_equal(zk_runtime_trim(lane, &released), ZK_OK);
    assert_true(test_stats(lane).arena_released >= 8 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- moves ----------------------------------------------------------------------- */

static void
one_phase(zk_runtime_t *lane, size_t bytes)
{
    char *p;

    assert_int_equal(zk_phase_begin_on(lane, "move"), ZK_OK);
    p = zk_calloc(1, bytes);
    assert_true(zk_in_arena(p));
    assert_true(test_all_zero(p, bytes));
    test_fill(p, bytes, 1);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_true(test_holds(p, bytes, 1));
}

/* `call` is refused for the move, and for good. */
static void
refuse_moves(enum refused_call call)
{
    struct work_said said = {0};
    zk_runtime_t *lane = thrifty_lane(&said);
    uint64_t moves;
    size_t resident;

    one_phase(lane, 12 * MIB);
    one_phase(lane, 12 * MIB);
    assert_int_equal(test_info(lane).trap, ZK_TRAP_ON);
    moves = test_stats(lane).moves;
    resident = test_resident();
    refuse(call, 0, UINT32_MAX);
    for (int i = 0; i < 3; i++)
        one_phase(lane, 12 * MIB);
    assert_int_equal(refuse_count(), 1);
    assert_int_equal(test_info(lane).trap, ZK_TRAP_OFF);
    assert_int_equal(said.lines, 1);
    assert_non_null(strstr(said.last, "stale pointers do not trap"));
    assert_in_range(test_stats(lane).moves, moves, moves + 1);
    /* The slab's pages are there once. */
    if (!TEST_SANITIZED)
        assert_in_range(test_resident(), 0, resident + 6 * MIB);
    refuse_none();
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_slab_that_may_not_move_stays_and_that_is_said(void **state)
{
    (void)state;
    refuse_moves(REFUSED_MREMAP);
}

static void
test_a_slab_whose_old_addresses_stay_open_has_moved_and_that_is_said(
    void **state)
{
    (void)state;
    refuse_moves(REFUSED_MPROTECT);
}

/* ---- threads ------------------------------------------------------------------- */

static void
test_each_thread_may_be_refused_and_the_others_do_its_work(void **state)
{
    const unsigned workers = 6;

    (void)state;
    for (int alone = 0; alone < 2; alone++)
        for (unsigned k = 0; k < workers; k++) {
            struct work_said said = {0};
            zk_runtime_t *lane = NULL;
            char expected[100];

            assert_int_equal(
                zk_runtime_open(
                    &lane,
                    ZK_OPTIONS(.workers = workers, .spare_slots = 4,
                               .slab_bytes = 4 * MIB, .bind = ZK_BIND_NONE,
                               .notice = work_hear, .notice_arg = &said)),
                ZK_OK);
            refuse(REFUSED_THREAD, k, alone ? k + 1 : UINT32_MAX);
            for (int i = 0; i < 3; i++)
                assert_true(work_all(lane));
            snprintf(expected, sizeof expected,
                     "refused a thread: %u workers instead of %u", k + 1,
                     workers);
            assert_int_equal(said.lines, k < workers - 1);
            if (k < workers - 1)
                assert_non_null(strstr(said.last, expected));
            assert_int_equal(test_info(lane).workers, workers);
            /* Work from outside may start one more in a guest's place. */
            if (k > 0 || !alone)
                assert_int_equal(test_info(lane).threads,
                                 k < workers - 1 ? k : workers - 1);
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
        }
}

static int
spawn_detached(void *arg)
{
    return zk_spawn(NULL, work_add_one, arg);
}

static void
test_without_any_thread_submitted_work_is_done_by_who_waits(void **state)
{
    (void)state;
    refuse(REFUSED_THREAD, 0, UINT32_MAX);
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = test_lane(workers, 4 * MIB, 0);
        zk_group_t group = ZK_GROUP_INIT;
        _Atomic uint64_t ran = 0;

        assert_non_null(lane);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(zk_spawn_on(lane, &group, work_add_one, &ran),
                             ZK_OK);
            assert_int_equal(zk_spawn_on(lane, NULL, spawn_detached, &ran),
                             ZK_OK);
        }
        assert_int_equal(zk_sync(&group), ZK_OK);
        assert_true(ran >= 10);
        assert_true(work_all(lane));
        assert_int_equal(test_info(lane).threads, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(ran, 20);
    }
}

/* ---- bindings -------------------------------------------------------------------- */

static void
test_a_refused_binding_is_said_once_and_shown(void **state)
{
    static const enum zk_bind wanted[] = {ZK_BIND_CLOSE, ZK_BIND_SPREAD};
    cpu_set_t before, after;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    refuse(REFUSED_CPUBIND, 0, UINT32_MAX);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct work_said said = {0};
        zk_runtime_t *lane = NULL;

        assert_int_equal(
            zk_runtime_open(&lane,
                            ZK_OPTIONS(.workers = 3, .slab_bytes = 4 * MIB,
                                       .bind = wanted[i], .notice = work_hear,
                                       .notice_arg = &said)),
            ZK_OK);
        assert_int_equal(test_info(lane).bind, wanted[i]);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_true(work_all(lane));
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_true(work_all(lane));
        if (refuse_count() == 0) { /* a flat topology does not ask hwloc */
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
            skip();
        }
        assert_int_equal(test_info(lane).bind, ZK_BIND_NONE);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(said.lines, 1);
        assert_non_null(strstr(said.last, "refuses to bind"));
    }
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

int
main(void)
{
#define refused_test(test) cmocka_unit_test_teardown(test, refuse_nothing)
    const struct CMUnitTest tests[] = {
        refused_test(test_each_mapping_may_be_refused_and_none_is_lost),
        refused_test(test_a_lane_without_any_arena_says_so_and_computes),
        refused_test(
            test_pages_that_are_refused_come_from_the_heap_and_are_counted),
        refused_test(test_each_commit_may_be_refused_alone),
        refused_test(test_refused_advice_changes_nothing),
        refused_test(test_pages_that_are_not_released_are_not_taken_for_zero),
        refused_test(test_a_slab_that_may_not_move_stays_and_that_is_said),
        refused_test(
            test_a_slab_whose_old_addresses_stay_open_has_moved_and_that_is_said),
        refused_test(
            test_each_thread_may_be_refused_and_the_others_do_its_work),
        refused_test(
            test_without_any_thread_submitted_work_is_done_by_who_waits),
        refused_test(test_a_refused_binding_is_said_once_and_shown),
    };

    test_clean_environment();
    work_begin();
    alarm(300);
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
