/*
 * owned_test.c - nothing that the runtime itself owns ever lies in an arena.
 *
 * Twice: all of its records are looked up while they grow inside a phase that
 * takes every request from one byte on; and a phase whose tasks allocate nothing
 * has used no byte at the end. That was the fault of arenas underneath a
 * language's global allocator: the task pool's queue blocks lay in the phase and
 * were handed out again.
 */
#include "runtime/lane.h"
#include "tests/phase/phases.h"

static int
setup(void **state)
{
    return phases_open(state, 2, 1, true);
}

/* ---- every record ---------------------------------------------------------------- */

struct looked_up {
    unsigned records;
    unsigned in_arena;
};

static void
look_up(struct looked_up *l, const void *p)
{
    l->records++;
    l->in_arena += zk_in_arena(p) != 0;
}

/* All that a lane points at. pre: it is quiet */
static struct looked_up
look_up_all(const zk_runtime_t *lane)
{
    struct looked_up l = {0, 0};

    look_up(&l, lane);
    look_up(&l, lane->topology);
    look_up(&l, lane->outside);
    look_up(&l, &zk__thread);
    if (lane->domains[0].inbox.tasks != NULL)
        look_up(&l, lane->domains[0].inbox.tasks);
    for (unsigned i = 0; i < lane->nslots; i++)
        look_up(&l, lane->slots[i].deque.ring);
    for (unsigned i = 0; i < lane->nphases; i++) {
        const struct zk_arena *a = lane->phases[i]->arena;

        look_up(&l, lane->phases[i]);
        look_up(&l, a);
        for (unsigned k = 0; k < a->nslots; k++) {
            look_up(&l, a->slabs[k].pages);
            look_up(&l, a->slabs[k].window.sizes);
        }
    }
    return l;
}

struct work {
    zk_runtime_t *lane;
    zk_group_t group;
    _Atomic bool holds, go;
    _Atomic unsigned ran, refused;
};

static int
count(void *arg)
{
    struct work *w = arg;

    zk_add_relaxed(&w->ran, 1u);
    return 0;
}

static int
hold(void *arg)
{
    struct work *w = arg;

    zk_store_release(&w->holds, true);
    while (!zk_load_acquire(&w->go))
        sched_yield();
    return 0;
}

static int
spawn_many(void *arg)
{
    struct work *w = arg;
    zk_group_t group = ZK_GROUP_INIT;

    for (int i = 0; i < 3000; i++)
        if (zk_spawn(&group, count, w) != ZK_OK)
            zk_add_relaxed(&w->refused, 1u);
    return zk_sync(&group);
}

static int
count_range(size_t from, size_t to, void *arg)
{
    struct work *w = arg;

    zk_add_relaxed(&w->ran, (unsigned)(to - from));
    return 0;
}

static int
loop_in_loop(size_t from, size_t to, void *arg)
{
    for (size_t i = from; i < to; i++)
        if (zk_parallel_for(0, 100, 1, count_range, arg) != ZK_OK)
            return 1;
    return 0;
}

/* From outside of the lane, into a group of the phase. */
static void *
submit_many(void *arg)
{
    struct work *w = arg;

    for (int i = 0; i < 3000; i++)
        if (zk_spawn_on(w->lane, &w->group, count, w) != ZK_OK)
            zk_add_relaxed(&w->refused, 1u);
    return NULL;
}

/* A guest with stages of its own, which need an arena of their own. */
static void *
begin_elsewhere(void *arg)
{
    struct work *w = arg;

    for (int i = 0; i < 4; i++)
        if (zk_phase_begin_on(w->lane, "guest") != ZK_OK)
            zk_add_relaxed(&w->refused, 1u);
    (void)spawn_many(w);
    for (int i = 0; i < 4; i++)
        if (zk_phase_end() != ZK_OK)
            zk_add_relaxed(&w->refused, 1u);
    return NULL;
}

static void
run_thread(void *(*main)(void *), struct work *w)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, main, w), 0);
    pthread_join(thread, NULL);
}

/* N3, B16, B17: deques, inbox, threads, groups, arenas and lanes that come to be
 * or grow inside a phase, with a threshold of one byte. */
