/*
 * budget_test.c - what a phase is told that has more than its share of memory.
 */
#include <errno.h>
#include <pthread.h>

#include "alloc/budget.h"
#include "private/poison.h"
#include "tests/phase/phases.h"

#define LIMIT (24 * MIB)

static zk_runtime_t *
budget_lane(size_t budget, unsigned workers)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = workers, .spare_slots = 4,
                                   .slab_bytes = 64 * MIB, .bind = ZK_BIND_NONE,
                                   .budget_bytes = budget,
                                   .notice = test_no_notice)) != ZK_OK)
        return NULL;
    return lane;
}

static int
setup(void **state)
{
    *state = budget_lane(LIMIT, 2);
    return *state == NULL || zk_runtime_enter(*state) != ZK_OK;
}

static int
teardown(void **state)
{
    return phases_close(state) != 0 || zk__budget_charged() != 0;
}

static zk_phase_budget_t
figures(void)
{
    zk_phase_budget_t b = {.size = sizeof b};

    if (zk_phase_budget(&b) != ZK_OK)
        memset(&b, 0xff, sizeof b);
    return b;
}

/* NULL, and errno says why. */
static bool
refused(const void *p)
{
    bool yes = p == NULL && errno == ENOMEM;

    errno = 0;
    return yes;
}

static void
end_over(void)
{
    assert_int_equal(zk_phase_end(), ZK_EBUDGET);
    assert_int_equal(zk_phase_error(), ZK_EBUDGET);
}

/* ---- requests ----------------------------------------------------------------- */

static void
test_a_request_over_the_budget_is_null_and_the_end_tells(void **state)
{
    void *p;

    begin("over");
    p = zk_malloc(20 * MIB);
    assert_non_null(p);
    memset(p, 1, 20 * MIB);
    errno = 0;
    assert_true(refused(zk_malloc(8 * MIB)));
    assert_int_equal(figures().need, 8 * MIB);
    assert_int_equal(figures().have, 4 * MIB);
    assert_int_equal(figures().limit, LIMIT);
    assert_int_equal(figures().charged, 20 * MIB);
    assert_int_equal(test_phase_stats().refused, ZK_EBUDGET);
    assert_int_equal(test_phase_stats().charged_bytes, 20 * MIB);
    assert_int_equal(test_stats(*state).budget_refusals, 1);
    assert_int_equal(test_stats(*state).budget_charged, 20 * MIB);
    assert_int_equal(test_stats(*state).overflow_count, 0);
    end_over();
    begin("the next is another phase");
    assert_int_equal(figures().need, 0);
    assert_non_null(zk_malloc(8 * MIB));
    end();
}

/* A request that finds memory elsewhere was not refused, whatever was tried first. */
static void
test_scratch_that_a_block_can_be_is_no_refusal(void **state)
{
    zk_scratch_t scope;
    char *p;

    begin("scratch");
    p = zk_malloc(LIMIT - 64 * KIB); /* the rest of its charge is free */
    assert_non_null(p);
    scope = zk_scratch_begin();
    p = zk_scratch_alloc(8 * KIB, 0); /* the far end would take 2 MiB more */
    assert_non_null(p);
    memset(p, 1, 8 * KIB);
    assert_int_equal(zk_scratch_end(scope), ZK_OK);
    assert_int_equal(test_phase_stats().refused, ZK_OK);
    assert_int_equal(test_stats(*state).budget_refusals, 0);
    end();
}

static void
test_growth_that_finds_freed_memory_is_no_refusal(void **state)
{
    char *freed, *grown;

    begin("growth");
    freed = zk_malloc(14 * MIB);
    grown = zk_malloc(9 * MIB);
    assert_non_null(freed);
    assert_non_null(grown);
    memset(grown, 7, 9 * MIB);
    zk_free(freed);
    grown = zk_realloc(grown, 13 * MIB); /* in place it would be over */
    assert_ptr_equal(grown, freed);
    assert_int_equal(grown[9 * MIB - 1], 7);
    assert_int_equal(test_phase_stats().refused, ZK_OK);
    assert_int_equal(test_stats(*state).budget_refusals, 0);
    end();
}

