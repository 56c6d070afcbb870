/*
 * parallel.h - loops, sums, groups of tasks, and submission from outside.
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
 * Options of one loop. A field that is zero means "as usual". Later versions append
 * fields and tell the old callers by `size`: initialise with ZK_LOOP_OPTIONS.
 */
typedef struct {
    size_t size;          /* sizeof(zk_loop_options_t) */
    size_t grain;         /* as in zk_parallel_for() */
    unsigned max_workers; /* no more of them at once, the caller included */
    unsigned affinity;    /* 1: the same part of the range goes to the same
                             slot in each such loop, while that one keeps up */
    unsigned place;       /* ZK_PLACE_NODE(k): the workers of that node first */
} zk_loop_options_t;

/* A NUMA node by the kernel's number, as in ZK_NUMA and zk_numa_pages(). */
#define ZK_PLACE_NODE(k) ((unsigned)(k) + 1)

#ifdef __cplusplus
#    define ZK_LOOP_OPTIONS_INIT                  \
        {                                         \
            sizeof(zk_loop_options_t), 0, 0, 0, 0 \
        }
#else
#    define ZK_LOOP_OPTIONS(...)                                       \
        (&(const zk_loop_options_t){.size = sizeof(zk_loop_options_t), \
                                    __VA_ARGS__})
#    define ZK_LOOP_OPTIONS_INIT              \
        {                                     \
            .size = sizeof(zk_loop_options_t) \
        }
#endif

/*
 * zk_parallel_for() with options; NULL: none. lane NULL: the one that the caller is
 * in, else the default lane.
 *
 * With max_workers or affinity the range is dealt out in one share for each worker,
 * and in pieces of the grain, or of 1/32 of a share. Who is through with a share
 * helps with the others. With affinity those of the same cache and node come first.
 * Other nodes' workers, unless they are busy with another call, are given as long
 * again as the helper's own node took, and then those are helped that are behind by
 * more than an eighth of a share. So somebody who is late by more than a loop's
 * time makes it take twice as long at the most: where calls of the body differ much
 * affinity is not what you want.
 *
 * So pages that one loop touches for the first time are on the node of who gets
 * them in the next. Memory whose place was decided before does not follow: that of
 * an arena is on the node of the slot that allocated it, unless ZK_NUMA says
 * otherwise.
 *
 * With a place there is a share for each worker of that node, which are the same
 * in each such loop, and they help each other. It is a wish: who is from elsewhere,
 * the caller first of all, waits for idle workers of the node for 1 ms at the most,
 * and then helps with shares that none of them is at. Where all of them are busy
 * the caller runs the loop at once. A node on which the lane has no worker is
 * as none; workers that are not bound count as they would be bound.
 *
 * Errors: as for zk_parallel_for(); also
 *         ZK_EINVAL  options->size is not one the library knows, or affinity
 *                    neither 0 nor 1
 */
ZK_API zk_err_t zk_parallel_for_ex(zk_runtime_t *lane, size_t begin, size_t end,
                                   const zk_loop_options_t *options,
                                   zk_range_fn body, void *arg);

/* [begin, end), cut at multiples of the grain from begin. grain 0: in 32 parts. */
typedef struct {
    size_t begin, end, grain;
} zk_range_t;

/* Rows [row, row_end) of columns [column, column_end). */
typedef int (*zk_range_2d_fn)(size_t row, size_t row_end, size_t column,
                              size_t column_end, void *arg);

/*
 * Runs body over all tiles of rows x columns, as zk_parallel_for() does over a
 * range: each tile is one call. Their shape does not depend on who runs them. A
 * worker goes through tiles row by row.
 *
 * Errors: as for zk_parallel_for(); also
 *         ZK_EINVAL  more than SIZE_MAX tiles
 */
ZK_API zk_err_t zk_parallel_for_2d(zk_range_t rows, zk_range_t columns,
                                   zk_range_2d_fn body, void *arg);

/*
 * What is summed up, in the widest sense: values of `bytes` bytes, which can be
 * copied with memcpy(), with an operation that is associative, or nearly so.
 *
 * `fold` adds iterations [begin, end) to *value, in their order. `combine` adds
 * *right to *left, which stands for earlier iterations. Both may be called from many
 * threads at once, on values of their own. A non-zero result of fold cancels the
 * rest, as in a loop.
 */
