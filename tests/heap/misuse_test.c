/*
 * misuse_test.c - what proves a program wrong ends it, with a line that says what
 * and where; what does not is a code; and what cannot reach the heap does nothing
 * to it. In forked children. O13, O14, R1, R7, R9, ON3.
 *
 * A case that is not reported in a build goes on to use the heap, and ends with 0
 * only where that still works.
 */
#include <stdio.h>

#include "alloc/heap.h"
#include "tests/support.h"

/* In which builds a case ends the process. */
enum {
    PLAIN = 1,
    DEBUG = 2,    /* the checks that cost are on, asked for or not */
    HARDENED = 4, /* ZK_HARDENED, without them */
    MARKS = 8,    /* AddressSanitizer knows the blocks */
    ALWAYS = 15
};

static unsigned
build(void)
{
    if (TEST_ASAN)
        return MARKS;
    if (zk_debug())
        return DEBUG;
#ifdef ZK_HARDENED
    return HARDENED;
#else
    return PLAIN;
#endif
}

struct misuse {
    const char *name;
    int (*run)(void *);
    unsigned reported;
    const char *call, *what; /* in the report */
    bool writes; /* to what is not the program's: a sanitizer ends it */
};

/* Kept from the compiler, which knows what free() is. */
static void (*volatile release)(void *) = zk_free;
static void *(*volatile change)(void *, size_t) = zk_realloc;
static void *(*volatile allocate)(size_t) = zk_malloc;

static bool
died_as_promised(const struct misuse *m, const struct test_child *child)
{
    const char *line = strstr(child->err, "zkrt: heap misuse in ");

    if (TEST_ASAN && m->writes)
        return child->code != 0 &&
               strstr(child->err, "AddressSanitizer") != NULL;
    return !child->exited && child->signal == SIGABRT && line != NULL &&
           strstr(line, m->call) != NULL && strstr(line, m->what) != NULL &&
           strchr(line, '\n') == line + strlen(line) - 1;
}

static void
try_each(const struct misuse *m, size_t n)
{
    unsigned failed = 0;

    for (size_t i = 0; i < n; i++) {
        struct test_child child = test_in_child(m[i].run, NULL);
        bool ends = (m[i].reported & build()) != 0;

        if (ends ? died_as_promised(&m[i], &child)
                 : child.exited && child.code == 0)
            continue;
        print_error("%s: wanted %s, exited %d code %d signal %d: %s\n",
                    m[i].name, ends ? m[i].what : "no end", child.exited,
                    child.code, child.signal, child.err);
        failed++;
    }
    assert_int_equal(failed, 0);
}

#define TRY(table) try_each((table), sizeof(table) / sizeof *(table))
#define CASE(fn, builds, call, what)             \
    {                                            \
#        fn, fn, (builds), (call), (what), false \
    }
#define WRITE(fn, builds, call, what)                   \
    {                                                   \
#        fn, fn, (builds) | MARKS, (call), (what), true \
    }

/* Blocks of all kinds have what was written to them. 0: it is so. */
static int
heap_works(void)
{
    enum { N = 3000 };
    static unsigned char *held[N];
    static size_t bytes[N];
    struct test_random r = {77};

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) {
            bytes[i] = 1 + test_below(&r, (size_t)16 << test_below(&r, 8));
            if (i % 500 == 0)
                bytes[i] = MIB;
            held[i] = zk_malloc(bytes[i]);
            if (held[i] == NULL)
                return 2;
            test_fill(held[i], bytes[i], i);
        }
        for (size_t i = 0; i < N; i++) {
            if (!test_holds(held[i], bytes[i], i))
                return 3;
            zk_free(held[i]);
        }
        zk__cache_flush(zk__cache);
    }
    return 0;
}

/* A cache of a heap of one's own, or NULL. */
static zk_cache_t *
own_cache(void)
{
    zk_heap_t *heap = NULL;
    zk_cache_t *cache = NULL;

    if (zk_heap_open(&heap, 0) != ZK_OK || zk_cache_open(&cache, heap) != ZK_OK)
        return NULL;
    return cache;
}

static enum zk_heap_fault
fault_of(const zk_cache_t *cache)
{
    zk_heap_error_t error = {.size = sizeof error};

    return zk_cache_error(cache, &error) == ZK_OK ? error.fault
                                                  : ZK_HEAP_NO_FAULT;
}

/* ---- 1: a double free, at once ----------------------------------------------- */

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

/* ---- 2: a double free, later ------------------------------------------------- */

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

