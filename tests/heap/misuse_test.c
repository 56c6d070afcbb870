/*
 * misuse_test.c - a call that proves a program wrong ends it, with a line that
 * says what and where; what does not is a code. O13, O14, R1, R7, R9, ON3.
 */
#include "tests/heap/misuse.h"

static enum zk_heap_fault
fault_of(const zk_cache_t *cache)
{
    zk_heap_error_t error = {.size = sizeof error};

    return zk_cache_error(cache, &error) == ZK_OK ? error.fault
                                                  : ZK_HEAP_NO_FAULT;
}

/* ---- a double free, at once ----------------------------------------------- */

static int
free_twice(void *arg)
{
    void *p = zk_malloc(64);

    (void)arg;
    release(p);
    release(p);
    return 9;
}

static int
free_twice_large(void *arg)
{
    void *p = zk_malloc(5 * MIB);

    (void)arg;
    release(p);
    release(p);
    return 9;
}

/* The thread keeps it for its next one. */
static int
free_twice_kept(void *arg)
{
    void *p = zk_malloc(MIB);

    (void)arg;
    release(p);
    release(p);
    return 9;
}

static void *
release_it(void *p)
{
    release(p);
    return NULL;
}

static int
free_twice_kept_by_two(void *arg)
{
    void *p = zk_malloc(MIB);
    pthread_t thread;

    (void)arg;
    release(p);
    if (pthread_create(&thread, NULL, release_it, p) != 0)
        return 8;
    pthread_join(thread, NULL);
    return 9;
}

static int
grow_what_is_kept(void *arg)
{
    char *p = zk_malloc(MIB);

    (void)arg;
    release(p);
    return change(p, 6 * MIB) != NULL;
}

static int
free_twice_uncached(void *arg)
{
    void *p = zk_malloc(300 * KIB);

    (void)arg;
    release(p);
    release(p);
    return 9;
}

static int
grow_what_is_free(void *arg)
{
    char *p = zk_malloc(5 * MIB);

    (void)arg;
    release(p);
    return change(p, 6 * MIB) != NULL;
}

static int
free_twice_in_a_heap_of_ones_own(void *arg)
{
    zk_cache_t *cache = own_cache();

    (void)arg;
    CHILD_CHECK(cache != NULL);
    for (size_t n = 16; n <= 4 * MIB; n *= 4) {
        void *p = zk_heap_alloc(cache, n, 0);

        CHILD_CHECK(zk_heap_free(cache, p) == ZK_OK);
        CHILD_CHECK(zk_heap_free(cache, p) == ZK_ESTALE);
        CHILD_CHECK(fault_of(cache) == ZK_HEAP_FREED);
    }
    return heap_works();
}

static void
test_a_double_free_is_reported(void **state)
{
    static const struct misuse cases[] = {
        CASE(free_twice, ALWAYS, "zk_free", "is free already"),
        CASE(free_twice_large, ALWAYS, "zk_free", "is free already"),
        CASE(free_twice_kept, ALWAYS, "zk_free", "is free already"),
        CASE(free_twice_kept_by_two, ALWAYS, "zk_free", "is free already"),
        CASE(grow_what_is_kept, ALWAYS, "realloc", "is free already"),
        CASE(free_twice_uncached, ALWAYS, "zk_free", "is free already"),
        CASE(grow_what_is_free, ALWAYS, "realloc", "is free already"),
        CASE(free_twice_in_a_heap_of_ones_own, 0, "", ""),
    };

    (void)state;
    TRY(cases);
}

/* ---- a double free, later ------------------------------------------------- */

/* With others in between: seen when the second copy reaches the pool. */
static int
free_twice_later(void *arg)
{
    enum { N = 1000 };
    static void *held[N];

    (void)arg;
    for (int i = 0; i < N; i++)
        held[i] = zk_malloc(64);
    for (int i = 0; i < N; i++)
        release(held[i]);
    release(held[3]);
    for (int i = 0; i < N; i++)
        held[i] = zk_malloc(200);
    zk__cache_flush(zk__cache);
    return 9;
}

