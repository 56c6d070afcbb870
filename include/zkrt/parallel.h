/*
 * parallel.h - loops, groups of tasks, and submission from outside.
 *
 * Owns:   everything that gives the workers something to do.
 * Never:  decides where memory comes from: a task allocates for the phase
 *         in which it was spawned (phase.h).
 *
 * Every call here acts on the lane the caller is in, else on the default lane;
 * the _on() twins name the lane. A thread that is not in a lane is inside for
 * the duration of the call.
 */
#ifndef ZKRT_PARALLEL_H
#define ZKRT_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/error.h>
#include <zkrt/runtime.h>

ZK_BEGIN_DECLS

/*
 * Runs iterations [begin, end). Called many times, from many threads, with
 * ranges that cover the loop exactly once. A non-zero result cancels the rest
 * of the loop.
 */
typedef int (*zk_range_fn)(size_t begin, size_t end, void *arg);

/* One task. A non-zero result cancels the rest of its group. */
typedef int (*zk_task_fn)(void *arg);

/*
 * Runs body over [begin, end) on the lane's workers and returns when all of it
 * is done. The range is divided only when a worker is hungry. No call gets more
 * than `grain` iterations and the range is never cut finer, but for the last
 * piece; grain 0 lets the loop find its own, so that one call of the body lasts
 * some microseconds. Loops nest.
 *
 * While it waits the caller runs nothing but pieces of this loop and what they
 * spawned, so it is safe to hold a lock around the call.
 *
 * begin >= end is an empty loop and ZK_OK.
 *
 * Errors: the first non-zero result of the body: pieces not yet started are
 *         skipped, those that run finish first
 *         ZK_EINVAL  body is NULL
 *         ZK_ECANCELED  the phase was cancelled, or what waits for the loop
 *                    was: pieces not yet started are skipped
 *         ZK_ENOMEM  the default lane could not be opened; nothing ran
 */
ZK_API zk_err_t zk_parallel_for(size_t begin, size_t end, size_t grain,
                                zk_range_fn body, void *arg);

ZK_API zk_err_t zk_parallel_for_on(zk_runtime_t *lane, size_t begin, size_t end,
                                   size_t grain, zk_range_fn body, void *arg);

/*
 * A set of tasks that are waited for together. Storage is the caller's and must
 * outlive its last task: sync before it goes out of scope. Reusable after
 * zk_sync(). Set it up with ZK_GROUP_INIT or all zero bytes.
 */
typedef uint64_t zk__group_word __attribute__((may_alias));

typedef struct zk_group {
    zk__group_word zk__private[16];
} zk_group_t;

#ifdef __cplusplus
#    define ZK_GROUP_INIT \
        {                 \
        }
#else
#    define ZK_GROUP_INIT \
        {                 \
            {             \
                0         \
            }             \
        }
#endif

/*
 * Adds a task to the group. It may run at once on another worker, or later on
 * this one, at the latest inside zk_sync(). It belongs to the phase in which
 * the group's first task was spawned. `group` may be NULL: a detached task,
 * awaited by the end of the phase, or outside of one by zk_runtime_close().
 *
 * Thread: any. From a thread that is not in the lane the task goes through the
 *         lane's queue; such a lane of one worker starts one thread for it.
 * Cost:   no allocation, unless a deque grows.
 * Errors: ZK_EINVAL  fn is NULL
 *         ZK_ENOMEM  the queue could not grow; the task was not added
 *         ZK_ESTALE  the group's phase has ended, or its opener is ending it
 *                    and the caller is no task of it; the task was not added
 *         ZK_EPERM   the group is in use on another lane; not added
 *         ZK_ECANCELED  the group's phase was cancelled; not added
 */
ZK_API ZK_NODISCARD zk_err_t zk_spawn(zk_group_t *group, zk_task_fn fn,
                                      void *arg);

ZK_API ZK_NODISCARD zk_err_t zk_spawn_on(zk_runtime_t *lane, zk_group_t *group,
                                         zk_task_fn fn, void *arg);

/*
 * Waits until every task of the group is done, running what is left of it, and
 * returns the first non-zero result; tasks that had not started when it came
 * were skipped. Afterwards the group is empty and may be used again.
 *
 * Thread: any; one at a time for one group.
 * Errors: ZK_EINVAL  group is NULL: detached tasks are awaited by their phase
 *         ZK_ECANCELED  the group or its phase was cancelled
 */
ZK_API zk_err_t zk_sync(zk_group_t *group);

/* True when no task of the group is left, so that zk_sync() would not wait; of
 * NULL too. */
ZK_API int zk_group_done(const zk_group_t *group);

/*
 * Asks the group to stop: tasks that have not started are skipped, loops inside
 * its tasks stop at their next piece, and zk_sync() returns `code`, or
 * ZK_ECANCELED for 0. Any thread. NULL: no effect.
 */
ZK_API void zk_group_cancel(zk_group_t *group, zk_err_t code);

ZK_END_DECLS

#endif
