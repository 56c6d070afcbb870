/*
 * steals_test.c - while there is work on each node, thieves stay on theirs.
 *
 * One worker of each node, its producer, has a deque full of tasks and takes none
 * of them; the others have nothing and steal. It is counted until half of what one
 * deque holds was stolen, so none is ever empty, whoever runs when. Where each node
 * has one worker only, one of them has nothing, and steals from its neighbours.
 */
#include "tests/guest/nodes.h"

enum { EACH = 4000, COUNTED = EACH / 2 };

struct field {
    zk_runtime_t *lane;
    bool produces[WORKERS];
    unsigned producers;
    bool alone; /* each worker is, on its node */
    _Atomic unsigned arrived, full, open, ran, over, failed;
    zk_runtime_stats_t before, after;
};

static int
one_task(void *arg)
{
    struct field *f = arg;

    if (zk_add_relaxed(&f->ran, 1u) + 1 == COUNTED) {
        f->after = test_stats(f->lane);
        zk_store_release(&f->over, 1u);
    }
    return 0;
}

static void
await(_Atomic unsigned *word, unsigned at_least)
{
    while (zk_load_acquire(word) < at_least)
        sched_yield();
}

/* One on each worker; what it does follows from where it is. */
static int
take_part(void *arg)
{
    struct field *f = arg;
    unsigned slot = (unsigned)zk_slot();
    zk_group_t group = ZK_GROUP_INIT;

    zk_add_seq_cst(&f->arrived, 1u);
    await(&f->arrived, WORKERS);
    if (!f->produces[slot]) {
        await(&f->open, 1);
        return 0; /* and the worker looks for something to do */
    }
    for (unsigned i = 0; i < EACH; i++)
        if (zk_spawn(&group, one_task, f) != ZK_OK)
            zk_add_relaxed(&f->failed, 1u);
    zk_add_seq_cst(&f->full, 1u);
    if (slot == 0) {
        await(&f->full, f->producers);
        f->before = test_stats(f->lane);
        zk_store_release(&f->open, 1u);
    }
    await(&f->over, 1);
    return zk_sync(&group);
}

/* The first worker of each node, but for one where that would be all. */
static void
choose_producers(struct field *f)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        f->produces[i] = true;
        for (unsigned k = 0; k < i; k++)
            if (node_of_slot(f->lane, k) == node_of_slot(f->lane, i))
                f->produces[i] = false;
        f->producers += f->produces[i];
    }
    f->alone = f->producers == WORKERS;
    if (f->alone) {
        f->produces[WORKERS - 2] = false;
        f->producers--;
    }
}

static void
test_steals_stay_on_the_node_while_there_is_work(void **state)
{
    struct field f = {.lane = open_nodes(WORKERS, ZK_BIND_CLOSE)};
    zk_group_t group = ZK_GROUP_INIT;
    uint64_t at[ZK_DISTANCES], all = 0, near = 0;

    (void)state;
    if (f.lane == NULL) {
        fail();
        return;
    }
    choose_producers(&f);
    assert_int_equal(zk_runtime_enter(f.lane), ZK_OK);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(zk_spawn(&group, take_part, &f), ZK_OK);
    assert_int_equal(zk_sync(&group), ZK_OK);
    assert_int_equal(zk_load_relaxed(&f.failed), 0);
    assert_int_equal(zk_load_relaxed(&f.ran), f.producers * EACH);

    for (unsigned far = 0; far < ZK_DISTANCES; far++) {
        at[far] = f.after.steals_at[far] - f.before.steals_at[far];
        all += at[far];
        near += far < (f.alone ? ZK_DISTANCE_FAR : 2) ? at[far] : 0;
    }
    print_message(
        "steals: %llu within a cache, %llu within a node, %llu from a "
        "nearest node, %llu from farther off\n",
        (unsigned long long)at[0], (unsigned long long)at[1],
        (unsigned long long)at[2], (unsigned long long)at[3]);
    assert_int_equal(f.after.steals - f.before.steals, all);
    assert_true(all >= COUNTED);
    assert_true(near * 10 >= all * 9);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(f.lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steals_stay_on_the_node_while_there_is_work),
    };

    test_clean_environment();
    alarm(500); /* virtual machines are slow */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
