/*
 * phases.h - what the tests of phases share.
 *
 * Owns:   a lane for each test, and begin and end that have to succeed.
 */
#ifndef ZK_TESTS_PHASE_PHASES_H
#define ZK_TESTS_PHASE_PHASES_H

#include "tests/runtime/rt.h"

#define begin_on(lane, name) \
    assert_int_equal(zk_phase_begin_on((lane), (name)), ZK_OK)
#define begin(name) assert_int_equal(zk_phase_begin(name), ZK_OK)
#define end()       assert_int_equal(zk_phase_end(), ZK_OK)

/* A lane of some workers, with or without the test's main thread inside. */
static inline int
phases_open(void **state, unsigned workers, size_t min_bytes, bool inside)
{
    zk_runtime_t *lane = test_lane(workers, 16 * MIB, min_bytes);

    *state = lane;
    return lane != NULL && (!inside || zk_runtime_enter(lane) == ZK_OK) ? 0
                                                                        : -1;
}

/* Ends whatever a test that failed has left open. */
static inline int
phases_close(void **state)
{
    while (zk_phase_end() != ZK_ESTALE)
        ;
    return zk_runtime_close(*state) == ZK_OK ? 0 : -1;
}

#endif
