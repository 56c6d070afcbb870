/*
 * openers_test.c - phases of several threads, of threads that exit, and workers
 * that sleep through them.
 */
#include "runtime/lane.h"
#include "tests/phase/phases.h"

static int
setup(void **state)
{
    return phases_open(state, 2, 0, false);
}

struct opener {
    zk_runtime_t *lane;
    unsigned phases;
    _Atomic unsigned wrong;
    uint64_t epoch;
    char *last;
};

static void
expect(struct opener *o, bool holds)
{
    if (!holds)
        zk_add_relaxed(&o->wrong, 1u);
}

static void
run_thread(void *(*main)(void *), struct opener *o)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, main, o), 0);
    pthread_join(thread, NULL);
}

static void *
run_phases(void *arg)
{
    struct opener *o = arg;

    for (unsigned i = 0; i < o->phases; i++) {
        expect(o, zk_phase_begin_on(o->lane, "other") == ZK_OK);
        expect(o, test_phase_stats().depth == 1);
        o->last = zk_malloc(MIB);
        expect(o, o->last != NULL && zk_in_arena(o->last));
        memset(o->last, 0xff, MIB);
        o->epoch = test_phase_stats().epoch;
        expect(o, zk_phase_end() == ZK_OK);
    }
    return NULL;
}

/* Points 4 and 6, B14: another thread's begin is another phase in another arena.
 * It neither touches what ours has allocated nor ends ours. */
static void
test_phases_of_another_thread_leave_ours_alone(void **state)
{
    struct opener o = {.lane = *state, .phases = 20};
    uint64_t epoch;
    char *open, *ended;

    begin_on(*state, "ours");
    epoch = test_phase_stats().epoch;
    open = zk_malloc(MIB);
    test_fill(open, MIB, 1);
    run_thread(run_phases, &o);
    assert_int_equal(zk_load_relaxed(&o.wrong), 0);
    assert_true(test_holds(open, MIB, 1));
    assert_int_equal(test_phase_stats().epoch, epoch);
    assert_int_equal(test_phase_stats().depth, 1);
    ended = zk_malloc(MIB);
    assert_true(zk_in_arena(ended));
    test_fill(ended, MIB, 2);
    end();

    run_thread(run_phases, &o); /* and after ours has ended */
    assert_int_equal(zk_load_relaxed(&o.wrong), 0);
    assert_true(test_holds(open, MIB, 1));
    assert_true(test_holds(ended, MIB, 2));
    assert_true(zk_usable_size(ended) >= MIB);
    assert_int_equal(test_info(*state).arenas, 2);
}

static void *
end_what_is_not_ours(void *arg)
{
    struct opener *o = arg;

    expect(o, zk_phase_end() == ZK_ESTALE);
    expect(o, zk_runtime_enter(o->lane) == ZK_OK);
    expect(o, zk_phase_end() == ZK_ESTALE);
    expect(o, !zk_in_arena(o->last = zk_malloc(10000)));
    zk_free(o->last);
    expect(o, zk_runtime_leave() == ZK_OK);
    return NULL;
}

/* Z8: nobody but its opener ends a phase, and others do not allocate from it. */
static void
test_phase_is_ended_by_its_opener_alone(void **state)
{
    struct opener o = {.lane = *state};

    begin_on(*state, "ours");
    run_thread(end_what_is_not_ours, &o);
    assert_int_equal(zk_load_relaxed(&o.wrong), 0);
    assert_true(zk_in_arena(zk_malloc(10000)));
    end();
}

static int
nap_and_count(void *arg)
{
    struct opener *o = arg;

    usleep(2000);
    expect(o, zk_in_arena(zk_malloc(10000)));
    zk_add_relaxed(&o->wrong, 0x10000u);
    return 0;
}

static void *
exit_inside(void *arg)
{
    struct opener *o = arg;

    expect(o, zk_phase_begin_on(o->lane, "left open") == ZK_OK);
    expect(o, zk_phase_begin("stage") == ZK_OK);
    expect(o, zk_phase_begin("stage of it") == ZK_OK);
    o->last = zk_malloc(10000);
    for (int i = 0; i < 3; i++)
        expect(o, zk_spawn(NULL, nap_and_count, o) == ZK_OK);
    return NULL;
}

/* Point 7: a thread that exits ends its phase, which waits for its tasks, and its
 * slot and its arena are used again. B19, N5. */
static void
test_thread_that_exits_ends_its_phase(void **state)
{
    for (unsigned i = 0; i < 30; i++) {
        struct opener o = {.lane = *state};

        run_thread(exit_inside, &o);
        assert_int_equal(zk_load_relaxed(&o.wrong), 3 * 0x10000);
        assert_int_equal(test_info(*state).arenas, 1);
    }
    assert_int_equal(test_stats(*state).phases, 30);
    assert_int_equal(test_stats(*state).stages, 60);
    begin_on(*state, "slot 0 is free");
    assert_int_equal(zk_slot(), 0);
    end();
    assert_int_equal(test_info(*state).arenas, 1);
}

/* Point 4: release and exit let others begin in the arena, and then its blocks
 * are dead. */
static void
test_arena_goes_from_thread_to_thread_with_a_new_epoch(void **state)
{
    struct opener o = {.lane = *state, .phases = 1};
    char *p;

    begin_on(*state, "ours");
    p = zk_malloc(10000);
    test_fill(p, 10000, 1);
    uint64_t epoch = test_phase_stats().epoch;
    end();
    assert_int_equal(zk_phase_release(), ZK_OK);
    run_thread(run_phases, &o);
    assert_int_equal(zk_load_relaxed(&o.wrong), 0);
    assert_int_equal(o.epoch, epoch + 1);
    assert_int_equal(zk_usable_size(p), 0);
    assert_true(zk_usable_size(o.last) >= 10000);

    begin_on(*state, "ours again");
    assert_int_equal(test_phase_stats().epoch, epoch + 2);
    assert_int_equal(zk_usable_size(o.last), 0);
    end();
    assert_int_equal(test_info(*state).arenas, 1);
}

