/*
 * launcher.h - what an MPI launcher tells a process about its neighbours.
 *
 * Owns:   the names of their variables.
 * Never:  links MPI; believes a rank that does not fit its size.
 */
#ifndef ZK_RUNTIME_LAUNCHER_H
#define ZK_RUNTIME_LAUNCHER_H

#include "private/topology.h"

/* This process among those that were launched on this node; alone: {0, 1}. */
struct zk_share zk__launcher_share(void);

#endif
