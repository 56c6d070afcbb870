/*
 * open_test.c - heaps that a program opens: limits, errors by their kind, caches,
 * and the end of all blocks at once. O1, O3, O12, O13, R4, R5, R7, R8, R10, R11,
 * ON1, ON2.
 */
#include <pthread.h>

#include "alloc/heap.h"
#include "tests/support.h"

static zk_heap_t *
heap_of(size_t limit)
{
    zk_heap_t *heap = NULL;

    return zk_heap_open(&heap, limit) == ZK_OK ? heap : NULL;
}

static zk_cache_t *
cache_of(zk_heap_t *heap)
{
    zk_cache_t *cache = NULL;

    return zk_cache_open(&cache, heap) == ZK_OK ? cache : NULL;
}

static zk_heap_error_t
error_of(const zk_cache_t *cache)
{
    zk_heap_error_t error = {.size = sizeof error};

    if (zk_cache_error(cache, &error) != ZK_OK)
        memset(&error, 0xff, sizeof error);
    return error;
}

static zk_heap_stats_t
stats_of(const zk_heap_t *heap)
{
    zk_heap_stats_t stats = {.size = sizeof stats};

    if (zk_heap_stats(heap, &stats) != ZK_OK)
        memset(&stats, 0xff, sizeof stats);
    return stats;
}

static void
test_blocks_of_every_size_and_alignment(void **state)
{
    zk_heap_t *heap = heap_of(0);
    zk_cache_t *cache = cache_of(heap);

    (void)state;
    for (size_t align = 0; align <= 2 * MIB; align = align == 0 ? 1 : align * 2)
        for (size_t n = 1; n < 3 * MIB; n = n * 5 + 3) {
            char *p = zk_heap_alloc(cache, n, align);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % (align != 0 ? align : 16), 0);
            assert_true(zk_heap_usable_size(heap, p) >= n);
            memset(p, 1, n);
            assert_int_equal(zk_heap_free_sized(cache, p, n, align), ZK_OK);
        }
    assert_int_equal(stats_of(heap).allocated, 0);
    assert_int_equal(zk_cache_close(cache), ZK_OK);
    assert_int_equal(zk_heap_close(heap), ZK_OK);
}

/* R4, R11, ON2: what is refused says why, and takes nothing. */
static void
test_impossible_requests_say_why(void **state)
{
    static const struct {
        size_t n, align;
        enum zk_heap_fault fault;
    } wrong[] = {
        {0, 0, ZK_HEAP_ZERO_SIZE},
        {0, 64, ZK_HEAP_ZERO_SIZE},
        {8, 3, ZK_HEAP_ALIGNMENT},
        {8, SIZE_MAX, ZK_HEAP_ALIGNMENT},
        {8, 2 * GIB, ZK_HEAP_ALIGNMENT},
        {MIB + 1, 0, ZK_HEAP_TOO_LARGE},
        {SIZE_MAX, 0, ZK_HEAP_TOO_LARGE},
        {SIZE_MAX - 15, 4096, ZK_HEAP_TOO_LARGE},
    };
    zk_heap_t *heap = heap_of(MIB);
    zk_cache_t *cache = cache_of(heap);

    (void)state;
    assert_int_equal(error_of(cache).fault, ZK_HEAP_NO_FAULT);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(zk_heap_alloc(cache, wrong[i].n, wrong[i].align));
        assert_int_equal(error_of(cache).fault, wrong[i].fault);
        assert_int_equal(error_of(cache).requested, wrong[i].n);
        assert_int_equal(stats_of(heap).active, 0);
    }
    assert_null(zk_heap_alloc(NULL, 1, 0));
    zk_cache_close(cache);
    zk_heap_close(heap);
}

