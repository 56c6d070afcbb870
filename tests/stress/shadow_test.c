/*
 * shadow_test.c - random allocations against a shadow model.
 *
 * Several threads have phases on one lane. In each phase and each of its nested
 * stages, tasks allocate, grow, shrink and free blocks that other tasks, on other
 * workers and in outer stages, have allocated. A shadow says what each block
 * holds and in which stage it lives. Checked are contents, alignment,
 * zk_usable_size(), zk_in_arena(), that no two live blocks overlap, that the
 * scratch which each task has beside them is its own, and that the blocks of an
 * ended stage are dead while all others live. Z14, B1, R2, R3, R6.
 *
 * ZK_TEST_OPERATIONS says how many there are in all, ZK_TEST_FULL=1 that they are
 * 10^8; else it is 10^7 under AddressSanitizer, and fewer elsewhere.
 */
#include "tests/stress/still.h"

#define OPENERS    3u
#define WORKERS    8u /* of the lane, on which the tasks of all of them run */
#define MODELS     3u
#define SETS       4u  /* of blocks; each has one task at a time */
#define BLOCKS     48u /* in a set */
#define MAX_NESTED 4u

enum fault {
    NO_MEMORY,
    WRONG_PLACE,
    MISALIGNED,
    TOO_SMALL,
    NOT_ZERO,
    TORN,
    OVERLAP,
    STILL_ALIVE,
    BAD_CODE,
    FAULTS
};

struct block {
    char *p; /* NULL: none */
    size_t n;
    uint64_t key;
    unsigned depth; /* of the stage that it dies with; 0: it is the heap's */
};

struct opener;

struct set {
    struct opener *opener;
    struct test_random random;
    struct block blocks[BLOCKS];
};

struct opener {
    zk_runtime_t *lane;
    struct test_random random;
    unsigned depth;       /* of the innermost stage; 0: no phase is open */
    unsigned long wanted; /* operations; it ends with the phase that has them */
    unsigned operations;  /* of a task */
    struct set sets[SETS];
    _Atomic unsigned faults[FAULTS];
    _Atomic unsigned long done;
};

static void
expect(struct opener *o, enum fault fault, bool holds)
{
    if (!holds)
        zk_add_relaxed(&o->faults[fault], 1u);
}

static size_t
random_size(struct test_random *r)
{
    switch (test_below(r, 32)) {
    case 0: return test_below(r, 3);
    case 1:
    case 2: return 4000 + test_below(r, 200);
    case 3:
    case 4: return 1 + test_below(r, 9000);
    case 5: return 1 + test_below(r, test_below(r, 16) == 0 ? 150000 : 20000);
    default: return 1 + test_below(r, 256);
    }
}

/* As test_fill(), a word at a time: p is a multiple of 8. */
static uint64_t
word_of(uint64_t key, size_t i)
{
    return (key + i) * 0x9e3779b97f4a7c15u;
}

static void
paint(void *p, size_t n, uint64_t key)
{
    uint64_t *w = p, last = word_of(key, n / 8);

    for (size_t i = 0; i < n / 8; i++)
        w[i] = word_of(key, i);
    memcpy(w + n / 8, &last, n % 8);
}

/* Words [from, to) of what was painted, and its last bytes. */
static bool
painted_part(const void *p, size_t n, uint64_t key, size_t from, size_t to)
{
    const uint64_t *w = p;
    uint64_t last = word_of(key, n / 8);

    for (size_t i = from; i < to; i++)
        if (w[i] != word_of(key, i))
            return false;
    return memcmp(w + n / 8, &last, n % 8) == 0;
}

static bool
painted(const void *p, size_t n, uint64_t key)
{
    return painted_part(p, n, key, 0, n / 8);
}

/* What is true of each live block. */
static void
check_words(struct opener *o, const struct block *b, size_t from, size_t to)
{
    expect(o, TORN, painted_part(b->p, b->n, b->key, from, to));
    expect(o, TOO_SMALL, zk_usable_size(b->p) >= b->n);
    expect(o, WRONG_PLACE, (zk_in_arena(b->p) != 0) == (b->depth != 0));
}

static void
check(struct opener *o, const struct block *b)
{
    check_words(o, b, 0, b->n / 8);
}

/* Of a block that is only passed by: its first words, and some more. */
static void
glance(struct set *s, const struct block *b)
{
    size_t words = b->n / 8, from = test_below(&s->random, words + 1);
    size_t to = words - from < 16 ? words : from + 16;

    check_words(s->opener, b, 0, words < 8 ? words : 8);
    check_words(s->opener, b, from, to);
}

