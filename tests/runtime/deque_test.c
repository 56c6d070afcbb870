/*
 * deque_test.c - the owner's and the thieves' side, alone and against each other.
 *
 * A task's x is its number and y a word made from it, so that a copy of words of
 * two tasks shows.
 */
#include "tests/runtime/rt.h"

#include <sys/resource.h>

#include "runtime/deque.h"

#define MIX ((uintptr_t)0x9e3779b97f4a7c15u)

static struct zk_task
task(size_t i)
{
    return (struct zk_task){NULL, i, (i + 1) * MIX};
}

static bool
whole(struct zk_task t)
{
    return t.job == NULL && t.y == (t.x + 1) * MIX;
}

static void
push(struct zk_deque *d, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_true(zk__deque_push(d, task(first + i)));
}

/* ---- one thread ---------------------------------------------------------- */

static void
test_pop_and_steal_from_empty_give_nothing(void **state)
{
    struct zk_deque d;
    struct zk_task t;

    (void)state;
    assert_true(zk__deque_init(&d));
    for (int i = 0; i < 3; i++) {
        assert_true(zk__deque_empty(&d));
        assert_false(zk__deque_pop(&d, 0, &t));
        assert_false(zk__deque_pop(&d, INT64_MIN, &t));
        assert_false(zk__deque_steal(&d, &t));
        assert_int_equal(zk__deque_mark(&d), 0);
    }
    zk__deque_fini(&d);
}

/* Once around a ring that was touched. */
static void
test_pushes_into_a_touched_deque_do_not_fault(void **state)
{
    struct rusage before, after;
    struct zk_deque d;
    struct zk_task t;

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* its own memory faults */
    assert_true(zk__deque_init(&d));
    zk__deque_touch(&d);
    push(&d, 0, 1);
    assert_true(zk__deque_steal(&d, &t));
    getrusage(RUSAGE_THREAD, &before);
    for (size_t i = 0; i < 512; i++) {
        push(&d, i, 1);
        assert_true(zk__deque_steal(&d, &t));
    }
    getrusage(RUSAGE_THREAD, &after);
    assert_int_equal(after.ru_minflt - before.ru_minflt, 0);
    zk__deque_fini(&d);
}

static void
test_the_owner_pops_the_newest_and_a_thief_takes_the_oldest(void **state)
{
    struct zk_deque d;
    struct zk_task t;

    (void)state;
    assert_true(zk__deque_init(&d));
    push(&d, 0, 4);
    assert_int_equal(zk__deque_mark(&d), 4);
    assert_true(zk__deque_pop(&d, 0, &t));
    assert_int_equal(t.x, 3);
    assert_true(zk__deque_steal(&d, &t));
    assert_int_equal(t.x, 0);
    assert_true(zk__deque_pop(&d, 0, &t));
    assert_int_equal(t.x, 2);
    assert_true(zk__deque_steal(&d, &t));
    assert_int_equal(t.x, 1);
    assert_false(zk__deque_steal(&d, &t));
    assert_false(zk__deque_pop(&d, 0, &t));
    zk__deque_fini(&d);
}

static void
test_pop_leaves_what_stands_below_the_mark(void **state)
{
    struct zk_deque d;
    struct zk_task t;
    int64_t mark;

    (void)state;
    assert_true(zk__deque_init(&d));
    push(&d, 0, 3);
    mark = zk__deque_mark(&d);
    assert_false(zk__deque_pop(&d, mark, &t));
    push(&d, 3, 2);
    assert_true(zk__deque_pop(&d, mark, &t));
    assert_int_equal(t.x, 4);
    assert_true(zk__deque_pop(&d, mark, &t));
    assert_int_equal(t.x, 3);
    assert_false(zk__deque_pop(&d, mark, &t));
    assert_false(zk__deque_empty(&d));
    assert_true(zk__deque_pop(&d, 0, &t));
    assert_int_equal(t.x, 2);
    zk__deque_fini(&d);
}

static void
test_pop_with_a_mark_that_thieves_have_passed_gives_nothing(void **state)
{
    struct zk_deque d;
    struct zk_task t;
    int64_t mark;

    (void)state;
    assert_true(zk__deque_init(&d));
    push(&d, 0, 2);
    mark = zk__deque_mark(&d);
    push(&d, 2, 2);
    for (int i = 0; i < 4; i++)
        assert_true(zk__deque_steal(&d, &t));
    assert_false(zk__deque_pop(&d, mark, &t));
    assert_true(zk__deque_empty(&d));
    push(&d, 4, 1);
    assert_true(zk__deque_pop(&d, mark, &t));
    assert_int_equal(t.x, 4);
    zk__deque_fini(&d);
}

