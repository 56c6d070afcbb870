/*
 * limits_test.c - limits of the process: address space, data, threads, files.
 *
 * A limit lasts, so each test sets its own in a child, and the parent has one
 * thread only. Sanitizers count their own memory: nothing here applies there.
 */
#include "tests/badinput/work.h"

#include <sys/resource.h>

#define SKIP_UNDER_A_SANITIZER() \
    do {                         \
        if (TEST_SANITIZED)      \
            skip();              \
    } while (0)

static bool
limit(int what, rlim_t value)
{
    struct rlimit r = {value, value};

    return setrlimit((__rlimit_resource_t)what, &r) == 0;
}

/* Bytes of address space in use. */
static size_t
address_space(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu", &pages) != 1)
        pages = 0;
    fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- address space -------------------------------------------------------- */

static int
open_in_2_gib(void *arg)
{
    zk_runtime_info_t info;
    void *p;

    (void)arg;
    test_clean_environment();
    setenv("ZK_NUM_WORKERS", "4", 1);
    CHILD_CHECK(limit(RLIMIT_AS, 2 * GIB));
    CHILD_CHECK(work_all(NULL));
    info = test_info(zk_runtime_current());
    CHILD_CHECK(info.slab_bytes == 8 * GIB);
    CHILD_CHECK(info.slab_bytes_got >= MIB && info.slab_bytes_got < GIB);
    CHILD_CHECK(info.threads == 3);
    CHILD_CHECK(zk_phase_begin("arena") == ZK_OK);
    p = zk_malloc(100000);
    CHILD_CHECK(p != NULL && zk_in_arena(p));
    p = zk_malloc(info.slab_bytes_got + 1); /* for the heap now */
    CHILD_CHECK(p != NULL && !zk_in_arena(p));
    zk_free(p);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(test_stats(zk_runtime_current()).overflow_count == 1);
    CHILD_CHECK(zk_runtime_close(zk_runtime_current()) == ZK_OK);
    return 0;
}

/* Z2 */
static void
test_a_lane_in_2_gib_gets_smaller_slabs_and_says_so(void **state)
{
    struct test_child child;

    (void)state;
    SKIP_UNDER_A_SANITIZER();
    child = test_in_child(open_in_2_gib, NULL);
    if (child.code != 0)
        print_error("%s", child.err);
    assert_int_equal(child.code, 0);
    assert_int_equal(work_lines(child.err), 1);
    assert_non_null(strstr(child.err, "MiB of address space, not 8192 MiB"));
}

/* Whatever fits: each call is right or says that memory was refused. */
static int
open_in_little(void *arg)
{
    size_t more = *(size_t *)arg;
    zk_runtime_t *lane = NULL;
    zk_err_t err;

    CHILD_CHECK(limit(RLIMIT_AS, address_space() + more));
    err = zk_runtime_open(&lane, ZK_OPTIONS(.workers = 3, .spare_slots = 4));
    if (err != ZK_OK) {
        CHILD_CHECK(err == ZK_ENOMEM && lane == NULL);
        return 0;
    }
    CHILD_CHECK(work_loop(lane));
    err = zk_phase_begin_on(lane, "little");
    if (err == ZK_OK) {
        /* Bytes may be refused by both, but not miscounted. */
        char *p = zk_malloc(200000);

        if (p != NULL) {
            test_fill(p, 200000, 1);
            CHILD_CHECK(work_loop(NULL));
            CHILD_CHECK(test_holds(p, 200000, 1));
        }
        CHILD_CHECK(zk_phase_end() == (p != NULL ? ZK_OK : ZK_ENOMEM));
    } else {
        CHILD_CHECK(err == ZK_ENOMEM);
        CHILD_CHECK(test_info(lane).slab_bytes_got == 0);
    }
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_whatever_address_space_is_left_the_answer_is_a_lane_or_a_code(void **state)
{
    (void)state;
    SKIP_UNDER_A_SANITIZER();
    test_clean_environment();
    for (size_t more = 0; more <= 64 * MIB;
         more += more < 2 * MIB ? 64 * KIB : 4 * MIB) {
        bool ok = test_child_succeeds(open_in_little, &more);

        if (!ok)
            print_error("%zu KiB were left\n", more / KIB);
        assert_true(ok);
    }
}

static void
test_a_slab_larger_than_the_address_space_is_made_to_fit(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 48,
                                   (size_t)1 << 47};

    (void)state;
    SKIP_UNDER_A_SANITIZER();
    test_clean_environment();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct work_said said = {0};
        zk_runtime_t *lane = NULL;

        assert_int_equal(
            zk_runtime_open(
                &lane, ZK_OPTIONS(.workers = 2, .slab_bytes = sizes[i],
                                  .notice = work_hear, .notice_arg = &said)),
            ZK_OK);
        assert_true(test_info(lane).slab_bytes == sizes[i]);
        assert_in_range(test_info(lane).slab_bytes_got, MIB, (size_t)1 << 46);
        assert_int_equal(said.lines, 1);
        assert_non_null(strstr(said.last, "MiB of address space, not"));
        assert_true(work_all(lane));
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static int
open_with_the_largest_variable(void *arg)
{
    (void)arg;
    test_clean_environment();
    setenv("ZK_ALLOC_SLAB_GB", "17179869183", 1);
    CHILD_CHECK(work_all(NULL));
    return 0;
}

/* Z3, N6: an ancestor computed the size of all slabs modulo 2^64. */
static void
test_the_largest_slab_that_can_be_written_is_made_to_fit(void **state)
{
    struct test_child child;

    (void)state;
    SKIP_UNDER_A_SANITIZER();
    child = test_in_child(open_with_the_largest_variable, NULL);
    assert_int_equal(child.code, 0);
    assert_int_equal(work_lines(child.err), 1);
}

/* ---- data ----------------------------------------------------------------- */

static int
work_with_little_data(void *arg)
{
    zk_runtime_t *lane = NULL;
    size_t served = 0;

    (void)arg;
    CHILD_CHECK(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 1,
                                                  .slab_bytes = GIB)) == ZK_OK);
    CHILD_CHECK(work_phase(lane));
    CHILD_CHECK(limit(RLIMIT_DATA, 24 * MIB));
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    CHILD_CHECK(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 1,
                                                  .slab_bytes = GIB)) == ZK_OK);
    CHILD_CHECK(zk_phase_begin_on(lane, "data") == ZK_OK);
    for (int i = 0; i < 100; i++) {
        char *p = zk_malloc(MIB);

        if (p == NULL)
            break;
        memset(p, 1, MIB);
        served += MIB;
    }
    CHILD_CHECK(served >= 4 * MIB && served <= 24 * MIB);
    CHILD_CHECK(work_loop(NULL));
    CHILD_CHECK(zk_phase_end() == ZK_ENOMEM);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_memory_that_is_accounted_for_is_taken_as_far_as_it_goes(void **state)
{
    (void)state;
    SKIP_UNDER_A_SANITIZER();
    test_clean_environment();
    assert_true(test_child_succeeds(work_with_little_data, NULL));
}

