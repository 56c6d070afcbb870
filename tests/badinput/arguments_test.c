/*
 * arguments_test.c - NULL, zero, too much and the wrong size, for each public
 * call: a code or a defined meaning, and nothing changed.
 */
#include "tests/badinput/work.h"

#include <errno.h>

static size_t huge = SIZE_MAX; /* not a constant, for the compiler's warnings */

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

static zk_err_t
open_with(zk_options_t options, zk_runtime_t **lane)
{
    options.size = options.size == 0 ? sizeof options : options.size;
    options.notice = test_no_notice;
    *lane = (zk_runtime_t *)(uintptr_t)64;
    return zk_runtime_open(lane, &options);
}

/* Refused, and *lane is NULL. */
static bool
refuses(zk_options_t options)
{
    zk_runtime_t *lane;

    return open_with(options, &lane) == ZK_EINVAL && lane == NULL;
}

static void
test_options_that_make_no_sense_open_no_lane(void **state)
{
    (void)state;
    assert_int_equal(zk_runtime_open(NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_runtime_open(NULL, ZK_OPTIONS(.workers = 1)),
                     ZK_EINVAL);
    assert_true(refuses((zk_options_t){.workers = 1000000}));
    assert_true(refuses((zk_options_t){.workers = UINT32_MAX}));
    assert_true(refuses((zk_options_t){.workers = ZK_MAX_WORKERS + 1}));
    assert_true(refuses((zk_options_t){.spare_slots = ZK_MAX_SPARE + 1}));
    assert_true(refuses((zk_options_t){.slab_bytes = 1}));
    assert_true(refuses((zk_options_t){.stack_bytes = 1}));
    assert_true(refuses((zk_options_t){.spin_us = UINT32_MAX}));
    assert_true(refuses((zk_options_t){.bind = (enum zk_bind)99}));
    assert_true(refuses((zk_options_t){.hugepages = (enum zk_huge)99}));
    assert_true(refuses((zk_options_t){.size = 1}));
    assert_true(refuses((zk_options_t){.size = sizeof(zk_options_t) - 1}));
    assert_true(refuses((zk_options_t){.size = sizeof(zk_options_t) + 1}));
    assert_true(refuses((zk_options_t){.size = SIZE_MAX}));
}

static void
test_zero_workers_means_the_librarys_choice(void **state)
{
    zk_runtime_t *lane;

    (void)state;
    test_clean_environment();
    assert_int_equal(open_with((zk_options_t){.slab_bytes = MIB}, &lane),
                     ZK_OK);
    assert_in_range(test_info(lane).workers, 1, ZK_MAX_WORKERS);
    assert_true(strcmp(test_info(lane).workers_from, "one per core") == 0 ||
                strcmp(test_info(lane).workers_from, "CPU quota") == 0);
    assert_true(work_all(lane));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_the_largest_lane_there_may_be_opens_and_closes(void **state)
{
    zk_runtime_t *lane;

    (void)state;
    assert_int_equal(open_with((zk_options_t){.workers = ZK_MAX_WORKERS,
                                              .spare_slots = ZK_MAX_SPARE,
                                              .slab_bytes = MIB},
                               &lane),
                     ZK_OK);
    assert_int_equal(test_info(lane).slots, ZK_MAX_WORKERS + ZK_MAX_SPARE);
    assert_int_equal(zk_phase_begin_on(lane, "large"), ZK_OK);
    assert_non_null(zk_malloc(10000));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(test_info(lane).threads, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_calls_without_a_lane_mean_the_current_one(void **state)
{
    zk_runtime_t *lane = test_lane(2, MIB, 0);

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_runtime_close(NULL), ZK_OK);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_runtime_enter(NULL), ZK_OK);
    assert_int_equal(zk_slot(), 0);
    assert_true(work_all(NULL));
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_slot(), -1);
    zk_runtime_stats_reset_overflow(NULL);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_structs_of_a_wrong_size_are_refused_and_not_written(void **state)
{
    static const size_t off[] = {0, 1, (size_t)-1, (size_t)-8, 8};
    zk_runtime_t *lane = test_lane(1, MIB, 0);
    union {
        zk_runtime_info_t info;
        zk_runtime_stats_t stats;
        zk_phase_stats_t phase;
        unsigned char bytes[1024];
    } u;

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_phase_begin_on(lane, "sizes"), ZK_OK);
    assert_int_equal(zk_runtime_info(lane, NULL), ZK_EINVAL);
    assert_int_equal(zk_runtime_stats(lane, NULL), ZK_EINVAL);
    assert_int_equal(zk_phase_stats(NULL), ZK_EINVAL);

#define REFUSES(field, call)                                 \
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {  \
        unsigned char before[sizeof u];                      \
        memset(&u, 0xa5, sizeof u);                          \
        u.field.size = i == 0 ? 0 : sizeof u.field + off[i]; \
        memcpy(before, &u, sizeof u);                        \
        assert_int_equal(call, ZK_EINVAL);                   \
        assert_memory_equal(before, &u, sizeof u);           \
    }
    REFUSES(info, zk_runtime_info(lane, &u.info))
    REFUSES(stats, zk_runtime_stats(lane, &u.stats))
    REFUSES(phase, zk_phase_stats(&u.phase))
#undef REFUSES

    u.info.size = sizeof u.info;
    assert_int_equal(zk_runtime_info(NULL, &u.info), ZK_EINVAL);
    u.stats.size = sizeof u.stats;
    assert_int_equal(zk_runtime_stats(NULL, &u.stats), ZK_EINVAL);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_calls_without_a_function_run_nothing(void **state)
{
    zk_runtime_t *lane = test_lane(2, MIB, 0);
    zk_group_t group = ZK_GROUP_INIT;
    zk_submission_t none = {.size = sizeof none};

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_submit(lane, &group, &none), ZK_EINVAL);
    assert_int_equal(zk_parallel_for_on(lane, 0, 10, 1, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_parallel_for_on(lane, 0, 0, 0, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_spawn_on(lane, &group, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_spawn_on(lane, NULL, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_sync(&group), ZK_OK);
    assert_int_equal(zk_runtime_phase_on(lane, "none", NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_slot(), -1);
    assert_int_equal(test_stats(lane).phases, 0);
    assert_int_equal(test_stats(lane).tasks, 0);
    assert_true(work_all(lane));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_group_that_is_null_is_an_error_or_nothing(void **state)
{
    (void)state;
    assert_int_equal(zk_sync(NULL), ZK_EINVAL);
    assert_int_equal(zk_group_done(NULL), 1);
    zk_group_cancel(NULL, ZK_OK);
}

static void
test_a_phase_takes_any_name(void **state)
{
    zk_runtime_t *lane = test_lane(1, MIB, 0);
    char longest[10000];

    (void)state;
    assert_non_null(lane);
    memset(longest, 'n', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(zk_phase_begin_on(lane, longest), ZK_OK);
    assert_int_equal(strlen(test_phase_stats().name), 47);
    assert_int_equal(zk_phase_begin(NULL), ZK_OK);
    assert_string_equal(test_phase_stats().name, "");
    assert_int_equal(zk_phase_begin("%s%n\n"), ZK_OK);
    assert_string_equal(test_phase_stats().name, "%s%n\n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* In a phase and outside of one. */
static void
expect_memory_calls_to_refuse(void)
{
    void *p = zk_malloc(10000);

    assert_non_null(p);
    test_fill(p, 10000, 3);
#define REFUSES(call, code)              \
    do {                                 \
        errno = 0;                       \
        assert_null(call);               \
        assert_int_equal(errno, (code)); \
    } while (0)
    REFUSES(zk_malloc(huge), ENOMEM);
    REFUSES(zk_malloc(huge - 4095), ENOMEM);
    REFUSES(zk_malloc(huge / 2 + 1), ENOMEM);
    REFUSES(zk_calloc(huge, huge), ENOMEM);
    REFUSES(zk_calloc(huge / 2 + 1, 2), ENOMEM);
    REFUSES(zk_calloc(1, huge), ENOMEM);
    REFUSES(zk_realloc(p, huge), ENOMEM);
    REFUSES(zk_realloc(p, huge - 63), ENOMEM);
    REFUSES(zk_realloc(NULL, huge), ENOMEM);
    REFUSES(zk_aligned_alloc(64, huge), ENOMEM);
    REFUSES(zk_aligned_alloc(64, huge - 63), ENOMEM);
    REFUSES(zk_aligned_alloc(0, 100), EINVAL);
    REFUSES(zk_aligned_alloc(3, 100), EINVAL);
    REFUSES(zk_aligned_alloc(huge, 100), EINVAL);
    REFUSES(zk_aligned_alloc(huge / 2 + 1, 100), EINVAL);
    REFUSES(zk_phase_alloc(100, 24), EINVAL);
    REFUSES(zk_phase_alloc(100, huge), EINVAL);
    REFUSES(zk_phase_alloc(huge, 64), ENOMEM);
    REFUSES(zk_phase_alloc(huge - 63, 0), ENOMEM);
    REFUSES(zk_bump(huge), ENOMEM);
    REFUSES(zk_detach(p, huge), ENOMEM);
    REFUSES(zk_detach(NULL, 100), EINVAL);
#undef REFUSES
    assert_true(test_holds(p, 10000, 3));
    zk_free(p);
    zk_free(NULL);
    assert_int_equal(zk_usable_size(NULL), 0);
    assert_int_equal(zk_in_arena(NULL), 0);
    assert_int_equal(zk_in_arena((void *)(uintptr_t)huge), 0);

    p = zk_detach(NULL, 0);
    assert_non_null(p);
    zk_free(p);
}

static void
test_impossible_requests_for_memory_are_null_and_say_why(void **state)
{
    zk_runtime_t *lane = test_lane(1, MIB, 1);

    (void)state;
    assert_non_null(lane);
    if (!TEST_SANITIZED) /* whose malloc ends the program instead */
        expect_memory_calls_to_refuse();
    assert_int_equal(zk_phase_begin_on(lane, "memory"), ZK_OK);
    if (!TEST_SANITIZED)
        expect_memory_calls_to_refuse();
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_any_code_has_a_sentence(void **state)
{
    static const int codes[] = {INT32_MIN, -1000, -9, -8, -1, 0, 1, INT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_true(strlen(zk_strerror(codes[i])) > 5);
}

/* ---- loops ----------------------------------------------------------------- */

struct range {
    size_t begin, end, grain;
    _Atomic uint64_t calls, wrong;
};

/* Stops the loop at its third call, and looks at each range. */
static int
stop_soon(size_t begin, size_t end, void *arg)
{
    struct range *r = arg;

    if (begin >= end || begin < r->begin || end > r->end ||
        (r->grain != 0 && end - begin > r->grain))
        zk_add_relaxed(&r->wrong, (uint64_t)1);
    return zk_add_relaxed(&r->calls, (uint64_t)1) == 2 ? 77 : 0;
}

static void
test_huge_ranges_and_grains_neither_wrap_nor_hang(void **state)
{
    const size_t top = SIZE_MAX, half = SIZE_MAX / 2 + 1;
    const size_t grains[] = {0, 1, 2, 1000, half - 1, half, top - 1, top};
    const size_t bounds[][2] = {{0, top},
                                {1, top},
                                {0, top - 1},
                                {half, top},
                                {half - 1, half + 1},
                                {top - 1, top},
                                {top - 5, top},
                                {0, half}};

    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = test_lane(workers, MIB, 0);

        assert_non_null(lane);
        for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++)
            for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
                struct range r = {.begin = bounds[b][0],
                                  .end = bounds[b][1],
                                  .grain = grains[g]};
                zk_err_t err = zk_parallel_for_on(lane, r.begin, r.end, r.grain,
                                                  stop_soon, &r);

                assert_int_equal(r.wrong, 0);
                assert_true(r.calls >= 1);
                assert_int_equal(err, r.calls >= 3 ? 77 : 0);
            }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_a_range_that_ends_before_it_begins_is_empty(void **state)
{
    const size_t top = SIZE_MAX;
    const size_t bounds[][2] = {{0, 0}, {1, 0}, {top, 0}, {top, top}};
    zk_runtime_t *lane = test_lane(2, MIB, 0);

    (void)state;
    assert_non_null(lane);
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++)
        for (int g = 0; g < 3; g++) {
            struct range r = {.calls = 0};

            assert_int_equal(zk_parallel_for_on(lane, bounds[b][0],
                                                bounds[b][1],
                                                g == 0   ? 0
                                                : g == 1 ? 1
                                                         : SIZE_MAX,
                                                stop_soon, &r),
                             ZK_OK);
            assert_int_equal(r.calls, 0);
        }
    assert_int_equal(test_info(lane).threads, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_worker_stack_of_absurd_size_leaves_a_lane_that_works(void **state)
{
    static const size_t sizes[] = {64 * KIB + 1, (size_t)1 << 50, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        zk_runtime_t *lane;

        /* It works with the default stack, or without the thread. */
        assert_int_equal(open_with((zk_options_t){.workers = 2,
                                                  .slab_bytes = MIB,
                                                  .stack_bytes = sizes[i]},
                                   &lane),
                         ZK_OK);
        assert_true(work_all(lane));
        assert_int_equal(zk_spawn_on(lane, NULL, nothing, NULL), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_that_make_no_sense_open_no_lane),
        cmocka_unit_test(test_zero_workers_means_the_librarys_choice),
        cmocka_unit_test(test_the_largest_lane_there_may_be_opens_and_closes),
        cmocka_unit_test(test_calls_without_a_lane_mean_the_current_one),
        cmocka_unit_test(
            test_structs_of_a_wrong_size_are_refused_and_not_written),
        cmocka_unit_test(test_calls_without_a_function_run_nothing),
        cmocka_unit_test(test_a_group_that_is_null_is_an_error_or_nothing),
        cmocka_unit_test(test_a_phase_takes_any_name),
        cmocka_unit_test(
            test_impossible_requests_for_memory_are_null_and_say_why),
        cmocka_unit_test(test_any_code_has_a_sentence),
        cmocka_unit_test(test_huge_ranges_and_grains_neither_wrap_nor_hang),
        cmocka_unit_test(test_a_range_that_ends_before_it_begins_is_empty),
        cmocka_unit_test(
            test_a_worker_stack_of_absurd_size_leaves_a_lane_that_works),
    };

    work_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
