/*
 * heap.c - small programs that are all malloc and free.
 *
 *     heap_CONTENDER TEST [DIVISOR [SHRINK]]
 *
 * Owns:   what each test does. One test a process, so that none runs on what
 *         another left behind.
 * Never:  touches more of a block than the test says.
 *
 * DIVISOR makes a test shorter. SHRINK makes large blocks and large numbers of
 * blocks smaller, for a run that is only a check.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "memory.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum { BATCHES = 15 };

static size_t divisor = 1, shrink = 1;

/* How often: less for a shorter run. */
static size_t
scaled(size_t n)
{
    return n / divisor > 2 ? n / divisor : 2;
}

static uint64_t
next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return bench_mix(*state);
}

static void
touch_pages(char *p, size_t begin, size_t end)
{
    for (size_t at = begin; at < end; at += 4096)
        *(volatile char *)(p + at) = 1;
}

static void
touch_lines(char *p, size_t begin, size_t end)
{
    for (size_t at = begin; at < end; at += 64)
        *(volatile uint64_t *)(void *)(p + at) = 1;
}

/*
 * Runs `batch` BATCHES times after one that does not count, and reports the
 * median of what it returns.
 */
static void
report_median(const char *metric, double (*batch)(void))
{
    double v[BATCHES];

    (void)batch();
    for (int i = 0; i < BATCHES; i++)
        v[i] = batch();
    bench_report(metric, bench_median(v, BATCHES));
}

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

static void
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

static void
test_blocks(void)
{
    report_median("blocks", blocks);
}

/* ---- million: the same with what giving back costs, and touched ---------- */

static void **million;

