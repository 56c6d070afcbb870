/* aside_test.c - a thread's large block, freed and at hand. O7. */
#include <pthread.h>

#include "alloc/heap.h"
#include "tests/support.h"

/* Kept from the compiler, which knows what malloc() and free() are. */
static void *(*volatile allocate)(size_t) = zk_malloc;
static void (*volatile release)(void *) = zk_free;

static zk_heap_stats_t
stats(void)
{
    zk_heap_stats_t s = {.size = sizeof s};

    assert_int_equal(zk_heap_stats(NULL, &s), ZK_OK);
    return s;
}

/* No cache keeps anything. */
static int
empty(void **state)
{
    unsigned next;

    (void)state;
    if (!zk__heap_ready())
        return 1;
    zk__heap_flush();
    zk__cache_sweep(0, &next);
    return 0;
}

static void
test_the_block_freed_last_serves_the_next_request_of_its_size(void **state)
{
    char *p, *q;
    zk_heap_stats_t before, kept;

    (void)state;
    if (zk_debug())
        skip(); /* there are no caches */
    p = allocate(MIB);
    before = stats();
    release(p);
    kept = stats();
    assert_int_equal(before.large - kept.large, 1);
    assert_int_equal(before.allocated - kept.allocated,
                     before.large_bytes - kept.large_bytes);
    assert_int_equal(kept.cached - before.cached,
                     before.allocated - kept.allocated);
    assert_int_equal(kept.active, before.active);

    q = allocate(MIB + 3 * ZK_HEAP_PAGE);
    assert_true(q + MIB <= p || p + MIB <= q);
    assert_ptr_equal(allocate(MIB), p);
    assert_int_equal(stats().cached, before.cached);
    release(p);
    release(q); /* in the place of the other */
    assert_ptr_equal(allocate(MIB + 3 * ZK_HEAP_PAGE), q);
    release(q);
}

static void
test_what_is_larger_than_2_mib_goes_back(void **state)
{
    zk_heap_stats_t before, after;
    char *p = allocate(5 * MIB);

    (void)state;
    before = stats();
    release(p);
    after = stats();
    assert_int_equal(after.cached, before.cached);
    assert_true(before.active - after.active >= 5 * MIB);
}

static void
test_an_alignment_it_does_not_have_is_not_served(void **state)
{
    char *held[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        held[i] = allocate(MIB);
    for (size_t i = 0; i < 8; i++) {
        char *p;

        release(held[i]);
        p = zk_aligned_alloc(8 * MIB, MIB);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (8 * MIB), 0);
        release(p);
    }
}

/* Which makes it a run of pages, one of them here. */
static void
test_a_small_block_of_a_large_alignment_is_kept_as_well(void **state)
{
    char *p = zk_aligned_alloc(MIB, 100);

    (void)state;
    assert_non_null(p);
    release(p);
    if (zk_debug())
        skip();
    assert_int_equal(zk_aside_bytes(&zk__cache->aside), ZK_HEAP_PAGE);
    assert_ptr_equal(zk_aligned_alloc(MIB, 200), p);
    release(p);
}

static void
test_zeroed_memory_is_zero_though_the_kept_block_is_not(void **state)
{
    char *p = allocate(MIB);

    (void)state;
    memset(p, 0xaa, MIB);
    release(p);
    p = zk_calloc(1, MIB);
    assert_true(test_all_zero(p, MIB));
    release(p);
}

static void
test_it_goes_back_after_the_decay_time(void **state)
{
    size_t before = stats().cached;
    unsigned next = 0;

    (void)state;
    if (zk_debug())
        skip();
    release(allocate(MIB));
    zk__cache_sweep(1000000, &next);
    assert_in_range(next, 900000, 1000000);
    assert_true(stats().cached >= before + MIB);
    assert_true(zk__heap_release(SIZE_MAX, 0, &next) >= MIB);
    assert_int_equal(next, 0);
    assert_int_equal(stats().cached, before);
}

