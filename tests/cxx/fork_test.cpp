/*
 * fork_test.cpp - zk::parallel_invoke over callables, and the inlined forks.
 */
#include "tests/cxx/cxx.hpp"

#include <stdexcept>
#include <string>

static unsigned
fib(unsigned n)
{
    unsigned a = 0, b = 0;

    if (n < 2)
        return n;
    if (zk::parallel_invoke([&] { a = fib(n - 1); }, [&] { b = fib(n - 2); }) !=
        ZK_OK)
        return 0;
    return a + b;
}

static void
test_lambdas_recurse(void **)
{
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(fib(18), 2584);
}

static void
test_codes_come_back_in_order(void **)
{
    const auto five = [] { return zk_err_t{5}; };
    auto six = []() mutable { return zk_err_t{6}; };
    bool ran = false;

    assert_int_equal(zk::parallel_invoke(five, six), 5);
    assert_int_equal(zk::parallel_invoke([&] { ran = true; }, six), 6);
    assert_true(ran);
    assert_int_equal(zk::parallel_invoke([] {}, [] {}), ZK_OK);
}

/* What was thrown, and which of the two calls ran to its end: each has a flag of
 * its own, since they run at the same time. */
static std::string
message_of_throwing(bool first, bool second, bool (&ended)[2])
{
    const auto maybe = [](bool does, const char *what, bool &end) {
        end = false;
        if (does)
            throw std::runtime_error(what);
        end = true;
    };

    try {
        (void)zk::parallel_invoke([&] { maybe(first, "first", ended[0]); },
                                  [&] { maybe(second, "second", ended[1]); });
    } catch (const std::runtime_error &e) {
        return e.what();
    }
    return "";
}

static void
test_the_first_exception_is_rethrown_when_both_are_done(void **)
{
    for (unsigned i = 0; i < 1000; i++) {
        bool ended[2] = {false, false};

        assert_string_equal(message_of_throwing(true, false, ended).c_str(),
                            "first");
        assert_true(!ended[0] && ended[1]);
        assert_string_equal(message_of_throwing(false, true, ended).c_str(),
                            "second");
        assert_true(ended[0] && !ended[1]);
        assert_string_equal(message_of_throwing(true, true, ended).c_str(),
                            "first");
        assert_string_equal(message_of_throwing(false, false, ended).c_str(),
                            "");
        assert_true(ended[0] && ended[1]);
    }
}

static int
twice(void *arg)
{
    *static_cast<int *>(arg) *= 2;
    return 0;
}

static void
test_forks_are_values(void **)
{
    int a = 1, b = 10;
    zk_fork_t fa = zk_fork(twice, &a);
    zk_fork_t fb = zk_fork(twice, &b);

    assert_int_equal(zk_join(fb), 0);
    assert_int_equal(zk_join(fa), 0);
    assert_int_equal(a, 2);
    assert_int_equal(b, 20);
}

int
main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lambdas_recurse),
        cmocka_unit_test(test_codes_come_back_in_order),
        cmocka_unit_test(
            test_the_first_exception_is_rethrown_when_both_are_done),
        cmocka_unit_test(test_forks_are_values),
    };

    cxx_begin();
    return cmocka_run_group_tests(tests, cxx_enter, cxx_leave);
}