/* ---- threads -------------------------------------------------------------- */

/* `ulimit -u` does not bind root, and counts all processes of the user. */
static int
work_with_few_threads(void *arg)
{
    rlim_t threads = *(rlim_t *)arg;
    zk_runtime_t *lane = NULL;

    /* The topology is read before it is nobody's. */
    CHILD_CHECK(zk_runtime_open(
                    &lane, ZK_OPTIONS(.workers = 8, .slab_bytes = 4 * MIB)) ==
                ZK_OK);
    if (geteuid() == 0 && setuid(65534) != 0)
        return 77;
    CHILD_CHECK(limit(RLIMIT_NPROC, threads));
    CHILD_CHECK(work_all(lane));
    if (test_info(lane).threads == 7)
        return 77; /* the limit does not bind here */
    CHILD_CHECK(test_info(lane).threads < threads);
    CHILD_CHECK(test_info(lane).workers == 8);
    CHILD_CHECK(work_all(lane));
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_a_lane_that_may_not_start_all_threads_works_with_fewer(void **state)
{
    (void)state;
    SKIP_UNDER_A_SANITIZER();
    test_clean_environment();
    for (rlim_t threads = 1; threads <= 4; threads++) {
        struct test_child child =
            test_in_child(work_with_few_threads, &threads);

        if (child.code == 77)
            skip();
        if (child.code != 0)
            print_error("%s", child.err);
        assert_int_equal(child.code, 0);
        assert_int_equal(work_lines(child.err), 1);
        assert_non_null(strstr(child.err, "the system refused a thread"));
        assert_non_null(strstr(child.err, "workers instead of 8"));
    }
}

/* ---- files ---------------------------------------------------------------- */

static int
work_without_files(void *arg)
{
    bool also_a_limit = *(bool *)arg;
    zk_runtime_t *lane = NULL;

    CHILD_CHECK(limit(RLIMIT_NOFILE, 3));
    if (also_a_limit)
        CHILD_CHECK(limit(RLIMIT_AS, address_space() + 2 * GIB));
    CHILD_CHECK(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2)) == ZK_OK);
    CHILD_CHECK(work_all(lane));
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_no_file_need_be_open_for_a_lane(void **state)
{
    (void)state;
    SKIP_UNDER_A_SANITIZER();
    test_clean_environment();
    for (int i = 0; i < 2; i++) {
        bool also_a_limit = i == 1;

        assert_true(test_child_succeeds(work_without_files, &also_a_limit));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lane_in_2_gib_gets_smaller_slabs_and_says_so),
        cmocka_unit_test(
            test_whatever_address_space_is_left_the_answer_is_a_lane_or_a_code),
        cmocka_unit_test(
            test_the_largest_slab_that_can_be_written_is_made_to_fit),
        cmocka_unit_test(
            test_memory_that_is_accounted_for_is_taken_as_far_as_it_goes),
        cmocka_unit_test(
            test_a_lane_that_may_not_start_all_threads_works_with_fewer),
        cmocka_unit_test(test_no_file_need_be_open_for_a_lane),
        /* The only one with threads in this process, so the last one. */
        cmocka_unit_test(
            test_a_slab_larger_than_the_address_space_is_made_to_fit),
    };

    work_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