static void
test_a_refusal_is_sticky_for_each_call_of_the_family(void **state)
{
    char *kept, *heap, *grown, *small;
    zk_scratch_t scope;

    (void)state;
    heap = zk_malloc(5000); /* before the phase */
    begin("sticky");
    kept = zk_malloc(3 * MIB);
    assert_non_null(kept);
    memset(kept, 7, 3 * MIB);
    errno = 0;
    assert_true(refused(zk_malloc(30 * MIB)));
    /* Though 20 MiB are free: the phase has been told that it goes wrong. */
    assert_true(refused(zk_malloc(2 * MIB)));
    assert_true(refused(zk_calloc(2, MIB)));
    assert_true(refused(zk_aligned_alloc(4096, 2 * MIB)));
    assert_true(refused(zk_phase_alloc(2 * MIB, 64)));
    assert_true(refused(zk_realloc(kept, 9 * MIB)));
    assert_true(kept[0] == 7 && kept[3 * MIB - 1] == 7); /* it is intact */
    scope = zk_scratch_begin();
    assert_true(refused(zk_scratch_alloc(2 * MIB, 64)));
    assert_int_equal(zk_scratch_end(scope), ZK_OK);

    /* What the phase has goes on to serve, and so does the heap what is its. */
    assert_non_null(zk_malloc(500 * KIB));
    zk_free(kept);
    assert_non_null(zk_malloc(2 * MIB));
    grown = zk_realloc(heap, 100000);
    assert_non_null(grown);
    small = zk_malloc(100);
    assert_non_null(small);
    end_over();
    zk_free(small);
    zk_free(grown);
}

/* A slab that is full is not the way around, here by 60 MiB of address space. */
static void
test_what_overflows_to_the_heap_is_charged_until_it_is_freed(void **state)
{
    zk_runtime_t *lane = NULL;
    char *p, *q, *r;

    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(
        zk_runtime_open(&lane,
                        ZK_OPTIONS(.slab_bytes = 4 * MIB, .budget_bytes = LIMIT,
                                   .notice = test_no_notice)),
        ZK_OK);
    begin_on(lane, "overflow");
    p = zk_malloc(8 * MIB);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    assert_int_equal(zk__budget_charged(), 8 * MIB);
    q = zk_calloc(1, 6 * MIB);
    assert_non_null(q);
    assert_true(test_all_zero(q, 6 * MIB));
    p = zk_realloc(p, 10 * MIB);
    assert_non_null(p);
    assert_int_equal(zk__budget_charged(), 16 * MIB);
    p = zk_realloc(p, 5 * MIB);
    assert_int_equal(zk__budget_charged(), 11 * MIB);
    test_fill(p, 5 * MIB, 1);
    zk_free(q);
    assert_int_equal(zk__budget_charged(), 5 * MIB);
    r = zk_aligned_alloc(8192, 12 * MIB);
    assert_non_null(r);
    assert_int_equal((uintptr_t)r % 8192, 0);
    errno = 0;
    assert_true(refused(zk_realloc(p, 13 * MIB)));
    assert_true(test_holds(p, 5 * MIB, 1));
    assert_int_equal(zk__budget_charged(), 17 * MIB);
    assert_true(refused(zk_malloc(5 * MIB)));
    zk_free(r);
    assert_int_equal(zk__budget_charged(), 5 * MIB);
    end_over();
    p = zk_realloc(p, 30 * MIB); /* of no phase, it is nobody's business */
    assert_non_null(p);
    assert_int_equal(zk__budget_charged(), 5 * MIB);
    zk_free(p);
    assert_int_equal(zk__budget_charged(), 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(zk_runtime_enter(*state), ZK_OK);
}

#define BLOCKS 3000

struct freer {
    void **blocks;
    size_t first;
    uint64_t seed;
};

static void *
free_half(void *arg)
{
    struct freer *f = arg;

    for (size_t i = f->first; i < BLOCKS; i += 2)
        zk_free(f->blocks[i]);
    return arg;
}

static void
test_many_overflowing_blocks_are_charged_each_by_itself(void **state)
{
    static void *blocks[BLOCKS];
    struct test_random random = {test_seed("overflow")};
    struct freer other = {.blocks = blocks, .first = 1};
    zk_runtime_t *lane = test_lane(1, MIB, 0);
    pthread_t thread;
    size_t sum;
    void *first;

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    begin_on(lane, "many");
    do /* until it is full */
        first = zk_malloc(5000);
    while (zk_in_arena(first));
    zk_free(first);
    sum = zk__budget_charged();
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t n = 5000 + test_below(&random, 10000);

        blocks[i] = zk_malloc(n);
        assert_non_null(blocks[i]);
        sum += n;
        if (i > 20 && i % 3 == 0) {
            size_t k = test_below(&random, i);
            size_t had = zk__budget_charged(), more;

            more = test_below(&random, 20000);
            blocks[k] = zk_realloc(blocks[k], 5000 + more);
            assert_non_null(blocks[k]);
            sum += zk__budget_charged() - had;
        }
    }
    assert_int_equal(zk__budget_charged(), sum);
    assert_int_equal(pthread_create(&thread, NULL, free_half, &other), 0);
    free_half(&(struct freer){.blocks = blocks, .first = 0});
    pthread_join(thread, NULL);
    end();
    assert_true(zk__budget_charged() <= MIB); /* the slab */
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(zk_runtime_enter(*state), ZK_OK);
}