/* A new address has been handed out. */
static void
adopt(struct set *s, struct block *b, size_t n, size_t align)
{
    struct opener *o = s->opener;
    bool arena = zk_in_arena(b->p) != 0;

    b->n = n;
    b->key = test_next(&s->random);
    b->depth = arena ? o->depth : 0;
    expect(o, WRONG_PLACE, !arena || o->depth != 0);
    expect(o, MISALIGNED, (uintptr_t)b->p % align == 0);
    expect(o, MISALIGNED, !arena || (uintptr_t)b->p % 64 == 0);
    paint(b->p, n, b->key);
    expect(o, TOO_SMALL, zk_usable_size(b->p) >= n);
}

static void
allocate(struct set *s, struct block *b)
{
    struct opener *o = s->opener;
    size_t n = random_size(&s->random), align = 16;

    switch (test_below(&s->random, 4)) {
    case 0:
        b->p = zk_calloc(1, n);
        expect(o, NOT_ZERO, b->p != NULL && test_all_zero(b->p, n));
        break;
    case 1:
        align = (size_t)1 << test_below(&s->random, 15);
        b->p = zk_aligned_alloc(align, n);
        break;
    case 2:
        if (o->depth != 0) {
            align = 64;
            b->p = zk_phase_alloc(n, 0);
            if (b->p == NULL)
                return; /* full: an honest answer */
            expect(o, WRONG_PLACE, zk_in_arena(b->p));
            break;
        }
        /* fall through */
    default: b->p = zk_malloc(n); break;
    }
    expect(o, NO_MEMORY, b->p != NULL);
    if (b->p != NULL)
        adopt(s, b, n, align);
}

static void
reallocate(struct set *s, struct block *b)
{
    struct opener *o = s->opener;
    size_t n = random_size(&s->random) + 1;
    size_t kept = n < b->n ? n : b->n;
    char *p = zk_realloc(b->p, n);
    unsigned depth = b->depth;
    bool moved = p != b->p;

    expect(o, NO_MEMORY, p != NULL);
    if (p == NULL)
        return;
    expect(o, TORN, painted(p, kept, b->key));
    /* A block of the heap stays there for ever. */
    expect(o, WRONG_PLACE, depth != 0 || !zk_in_arena(p));
    b->p = p;
    adopt(s, b, n, 16);
    if (!moved)
        b->depth = depth;
}

/* Scratch of a task, filled; what is in it is the shadow's length and key. */
static void
take_scratch(struct set *s, struct block *b)
{
    size_t align = (size_t)1 << test_below(&s->random, 13);

    b->n = random_size(&s->random);
    b->key = test_next(&s->random);
    b->p = zk_scratch_alloc(b->n, align);
    expect(s->opener, NO_MEMORY, b->p != NULL);
    expect(s->opener, MISALIGNED, (uintptr_t)b->p % align == 0);
    if (b->p != NULL)
        paint(b->p, b->n, b->key);
}

static bool
scratch_holds(const struct block *b)
{
    return b->p == NULL || painted(b->p, b->n, b->key);
}

static int
operate(void *arg)
{
    struct set *s = arg;
    struct opener *o = s->opener;
    zk_scratch_t outer = zk_scratch_begin(), inner = outer;
    struct block low, lower = {0};

    take_scratch(s, &low);
    for (unsigned i = 0; i < o->operations; i++) {
        struct block *b = &s->blocks[test_below(&s->random, BLOCKS)];

        if (i % 16 == 0) {
            inner = zk_scratch_begin();
            take_scratch(s, &lower);
        } else if (i % 16 == 11) {
            expect(o, TORN, scratch_holds(&lower));
            expect(o, BAD_CODE, zk_scratch_end(inner) == ZK_OK);
        }
        if (b->p == NULL) {
            allocate(s, b);
            continue;
        }
        switch (test_below(&s->random, 3)) {
        case 0: reallocate(s, b); break;
        case 1:
            check(o, b);
            zk_free(b->p);
            b->p = NULL;
            break;
        default: glance(s, b); break;
        }
    }
    expect(o, TORN, scratch_holds(&low));
    if (test_below(&s->random, 2) == 0) /* else it ends with the task */
        expect(o, BAD_CODE, zk_scratch_end(outer) == ZK_OK);
    zk_add_relaxed(&o->done, (unsigned long)o->operations);
    return 0;
}

static int
by_address(const void *a, const void *b)
{
    const struct block *x = a, *y = b;

    return x->p < y->p ? -1 : x->p > y->p;
}

/* pre: no task runs */
static void
check_all(struct opener *o)
{
    struct block live[SETS * BLOCKS] = {{0}};
    size_t n = 0;

    for (unsigned s = 0; s < SETS; s++)
        for (unsigned i = 0; i < BLOCKS; i++)
            if (o->sets[s].blocks[i].p != NULL)
                live[n++] = o->sets[s].blocks[i];
    qsort(live, n, sizeof *live, by_address);
    for (size_t i = 0; i < n; i++) {
        check(o, &live[i]);
        if (i != 0)
            expect(o, OVERLAP,
                   live[i - 1].p + live[i - 1].n <= live[i].p &&
                       live[i - 1].p != live[i].p);
    }
}

