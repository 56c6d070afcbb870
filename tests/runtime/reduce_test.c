/*
 * reduce_test.c - sums and running sums: right, and the same bytes whoever runs
 * them.
 */
#include <string.h>

#include "tests/runtime/rt.h"

enum { MOST = 5000 };

static float numbers[MOST], sums[MOST];

/* Sums of floats of very different sizes: each order has bytes of its own. */
static int
add_floats(size_t begin, size_t end, void *value, void *arg)
{
    float *sum = value;
    const float *v = arg;

    for (size_t i = begin; i < end; i++)
        *sum += v[i];
    return 0;
}

static void
add_float(void *left, const void *right, void *arg)
{
    (void)arg;
    *(float *)left += *(const float *)right;
}

static const float zero_float;

static zk_reduction_t
float_sum(void)
{
    return (zk_reduction_t){.size = sizeof(zk_reduction_t),
                            .bytes = sizeof(float),
                            .identity = &zero_float,
                            .fold = add_floats,
                            .combine = add_float,
                            .arg = numbers};
}

static int
store_sums(size_t begin, size_t end, void *sum, void *arg)
{
    float *s = sum;
    const float *v = arg;

    for (size_t i = begin; i < end; i++) {
        *s += v[i];
        sums[i] = *s;
    }
    return 0;
}

static void
fill_numbers(uint64_t seed, size_t n)
{
    struct test_random r = {seed};

    for (size_t i = 0; i < n; i++)
        numbers[i] =
            (float)((double)test_next(&r) / (double)(1u << test_below(&r, 31)));
}

/* ---- the same bytes ------------------------------------------------------ */

static const unsigned workers[] = {1, 2, 3, 7, 16};
enum { WIDTHS = sizeof workers / sizeof *workers, SEEDS = 1000 };

struct shape {
    size_t n, grain;
};

static struct shape
shape_of(uint64_t seed)
{
    struct test_random r = {seed ^ 0x1234567};
    static const size_t grains[] = {0, 1, 3, 64, 4096};

    return (struct shape){1 + test_below(&r, MOST), grains[test_below(&r, 5)]};
}

/* How many seeds have another sum, or other running sums, than with the first of
 * the widths. */
static unsigned
count_differences(uint64_t seed, unsigned seeds)
{
    static float first_total[SEEDS], first_scanned[SEEDS];
    static uint64_t first_digest[SEEDS];
    unsigned different = 0;

    for (size_t w = 0; w < WIDTHS; w++) {
        zk_runtime_t *lane = rt_lane(workers[w], 2);

        if (lane == NULL || zk_runtime_enter(lane) != ZK_OK)
            return UINT32_MAX;
        for (unsigned i = 0; i < seeds; i++) {
            struct shape s = shape_of(seed + i);
            zk_reduction_t r = float_sum();
            float total = -1, scanned = -1;
            uint64_t digest = 0;

            fill_numbers(seed + i, s.n);
            different += zk_parallel_reduce(0, s.n, s.grain, &r, &total) != 0;
            different += zk_parallel_scan(0, s.n, s.grain, &r, store_sums,
                                          &scanned) != 0;
            for (size_t k = 0; k < s.n; k++) {
                uint32_t bits;

                memcpy(&bits, &sums[k], sizeof bits);
                digest = (digest ^ bits) * 0x9e3779b97f4a7c15u;
            }
            if (w == 0) {
                first_total[i] = total;
                first_scanned[i] = scanned;
                first_digest[i] = digest;
            }
            different += memcmp(&total, &first_total[i], sizeof total) != 0;
            different +=
                memcmp(&scanned, &first_scanned[i], sizeof scanned) != 0;
            different += digest != first_digest[i];
        }
        if (zk_runtime_leave() != ZK_OK || zk_runtime_close(lane) != ZK_OK)
            return UINT32_MAX;
    }
    return different;
}

static void
test_sums_of_floats_have_the_same_bytes_for_any_number_of_workers(void **state)
{
    uint64_t seed = test_seed("sums of floats");

    (void)state;
    assert_int_equal(count_differences(seed, test_scaled(SEEDS)), 0);
}

/* The test above could not fail if all orders gave the same bytes. */
static void
test_sums_of_floats_depend_on_their_order(void **state)
{
    unsigned different = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        float up = 0, down = 0;

        fill_numbers(seed, MOST);
        for (size_t i = 0; i < MOST; i++) {
            up += numbers[i];
            down += numbers[MOST - 1 - i];
        }
        different += memcmp(&up, &down, sizeof up) != 0;
    }
    assert_true(different > 90);
}

