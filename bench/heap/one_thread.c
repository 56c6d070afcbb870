/*
 * one_thread.c - tests of small blocks on one thread.
 */
#include "tests.h"

/* ---- pair: a block, and back with it; untouched -------------------------- */

static size_t pair_bytes;

static double
pairs(void)
{
    size_t n = scaled(pair_bytes >= MIB ? 4000 : 100000);
    uint64_t start = bench_now_ns();

    for (size_t i = 0; i < n; i++) {
        void *p = memory_alloc(pair_bytes);

        bench_escape(p);
        memory_free(p);
    }
    return (double)(bench_now_ns() - start) / (double)n;
}

void
test_pair(void)
{
    static const struct {
        const char *metric;
        size_t bytes;
    } sizes[] = {
        {"pair_64", 64},        {"pair_1k", KIB},    {"pair_8k", 8 * KIB},
        {"pair_32k", 32 * KIB}, {"pair_70k", 70000}, {"pair_1m", MIB},
    };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pair_bytes = sizes[i].bytes;
        report_median(sizes[i].metric, pairs);
    }
}

/* ---- blocks: many of 64 bytes, all of them given back later -------------- */

enum { BLOCKS = 100000 };

static double
blocks(void)
{
    static void *held[BLOCKS];
    uint64_t start = bench_now_ns(), took;

    for (size_t i = 0; i < BLOCKS; i++)
        held[i] = memory_alloc(64);
    took = bench_now_ns() - start;
    bench_escape(held);
    for (size_t i = 0; i < BLOCKS; i++)
        memory_free(memory_must(held[i]));
    memory_reset();
    return (double)took / (double)BLOCKS;
}

void
test_blocks(void)
{
    report_median("blocks", blocks);
}

/* ---- million: the same with what giving back costs, and touched ---------- */

static void **million;

static double
million_round(void)
{
    size_t n = (1000000 / heap_shrink);
    uint64_t start = bench_now_ns(), took;

    for (size_t i = 0; i < n; i++) {
        char *p = memory_must(memory_alloc(64));

        *p = 1;
        million[i] = p;
    }
    for (size_t i = 0; i < n; i++)
        memory_free(million[i]);
    took = bench_now_ns() - start;
    memory_reset();
    return (double)took / (double)n;
}

void
test_million(void)
{
    double v[3];

    million = calloc((1000000 / heap_shrink), sizeof *million);
    bench_check(million != NULL, "calloc");
    (void)million_round();
    for (int i = 0; i < 3; i++)
        v[i] = million_round();
    bench_report("million", bench_median(v, 3));
    free(million);
}

/* ---- churn ---------------------------------------------------------------- */

static void
churn(const char *metric, size_t live)
{
    struct churn c;

    churn_open(&c, live, scaled(2000000), 1);
    churn_run(&c);
    bench_report(metric, c.ns);
    churn_close(&c);
}

void
test_churn(void)
{
    churn("churn_1k", 1000);
}

void
test_churn_70k(void)
{
    churn("churn_70k", 70000 / heap_shrink);
}

/* ---- embeddings: a batch of vectors, all of them, then none --------------- */

static double
embeddings(void)
{
    static const size_t floats[] = {384, 768, 1024, 1536};
    size_t rounds = scaled(500);
    void *held[64];
    uint64_t start = bench_now_ns();

    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < 64; i++) {
            uint64_t *p = memory_must(memory_alloc(4 * floats[i % 4]));

            *p = i;
            held[i] = p;
        }
        for (size_t i = 0; i < 64; i++)
            memory_free(held[i]);
    }
    return (double)(bench_now_ns() - start) / (double)(64 * rounds);
}

void
test_embeddings(void)
{
    report_median("embeddings", embeddings);
}

/* ---- mixed: a queue of 256 blocks of 16 bytes to 64 KiB -------------------- */

static double
mixed(void)
{
    void *held[256] = {NULL};
    size_t n = scaled(100000);
    uint64_t random = 1, start = bench_now_ns();

    for (size_t i = 0; i < n; i++) {
        uint64_t r = next_random(&random);
        size_t least = (size_t)16 << r % 12;
        uint64_t *p =
            memory_must(memory_alloc(least + (size_t)(r >> 32) % least));

        *p = r;
        memory_free(held[i % 256]);
        held[i % 256] = p;
    }

    double ns = (double)(bench_now_ns() - start) / (double)n;

    for (size_t i = 0; i < 256; i++)
        memory_free(held[i]);
    return ns;
}

void
test_mixed(void)
{
    report_median("mixed", mixed);
}
