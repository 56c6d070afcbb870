/*
 * member_test.c - who is inside a lane, in which slot, and on which core.
 */
#include "tests/runtime/rt.h"

#include "runtime/lane.h"

static int
add(size_t begin, size_t end, void *arg)
{
    zk_add_relaxed((_Atomic size_t *)arg, end - begin);
    return 0;
}

static int
count(void *arg)
{
    zk_add_relaxed((_Atomic unsigned *)arg, 1u);
    return 0;
}

/* ---- one thread ------------------------------------------------------------- */

static void
test_entering_nests_and_the_outermost_leave_gives_the_slot_back(void **state)
{
    zk_runtime_t *lane = rt_lane(2, 2);

    (void)state;
    assert_int_equal(zk_slot(), -1);
    for (int depth = 0; depth < 5; depth++) {
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(zk_slot(), 0);
        assert_ptr_equal(zk_runtime_current(), lane);
        assert_int_equal(zk_num_workers(), 2);
    }
    for (int depth = 0; depth < 5; depth++) {
        assert_int_equal(zk_slot(), 0);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
    }
    assert_int_equal(zk_slot(), -1);
    assert_false(zk_load_relaxed(&lane->slots[0].taken));
    assert_int_equal(zk_runtime_leave(), ZK_ESTALE);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_phase_enters_for_its_length_and_mixes_with_entering(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "alone"), ZK_OK);
    assert_int_equal(zk_slot(), 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_slot(), -1);

    /* Entered inside of the phase, left after it. */
    assert_int_equal(zk_phase_begin_on(lane, "first"), ZK_OK);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_slot(), 0);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_slot(), -1);

    /* Entered inside of it and left inside of it. */
    assert_int_equal(zk_phase_begin_on(lane, "second"), ZK_OK);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_EBUSY);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_leaving_hands_pending_tasks_to_the_others(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = rt_lane(workers, 2);
        zk_group_t group = ZK_GROUP_INIT;
        _Atomic unsigned ran = 0;

        for (unsigned round = 1; round <= 20; round++) {
            assert_int_equal(zk_runtime_enter(lane), ZK_OK);
            for (int i = 0; i < 30; i++)
                assert_int_equal(zk_spawn(&group, count, &ran), ZK_OK);
            assert_int_equal(zk_runtime_leave(), ZK_OK);
            assert_true(zk__deque_empty(&lane->slots[0].deque));
            assert_int_equal(zk_sync(&group), ZK_OK);
            assert_int_equal(ran, 30 * round);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* ---- several threads ---------------------------------------------------------- */

#define CROWD 12

struct crowd {
    zk_runtime_t *lane;
    _Atomic unsigned here, leave;
    _Atomic unsigned in_slot[64]; /* threads that have it at this moment */
    _Atomic unsigned entered, refused, wrong;
};

static void *
stay_inside(void *arg)
{
    struct crowd *c = arg;
    zk_err_t err = zk_runtime_enter(c->lane);
    int slot = zk_slot();

    if (err == ZK_OK && slot >= 0) {
        zk_add_relaxed(&c->entered, 1u);
        zk_add_relaxed(&c->in_slot[slot], 1u);
    } else {
        zk_add_relaxed(&c->refused, 1u);
        if (err != ZK_EAGAIN || slot != -1)
            zk_add_relaxed(&c->wrong, 1u);
    }
    zk_add_relaxed(&c->here, 1u);
    rt_await(&c->leave, 1);
    if (err == ZK_OK && zk_runtime_leave() != ZK_OK)
        zk_add_relaxed(&c->wrong, 1u);
    return NULL;
}

/* B6, Z5: more threads than slots get a code, and their work done. */
static void
test_every_thread_gets_a_slot_of_its_own_until_none_is_left(void **state)
{
    const unsigned workers = 3, spare = 5;
    zk_runtime_t *lane = rt_lane(workers, spare);

    (void)state;
    for (int round = 0; round < 3; round++) {
        struct crowd c = {.lane = lane};
        pthread_t thread[CROWD];

        for (int i = 0; i < CROWD; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, stay_inside, &c),
                             0);
        rt_await(&c.here, CROWD);
        assert_int_equal(c.wrong, 0);
        assert_int_equal(c.entered, spare + 1);
        assert_int_equal(c.refused, CROWD - spare - 1);
        assert_int_equal(c.in_slot[0], 1);
        for (unsigned i = 1; i < workers; i++) /* the worker threads' */
            assert_int_equal(c.in_slot[i], 0);
        for (unsigned i = workers; i < workers + spare; i++)
            assert_int_equal(c.in_slot[i], 1);

        /* Whoever finds none still gets its loops done. */
        _Atomic size_t sum = 0;

        assert_int_equal(zk_runtime_enter(lane), ZK_EAGAIN);
        assert_int_equal(zk_phase_begin_on(lane, "full"), ZK_EAGAIN);
        assert_int_equal(zk_parallel_for_on(lane, 0, 1000, 1, add, &sum),
                         ZK_OK);
        assert_int_equal(sum, 1000);
        zk_store_release(&c.leave, 1u);
        for (int i = 0; i < CROWD; i++)
            pthread_join(thread[i], NULL);
        assert_int_equal(c.wrong, 0);
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void *
come_and_go(void *arg)
{
    struct crowd *c = arg;

    for (unsigned i = 0; i < test_scaled(3000); i++) {
        zk_err_t err = zk_runtime_enter(c->lane);

        if (err == ZK_OK) {
            unsigned slot = (unsigned)zk_slot();

            if (zk_add_relaxed(&c->in_slot[slot], 1u) != 0)
                zk_add_relaxed(&c->wrong, 1u);
            (void)zk_add_relaxed(&c->in_slot[slot], UINT32_MAX);
            if (zk_runtime_leave() != ZK_OK)
                zk_add_relaxed(&c->wrong, 1u);
        } else if (err != ZK_EAGAIN) {
            zk_add_relaxed(&c->wrong, 1u);
        }
    }
    return NULL;
}

static void
test_no_two_threads_ever_have_the_same_slot(void **state)
{
    struct crowd c = {.lane = rt_lane(2, 2)};
    pthread_t thread[5];

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &c), 0);
    for (int i = 0; i < 5; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(c.wrong, 0);
    assert_int_equal(zk_runtime_close(c.lane), ZK_OK);
}

/* ---- slots of threads that are gone ------------------------------------------- */

static void *
enter_and_exit(void *arg)
{
    struct crowd *c = arg;

    if (zk_runtime_enter(c->lane) != ZK_OK ||
        zk_runtime_enter(c->lane) != ZK_OK)
        zk_add_relaxed(&c->wrong, 1u);
    return NULL; /* and leaves neither time */
}

/* Z5, N5: a slot is for a thread, not for ever. */
static void
test_slots_of_exited_threads_are_used_again(void **state)
{
    struct crowd c = {.lane = rt_lane(1, 1)};

    (void)state;
    for (int i = 0; i < 100; i++) {
        pthread_t thread[2];

        for (int k = 0; k < 2; k++)
            assert_int_equal(
                pthread_create(&thread[k], NULL, enter_and_exit, &c), 0);
        for (int k = 0; k < 2; k++)
            pthread_join(thread[k], NULL);
        assert_int_equal(c.wrong, 0);
    }
    assert_int_equal(zk_runtime_close(c.lane), ZK_OK);
}

/* ---- affinity ------------------------------------------------------------------ */

static zk_runtime_t *
bound_lane(unsigned workers)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = workers, .spare_slots = 2,
                                   .slab_bytes = MIB, .bind = ZK_BIND_CLOSE,
                                   .notice = test_no_notice)) != ZK_OK)
        return NULL;
    return lane;
}

