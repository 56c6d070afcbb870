/*
 * contended_test.c - phases begin and end while others allocate all the time.
 *
 * N1: an arena underneath a language's allocator opened the phase before it set
 * the cursors back. Who allocated in between was handed the same bytes twice in
 * one phase: two to five in a hundred of such phases lost data. Here two threads
 * run phases on one lane, with tasks that allocate up to the very end and, on
 * the other worker, right after the begin; a third thread is inside without a
 * phase and allocates without a pause. Z25.
 *
 * A release build runs 30,000 phases. ZK_TEST_FULL=1 runs 300,000, in any build;
 * ctest does so in the entry `stress_contended_full`.
 */
#include "tests/stress/still.h"

#define OPENERS 2u
#define TASKS   3u
#define BLOCKS  2u /* of each task, and of the opener */
#define PHASES  (test_full() ? 300000u : test_scaled(30000))

struct opener;

struct hand {
    struct opener *opener;
    char *p[BLOCKS];
    size_t n[BLOCKS];
    uint64_t key;
};

struct opener {
    zk_runtime_t *lane;
    unsigned phases;
    struct hand hands[TASKS + 1]; /* the last is its own */
    _Atomic unsigned wrong;
    uint64_t tasks;
};

static void
expect(struct opener *o, bool holds)
{
    if (!holds)
        zk_add_relaxed(&o->wrong, 1u);
}

static void
take(struct hand *h, unsigned i)
{
    h->n[i] = 4096 + (h->key * 64 + i * 1000) % 4096;
    h->p[i] = zk_malloc(h->n[i]);
    expect(h->opener, h->p[i] != NULL && zk_in_arena(h->p[i]));
    if (h->p[i] != NULL)
        test_fill(h->p[i], h->n[i], h->key + i);
}

static int
take_all(void *arg)
{
    struct hand *h = arg;

    for (unsigned i = 0; i < BLOCKS; i++)
        take(h, i);
    return 0;
}

/* A byte that was handed out twice holds one of two patterns at most. */
static void
check(struct opener *o)
{
    for (unsigned h = 0; h <= TASKS; h++)
        for (unsigned i = 0; i < BLOCKS; i++) {
            struct hand *hand = &o->hands[h];

            expect(o, hand->p[i] != NULL &&
                          test_holds(hand->p[i], hand->n[i], hand->key + i));
        }
}

static void
one_phase(struct opener *o, unsigned k)
{
    struct hand *own = &o->hands[TASKS];
    zk_group_t group = ZK_GROUP_INIT;

    for (unsigned h = 0; h <= TASKS; h++) {
        o->hands[h].opener = o;
        o->hands[h].key += 0x10000;
    }
    expect(o, zk_phase_begin_on(o->lane, "contended") == ZK_OK);
    for (unsigned h = 0; h < TASKS;
         h++) /* some are left for the end to await */
        expect(o, zk_spawn((k + h) % 2 == 0 ? &group : NULL, take_all,
                           &o->hands[h]) == ZK_OK);
    take(own, 0);
    expect(o, zk_sync(&group) == 0);
    take(own, 1);
    expect(o, zk_phase_end() == ZK_OK);
    o->tasks += TASKS;
    check(o); /* readable until the next begin */
}

static void *
run_phases(void *arg)
{
    struct opener *o = arg;

    for (unsigned k = 0; k < o->phases; k++)
        one_phase(o, k);
    return NULL;
}

struct bystander {
    zk_runtime_t *lane;
    _Atomic bool stop;
    _Atomic unsigned wrong, turns;
};

/* Inside the lane and in no phase: all of it is the heap's. */
static void *
allocate_all_the_time(void *arg)
{
    struct bystander *b = arg;
    char *kept[4] = {NULL};
    uint64_t keys[4] = {0};
    unsigned turns = 0, wrong = 0;

    wrong += zk_runtime_enter(b->lane) != ZK_OK;
    while (!zk_load_acquire(&b->stop)) {
        unsigned i = turns++ % 4;

        wrong += kept[i] != NULL && !test_holds(kept[i], 4096, keys[i]);
        zk_free(kept[i]);
        kept[i] = zk_malloc(4096 + turns % 4096);
        wrong += kept[i] == NULL || zk_in_arena(kept[i]);
        keys[i] = (uint64_t)turns << 32;
        if (kept[i] != NULL)
            test_fill(kept[i], 4096, keys[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        zk_free(kept[i]);
    wrong += zk_runtime_leave() != ZK_OK;
    zk_store_relaxed(&b->wrong, wrong);
    zk_store_relaxed(&b->turns, turns);
    return NULL;
}

static void
test_no_byte_is_handed_out_twice_while_phases_begin_and_end(void **state)
{
    static struct opener openers[OPENERS];
    struct bystander by = {.lane = test_lane(2, MIB, 0)};
    pthread_t threads[OPENERS], bystander;
    unsigned phases = PHASES / OPENERS;
    zk_runtime_stats_t stats;

    (void)state;
    assert_non_null(by.lane);
    assert_int_equal(
        pthread_create(&bystander, NULL, allocate_all_the_time, &by), 0);
    for (unsigned i = 0; i < OPENERS; i++) {
        openers[i] = (struct opener){.lane = by.lane, .phases = phases};
        for (unsigned h = 0; h <= TASKS; h++)
            openers[i].hands[h].key = (uint64_t)(i * 16 + h) << 48;
        assert_int_equal(
            pthread_create(&threads[i], NULL, run_phases, &openers[i]), 0);
    }
    for (unsigned i = 0; i < OPENERS; i++)
        pthread_join(threads[i], NULL);
    zk_store_release(&by.stop, true);
    pthread_join(bystander, NULL);

    stats = test_stats(by.lane);
    printf("%llu phases, %llu tasks, %llu of them stolen, %u turns beside\n",
           (unsigned long long)stats.phases, (unsigned long long)stats.tasks,
           (unsigned long long)stats.steals, zk_load_relaxed(&by.turns));
    for (unsigned i = 0; i < OPENERS; i++) {
        assert_int_equal(zk_load_relaxed(&openers[i].wrong), 0);
        assert_int_equal(openers[i].tasks, TASKS * phases);
    }
    assert_int_equal(zk_load_relaxed(&by.wrong), 0);
    assert_int_not_equal(zk_load_relaxed(&by.turns), 0);
    assert_int_equal(stats.phases, OPENERS * phases);
    assert_int_not_equal(stats.steals, 0);
    assert_int_equal(stats.overflow_count, 0);
    assert_int_equal(stats.bad_frees, 0);
    assert_int_equal(zk_runtime_close(by.lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_no_byte_is_handed_out_twice_while_phases_begin_and_end),
    };

    rt_begin();
    if (test_full())
        alarm(0); /* ctest's time limit holds */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