static void
test_the_heap_does_not_serve_what_the_budget_refuses(void **state)
{
    unsigned n = 0;

    begin("around");
    while (n < 100 && zk_malloc(MIB) != NULL)
        n++;
    assert_int_equal(n, LIMIT / MIB);
    assert_true(refused(zk_malloc(MIB)));
    assert_int_equal(test_stats(*state).overflow_count, 0);
    end_over();
}

static int
take_too_much(void *arg)
{
    *(bool *)arg = zk_malloc(100 * MIB) == NULL;
    return 0;
}

static int
take_too_much_and_say_so(void *arg)
{
    (void)take_too_much(arg);
    return 77;
}

static void
test_the_function_form_returns_the_code_unless_the_stage_has_one(void **state)
{
    bool refused_it = false;

    assert_int_equal(
        zk_runtime_phase_on(*state, "a", take_too_much, &refused_it),
        ZK_EBUDGET);
    assert_true(refused_it);
    assert_int_equal(
        zk_runtime_phase_on(*state, "b", take_too_much_and_say_so, &refused_it),
        77);
    ZK_PHASE ("block") {
        assert_true(refused(zk_malloc(100 * MIB)));
    }
    assert_int_equal(zk_phase_error(), ZK_EBUDGET);
}

static void
test_each_end_from_then_on_tells_and_none_before(void **state)
{
    (void)state;
    begin("phase");
    begin("innocent");
    end();
    begin("guilty");
    assert_true(refused(zk_malloc(100 * MIB)));
    end_over();
    begin("later");
    end_over();
    end_over();
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
}

static int
fail_with_42(void *arg)
{
    (void)arg;
    return 42;
}

static void
test_a_tasks_code_and_a_cancel_come_first(void **state)
{
    (void)state;
    begin("task");
    assert_true(refused(zk_malloc(100 * MIB)));
    assert_int_equal(zk_spawn(NULL, fail_with_42, NULL), ZK_OK);
    assert_int_equal(zk_phase_end(), 42);
    begin("cancel");
    assert_true(refused(zk_malloc(100 * MIB)));
    assert_int_equal(zk_phase_cancel(zk_phase_id()), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
}

static void
test_a_secret_phase_is_refused_alike_and_still_wiped(void **state)
{
    zk_phase_options_t options = {.size = sizeof options,
                                  .flags = ZK_PHASE_SECRET};
    char *p;

    assert_int_equal(zk_phase_begin_ex(*state, "secret", &options), ZK_OK);
    p = zk_malloc(9 * MIB);
    assert_non_null(p);
    memset(p, 0x5a, 9 * MIB);
    assert_true(refused(zk_malloc(40 * MIB)));
    end_over();
    zk__unpoison(p, 9 * MIB);
    assert_true(test_all_zero(p, 9 * MIB));
}

static int
take_in_task(void *arg)
{
    _Atomic unsigned *got = arg;
    void *p = zk_malloc(3 * MIB);

    if (p != NULL) {
        memset(p, 1, 3 * MIB);
        zk_add_relaxed(got, 1u);
    }
    return 0;
}

static void
test_tasks_share_the_budget_of_their_phase(void **state)
{
    _Atomic unsigned got = 0;

    (void)state;
    begin("tasks");
    for (int i = 0; i < 40; i++)
        assert_int_equal(zk_spawn(NULL, take_in_task, &got), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_EBUDGET);
    assert_true(got >= 1 && got <= LIMIT / (3 * MIB));
    assert_true(zk__budget_charged() <= LIMIT);
}

/* ---- warm phases ---------------------------------------------------------------- */

static void
test_warm_phases_charge_nothing_more(void **state)
{
    size_t charged = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        begin("warm");
        for (int k = 0; k < 20; k++)
            assert_non_null(zk_malloc(MIB));
        if (i == 0)
            charged = zk__budget_charged();
        assert_int_equal(zk__budget_charged(), charged);
        end();
    }
}

