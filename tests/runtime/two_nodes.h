/*
 * two_nodes.h - an imagined machine of two nodes, and a lane on it.
 *
 * Slots 0 and 1 are on node 0, and slots 2 and 3 on node 1; the caller is slot 0.
 */
#ifndef ZK_TESTS_RUNTIME_TWO_NODES_H
#define ZK_TESTS_RUNTIME_TWO_NODES_H

#include "runtime/lane.h"

#include "tests/runtime/rt.h"

/* First in main(): a process loads its topology once. */
static inline void
two_nodes_begin(void)
{
    test_clean_environment();
    setenv("ZK_TOPOLOGY", "package:2 [numa] core:2 pu:1", 1);
    rt_begin();
}

static inline zk_runtime_t *
two_nodes_enter(void)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane, ZK_OPTIONS(.slab_bytes = 4 * MIB)) != ZK_OK ||
        zk_runtime_enter(lane) != ZK_OK)
        return NULL;
    return lane;
}

static inline void
two_nodes_close(zk_runtime_t *lane)
{
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Who has done the last piece of a loop may not have left it yet. */
static inline void
two_nodes_await_idle(const zk_runtime_t *lane)
{
    for (unsigned i = 1; i < lane->nworkers; i++)
        while (zk_load_acquire(&lane->slots[i].root) != 0)
            usleep(20);
}

#endif
