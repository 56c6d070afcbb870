/*
 * large.c - tests of blocks of many pages.
 */
#include "tests.h"

/* ---- large: 17 to 64 MiB, a byte into each page ---------------------------- */

static double
large(void)
{
    uint64_t random = 1, start = bench_now_ns();
    size_t bytes = 0;

    for (int i = 0; i < 4; i++) {
        size_t n = (17 + next_random(&random) % 48) * MIB / heap_shrink;
        char *p = memory_must(memory_alloc(n));

        touch_pages(p, 0, n);
        memory_free(p);
        bytes += n;
    }
    return (double)(bench_now_ns() - start) / 1e3 /
           ((double)bytes / (double)MIB);
}

void
test_large(void)
{
    report_median("large", large);
}

/* ---- growth: a buffer that doubles from 4 KiB to 256 MiB ------------------- */

static double
growth(void (*touch)(char *, size_t, size_t))
{
    size_t n = 4 * KIB, limit = 256 * MIB / heap_shrink;
    uint64_t start = bench_now_ns();
    char *p = memory_must(memory_alloc(n));

    touch(p, 0, n);
    *(volatile char *)p = 42;
    while (n < limit) {
        p = memory_must(memory_realloc(p, 2 * n));
        touch(p, n, 2 * n);
        n *= 2;
    }
    bench_check(*p == 42, "what was in a buffer before it grew");
    memory_free(p);
    return (double)(bench_now_ns() - start) / 1e6;
}

static void
grow(const char *metric, void (*touch)(char *, size_t, size_t))
{
    double v[5];

    (void)growth(touch);
    for (int i = 0; i < 5; i++)
        v[i] = growth(touch);
    bench_report(metric, bench_median(v, 5));
}

void
test_grow_page(void)
{
    grow("grow_page", touch_pages);
}

void
test_grow_line(void)
{
    grow("grow_line", touch_lines);
}

/* ---- zeroed: 512 MiB of zeros, from fresh memory and from used ------------- */

static void
zeroed(const char *metric, size_t bytes)
{
    char name[48];
    uint64_t start = bench_now_ns(), allocated;
    char *p = memory_must(memory_zeroed(bytes / 64, 64));

    bench_escape(p);
    allocated = bench_now_ns();
    for (size_t at = 0; at < bytes; at += 4096) {
        bench_check(p[at] == 0, "zeroed memory");
        *(volatile char *)(p + at) = 1;
    }
    bench_report(metric, (double)(allocated - start) / 1e3);
    snprintf(name, sizeof name, "%s_page", metric);
    bench_report(name, (double)(bench_now_ns() - start) / 1e6);
    memory_free(p);
    memory_reset();
}

void
test_zeroed(void)
{
    size_t bytes = 512 * MIB / heap_shrink;

    zeroed("zeroed_fresh", bytes);
    zeroed("zeroed_used", bytes);
}