/* R5: as it was asked for, and what is left. O3 */
static void
test_out_of_memory_says_what_was_asked_and_what_is_left(void **state)
{
    zk_heap_t *heap = heap_of(10 * MIB);
    zk_cache_t *cache = cache_of(heap);
    void *a = zk_heap_alloc(cache, 6 * MIB - 100, 0), *b;

    (void)state;
    assert_non_null(a);
    assert_null(zk_heap_alloc(cache, 5 * MIB + 7, 0));
    assert_int_equal(error_of(cache).fault, ZK_HEAP_NO_MEMORY);
    assert_int_equal(error_of(cache).requested, 5 * MIB + 7);
    assert_int_equal(error_of(cache).remaining, 4 * MIB);
    b = zk_heap_alloc(cache, 4 * MIB - zk_heap_extra(), 0);
    assert_non_null(b);
    assert_null(zk_heap_alloc(cache, 1, 0));
    assert_int_equal(error_of(cache).requested, 1);
    assert_int_equal(error_of(cache).remaining, 0);
    assert_int_equal(zk_heap_free(cache, a), ZK_OK);
    a = zk_heap_alloc(cache, 1, 0);
    assert_non_null(a);
    zk_cache_close(cache);
    zk_heap_close(heap);
}

/* What one class had serves another, although a cache and a pool would keep it. */
static void
test_a_limit_is_for_all_classes_together(void **state)
{
    enum { N = 2000 };
    static void *held[N];
    zk_heap_t *heap = heap_of(MIB);
    zk_cache_t *cache = cache_of(heap);

    (void)state;
    for (size_t size = 64; size <= 512; size *= 2) {
        size_t n = 0;

        while (n < N && (held[n] = zk_heap_alloc(cache, size, 0)) != NULL)
            n++;
        if (zk_heap_extra() == 0)
            assert_in_range(
                n, (MIB - 64 * KIB) / size < N ? (MIB - 64 * KIB) / size : N,
                MIB / size);
        while (n > 0)
            assert_int_equal(zk_heap_free(cache, held[--n]), ZK_OK);
    }
    zk_cache_close(cache);
    zk_heap_close(heap);
}

/* ---- wrong addresses ----------------------------------------------------------- */

static void
expect(zk_cache_t *cache, void *p, zk_err_t code, enum zk_heap_fault fault)
{
    assert_int_equal(zk_heap_free(cache, p), code);
    assert_int_equal(error_of(cache).fault, fault);
    assert_ptr_equal(error_of(cache).address, p);
}

static void
test_wrong_addresses_are_told_apart_and_change_nothing(void **state)
{
    zk_heap_t *heap = heap_of(0), *other = heap_of(0);
    zk_cache_t *cache = cache_of(heap), *others = cache_of(other);
    char *p = zk_heap_alloc(cache, 1000, 0), *q = zk_heap_alloc(cache, MIB, 0);
    char *theirs = zk_heap_alloc(others, 1000, 0);
    char *large = zk_heap_alloc(others, MIB, 0), *mine = zk_malloc(1000);
    char here[64];
    size_t before = stats_of(heap).allocated;

    (void)state;
    expect(cache, here, ZK_EPERM, ZK_HEAP_FOREIGN);
    expect(cache, theirs, ZK_EPERM, ZK_HEAP_FOREIGN); /* R7 */
    expect(cache, large, ZK_EPERM, ZK_HEAP_FOREIGN);
    expect(cache, mine, ZK_EPERM, ZK_HEAP_FOREIGN);
    expect(cache, p + 8, ZK_EINVAL, ZK_HEAP_INTERIOR); /* R1 */
    expect(cache, p + 512, ZK_EINVAL, ZK_HEAP_INTERIOR);
    expect(cache, q + 64 * KIB, ZK_EINVAL, ZK_HEAP_INTERIOR);
    assert_int_equal(stats_of(heap).allocated, before);

    assert_int_equal(zk_heap_free_sized(cache, p, 2000, 0), ZK_EINVAL);
    assert_int_equal(error_of(cache).fault, ZK_HEAP_WRONG_SIZE);
    assert_int_equal(zk_heap_free_sized(cache, q, MIB / 2, 0), ZK_EINVAL);
    assert_int_equal(zk_heap_free_sized(cache, p, 1000, 3), ZK_EINVAL);
    assert_int_equal(stats_of(heap).allocated, before);

    assert_int_equal(zk_heap_free_sized(cache, p, 1000, 0), ZK_OK);
    expect(cache, p, ZK_ESTALE, ZK_HEAP_FREED);
    zk_cache_flush(cache);
    expect(cache, p, ZK_ESTALE, ZK_HEAP_FREED);
    assert_int_equal(zk_heap_free_sized(cache, q, MIB, 0), ZK_OK);
    expect(cache, q, ZK_ESTALE, ZK_HEAP_FREED);
    assert_int_equal(zk_heap_free(cache, NULL), ZK_OK);
    assert_int_equal(zk_heap_free(NULL, p), ZK_EINVAL);
    assert_int_equal(stats_of(heap).allocated, 0);

    assert_int_equal(zk_heap_usable_size(heap, p), 0);
    assert_int_equal(zk_heap_usable_size(heap, theirs), 0);
    assert_true(zk_heap_usable_size(other, theirs) >= 1000);
    zk_free(mine);
    zk_cache_close(cache);
    zk_cache_close(others);
    zk_heap_close(heap);
    zk_heap_close(other);
}