/* ---- 3: an interior pointer --------------------------------------------------- */

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

/* ---- 4: an address of the stack, or of nobody ---------------------------------- */

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

/* ---- 5: a block of another heap ------------------------------------------------ */

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

/* ---- 6: a block of a phase that is over ------------------------------------------ */

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

/* ---- 7: a write past the end ----------------------------------------------------- */

/* One byte, behind what was asked for; then it is freed. */
static int
write_past_the_end(size_t n)
{
    volatile char *p = zk_malloc(n);

    p[n] = 1;
    release((void *)(uintptr_t)p);
    return heap_works();
}

static int
write_a_byte_past_64(void *arg)
{
    (void)arg;
    return write_past_the_end(64);
}

static int
write_a_byte_past_100(void *arg)
{
    (void)arg;
    return write_past_the_end(100);
}

static int
write_a_byte_past_300k(void *arg)
{
    (void)arg;
    return write_past_the_end(300 * KIB);
}

/* A page more is there in any case, so that the program alone is hurt. */
static int
write_a_byte_past_5m(void *arg)
{
    (void)arg;
    return write_past_the_end(5 * MIB - 100);
}

static int
write_past_the_end_and_grow(void *arg)
{
    volatile char *p = zk_malloc(1000);

    (void)arg;
    p[1000] = 1;
    release(change((void *)(uintptr_t)p, 5000));
    return heap_works();
}

static int
write_past_the_end_in_a_heap_of_ones_own(void *arg)
{
    zk_cache_t *cache = own_cache();
    volatile char *p;

    (void)arg;
    CHILD_CHECK(cache != NULL);
    p = zk_heap_alloc(cache, 100, 0);
    p[100] = 1;
    CHILD_CHECK(zk_heap_free(cache, (void *)(uintptr_t)p) == ZK_OK);
    return heap_works();
}

/* Far beyond: the neighbours' bytes, and nothing of the heap's. */
static int
write_past_the_end_at_length(void *arg)
{
    char *p = zk_malloc(64), *q;

    (void)arg;
    for (int i = 0; i < 200; i++)
        (void)allocate(64);
    memset(p, 1, 64 + zk_heap_extra()); /* to the next one's first byte */
    q = p + 64 + zk_heap_extra();
    for (volatile char *at = q; at < q + 4096; at++)
        *at = 1;
    release(p);
    return heap_works();
}

static void
test_a_write_past_the_end_is_reported_or_harmless(void **state)
{
    static const struct misuse cases[] = {
        WRITE(write_a_byte_past_64, DEBUG, "zk_free",
              "was written past its end"),
        WRITE(write_a_byte_past_100, DEBUG, "zk_free",
              "was written past its end (a block of 128 bytes), at byte 100"),
        WRITE(write_a_byte_past_300k, DEBUG, "zk_free",
              "was written past its end"),
        WRITE(write_a_byte_past_5m, DEBUG, "zk_free",
              "was written past its end"),
        WRITE(write_past_the_end_and_grow, DEBUG, "realloc",
              "was written past its end"),
        WRITE(write_past_the_end_in_a_heap_of_ones_own, DEBUG, "zk_heap_free",
              "was written past its end"),
        WRITE(write_past_the_end_at_length, DEBUG, "zk_free",
              "was written past its end"),
    };

    (void)state;
    TRY(cases);
}

/* ---- 8: a header that is overwritten ----------------------------------------------- */

/* There is none before a block: it is the block before that is hurt. */
static int
write_before_the_begin(void *arg)
{
    enum { N = 200 };
    static char *held[N];

    (void)arg;
    for (int i = 0; i < N; i++)
        held[i] = zk_malloc(64);
    for (int i = 0; i < N; i++)
        for (volatile char *at = held[i] - 16; at < held[i]; at++)
            if (zk__heap_owns((const void *)(uintptr_t)at))
                *at = 0x41;
    for (int i = 0; i < N; i++)
        release(held[i]);
    return heap_works();
}

/* Only the library itself reaches the records. */
static struct zk_span *
record_of(const void *p)
{
    size_t page = zk_page_of(p);

    return zk_span_at(page -
                      zk_run_back(zk_load_relaxed(&zk__pages.words[page])));
}

/* Takes and gives so much of a size that its spans come and go. */
static int
use_all(size_t n)
{
    enum { N = 20000 };
    static void *held[N];
    size_t count = 64 * MIB / n < N ? 64 * MIB / n : N;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++)
            held[i] = zk_malloc(n);
        for (size_t i = 0; i < count; i++)
            zk_free(held[i]);
        zk__cache_flush(zk__cache);
    }
    return 9;
}

