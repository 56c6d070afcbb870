/*
 * cxx.hpp - what the C++ tests share.
 *
 * Owns:   cmocka with C linkage, a lane by its number of workers, and counting
 *         what a piece of code throws.
 * Never:  asserts while an object with a destructor is alive: a failed
 *         assertion jumps over it.
 */
#ifndef ZK_TESTS_CXX_HPP
#define ZK_TESTS_CXX_HPP

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>

extern "C" {
#include <cmocka.h>
}

#include <unistd.h>

#include <zkrt/zkrt.hpp>

inline void
cxx_no_notice(const char *, void *)
{
}

inline zk_runtime_t *
cxx_lane(unsigned workers)
{
    zk_options_t options = ZK_OPTIONS_INIT;
    zk_runtime_t *lane = nullptr;

    options.workers = workers;
    options.spare_slots = 4;
    options.slab_bytes = std::size_t{4} << 20;
    options.bind = ZK_BIND_NONE;
    options.notice = cxx_no_notice;
    return zk_runtime_open(&lane, &options) == ZK_OK ? lane : nullptr;
}

/* The depth of the caller's open phase; 0: none is open. */
inline unsigned
cxx_depth()
{
    zk_phase_stats_t stats = {};

    stats.size = sizeof stats;
    return zk_phase_stats(&stats) == ZK_OK ? stats.depth : 0;
}

/* The code of the zk::error that f throws; 1: nothing, 2: something else. */
template <class F>
int
cxx_code_of(F &&f)
{
    try {
        f();
    } catch (const zk::error &e) {
        return e.code();
    } catch (...) {
        return 2;
    }
    return 1;
}

/* Around the tests of a program: three workers, of which this thread is one. */
inline zk_runtime_t *cxx_entered;

inline int
cxx_enter(void **)
{
    cxx_entered = cxx_lane(3);
    return cxx_entered == nullptr || zk_runtime_enter(cxx_entered) != ZK_OK;
}

inline int
cxx_leave(void **)
{
    return zk_runtime_leave() != ZK_OK ||
           zk_runtime_close(cxx_entered) != ZK_OK;
}

/* First in main(). */
inline void
cxx_begin()
{
    alarm(280);
}

#endif
