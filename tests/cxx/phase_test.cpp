/*
 * phase_test.cpp - the guard of zkrt.hpp and the block form in C++: the phase
 * ends on every way out.
 */
#include "tests/cxx/cxx.hpp"

#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

static zk_runtime_t *lane;

static_assert(!std::is_copy_constructible_v<zk::phase>);
static_assert(!std::is_copy_assignable_v<zk::phase>);
static_assert(!std::is_move_constructible_v<zk::phase>);
static_assert(!std::is_move_assignable_v<zk::phase>);
static_assert(!std::is_default_constructible_v<zk::phase>);
static_assert(!std::is_convertible_v<const char *, zk::phase>);
static_assert(std::is_nothrow_destructible_v<zk::phase>);
static_assert(std::is_base_of_v<std::exception, zk::error>);
static_assert(std::is_nothrow_copy_constructible_v<zk::error>);

static int
open_lane(void **)
{
    lane = cxx_lane(2);
    return lane == nullptr;
}

static int
close_lane(void **)
{
    return zk_runtime_close(lane);
}

static bool
in_arena()
{
    void *p = zk_malloc(10000);
    bool in = zk_in_arena(p) != 0;

    zk_free(p);
    return in;
}

/* ---- ways out ---------------------------------------------------------------- */

static bool
leave_by_return()
{
    zk::phase phase(lane, "return");

    if (in_arena())
        return true;
    return false;
}

static bool
leave_by_break()
{
    bool in = false;

    for (int i = 0; i < 3; i++) {
        zk::phase phase(lane, "break");

        in = in_arena();
        if (i == 1)
            break;
        if (i == 0)
            continue;
        in = false;
    }
    return in;
}

static bool
leave_by_goto()
{
    bool again = true, in = false;

once_more : {
    zk::phase phase(lane, "goto");

    in = in_arena();
    if (again) {
        again = false;
        goto once_more;
    }
}
    return in;
}

struct thrown {
    int value;
};

static void
throw_from_below(int levels)
{
    if (levels == 0)
        throw thrown{7};

    zk::phase phase(lane, "below");

    throw_from_below(levels - 1);
}

static bool
leave_by_exception()
{
    try {
        zk::phase phase(lane, "exception");

        throw_from_below(5);
    } catch (const thrown &t) {
        return t.value == 7;
    }
    return false;
}

static bool
leave_by_an_exception_of_a_constructor()
{
    struct prover {
        zk::phase phase{lane, "member"};
        std::vector<int> data = std::vector<int>(10);
        bool in = in_arena();

        explicit prover(bool fail)
        {
            if (fail)
                throw thrown{1};
        }
    };
    bool in = prover(false).in;

    if (cxx_depth() != 0)
        return false;
    try {
        prover p(true);
    } catch (const thrown &) {
        return in;
    }
    return false;
}

static bool
leave_by_end()
{
    zk::phase phase(lane, "end");
    bool in = in_arena();

    phase.end();
    return in && !in_arena() && cxx_depth() == 0;
}

/* Z10, B13 */
static void
test_the_phase_ends_on_every_way_out(void **)
{
    static bool (*const ways[])() = {leave_by_return,
                                     leave_by_break,
                                     leave_by_goto,
                                     leave_by_exception,
                                     leave_by_an_exception_of_a_constructor,
                                     leave_by_end};

    for (auto *way : ways) {
        assert_true(way());
        assert_int_equal(cxx_depth(), 0);
        assert_int_equal(zk_phase_end(), ZK_ESTALE);
        assert_false(in_arena());
        assert_int_equal(zk_slot(), -1);
    }
}

/* ---- nesting -------------------------------------------------------------------- */

static bool
nest()
{
    zk::phase outer(lane, "outer");
    auto *p = static_cast<char *>(zk_malloc(10000));
    bool ok = p != nullptr && cxx_depth() == 1;

    std::memset(p, 5, 10000);
    for (int i = 0; i < 3; i++) {
        zk::phase inner("inner");
        auto *q = static_cast<char *>(zk_malloc(10000));

        ok = ok && q != nullptr && cxx_depth() == 2;
        std::memset(q, 6, 10000);
        {
            zk::phase innermost(lane, "innermost");

            ok = ok && cxx_depth() == 3;
        }
        inner.end();
        ok = ok && cxx_depth() == 1;
    }
    for (int i = 0; i < 10000; i++)
        ok = ok && p[i] == 5;
    return ok;
}

static void
test_guards_nest_as_stages(void **)
{
    assert_true(nest());
    assert_int_equal(cxx_depth(), 0);
}

