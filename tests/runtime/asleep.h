/*
 * asleep.h - when all workers of a lane sleep.
 *
 * Owns:   what there is to look at: sleepers, searchers and tokens.
 * Never:  wakes anybody.
 */
#ifndef ZK_TESTS_RUNTIME_ASLEEP_H
#define ZK_TESTS_RUNTIME_ASLEEP_H

#include <unistd.h>

#include "runtime/lane.h"

/* Everybody sleeps: no count of a searcher, and no token, is left over. */
static inline bool
all_asleep(zk_runtime_t *lane)
{
    return zk_load_seq_cst(&lane->sleepers) ==
               zk_load_acquire(&lane->threads) &&
           zk_load_seq_cst(&lane->searching) == 0 &&
           zk_load_seq_cst(&lane->tokens) == 0;
}

static inline void
await_all_asleep(zk_runtime_t *lane)
{
    while (!all_asleep(lane))
        usleep(20);
}

#endif
