/* arena_test.c - reservations, and whose address this is. */
#include <pthread.h>
#include <sys/resource.h>

#include "alloc/arena.h"
#include "alloc/huge.h"
#include "alloc/os.h"
#include "tests/alloc/arenas.h"
#include "tests/support.h"

static struct zk_arena *
small_arena(unsigned nslots, size_t slab_bytes)
{
    size_t bytes = slab_bytes;

    return test_arena(nslots, &bytes, ZK_HUGE_AUTO, ZK_TRAP_ON);
}

static void
test_each_address_finds_its_slab_from_first_to_last_byte(void **state)
{
    struct zk_arena *a = small_arena(5, 3 * MIB); /* not a power of two */

    (void)state;
    assert_non_null(a);
    assert_int_equal(a->slab_bytes, 3 * MIB);
    for (unsigned i = 0; i < 5; i++) {
        char *base = a->slabs[i].base;

        assert_ptr_equal(zk__arena_find(base).slab, &a->slabs[i]);
        assert_ptr_equal(zk__arena_find(base).arena, a);
        assert_ptr_equal(zk__arena_find(base + 3 * MIB - 1).slab, &a->slabs[i]);
        assert_true(a->slabs[i].limit < base + 3 * MIB);
    }
    assert_null(zk__arena_find(a->base - 1).slab);
    assert_null(zk__arena_find(a->base + a->bytes).slab);
    assert_ptr_equal(zk__arena_find(a->base + a->bytes - 1).slab, &a->slabs[4]);
    zk__arena_destroy(a);
}

static void
test_side_tables_and_records_lie_outside(void **state)
{
    struct zk_arena *a = small_arena(3, 2 * MIB);

    (void)state;
    assert_null(zk__arena_find(a).slab);
    for (unsigned i = 0; i < 3; i++) {
        struct zk_slab *s = &a->slabs[i];

        assert_null(zk__arena_find(s).slab);
        assert_null(zk__arena_find((const void *)(uintptr_t)s->pages).slab);
        assert_null(zk__arena_find(s->window.sizes).slab);
        assert_null(zk__arena_find(s->extents).slab);
        assert_null(zk__arena_find((char *)(uintptr_t)s->pages +
                                   zk__slab_tables_bytes(2 * MIB) - 1)
                        .slab);
        assert_true((char *)(uintptr_t)s->pages >= a->base + a->bytes);
        assert_true((char *)(uintptr_t)s->pages +
                        zk__slab_tables_bytes(2 * MIB) <=
                    a->base + a->reserved);
    }
    zk__arena_destroy(a);
}

static void
test_other_memory_is_foreign(void **state)
{
    struct zk_arena *a = small_arena(1, MIB);
    void *heap = malloc(100);
    int local = 0;

    (void)state;
    assert_null(zk__arena_find(NULL).slab);
    assert_null(zk__arena_find(heap).slab);
    assert_null(zk__arena_find(&local).slab);
    assert_null(zk__arena_find("constant").slab);
    assert_null(zk__arena_find((void *)UINTPTR_MAX).slab);
    free(heap);
    zk__arena_destroy(a);
    zk__arena_destroy(NULL);
}

static void
test_destroyed_arena_is_foreign_and_the_others_stay(void **state)
{
    enum { N = 300 };
    struct zk_arena *a[N];
    char *base[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        a[i] = small_arena(2, MIB);
        assert_non_null(a[i]);
        base[i] = a[i]->slabs[1].base;
    }
    for (int i = 0; i < N; i += 2)
        zk__arena_destroy(a[i]);
    for (int i = 0; i < N; i++) {
        struct zk_place place = zk__arena_find(base[i] + 5);

        if (i % 2 == 0)
            assert_null(place.slab);
        else
            assert_ptr_equal(place.slab, &a[i]->slabs[1]);
    }
    for (int i = 1; i < N; i += 2)
        zk__arena_destroy(a[i]);
    for (int i = 0; i < N; i++)
        assert_null(zk__arena_find(base[i]).slab);
}

static void
test_table_that_is_full_refuses_and_goes_on_after_a_destroy(void **state)
{
    enum { N = 4096 };
    static struct zk_arena *a[N];
    size_t bytes = MIB;

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* slow there, and the same code */
    for (int i = 0; i < N; i++) {
        a[i] = small_arena(1, MIB);
        assert_non_null(a[i]);
    }
    assert_null(test_arena(1, &bytes, ZK_HUGE_AUTO, ZK_TRAP_ON));
    zk__arena_destroy(a[1000]);
    a[1000] = small_arena(1, MIB);
    assert_non_null(a[1000]);
    assert_ptr_equal(zk__arena_find(a[1000]->base).arena, a[1000]);
    assert_ptr_equal(zk__arena_find(a[N - 1]->base).arena, a[N - 1]);
    for (int i = 0; i < N; i++)
        zk__arena_destroy(a[i]);
}

