/*
 * secret_test.c - how a secret phase keeps what it has: what the kernel is told,
 * where requests go, and what is left when the system refuses.
 */
#include "tests/support.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

static const zk_phase_options_t secret = {.size = sizeof secret,
                                          .flags = ZK_PHASE_SECRET};
static zk_runtime_t *lane;

/* The same pointer, of which the compiler knows nothing. */
static void *
test_same(void *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

/* ---- how it is kept ------------------------------------------------------- */

static int
open_lane(void **state)
{
    (void)state;
    lane = test_lane(3, TEST_SANITIZED ? 64 * MIB : 256 * MIB, 0);
    return lane != NULL ? 0 : -1;
}

static int
close_lane(void **state)
{
    (void)state;
    return zk_runtime_close(lane) == ZK_OK ? 0 : -1;
}

/* The mapping that an address lies in: its length, and whether VmFlags has the
 * flag. */
static size_t
mapping_of(const void *p, const char *flag, bool *has)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    unsigned long long lo, hi;
    size_t bytes = 0;
    char line[512];
    bool here = false;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%llx-%llx ", &lo, &hi) == 2) {
            here = (uintptr_t)p >= lo && (uintptr_t)p < hi;
            if (here)
                bytes = (size_t)(hi - lo);
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            *has = strstr(line, flag) != NULL;
        }
    }
    if (f != NULL)
        fclose(f);
    return bytes;
}

static bool
has_flag(const void *p, const char *flag)
{
    bool has = false;

    return mapping_of(p, flag, &has) != 0 && has;
}

static void
test_kernel_knows_while_the_phase_is_open_and_no_longer(void **state)
{
    char *small, *large;
    size_t before, after;
    bool has;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "size"), ZK_OK);
    large = zk_malloc(10 * MIB);
    before = mapping_of(large, "rd", &has);
    assert_int_equal(zk_phase_end(), ZK_OK);

    for (int i = 0; i < 5; i++) {
        assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
        small = zk_malloc(100);
        large = zk_malloc(10 * MIB);
        memset(large, 1, 10 * MIB);
        assert_true(has_flag(small, " dd") && has_flag(large, " dd"));
        assert_true(has_flag(small, " wf") && has_flag(large, " wf"));
        if (test_phase_stats().locked_bytes != 0)
            assert_true(has_flag(small, " lo"));
        assert_int_equal(zk_phase_end(), ZK_OK);
        after = mapping_of(large, " dd", &has);
        assert_int_equal(after, before); /* one mapping, that can be moved */
        assert_false(has_flag(large, " dd") || has_flag(large, " wf") ||
                     has_flag(large, " lo"));
    }
    if (!TEST_SANITIZED)
        assert_true(test_info(lane).trap == ZK_TRAP_ON);
    assert_int_equal(zk_phase_begin_on(lane, "no secret"), ZK_OK);
    assert_false(has_flag(zk_malloc(100000), " dd"));
    assert_int_equal(test_phase_stats().flags, 0);
    assert_int_equal(test_phase_stats().locked_bytes, 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
}

/* Locks divide a slab's mapping where its blocks and its scratch end. Nothing was
 * in it before, so nothing but the library sees to it that the parts can be one
 * again. */
static void
test_slab_is_one_mapping_after_the_end(void **state)
{
    zk_scratch_t scope;
    char *block, *scratch;
    bool has;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
        scope = zk_scratch_begin();
        scratch = zk_scratch_alloc(100000, 0);
        block = zk_malloc(100000);
        assert_true(zk_in_arena(scratch) && scratch > block);
        memset(block, 1, 100000);
        memset(scratch, 1, 100000);
        assert_true(has_flag(block, " dd") && has_flag(scratch, " dd"));
        if (test_phase_stats().locked_bytes != 0)
            assert_true(mapping_of(block, " lo", &has) <
                        (size_t)(scratch - block));
        assert_int_equal(zk_scratch_end(scope), ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_true(mapping_of(block, " dd", &has) >=
                    (size_t)(scratch - block));
        assert_false(has_flag(block, " dd") || has_flag(scratch, " lo"));
    }
    assert_int_equal(test_stats(lane).moves, 2);
}