/* Nobody has to ask for it: allocating goes on. */
static void
test_who_allocates_gives_it_back(void **state)
{
    unsigned decay = zk__pages_decay();

    (void)state;
    if (zk_debug())
        skip();
    zk__pages_set_decay(20);
    release(allocate(MIB));
    assert_true(zk_aside_bytes(&zk__cache->aside) >= MIB);
    for (int i = 0; i < 10000; i++) {
        release(allocate(3 * MIB));
        if (zk_aside_bytes(&zk__cache->aside) == 0)
            break;
        usleep(1000);
    }
    zk__pages_set_decay(decay);
    assert_int_equal(zk_aside_bytes(&zk__cache->aside), 0);
}

/* ---- other threads -------------------------------------------------------------- */

static pthread_barrier_t meet;

static void *
keep_and_wait(void *arg)
{
    char *p = allocate(MIB);

    p[0] = 1;
    release(p);
    pthread_barrier_wait(&meet);
    pthread_barrier_wait(&meet); /* somebody took it meanwhile */
    p = allocate(MIB);
    memset(p, 2, MIB);
    release(p);
    return arg;
}

static void
test_what_a_sleeping_thread_keeps_is_taken_from_it(void **state)
{
    size_t before = stats().cached;
    pthread_t thread;
    unsigned next;

    (void)state;
    if (zk_debug())
        skip();
    assert_int_equal(pthread_barrier_init(&meet, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, keep_and_wait, NULL), 0);
    pthread_barrier_wait(&meet);
    assert_true(stats().cached >= before + MIB);
    zk__cache_sweep(0, &next);
    assert_true(stats().cached < before + MIB);
    pthread_barrier_wait(&meet);
    pthread_join(thread, NULL);
    assert_true(stats().cached < before + MIB); /* it exited */
    pthread_barrier_destroy(&meet);
}

enum { OWNERS = 3, TURNS = 20000 };

struct owner {
    pthread_t id;
    unsigned torn;
    uint64_t key;
};

static _Atomic unsigned running;

static void *
own(void *arg)
{
    struct owner *o = arg;

    for (unsigned i = 0; i < test_scaled(TURNS); i++) {
        size_t n = (i % 3 == 0 ? 12 : 16) * ZK_HEAP_PAGE;
        uint64_t *p = zk_malloc(n);

        o->key += OWNERS;
        p[0] = p[n / 8 - 1] = o->key;
        if (i % 8 == 0)
            sched_yield();
        o->torn += p[0] != o->key || p[n / 8 - 1] != o->key;
        zk_free(p);
    }
    (void)zk_add_relaxed(&running, 0u - 1);
    return NULL;
}

/* A block in a slot goes to its thread or to who sweeps, and to one of them. */
static void
test_owners_and_a_sweeper_never_get_the_same_block(void **state)
{
    static struct owner owners[OWNERS];
    unsigned next;

    (void)state;
    zk_store_relaxed(&running, (unsigned)OWNERS);
    for (unsigned i = 0; i < OWNERS; i++) {
        owners[i].key = i;
        assert_int_equal(pthread_create(&owners[i].id, NULL, own, &owners[i]),
                         0);
    }
    while (zk_load_relaxed(&running) != 0) {
        zk__cache_sweep(0, &next);
        sched_yield();
    }
    for (unsigned i = 0; i < OWNERS; i++) {
        pthread_join(owners[i].id, NULL);
        assert_int_equal(owners[i].torn, 0);
    }
    assert_int_equal(stats().large, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, empty, empty)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_block_freed_last_serves_the_next_request_of_its_size),
        TEST(test_what_is_larger_than_2_mib_goes_back),
        TEST(test_an_alignment_it_does_not_have_is_not_served),
        TEST(test_a_small_block_of_a_large_alignment_is_kept_as_well),
        TEST(test_zeroed_memory_is_zero_though_the_kept_block_is_not),
        TEST(test_it_goes_back_after_the_decay_time),
        TEST(test_who_allocates_gives_it_back),
        TEST(test_what_a_sleeping_thread_keeps_is_taken_from_it),
        TEST(test_owners_and_a_sweeper_never_get_the_same_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
