/*
 * tests.h - what the tests of the heap share.
 *
 * Owns:   their names, how long they are, the median of batches, and churn, which
 *         runs on one thread and on two.
 * Never:  names a contender: memory.h is that.
 */
#ifndef ZK_BENCH_HEAP_TESTS_H
#define ZK_BENCH_HEAP_TESTS_H

#include <stdbool.h>

#include "memory.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum { BATCHES = 15 };

/* From the command line; see heap.c. */
extern size_t heap_divisor, heap_shrink;

/* How often: less for a shorter run. */
static inline size_t
scaled(size_t n)
{
    return n / heap_divisor > 2 ? n / heap_divisor : 2;
}

static inline uint64_t
next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return bench_mix(*state);
}

static inline void
touch_pages(char *p, size_t begin, size_t end)
{
    for (size_t at = begin; at < end; at += 4096)
        *(volatile char *)(p + at) = 1;
}

static inline void
touch_lines(char *p, size_t begin, size_t end)
{
    for (size_t at = begin; at < end; at += 64)
        *(volatile uint64_t *)(void *)(p + at) = 1;
}

/*
 * Runs `batch` BATCHES times after one that does not count, and reports the
 * median of what it returns.
 */
static inline void
report_median(const char *metric, double (*batch)(void))
{
    double v[BATCHES];

    (void)batch();
    for (int i = 0; i < BATCHES; i++)
        v[i] = batch();
    bench_report(metric, bench_median(v, BATCHES));
}

/* Churn: as many blocks live as there are slots, and one is replaced a turn. */

struct churn {
    void **slots;
    size_t live, turns;
    uint64_t random;
    double ns;
};

static inline void
churn_open(struct churn *c, size_t live, size_t turns, uint64_t seed)
{
    c->slots = calloc(live, sizeof *c->slots);
    bench_check(c->slots != NULL, "calloc");
    c->live = live;
    c->turns = turns;
    c->random = seed;
}

static inline size_t
churn_size(uint64_t random)
{
    return 16 + (random >> 40) % 1009; /* 16 to 1024 bytes */
}

static inline void
churn_turn(struct churn *c)
{
    uint64_t random = next_random(&c->random);
    size_t at = (uint32_t)random % c->live;
    uint64_t *p;

    memory_free(c->slots[at]);
    p = memory_must(memory_alloc(churn_size(random)));
    *p = random;
    c->slots[at] = p;
}

static inline void
churn_turns(struct churn *c)
{
    uint64_t start = bench_now_ns();

    for (size_t i = 0; i < c->turns; i++)
        churn_turn(c);
    c->ns = (double)(bench_now_ns() - start) / (double)c->turns;
}

/* The same, once the slots are full and in disorder. */
static inline void
churn_run(struct churn *c)
{
    for (size_t i = 0; i < 4 * c->live; i++)
        churn_turn(c);
    churn_turns(c);
}

static inline void
churn_close(struct churn *c)
{
    for (size_t i = 0; i < c->live; i++)
        memory_free(c->slots[i]);
    free(c->slots);
}

/* One test each; it reports its figures. */
void test_pair(void);
void test_blocks(void);
void test_million(void);
void test_churn(void);
void test_churn_70k(void);
void test_churn_2(void);
void test_exchange(void);
void test_larson(void);
void test_rptest(void);
void test_hand_64(void);
void test_hand_mixed(void);
void test_hand_bulk(void);
void test_xmalloc(void);
void test_embeddings(void);
void test_mixed(void);
void test_large(void);
void test_grow_page(void);
void test_grow_line(void);
void test_zeroed(void);

#endif