static void
test_a_thief_may_ask_for_tasks_of_one_job_only(void **state)
{
    struct zk_job *mine = (struct zk_job *)(uintptr_t)64;
    struct zk_deque d;
    struct zk_task t;

    (void)state;
    assert_true(zk__deque_init(&d));
    assert_true(zk__deque_push(&d, (struct zk_task){mine, 1, 0}));
    assert_true(zk__deque_push(&d, task(2)));
    assert_true(zk__deque_push(&d, (struct zk_task){mine, 3, 0}));
    assert_true(zk__deque_steal_of(&d, mine, &t));
    assert_int_equal(t.x, 1);
    assert_false(zk__deque_steal_of(&d, mine, &t)); /* another one is on top */
    assert_true(zk__deque_steal(&d, &t));
    assert_int_equal(t.x, 2);
    assert_true(zk__deque_steal_of(&d, mine, &t));
    assert_int_equal(t.x, 3);
    assert_false(zk__deque_steal_of(&d, mine, &t));
    zk__deque_fini(&d);
}

static void
test_growing_keeps_every_task_and_its_order(void **state)
{
    struct zk_deque d;
    struct zk_task t;
    size_t next = 0;

    (void)state;
    assert_true(zk__deque_init(&d));
    push(&d, 0, 500); /* wrapped around before it grows */
    for (; next < 400; next++) {
        assert_true(zk__deque_steal(&d, &t));
        assert_int_equal(t.x, next);
    }
    push(&d, 500, 10000);
    for (; next < 5000; next++) {
        assert_true(zk__deque_steal(&d, &t));
        assert_int_equal(t.x, next);
        assert_true(whole(t));
    }
    for (size_t i = 10500; i-- > next;) {
        assert_true(zk__deque_pop(&d, 0, &t));
        assert_int_equal(t.x, i);
        assert_true(whole(t));
    }
    assert_true(zk__deque_empty(&d));
    zk__deque_fini(&d);
}

static void
test_fini_returns_every_ring(void **state)
{
    unsigned before = rt_mappings();

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct zk_deque d;

        assert_true(zk__deque_init(&d));
        push(&d, 0, 5000);
        zk__deque_fini(&d);
    }
    assert_in_range(rt_mappings(), 0, before + 3);
}

static int
push_until_refused(void *arg)
{
    struct rlimit limit = {(rlim_t)1 << 20, (rlim_t)1 << 20};
    struct zk_deque d;
    struct zk_task t;
    size_t n = 0;

    (void)arg;
    CHILD_CHECK(zk__deque_init(&d));
    CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0); /* less than is in use */
    while (n < 100000 && zk__deque_push(&d, task(n)))
        n++;
    CHILD_CHECK(n == 512);
    CHILD_CHECK(zk__deque_steal(&d, &t) && t.x == 0 && whole(t));
    CHILD_CHECK(zk__deque_push(&d, task(n)));
    CHILD_CHECK(!zk__deque_push(&d, task(n)));
    while (n > 0) {
        CHILD_CHECK(zk__deque_pop(&d, 0, &t) && t.x == n && whole(t));
        n--;
    }
    CHILD_CHECK(zk__deque_empty(&d));
    return 0;
}

static void
test_a_full_deque_that_cannot_grow_refuses_and_loses_nothing(void **state)
{
    (void)state;
    if (TEST_SANITIZED)
        skip();
    assert_true(test_child_succeeds(push_until_refused, NULL));
}

/* ---- owner and thieves ---------------------------------------------------- */

#define THIEVES 3

struct race {
    struct zk_deque deque;
    _Atomic unsigned char *ran;
    size_t tasks;
    _Atomic unsigned stop;
    _Atomic size_t taken, torn, doubled, beyond;
};

static void
note(struct race *r, struct zk_task t)
{
    if (!whole(t)) {
        zk_add_relaxed(&r->torn, (size_t)1);
    } else if (t.x >= r->tasks) {
        zk_add_relaxed(&r->beyond, (size_t)1);
    } else {
        if (zk_add_relaxed(&r->ran[t.x], (unsigned char)1) != 0)
            zk_add_relaxed(&r->doubled, (size_t)1);
        zk_add_relaxed(&r->taken, (size_t)1);
    }
}

static void *
thieve(void *arg)
{
    struct race *r = arg;
    struct zk_task t;

    while (zk_load_acquire(&r->stop) == 0)
        if (zk__deque_steal(&r->deque, &t))
            note(r, t);
        else
            zk_pause();
    return NULL;
}

