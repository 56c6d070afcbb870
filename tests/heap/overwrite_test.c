/*
 * overwrite_test.c - what a program writes where it should not is reported where
 * that is known, and does nothing to the heap where it cannot reach it.
 */
#include "tests/heap/misuse.h"

static void *(*volatile allocate)(size_t) = zk_malloc;

/* ---- a write past the end ----------------------------------------------------- */

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

/* ---- a header that is overwritten ----------------------------------------------- */

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

/* ---- a list's link that is overwritten -------------------------------------------- */

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_write_past_the_end_is_reported_or_harmless),
        cmocka_unit_test(
            test_a_header_that_is_overwritten_is_reported_or_was_never_there),
        cmocka_unit_test(
            test_a_link_that_is_overwritten_is_reported_or_was_never_there),
    };

    (void)zk__heap_ready();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