/* With others in between, deep in a cache. O14 */
static void
test_a_block_deep_in_the_cache_is_known_as_free(void **state)
{
    zk_heap_t *heap = heap_of(0);
    zk_cache_t *cache = cache_of(heap);
    void *held[40];

    (void)state;
    for (int i = 0; i < 40; i++)
        held[i] = zk_heap_alloc(cache, 64, 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(zk_heap_free(cache, held[i]), ZK_OK);
    for (int i = 0; i < 40; i++)
        assert_int_equal(zk_heap_free(cache, held[i]), ZK_ESTALE);
    zk_cache_close(cache);
    zk_heap_close(heap);
}

/* ---- caches --------------------------------------------------------------------- */

/* R7, R8: a cache serves another heap only when it is empty. */
static void
test_a_cache_is_bound_anew_only_when_it_is_empty(void **state)
{
    zk_heap_t *heap = heap_of(0), *other = heap_of(0);
    zk_cache_t *cache = cache_of(heap);
    char *p = zk_heap_alloc(cache, 64, 0), *q;

    (void)state;
    assert_int_equal(zk_heap_free(cache, p), ZK_OK);
    if (!zk_debug()) /* which leaves it empty */
        assert_int_equal(zk_cache_bind(cache, other), ZK_EBUSY);
    assert_int_equal(stats_of(heap).caches, 1);
    assert_int_equal(zk_cache_flush(cache), ZK_OK);
    assert_int_equal(zk_cache_bind(cache, other), ZK_OK);
    assert_int_equal(stats_of(heap).caches, 0);
    assert_int_equal(stats_of(other).caches, 1);
    q = zk_heap_alloc(cache, 64, 0);
    assert_int_equal(zk_heap_usable_size(heap, q), 0);
    assert_true(zk_heap_usable_size(other, q) >= 64);
    assert_int_equal(zk_cache_bind(NULL, heap), ZK_EINVAL);
    assert_int_equal(zk_cache_bind(cache, NULL), ZK_EINVAL);
    zk_cache_close(cache);
    zk_heap_close(heap);
    zk_heap_close(other);
}

struct giver {
    zk_cache_t *cache;
    void **blocks;
    size_t n;
    unsigned failed;
};

static void *
free_elsewhere(void *arg)
{
    struct giver *g = arg;

    for (size_t i = 0; i < g->n; i++)
        g->failed += zk_heap_free(g->cache, g->blocks[i]) != ZK_OK;
    return NULL;
}

/* R10, ON1: the heap is full, another thread frees fewer blocks than any batch
 * has, keeps its cache open, and the first thread has them. */
static void
test_what_another_thread_frees_can_be_had_at_once(void **state)
{
    enum { N = 2000 };
    static void *held[N];
    zk_heap_t *heap = heap_of(64 * KIB);
    zk_cache_t *cache = cache_of(heap), *others = cache_of(heap);
    size_t n = 0;

    (void)state;
    while (n < N && (held[n] = zk_heap_alloc(cache, 64, 0)) != NULL)
        n++;
    assert_true(n > 200 && n < N);
    for (size_t few = 1; few < 128; few *= 2) {
        struct giver g = {.cache = others, .blocks = held, .n = few};
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, free_elsewhere, &g), 0);
        pthread_join(thread, NULL);
        assert_int_equal(g.failed, 0);
        for (size_t i = 0; i < few; i++) {
            held[i] = zk_heap_alloc(cache, 64, 0);
            assert_non_null(held[i]);
        }
        assert_null(zk_heap_alloc(cache, 64, 0));
    }
    assert_int_equal(stats_of(heap).remote_frees, 127);
    zk_cache_close(cache);
    zk_cache_close(others);
    zk_heap_close(heap);
}