/* ---- right ---------------------------------------------------------------- */

/* Concatenation of ranges: associative, not commutative, and it notices gaps. */
struct span {
    size_t begin, end;
    bool empty, torn;
};

static const struct span no_span = {0, 0, true, false};

static void
join_spans(void *left, const void *right, void *arg)
{
    struct span *l = left;
    const struct span *r = right;

    (void)arg;
    if (r->empty)
        return;
    if (l->empty) {
        *l = *r;
        return;
    }
    l->torn = l->torn || r->torn || l->end != r->begin;
    l->end = r->end;
}

static int
fold_span(size_t begin, size_t end, void *value, void *arg)
{
    struct span s = {begin, end, false, false};
    const size_t *grain = arg;

    if (*grain != 0 && end - begin > *grain)
        s.torn = true;
    join_spans(value, &s, NULL);
    return 0;
}

static size_t scan_begin;
static _Atomic unsigned scan_wrong;

static int
scan_span(size_t begin, size_t end, void *sum, void *arg)
{
    const struct span *s = sum;

    if (s->torn ||
        (begin == scan_begin ? !s->empty
                             : s->begin != scan_begin || s->end != begin))
        zk_add_relaxed(&scan_wrong, 1u);
    return fold_span(begin, end, sum, arg);
}

static bool
span_is(const struct span *s, size_t begin, size_t end)
{
    return !s->empty && !s->torn && s->begin == begin && s->end == end;
}