static double
million_round(void)
{
    size_t n = (1000000 / shrink);
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

static void
test_million(void)
{
    double v[3];

    million = calloc((1000000 / shrink), sizeof *million);
    bench_check(million != NULL, "calloc");
    (void)million_round();
    for (int i = 0; i < 3; i++)
        v[i] = million_round();
    bench_report("million", bench_median(v, 3));
    free(million);
}

/* ---- churn: as many blocks live as there are slots, one replaced a turn --- */

struct churn {
    void **slots;
    size_t live, turns;
    uint64_t random;
    double ns;
};

static void
churn_open(struct churn *c, size_t live, size_t turns, uint64_t seed)
{
    c->slots = calloc(live, sizeof *c->slots);
    bench_check(c->slots != NULL, "calloc");
    c->live = live;
    c->turns = turns;
    c->random = seed;
}

static size_t
churn_size(uint64_t random)
{
    return 16 + (random >> 40) % 1009; /* 16 to 1024 bytes */
}

static void
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

static void
churn_turns(struct churn *c)
{
    uint64_t start = bench_now_ns();

    for (size_t i = 0; i < c->turns; i++)
        churn_turn(c);
    c->ns = (double)(bench_now_ns() - start) / (double)c->turns;
}

/* The same, once the slots are full and in disorder. */
static void
churn_run(struct churn *c)
{
    for (size_t i = 0; i < 4 * c->live; i++)
        churn_turn(c);
    churn_turns(c);
}

static void
churn_close(struct churn *c)
{
    for (size_t i = 0; i < c->live; i++)
        memory_free(c->slots[i]);
    free(c->slots);
}

static void
churn(const char *metric, size_t live)
{
    struct churn c;

    churn_open(&c, live, scaled(2000000), 1);
    churn_run(&c);
    bench_report(metric, c.ns);
    churn_close(&c);
}

static void
test_churn(void)
{
    churn("churn_1k", 1000);
}

static void
test_churn_70k(void)
{
    churn("churn_70k", 70000 / shrink);
}

/* ---- two threads, each on a core of its own ------------------------------ */

struct side {
    pthread_t thread;
    unsigned core;
    void (*run)(void *arg);
    void *arg;
};

static unsigned ready;

static void *
side_main(void *arg)
{
    struct side *s = arg;

    bench_bind(s->core);
    __atomic_fetch_add(&ready, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < 2)
        sched_yield();
    s->run(s->arg);
    return NULL;
}

static void
both(void (*first)(void *), void *first_arg, void (*second)(void *),
     void *second_arg)
{
    struct side sides[2] = {{.core = 0, .run = first, .arg = first_arg},
                            {.core = 1, .run = second, .arg = second_arg}};

    __atomic_store_n(&ready, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        bench_check(
            pthread_create(&sides[i].thread, NULL, side_main, &sides[i]) == 0,
            "a thread");
    for (int i = 0; i < 2; i++)
        pthread_join(sides[i].thread, NULL);
}

static void
churn_side(void *arg)
{
    churn_run(arg);
}

static void
exchange_side(void *arg)
{
    churn_turns(arg);
}

static void
test_churn_2(void)
{
    static struct {
        _Alignas(128) struct churn c;
    } two[2];

    for (int i = 0; i < 2; i++)
        churn_open(&two[i].c, 1000, scaled(2000000), (uint64_t)i + 1);
    both(churn_side, &two[0].c, churn_side, &two[1].c);
    bench_report("churn_2", (two[0].c.ns + two[1].c.ns) / 2);
    for (int i = 0; i < 2; i++)
        churn_close(&two[i].c);
}

/* ---- exchange: larson's, where a thread goes on with another's blocks ----- */

enum { EXCHANGES = 100 };

static void
test_exchange(void)
{
    static struct {
        _Alignas(128) struct churn c;
    } two[2];
    double sum = 0;

    for (int i = 0; i < 2; i++)
        churn_open(&two[i].c, 1000, scaled(10000), (uint64_t)i + 1);
    for (int i = 0; i < EXCHANGES; i++) {
        void **held = two[0].c.slots;

        two[0].c.slots = two[1].c.slots;
        two[1].c.slots = held;
        both(exchange_side, &two[0].c, exchange_side, &two[1].c);
        sum += two[0].c.ns + two[1].c.ns;
    }
    bench_report("exchange", sum / (2 * EXCHANGES));
    for (int i = 0; i < 2; i++)
        churn_close(&two[i].c);
}

/*
 * ---- larson: threads that pass their blocks to their successors ------------
 *
 * After Larson and Krishnan, "Memory allocation for long-running server
 * applications" (ISMM 1998), with the numbers that are usual today: 5,000 blocks
 * of 8 to 1,000 bytes, and 100 replacements of each in the life of a thread. First
 * and last byte are written.
 */

enum { LARSON_BLOCKS = 5000, LARSON_LIVES = 4 };

static void
larson_life(void *arg)
{
    struct churn *c = arg;
    uint64_t start = bench_now_ns();

    for (size_t i = 0; i < c->turns; i++) {
        uint64_t random = next_random(&c->random);
        size_t at = (uint32_t)random % LARSON_BLOCKS;
        size_t n = 8 + (random >> 40) % 993;
        char *p;

        memory_free(c->slots[at]);
        p = memory_must(memory_alloc(n));
        *(volatile char *)p = 1;
        *(volatile char *)(p + n - 1) = 1;
        c->slots[at] = p;
    }
    c->ns += (double)(bench_now_ns() - start) / (double)c->turns;
}

static void
test_larson(void)
{
    static struct {
        _Alignas(128) struct churn c;
    } two[2];

    for (int i = 0; i < 2; i++)
        churn_open(&two[i].c, LARSON_BLOCKS, scaled(100 * LARSON_BLOCKS),
                   (uint64_t)i + 1);
    both(larson_life, &two[0].c, larson_life, &two[1].c);
    two[0].c.ns = two[1].c.ns = 0;
    for (int i = 0; i < LARSON_LIVES; i++)
        both(larson_life, &two[0].c, larson_life, &two[1].c);
    bench_report("larson", (two[0].c.ns + two[1].c.ns) / (2 * LARSON_LIVES));
    for (int i = 0; i < 2; i++)
        churn_close(&two[i].c);
}

/*
 * ---- rptest: much of each thread's is freed by the other -------------------
 *
 * In the shape of rpmalloc's own benchmark: 1,000 slots a thread; a turn frees
 * and allocates a hundred in a row, of 8 to 16,000 bytes, small ones more often;
 * in every second turn a hundred more are sent to the other thread, which frees
 * them.
 */

enum { RP_SLOTS = 1000, RP_ROW = 100 };

struct rp {
    _Alignas(128) void **inbox; /* lists of blocks, by their first words */
    _Alignas(128) struct rp *other;
    void *slots[RP_SLOTS];
    uint64_t random;
    size_t turns;
    double ns;
};

static void **
rp_block(struct rp *r)
{
    uint64_t random = next_random(&r->random);
    size_t a = (uint32_t)random % 15993, b = (random >> 32) % 15993;
    void **p = memory_must(memory_alloc(8 + (a < b ? a : b)));

    *p = NULL;
    return p;
}

static void
rp_free_received(struct rp *r)
{
    void **list = __atomic_exchange_n(&r->inbox, NULL, __ATOMIC_ACQUIRE);

    while (list != NULL) {
        void **next = *list;

        memory_free(list);
        list = next;
    }
}

static void
rp_send(struct rp *r)
{
    void **first = rp_block(r), **last = first;

    for (int i = 1; i < RP_ROW; i++) {
        void **p = rp_block(r);

        *p = first;
        first = p;
    }
    *last = __atomic_load_n(&r->other->inbox, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&r->other->inbox, (void ***)last, first,
                                        true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
}

static void
rp_side(void *arg)
{
    struct rp *r = arg;
    uint64_t start = bench_now_ns();

    for (size_t turn = 0; turn < r->turns; turn++) {
        void **row = r->slots + turn * RP_ROW % RP_SLOTS;

        for (int i = 0; i < RP_ROW; i++)
            memory_free(row[i]);
        for (int i = 0; i < RP_ROW; i++)
            row[i] = rp_block(r);
        if (turn % 2 == 0)
            rp_send(r);
        rp_free_received(r);
    }
    r->ns = (double)(bench_now_ns() - start);
}

static void
test_rptest(void)
{
    static struct rp two[2];
    double blocks = 0, ns = 0;

    for (int i = 0; i < 2; i++) {
        two[i].other = &two[1 - i];
        two[i].random = (uint64_t)i + 1;
        two[i].turns = scaled(5000);
    }
    both(rp_side, &two[0], rp_side, &two[1]);
    for (int i = 0; i < 2; i++) {
        blocks += 1.5 * (double)RP_ROW * (double)two[i].turns;
        ns += two[i].ns;
        rp_free_received(&two[i]);
        for (int k = 0; k < RP_SLOTS; k++)
            memory_free(two[i].slots[k]);
    }
    bench_report("rptest", ns / blocks);
}

/* ---- handing blocks over: one thread allocates, the other frees ----------- */

enum { RING = 4096 };

/* One writer, one reader; a NULL says that all was sent. */
static struct {
    _Alignas(64) size_t written;
    _Alignas(64) size_t read;
    _Alignas(64) void *entries[RING];
} ring;

static size_t hand_count, hand_batch, hand_largest;

static void
ring_put(void *p)
{
    size_t at = ring.written;

    while (at - __atomic_load_n(&ring.read, __ATOMIC_ACQUIRE) == RING)
        sched_yield();
    ring.entries[at % RING] = p;
    __atomic_store_n(&ring.written, at + 1, __ATOMIC_RELEASE);
}

static void *
ring_get(void)
{
    size_t at = ring.read;
    void *p;

    while (__atomic_load_n(&ring.written, __ATOMIC_ACQUIRE) == at)
        sched_yield();
    p = ring.entries[at % RING];
    __atomic_store_n(&ring.read, at + 1, __ATOMIC_RELEASE);
    return p;
}

static void *
hand_block(uint64_t *random)
{
    size_t bytes = 64;
    uint64_t *p;

    if (hand_largest > 64) /* as many of each power of two */
        bytes = (size_t)16 << next_random(random) % 9;
    p = memory_must(memory_alloc(bytes));
    *p = bytes;
    return p;
}

static void
produce(void *arg)
{
    uint64_t random = 1;

    (void)arg;
    for (size_t i = 0; i < hand_count; i++)
        ring_put(hand_block(&random));
    ring_put(NULL);
}

static void
consume(void *arg)
{
    uint64_t *p;

    (void)arg;
    while ((p = ring_get()) != NULL) {
        bench_check(*p >= 16, "a block that was handed over");
        memory_free(p);
    }
}

/* A batch is a list: each block's first word is the next one's address. */
static void
produce_batches(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < hand_count; i += hand_batch) {
        void *list = NULL;

        for (size_t k = 0; k < hand_batch; k++) {
            void **p = memory_must(memory_alloc(64));

            *p = list;
            list = p;
        }
        ring_put(list);
    }
    ring_put(NULL);
}

static void
consume_batches(void *arg)
{
    void **list;

    (void)arg;
    while ((list = ring_get()) != NULL)
        while (list != NULL) {
            void **next = *list;

            memory_free(list);
            list = next;
        }
}

static void
hand_over(const char *metric, void (*producer)(void *),
          void (*consumer)(void *))
{
    double v[5];

    for (int i = 0; i < 5; i++) {
        uint64_t start = bench_now_ns();

        ring.written = ring.read = 0;
        both(producer, NULL, consumer, NULL);
        v[i] = (double)(bench_now_ns() - start) / (double)hand_count;
    }
    bench_report(metric, bench_median(v, 5));
}

static void
test_hand_64(void)
{
    hand_count = scaled(200000);
    hand_largest = 64;
    hand_over("hand_64", produce, consume);
}

static void
test_hand_mixed(void)
{
    hand_count = scaled(200000);
    hand_largest = 4096;
    hand_over("hand_mixed", produce, consume);
}

static void
test_hand_bulk(void)
{
    hand_batch = 1000;
    hand_count = scaled(200) * hand_batch;
    hand_over("hand_bulk", produce_batches, consume_batches);
}

/*
 * ---- xmalloc: two threads allocate, two others free -------------------------
 *
 * After Lever and Boreham, "malloc() performance in a multithreaded Linux
 * environment" (USENIX 2000): batches, themselves allocated, go through one queue
 * of at most 100 under a lock. Blocks of 64 bytes, 120 a batch.
 */

enum { X_BLOCKS = 120, X_QUEUE = 100 };

struct x_batch {
    struct x_batch *next;
    void *blocks[X_BLOCKS];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t room, work;
    struct x_batch *first;
    size_t length, left; /* batches that are still to be freed */
} x = {.lock = PTHREAD_MUTEX_INITIALIZER,
       .room = PTHREAD_COND_INITIALIZER,
       .work = PTHREAD_COND_INITIALIZER};

static void *
x_allocate(void *count)
{
    for (size_t n = *(size_t *)count; n > 0; n--) {
        struct x_batch *b = memory_must(memory_alloc(sizeof *b));

        for (int i = 0; i < X_BLOCKS; i++) {
            b->blocks[i] = memory_must(memory_alloc(64));
            *(volatile char *)b->blocks[i] = 1;
        }
        pthread_mutex_lock(&x.lock);
        while (x.length >= X_QUEUE)
            pthread_cond_wait(&x.room, &x.lock);
        b->next = x.first;
        x.first = b;
        x.length++;
        pthread_cond_signal(&x.work);
        pthread_mutex_unlock(&x.lock);
    }
    return NULL;
}

static void *
x_release(void *nothing)
{
    for (;;) {
        struct x_batch *b;

        pthread_mutex_lock(&x.lock);
        while (x.first == NULL && x.left != 0)
            pthread_cond_wait(&x.work, &x.lock);
        b = x.first;
        if (b != NULL) {
            x.first = b->next;
            x.length--;
            x.left--;
            pthread_cond_signal(&x.room);
        }
        if (x.left == 0)
            pthread_cond_broadcast(&x.work);
        pthread_mutex_unlock(&x.lock);
        if (b == NULL)
            return nothing;
        for (int i = 0; i < X_BLOCKS; i++)
            memory_free(b->blocks[i]);
        memory_free(b);
    }
}

static double
x_round(void)
{
    size_t each = scaled(2000);
    pthread_t threads[4];
    uint64_t start = bench_now_ns();

    x.left = 2 * each;
    for (int i = 0; i < 4; i++)
        bench_check(pthread_create(&threads[i], NULL,
                                   i < 2 ? x_allocate : x_release,
                                   i < 2 ? &each : NULL) == 0,
                    "a thread");
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return (double)(bench_now_ns() - start) /
           (double)(2 * each * (X_BLOCKS + 1));
}

static void
test_xmalloc(void)
{
    report_median("xmalloc", x_round);
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

static void
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

static void
test_mixed(void)
{
    report_median("mixed", mixed);
}

/* ---- large: 17 to 64 MiB, a byte into each page ---------------------------- */

static double
large(void)
{
    uint64_t random = 1, start = bench_now_ns();
    size_t bytes = 0;

    for (int i = 0; i < 4; i++) {
        size_t n = (17 + next_random(&random) % 48) * MIB / shrink;
        char *p = memory_must(memory_alloc(n));

        touch_pages(p, 0, n);
        memory_free(p);
        bytes += n;
    }
    return (double)(bench_now_ns() - start) / 1e3 /
           ((double)bytes / (double)MIB);
}

static void
test_large(void)
{
    report_median("large", large);
}

/* ---- growth: a buffer that doubles from 4 KiB to 256 MiB ------------------- */

static double
growth(void (*touch)(char *, size_t, size_t))
{
    size_t n = 4 * KIB, limit = 256 * MIB / shrink;
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

static void
test_grow_page(void)
{
    grow("grow_page", touch_pages);
}

static void
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

static void
test_zeroed(void)
{
    size_t bytes = 512 * MIB / shrink;

    zeroed("zeroed_fresh", bytes);
    zeroed("zeroed_used", bytes);
}

/* ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"pair", test_pair},           {"blocks", test_blocks},
    {"million", test_million},     {"churn", test_churn},
    {"churn_70k", test_churn_70k}, {"churn_2", test_churn_2},
    {"exchange", test_exchange},   {"larson", test_larson},
    {"rptest", test_rptest},       {"xmalloc", test_xmalloc},
    {"hand_64", test_hand_64},     {"hand_mixed", test_hand_mixed},
    {"hand_bulk", test_hand_bulk}, {"embeddings", test_embeddings},
    {"mixed", test_mixed},         {"large", test_large},
    {"grow_page", test_grow_page}, {"grow_line", test_grow_line},
    {"zeroed", test_zeroed},
};

int
main(int argc, char **argv)
{
    long shorter = bench_arg(argc, argv, 2, 1);
    long smaller = bench_arg(argc, argv, 3, 1);

    if (shorter > 0)
        divisor = (size_t)shorter;
    if (smaller > 0)
        shrink = (size_t)smaller;
    for (size_t i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++)
        if (strcmp(argv[1], tests[i].name) == 0) {
            memory_open();
            tests[i].run();
            memory_close();
            return 0;
        }
    fputs("usage: heap TEST [DIVISOR [SHRINK]], where TEST is one of:\n",
          stderr);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        fprintf(stderr, "    %s\n", tests[i].name);
    return 2;
}