/* The block has a new owner, who frees it as well. With the checks on it would
 * have none so soon. */
static int
free_again_after_reuse(void *arg)
{
    void *p = zk_malloc(64), *q;

    (void)arg;
    release(p);
    q = zk_malloc(64);
    if ((p == q) == zk_debug())
        return 8;
    release(p);
    release(q);
    return 9;
}

/* Into two caches: known when the second copy reaches the heap, and with the
 * checks on at once, when it can be answered with a code. */
static int
free_into_two_caches(void *arg)
{
    zk_cache_t *one = own_cache(), *two = NULL;
    void *p;

    (void)arg;
    CHILD_CHECK(one != NULL && zk_cache_open(&two, one->heap) == ZK_OK);
    p = zk_heap_alloc(one, 64, 0);
    CHILD_CHECK(zk_heap_free(one, p) == ZK_OK);
    CHILD_CHECK(zk_heap_free(two, p) == (zk_debug() ? ZK_ESTALE : ZK_OK));
    zk_cache_flush(one);
    return heap_works();
}

static void
test_a_double_free_after_others_is_reported(void **state)
{
    static const struct misuse cases[] = {
        CASE(free_twice_later, ALWAYS, "free", "is free already"),
        CASE(free_again_after_reuse, ALWAYS, "zk_free", "is free already"),
        CASE(free_into_two_caches, ALWAYS & ~DEBUG, "free", "is free already"),
    };

    (void)state;
    TRY(cases);
}

/* ---- an interior pointer --------------------------------------------------- */

static int
free_inside(void *arg)
{
    char *p = zk_malloc(1000);

    (void)arg;
    release(p + 16);
    return 9;
}

static int
free_inside_large(void *arg)
{
    char *p = zk_malloc(5 * MIB);

    (void)arg;
    release(p + 2 * MIB);
    return 9;
}

static int
grow_inside(void *arg)
{
    char *p = zk_malloc(1000);

    (void)arg;
    return change(p + 64, 2000) != NULL;
}

static int
free_inside_in_a_heap_of_ones_own(void *arg)
{
    zk_cache_t *cache = own_cache();
    char *p;

    (void)arg;
    CHILD_CHECK(cache != NULL);
    p = zk_heap_alloc(cache, 1000, 0);
    CHILD_CHECK(zk_heap_free(cache, p + 8) == ZK_EINVAL);
    CHILD_CHECK(fault_of(cache) == ZK_HEAP_INTERIOR);
    CHILD_CHECK(zk_heap_free(cache, p) == ZK_OK);
    return heap_works();
}

static void
test_an_interior_pointer_is_reported(void **state)
{
    static const struct misuse cases[] = {
        CASE(free_inside, ALWAYS, "zk_free",
             "is not where a block begins (16 bytes into one of"),
        CASE(free_inside_large, ALWAYS, "zk_free",
             "is not where a block begins"),
        CASE(grow_inside, ALWAYS, "realloc", "is not where a block begins"),
        CASE(free_inside_in_a_heap_of_ones_own, 0, "", ""),
    };

    (void)state;
    TRY(cases);
}

/* ---- an address of the stack, or of nobody ---------------------------------- */

static int
free_the_stack(void *arg)
{
    char here[64];

    release(here);
    return arg == here;
}

static int
free_what_was_never_handed_out(void *arg)
{
    char *p = zk_malloc(64 * KIB - 1000);
    size_t last = (zk_load_relaxed(&zk__pages.committed) - 1);

    (void)arg;
    (void)p;
    release(zk_page_address(last));
    return 9;
}

static int
free_the_stack_in_a_heap_of_ones_own(void *arg)
{
    zk_cache_t *cache = own_cache();
    char here[64];

    CHILD_CHECK(cache != NULL);
    CHILD_CHECK(zk_heap_free(cache, here) == ZK_EPERM);
    CHILD_CHECK(fault_of(cache) == ZK_HEAP_FOREIGN);
    return arg == here ? 9 : heap_works();
}