/* ---- the end --------------------------------------------------------------------- */

static void *
close_heap(void *heap)
{
    zk_heap_close(heap);
    return NULL;
}

static void
test_a_heap_ends_with_all_of_its_blocks_from_any_thread(void **state)
{
    size_t taken = zk__pages_use().taken;
    zk_heap_t *heap = heap_of(0);
    zk_cache_t *cache = cache_of(heap), *again = cache_of(heap);
    pthread_t thread;
    void *p = NULL;

    (void)state;
    for (size_t n = 1; n < 4 * MIB; n += 1 + n / 8)
        for (int i = 0; i < 20; i++) {
            p = zk_heap_alloc(i % 2 == 0 ? cache : again, n, 0);
            assert_non_null(p);
            memset(p, 1, n < 100 ? n : 100);
        }
    assert_true(zk__pages_use().taken > taken + 100 * MIB);
    assert_int_equal(pthread_create(&thread, NULL, close_heap, heap), 0);
    pthread_join(thread, NULL);
    assert_int_equal(zk__pages_use().taken, taken);

    /* Its caches know of no heap, until they are bound again. */
    assert_null(zk_heap_alloc(cache, 1, 0));
    assert_int_equal(error_of(cache).fault, ZK_HEAP_UNBOUND);
    assert_int_equal(zk_heap_free(cache, p), ZK_ESTALE);
    assert_int_equal(zk_heap_close(heap), ZK_ESTALE);
    heap = heap_of(0);
    assert_int_equal(zk_cache_bind(cache, heap), ZK_OK);
    assert_non_null(zk_heap_alloc(cache, 1, 0));
    zk_cache_close(cache);
    zk_cache_close(again);
    zk_heap_close(heap);
    assert_int_equal(zk__pages_use().taken, taken);
    assert_int_equal(zk_heap_close(NULL), ZK_OK);
    assert_int_equal(zk_cache_close(NULL), ZK_OK);
    assert_int_equal(zk_heap_open(NULL, 0), ZK_EINVAL);
    assert_int_equal(zk_cache_open(&cache, NULL), ZK_EINVAL);
    assert_int_equal(zk_cache_open(NULL, NULL), ZK_EINVAL);
}

/* ---- statistics -------------------------------------------------------------------- */

