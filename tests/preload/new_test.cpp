/* new_test.cpp - C++'s operators, with the library preloaded. O17 */
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
extern "C" {
#include <cmocka.h>
}

namespace
{

struct alignas(256) wide {
    char bytes[1000];
};

volatile std::size_t far_too_much = SIZE_MAX / 4;

void
test_each_form_gives_and_takes(void **)
{
    char *p = new char[65];
    wide *w = new wide, *many = new wide[10];
    int *quiet = new (std::nothrow) int(7);

    /* Ours, and no other's; with guards it is what was asked for. */
    assert_true(malloc_usable_size(p) == 128 || malloc_usable_size(p) == 65);
    assert_int_equal(reinterpret_cast<std::uintptr_t>(w) % 256, 0);
    assert_int_equal(reinterpret_cast<std::uintptr_t>(many) % 256, 0);
    assert_int_equal(*quiet, 7);
    delete[] p;
    delete w;
    delete[] many;
    delete quiet;
    p = static_cast<char *>(::operator new(100));
    ::operator delete (p, std::size_t{100}); /* sized */
    p = static_cast<char *>(::operator new (100, std::align_val_t{64}));
    assert_int_equal(reinterpret_cast<std::uintptr_t>(p) % 64, 0);
    ::operator delete (p, std::size_t{100}, std::align_val_t{64});
    ::operator delete(nullptr);
}

void
test_out_of_memory_throws_or_is_null(void **)
{
    bool thrown = false;

    try {
        ::operator delete(::operator new(far_too_much));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    assert_true(thrown);
    thrown = false;
    try {
        ::operator delete (::operator new (far_too_much, std::align_val_t{64}),
                           std::align_val_t{64});
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    assert_true(thrown);
    assert_null(::operator new(far_too_much, std::nothrow));
    assert_null(
        ::operator new (far_too_much, std::align_val_t{64}, std::nothrow));
}

int handled;

void
handle()
{
    if (++handled == 3)
        std::set_new_handler(nullptr);
}

void
test_the_programs_handler_is_called_until_it_gives_up(void **)
{
    bool thrown = false;

    std::set_new_handler(handle);
    try {
        ::operator delete(::operator new(far_too_much));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    assert_true(thrown);
    assert_int_equal(handled, 3);
}

void
test_containers_in_threads(void **)
{
    std::vector<std::thread> threads;
    std::vector<std::size_t> sums(4);

    for (std::size_t t = 0; t < sums.size(); t++)
        threads.emplace_back([t, &sums] {
            std::vector<std::string> texts;

            for (int i = 0; i < 20000; i++)
                texts.push_back(
                    std::string(static_cast<std::size_t>(i % 300), 'x'));
            for (const std::string &s : texts)
                sums[t] += s.size();
        });
    for (std::thread &t : threads)
        t.join();
    for (std::size_t sum : sums)
        assert_int_equal(sum, sums[0]);
}

} // namespace

int
main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_form_gives_and_takes),
        cmocka_unit_test(test_out_of_memory_throws_or_is_null),
        cmocka_unit_test(test_the_programs_handler_is_called_until_it_gives_up),
        cmocka_unit_test(test_containers_in_threads),
    };

    if (std::getenv("LD_PRELOAD") == nullptr)
        return 77;
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
