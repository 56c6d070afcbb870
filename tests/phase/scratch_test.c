/*
 * scratch_test.c - scopes of tasks, loops, stages and phases, beside each other.
 * The far end itself: tests/alloc/scratch_test.c.
 */
#include <errno.h>

#include "tests/phase/phases.h"

#include "private/poison.h"

static int
setup(void **state)
{
    return phases_open(state, 3, 0, true);
}

static bool
is_poisoned(const void *p)
{
#if ZK_HAVE_ASAN
    return __asan_address_is_poisoned(p) != 0;
#else
    (void)p;
    return true;
#endif
}

/* ---- in a phase ---------------------------------------------------------- */

static void
test_scratch_of_a_phase_lies_in_its_arena(void **state)
{
    zk_scratch_t a, b;
    char *block, *p, *q;

    begin("a");
    block = zk_phase_alloc(100000, 0);
    a = zk_scratch_begin();
    p = zk_scratch_alloc(100, 0);
    b = zk_scratch_begin();
    q = zk_scratch_alloc(5000, 4096);
    assert_true(zk_in_arena(p) && zk_in_arena(q));
    assert_true(block + 100000 <= q && q + 5000 <= p);
    assert_int_equal((uintptr_t)q % 4096, 0);
    test_fill(p, 100, 1);
    test_fill(q, 5000, 2);
    assert_int_equal(zk_scratch_end(a), ZK_ESTALE);
    assert_true(test_holds(p, 100, 1) && test_holds(q, 5000, 2));
    assert_int_equal(zk_scratch_end(b), ZK_OK);
    assert_true(is_poisoned(q));
    assert_ptr_equal(zk_scratch_alloc(64, 0), p - 64);
    assert_true(test_phase_stats().scratch_peak_bytes >= 5128);
    assert_true(test_phase_stats().scratch_peak_bytes <= 5128 + 4096);
    assert_true(test_phase_stats().bytes <= 100000 + 64);
    assert_int_equal(zk_scratch_end(a), ZK_OK);
    assert_true(is_poisoned(p));
    end();
    assert_int_equal(test_stats(*state).overflow_count, 0);
}

static void
test_scratch_is_no_block_to_free(void **state)
{
    zk_scratch_t a;
    char *p;

    begin("a");
    a = zk_scratch_begin();
    p = zk_scratch_alloc(10000, 0);
    test_fill(p, 10000, 1);
    assert_int_equal(zk_usable_size(p), 0);
    zk_free(p);
    assert_int_equal(test_stats(*state).bad_frees, 1);
    errno = 0;
    assert_null(zk_realloc(p, 20000));
    assert_int_equal(errno, EINVAL);
    assert_true(test_holds(p, 10000, 1));
    assert_int_equal(zk_scratch_end(a), ZK_OK);
    end();
}

/* Blocks and scratch fill the slab from both sides; then both overflow. */
static void
test_full_slab_has_scratch_overflow_like_blocks(void **state)
{
    static char *scratch[400];
    zk_scratch_t a;
    unsigned n = 0;
    void *p;

    begin("a");
    a = zk_scratch_begin();
    while (zk_phase_alloc(50000, 0) != NULL && n < 400) {
        scratch[n] = zk_scratch_alloc(50000, 0);
        assert_non_null(scratch[n]);
        test_fill(scratch[n], 50000, n);
        n++;
    }
    assert_true(n > 100 && n < 400);
    p = zk_scratch_alloc(100000, 0);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    assert_true(test_stats(*state).overflow_count != 0);
    for (unsigned i = 0; i < n; i++)
        assert_true(test_holds(scratch[i], 50000, i));
    assert_int_equal(zk_scratch_end(a), ZK_OK);
    p = zk_phase_alloc(6 * MIB, 0); /* where scratch was */
    assert_non_null(p);
    memset(p, 1, 6 * MIB);
    end();
}

/* A slab that had scratch only: a pointer into it traps as others do. */
static void
test_scratch_alone_makes_a_slab_move(void **state)
{
    uint64_t moves;
    char *p, *q;

    if (test_info(*state).trap == ZK_TRAP_OFF)
        skip();
    begin("a");
    assert_int_equal(zk_scratch_end(zk_scratch_begin()), ZK_OK);
    end();
    moves = test_stats(*state).moves;
    begin("b");
    assert_int_equal(test_stats(*state).moves, moves);
    (void)zk_scratch_begin();
    p = zk_scratch_alloc(1000, 0);
    memset(p, 1, 1000);
    end();
    begin("c");
    assert_int_equal(test_stats(*state).moves, moves + 1);
    (void)zk_scratch_begin();
    q = zk_scratch_alloc(1000, 0);
    assert_true(p != q);
    memset(q, 1, 1000);
    end();
}

/* ---- stages -------------------------------------------------------------- */

