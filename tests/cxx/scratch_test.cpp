/*
 * scratch_test.cpp - zk::scratch: the scope ends on every way out.
 */
#include "tests/cxx/cxx.hpp"

#include <cstring>
#include <new>
#include <type_traits>

static zk_runtime_t *lane;

static_assert(!std::is_copy_constructible_v<zk::scratch>);
static_assert(!std::is_copy_assignable_v<zk::scratch>);
static_assert(!std::is_move_constructible_v<zk::scratch>);
static_assert(!std::is_move_assignable_v<zk::scratch>);
static_assert(std::is_nothrow_default_constructible_v<zk::scratch>);
static_assert(std::is_nothrow_destructible_v<zk::scratch>);

static int
open_lane(void **)
{
    lane = cxx_lane(2);
    return lane == nullptr;
}

static int
close_lane(void **)
{
    return zk_runtime_close(lane) != ZK_OK;
}

static void
test_scope_ends_with_the_block_and_with_an_exception(void **)
{
    zk::phase phase(lane, "a");
    zk::scratch outer;
    char *p = static_cast<char *>(outer.alloc(100)), *q = nullptr;

    assert_true(zk_in_arena(p));
    for (int i = 0; i < 3; i++) {
        try {
            zk::scratch inner;

            q = static_cast<char *>(inner.alloc(64));
            std::memset(q, 1, 64);
            assert_true(q == p - 64);
            if (i == 1)
                throw i;
            if (i == 2)
                continue;
        } catch (int) {
        }
    }
    assert_true(outer.alloc(64) == p - 64);
}

static void
test_alloc_throws_where_there_is_none(void **)
{
    zk::scratch scope;
    int thrown = 0;

    try {
        (void)scope.alloc(10, 48);
    } catch (const std::bad_alloc &) {
        thrown++;
    }
    try {
        (void)scope.alloc(SIZE_MAX);
    } catch (const std::bad_alloc &) {
        thrown++;
    }
    assert_int_equal(thrown, 2);
}

static void
test_library_takes_what_its_caller_brings(void **)
{
    zk::scratch scope;
    std::size_t bytes = zk_scratch_bytes(100, 0) + zk_scratch_bytes(10, 256);
    void *at = scope.alloc(bytes);
    char *end = static_cast<char *>(at) + bytes;
    char *p = static_cast<char *>(zk_scratch_take(&at, 100, 0));
    char *q = static_cast<char *>(zk_scratch_take(&at, 10, 256));

    assert_int_equal(reinterpret_cast<std::uintptr_t>(q) % 256, 0);
    assert_true(p + 100 <= q && q + 10 <= end);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scope_ends_with_the_block_and_with_an_exception),
        cmocka_unit_test(test_alloc_throws_where_there_is_none),
        cmocka_unit_test(test_library_takes_what_its_caller_brings),
    };

    return cmocka_run_group_tests(tests, open_lane, close_lane);
}
