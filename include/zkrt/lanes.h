/*
 * lanes.h - one lane for each NUMA node, and a job on each of them.
 *
 * Owns:   the set of lanes, and the thread that enters each one.
 * Never:  moves work or memory from one node to another: each lane has its own
 *         workers, phases and arenas, and steals from nobody else.
 *
 *     static int prove(zk_runtime_t *lane, unsigned index, void *arg)
 *     {
 *         struct proof *mine = (struct proof *)arg + index;
 *         return zk_runtime_phase("proof", stages, mine);
 *     }
 *     ...
 *     zk_lanes_open(&lanes, NULL);
 *     zk_lanes_run(lanes, prove, proofs);
 */
#ifndef ZKRT_LANES_H
#define ZKRT_LANES_H

#include <zkrt/error.h>
#include <zkrt/runtime.h>

ZK_BEGIN_DECLS

typedef struct zk_lanes zk_lanes_t;

/*
 * Opens a lane for each NUMA node that has workers. Who they are is decided as for
 * one lane that spans the machine (zk_runtime_open()); then each lane gets those
 * of its node, and memory of that node. The options hold for each lane, but for
 * the number of workers, which is that of all.
 *
 * ZK_NUMA, or options->numa, may ask for something else than ZK_NUMA_LANES: then
 * there is one lane, as zk_runtime_open() makes it, and the program works as
 * before. So there is with one node, and where the threads are borrowed
 * (ZK_BACKEND_OPENMP).
 *
 * Thread: any.
 * Cost:   as that of as many lanes.
 * Errors: those of zk_runtime_open(); *lanes is NULL and nothing is kept
 */
ZK_API ZK_NODISCARD zk_err_t zk_lanes_open(zk_lanes_t **lanes,
                                           const zk_options_t *options);

/* How many there are, at least 1; 0: lanes is NULL. */
ZK_API unsigned zk_lanes_count(const zk_lanes_t *lanes);

/* The index-th lane, for calls that name one; NULL: there is none. It is closed by
 * zk_lanes_close() alone. zk_runtime_info() says on which node it is. */
ZK_API zk_runtime_t *zk_lanes_get(const zk_lanes_t *lanes, unsigned index);

/* What runs on a lane. `index` is the lane's, below zk_lanes_count(). */
typedef int (*zk_lane_fn)(zk_runtime_t *lane, unsigned index, void *arg);

/*
 * Runs fn on all lanes at once and returns when all of them are done. On each lane
 * it is called by a thread that is inside as slot 0, bound to its core; the caller
 * sleeps. It is no task: it may begin phases. One that it leaves open is ended.
 * Each lane has the same thread every time, so what its last phase allocated can be
 * read until the next one begins (phase.h).
 *
 * Where the system refuses a thread the caller itself runs that lane's job, after
 * the others have begun. So it does in a forked child, which has no threads.
 *
 * Thread: any, also inside of another lane; one at a time.
 * Cost:   waking as many threads; the first time, starting them.
 * Errors: the first result that is not 0, in the order of lanes. None is stopped
 *         for another's sake.
 *         ZK_EINVAL  lanes or fn is NULL; nothing ran
 *         ZK_EBUSY   a run is under way; nothing ran
 *         ZK_EAGAIN  a lane had no free slot: its job did not run
 *         ZK_EPERM   the caller, inside another lane, should have run a job
 */
ZK_API ZK_NODISCARD zk_err_t zk_lanes_run(zk_lanes_t *lanes, zk_lane_fn fn,
                                          void *arg);

/*
 * Closes all lanes. NULL is ZK_OK.
 *
 * Thread: any, not inside one of them.
 * Errors: ZK_EBUSY   a run is under way, or a thread is inside one of the lanes
 *                    or has a phase open there: to be called again when that is
 *                    over, and until then nothing else may be done with `lanes`
 *         ZK_EPERM   called from a task of a lane; nothing changed
 */
ZK_API ZK_NODISCARD zk_err_t zk_lanes_close(zk_lanes_t *lanes);

ZK_END_DECLS

#endif
