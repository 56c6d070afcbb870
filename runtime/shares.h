/*
 * shares.h - what a test wants to know of loops with a place.
 */
#ifndef ZK_RUNTIME_SHARES_H
#define ZK_RUNTIME_SHARES_H

#include <stdint.h>

/* How long at the most others give way to workers of the place that are idle. A test
 * sets it before it opens a lane. */
extern uint64_t zk__shares_grace_ns;

#endif