static void
test_a_foreign_address_is_reported(void **state)
{
    static const struct misuse cases[] = {
        CASE(free_the_stack, ALWAYS, "zk_free", "was never handed out"),
        CASE(free_what_was_never_handed_out, ALWAYS, "zk_free",
             "was never handed out"),
        CASE(free_the_stack_in_a_heap_of_ones_own, 0, "", ""),
    };

    (void)state;
    TRY(cases);
}

/* ---- a block of another heap ------------------------------------------------ */

static int
free_a_block_of_another_heap(void *arg)
{
    zk_cache_t *cache = own_cache();

    (void)arg;
    CHILD_CHECK(cache != NULL);
    release(zk_heap_alloc(cache, 64, 0));
    return 9;
}

static int
free_a_large_block_of_another_heap(void *arg)
{
    zk_cache_t *cache = own_cache();

    (void)arg;
    CHILD_CHECK(cache != NULL);
    release(zk_heap_alloc(cache, 5 * MIB, 0));
    return 9;
}

static int
free_others_blocks_in_a_heap_of_ones_own(void *arg)
{
    zk_cache_t *cache = own_cache(), *other = own_cache();
    void *theirs, *all;

    (void)arg;
    CHILD_CHECK(cache != NULL && other != NULL);
    theirs = zk_heap_alloc(other, 64, 0);
    all = zk_malloc(64);
    CHILD_CHECK(zk_heap_free(cache, theirs) == ZK_EPERM);
    CHILD_CHECK(fault_of(cache) == ZK_HEAP_FOREIGN);
    CHILD_CHECK(zk_heap_free(cache, all) == ZK_EPERM);
    CHILD_CHECK(zk_heap_free(other, theirs) == ZK_OK);
    zk_free(all);
    return heap_works();
}

static void
test_a_block_of_another_heap_is_reported(void **state)
{
    static const struct misuse cases[] = {
        CASE(free_a_block_of_another_heap, ALWAYS, "zk_free",
             "belongs to a heap that was opened"),
        CASE(free_a_large_block_of_another_heap, ALWAYS, "zk_free",
             "belongs to a heap that was opened"),
        CASE(free_others_blocks_in_a_heap_of_ones_own, 0, "", ""),
    };

    (void)state;
    TRY(cases);
}

/* ---- a block of a phase that is over ------------------------------------------ */

/* It cannot corrupt anything: the call is counted and named, and goes on. */
static int
free_a_block_of_a_dead_phase(void *arg)
{
    zk_runtime_t *lane = NULL;
    void *p;

    (void)arg;
    CHILD_CHECK(
        zk_runtime_open(&lane, ZK_OPTIONS(.workers = 1, .slab_bytes = 16 * MIB,
                                          .trap = ZK_TRAP_ON)) == ZK_OK);
    CHILD_CHECK(zk_runtime_enter(lane) == ZK_OK);
    CHILD_CHECK(zk_phase_begin("first") == ZK_OK);
    p = zk_malloc(MIB);
    CHILD_CHECK(zk_in_arena(p));
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(zk_phase_begin("second") == ZK_OK);
    release(p);
    CHILD_CHECK(change(p, 2 * MIB) == NULL);
    CHILD_CHECK(test_stats(lane).stale_calls == 2);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    return heap_works();
}

static void
test_a_block_of_a_dead_phase_is_named_and_left_alone(void **state)
{
    struct test_child child = test_in_child(free_a_block_of_a_dead_phase, NULL);

    (void)state;
    if (child.code != 0)
        print_error("%s\n", child.err);
    assert_int_equal(child.code, 0);
    assert_non_null(strstr(child.err, "zkrt: zk_free of "));
    assert_non_null(strstr(child.err, "a stale pointer"));
    assert_non_null(strstr(child.err, "first"));
}

/* ---- a wrong size, and a cache of two heaps ----------------------------------------- */