static int
touch(void *arg)
{
    expect(arg, zk_in_arena(zk_malloc(10000)));
    return 0;
}

/* Point 1, Z6: begin and end wake nobody. A worker that slept through a phase finds
 * the slab of the next one as it is. */
static void
test_workers_sleep_through_phases_without_work(void **state)
{
    zk_runtime_t *lane = *state;
    struct opener o = {.lane = lane};

    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    begin_on(lane, "work");
    assert_int_equal(test_run_on_worker(touch, &o), 0);
    end();
    while (zk_load_seq_cst(&lane->sleepers) != 1 ||
           zk_load_seq_cst(&lane->searching) != 0)
        usleep(100);

    uint32_t events = zk_load_seq_cst(&lane->domains[0].idle_event);
    uint64_t epoch = test_phase_stats().epoch;

    for (unsigned i = 0; i < 1000; i++) {
        begin_on(lane, "no work");
        begin_on(lane, "no work either");
        assert_true(zk_in_arena(zk_malloc(10000)));
        end();
        end();
    }
    assert_int_equal(zk_load_seq_cst(&lane->domains[0].idle_event), events);
    begin_on(lane, "work again");
    assert_int_equal(test_run_on_worker(touch, &o), 0);
    assert_int_equal(test_phase_stats().bytes, 10048);
    assert_int_equal(test_phase_stats().epoch, epoch + 1001);
    end();
    assert_int_equal(zk_load_relaxed(&o.wrong), 0);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
}

static void *
begin_without_a_slot(void *arg)
{
    struct opener *o = arg;

    expect(o, zk_phase_begin_on(o->lane, "no slot") == ZK_EAGAIN);
    expect(o, zk_phase_error() == ZK_EAGAIN);
    expect(o, zk_phase_end() == ZK_ESTALE);
    expect(o, zk_slot() == -1);
    return NULL;
}

/* Point 8: a refusal is a code, and changes nothing. */
static void
test_begin_without_a_free_slot_is_refused(void **state)
{
    zk_runtime_t *lane = *state;
    struct opener o = {.lane = lane};
    char *p;

    begin_on(lane, "ours");
    p = zk_malloc(10000);
    test_fill(p, 10000, 1);
    for (unsigned i = lane->nworkers; i < lane->nslots; i++)
        zk_store_release(&lane->slots[i].taken, true);
    run_thread(begin_without_a_slot, &o);
    for (unsigned i = lane->nworkers; i < lane->nslots; i++)
        zk_store_release(&lane->slots[i].taken, false);
    assert_int_equal(zk_load_relaxed(&o.wrong), 0);
    assert_true(test_holds(p, 10000, 1));
    end();
    assert_int_equal(test_info(lane).arenas, 1);
    assert_int_equal(test_stats(lane).phases, 1);
}

static int
make_every_mistake(void *arg)
{
    zk_runtime_t *lane = NULL;
    zk_phase_stats_t stats = {.size = 1};
    void *p;

    (void)arg;
    CHILD_CHECK(zk_runtime_open(
                    &lane, ZK_OPTIONS(.workers = 1, .slab_bytes = MIB)) == 0);
    CHILD_CHECK(zk_phase_end() == ZK_ESTALE);
    CHILD_CHECK(zk_phase_stats(&stats) == ZK_EINVAL);
    CHILD_CHECK(zk_phase_begin_on(lane, "a") == ZK_OK);
    CHILD_CHECK(zk_runtime_phase(NULL, NULL, NULL) == ZK_EINVAL);
    CHILD_CHECK(zk_phase_release() == ZK_EBUSY);
    CHILD_CHECK(zk_runtime_leave() == ZK_EBUSY);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_EBUSY);
    p = zk_malloc(10000);
    zk_free((char *)p + 64);
    zk_free(p);
    zk_free(p);
    zk_free(zk_malloc(4 * MIB)); /* larger than the slab */
    for (unsigned i = 0; i < ZK_MAX_STAGES; i++)
        CHILD_CHECK(zk_phase_begin("stage") == ZK_OK);
    CHILD_CHECK(zk_phase_begin("too deep") == ZK_EINVAL);
    for (unsigned i = 0; i <= ZK_MAX_STAGES; i++)
        CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(zk_phase_end() == ZK_ESTALE);
    CHILD_CHECK(test_stats(lane).bad_frees == 2);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

/* Point 8: the library neither exits nor prints over a caller's mistakes. */
static void
test_mistakes_are_codes_and_print_nothing(void **state)
{
    struct test_child child = test_in_child(make_every_mistake, NULL);

    (void)state;
    if (!child.exited || child.code != 0)
        fprintf(stderr, "%s", child.err);
    assert_true(child.exited);
    assert_int_equal(child.code, 0);
    assert_string_equal(child.err, "");
}

#define openers_test(f) cmocka_unit_test_setup_teardown(f, setup, phases_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        openers_test(test_phases_of_another_thread_leave_ours_alone),
        openers_test(test_phase_is_ended_by_its_opener_alone),
        openers_test(test_thread_that_exits_ends_its_phase),
        openers_test(test_arena_goes_from_thread_to_thread_with_a_new_epoch),
        openers_test(test_workers_sleep_through_phases_without_work),
        openers_test(test_begin_without_a_free_slot_is_refused),
        openers_test(test_mistakes_are_codes_and_print_nothing),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