typedef struct {
    size_t size; /* sizeof(zk_reduction_t) */
    size_t bytes;
    const void *identity; /* what a sum of nothing is */
    int (*fold)(size_t begin, size_t end, void *value, void *arg);
    void (*combine)(void *left, const void *right, void *arg);
    void *arg;
} zk_reduction_t;

/*
 * Sums up [begin, end) into *result; the sum of nothing where it is empty.
 *
 * The range is cut into at most 1024 cells, which are combined as a balanced tree.
 * Where it is cut follows from begin, end and grain alone. So the result has the
 * same bytes for any number of workers, also where the operation is not quite
 * associative, as with floating-point numbers. No call of fold gets more than
 * `grain` iterations; 0: a cell at once.
 *
 * Thread: any. Whoever waits runs nothing but this sum and what it spawned.
 * Cost:   memory for the cells while it runs: heap or arena, as zk_malloc().
 * Errors: the first non-zero result of fold; *result is undefined
 *         ZK_EINVAL  a function or pointer is NULL, bytes is 0, or size is not
 *                    one the library knows
 *         ZK_ENOMEM  no memory for the cells; nothing ran
 *         ZK_ECANCELED  as for zk_parallel_for()
 */
ZK_API zk_err_t zk_parallel_reduce(size_t begin, size_t end, size_t grain,
                                   const zk_reduction_t *r, void *result);

/*
 * Runs body over [begin, end) with running sums. `fold` sums up each cell first. Then
 * body finds in *sum what all iterations before its begin are together, and leaves
 * there what those before its end are. Cells, errors and what is the same for any
 * number of workers are those of zk_parallel_reduce(). *total receives the sum of
 * all, and may be NULL.
 */
typedef int (*zk_scan_fn)(size_t begin, size_t end, void *sum, void *arg);

ZK_API zk_err_t zk_parallel_scan(size_t begin, size_t end, size_t grain,
                                 const zk_reduction_t *r, zk_scan_fn body,
                                 void *total);

/*
 * Runs fn(arg) and returns its result. While fn waits for something, this thread
 * runs no task that it spawned before, unless it is of the very group that is waited
 * for. (A wait for a group runs what the thread spawned since the group's first task,
 * of other groups, too: which may want a lock that was taken meanwhile. In a loop and
 * in a join this cannot happen.)
 *
 * Thread: any. ZK_EINVAL: fn is NULL.
 */
ZK_API int zk_isolate(zk_task_fn fn, void *arg);

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
 *         queue of the node that it runs on, and workers of that node take it
 *         first; a lane of one worker starts one thread for it.
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
 * Told when a submission is over: `code` is what its task returned, or ZK_ECANCELED
 * where the task was skipped.
 *
 * Thread: the one that ran the task, right afterwards, or that skipped it. The call
 *         is the task's last part: zk_sync(), the end of the phase and
 *         zk_runtime_close() wait for it, it allocates for the task's phase, and it
 *         may do what a task may, as submit the next one. Like a task it must not
 *         wait for its own group. What takes long keeps a worker from others' work.
 */
typedef void (*zk_done_fn)(int code, void *arg);

/*
 * A task that tells when it is over. Storage is the caller's and must be there until
 * done is called, which may free it.
 */
typedef struct {
    size_t size; /* sizeof(zk_submission_t) */
    zk_task_fn fn;
    void *arg; /* of fn */
    zk_done_fn done;
    void *done_arg;
} zk_submission_t;

/*
 * zk_spawn_on() for a task with a call when it is over: exactly one, also where the
 * task is skipped. It may come before zk_submit() returns. lane NULL: the one that
 * the caller is in, else the default lane. The group may be waited for (zk_sync) and
 * polled (zk_group_done) as well, or be NULL.
 *
 * Thread, cost: as for zk_spawn().
 * Errors: those of zk_spawn(), where the task was not added and done is not called;
 *         also
 *         ZK_EINVAL  submission, fn or done is NULL, or size is not one the
 *                    library knows
 */
ZK_API ZK_NODISCARD zk_err_t zk_submit(zk_runtime_t *lane, zk_group_t *group,
                                       const zk_submission_t *submission);

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