static int
free_with_another_size(void *arg)
{
    zk_cache_t *cache = own_cache();
    void *p, *q;

    (void)arg;
    CHILD_CHECK(cache != NULL);
    p = zk_heap_alloc(cache, 1000, 0);
    q = zk_heap_alloc(cache, MIB, 0);
    CHILD_CHECK(zk_heap_free_sized(cache, p, 2000, 0) == ZK_EINVAL);
    CHILD_CHECK(fault_of(cache) == ZK_HEAP_WRONG_SIZE);
    CHILD_CHECK(zk_heap_free_sized(cache, p, 0, 0) == ZK_EINVAL);
    CHILD_CHECK(zk_heap_free_sized(cache, q, 2 * MIB, 0) == ZK_EINVAL);
    /* Of the same class: only the seal knows. */
    CHILD_CHECK((zk_heap_free_sized(cache, p, 999, 0) == ZK_EINVAL) ==
                zk_debug());
    CHILD_CHECK(zk_heap_free_sized(cache, q, MIB, 0) == ZK_OK);
    return heap_works();
}

static int
delete_with_another_size(void *arg)
{
    void *p = zk_malloc(1000);

    (void)arg;
    zk__heap_free_sized(p, 999, "a sized free");
    return heap_works();
}

static int
delete_with_its_size(void *arg)
{
    (void)arg;
    for (size_t n = 0; n < 2 * MIB; n = n * 2 + 1)
        zk__heap_free_sized(zk_malloc(n), n, "a sized free");
    zk__heap_free_sized(NULL, 0, "a sized free");
    return heap_works();
}

static void
test_a_free_with_another_size_is_refused_or_reported(void **state)
{
    static const struct misuse cases[] = {
        CASE(free_with_another_size, 0, "", ""),
        CASE(delete_with_another_size, DEBUG, "a sized free",
             "was asked for with another size"),
        CASE(delete_with_its_size, 0, "", ""),
    };

    (void)state;
    TRY(cases);
}

static int
use_a_cache_for_two_heaps(void *arg)
{
    zk_cache_t *cache = own_cache(), *other = own_cache();
    zk_heap_t *first;
    void *p, *q;

    (void)arg;
    CHILD_CHECK(cache != NULL && other != NULL);
    first = cache->heap;
    p = zk_heap_alloc(cache, 64, 0);
    q = zk_heap_alloc(cache, 64, 0);
    CHILD_CHECK(zk_heap_free(cache, q) == ZK_OK);
    /* Where caches are used, it is not empty. */
    if (!zk_debug())
        CHILD_CHECK(zk_cache_bind(cache, other->heap) == ZK_EBUSY);
    CHILD_CHECK(cache->heap == first);
    CHILD_CHECK(zk_cache_flush(cache) == ZK_OK);
    CHILD_CHECK(zk_cache_bind(cache, other->heap) == ZK_OK);
    CHILD_CHECK(zk_heap_free(cache, p) == ZK_EPERM);
    CHILD_CHECK(fault_of(cache) == ZK_HEAP_FOREIGN);
    CHILD_CHECK(zk_cache_bind(cache, first) == ZK_OK);
    CHILD_CHECK(zk_heap_free(cache, p) == ZK_OK);
    return heap_works();
}

static void
test_a_cache_serves_one_heap_at_a_time(void **state)
{
    static const struct misuse cases[] = {
        CASE(use_a_cache_for_two_heaps, 0, "", ""),
    };

    (void)state;
    TRY(cases);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_double_free_is_reported),
        cmocka_unit_test(test_a_double_free_after_others_is_reported),
        cmocka_unit_test(test_an_interior_pointer_is_reported),
        cmocka_unit_test(test_a_foreign_address_is_reported),
        cmocka_unit_test(test_a_block_of_another_heap_is_reported),
        cmocka_unit_test(test_a_block_of_a_dead_phase_is_named_and_left_alone),
        cmocka_unit_test(test_a_free_with_another_size_is_refused_or_reported),
        cmocka_unit_test(test_a_cache_serves_one_heap_at_a_time),
    };

    (void)zk__heap_ready();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