/* Since C++17 a function may hand out a guard that it makes. */
static zk::phase
make_phase(const char *name)
{
    return zk::phase(lane, name);
}

static bool
hold_a_made_phase()
{
    zk::phase phase = make_phase("made");
    bool ok = cxx_depth() == 1;

    {
        auto on_the_heap = std::make_unique<zk::phase>("heap");

        ok = ok && cxx_depth() == 2;
        on_the_heap.reset();
        ok = ok && cxx_depth() == 1;
    }
    return ok && in_arena();
}

static void
test_a_guard_may_be_handed_out_and_held_by_a_pointer(void **)
{
    assert_true(hold_a_made_phase());
    assert_int_equal(cxx_depth(), 0);
}

/* ---- what goes wrong ------------------------------------------------------------ */

static int
fail_in_a_task(void *)
{
    return cxx_code_of([] { zk::phase phase("task"); });
}

static int
fail_in_a_detached_task(void *)
{
    return 31;
}

static void
test_a_begin_that_fails_throws_its_code_and_opens_nothing(void **)
{
    zk_runtime_t *other = cxx_lane(1);
    zk_group_t group = ZK_GROUP_INIT;
    int code;

    assert_non_null(other);
    assert_int_equal(zk_spawn_on(lane, &group, fail_in_a_task, nullptr), ZK_OK);
    assert_int_equal(zk_sync(&group), ZK_EPERM);

    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    code = cxx_code_of([&] { zk::phase phase(other, "other"); });
    assert_int_equal(code, ZK_EPERM);
    assert_int_equal(cxx_depth(), 0);
    assert_int_equal(zk_phase_end(), ZK_ESTALE); /* nothing was open */
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(other), ZK_OK);
}

static void
nest_deeper(unsigned *deepest)
{
    zk::phase phase(lane, "deep");

    *deepest = cxx_depth();
    if (*deepest < 1000)
        nest_deeper(deepest);
}

static void
test_stages_that_are_too_deep_throw_and_all_end(void **)
{
    unsigned deepest = 0;
    int code = cxx_code_of([&] { nest_deeper(&deepest); });

    assert_int_equal(code, ZK_EINVAL);
    assert_int_equal(deepest, ZK_MAX_STAGES + 1);
    assert_int_equal(cxx_depth(), 0);
    assert_int_equal(zk_slot(), -1);
}

static void
test_end_throws_what_the_end_says_and_only_once(void **)
{
    int first = 0, second = 0, destroyed;

    {
        zk::phase phase(lane, "end");

        (void)!zk_spawn(nullptr, fail_in_a_detached_task, nullptr);
        first = cxx_code_of([&] { phase.end(); });
        second = cxx_code_of([&] { phase.end(); });
    }
    assert_int_equal(first, 31);
    assert_int_equal(second, ZK_ESTALE);
    assert_int_equal(cxx_depth(), 0);

    /* The destructor is silent, but the code can be asked for. */
    destroyed = cxx_code_of([] {
        zk::phase phase(lane, "silent");

        (void)!zk_spawn(nullptr, fail_in_a_detached_task, nullptr);
    });
    assert_int_equal(destroyed, 1);
    assert_int_equal(zk_phase_error(), 31);
}

static void
test_end_inside_of_an_enclosing_phase_ends_only_its_own(void **)
{
    unsigned depth = 99, after = 99;

    {
        zk::phase outer(lane, "outer");

        {
            zk::phase inner("inner");

            inner.end();
            depth = cxx_depth();
        } /* must not end the outer one */
        after = cxx_depth();
    }
    assert_int_equal(depth, 1);
    assert_int_equal(after, 1);
    assert_int_equal(cxx_depth(), 0);
}

static void
test_a_guard_ends_its_phase_when_a_stage_was_left_open_inside(void **)
{
    unsigned outer_depth = 99;

    {
        zk::phase outer(lane, "outer");

        {
            zk::phase inner("inner");

            (void)!zk_phase_begin("forgotten");
        }
        outer_depth = cxx_depth();
    }
    assert_int_equal(outer_depth, 1);
    assert_int_equal(cxx_depth(), 0);
    assert_int_equal(zk_slot(), -1);
}

/* An end too many inside must not make the guard end the enclosing one. */
static void
test_a_guard_whose_phase_has_ended_ends_nothing_else(void **)
{
    unsigned outer_depth = 99;

    {
        zk::phase outer(lane, "outer");

        {
            zk::phase inner("inner");

            (void)!zk_phase_end();
        }
        outer_depth = cxx_depth();
    }
    assert_int_equal(outer_depth, 1);
    assert_int_equal(cxx_depth(), 0);
}

