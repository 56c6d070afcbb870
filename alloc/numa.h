/*
 * numa.h - which NUMA nodes a slab's pages come from, and where they are.
 *
 * Owns:   the policy of each slab, and counting pages by node.
 * Never:  binds strictly: a node that is full spills to its neighbours, where a
 *         strict binding would have the kernel kill the process.
 *
 * Nodes are the kernel's numbers. A policy is set once, when a slab's range becomes
 * accessible and before its first page is there; it moves with the range. Where the
 * system refuses, as in containers, a page lies where it is touched first, and
 * that is by its slab's owner, who is bound: the same place as a rule.
 */
#ifndef ZK_ALLOC_NUMA_H
#define ZK_ALLOC_NUMA_H

#include <stdbool.h>
#include <stddef.h>

#include <zkrt/runtime.h>

#define ZK_NODES_MAX 1024u
#define ZK_NODE_NONE (-1)

/* A set of nodes, as the kernel takes it. */
struct zk_nodes {
    unsigned long mask[ZK_NODES_MAX / (8 * sizeof(unsigned long))];
};

struct zk_numa {
    enum zk_numa_mode mode;
    struct zk_nodes nodes; /* of INTERLEAVE and BIND */
    const int *of_slot;    /* of LOCAL; NONE: unknown; may be NULL */
    /* Told of refusals, with the errno, by whoever met one. */
    void (*refused)(int error, void *arg);
    void *arg;
};

struct zk_arena;
struct zk_slab;

void zk__nodes_add(struct zk_nodes *nodes, unsigned node);
bool zk__nodes_has(const struct zk_nodes *nodes, unsigned node);

/* Whether the pages of this slot may be on a node. */
bool zk__numa_wants(const struct zk_numa *numa, unsigned slot, unsigned node);

/* Sets the policy of a range that has just become accessible. */
void zk__numa_committed(struct zk_slab *s, void *p, size_t bytes);

/* Bytes in memory, by node. */
struct zk_numa_use {
    size_t wanted;  /* on a node where the policy wants them */
    size_t other;   /* on another one */
    size_t unknown; /* of slots whose node is not known */
    size_t on[ZK_NODES_MAX];
};

/* Adds the pages of a range that are in memory, as a slot's. False: the system does
 * not tell. */
bool zk__numa_count_range(const struct zk_numa *numa, unsigned slot,
                          const char *p, size_t bytes, struct zk_numa_use *use);

/*
 * Adds the pages of an arena. False: the system does not tell.
 *
 * cost  a walk of the page tables, and some 0.1 us for each page in memory
 */
bool zk__numa_count(const struct zk_arena *a, struct zk_numa_use *use);

#endif