/* ---- idle memory -------------------------------------------------------------- */

static void *
fill_and_leave(void *lane)
{
    void *p;

    if (zk_phase_begin_on(lane, "leaves") != ZK_OK)
        return NULL;
    p = zk_malloc(20 * MIB);
    if (p != NULL)
        memset(p, 1, 20 * MIB);
    return zk_phase_end() == ZK_OK ? lane : NULL; /* goes to the pool */
}

/* Runs it on a thread of its own, and waits. */
static bool
on_a_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    void *result = NULL;

    return pthread_create(&thread, NULL, fn, arg) == 0 &&
           pthread_join(thread, &result) == 0 && result == arg;
}

static void
test_arenas_that_nobody_holds_go_before_anything_is_refused(void **state)
{
    begin("mine"); /* so that the other thread gets another one */
    end();
    assert_true(on_a_thread(fill_and_leave, *state));
    assert_int_equal(zk__budget_charged(), 20 * MIB);
    begin("mine");
    assert_non_null(zk_malloc(22 * MIB));
    end();
}

static void
test_idle_arenas_of_other_lanes_go_too(void **state)
{
    zk_runtime_t *other = budget_lane(LIMIT, 1);

    (void)state;
    assert_non_null(other);
    assert_true(on_a_thread(fill_and_leave, other));
    assert_int_equal(zk__budget_charged(), 20 * MIB);
    begin("here");
    assert_non_null(zk_malloc(20 * MIB));
    assert_int_equal(zk__budget_charged(), 24 * MIB);
    end();
    assert_int_equal(zk_runtime_close(other), ZK_OK);
}

/* K5: warm memory of a slot that this phase does not use is not its own either. */
static void
test_warm_memory_of_idle_slots_serves_the_others(void **state)
{
    assert_true(on_a_thread(fill_and_leave, *state)); /* in one slot */
    for (int i = 0; i < 6; i++) {
        begin("in another slot of that arena");
        assert_non_null(zk_malloc(22 * MIB));
        assert_true(zk__budget_charged() <= LIMIT);
        end();
        assert_int_equal(zk_phase_release(), ZK_OK);
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_true(on_a_thread(fill_and_leave, *state));
        assert_int_equal(zk_runtime_enter(*state), ZK_OK);
    }
}

/* Data that may be read still are not idle. */
static void
test_the_data_of_a_threads_last_phase_stay(void **state)
{
    zk_runtime_t *other = budget_lane(LIMIT, 1);
    char *p;

    assert_non_null(other);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    begin_on(other, "last");
    p = zk_malloc(20 * MIB);
    assert_non_null(p);
    test_fill(p, 20 * MIB, 5);
    end();
    assert_false(on_a_thread(fill_and_leave, *state)); /* 4 MiB are left */
    assert_true(test_holds(p, 20 * MIB, 5));
    assert_int_equal(zk_phase_release(), ZK_OK);
    assert_true(on_a_thread(fill_and_leave, *state));
    assert_int_equal(zk_runtime_close(other), ZK_OK);
    assert_int_equal(zk_runtime_enter(*state), ZK_OK);
}

static void
test_after_a_refusal_the_next_phase_may_use_other_slots(void **state)
{
    _Atomic unsigned got = 0;

    (void)state;
    begin("on slot 0");
    assert_non_null(zk_malloc(20 * MIB));
    assert_int_equal(test_run_on_worker(take_in_task, &got), 0);
    assert_int_equal(test_run_on_worker(take_in_task, &got), 0);
    assert_true(got < 2);
    end_over();
    got = 0;
    begin("on the other");
    for (int i = 0; i < 6; i++)
        assert_int_equal(test_run_on_worker(take_in_task, &got), 0);
    assert_int_equal(got, 6);
    end();
}