static _Atomic unsigned char ran[2000000];

static void
race_begin(struct race *r, size_t tasks, pthread_t *thieves)
{
    *r = (struct race){.ran = ran, .tasks = tasks};
    for (size_t i = 0; i < tasks; i++)
        zk_store_relaxed(&ran[i], (unsigned char)0);
    assert_true(zk__deque_init(&r->deque));
    for (int i = 0; i < THIEVES; i++)
        assert_int_equal(pthread_create(&thieves[i], NULL, thieve, r), 0);
}

static void
race_end(struct race *r, pthread_t *thieves)
{
    struct zk_task t;

    while (zk__deque_pop(&r->deque, 0, &t))
        note(r, t);
    zk_store_release(&r->stop, 1u);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(thieves[i], NULL);
    zk__deque_fini(&r->deque);
    assert_int_equal(r->torn, 0);
    assert_int_equal(r->beyond, 0);
    assert_int_equal(r->doubled, 0);
    assert_int_equal(r->taken, r->tasks);
}

static void
test_every_task_runs_once_against_three_thieves_while_it_grows(void **state)
{
    struct test_random random = {test_seed("deque")};
    struct race r;
    pthread_t thieves[THIEVES];
    size_t next = 0;

    (void)state;
    race_begin(&r, test_scaled(2000000), thieves);
    while (next < r.tasks) {
        /* Bursts beyond the first ring's size, and short ones. */
        size_t most = test_below(&random, 8) == 0 ? 3000 : 20;
        size_t n = 1 + test_below(&random, most);
        size_t pops = test_below(&random, n + 2);
        struct zk_task t;

        for (; n > 0 && next < r.tasks; n--, next++)
            if (!zk__deque_push(&r.deque, task(next)))
                note(&r, task(next));
        while (pops-- > 0 && zk__deque_pop(&r.deque, 0, &t))
            note(&r, t);
    }
    race_end(&r, thieves);
}

/* The deque holds one task at a time, so each pop fights for the last one. */
static void
test_the_last_task_runs_once(void **state)
{
    struct race r;
    pthread_t thieves[THIEVES];

    (void)state;
    race_begin(&r, test_scaled(1000000), thieves);
    for (size_t i = 0; i < r.tasks; i++) {
        struct zk_task t;

        if (!zk__deque_push(&r.deque, task(i)))
            note(&r, task(i));
        if (i % 3 == 0)
            zk_pause();
        if (zk__deque_pop(&r.deque, 0, &t))
            note(&r, t);
    }
    race_end(&r, thieves);
}

/* As waits do: a few tasks stay below a mark, where only thieves may go. */
static void
test_no_pop_goes_below_its_mark_while_thieves_are_at_work(void **state)
{
    struct race r;
    pthread_t thieves[THIEVES];
    size_t below = 0, next = 0;

    (void)state;
    race_begin(&r, test_scaled(500000) / 8 * 8, thieves);
    while (next < r.tasks) {
        size_t first = next + 4; /* above the mark */
        int64_t mark = 0;
        struct zk_task t;

        for (; next < first + 4; next++) {
            if (next == first)
                mark = zk__deque_mark(&r.deque);
            if (!zk__deque_push(&r.deque, task(next)))
                note(&r, task(next));
        }
        while (zk__deque_pop(&r.deque, mark, &t)) {
            below += t.x < first;
            note(&r, t);
        }
        if (next % 64 == 0)
            while (zk__deque_pop(&r.deque, 0, &t))
                note(&r, t);
    }
    race_end(&r, thieves);
    assert_int_equal(below, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pop_and_steal_from_empty_give_nothing),
        cmocka_unit_test(test_pushes_into_a_touched_deque_do_not_fault),
        cmocka_unit_test(
            test_the_owner_pops_the_newest_and_a_thief_takes_the_oldest),
        cmocka_unit_test(test_pop_leaves_what_stands_below_the_mark),
        cmocka_unit_test(
            test_pop_with_a_mark_that_thieves_have_passed_gives_nothing),
        cmocka_unit_test(test_a_thief_may_ask_for_tasks_of_one_job_only),
        cmocka_unit_test(test_growing_keeps_every_task_and_its_order),
        cmocka_unit_test(test_fini_returns_every_ring),
        cmocka_unit_test(
            test_a_full_deque_that_cannot_grow_refuses_and_loses_nothing),
        cmocka_unit_test(
            test_every_task_runs_once_against_three_thieves_while_it_grows),
        cmocka_unit_test(test_the_last_task_runs_once),
        cmocka_unit_test(
            test_no_pop_goes_below_its_mark_while_thieves_are_at_work),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