static void
test_an_error_tells_its_code_and_its_sentence(void **)
{
    bool same;
    zk_err_t code;

    {
        const zk::error e(ZK_EBUSY);

        code = e.code();
        same = std::string(e.what()) == zk_strerror(ZK_EBUSY);
    }
    assert_int_equal(code, ZK_EBUSY);
    assert_true(same);
}

/* ---- the block form --------------------------------------------------------------- */

static bool
block_and_return()
{
    ZK_PHASE ("return") {
        if (in_arena())
            return true;
    }
    return false;
}

static bool
block_and_break()
{
    bool in = false;

    ZK_PHASE ("break") {
        in = in_arena();
        if (in)
            break;
        in = false;
    }
    return in;
}

static bool
block_and_throw()
{
    try {
        ZK_PHASE ("outer") {
            ZK_PHASE ("inner") {
                throw thrown{3};
            }
        }
    } catch (const thrown &t) {
        return t.value == 3;
    }
    return false;
}

static bool
block_in_a_lambda()
{
    auto run = [](auto &&body) {
        ZK_PHASE ("lambda")
            body();
    };
    bool in = false;

    run([&] { in = in_arena(); });
    return in;
}

static void
test_the_block_form_ends_on_every_way_out_too(void **)
{
    static bool (*const ways[])() = {block_and_return, block_and_break,
                                     block_and_throw, block_in_a_lambda};

    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (auto *way : ways) {
        assert_true(way());
        assert_int_equal(cxx_depth(), 0);
        assert_int_equal(zk_phase_end(), ZK_ESTALE);
    }
    assert_int_equal(zk_runtime_leave(), ZK_OK);
}

/* The guard's end throws the budget's code, its destructor keeps quiet. */
static void
test_over_the_budget_is_an_exception_where_it_is_asked_for(void **)
{
    zk_options_t options = ZK_OPTIONS_INIT;
    zk_runtime_t *small = nullptr;
    bool null = false, null_again = false;
    int reserved, ended, quiet;

    options.workers = 1;
    options.slab_bytes = std::size_t{16} << 20;
    options.budget_bytes = std::size_t{4} << 20;
    options.bind = ZK_BIND_NONE;
    options.notice = cxx_no_notice;
    assert_int_equal(zk_runtime_open(&small, &options), ZK_OK);
    {
        zk::phase phase(small, "over");

        reserved = cxx_code_of([&] { phase.reserve(std::size_t{5} << 20); });
        null = zk_malloc(std::size_t{5} << 20) == nullptr;
        ended = cxx_code_of([&] { phase.end(); });
    }
    quiet = cxx_code_of([&] {
        zk::phase phase(small, "over");

        phase.reserve(std::size_t{3} << 20);
        null_again = zk_malloc(std::size_t{5} << 20) == nullptr;
    });
    assert_int_equal(reserved, ZK_EBUDGET);
    assert_int_equal(ended, ZK_EBUDGET);
    assert_true(null && null_again);
    assert_int_equal(quiet, 1); /* nothing was thrown */
    assert_int_equal(zk_phase_error(), ZK_EBUDGET);
    assert_int_equal(zk_runtime_close(small), ZK_OK);
}

int
main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_phase_ends_on_every_way_out),
        cmocka_unit_test(test_guards_nest_as_stages),
        cmocka_unit_test(test_a_guard_may_be_handed_out_and_held_by_a_pointer),
        cmocka_unit_test(
            test_a_begin_that_fails_throws_its_code_and_opens_nothing),
        cmocka_unit_test(test_stages_that_are_too_deep_throw_and_all_end),
        cmocka_unit_test(test_end_throws_what_the_end_says_and_only_once),
        cmocka_unit_test(
            test_end_inside_of_an_enclosing_phase_ends_only_its_own),
        cmocka_unit_test(
            test_a_guard_ends_its_phase_when_a_stage_was_left_open_inside),
        cmocka_unit_test(test_a_guard_whose_phase_has_ended_ends_nothing_else),
        cmocka_unit_test(test_an_error_tells_its_code_and_its_sentence),
        cmocka_unit_test(test_the_block_form_ends_on_every_way_out_too),
        cmocka_unit_test(
            test_over_the_budget_is_an_exception_where_it_is_asked_for),
    };

    cxx_begin();
    return cmocka_run_group_tests(tests, open_lane, close_lane);
}