/* O18: exact when nothing runs. */
static void
test_statistics_add_up(void **state)
{
    zk_heap_t *heap = heap_of(100 * MIB);
    zk_cache_t *cache = cache_of(heap);
    zk_heap_stats_t s;
    void *held[100];
    size_t class = zk_class_of(1024 + zk_heap_extra());

    (void)state;
    s = stats_of(heap);
    assert_int_equal(s.limit, 100 * MIB);
    assert_int_equal(s.allocated + s.active + s.cached + s.large, 0);
    for (int i = 0; i < 100; i++)
        held[i] = zk_heap_alloc(cache, 1024, 0);
    s = stats_of(heap);
    assert_int_equal(s.classes[class].live, 100);
    assert_int_equal(s.allocated, 100 * s.classes[class].bytes);
    assert_int_equal(s.cached,
                     s.classes[class].cached * s.classes[class].bytes);
    assert_true(s.active >= s.allocated + s.cached);
    assert_true(s.refills >= 1 && s.drains == 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(zk_heap_free(cache, held[i]), ZK_OK);
    assert_int_equal(stats_of(heap).classes[class].live, 60);

    held[0] = zk_heap_alloc(cache, 5 * MIB - zk_heap_extra(), 0);
    s = stats_of(heap);
    assert_int_equal(s.large, 1);
    assert_int_equal(s.large_bytes, 5 * MIB);
    assert_int_equal(s.allocated, 60 * s.classes[class].bytes + 5 * MIB);
    assert_true(s.mapped >= s.active && s.reserved >= s.mapped);
    assert_true(s.resident >= s.active + s.retained);
    assert_int_equal(zk_heap_free(cache, held[0]), ZK_OK);
    assert_true(stats_of(heap).retained >= 5 * MIB);

    s.size = 8;
    assert_int_equal(zk_heap_stats(heap, &s), ZK_EINVAL);
    assert_int_equal(zk_heap_stats(heap, NULL), ZK_EINVAL);
    s.size = sizeof s;
    assert_int_equal(zk_heap_stats(NULL, &s), ZK_OK); /* the process's */
    zk_cache_close(cache);
    zk_heap_close(heap);
}

/* ---- fork --------------------------------------------------------------------------- */

static int
use_in_the_child(void *arg)
{
    zk_cache_t *cache = arg, *own = NULL;
    zk_heap_t *heap = NULL;

    CHILD_CHECK(zk_heap_alloc(cache, 100, 0) != NULL);
    CHILD_CHECK(zk_heap_alloc(cache, 300 * KIB, 0) != NULL);
    CHILD_CHECK(zk_heap_open(&heap, 0) == ZK_OK);
    CHILD_CHECK(zk_cache_open(&own, heap) == ZK_OK);
    CHILD_CHECK(zk_heap_alloc(own, 100, 0) != NULL);
    CHILD_CHECK(zk_heap_close(heap) == ZK_OK);
    return 0;
}

static void
test_a_child_uses_the_heaps_of_its_parent(void **state)
{
    zk_heap_t *heaps[10];
    zk_cache_t *cache;

    (void)state;
    for (int i = 0; i < 10; i++)
        heaps[i] = heap_of(0);
    cache = cache_of(heaps[3]);
    assert_true(test_child_succeeds(use_in_the_child, cache));
    assert_non_null(zk_heap_alloc(cache, 100, 0));
    zk_cache_close(cache);
    for (int i = 0; i < 10; i++)
        zk_heap_close(heaps[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_of_every_size_and_alignment),
        cmocka_unit_test(test_impossible_requests_say_why),
        cmocka_unit_test(
            test_out_of_memory_says_what_was_asked_and_what_is_left),
        cmocka_unit_test(test_a_limit_is_for_all_classes_together),
        cmocka_unit_test(
            test_wrong_addresses_are_told_apart_and_change_nothing),
        cmocka_unit_test(test_a_block_deep_in_the_cache_is_known_as_free),
        cmocka_unit_test(test_a_cache_is_bound_anew_only_when_it_is_empty),
        cmocka_unit_test(test_what_another_thread_frees_can_be_had_at_once),
        cmocka_unit_test(
            test_a_heap_ends_with_all_of_its_blocks_from_any_thread),
        cmocka_unit_test(test_statistics_add_up),
        cmocka_unit_test(test_a_child_uses_the_heaps_of_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
