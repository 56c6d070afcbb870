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
 */
#include "tests/stress/still.h"

#define OPENERS    3u
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
    unsigned depth; /* of the innermost stage; 0: no phase is open */
    unsigned phases;
    unsigned operations; /* of a task */
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
    switch (test_below(r, 16)) {
    case 0: return test_below(r, 3);
    case 1:
    case 2:
    case 3:
    case 4: return 1 + test_below(r, 256);
    case 5:
    case 6:
    case 7: return 4000 + test_below(r, 200);
    case 15: return 1 + test_below(r, 150000);
    default: return 1 + test_below(r, 9000);
    }
}

/* What is true of each live block. */
static void
check(struct opener *o, const struct block *b)
{
    expect(o, TORN, test_holds(b->p, b->n, b->key));
    expect(o, TOO_SMALL, zk_usable_size(b->p) >= b->n);
    expect(o, WRONG_PLACE, (zk_in_arena(b->p) != 0) == (b->depth != 0));
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
    test_fill(b->p, n, b->key);
    check(o, b);
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
    expect(o, TORN, test_holds(p, kept, b->key));
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
        test_fill(b->p, b->n, b->key);
}

static bool
scratch_holds(const struct block *b)
{
    return b->p == NULL || test_holds(b->p, b->n, b->key);
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
        check(o, b);
        switch (test_below(&s->random, 3)) {
        case 0: reallocate(s, b); break;
        case 1:
            zk_free(b->p);
            b->p = NULL;
            break;
        default: break;
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
    struct block live[SETS * BLOCKS];
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

    for (unsigned i = 0; i < o->phases; i++) {
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

static void
run_model(size_t slab_bytes, size_t min_bytes)
{
    struct test_random random = {test_seed("shadow")};
    zk_runtime_t *lane = test_lane(3, slab_bytes, min_bytes);
    struct opener *openers = calloc(OPENERS, sizeof *openers);
    pthread_t threads[OPENERS];
    unsigned long done = 0;

    assert_non_null(lane);
    for (unsigned i = 0; i < OPENERS; i++) {
        struct opener *o = &openers[i];

        o->lane = lane;
        o->random.state = test_next(&random);
        o->phases = test_scaled(12);
        o->operations = 60;
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