static void
test_what_grows_inside_a_phase_takes_nothing_from_its_arena(void **state)
{
    zk_runtime_t *lane = *state, *other;
    struct work w = {.lane = lane, .group = ZK_GROUP_INIT};
    const struct zk_ring *rings[2];
    struct looked_up l;

    assert_int_equal(test_info(lane).threads, 0);
    assert_int_equal(zk_phase_begin("all of it"), ZK_OK);
    for (int i = 0; i < 2; i++)
        rings[i] = lane->slots[i].deque.ring;

    /* The only worker is held, so what is pushed stays and makes them grow. */
    assert_int_equal(zk_spawn(&w.group, hold, &w), ZK_OK);
    while (!zk_load_acquire(&w.holds))
        sched_yield();
    for (int i = 0; i < 3000; i++)
        assert_int_equal(zk_spawn(i % 2 == 0 ? NULL : &w.group, count, &w),
                         ZK_OK);
    run_thread(submit_many, &w);
    l = look_up_all(lane);
    assert_int_equal(l.in_arena, 0);
    zk_store_release(&w.go, true);
    assert_int_equal(zk_sync(&w.group), 0);

    assert_int_equal(test_run_on_worker(spawn_many, &w), 0);
    assert_int_equal(zk_parallel_for(0, 100, 1, loop_in_loop, &w), ZK_OK);
    run_thread(begin_elsewhere, &w);
    assert_int_equal(zk_phase_begin("a stage"), ZK_OK);
    assert_int_equal(spawn_many(&w), 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
    other = test_lane(3, MIB, 1);
    assert_non_null(other);
    l = look_up_all(other);
    assert_int_equal(l.in_arena, 0);
    assert_int_equal(zk_runtime_close(other), ZK_OK);

    assert_int_equal(zk_load_relaxed(&w.refused), 0);
    assert_int_equal(zk_load_relaxed(&w.ran), 5 * 3000 + 100 * 100);
    assert_ptr_not_equal(lane->slots[0].deque.ring, rings[0]);
    assert_ptr_not_equal(lane->slots[1].deque.ring, rings[1]);
    assert_int_not_equal(lane->domains[0].inbox.capacity, 0);
    assert_int_equal(test_info(lane).threads, 1);
    assert_int_equal(test_info(lane).arenas, 2);

    l = look_up_all(lane);
    printf("%u records\n", l.records);
    assert_int_equal(l.in_arena, 0);
    assert_int_equal(test_phase_stats().bytes, 0);
    assert_int_equal(test_phase_stats().peak_bytes, 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(test_stats(lane).arena_bytes, 0);
    assert_int_equal(test_stats(lane).overflow_count, 0);

    /* And the look-up would have seen it. */
    assert_int_equal(zk_phase_begin("control"), ZK_OK);
    look_up(&l, zk_malloc(1));
    assert_int_equal(l.in_arena, 1);
    assert_int_equal(zk_phase_end(), ZK_OK);
}

/* ---- the next phase's data -------------------------------------------------------- */

#define CANARIES 4

struct canaries {
    char *p[CANARIES];
    size_t n[CANARIES];
    uint64_t key;
};

static int
set_canaries(void *arg)
{
    struct canaries *c = arg;

    for (unsigned i = 0; i < CANARIES; i++) {
        c->n[i] = i % 2 == 0 ? 8 * KIB : 64 * KIB;
        c->p[i] = zk_malloc(c->n[i]);
        if (c->p[i] == NULL || !zk_in_arena(c->p[i]))
            return 1;
        test_fill(c->p[i], c->n[i], c->key + i);
    }
    return 0;
}

static bool
canaries_live(const struct canaries *c)
{
    bool live = true;

    for (unsigned i = 0; i < CANARIES; i++)
        live = live && test_holds(c->p[i], c->n[i], c->key + i);
    return live;
}

static void *
submit_in_no_phase(void *arg)
{
    struct work *w = arg;
    zk_group_t group = ZK_GROUP_INIT;

    for (int i = 0; i < 200; i++)
        if (zk_spawn_on(w->lane, &group, count, w) != ZK_OK)
            zk_add_relaxed(&w->refused, 1u);
    (void)zk_sync(&group);
    return NULL;
}

/* B7, N3: queues that were filled in one phase, from outside and by thieves, and
 * are used in the next one, write nothing into what that one allocated. */
static void
test_queues_of_one_phase_leave_the_data_of_the_next_alone(void **state)
{
    struct work w = {.lane = *state, .group = ZK_GROUP_INIT};
    unsigned rounds = test_scaled(100) < 20 ? 20 : test_scaled(100);

    for (unsigned round = 0; round < rounds; round++) {
        struct canaries mine = {.key = round}, theirs = {.key = ~round};

        assert_int_equal(zk_phase_begin("fill"), ZK_OK);
        run_thread(submit_in_no_phase, &w);
        assert_int_equal(test_run_on_worker(spawn_many, &w), 0);
        assert_int_equal(zk_phase_end(), ZK_OK);

        assert_int_equal(zk_phase_begin("use"), ZK_OK);
        assert_int_equal(set_canaries(&mine), 0);
        assert_int_equal(test_run_on_worker(set_canaries, &theirs), 0);
        run_thread(submit_in_no_phase, &w);
        assert_int_equal(test_run_on_worker(spawn_many, &w), 0);
        assert_int_equal(spawn_many(&w), 0);
        assert_true(canaries_live(&mine));
        assert_true(canaries_live(&theirs));
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_true(canaries_live(&mine)); /* until the next begin */
        assert_true(canaries_live(&theirs));
    }
    assert_int_equal(zk_load_relaxed(&w.refused), 0);
    assert_int_equal(zk_load_relaxed(&w.ran), rounds * (2 * 200 + 3 * 3000));
}

/* N3, B16: tasks that one worker pushes and others steal make a deque grow inside
 * a phase. The next phase overwrites all that the first one had, and has it
 * overwritten by nobody. Each round is a new lane's first, so its deques grow. */
static void
test_deques_that_grew_under_thieves_leave_the_next_phase_alone(void **state)
{
    unsigned rounds = test_scaled(100), grew = 0;
    uint64_t steals = 0;

    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        struct work w = {.lane = test_lane(3, 4 * MIB, 1)};
        struct canaries mine = {.key = round}, theirs = {.key = ~round};
        const struct zk_ring *rings[3];
        char *all;

        assert_non_null(w.lane);
        assert_int_equal(zk_runtime_enter(w.lane), ZK_OK);
        for (int i = 0; i < 3; i++)
            rings[i] = w.lane->slots[i].deque.ring;
        assert_int_equal(zk_phase_begin("grow"), ZK_OK);
        assert_int_equal(test_run_on_worker(spawn_many, &w), 0);
        assert_int_equal(spawn_many(&w), 0);
        assert_int_equal(test_phase_stats().bytes, 0);
        assert_int_equal(zk_phase_end(), ZK_OK);
        for (int i = 0; i < 3; i++)
            grew += w.lane->slots[i].deque.ring != rings[i];

        assert_int_equal(zk_phase_begin("use"), ZK_OK);
        assert_int_equal(set_canaries(&mine), 0);
        assert_int_equal(test_run_on_worker(set_canaries, &theirs), 0);
        all = zk_malloc(2 * MIB);
        assert_non_null(all);
        test_fill(all, 2 * MIB, round);
        assert_int_equal(test_run_on_worker(spawn_many, &w), 0);
        assert_int_equal(spawn_many(&w), 0);
        assert_true(canaries_live(&mine));
        assert_true(canaries_live(&theirs));
        assert_true(test_holds(all, 2 * MIB, round));
        assert_int_equal(zk_phase_end(), ZK_OK);

        steals += test_stats(w.lane).steals;
        assert_int_equal(zk_load_relaxed(&w.refused), 0);
        assert_int_equal(zk_load_relaxed(&w.ran), 4 * 3000);
        assert_int_equal(zk_runtime_close(w.lane), ZK_OK);
    }
    printf("%u deques grew in %u rounds, %llu steals\n", grew, rounds,
           (unsigned long long)steals);
    assert_int_not_equal(grew, 0);
    assert_int_not_equal(steals, 0);
}

#define owned_test(f) cmocka_unit_test_setup_teardown(f, setup, phases_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        owned_test(test_what_grows_inside_a_phase_takes_nothing_from_its_arena),
        owned_test(test_queues_of_one_phase_leave_the_data_of_the_next_alone),
        cmocka_unit_test(
            test_deques_that_grew_under_thieves_leave_the_next_phase_alone),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