static void
test_each_request_comes_from_the_arena_or_from_nowhere(void **state)
{
    size_t room = 1000 * MIB, before = test_stats(lane).overflow_count;
    char *heap = zk_malloc(100), *p;

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
    assert_int_equal(test_phase_stats().flags, ZK_PHASE_SECRET);
    assert_true(zk_in_arena(zk_malloc(0)));
    assert_true(zk_in_arena(zk_malloc(1)));
    assert_true(zk_in_arena(zk_calloc(3, 5)));
    assert_true(zk_in_arena(zk_aligned_alloc(8, 24)));
    assert_true(zk_in_arena(zk_realloc(NULL, 10)));
    errno = 0;
    assert_null(zk_malloc(room));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(zk_calloc(1, room));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(zk_aligned_alloc(64, room));
    assert_int_equal(errno, ENOMEM);
    p = zk_malloc(100);
    errno = 0;
    assert_null(zk_realloc(p, room));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(test_stats(lane).overflow_count - before, 4);

    heap = zk_realloc(heap, 50000); /* once from the heap, always from there */
    assert_false(zk_in_arena(heap));
    memset(p, 7, 100);
    assert_false(zk_in_arena(p = zk_detach(p, 100)));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(p[99], 7);
    zk_free(p);
    zk_free(heap);
    assert_false(zk_in_arena(p = zk_malloc(100)));
    zk_free(p);
}

static void *
grow_from_outside(void *arg)
{
    void **p = arg;

    p[1] = zk_realloc(p[0], 200000);
    p[2] = (void *)(intptr_t)errno;
    return NULL;
}

static void
test_block_does_not_leave_by_a_realloc_from_outside(void **state)
{
    void *p[3];
    pthread_t thread;

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
    p[0] = zk_malloc(100);
    assert_int_equal(pthread_create(&thread, NULL, grow_from_outside, p), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(p[1]);
    assert_int_equal((intptr_t)p[2], EPERM);
    assert_int_equal(zk_phase_end(), ZK_OK);
}

static void
test_options_that_do_not_fit_change_nothing(void **state)
{
    zk_phase_options_t odd = {.size = sizeof odd, .flags = 1u << 30};
    zk_phase_options_t size = {.size = sizeof size - 1};

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "odd", &odd), ZK_EINVAL);
    assert_int_equal(zk_phase_begin_ex(lane, "size", &size), ZK_EINVAL);
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
    assert_int_equal(zk_runtime_phase_ex(lane, "x", &secret, NULL, NULL),
                     ZK_EINVAL);

    assert_int_equal(zk_phase_begin_ex(lane, "plain", NULL), ZK_OK);
    assert_int_equal(zk_phase_begin_ex(lane, "stage", &secret), ZK_EINVAL);
    assert_int_equal(zk_phase_error(), ZK_EINVAL);
    assert_int_equal(test_phase_stats().depth, 1);
    assert_int_equal(zk_phase_end(), ZK_OK);

    assert_int_equal(
        zk_phase_begin_ex(lane, "secret",
                          ZK_PHASE_OPTIONS(.flags = ZK_PHASE_SECRET)),
        ZK_OK);
    assert_int_equal(zk_phase_begin("a stage, secret too"), ZK_OK);
    assert_true(zk_in_arena(zk_malloc(1)));
    assert_int_equal(zk_phase_begin_ex(lane, "stage", &secret), ZK_OK);
    assert_int_equal(test_phase_stats().depth, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(zk_phase_end(), ZK_OK);
}

static void
test_after_the_end_all_reads_as_zero(void **state)
{
    char *p, *small;

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
    small = zk_malloc(10);
    p = zk_malloc(MIB + 1);
    memset(small, 1, 10);
    memset(p, 1, MIB + 1);
    assert_int_equal(zk_phase_end(), ZK_OK);
    if (TEST_ASAN)
        return;       /* there it is a report */
    p = test_same(p); /* for the compiler nobody but us knows what is there */
    small = test_same(small);
    assert_true(test_all_zero(p, MIB + 1));
    assert_true(test_all_zero(small, 10));
}