static void
test_stage_ends_its_scopes_and_no_others(void **state)
{
    zk_scratch_t a, b;
    char *p, *q;

    begin("a");
    a = zk_scratch_begin();
    p = zk_scratch_alloc(1000, 0);
    test_fill(p, 1000, 1);
    begin("stage");
    assert_int_equal(zk_scratch_end(a), ZK_ESTALE);
    assert_null(zk_scratch_alloc(10, 0));
    b = zk_scratch_begin();
    q = zk_scratch_alloc(2000, 0);
    test_fill(q, 2000, 2);
    begin("inner");
    (void)zk_scratch_begin();
    assert_non_null(zk_scratch_alloc(3 * MIB, 0));
    end();
    assert_true(test_holds(q, 2000, 2));
    assert_ptr_equal(zk_scratch_alloc(64, 0), q - 64);
    end();
    assert_true(is_poisoned(q));
    assert_int_equal(zk_scratch_end(b), ZK_ESTALE);
    assert_true(test_holds(p, 1000, 1));
    assert_ptr_equal(zk_scratch_alloc(64, 0), p - 64);
    assert_int_equal(zk_scratch_end(a), ZK_OK);
    end();
    assert_int_equal(test_stats(*state).overflow_count, 0);
}

static void
test_phase_ends_its_scopes_and_shows_the_thread_its_own(void **state)
{
    zk_scratch_t outside = zk_scratch_begin(), a;
    char *p = zk_scratch_alloc(1000, 0);

    test_fill(p, 1000, 1);
    for (int i = 0; i < 20; i++) {
        begin("a");
        assert_int_equal(zk_scratch_end(outside), ZK_ESTALE);
        a = zk_scratch_begin();
        assert_non_null(zk_scratch_alloc(10 * MIB, 0));
        assert_non_null(zk_scratch_alloc(10 * MIB, 0)); /* by the heap */
        end();
        assert_int_equal(zk_scratch_end(a), ZK_ESTALE);
    }
    assert_int_equal(test_stats(*state).overflow_count, 20);
    assert_true(test_holds(p, 1000, 1));
    assert_int_equal(zk_scratch_end(outside), ZK_OK);
}

/* ---- loops --------------------------------------------------------------- */

struct seen {
    _Atomic unsigned calls, wrong;
    zk_scratch_t outer;
};

static void
expect(struct seen *s, bool holds)
{
    if (!holds)
        zk_add_relaxed(&s->wrong, 1u);
}

static int
leave_open(size_t from, size_t to, void *arg)
{
    struct seen *s = arg;
    char *p;

    (void)to;
    expect(s, zk_scratch_alloc(10, 0) == NULL);
    expect(s, zk_scratch_end(s->outer) == ZK_ESTALE);
    (void)zk_scratch_begin();
    (void)zk_scratch_begin();
    p = zk_scratch_alloc(3 * MIB, 0);
    expect(s, p != NULL && zk_in_arena(p));
    if (p != NULL)
        test_fill(p, 100, from);
    expect(s, p != NULL && test_holds(p, 100, from));
    zk_add_relaxed(&s->calls, 1u);
    return from == 900 ? 7 : 0;
}

/* Each call has a task's scopes of its own, the caller's share too. */
static void
test_call_of_a_body_ends_what_it_left_open(void **state)
{
    struct seen s = {0};
    char *p;

    begin("a");
    s.outer = zk_scratch_begin();
    p = zk_scratch_alloc(1000, 0);
    test_fill(p, 1000, 1);
    assert_int_equal(zk_parallel_for(0, 500, 1, leave_open, &s), ZK_OK);
    assert_int_equal(s.calls, 500);
    assert_int_equal(zk_parallel_for(0, 500, 0, leave_open, &s), ZK_OK);
    assert_int_equal(zk_parallel_for(0, 1000, 1, leave_open, &s), 7);
    assert_int_equal(s.wrong, 0);
    assert_true(test_holds(p, 1000, 1));
    assert_ptr_equal(zk_scratch_alloc(64, 0), p - 64);
    assert_int_equal(zk_scratch_end(s.outer), ZK_OK);
    end();
    assert_int_equal(test_stats(*state).overflow_count, 0);
}

/* ---- tasks inside of tasks ----------------------------------------------- */

struct node {
    struct seen *seen;
    unsigned depth;
    uint64_t key;
};

#define CHILDREN 4

