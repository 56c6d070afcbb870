/*
 * inbox_test.c - the queue for tasks from outside.
 */
#include "tests/runtime/rt.h"

#include <sys/mman.h>

#include "runtime/inbox.h"

static struct zk_task
task(size_t i)
{
    return (struct zk_task){NULL, i, ~i};
}

static bool
is_odd(const struct zk_task *t, const void *arg)
{
    (void)arg;
    return t->x % 2 == 1;
}

static bool
is_number(const struct zk_task *t, const void *arg)
{
    return t->x == *(const size_t *)arg;
}

static void
test_take_from_empty_gives_nothing(void **state)
{
    struct zk_inbox box;
    struct zk_task t;

    (void)state;
    zk__inbox_init(&box);
    assert_false(zk__inbox_take(&box, NULL, NULL, &t));
    assert_false(zk__inbox_take(&box, is_odd, NULL, &t));
    zk__inbox_fini(&box);
}

/* A thief may hand a task back in the midst of a phase. */
static void
test_the_first_tasks_meet_no_new_page(void **state)
{
    struct zk_inbox box;
    unsigned char resident[16];

    (void)state;
    zk__inbox_init(&box);
    assert_non_null(box.tasks);
    assert_int_equal(
        mincore(box.tasks, box.capacity * sizeof *box.tasks, resident), 0);
    for (size_t i = 0; i < 16384 / 4096; i++)
        assert_int_equal(resident[i] & 1, 1);
    zk__inbox_fini(&box);
}

static void
test_the_oldest_task_comes_first(void **state)
{
    struct zk_inbox box;
    struct zk_task t;

    (void)state;
    zk__inbox_init(&box);
    for (size_t i = 0; i < 10; i++)
        assert_true(zk__inbox_put(&box, task(i)));
    for (size_t i = 0; i < 10; i++) {
        assert_true(zk__inbox_take(&box, NULL, NULL, &t));
        assert_int_equal(t.x, i);
        assert_int_equal(t.y, ~i);
    }
    assert_false(zk__inbox_take(&box, NULL, NULL, &t));
    zk__inbox_fini(&box);
}

static void
test_a_wanted_task_leaves_the_others_in_their_order(void **state)
{
    struct zk_inbox box;
    struct zk_task t;
    size_t last = 9, none = 77;

    (void)state;
    zk__inbox_init(&box);
    for (size_t i = 0; i < 10; i++)
        assert_true(zk__inbox_put(&box, task(i)));
    assert_true(zk__inbox_take(&box, is_odd, NULL, &t));
    assert_int_equal(t.x, 1);
    assert_true(zk__inbox_take(&box, is_number, &last, &t));
    assert_int_equal(t.x, 9);
    assert_false(zk__inbox_take(&box, is_number, &none, &t));
    for (size_t i = 0; i < 9; i++) {
        if (i == 1)
            continue;
        assert_true(zk__inbox_take(&box, NULL, NULL, &t));
        assert_int_equal(t.x, i);
    }
    assert_int_equal(box.count, 0);
    zk__inbox_fini(&box);
}

static void
test_growing_and_moving_keep_every_task(void **state)
{
    struct zk_inbox box;
    struct zk_task t;
    size_t put = 0, taken = 0;

    (void)state;
    zk__inbox_init(&box);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 500; i++)
            assert_true(zk__inbox_put(&box, task(put++)));
        for (int i = 0; i < 350; i++) {
            assert_true(zk__inbox_take(&box, NULL, NULL, &t));
            assert_int_equal(t.x, taken++);
        }
        assert_int_equal(box.count, put - taken);
    }
    while (zk__inbox_take(&box, NULL, NULL, &t))
        assert_int_equal(t.x, taken++);
    assert_int_equal(taken, put);
    zk__inbox_fini(&box);
}

static void
test_a_short_queue_never_grows(void **state)
{
    struct zk_inbox box;
    struct zk_task t;
    size_t capacity;

    (void)state;
    zk__inbox_init(&box);
    assert_true(zk__inbox_put(&box, task(0)));
    capacity = box.capacity;
    for (size_t i = 1; i < 10000; i++) {
        assert_true(zk__inbox_put(&box, task(i)));
        assert_true(zk__inbox_take(&box, NULL, NULL, &t));
        assert_int_equal(t.x, i - 1);
    }
    assert_int_equal(box.capacity, capacity);
    zk__inbox_fini(&box);
}

/* ---- many threads ---------------------------------------------------------- */

#define PUTTERS 3
#define TAKERS  3
#define EACH    20000

static struct {
    struct zk_inbox box;
    _Atomic unsigned char ran[PUTTERS * EACH];
    _Atomic size_t taken, wrong, refused;
    _Atomic unsigned next;
    unsigned each;
} shared;

static void *
put_all(void *arg)
{
    size_t first = (size_t)zk_add_relaxed(&shared.next, 1u) * shared.each;

    (void)arg;
    for (size_t i = first; i < first + shared.each; i++)
        if (!zk__inbox_put(&shared.box, task(i)))
            zk_add_relaxed(&shared.refused, (size_t)1);
    return NULL;
}

static void *
take_all(void *arg)
{
    struct zk_task t;
    unsigned tries = 0;

    (void)arg;
    while (zk_load_relaxed(&shared.taken) < PUTTERS * (size_t)shared.each) {
        /* Some look for odd ones first. */
        if (!zk__inbox_take(&shared.box, ++tries % 2 ? is_odd : NULL, NULL, &t))
            continue;
        if (t.y != ~t.x || t.x >= PUTTERS * (size_t)shared.each ||
            zk_add_relaxed(&shared.ran[t.x], (unsigned char)1) != 0)
            zk_add_relaxed(&shared.wrong, (size_t)1);
        zk_add_relaxed(&shared.taken, (size_t)1);
    }
    return NULL;
}

static void
test_every_task_comes_out_once_with_many_threads_at_both_ends(void **state)
{
    pthread_t threads[PUTTERS + TAKERS];

    (void)state;
    shared.each = test_scaled(EACH);
    zk__inbox_init(&shared.box);
    for (int i = 0; i < PUTTERS + TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < PUTTERS ? put_all : take_all, NULL),
                         0);
    for (int i = 0; i < PUTTERS + TAKERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.refused, 0);
    assert_int_equal(shared.wrong, 0);
    assert_int_equal(shared.taken, PUTTERS * shared.each);
    assert_int_equal(shared.box.count, 0);
    zk__inbox_fini(&shared.box);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_from_empty_gives_nothing),
        cmocka_unit_test(test_the_first_tasks_meet_no_new_page),
        cmocka_unit_test(test_the_oldest_task_comes_first),
        cmocka_unit_test(test_a_wanted_task_leaves_the_others_in_their_order),
        cmocka_unit_test(test_growing_and_moving_keep_every_task),
        cmocka_unit_test(test_a_short_queue_never_grows),
        cmocka_unit_test(
            test_every_task_comes_out_once_with_many_threads_at_both_ends),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
