/*
 * two_threads.c - tests with a thread on each of two cores, and blocks that one
 * allocates and another frees.
 */
#include <pthread.h>
#include <sched.h>

#include "tests.h"

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

void
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

void
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

void
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

void
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

void
test_hand_64(void)
{
    hand_count = scaled(200000);
    hand_largest = 64;
    hand_over("hand_64", produce, consume);
}

void
test_hand_mixed(void)
{
    hand_count = scaled(200000);
    hand_largest = 4096;
    hand_over("hand_mixed", produce, consume);
}

void
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

void
test_xmalloc(void)
{
    report_median("xmalloc", x_round);
}
