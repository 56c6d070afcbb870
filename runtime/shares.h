/*
 * shares.h - what a test wants to know of loops with affinity or a place.
 */
#ifndef ZK_RUNTIME_SHARES_H
#define ZK_RUNTIME_SHARES_H

#include <stdint.h>

/* How long at the most others give way to workers of the place that are idle. A test
 * sets it before it opens a lane. */
extern uint64_t zk__shares_grace_ns;

/* With affinity: how many times as long as their own node took they wait for another
 * one's workers. The same. */
extern unsigned zk__shares_patience;

#endif
