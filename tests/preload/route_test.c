/*
 * route_test.c - ZK_ALLOC_ROUTE=arena: plain malloc inside a phase. The program
 * links libzkrt.so and is run with libzkrt-malloc.so. O17
 */
#include <malloc.h>
#include <pthread.h>

#include "private/atomic.h"
#include "tests/support.h"

/* Kept from the compiler, which knows what these do. */
static void *(*volatile allocate)(size_t) = malloc;
static void *(*volatile zeroed)(size_t, size_t) = calloc;
static void *(*volatile change)(void *, size_t) = realloc;
static void *(*volatile align_to)(size_t, size_t) = aligned_alloc;
static void (*volatile release)(void *) = free;

static void
test_large_requests_of_members_come_from_the_arena(void **state)
{
    char *before = allocate(MIB), *p, *q, *small;

    (void)state;
    assert_false(zk_in_arena(before));
    test_fill(before, MIB, 1);
    assert_int_equal(zk_phase_begin("route"), ZK_OK);
    p = allocate(MIB);
    assert_true(zk_in_arena(p));
    assert_true(malloc_usable_size(p) >= MIB);
    test_fill(p, MIB, 2);
    q = zeroed(1, 100000);
    assert_true(zk_in_arena(q) && test_all_zero(q, 100000));
    release(q);
    q = align_to(4096, 100 * KIB);
    assert_true(zk_in_arena(q));
    assert_int_equal((uintptr_t)q % 4096, 0);
    small = allocate(8192); /* as a stream's buffer */
    assert_false(zk_in_arena(small));
    p = change(p, 2 * MIB);
    assert_true(zk_in_arena(p));
    assert_true(test_holds(p, MIB, 2));
    before = change(before, 3 * MIB); /* what is the heap's stays there */
    assert_false(zk_in_arena(before));
    assert_true(test_holds(before, MIB, 1));
    assert_int_equal(zk_phase_end(), ZK_OK);

    assert_true(test_holds(p, MIB, 2));
    p = change(p, 4 * MIB); /* out of the ended phase */
    assert_false(zk_in_arena(p));
    assert_true(test_holds(p, MIB, 2));
    release(p);
    release(q); /* nothing happens */
    release(small);
    release(before);
    p = allocate(MIB);
    assert_false(zk_in_arena(p));
    release(p);
}

static void *
allocate_outside(void *arg)
{
    void *p = allocate(MIB);

    (void)arg;
    if (zk_in_arena(p)) {
        release(p);
        return NULL;
    }
    return p;
}

static int
allocate_in_a_task(size_t begin, size_t end, void *arg)
{
    for (size_t i = begin; i < end; i++) {
        char *p = allocate(70000);

        if (p == NULL || !zk_in_arena(p))
            zk_add_relaxed((_Atomic unsigned *)arg, 1u);
        release(p);
    }
    return 0;
}

static void
test_tasks_are_members_and_other_threads_are_not(void **state)
{
    _Atomic unsigned wrong = 0;
    pthread_t thread;
    void *p = NULL;

    (void)state;
    assert_int_equal(zk_phase_begin("route"), ZK_OK);
    assert_int_equal(zk_parallel_for(0, 1000, 1, allocate_in_a_task, &wrong),
                     ZK_OK);
    assert_int_equal(pthread_create(&thread, NULL, allocate_outside, NULL), 0);
    pthread_join(thread, &p);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(wrong, 0);
    assert_non_null(p);
    release(p);
}

/* What zkrt's own heap gave is freed by either name. */
static void
test_blocks_of_both_heaps_are_freed_by_plain_free(void **state)
{
    (void)state;
    for (size_t n = 1; n < 4 * MIB; n *= 3) {
        char *p = zk_malloc(n);

        assert_true(malloc_usable_size(p) >= n);
        test_fill(p, n, n);
        p = change(p, 2 * n);
        assert_true(test_holds(p, n, n));
        release(p);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_requests_of_members_come_from_the_arena),
        cmocka_unit_test(test_tasks_are_members_and_other_threads_are_not),
        cmocka_unit_test(test_blocks_of_both_heaps_are_freed_by_plain_free),
    };

    if (getenv("LD_PRELOAD") == NULL)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
