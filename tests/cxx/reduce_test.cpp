/*
 * reduce_test.cpp - zk::parallel_reduce over callables.
 */
#include "tests/cxx/cxx.hpp"

#include <stdexcept>

struct extent {
    std::size_t lowest, highest;
};

static const auto add = [](std::size_t a, std::size_t b) { return a + b; };

static const auto add_up = [](std::size_t begin, std::size_t end,
                              std::size_t sum) {
    for (; begin < end; begin++)
        sum += begin;
    return sum;
};

static void
test_values_of_any_type_are_summed_up(void **)
{
    const std::size_t n = 100000;
    extent all = zk::parallel_reduce(
        7, n, 0, extent{SIZE_MAX, 0},
        [](std::size_t begin, std::size_t end, extent e) {
            return extent{begin < e.lowest ? begin : e.lowest,
                          end > e.highest ? end : e.highest};
        },
        [](const extent &a, const extent &b) {
            return extent{a.lowest < b.lowest ? a.lowest : b.lowest,
                          a.highest > b.highest ? a.highest : b.highest};
        });

    assert_int_equal(all.lowest, 7);
    assert_int_equal(all.highest, n);
    assert_int_equal(zk::parallel_reduce(0, n, 0, std::size_t{0}, add_up, add),
                     n * (n - 1) / 2);
    assert_int_equal(zk::parallel_reduce(5, 5, 0, std::size_t{3}, add_up, add),
                     3);
}

/* 0: nothing was thrown; else the number that was. */
static int
thrown_by_sum(bool by_fold)
{
    try {
        (void)zk::parallel_reduce(
            0, 1000, 1, 0,
            [=](std::size_t begin, std::size_t, int) {
                if (by_fold && begin == 500)
                    throw 11;
                return 0;
            },
            [=](int, int) {
                if (!by_fold)
                    throw 22;
                return 0;
            });
    } catch (int n) {
        return n;
    }
    return 0;
}

static void
test_exceptions_of_both_callables_come_out(void **)
{
    for (int i = 0; i < 100; i++) {
        assert_int_equal(thrown_by_sum(true), 11);
        assert_int_equal(thrown_by_sum(false), 22);
    }
}

int
main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_any_type_are_summed_up),
        cmocka_unit_test(test_exceptions_of_both_callables_come_out),
    };

    cxx_begin();
    return cmocka_run_group_tests(tests, cxx_enter, cxx_leave);
}
