/*
 * moves.h - whether workers and pages have stayed where they were put.
 *
 * Owns:   what the kernel counts for the lane's own threads.
 * Never:  counts anything itself, or costs who does not ask.
 */
#ifndef ZK_RUNTIME_MOVES_H
#define ZK_RUNTIME_MOVES_H

#include <stdbool.h>
#include <stdint.h>

#include <zkrt/runtime.h>

#define ZK_MOVES_UNKNOWN UINT64_MAX

struct zk_moves {
    unsigned workers; /* threads of the lane's own that the kernel tells of */
    unsigned
        off_place;  /* bound ones of them, last seen on a CPU not of theirs */
    uint64_t cpus;  /* how often one came to another CPU: the first way to its
                           place too */
    uint64_t pages; /* that the kernel moved to the node where one used them */
};

/*
 * Asks about the workers that are running; ZK_MOVES_UNKNOWN for what a kernel without
 * CONFIG_SCHED_DEBUG or CONFIG_NUMA_BALANCING does not tell. False: /proc tells
 * nothing.
 *
 * cost  two files read for each worker
 */
bool zk__moves_count(const zk_runtime_t *lane, struct zk_moves *moves);

#endif