static void
test_every_iteration_is_summed_up_in_order(void **state)
{
    static const size_t lengths[] = {1,    2,    3,    1023,  1024,
                                     1025, 2047, 2049, 100003};
    static const size_t grains[] = {0, 1, 2, 7, 1000, SIZE_MAX};
    static const size_t begins[] = {0, 5, SIZE_MAX / 2};
    zk_runtime_t *lane = rt_lane(3, 2);

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (size_t l = 0; l < 9; l++)
        for (size_t g = 0; g < 6; g++)
            for (size_t b = 0; b < 3; b++) {
                size_t begin = begins[b], end = begin + lengths[l];
                size_t grain = grains[g];
                zk_reduction_t r = {sizeof r,  sizeof no_span, &no_span,
                                    fold_span, join_spans,     &grain};
                struct span all = no_span, total = no_span;

                assert_int_equal(
                    zk_parallel_reduce(begin, end, grain, &r, &all), ZK_OK);
                assert_true(span_is(&all, begin, end));
                scan_begin = begin;
                assert_int_equal(
                    zk_parallel_scan(begin, end, grain, &r, scan_span, &total),
                    ZK_OK);
                assert_true(span_is(&total, begin, end));
                assert_int_equal(zk_load_acquire(&scan_wrong), 0);
            }
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_range_that_ends_at_the_last_number_is_summed_up(void **state)
{
    size_t grain = SIZE_MAX / 3;
    zk_reduction_t r = {sizeof r,  sizeof no_span, &no_span,
                        fold_span, join_spans,     &grain};
    struct span all = no_span;

    (void)state;
    assert_int_equal(zk_parallel_reduce(0, SIZE_MAX, grain, &r, &all), ZK_OK);
    assert_true(span_is(&all, 0, SIZE_MAX));
    assert_int_equal(zk_runtime_close(zk_runtime_current()), ZK_OK);
}

static void
test_a_sum_of_nothing_is_the_identity(void **state)
{
    zk_reduction_t r = float_sum();
    float seven = 7, result = 1;

    (void)state;
    r.identity = &seven;
    assert_int_equal(zk_parallel_reduce(3, 3, 0, &r, &result), ZK_OK);
    assert_true(result == 7);
    result = 1;
    assert_int_equal(zk_parallel_scan(3, 2, 0, &r, store_sums, &result), ZK_OK);
    assert_true(result == 7);
    assert_int_equal(zk_parallel_scan(3, 2, 0, &r, store_sums, NULL), ZK_OK);
}

static void
test_what_is_missing_is_an_error(void **state)
{
    zk_reduction_t r = float_sum(), bad = r;
    float result = 0;

    (void)state;
    assert_int_equal(zk_parallel_reduce(0, 1, 0, NULL, &result), ZK_EINVAL);
    assert_int_equal(zk_parallel_reduce(0, 1, 0, &r, NULL), ZK_EINVAL);
    assert_int_equal(zk_parallel_scan(0, 1, 0, &r, NULL, NULL), ZK_EINVAL);
    bad.size--;
    assert_int_equal(zk_parallel_reduce(0, 1, 0, &bad, &result), ZK_EINVAL);
    bad = r;
    bad.bytes = 0;
    assert_int_equal(zk_parallel_reduce(0, 1, 0, &bad, &result), ZK_EINVAL);
    bad = r;
    bad.fold = NULL;
    assert_int_equal(zk_parallel_reduce(0, 1, 0, &bad, &result), ZK_EINVAL);
    bad = r;
    bad.combine = NULL;
    assert_int_equal(zk_parallel_reduce(0, 1, 0, &bad, &result), ZK_EINVAL);
    bad = r;
    bad.identity = NULL;
    assert_int_equal(zk_parallel_reduce(0, 1, 0, &bad, &result), ZK_EINVAL);
    bad = r;
    bad.bytes = SIZE_MAX / 2;
    assert_int_equal(zk_parallel_reduce(0, 1, 0, &bad, &result), ZK_ENOMEM);
}

/* ---- errors ---------------------------------------------------------------- */

static _Atomic unsigned folds;

static int
fail_at_100(size_t begin, size_t end, void *value, void *arg)
{
    (void)value;
    (void)arg;
    zk_add_relaxed(&folds, 1u);
    return begin <= 100 && 100 < end ? 55 : 0;
}

static int
cancel_phase(size_t begin, size_t end, void *value, void *arg)
{
    if (begin == 0)
        (void)zk_phase_cancel(zk_phase_id());
    return fail_at_100(begin + 1000, end + 1000, value, arg);
}

static void
test_an_error_comes_back_and_stops_the_rest(void **state)
{
    enum { N = 1000000 };
    zk_reduction_t r = float_sum();
    zk_runtime_t *lane = rt_lane(1, 2);
    float result;

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    r.fold = fail_at_100;
    zk_store_relaxed(&folds, 0u);
    assert_int_equal(zk_parallel_reduce(0, N, 10, &r, &result), 55);
    assert_in_range(zk_load_relaxed(&folds), 1, N / 10 / 2);
    assert_int_equal(zk_parallel_scan(0, N, 10, &r, store_sums, NULL), 55);
    r.fold = add_floats;
    assert_int_equal(zk_parallel_scan(0, 1000, 10, &r, fail_at_100, NULL), 55);

    r.fold = cancel_phase;
    zk_store_relaxed(&folds, 0u);
    assert_int_equal(zk_phase_begin("cancelled"), ZK_OK);
    assert_int_equal(zk_parallel_reduce(0, N, 10, &r, &result), ZK_ECANCELED);
    assert_in_range(zk_load_relaxed(&folds), 1, N / 10 / 2);
    assert_int_equal(zk_phase_end(), ZK_ECANCELED);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
begin_a_phase(size_t begin, size_t end, void *value, void *arg)
{
    (void)begin;
    (void)end;
    (void)value;
    (void)arg;
    return zk_phase_begin("inside") == ZK_EPERM ? 0 : 1;
}

static void
test_fold_is_a_task_also_where_there_is_one_cell(void **state)
{
    zk_reduction_t r = float_sum();
    float result;

    (void)state;
    r.fold = begin_a_phase;
    assert_int_equal(zk_phase_begin("outside"), ZK_OK);
    assert_int_equal(zk_parallel_reduce(0, 1, 0, &r, &result), ZK_OK);
    assert_int_equal(zk_parallel_reduce(0, 100, 0, &r, &result), ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(zk_runtime_current()), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_sums_of_floats_have_the_same_bytes_for_any_number_of_workers),
        cmocka_unit_test(test_sums_of_floats_depend_on_their_order),
        cmocka_unit_test(test_every_iteration_is_summed_up_in_order),
        cmocka_unit_test(
            test_a_range_that_ends_at_the_last_number_is_summed_up),
        cmocka_unit_test(test_a_sum_of_nothing_is_the_identity),
        cmocka_unit_test(test_what_is_missing_is_an_error),
        cmocka_unit_test(test_an_error_comes_back_and_stops_the_rest),
        cmocka_unit_test(test_fold_is_a_task_also_where_there_is_one_cell),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
