/*
 * secret_test.cpp - a secret phase that an exception leaves, and the flag in the
 * guard of zkrt.hpp. Each case is a process of its own, see
 * tests/phase/witness_test.c.
 */
#include "tests/cxx/cxx.hpp"

#include "tests/phase/witness.h"

#include <stdexcept>

static zk_runtime_t *lane;

static void
fill()
{
    if (witness_everywhere(nullptr) != ZK_OK)
        _exit(99);
}

static void
throw_inside(unsigned flags)
{
    zk::phase phase(lane, "witness", flags);

    fill();
    throw std::runtime_error("on the way");
}

static void
throw_inside_block(unsigned flags)
{
    zk_phase_options_t options = ZK_PHASE_OPTIONS_INIT;

    options.flags = flags;
    ZK_PHASE_EX ("witness", &options) {
        fill();
        throw std::runtime_error("on the way");
    }
}

static void
throw_from_loop(unsigned flags)
{
    zk::phase phase(lane, "witness", flags);

    fill();
    zk::parallel_for(0, 100, 1, [](std::size_t begin, std::size_t) {
        if (begin == 50)
            throw std::runtime_error("on the way");
    });
}

static void
throw_from_stage(unsigned flags)
{
    zk::phase phase(lane, "phase", flags);
    zk::phase stage("witness", flags);

    fill();
    throw std::runtime_error("on the way");
}

static void
end_early(unsigned flags)
{
    zk::phase phase("witness", flags);

    fill();
    phase.end();
    throw std::runtime_error("on the way");
}

struct exit_by {
    void (*leave)(unsigned flags);
    unsigned flags;
    enum witness_look look;
};

static int
run_one(void *arg)
{
    const exit_by *way = static_cast<const exit_by *>(arg);

    zk_options_t options = ZK_OPTIONS_INIT;

    options.workers = 3;
    options.slab_bytes = std::size_t{32} << 20;
    options.bind = ZK_BIND_NONE;
    if (zk_runtime_open(&lane, &options) != ZK_OK ||
        zk_runtime_enter(lane) != ZK_OK)
        return 95;
    try {
        way->leave(way->flags);
    } catch (const std::runtime_error &) {
        witness_report(way->look);
    }
    return 94;
}

static void
test_witness_is_gone_after_an_exception(void **)
{
    void (*const leave[])(unsigned) = {throw_inside, throw_inside_block,
                                       throw_from_loop, throw_from_stage,
                                       end_early};

    for (auto *by : leave)
        for (auto look : {IN_MEMORY, IN_CHILD}) {
            exit_by with = {by, ZK_PHASE_SECRET, look};
            exit_by without = {by, 0, look};
            struct test_child child = test_in_child(run_one, &with);

            assert_int_equal(witness_found(&child), 0);
            child = test_in_child(run_one, &without);
            assert_int_not_equal(witness_found(&child), SIZE_MAX);
            assert_true(witness_found(&child) > 0);
        }
}

static void
test_flag_that_is_unknown_is_thrown(void **)
{
    zk_err_t code = ZK_OK;

    try {
        zk::phase phase("odd", 1u << 30);
    } catch (const zk::error &e) {
        code = e.code();
    }
    assert_int_equal(code, ZK_EINVAL);
}

int
main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_witness_is_gone_after_an_exception),
        cmocka_unit_test(test_flag_that_is_unknown_is_thrown),
    };

    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
