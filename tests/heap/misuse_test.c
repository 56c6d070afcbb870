/*
 * misuse_test.c - what proves a program wrong ends it, with a line that says what
 * and where. In forked children. O13, O14, R1, R9, ON3.
 */
#include "alloc/heap.h"
#include "tests/support.h"

/* Kept from the compiler, which knows what free() is. */
static void (*volatile release)(void *) = zk_free;
static void *(*volatile change)(void *, size_t) = zk_realloc;

static bool
reported(int (*fn)(void *), const char *call, const char *what)
{
    struct test_child child = test_in_child(fn, NULL);
    const char *line = strstr(child.err, "zkrt: heap misuse in ");
    bool ok = !child.exited && child.signal == SIGABRT && line != NULL &&
              strstr(line, call) != NULL && strstr(line, what) != NULL;

    if (!ok)
        print_error("exited %d code %d signal %d: %s\n", child.exited,
                    child.code, child.signal, child.err);
    return ok;
}

static int
free_twice(void *arg)
{
    void *p = zk_malloc(64);

    (void)arg;
    release(p);
    release(p);
    return 0;
}

static int
free_twice_large(void *arg)
{
    void *p = zk_malloc(5 * MIB);

    (void)arg;
    release(p);
    release(p);
    return 0;
}

static int
free_twice_uncached(void *arg)
{
    void *p = zk_malloc(300 * KIB);

    (void)arg;
    release(p);
    release(p);
    return 0;
}

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
    return 0;
}

/* The block has a new owner, who frees it as well. */
static int
free_again_after_reuse(void *arg)
{
    void *p = zk_malloc(64), *q;

    (void)arg;
    release(p);
    q = zk_malloc(64);
    if (p != q)
        return 3;
    release(p);
    release(q);
    return 0;
}

static int
free_inside(void *arg)
{
    char *p = zk_malloc(1000);

    (void)arg;
    release(p + 16);
    return 0;
}

static int
free_inside_large(void *arg)
{
    char *p = zk_malloc(5 * MIB);

    (void)arg;
    release(p + 2 * MIB);
    return 0;
}

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
    return 0;
}

static int
free_a_block_of_another_heap(void *arg)
{
    zk_heap_t *heap = NULL;
    zk_cache_t *cache = NULL;

    (void)arg;
    CHILD_CHECK(zk_heap_open(&heap, 0) == ZK_OK);
    CHILD_CHECK(zk_cache_open(&cache, heap) == ZK_OK);
    release(zk_heap_alloc(cache, 64, 0));
    return 0;
}

/* Into two caches: known when the second copy reaches the heap. */
static int
free_into_two_caches(void *arg)
{
    zk_heap_t *heap = NULL;
    zk_cache_t *one = NULL, *two = NULL;
    void *p;

    (void)arg;
    CHILD_CHECK(zk_heap_open(&heap, 0) == ZK_OK);
    CHILD_CHECK(zk_cache_open(&one, heap) == ZK_OK);
    CHILD_CHECK(zk_cache_open(&two, heap) == ZK_OK);
    p = zk_heap_alloc(one, 64, 0);
    CHILD_CHECK(zk_heap_free(one, p) == ZK_OK);
    CHILD_CHECK(zk_heap_free(two, p) == ZK_OK);
    zk_cache_flush(one);
    return 0;
}

static int
grow_inside(void *arg)
{
    char *p = zk_malloc(1000);

    (void)arg;
    return change(p + 64, 2000) != NULL;
}

static int
grow_what_is_free(void *arg)
{
    char *p = zk_malloc(5 * MIB);

    (void)arg;
    release(p);
    return change(p, 6 * MIB) != NULL;
}

static void
test_freeing_twice_is_reported(void **state)
{
    (void)state;
    assert_true(reported(free_twice, "zk_free", "is free already"));
    assert_true(reported(free_twice_large, "zk_free", "is free already"));
    assert_true(reported(free_twice_uncached, "zk_free", "is free already"));
    assert_true(reported(free_twice_later, "free", "is free already"));
    assert_true(reported(free_into_two_caches, "free", "is free already"));
}

static void
test_freeing_after_reuse_is_reported_when_the_owner_frees(void **state)
{
    (void)state;
    assert_true(reported(free_again_after_reuse, "zk_free", "is free already"));
}

static void
test_an_interior_pointer_is_reported(void **state)
{
    (void)state;
    assert_true(reported(free_inside, "zk_free",
                         "is not where a block begins (16 bytes into one of"));
    assert_true(
        reported(free_inside_large, "zk_free", "is not where a block begins"));
    assert_true(
        reported(grow_inside, "realloc", "is not where a block begins"));
}

static void
test_a_foreign_address_is_reported(void **state)
{
    (void)state;
    assert_true(reported(free_the_stack, "zk_free", "was never handed out"));
    assert_true(reported(free_what_was_never_handed_out, "zk_free",
                         "was never handed out"));
    assert_true(reported(free_a_block_of_another_heap, "zk_free",
                         "belongs to a heap that was opened"));
    assert_true(reported(grow_what_is_free, "realloc", "is free already"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freeing_twice_is_reported),
        cmocka_unit_test(
            test_freeing_after_reuse_is_reported_when_the_owner_frees),
        cmocka_unit_test(test_an_interior_pointer_is_reported),
        cmocka_unit_test(test_a_foreign_address_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
