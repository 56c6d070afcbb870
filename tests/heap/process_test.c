/*
 * process_test.c - the process's heap: threads that come and go, fork, and blocks
 * that change their size. O15, O16, R10, R12, ON1.
 */
#include <errno.h>
#include <pthread.h>

#include "alloc/heap.h"
#include "tests/support.h"

static void
test_alignment_is_16_and_64_from_64_bytes_on(void **state)
{
    (void)state;
    for (size_t n = 0; n < 3 * MIB; n += 1 + n / 16) {
        char *p = zk__heap_alloc(n);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (n < 64 ? 16 : 64), 0);
        assert_true(zk__heap_usable(p) >= n);
        memset(p, 1, n);
        zk__heap_free(p);
    }
}

static void
test_realloc_keeps_what_fits_at_every_step(void **state)
{
    struct test_random r = {test_seed(__func__)};
    size_t n = 1;
    char *p = zk__heap_alloc(n);

    (void)state;
    test_fill(p, n, 1);
    for (unsigned i = 0; i < test_scaled(3000); i++) {
        size_t to = 1 + test_below(&r, (size_t)1 << test_below(&r, 23));

        p = zk__heap_realloc(p, to);
        assert_non_null(p);
        assert_true(test_holds(p, n < to ? n : to, 1));
        test_fill(p, to, 1);
        n = to;
    }
    zk__heap_free(p);
}

/* ---- threads ----------------------------------------------------------------- */

struct passed {
    void *blocks[1000];
    size_t n;
};

static void *
allocate_all(void *arg)
{
    struct passed *p = arg;

    for (size_t i = 0; i < p->n; i++) {
        p->blocks[i] = zk__heap_alloc(64);
        test_fill(p->blocks[i], 64, i);
    }
    return NULL;
}

static void *
free_all(void *arg)
{
    struct passed *p = arg;

    for (size_t i = 0; i < p->n; i++)
        zk__heap_free(p->blocks[i]);
    return NULL;
}

static void
in_a_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static size_t
live(size_t n)
{
    zk_heap_stats_t stats = {.size = sizeof stats};

    if (zk_heap_stats(NULL, &stats) != ZK_OK)
        return SIZE_MAX;
    return stats.classes[zk_class_of(n + zk_heap_extra())].live;
}

static void
test_blocks_outlive_their_thread_and_any_thread_frees_them(void **state)
{
    struct passed p = {.n = 1000};
    size_t before = live(64);

    (void)state;
    in_a_thread(allocate_all, &p);
    assert_int_equal(live(64), before + 1000);
    for (size_t i = 0; i < p.n; i++)
        assert_true(test_holds(p.blocks[i], 64, i));
    in_a_thread(free_all, &p);
    assert_int_equal(live(64), before);
}

/* O16, R10, ON1: fewer than a batch, and they are there for the others. */
static void
test_a_thread_that_exits_leaves_nothing_in_its_cache(void **state)
{
    size_t caches;

    (void)state;
    zk__heap_free(zk__heap_alloc(64));
    caches = zk__cache_count(&zk__heap).caches;
    for (size_t n = 1; n < 128; n *= 2) {
        struct passed p = {.n = n};
        size_t blocks = zk__cache_count(&zk__heap).blocks;

        in_a_thread(allocate_all, &p);
        in_a_thread(free_all, &p);
        assert_int_equal(zk__cache_count(&zk__heap).blocks, blocks);
        assert_int_equal(zk__cache_count(&zk__heap).caches, caches);
    }
}

/* Ten thousand threads, one after the other, need no more than one cache. */
static void
test_caches_of_threads_that_exited_are_used_again(void **state)
{
    struct passed p = {.n = 10};
    size_t mapped, n = test_scaled(2000);

    (void)state;
    in_a_thread(allocate_all, &p);
    in_a_thread(free_all, &p);
    mapped = zk__pages_use().taken;
    for (size_t i = 0; i < n; i++)
        in_a_thread(i % 2 == 0 ? allocate_all : free_all, &p);
    assert_int_equal(zk__pages_use().taken, mapped);
}

/* R12: destructors that run after the cache has gone. */
static pthread_key_t late;
static unsigned late_calls;

