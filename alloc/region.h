/*
 * region.h - mappings that all nodes read, spread over them.
 *
 * Owns:   the list of regions.
 * Never:  knows a lane: policy, budget and advice are handed in.
 *
 * E1  A region is charged before it is mapped, and given back after it is gone (C1 in
 *     budget.h).
 * E2  The list's lock is taken inside of the account's, never around it: what a
 *     region has in memory is asked with that one held.
 */
#ifndef ZK_ALLOC_REGION_H
#define ZK_ALLOC_REGION_H

#include <stdbool.h>
#include <stddef.h>

#include "alloc/budget.h"
#include "alloc/numa.h"

/* A region by this policy, interleaved or none; NULL: no memory, or over the
 * budget, which counts it. */
void *zk__region_open(const struct zk_numa *numa, struct zk_budget *budget,
                      size_t bytes, bool huge);

/* False: there is none that begins there. */
bool zk__region_close(void *p);

/* Counts its pages by node. *known false: there is no such region. False: the
 * system does not tell. */
bool zk__region_count(const void *p, struct zk_numa_use *use, bool *known);

/* What all of them are: bytes, number, and bytes in memory. */
size_t zk__region_bytes(void);
size_t zk__region_number(void);
size_t zk__region_resident(void);

/* Around a fork, so that the child finds the lock free. */
void zk__region_lock(void);
void zk__region_unlock(void);

#endif