static void
test_everything_is_given_back_by_trim_and_release(void **state)
{
    size_t released = 0;

    begin("some");
    assert_non_null(zk_malloc(10 * MIB));
    end();
    assert_int_equal(zk_phase_release(), ZK_OK);
    assert_int_equal(zk_runtime_trim(*state, &released), ZK_OK);
    assert_true(released >= 10 * MIB); /* and what the heap had free */
    assert_int_equal(zk__budget_charged(), 0);
}

/* ---- reserve -------------------------------------------------------------------- */

static void
test_reserve_says_need_and_have(void **state)
{
    begin("reserve");
    assert_int_equal(zk_phase_reserve(30 * MIB), ZK_EBUDGET);
    assert_int_equal(figures().need, 30 * MIB);
    assert_int_equal(figures().have, LIMIT);
    assert_int_equal(figures().charged, 0);
    assert_int_equal(figures().reserved, 0);
    assert_int_equal(test_phase_stats().refused, 0); /* nothing went wrong */
    assert_int_equal(test_stats(*state).budget_refusals, 1);
    assert_int_equal(zk_phase_reserve(16 * MIB), ZK_OK);
    assert_int_equal(figures().charged, 16 * MIB);
    assert_int_equal(figures().reserved, 16 * MIB);
    assert_non_null(zk_malloc(10 * MIB));
    assert_int_equal(figures().charged, 16 * MIB);
    assert_int_equal(figures().reserved, 6 * MIB);
    assert_non_null(zk_malloc(10 * MIB)); /* 4 of them beyond it */
    assert_int_equal(figures().charged, 20 * MIB);
    assert_int_equal(figures().reserved, 0);
    end();
    assert_int_equal(zk__budget_charged(), 20 * MIB);
}

static void
test_what_was_reserved_and_not_used_is_given_back_at_the_end(void **state)
{
    (void)state;
    begin("reserve");
    begin("stage");
    assert_int_equal(zk_phase_reserve(20 * MIB), ZK_OK);
    assert_non_null(zk_malloc(MIB));
    end();
    assert_int_equal(zk__budget_charged(), 20 * MIB); /* it is the phase's */
    end();
    assert_int_equal(zk__budget_charged(), 2 * MIB);
}

static void
test_warm_memory_counts_for_a_reserve(void **state)
{
    (void)state;
    begin("cold");
    assert_non_null(zk_malloc(20 * MIB));
    end();
    begin("warm");
    assert_int_equal(zk_phase_reserve(22 * MIB), ZK_OK);
    assert_int_equal(zk__budget_charged(), 22 * MIB);
    assert_int_equal(zk_phase_reserve(22 * MIB), ZK_OK); /* not twice */
    assert_int_equal(zk__budget_charged(), 22 * MIB);
    assert_int_equal(zk_phase_reserve(25 * MIB), ZK_EBUDGET);
    assert_int_equal(zk_phase_reserve(SIZE_MAX), ZK_EBUDGET);
    end();
}

static void
test_reserve_wants_a_phase_and_figures_a_size(void **state)
{
    zk_phase_budget_t b = {.size = sizeof b - 1};

    (void)state;
    assert_int_equal(zk_phase_reserve(1), ZK_ESTALE);
    assert_int_equal(zk_phase_budget(NULL), ZK_EINVAL);
    assert_int_equal(zk_phase_budget(&b), ZK_EINVAL);
    b.size = sizeof b;
    assert_int_equal(zk_phase_budget(&b), ZK_ESTALE);
    begin("now");
    assert_int_equal(zk_phase_reserve(0), ZK_OK);
    assert_int_equal(zk_phase_budget(&b), ZK_OK);
    end();
    assert_int_equal(zk_phase_reserve(1), ZK_ESTALE);
    assert_int_equal(zk_phase_budget(&b), ZK_OK); /* of the last one */
}

static int
reserve_in_task(void *arg)
{
    *(zk_err_t *)arg = zk_phase_reserve(30 * MIB);
    return 0;
}