/* The stage of this depth has ended. */
static void
bury(struct opener *o, unsigned depth)
{
    for (unsigned s = 0; s < SETS; s++)
        for (unsigned i = 0; i < BLOCKS; i++) {
            struct block *b = &o->sets[s].blocks[i];

            if (b->p == NULL || b->depth < depth)
                continue;
            expect(o, STILL_ALIVE, zk_usable_size(b->p) == 0);
            b->p = NULL;
        }
}

static void
run_tasks(struct opener *o)
{
    zk_group_t group = ZK_GROUP_INIT;

    for (unsigned s = 0; s < SETS; s++)
        expect(o, BAD_CODE, zk_spawn(&group, operate, &o->sets[s]) == ZK_OK);
    expect(o, BAD_CODE, zk_sync(&group) == 0);
    check_all(o);
}

static void
run_stage(struct opener *o)
{
    run_tasks(o);
    for (size_t k = test_below(&o->random, 3); k != 0; k--) {
        if (o->depth > MAX_NESTED)
            break;
        expect(o, BAD_CODE, zk_phase_begin("stage") == ZK_OK);
        o->depth++;
        run_stage(o);
        expect(o, BAD_CODE, zk_phase_end() == ZK_OK);
        bury(o, o->depth--);
        check_all(o);
        run_tasks(o);
    }
}

static void *
run_opener(void *arg)
{
    struct opener *o = arg;

    while (zk_load_relaxed(&o->done) < o->wanted) {
        expect(o, BAD_CODE, zk_phase_begin_on(o->lane, "phase") == ZK_OK);
        bury(o, 1); /* of the last phase, readable until here */
        o->depth = 1;
        run_stage(o);
        expect(o, BAD_CODE, zk_phase_end() == ZK_OK);
        o->depth = 0;
        check_all(o);
    }
    for (unsigned s = 0; s < SETS; s++)
        for (unsigned i = 0; i < BLOCKS; i++)
            zk_free(o->sets[s].blocks[i].p);
    return NULL;
}

/* Operations in all three models. */
static unsigned long
all_operations(void)
{
    const char *text = getenv("ZK_TEST_OPERATIONS");

    if (text != NULL)
        return strtoul(text, NULL, 0);
    if (test_full())
        return 100000000;
    return TEST_ASAN ? 10000000 : TEST_TSAN ? 500000 : 3000000;
}

static void
run_model(size_t slab_bytes, size_t min_bytes)
{
    struct test_random random = {test_seed("shadow")};
    zk_runtime_t *lane = test_lane(WORKERS, slab_bytes, min_bytes);
    struct opener *openers = calloc(OPENERS, sizeof *openers);
    pthread_t threads[OPENERS];
    unsigned long done = 0;

    assert_non_null(lane);
    for (unsigned i = 0; i < OPENERS; i++) {
        struct opener *o = &openers[i];

        o->lane = lane;
        o->random.state = test_next(&random);
        o->wanted = all_operations() / MODELS / OPENERS + 1;
        o->operations = 31 * 16 + 12; /* the last ends the inner scratch */
        for (unsigned s = 0; s < SETS; s++) {
            o->sets[s].opener = o;
            o->sets[s].random.state = test_next(&random);
        }
        assert_int_equal(pthread_create(&threads[i], NULL, run_opener, o), 0);
    }
    for (unsigned i = 0; i < OPENERS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < OPENERS; i++) {
        for (unsigned f = 0; f < FAULTS; f++) {
            if (zk_load_relaxed(&openers[i].faults[f]) != 0)
                printf("opener %u: fault %u\n", i, f);
            assert_int_equal(zk_load_relaxed(&openers[i].faults[f]), 0);
        }
        done += zk_load_relaxed(&openers[i].done);
    }
    printf("%lu operations, %llu overflows\n", done,
           (unsigned long long)test_stats(lane).overflow_count);
    assert_int_equal(test_stats(lane).bad_frees, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    free(openers);
}

static void
test_blocks_behave_as_their_shadows_with_the_usual_threshold(void **state)
{
    (void)state;
    run_model(16 * MIB, 0);
}

static void
test_blocks_behave_as_their_shadows_with_every_request_in_the_arena(
    void **state)
{
    (void)state;
    run_model(16 * MIB, 1);
}

static void
test_blocks_behave_as_their_shadows_in_slabs_that_overflow(void **state)
{
    (void)state;
    run_model(MIB, 256);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_blocks_behave_as_their_shadows_with_the_usual_threshold),
        cmocka_unit_test(
            test_blocks_behave_as_their_shadows_with_every_request_in_the_arena),
        cmocka_unit_test(
            test_blocks_behave_as_their_shadows_in_slabs_that_overflow),
    };

    rt_begin();
    alarm(0); /* ctest has a limit; the long run takes as long as it takes */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
