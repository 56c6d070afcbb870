/*
 * stress_test.c - threads that allocate and free each other's blocks, with a
 * shadow of what each block holds. O9.
 *
 * Each thread has a row of mailboxes; whoever puts a block into one may find one
 * there, which another thread has allocated, and frees it. Checked are contents,
 * alignment and usable size; that no byte has two owners follows from the
 * contents.
 *
 * ZK_TEST_OPERATIONS sets how many operations there are, of all threads together.
 */
#include <pthread.h>

#include "alloc/heap.h"
#include "tests/support.h"

enum { THREADS = 4, BOXES = 512, HELD = 256 };

/* Stands at the begin of each block, and says what follows. */
struct label {
    uint64_t key;
    size_t n;
};

static _Atomic(struct label *) boxes[BOXES];

struct thread {
    pthread_t id;
    struct test_random random;
    uint64_t operations;
    struct label *held[HELD];
    unsigned torn, small, misaligned, refused, not_zero;
};

static size_t
random_size(struct test_random *r)
{
    size_t most = (size_t)32 << test_below(r, 12); /* 64 KiB */

    if (test_below(r, 1000) == 0)
        most = 2 * MIB;
    return sizeof(struct label) + test_below(r, most);
}

/* All of a short block, the begin and the end of a long one. */
static void
fill(struct label *p)
{
    size_t n = p->n - sizeof *p;
    char *b = (char *)(p + 1);

    test_fill(b, n < 128 ? n : 64, p->key);
    if (n >= 128)
        test_fill(b + n - 64, 64, ~p->key);
}

static bool
holds(const struct label *p)
{
    size_t n = p->n - sizeof *p;
    const char *b = (const char *)(p + 1);

    return test_holds(b, n < 128 ? n : 64, p->key) &&
           (n < 128 || test_holds(b + n - 64, 64, ~p->key));
}

static struct label *
allocate(struct thread *t)
{
    size_t n = random_size(&t->random), align = n < 64 ? 16 : 64;
    struct label *p;

    switch (test_below(&t->random, 16)) {
    case 0:
        p = zk_calloc(1, n);
        t->not_zero += p != NULL && !test_all_zero(p, n < 4096 ? n : 4096);
        break;
    case 1:
        align = (size_t)1 << test_below(&t->random, 14);
        p = zk_aligned_alloc(align, n);
        break;
    default: p = zk_malloc(n); break;
    }
    if (p == NULL) {
        t->refused++;
        return NULL;
    }
    t->misaligned += (uintptr_t)p % align != 0;
    t->small += zk_usable_size(p) < n;
    p->n = n;
    p->key = test_next(&t->random);
    fill(p);
    return p;
}

static struct label *
grow(struct thread *t, struct label *p)
{
    size_t n = random_size(&t->random);
    struct label *q;

    t->torn += !holds(p);
    q = zk_realloc(p, n);
    if (q == NULL) {
        t->refused++;
        return p;
    }
    q->n = n;
    fill(q);
    return q;
}

static void
end(struct thread *t, struct label *p)
{
    if (p == NULL)
        return;
    t->torn += !holds(p);
    p->key = ~p->key; /* a second owner would see it */
    zk_free(p);
}

static void *
run(void *arg)
{
    struct thread *t = arg;

    for (uint64_t i = 0; i < t->operations; i++) {
        size_t at = test_below(&t->random, HELD);

        switch (test_below(&t->random, 8)) {
        case 0:
            if (t->held[at] != NULL)
                t->held[at] = grow(t, t->held[at]);
            break;
        case 1:
        case 2:
        case 3: /* R1 -> A1: what is in a block goes with it */
            t->held[at] = zk_exchange_acq_rel(
                &boxes[test_below(&t->random, BOXES)], t->held[at]);
            break;
        default:
            end(t, t->held[at]);
            t->held[at] = allocate(t);
            break;
        }
    }
    for (size_t i = 0; i < HELD; i++)
        end(t, t->held[i]);
    return NULL;
}

static uint64_t
operations(void)
{
    const char *text = getenv("ZK_TEST_OPERATIONS");

    return text != NULL ? strtoull(text, NULL, 0) : test_scaled(6000000);
}

static void
test_blocks_of_all_threads_keep_what_was_written(void **state)
{
    static struct thread threads[THREADS];
    uint64_t seed = test_seed(__func__);
    zk_heap_stats_t stats = {.size = sizeof stats};

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        struct thread *t = &threads[i];

        t->random.state = seed + i * UINT64_C(0x123456789);
        t->operations = operations() / THREADS;
        assert_int_equal(pthread_create(&t->id, NULL, run, t), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i].id, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(threads[i].torn, 0);
        assert_int_equal(threads[i].small, 0);
        assert_int_equal(threads[i].misaligned, 0);
        assert_int_equal(threads[i].refused, 0);
        assert_int_equal(threads[i].not_zero, 0);
    }
    for (unsigned i = 0; i < BOXES; i++)
        end(&threads[0], zk_load_relaxed(&boxes[i]));
    assert_int_equal(threads[0].torn, 0);

    /* All came back. */
    assert_int_equal(zk_heap_stats(NULL, &stats), ZK_OK);
    assert_int_equal(stats.allocated, 0);
    assert_int_equal(stats.large, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_of_all_threads_keep_what_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