static void
test_a_task_may_reserve_for_its_phase(void **state)
{
    zk_err_t err = ZK_OK;

    (void)state;
    begin("task");
    assert_int_equal(test_run_on_worker(reserve_in_task, &err), 0);
    assert_int_equal(err, ZK_EBUDGET);
    assert_int_equal(figures().need, 30 * MIB);
    end();
}

static void
test_after_a_refusal_nothing_can_be_reserved(void **state)
{
    (void)state;
    begin("refused");
    assert_true(refused(zk_malloc(100 * MIB)));
    assert_int_equal(zk_phase_reserve(MIB), ZK_EBUDGET);
    end_over();
}

/* ---- phases that run at the same time --------------------------------------------- */

struct rival {
    zk_runtime_t *lane;
    pthread_barrier_t *barrier;
    size_t bytes;
    zk_err_t reserved, ended;
    unsigned served;
};

/* Reserves, meets the other, and uses what it got. */
static void *
compete(void *arg)
{
    struct rival *r = arg;

    if (zk_phase_begin_on(r->lane, "rival") != ZK_OK)
        return NULL;
    pthread_barrier_wait(r->barrier);
    r->reserved = zk_phase_reserve(r->bytes);
    pthread_barrier_wait(r->barrier);
    if (r->reserved == ZK_OK)
        for (size_t i = 0; i < r->bytes / MIB; i++)
            r->served += zk_malloc(MIB) != NULL;
    pthread_barrier_wait(r->barrier);
    r->ended = zk_phase_end();
    return NULL;
}

static void
race_two(struct rival *a, struct rival *b)
{
    pthread_barrier_t barrier;
    pthread_t threads[2];

    pthread_barrier_init(&barrier, NULL, 2);
    a->barrier = b->barrier = &barrier;
    assert_int_equal(pthread_create(&threads[0], NULL, compete, a), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, compete, b), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    pthread_barrier_destroy(&barrier);
}

static void
test_of_two_phases_one_is_admitted_and_gets_all_it_reserved(void **state)
{
    for (unsigned i = 0; i < test_scaled(400); i++) {
        struct rival a = {.lane = *state, .bytes = 14 * MIB}, b = a;
        struct rival *won, *lost;

        race_two(&a, &b);
        won = a.reserved == ZK_OK ? &a : &b;
        lost = won == &a ? &b : &a;
        assert_int_equal(won->reserved, ZK_OK);
        assert_int_equal(won->ended, ZK_OK);
        assert_int_equal(won->served, 14);
        assert_int_equal(lost->reserved, ZK_EBUDGET);
        assert_int_equal(lost->ended, ZK_OK);
    }
}

static void
test_two_phases_that_fit_are_both_admitted(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct rival a = {.lane = *state, .bytes = 10 * MIB}, b = a;

        race_two(&a, &b);
        assert_int_equal(a.reserved, ZK_OK);
        assert_int_equal(b.reserved, ZK_OK);
        assert_int_equal(a.served + b.served, 20);
        assert_int_equal(a.ended, ZK_OK);
        assert_int_equal(b.ended, ZK_OK);
    }
}

/* ---- what is chosen ------------------------------------------------------------------ */

