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
    unsigned node;     /* NUMA node of the kernel: the nearest with memory */
    unsigned domain;   /* its index below nnodes */
    bool first_thread; /* the first unit of its core */
};

/* One of several processes that share a machine, or a part of it. */
struct zk_share {
    unsigned rank; /* below size */
    unsigned size; /* 0 or 1: alone */
};

struct zk_topology {
    struct zk_pu *pus;
    unsigned npus;
    unsigned ncores;
    unsigned nnodes;
    unsigned char *next; /* [nnodes][nnodes]: the second is as near to the first
                            as any other node; NULL: all are alike */
    bool flat;     /* the topology library failed: PUs without structure */
    bool imagined; /* not this machine: nothing can be bound */
    bool part;     /* one node of a machine that has others */
    struct zk_share share; /* what of the machine this is */
};

#endif