static cpu_set_t
affinity(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof set, &set);
    return set;
}

static int
look_at_affinity(size_t begin, size_t end, void *arg)
{
    cpu_set_t now = affinity();

    (void)begin;
    (void)end;
    return CPU_EQUAL(&now, (cpu_set_t *)arg) ? 0 : 1;
}

struct watcher {
    zk_runtime_t *lane;
    bool changed;
    zk_err_t err;
};

static void *
enter_as_a_guest(void *arg)
{
    struct watcher *w = arg;
    cpu_set_t before = affinity(), inside;

    w->err = zk_runtime_enter(w->lane);
    inside = affinity();
    w->changed = !CPU_EQUAL(&before, &inside);
    if (w->err == ZK_OK)
        w->err = zk_runtime_leave();
    return NULL;
}

static void
test_slot_0_is_bound_while_inside_and_guests_and_lone_loops_are_not(
    void **state)
{
    zk_runtime_t *lane = bound_lane(1);
    struct watcher w = {.lane = lane};
    cpu_set_t before = affinity(), now;
    pthread_t thread;

    (void)state;
    assert_non_null(lane);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(
            zk_parallel_for_on(lane, 0, 4, 1, look_at_affinity, &before),
            ZK_OK);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        if (test_info(lane).bind == ZK_BIND_NONE) { /* refused here */
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
            skip();
        }
        now = affinity();
        assert_int_equal(CPU_COUNT(&now), 1);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        now = affinity();
        assert_int_equal(CPU_COUNT(&now), 1);
        assert_int_equal(pthread_create(&thread, NULL, enter_as_a_guest, &w),
                         0);
        pthread_join(thread, NULL);
        assert_int_equal(w.err, ZK_OK);
        assert_false(w.changed);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        now = affinity();
        assert_true(CPU_EQUAL(&before, &now));

        assert_int_equal(zk_phase_begin_on(lane, "bound"), ZK_OK);
        now = affinity();
        assert_int_equal(CPU_COUNT(&now), 1);
        assert_int_equal(zk_phase_end(), ZK_OK);
        now = affinity();
        assert_true(CPU_EQUAL(&before, &now));
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_entering_nests_and_the_outermost_leave_gives_the_slot_back),
        cmocka_unit_test(
            test_a_phase_enters_for_its_length_and_mixes_with_entering),
        cmocka_unit_test(test_leaving_hands_pending_tasks_to_the_others),
        cmocka_unit_test(
            test_every_thread_gets_a_slot_of_its_own_until_none_is_left),
        cmocka_unit_test(test_no_two_threads_ever_have_the_same_slot),
        cmocka_unit_test(test_slots_of_exited_threads_are_used_again),
        cmocka_unit_test(
            test_slot_0_is_bound_while_inside_and_guests_and_lone_loops_are_not),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