static int
overwrite_a_spans_class(void *arg)
{
    void *p = zk_malloc(64);

    (void)arg;
    record_of(p)->class += 3;
    return use_all(64);
}

static int
overwrite_a_spans_heap(void *arg)
{
    void *p = zk_malloc(64);

    (void)arg;
    record_of(p)->heap = NULL;
    return use_all(64);
}

static int
overwrite_a_spans_count(void *arg)
{
    void *p = zk_malloc(64);

    (void)arg;
    record_of(p)->free += 100;
    return use_all(64);
}

static int
overwrite_a_large_blocks_pages(void *arg)
{
    void *p = zk_malloc(5 * MIB), *q = zk_malloc(5 * MIB);

    (void)arg;
    record_of(p)->pages += 10;
    release(p);
    return q != NULL ? 9 : 8;
}

static int
overwrite_a_large_blocks_pages_and_grow(void *arg)
{
    void *p = zk_malloc(5 * MIB);

    (void)arg;
    record_of(p)->pages = 3;
    return change(p, 6 * MIB) != NULL ? 9 : 8;
}

/* While its thread keeps it, and nobody has it. */
static int
overwrite_a_kept_blocks_pages(void *arg)
{
    void *p = zk_malloc(MIB);

    (void)arg;
    release(p);
    if (zk_debug())
        return heap_works(); /* nothing is kept */
    record_of(p)->pages += 10;
    return allocate(MIB) != NULL ? 9 : 8;
}

static int
overwrite_what_a_thread_keeps(void *arg)
{
    (void)arg;
    release(allocate(MIB));
    if (zk_debug())
        return heap_works();
    (void)zk_add_relaxed(&zk__cache->aside, (uint64_t)1);
    return allocate(MIB) != NULL ? 9 : 8;
}

static void
test_a_header_that_is_overwritten_is_reported_or_was_never_there(void **state)
{
    static const struct misuse cases[] = {
        WRITE(write_before_the_begin, DEBUG, "zk_free",
              "was written past its end"),
        CASE(overwrite_a_spans_class, ALWAYS, "", "was overwritten"),
        CASE(overwrite_a_spans_heap, ALWAYS, "", "was overwritten"),
        CASE(overwrite_a_spans_count, ALWAYS, "the heap's own records",
             "has a record that was overwritten"),
        CASE(overwrite_a_large_blocks_pages, ALWAYS, "zk_free",
             "has a record that was overwritten"),
        CASE(overwrite_a_large_blocks_pages_and_grow, ALWAYS, "realloc",
             "has a record that was overwritten"),
        CASE(overwrite_a_kept_blocks_pages, ALWAYS & ~DEBUG,
             "the heap's own records", "has a record that was overwritten"),
        CASE(overwrite_what_a_thread_keeps, ALWAYS & ~DEBUG,
             "the heap's own records", "has a record that was overwritten"),
    };

    (void)state;
    TRY(cases);
}

/* ---- 9: a list's link that is overwritten -------------------------------------------- */

/* Free blocks have no link in them: nothing is led astray. */
static int
write_after_the_free(size_t n, size_t at)
{
    enum { N = 3000 }; /* more than wait */
    static volatile char *held[N];

    for (int i = 0; i < N; i++)
        held[i] = zk_malloc(n);
    for (int i = 0; i < N; i++)
        release((void *)(uintptr_t)held[i]);
    for (int i = 0; i < N; i++)
        held[i][at] = 0x41;
    for (int i = 0; i < N; i++)
        (void)allocate(n);
    return heap_works();
}

static int
write_a_free_blocks_first_byte(void *arg)
{
    (void)arg;
    return write_after_the_free(64, 0);
}

static int
write_a_free_blocks_last_byte(void *arg)
{
    (void)arg;
    return write_after_the_free(64, 63);
}

static int
write_into_a_free_block(void *arg)
{
    (void)arg;
    return write_after_the_free(1000, 500);
}

#ifdef ZK_HARDENED

/* What a thread's cache remembers: an address copied over another one, as a write
 * through a wild pointer may do it. */
static int
overwrite_an_entry(void *value, int bytes)
{
    static void *held[100];
    struct zk_bin *b;

    for (int i = 0; i < 100; i++)
        held[i] = zk_malloc(64);
    for (int i = 0; i < 50; i++)
        release(held[i]);
    if (zk__cache == &zk__cache_none)
        return heap_works(); /* there are none */
    b = &zk__cache->bins[zk_class_of(64)];
    memcpy(zk_load_relaxed(&b->top) - 1, &value, (size_t)bytes);
    (void)allocate(64);
    return 9;
}