static void
allocate_late(void *arg)
{
    char *p = zk__heap_alloc(100), *q = zk__heap_alloc_zeroed(200000);

    if (p == NULL || q == NULL || !test_all_zero(q, 200000))
        return;
    test_fill(p, 100, 1);
    p = zk__heap_realloc(p, 3000);
    if (p == NULL || !test_holds(p, 100, 1))
        return;
    zk__heap_free(p);
    zk__heap_free(q);
    zk__heap_free(arg);
    if (++late_calls % 3 != 0) /* and once more in the next round */
        pthread_setspecific(late, zk__heap_alloc(64));
}

static void *
exit_with_a_destructor(void *arg)
{
    (void)arg;
    pthread_setspecific(late, zk__heap_alloc(64));
    return NULL;
}

static void
test_destructors_of_an_exiting_thread_allocate_and_free(void **state)
{
    size_t before = live(64), caches;

    (void)state;
    zk__heap_free(zk__heap_alloc(64));
    caches = zk__cache_count(&zk__heap).caches;
    /* A key that comes after the heap's own, whose destructor runs later. */
    assert_int_equal(pthread_key_create(&late, allocate_late), 0);
    for (int i = 0; i < 10; i++)
        in_a_thread(exit_with_a_destructor, NULL);
    assert_int_equal(late_calls, 30);
    assert_int_equal(live(64), before);
    assert_int_equal(zk__cache_count(&zk__heap).caches, caches);
    pthread_key_delete(late);
}

/* ---- fork -------------------------------------------------------------------- */

struct noise {
    pthread_t threads[2];
    _Atomic bool stop;
    _Atomic unsigned rounds, failed;
};

static void *
make_noise(void *arg)
{
    struct noise *noise = arg;
    struct test_random r = {(uint64_t)(uintptr_t)&r};
    void *held[100] = {NULL};

    while (!zk_load_relaxed(&noise->stop)) {
        size_t at = test_below(&r, 100);

        zk__heap_free(held[at]);
        held[at] =
            zk__heap_alloc(test_below(&r, (size_t)1 << test_below(&r, 21)));
        if (held[at] == NULL)
            zk_add_relaxed(&noise->failed, 1u);
        zk_add_relaxed(&noise->rounds, 1u);
    }
    for (size_t i = 0; i < 100; i++)
        zk__heap_free(held[i]);
    return NULL;
}

static int
allocate_in_the_child(void *arg)
{
    struct passed *p = arg;

    for (size_t i = 0; i < p->n; i++) {
        CHILD_CHECK(test_holds(p->blocks[i], 64, i));
        zk__heap_free(p->blocks[i]);
    }
    for (size_t n = 1; n < 4 * MIB; n = n * 2 + 1) {
        char *q = zk__heap_alloc(n);

        CHILD_CHECK(q != NULL);
        memset(q, 1, n);
        q = zk__heap_realloc(q, 2 * n);
        CHILD_CHECK(q != NULL);
        zk__heap_free(q);
    }
    return 0;
}

static void
test_a_child_allocates_whatever_the_other_threads_were_doing(void **state)
{
    struct noise noise = {.rounds = 0};
    struct passed p = {.n = 500};

    (void)state;
    if (TEST_TSAN)
        skip(); /* it allows no threads beside a fork */
    allocate_all(&p);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            pthread_create(&noise.threads[i], NULL, make_noise, &noise), 0);
    for (unsigned i = 0; i < test_scaled(60); i++)
        assert_true(test_child_succeeds(allocate_in_the_child, &p));
    zk_store_relaxed(&noise.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(noise.threads[i], NULL);
    assert_int_equal(noise.failed, 0);
    assert_true(noise.rounds != 0);
    for (size_t i = 0; i < p.n; i++)
        assert_true(test_holds(p.blocks[i], 64, i));
    free_all(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_is_16_and_64_from_64_bytes_on),
        cmocka_unit_test(test_realloc_keeps_what_fits_at_every_step),
        cmocka_unit_test(
            test_blocks_outlive_their_thread_and_any_thread_frees_them),
        cmocka_unit_test(test_a_thread_that_exits_leaves_nothing_in_its_cache),
        cmocka_unit_test(test_caches_of_threads_that_exited_are_used_again),
        cmocka_unit_test(
            test_destructors_of_an_exiting_thread_allocate_and_free),
        cmocka_unit_test(
            test_a_child_allocates_whatever_the_other_threads_were_doing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