/* Z2, N6: a wish beyond the address space is halved until it fits. */
static void
test_slab_size_halves_until_the_system_grants_it(void **state)
{
    const size_t wishes[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 60,
                             ZK_SLAB_BYTES_MAX};

    (void)state;
    for (unsigned nslots = 1; nslots <= 2048; nslots *= 2048)
        for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
            size_t bytes = wishes[i];
            struct zk_arena *a =
                test_arena(nslots, &bytes, ZK_HUGE_AUTO, ZK_TRAP_ON);

            assert_non_null(a);
            assert_true(bytes >= ZK_SLAB_BYTES_MIN);
            assert_true(bytes <= ZK_SLAB_BYTES_MAX);
            assert_int_equal(a->slab_bytes, bytes);
            assert_non_null(zk__slab_alloc(&a->slabs[nslots - 1], 1, 64));
            zk__arena_destroy(a);
        }
}

static void
test_smallest_slab_is_one_mebibyte(void **state)
{
    size_t bytes = 1;
    struct zk_arena *a = test_arena(4, &bytes, ZK_HUGE_ALWAYS, ZK_TRAP_ON);

    (void)state;
    assert_non_null(a);
    assert_int_equal(bytes, MIB);
    for (unsigned i = 0; i < 4; i++) {
        char *p = zk__slab_alloc(&a->slabs[i], 900 * KIB, 64);

        assert_non_null(p);
        memset(p, (int)i, 900 * KIB);
        assert_null(zk__slab_alloc(&a->slabs[i], 900 * KIB, 64));
    }
    zk__arena_destroy(a);
}

static int
create_under_limit(void *arg)
{
    struct rlimit limit = {2 * GIB, 2 * GIB};
    size_t bytes = 8 * GIB, left;
    struct zk_arena *a;

    (void)arg;
    CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    left = zk__os_address_space_left();
    a = test_arena(18, &bytes, ZK_HUGE_AUTO, ZK_TRAP_ON);
    CHILD_CHECK(a != NULL);
    CHILD_CHECK(bytes >= ZK_SLAB_BYTES_MIN && bytes < 8 * GIB);
    CHILD_CHECK(a->reserved <= left / 2);
    CHILD_CHECK(malloc(64 * MIB) != NULL); /* the rest stays usable */

    /* Nothing left at all: refused, and nothing is kept. */
    limit.rlim_cur = 4 * MIB;
    CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    bytes = 8 * GIB;
    CHILD_CHECK(test_arena(18, &bytes, ZK_HUGE_AUTO, ZK_TRAP_ON) == NULL);
    CHILD_CHECK(bytes == 0);
    return 0;
}

/* Z2: RLIMIT_AS of 2 GiB ended the ancestor. */
static void
test_address_space_limit_makes_slabs_smaller(void **state)
{
    (void)state;
    if (TEST_SANITIZED)
        skip();
    assert_true(test_child_succeeds(create_under_limit, NULL));
}

/* What the kernel notes about the mapping at p: true if `flag` is among it. */
static bool
mapping_has(const char *p, const char *flag)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false, has = false;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        unsigned long first, end;

        if (sscanf(line, "%lx-%lx ", &first, &end) == 2)
            here = (uintptr_t)p >= first && (uintptr_t)p < end;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            has = strstr(line + 8, flag) != NULL;
    }
    if (f != NULL)
        fclose(f);
    return has;
}

/* Z22, B4: the ancestor wanted no huge pages, ever. Here it is to be chosen, and
 * the kernel is told. */
static void
test_kernel_is_told_which_pages_were_chosen(void **state)
{
    static const struct {
        enum zk_huge huge;
        size_t used;
        bool wanted, refused;
    } cases[] = {{ZK_HUGE_NEVER, 8 * MIB, false, true},
                 {ZK_HUGE_ALWAYS, 100, true, false},
                 {ZK_HUGE_AUTO, 100, false, false},
                 {ZK_HUGE_AUTO, 8 * MIB, true, false}};
    /* What this machine's host has at hand just now shall not matter. */
    static const struct zk_huge_facts cheap = {.system = ZK_HUGE_SYSTEM_MADVISE,
                                               .given = true,
                                               .pays = true,
                                               .huge_ns = 250000,
                                               .base_ns = 750000,
                                               .small_bytes = 700 * KIB};

    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0)
        skip(); /* a kernel without them takes no advice */
    if (TEST_ASAN)
        skip(); /* slabs grow in steps there, and the first has huge pages */
    zk__huge_pretend(&cheap);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes = 16 * MIB;
        struct zk_arena *a = test_arena(1, &bytes, cases[i].huge, ZK_TRAP_OFF);
        char *p = zk__slab_alloc(zk__arena_slab(a, 0), cases[i].used, 64);

        assert_non_null(p);
        assert_int_equal(mapping_has(p, " hg"), cases[i].wanted);
        assert_int_equal(mapping_has(p, " nh"), cases[i].refused);
        zk__arena_destroy(a);
    }
    zk__huge_pretend(NULL);
}

