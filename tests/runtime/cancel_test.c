/*
 * cancel_test.c - cells and ids. What a cancel does to a phase is in
 * tests/phase/cancel_test.c.
 */
#include "tests/runtime/rt.h"

#include "runtime/cancel.h"

static void
test_id_is_cancelled_while_open_only(void **state)
{
    unsigned cell = zk__cancel_take();
    uint64_t id;

    (void)state;
    assert_true(cell != 0);
    id = zk__cancel_open(cell, 1);
    assert_true(id != 0);
    assert_true(zk__cancel_is_open(cell));
    assert_false(zk__cancelled(id));
    assert_int_equal(zk_phase_cancel(id), ZK_OK);
    assert_true(zk__cancelled(id));
    assert_int_equal(zk_phase_cancel(id), ZK_OK); /* idempotent */
    assert_true(zk__cancel_close(cell));
    assert_false(zk__cancel_is_open(cell));
    assert_false(zk__cancelled(id));
    assert_int_equal(zk_phase_cancel(id), ZK_ESTALE);
    zk__cancel_give(cell);
}

static void
test_next_phase_on_the_cell_has_another_id(void **state)
{
    unsigned cell = zk__cancel_take();
    uint64_t first = zk__cancel_open(cell, 1), second;

    (void)state;
    assert_false(zk__cancel_close(cell));
    zk__cancel_give(cell);
    assert_int_equal(zk__cancel_take(), cell);
    second = zk__cancel_open(cell, 1);
    assert_true(first != second);
    assert_int_equal(zk_phase_cancel(first), ZK_ESTALE);
    assert_false(zk__cancelled(second));
    assert_false(zk__cancel_close(cell));
    zk__cancel_give(cell);
}

/* As in a child of fork(), when nobody closes it. */
static void
test_open_on_an_open_cell_has_another_id(void **state)
{
    unsigned cell = zk__cancel_take();
    uint64_t first = zk__cancel_open(cell, 1), second;

    (void)state;
    assert_int_equal(zk_phase_cancel(first), ZK_OK);
    second = zk__cancel_open(cell, 1);
    assert_true(first != second);
    assert_int_equal(zk_phase_cancel(first), ZK_ESTALE);
    assert_false(zk__cancelled(second));
    assert_false(zk__cancel_close(cell));
    zk__cancel_give(cell);
}

/* No word of a cell is an id but the one that was given for it. */
static void
test_anything_else_is_stale(void **state)
{
    struct test_random r = {test_seed("anything_else_is_stale")};
    unsigned cell = zk__cancel_take();
    uint64_t id = zk__cancel_open(cell, 1);

    (void)state;
    assert_int_equal(zk_phase_cancel(0), ZK_ESTALE);
    assert_int_equal(zk_phase_cancel(1), ZK_ESTALE);
    assert_int_equal(zk_phase_cancel(id | 1), ZK_ESTALE);
    assert_int_equal(zk_phase_cancel(id + ZK_CANCEL_STEP), ZK_ESTALE);
    assert_int_equal(zk_phase_cancel(UINT64_MAX), ZK_ESTALE);
    assert_int_equal(zk_phase_cancel(UINT64_MAX - 1), ZK_ESTALE);
    for (int i = 0; i < 100000; i++) {
        uint64_t other = test_next(&r) >> test_below(&r, 64);

        if (other != id)
            assert_int_equal(zk_phase_cancel(other), ZK_ESTALE);
    }
    assert_false(zk__cancel_close(cell));
    /* Nor are the closed words of the cell, or those to come. */
    for (uint64_t g = 0; g < 64; g++)
        assert_int_equal(
            zk_phase_cancel(g * ZK_CANCEL_STEP + (uint64_t)cell * 2),
            ZK_ESTALE);
    zk__cancel_give(cell);
}

static void
test_without_a_cell_nothing_is_cancelled(void **state)
{
    static unsigned cells[ZK_CANCEL_CELLS];
    unsigned n = 0;
    uint64_t id;

    (void)state;
    while ((cells[n] = zk__cancel_take()) != 0)
        n++;
    assert_int_equal(n, ZK_CANCEL_CELLS - 1);
    id = zk__cancel_open(0, 7);
    assert_true(id != 0 && id != zk__cancel_open(0, 8));
    assert_int_equal(zk_phase_cancel(id), ZK_ESTALE);
    assert_false(zk__cancelled(id));
    assert_false(zk__cancel_close(0));
    while (n != 0)
        zk__cancel_give(cells[--n]);
}

/* ---- races ------------------------------------------------------------- */

struct race {
    _Atomic uint64_t id;
    _Atomic bool over;
    uint64_t hits; /* of the canceller: ids that it was told were cancelled */
};

static void *
cancel_what_is_shown(void *arg)
{
    struct race *r = arg;
    uint64_t last = 0;

    while (!zk_load_acquire(&r->over)) {
        uint64_t id = zk_load_relaxed(&r->id);

        if (id != last && zk_phase_cancel(id) == ZK_OK) {
            r->hits++;
            last = id;
        }
    }
    return NULL;
}

/* What was cancelled is told by the close of the same, and only there. */
static void
test_each_cancel_is_told_by_one_close(void **state)
{
    struct race r = {0};
    unsigned cell = zk__cancel_take(), rounds = test_scaled(3000000);
    uint64_t told = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_what_is_shown, &r),
                     0);
    for (unsigned i = 0; i < rounds; i++) {
        zk_store_relaxed(&r.id, zk__cancel_open(cell, i));
        if (i % 64 == 0)
            sched_yield();
        told += zk__cancel_close(cell);
    }
    zk_store_release(&r.over, true);
    pthread_join(thread, NULL);
    printf("%llu of %u cancelled\n", (unsigned long long)told, rounds);
    assert_int_equal(told, r.hits);
    zk__cancel_give(cell);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_is_cancelled_while_open_only),
        cmocka_unit_test(test_next_phase_on_the_cell_has_another_id),
        cmocka_unit_test(test_open_on_an_open_cell_has_another_id),
        cmocka_unit_test(test_anything_else_is_stale),
        cmocka_unit_test(test_without_a_cell_nothing_is_cancelled),
        cmocka_unit_test(test_each_cancel_is_told_by_one_close),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
