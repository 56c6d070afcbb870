/*
 * topology.h - the machine as plain data.
 *
 * Owns:   the description that runtime/topology.c fills from hwloc, or a test by
 *         hand.
 * Never:  names a type of hwloc.
 */
#ifndef ZK_PRIVATE_TOPOLOGY_H
#define ZK_PRIVATE_TOPOLOGY_H

#include <stdbool.h>

/* One processing unit that this process may run on, in topology order. */
struct zk_pu {
    unsigned os_index; /* the kernel's CPU number */
    unsigned core;     /* logical ids: equal means shared */
    unsigned cache;    /* the largest cache below the node */
    unsigned package;
    unsigned node;     /* NUMA node of the kernel, for placement */
    bool first_thread; /* the first unit of its core */
};

struct zk_topology {
    struct zk_pu *pus;
    unsigned npus;
    unsigned ncores;
    unsigned nnodes;
    bool flat; /* the topology library failed: PUs without structure */
};

#endif