static void
test_the_info_says_how_much_and_why(void **state)
{
    zk_runtime_t *lane = NULL;

    assert_int_equal(test_info(*state).budget_bytes, LIMIT);
    assert_string_equal(test_info(*state).budget_from, "options");
    assert_int_equal(zk_runtime_open(&lane, ZK_OPTIONS(.budget_bytes = SIZE_MAX,
                                                       .slab_bytes = 4 * MIB)),
                     ZK_OK);
    assert_int_equal(test_info(lane).budget_bytes, SIZE_MAX);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    setenv("ZK_ALLOC_BUDGET", "50M", 1);
    assert_int_equal(zk_runtime_open(&lane, ZK_OPTIONS(.budget_bytes = 4 * MIB,
                                                       .slab_bytes = 4 * MIB)),
                     ZK_OK);
    unsetenv("ZK_ALLOC_BUDGET");
    assert_int_equal(test_info(lane).budget_bytes, 50 * MIB);
    assert_string_equal(test_info(lane).budget_from, "ZK_ALLOC_BUDGET");
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(zk_runtime_open(&lane, ZK_OPTIONS(.budget_percent = 50,
                                                       .slab_bytes = 4 * MIB)),
                     ZK_OK);
    assert_true(test_info(lane).budget_bytes < SIZE_MAX / 2);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- children -------------------------------------------------------------------------- */

static int
go_on_in_a_child(void *lane)
{
    CHILD_CHECK(zk_runtime_leave() == ZK_OK);
    CHILD_CHECK(zk_phase_begin_on(lane, "child") == ZK_OK);
    CHILD_CHECK(zk_phase_reserve(24 * MIB) == ZK_OK);
    CHILD_CHECK(zk_malloc(20 * MIB) != NULL);
    CHILD_CHECK(zk_malloc(20 * MIB) == NULL);
    CHILD_CHECK(zk_phase_end() == ZK_EBUDGET);
    return 0;
}

struct holder {
    zk_runtime_t *lane;
    _Atomic unsigned reserved, stop;
};

static void *
hold_a_claim(void *arg)
{
    struct holder *h = arg;

    if (zk_phase_begin_on(h->lane, "claim") != ZK_OK)
        return NULL;
    zk_store_release(&h->reserved,
                     zk_phase_reserve(20 * MIB) == ZK_OK ? 1u : 2u);
    rt_await(&h->stop, 1);
    return zk_phase_end() == ZK_OK ? arg : NULL;
}

/* The thread that reserved is not in the child, and does not end its phase. */
static void
test_a_child_does_not_inherit_claims_of_threads_it_lacks(void **state)
{
    struct holder h = {.lane = *state};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, hold_a_claim, &h), 0);
    rt_await(&h.reserved, 1);
    assert_int_equal(h.reserved, 1);
    assert_true(test_child_succeeds(go_on_in_a_child, *state));
    zk_store_release(&h.stop, 1u);
    pthread_join(thread, NULL);
}

#define budget_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        budget_test(test_a_request_over_the_budget_is_null_and_the_end_tells),
        budget_test(test_scratch_that_a_block_can_be_is_no_refusal),
        budget_test(test_growth_that_finds_freed_memory_is_no_refusal),
        budget_test(test_a_refusal_is_sticky_for_each_call_of_the_family),
        budget_test(test_the_heap_does_not_serve_what_the_budget_refuses),
        budget_test(
            test_what_overflows_to_the_heap_is_charged_until_it_is_freed),
        budget_test(test_many_overflowing_blocks_are_charged_each_by_itself),
        budget_test(
            test_the_function_form_returns_the_code_unless_the_stage_has_one),
        budget_test(test_each_end_from_then_on_tells_and_none_before),
        budget_test(test_a_tasks_code_and_a_cancel_come_first),
        budget_test(test_a_secret_phase_is_refused_alike_and_still_wiped),
        budget_test(test_tasks_share_the_budget_of_their_phase),
        budget_test(test_warm_phases_charge_nothing_more),
        budget_test(
            test_arenas_that_nobody_holds_go_before_anything_is_refused),
        budget_test(test_idle_arenas_of_other_lanes_go_too),
        budget_test(test_warm_memory_of_idle_slots_serves_the_others),
        budget_test(test_the_data_of_a_threads_last_phase_stay),
        budget_test(test_after_a_refusal_the_next_phase_may_use_other_slots),
        budget_test(test_everything_is_given_back_by_trim_and_release),
        budget_test(test_reserve_says_need_and_have),
        budget_test(
            test_what_was_reserved_and_not_used_is_given_back_at_the_end),
        budget_test(test_warm_memory_counts_for_a_reserve),
        budget_test(test_reserve_wants_a_phase_and_figures_a_size),
        budget_test(test_a_task_may_reserve_for_its_phase),
        budget_test(test_after_a_refusal_nothing_can_be_reserved),
        budget_test(
            test_of_two_phases_one_is_admitted_and_gets_all_it_reserved),
        budget_test(test_two_phases_that_fit_are_both_admitted),
        budget_test(test_the_info_says_how_much_and_why),
        budget_test(test_a_child_does_not_inherit_claims_of_threads_it_lacks),
    };

    rt_begin();
    test_clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