static int
overwrite_an_entry_with_an_address(void *arg)
{
    static char victim[64];

    (void)arg;
    return overwrite_an_entry(victim, 8);
}

/* Half a block further, if it were obeyed. */
static int
overwrite_a_byte_of_an_entry(void *arg)
{
    void *value = NULL;

    (void)arg;
    memset(&value, 0x40, sizeof value);
    return overwrite_an_entry(value, 1);
}

static int
overwrite_an_entry_with_another(void *arg)
{
    struct zk_bin *b;
    void *other;

    (void)arg;
    for (int i = 0; i < 2; i++)
        release(zk_malloc(64));
    if (zk__cache == &zk__cache_none)
        return heap_works();
    b = &zk__cache->bins[zk_class_of(64)];
    other = zk_load_relaxed(&b->top)[-2];
    memcpy(zk_load_relaxed(&b->top) - 1, &other, sizeof other);
    (void)allocate(64);
    return 9;
}

static int
overwrite_the_oldest_entry(void *arg)
{
    struct zk_bin *b;

    (void)arg;
    release(zk_malloc(64));
    if (zk__cache == &zk__cache_none)
        return heap_works();
    b = &zk__cache->bins[zk_class_of(64)];
    memset(b->floor, 0, sizeof *b->floor);
    zk__cache_flush(zk__cache);
    return 9;
}

#endif

static int
overwrite_a_spans_link(void *arg)
{
    enum { N = 40000 };
    static void *held[N];

    (void)arg;
    for (int i = 0; i < N; i++)
        held[i] = zk_malloc(64);
    for (int i = 0; i < N; i += 2)
        zk_free(held[i]);
    zk__cache_flush(zk__cache);
    record_of(held[N / 2])->next = 12345678;
    return use_all(64);
}

static int
overwrite_a_spans_link_with_another(void *arg)
{
    enum { N = 40000 };
    static void *held[N];

    (void)arg;
    for (int i = 0; i < N; i++)
        held[i] = zk_malloc(64);
    for (int i = 0; i < N; i += 2)
        zk_free(held[i]);
    zk__cache_flush(zk__cache);
    record_of(held[N / 2])->prev = zk_span_first(record_of(held[0]));
    for (int i = 1; i < N; i += 2)
        zk_free(held[i]);
    return use_all(64);
}

static void
test_a_link_that_is_overwritten_is_reported_or_was_never_there(void **state)
{
    static const struct misuse cases[] = {
        WRITE(write_a_free_blocks_first_byte, DEBUG, "an allocation",
              "was written to after it was freed (a block of"),
        WRITE(write_a_free_blocks_last_byte, DEBUG, "an allocation",
              "was written to after it was freed (a block of"),
        WRITE(write_into_a_free_block, DEBUG, "an allocation",
              "was written to after it was freed (a block of 1024 bytes), at "
              "byte 500"),
        CASE(overwrite_a_spans_link, ALWAYS, "the heap's own records",
             "has a record that was overwritten"),
        CASE(overwrite_a_spans_link_with_another, ALWAYS,
             "the heap's own records", "has a record that was overwritten"),
#ifdef ZK_HARDENED
        CASE(overwrite_an_entry_with_an_address, HARDENED | MARKS,
             "a thread's cache", "an entry of a cache was overwritten"),
        CASE(overwrite_a_byte_of_an_entry, HARDENED | MARKS, "a thread's cache",
             "an entry of a cache was overwritten"),
        CASE(overwrite_an_entry_with_another, HARDENED | MARKS,
             "a thread's cache", "an entry of a cache was overwritten"),
        CASE(overwrite_the_oldest_entry, HARDENED | MARKS, "a thread's cache",
             "an entry of a cache was overwritten"),
#endif
    };

    (void)state;
    TRY(cases);
}

/* ---- 10: a wrong size, and a cache of two heaps ----------------------------------------- */

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
        cmocka_unit_test(test_a_write_past_the_end_is_reported_or_harmless),
        cmocka_unit_test(
            test_a_header_that_is_overwritten_is_reported_or_was_never_there),
        cmocka_unit_test(
            test_a_link_that_is_overwritten_is_reported_or_was_never_there),
        cmocka_unit_test(test_a_free_with_another_size_is_refused_or_reported),
        cmocka_unit_test(test_a_cache_serves_one_heap_at_a_time),
    };

    (void)zk__heap_ready();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