static void
test_reset_counts_the_epoch_of_this_arena_only(void **state)
{
    struct zk_arena *a = small_arena(4, MIB), *b = small_arena(4, MIB);
    char *p = zk__slab_alloc(zk__arena_slab(a, 2), 5000, 64);
    char *q = zk__slab_alloc(zk__arena_slab(b, 2), 5000, 64);

    (void)state;
    test_fill(q, 5000, 1);
    zk__arena_reset(a, "test");
    assert_int_equal(a->epoch, 1);
    assert_int_equal(b->epoch, 0);
    assert_int_equal(zk__slab_block(&a->slabs[2], p).bytes, 0);
    assert_true(zk__slab_block(&b->slabs[2], q).bytes != 0);
    assert_true(test_holds(q, 5000, 1));
    zk__arena_destroy(a);
    zk__arena_destroy(b);
}

/* A slot may be used for the first time inside a stage. */
static void
test_stage_covers_slots_that_it_uses_first(void **state)
{
    struct zk_arena *a = small_arena(4, MIB);
    char *outer, *inner;

    (void)state;
    zk__arena_reset(a, "test");
    outer = zk__slab_alloc(zk__arena_slab(a, 0), 5000, 64);
    zk__arena_mark(a);
    inner = zk__slab_alloc(zk__arena_slab(a, 3), 5000, 64);
    assert_int_equal(zk__arena_use(a).bytes, 2 * 5056);
    zk__arena_rewind(a);
    assert_true(zk__slab_block(&a->slabs[0], outer).bytes != 0);
    assert_int_equal(zk__slab_block(&a->slabs[3], inner).bytes, 0);
    assert_int_equal(zk__arena_use(a).bytes, 5056);
    assert_int_equal(zk__arena_use(a).peak_bytes, 2 * 5056);
    zk__arena_reset(a, "test");
    assert_int_equal(zk__arena_use(a).peak_bytes, 0);
    zk__arena_destroy(a);
}

/* ---- looking up while others come and go ----------------------------------- */

struct lookup {
    struct zk_arena *arena;
    void *heap;
    _Atomic bool stop;
    _Atomic unsigned wrong;
    _Atomic unsigned looks;
};

static void *
look_up(void *arg)
{
    struct lookup *l = arg;

    while (!zk_load_relaxed(&l->stop)) {
        char *p = l->arena->slabs[1].base + 100;

        if (zk__arena_find(p).slab != &l->arena->slabs[1] ||
            zk__arena_find(l->heap).slab != NULL ||
            zk__arena_find(&p).slab != NULL)
            zk_add_relaxed(&l->wrong, 1u);
        zk_add_relaxed(&l->looks, 1u);
    }
    return NULL;
}

/* T1 to T3: an arena is found and others are not, whatever else is created and
 * destroyed meanwhile. */
static void
test_lookup_is_right_while_other_arenas_come_and_go(void **state)
{
    struct lookup l = {.arena = small_arena(2, MIB), .heap = malloc(10)};
    struct zk_arena *others[8] = {NULL};
    pthread_t threads[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_up, &l), 0);
    for (unsigned i = 0; i < test_scaled(4000); i++) {
        struct zk_arena **a = &others[i * 5 % 8];

        zk__arena_destroy(*a);
        *a = small_arena(1 + i % 3, (1 + i % 4) * MIB);
        assert_non_null(*a);
        assert_ptr_equal(zk__arena_find((*a)->base).arena, *a);
    }
    while (zk_load_relaxed(&l.looks) == 0)
        sched_yield();
    zk_store_relaxed(&l.stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(zk_load_relaxed(&l.wrong), 0);
    for (int i = 0; i < 8; i++)
        zk__arena_destroy(others[i]);
    zk__arena_destroy(l.arena);
    free(l.heap);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_each_address_finds_its_slab_from_first_to_last_byte),
        cmocka_unit_test(test_side_tables_and_records_lie_outside),
        cmocka_unit_test(test_other_memory_is_foreign),
        cmocka_unit_test(test_destroyed_arena_is_foreign_and_the_others_stay),
        cmocka_unit_test(
            test_table_that_is_full_refuses_and_goes_on_after_a_destroy),
        cmocka_unit_test(test_slab_size_halves_until_the_system_grants_it),
        cmocka_unit_test(test_smallest_slab_is_one_mebibyte),
        cmocka_unit_test(test_address_space_limit_makes_slabs_smaller),
        cmocka_unit_test(test_kernel_is_told_which_pages_were_chosen),
        cmocka_unit_test(test_reset_counts_the_epoch_of_this_arena_only),
        cmocka_unit_test(test_stage_covers_slots_that_it_uses_first),
        cmocka_unit_test(test_lookup_is_right_while_other_arenas_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
