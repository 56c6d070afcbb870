/*
 * churn_test.c - several threads with phases of their own on one lane, and ten
 * thousand threads that come and go.
 *
 * Z25, B14, B23, N5, Z5: the data of one phase never mix with another's, and the
 * slot and the arena of a thread that went are found again.
 */
#include "tests/stress/still.h"

#define AT_ONCE 4u
#define CELLS   200u

struct prover {
    zk_runtime_t *lane;
    uint64_t key;
    unsigned phases;
    bool exits_inside;
    _Atomic unsigned wrong, ran;
    char *cells[CELLS];
    size_t bytes[CELLS];
};

static void
expect(struct prover *p, bool holds)
{
    if (!holds)
        zk_add_relaxed(&p->wrong, 1u);
}

static int
fill_cells(size_t from, size_t to, void *arg)
{
    struct prover *p = arg;

    for (size_t i = from; i < to; i++) {
        p->bytes[i] = 4096 + (p->key + i) % 3000;
        p->cells[i] = zk_malloc(p->bytes[i]);
        expect(p, p->cells[i] != NULL && zk_in_arena(p->cells[i]));
        if (p->cells[i] != NULL)
            test_fill(p->cells[i], p->bytes[i], p->key + i);
    }
    return 0;
}

static int
check_cells(size_t from, size_t to, void *arg)
{
    struct prover *p = arg;

    for (size_t i = from; i < to; i++)
        expect(p, p->cells[i] != NULL &&
                      test_holds(p->cells[i], p->bytes[i], p->key + i) &&
                      zk_usable_size(p->cells[i]) >= p->bytes[i]);
    zk_add_relaxed(&p->ran, (unsigned)(to - from));
    return 0;
}

static void *
prove(void *arg)
{
    struct prover *p = arg;

    for (unsigned i = 0; i < p->phases; i++) {
        p->key += 0x10000;
        expect(p, zk_phase_begin_on(p->lane, "prove") == ZK_OK);
        expect(p, zk_parallel_for(0, CELLS, 1, fill_cells, p) == ZK_OK);
        expect(p, zk_parallel_for(0, CELLS, 3, check_cells, p) == ZK_OK);
        expect(p, zk_phase_end() == ZK_OK);
        /* After the end they can be read until the next begin. */
        (void)check_cells(0, CELLS, p);
    }
    return NULL;
}

static void
test_phases_of_several_threads_never_mix(void **state)
{
    static struct prover provers[AT_ONCE];
    zk_runtime_t *lane = test_lane(2, 4 * MIB, 0);
    pthread_t threads[AT_ONCE];
    unsigned phases = test_scaled(500);

    (void)state;
    assert_non_null(lane);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        provers[i] = (struct prover){
            .lane = lane, .key = (uint64_t)i << 40, .phases = phases};
        assert_int_equal(pthread_create(&threads[i], NULL, prove, &provers[i]),
                         0);
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        assert_int_equal(zk_load_relaxed(&provers[i].wrong), 0);
        assert_int_equal(zk_load_relaxed(&provers[i].ran), 2 * phases * CELLS);
    }
    assert_true(test_info(lane).arenas <= AT_ONCE);
    assert_int_equal(test_stats(lane).phases, AT_ONCE * phases);
    assert_int_equal(test_stats(lane).overflow_count, 0);
    assert_int_equal(test_stats(lane).bad_frees, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
touch_cell(void *arg)
{
    struct prover *p = arg;
    char *cell = zk_malloc(5000);

    expect(p, cell != NULL && zk_in_arena(cell));
    if (cell != NULL)
        test_fill(cell, 5000, p->key);
    expect(p, cell != NULL && test_holds(cell, 5000, p->key));
    zk_add_relaxed(&p->ran, 1u);
    return 0;
}

/* One phase in a life. Some threads leave properly, some just exit. */
static void *
live_once(void *arg)
{
    struct prover *p = arg;
    char *mine;

    expect(p, zk_phase_begin_on(p->lane, "once") == ZK_OK);
    mine = zk_malloc(20000);
    expect(p, zk_in_arena(mine));
    test_fill(mine, 20000, p->key);
    expect(p, zk_spawn(NULL, touch_cell, p) == ZK_OK);
    expect(p, test_holds(mine, 20000, p->key));
    if (p->exits_inside)
        return NULL;
    expect(p, zk_phase_end() == ZK_OK);
    expect(p, test_holds(mine, 20000, p->key));
    return NULL;
}

static void
test_ten_thousand_threads_come_and_go(void **state)
{
    static struct prover provers[AT_ONCE];
    zk_runtime_t *lane = test_lane(2, MIB, 0);
    unsigned rounds = test_scaled(10400) / AT_ONCE;
    pthread_t threads[AT_ONCE];
    struct still warm = {0};

    (void)state;
    assert_non_null(lane);
    for (unsigned r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < AT_ONCE; i++) {
            provers[i] = (struct prover){.lane = lane,
                                         .key = r * 8 + i,
                                         .exits_inside = (r + i) % 3 == 0};
            assert_int_equal(
                pthread_create(&threads[i], NULL, live_once, &provers[i]), 0);
        }
        for (unsigned i = 0; i < AT_ONCE; i++)
            pthread_join(threads[i], NULL);
        for (unsigned i = 0; i < AT_ONCE; i++) {
            assert_int_equal(zk_load_relaxed(&provers[i].wrong), 0);
            assert_int_equal(zk_load_relaxed(&provers[i].ran), 1);
        }
        if (r == rounds / 10)
            warm = still_now();
    }
    assert_true(rt_threads_become(2 + TEST_TSAN));
    warm.threads = 2 + TEST_TSAN;
    warm.arenas = AT_ONCE;
    still_assert(&warm);
    assert_int_equal(test_stats(lane).phases, rounds * AT_ONCE);
    assert_true(test_info(lane).arenas <= AT_ONCE);
    assert_int_equal(test_info(lane).threads, 1);
    assert_int_equal(test_stats(lane).overflow_count, 0);
    assert_int_equal(zk_phase_begin_on(lane, "slot 0 is free"), ZK_OK);
    assert_int_equal(zk_slot(), 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phases_of_several_threads_never_mix),
        cmocka_unit_test(test_ten_thousand_threads_come_and_go),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