static int
run_tree(void *arg)
{
    struct node *node = arg;
    struct seen *s = node->seen;
    struct test_random r = {node->key};
    struct node children[CHILDREN];
    zk_group_t group = ZK_GROUP_INIT;
    zk_scratch_t a = zk_scratch_begin(), b;
    size_t n = 1 + test_below(&r, 20000), m = 1 + test_below(&r, 500);
    char *p = zk_scratch_alloc(n, 0), *q;

    expect(s, zk_in_arena(p));
    test_fill(p, n, node->key);
    b = zk_scratch_begin();
    q = zk_scratch_alloc(m, (size_t)64 << test_below(&r, 4));
    test_fill(q, m, node->key + 1);
    for (unsigned i = 0; node->depth != 0 && i < CHILDREN; i++) {
        children[i] = (struct node){s, node->depth - 1, test_next(&r)};
        expect(s, zk_spawn(&group, run_tree, &children[i]) == ZK_OK);
    }
    (void)zk_sync(&group); /* what we wait in runs others meanwhile */
    expect(s, test_holds(p, n, node->key));
    expect(s, test_holds(q, m, node->key + 1));
    expect(s, zk_scratch_alloc(64, 0) == q - 64);
    expect(s, zk_scratch_end(a) == ZK_ESTALE);
    if (test_below(&r, 2) == 0) {
        expect(s, zk_scratch_end(b) == ZK_OK);
        expect(s, test_holds(p, n, node->key));
        if (test_below(&r, 2) == 0)
            expect(s, zk_scratch_end(a) == ZK_OK);
    }
    zk_add_relaxed(&s->calls, 1u);
    return node->depth == 0 && test_below(&r, 100) == 0 ? 7 : 0;
}

static void
test_waiting_worker_finds_its_scratch_as_it_was(void **state)
{
    struct test_random random = {test_seed("waiting_worker")};
    unsigned rounds = test_scaled(120);

    for (unsigned i = 0; i < rounds; i++) {
        struct seen s = {0};
        struct node root = {&s, 5, test_next(&random)};
        zk_group_t group = ZK_GROUP_INIT;

        begin("tree");
        assert_int_equal(zk_spawn(&group, run_tree, &root), ZK_OK);
        (void)zk_sync(&group);
        end();
        assert_true(s.calls > 300);
        assert_int_equal(s.wrong, 0);
    }
    assert_int_equal(test_stats(*state).overflow_count, 0);
}

static int
nested_body(size_t from, size_t to, void *arg)
{
    struct seen *s = arg;
    zk_scratch_t a = zk_scratch_begin();
    char *p = zk_scratch_alloc(10000, 0);

    (void)to;
    test_fill(p, 10000, from);
    expect(s, zk_parallel_for(0, 20, 1, leave_open, s) == ZK_OK);
    expect(s, test_holds(p, 10000, from));
    expect(s, zk_scratch_end(a) == ZK_OK);
    return 0;
}

static void
test_nested_loops_keep_their_scratch(void **state)
{
    struct seen s = {0};

    begin("a");
    assert_int_equal(zk_parallel_for(0, 100, 1, nested_body, &s), ZK_OK);
    end();
    assert_int_equal(s.calls, 2000);
    assert_int_equal(s.wrong, 0);
    assert_int_equal(test_stats(*state).overflow_count, 0);
}

/* ---- other threads -------------------------------------------------------- */

static void *
end_of_another(void *arg)
{
    struct seen *s = arg;
    zk_scratch_t mine = zk_scratch_begin();

    expect(s, zk_scratch_end(s->outer) == ZK_ESTALE);
    expect(s, zk_scratch_alloc(1000, 0) != NULL);
    expect(s, zk_scratch_end(mine) == ZK_OK);
    expect(s, zk_scratch_end(s->outer) == ZK_ESTALE);
    return NULL;
}

static int
end_of_another_task(void *arg)
{
    (void)end_of_another(arg);
    return 0;
}

static void
test_scope_is_ended_by_its_own_task_only(void **state)
{
    struct seen s = {0};
    pthread_t thread;

    (void)state;
    begin("a");
    s.outer = zk_scratch_begin();
    assert_int_equal(pthread_create(&thread, NULL, end_of_another, &s), 0);
    pthread_join(thread, NULL);
    assert_int_equal(test_run_on_worker(end_of_another_task, &s), ZK_OK);
    assert_int_equal(s.wrong, 0);
    assert_int_equal(zk_scratch_end(s.outer), ZK_OK);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, phases_close)
        TEST(test_scratch_of_a_phase_lies_in_its_arena),
        TEST(test_scratch_is_no_block_to_free),
        TEST(test_full_slab_has_scratch_overflow_like_blocks),
        TEST(test_scratch_alone_makes_a_slab_move),
        TEST(test_stage_ends_its_scopes_and_no_others),
        TEST(test_phase_ends_its_scopes_and_shows_the_thread_its_own),
        TEST(test_call_of_a_body_ends_what_it_left_open),
        TEST(test_waiting_worker_finds_its_scratch_as_it_was),
        TEST(test_nested_loops_keep_their_scratch),
        TEST(test_scope_is_ended_by_its_own_task_only),
#undef TEST
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
