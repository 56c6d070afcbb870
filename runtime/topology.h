/*
 * topology.h - the one door to hwloc.
 *
 * Owns:   the process's topology and the binding of threads.
 * Never:  lets a type of hwloc out; rebinds a thread by being loaded.
 */
#ifndef ZK_RUNTIME_TOPOLOGY_H
#define ZK_RUNTIME_TOPOLOGY_H

#include <stdbool.h>

#include "private/topology.h"

/*
 * The machine inside the binding that the process has inherited, and of that the
 * share that is left by other processes of the same launcher. Loaded by the first
 * call and kept for the life of the process; flat, with one PU per CPU of the
 * affinity mask, where hwloc fails. NULL: no memory.
 *
 * ZK_TOPOLOGY names another machine, as zk__topology_load() takes it: what would
 * be decided there can be seen, but nothing is bound.
 */
const struct zk_topology *zk__topology_get(void);

/* What was wrong while it was loaded, for a notice; NULL: nothing. */
const char *zk__topology_trouble(void);

/*
 * A machine from a file that lstopo wrote (its name ends in .xml) or from hwloc's
 * synthetic description, as in "package:2 core:4 pu:2". False: it is malformed, or
 * no memory. Undone by the function below.
 */
bool zk__topology_load(struct zk_topology *t, const char *what);
void zk__topology_free(struct zk_topology *t);

/* Around a fork, so that the child finds the lock free. */
void zk__topology_lock(void);
void zk__topology_unlock(void);

/* Binds the calling thread to these PUs. False: refused. */
bool zk__topology_bind(const struct zk_topology *t, const unsigned *pus,
                       unsigned n);

/* The calling thread's CPU affinity, to be given back later. */
struct zk_binding;
struct zk_binding *zk__topology_save(void); /* NULL: unknown */
void
zk__topology_restore(struct zk_binding *binding); /* frees it; NULL: no-op */

/*
 * The PU for the index-th worker: cores before second threads of a core,
 * neighbours first (close) or far apart (spread); around again when there are
 * more workers than PUs.
 */
unsigned zk__topology_pu(const struct zk_topology *t, unsigned index,
                         unsigned workers, bool spread);

/* How far two PUs are apart: 0 same core or cache, 1 node, 2 nearest other node,
 * ZK_DISTANCE_FAR the machine. */
#define ZK_DISTANCE_FAR 3u
#define ZK_DISTANCES    (ZK_DISTANCE_FAR + 1)
unsigned zk__topology_distance(const struct zk_topology *t, unsigned a,
                               unsigned b);

#endif
