/*
 * loop_test.cpp - zk::parallel_for over callables, and what it does with their
 * results and exceptions.
 */
#include "tests/cxx/cxx.hpp"

#include <atomic>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

static std::atomic<std::size_t> counted;

static void
count(std::size_t begin, std::size_t end)
{
    counted += end - begin;
}

struct functor {
    std::atomic<std::size_t> sum{0};

    int operator()(std::size_t begin, std::size_t end)
    {
        sum += end - begin;
        return 0;
    }
};

/* Codes, and whether each callable ran over all of the range. */
static bool
run_all_kinds()
{
    const std::size_t n = 10000;
    bool ok = true;

    counted = 0;
    ok = ok && zk::parallel_for(0, n, 7, count) == ZK_OK && counted == n;
    ok = ok && zk::parallel_for(0, n, 7, &count) == ZK_OK && counted == 2 * n;

    functor f;

    ok = ok && zk::parallel_for(0, n, 0, f) == ZK_OK && f.sum == n;

    std::vector<int> v(n, 0);

    ok = ok && zk::parallel_for(0, n, 3, [&v](std::size_t b, std::size_t e) {
                   for (; b < e; b++)
                       v[b]++;
               }) == ZK_OK;
    for (int i : v)
        ok = ok && i == 1;

    const auto constant = [&](std::size_t b, std::size_t e) {
        counted += e - b;
        return ZK_OK;
    };

    ok = ok && zk::parallel_for(0, n, 1, constant) == ZK_OK && counted == 3 * n;

    std::function<void(std::size_t, std::size_t)> erased = count;

    ok = ok && zk::parallel_for(0, n, 1, erased) == ZK_OK && counted == 4 * n;

    auto keeps_state = [calls = 0](std::size_t, std::size_t) mutable {
        return ++calls == 1 ? 0 : 1;
    };

    ok = ok && zk::parallel_for(0, 10, 100, keeps_state) == ZK_OK;
    return ok;
}

static void
test_any_callable_runs_over_the_whole_range(void **)
{
    assert_true(run_all_kinds());
}

static void
test_a_result_of_the_body_comes_back(void **)
{
    zk_err_t err = zk::parallel_for(0, 1000, 1, [](std::size_t b, std::size_t) {
        return b == 500 ? 9 : 0;
    });

    assert_int_equal(err, 9);
    err = zk::parallel_for(5, 5, 1, [](std::size_t, std::size_t) { return 9; });
    assert_int_equal(err, ZK_OK);
}

/* What came out, and how many bodies ran. */
static std::string
catch_from_loop(std::size_t n, bool all)
{
    try {
        (void)zk::parallel_for(0, n, 1, [=](std::size_t b, std::size_t) {
            counted++;
            if (all || b == n / 2)
                throw std::runtime_error("at " + std::to_string(b));
        });
    } catch (const std::runtime_error &e) {
        return e.what();
    }
    return "";
}

static bool
one_exception_comes_out()
{
    bool ok = true;

    for (int i = 0; i < 50 && ok; i++) {
        counted = 0;
        ok = catch_from_loop(1000, false) == "at 500" && counted <= 1000;
        ok = ok && catch_from_loop(1000, true).substr(0, 3) == "at ";
    }
    counted = 0; /* the lane is as good as before */
    return ok && zk::parallel_for(0, 1000, 1, count) == ZK_OK &&
           counted == 1000;
}

static void
test_the_first_exception_of_a_body_comes_out_of_the_loop(void **)
{
    assert_true(one_exception_comes_out());
}

static void
test_exceptions_of_any_type_come_out_unchanged(void **)
{
    int caught = 0, code;

    try {
        (void)zk::parallel_for(0, 10, 1,
                               [](std::size_t, std::size_t) { throw 42; });
    } catch (int i) {
        caught = i;
    }
    assert_int_equal(caught, 42);
    code = cxx_code_of([] {
        (void)zk::parallel_for(0, 10, 1, [](std::size_t, std::size_t) {
            throw zk::error(ZK_ENOMEM);
        });
    });
    assert_int_equal(code, ZK_ENOMEM);
}

static bool
throw_through_nested_loops()
{
    for (int i = 0; i < 20; i++) {
        bool caught = false;

        try {
            (void)zk::parallel_for(0, 8, 1, [](std::size_t o, std::size_t) {
                (void)zk::parallel_for(0, 8, 1,
                                       [o](std::size_t k, std::size_t) {
                                           if (o == 3 && k == 5)
                                               throw std::string("inner");
                                       });
            });
        } catch (const std::string &s) {
            caught = s == "inner";
        }
        if (!caught)
            return false;
    }
    return true;
}

static void
test_an_exception_passes_nested_loops(void **)
{
    assert_true(throw_through_nested_loops());
}

/* A phase, a loop in it that fails half-way, and the memory of both. */
static bool
throw_through_a_phase()
{
    const std::size_t n = 20000;

    for (int i = 0; i < 20; i++) {
        bool caught = false;

        try {
            zk::phase phase("proof");
            auto *v = static_cast<std::uint64_t *>(
                zk_malloc(n * sizeof(std::uint64_t)));

            if (!zk_in_arena(v))
                return false;
            (void)zk::parallel_for(0, 100, 1, [](std::size_t b, std::size_t) {
                if (zk_phase_alloc(100, 0) == nullptr)
                    throw std::bad_alloc();
                if (b == 50)
                    throw std::out_of_range("fifty");
            });
        } catch (const std::out_of_range &) {
            caught = true;
        }
        if (!caught || cxx_depth() != 0 || zk_phase_end() != ZK_ESTALE)
            return false;
    }
    return true;
}

static void
test_an_exception_of_a_loop_ends_the_phase_around_it(void **)
{
    assert_true(throw_through_a_phase());
}

static bool
catch_inside_the_body()
{
    std::atomic<int> caught{0};
    zk_err_t err = zk::parallel_for(0, 100, 1, [&](std::size_t b, std::size_t) {
        try {
            if (b % 2 == 0)
                throw b;
        } catch (std::size_t) {
            caught++;
        }
    });

    return err == ZK_OK && caught == 50;
}

static void
test_what_a_body_catches_itself_is_nobodys_business(void **)
{
    assert_true(catch_inside_the_body());
}

int
main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_callable_runs_over_the_whole_range),
        cmocka_unit_test(test_a_result_of_the_body_comes_back),
        cmocka_unit_test(
            test_the_first_exception_of_a_body_comes_out_of_the_loop),
        cmocka_unit_test(test_exceptions_of_any_type_come_out_unchanged),
        cmocka_unit_test(test_an_exception_passes_nested_loops),
        cmocka_unit_test(test_an_exception_of_a_loop_ends_the_phase_around_it),
        cmocka_unit_test(test_what_a_body_catches_itself_is_nobodys_business),
    };

    cxx_begin();
    return cmocka_run_group_tests(tests, cxx_enter, cxx_leave);
}