/* The child has the phase, without what is in it, and does not have to pay for
 * what the parent's was. */
static int
go_on_in_child(void *arg)
{
    char *p = test_same(arg), *more;
    size_t before;

    CHILD_CHECK(p[0] == 0 && p[12345] == 0 && p[20 * MIB - 1] == 0);
    before = test_resident();
    more = zk_malloc(100000);
    CHILD_CHECK(more != NULL);
    test_fill(more, 100000, 1);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(TEST_ASAN || test_all_zero(test_same(more), 100000));
    CHILD_CHECK(TEST_SANITIZED || test_resident() < before + 4 * MIB);
    CHILD_CHECK(zk_phase_begin_ex(lane, "next", &secret) == ZK_OK);
    CHILD_CHECK((more = zk_malloc(MIB)) != NULL);
    test_fill(more, MIB, 2);
    CHILD_CHECK(test_holds(more, MIB, 2));
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    return 0;
}

static void
test_child_goes_on_with_zeros(void **state)
{
    char *p;

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
    p = zk_malloc(20 * MIB);
    test_fill(p, 20 * MIB, 5);
    assert_true(test_child_succeeds(go_on_in_child, p));
    assert_true(test_holds(p, 20 * MIB, 5));
    assert_int_equal(zk_phase_end(), ZK_OK);
}

/* ---- where the system refuses ---------------------------------------------- */

static unsigned told;

static void
count_notices(const char *message, void *arg)
{
    (void)arg;
    told += strstr(message, "RLIMIT_MEMLOCK") != NULL;
}

static int
run_without_locking(void *arg)
{
    struct rlimit limit = {256 * KIB, 256 * KIB};
    zk_phase_stats_t stats;
    char *p;

    (void)arg;
    CHILD_CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    if (geteuid() == 0)
        CHILD_CHECK(setuid(65534) == 0); /* root is not bound by it */
    CHILD_CHECK(
        zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .bind = ZK_BIND_NONE,
                                          .slab_bytes = 64 * MIB,
                                          .notice = count_notices)) == ZK_OK);
    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(zk_phase_begin_ex(lane, "secret", &secret) == ZK_OK);
        CHILD_CHECK(zk_malloc(1000) != NULL);
        stats = test_phase_stats(); /* the first steps fit */
        CHILD_CHECK(stats.locked_bytes == stats.peak_bytes);
        p = zk_malloc(20 * MIB);
        CHILD_CHECK(p != NULL);
        memset(p, 1, 20 * MIB);
        stats = test_phase_stats();
        CHILD_CHECK(stats.locked_bytes != 0 &&
                    stats.locked_bytes < stats.peak_bytes);
        CHILD_CHECK(has_flag(p, " dd") && has_flag(p, " wf"));
        CHILD_CHECK(zk_phase_end() == ZK_OK);
        CHILD_CHECK(TEST_ASAN || test_all_zero(test_same(p), 20 * MIB));
    }
    CHILD_CHECK(told == 1);
    return 0;
}

static void
test_locking_that_is_refused_is_told_once_and_readable(void **state)
{
    (void)state;
    assert_true(test_child_succeeds(run_without_locking, NULL));
}

#define in_lane(f) cmocka_unit_test_setup_teardown(f, open_lane, close_lane)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        in_lane(test_kernel_knows_while_the_phase_is_open_and_no_longer),
        in_lane(test_slab_is_one_mapping_after_the_end),
        in_lane(test_each_request_comes_from_the_arena_or_from_nowhere),
        in_lane(test_block_does_not_leave_by_a_realloc_from_outside),
        in_lane(test_options_that_do_not_fit_change_nothing),
        in_lane(test_after_the_end_all_reads_as_zero),
        in_lane(test_child_goes_on_with_zeros),
        cmocka_unit_test(
            test_locking_that_is_refused_is_told_once_and_readable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
