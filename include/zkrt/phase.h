/*
 * phase.h - the lifetime of what is allocated from an arena.
 *
 * Owns:   begin, end, and the function and block forms that cannot forget to.
 * Never:  allocates for the caller (alloc.h).
 *
 * A phase belongs to the thread that began it, its opener. Between begin and
 * end, requests of at least min_bytes from the opener and from the tasks of the
 * phase come from the phase's arena. Everybody else is not touched by it: other
 * threads, and tasks that were spawned outside of it, use the heap, and may
 * open phases of their own meanwhile.
 *
 * What a phase allocated may be read until its opener begins its next phase,
 * releases the arena or exits, or the lane closes. Only a secret phase's data are
 * gone at once (ZK_PHASE_SECRET).
 */
#ifndef ZKRT_PHASE_H
#define ZKRT_PHASE_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/error.h>
#include <zkrt/runtime.h>

ZK_BEGIN_DECLS

/*
 * Begins a phase, or a stage when the caller's own phase is open: a savepoint
 * in the same arena, whose end gives back only what was allocated since.
 *
 * An outermost begin first waits until nothing of the arena's last phase runs,
 * resets every slab, and then opens. All pointers of the opener's previous
 * phase are dead from here on, and trap (enum zk_trap in runtime.h). The name is
 * copied, at most 47 bytes of it, and may be NULL.
 *
 * Thread: any that may enter the lane, not inside a task.
 * Cost:   O(slots). Two system calls for each slab that the last phase used, to
 *         have its old addresses trap; none with ZK_TRAP_OFF. No other once the
 *         thread has entered and the arena exists.
 * Errors: ZK_EPERM   inside a task: its siblings run; nothing changed
 *         ZK_EAGAIN  no slot or no arena is free; nothing changed
 *         ZK_ENOMEM  no address space for an arena; nothing changed
 *         ZK_EINVAL  stages nest deeper than ZK_MAX_STAGES; nothing changed
 *         ZK_ECANCELED  a stage of a cancelled phase; nothing changed
 */
ZK_API ZK_NODISCARD zk_err_t zk_phase_begin(const char *name);
ZK_API ZK_NODISCARD zk_err_t zk_phase_begin_on(zk_runtime_t *lane,
                                               const char *name);

#define ZK_MAX_STAGES 32

/*
 * How far a phase is, in iterations of its loops: `total` is the sum of the ranges
 * of the loops that have begun so far, `done` what their bodies have returned
 * from. A loop inside of another loop's body is part of that one's iteration. What
 * an error or a cancel has skipped is never done. A sum counts as one iteration, a
 * scan by its cells, a loop over a rectangle by its tiles.
 */
typedef struct zk_progress {
    size_t size; /* sizeof(zk_progress_t) */
    uint64_t id; /* zk_phase_id() of the phase, for zk_phase_cancel() */
    uint64_t done, total;             /* since the phase began */
    uint64_t stage_done, stage_total; /* since what is open innermost began */
    unsigned depth; /* of that: 1 the phase, 2 a stage of it, ... */
    int ended;      /* the last call: depth is 1, nothing runs any more */
    char name[48];  /* of what is open innermost */
} zk_progress_t;

/*
 * Is told of a phase's progress: now and then by a thread of the lane's own, and
 * by the opener once when all is done, just before the end returns. One call at a
 * time for all phases of a lane; none comes after the end. The end waits for one
 * that runs, so it should be short. It may call zk_phase_cancel(), and nothing
 * else of the library.
 */
typedef void (*zk_progress_fn)(const zk_progress_t *progress, void *arg);

/*
 * What a phase is to be. A field that is zero means "as always". Later versions
 * append fields and tell the old callers by `size`.
 */
typedef struct zk_phase_options {
    size_t size;             /* sizeof(zk_phase_options_t) */
    unsigned flags;          /* of ZK_PHASE_SECRET */
    unsigned progress_ms;    /* between two calls, at the least; 0: 100 */
    zk_progress_fn progress; /* not for stages: they are told of with theirs */
    void *progress_arg;
} zk_phase_options_t;

/*
 * The phase holds secrets. What its arena hands out is left out of core dumps,
 * is zero in children of fork(), is locked into memory where RLIMIT_MEMLOCK
 * allows, and is wiped when the phase ends, however it ends: all that was handed
 * out meanwhile, freed and reused blocks too. A stage wipes its own at its end.
 *
 * Inside, every request of zk_malloc() and the like goes to the arena, whatever
 * its size, and is NULL with ENOMEM where that has no room: the heap would keep
 * what it is given. What came from the heap stays there. zk_detach() copies to
 * the heap, and is how a result that is no secret gets out.
 *
 * After the end the phase's pointers read as zero: the exception from what the
 * head of this file says. zk_phase_stats() tells what was locked. Where the
 * system refuses, the phase runs all the same and the lane says so once.
 *
 * Stacks, registers, and numbers passed as arguments of tasks are the program's
 * to clear.
 *
 * Cost: at the end, writing all that was handed out once, by all workers.
 */
#define ZK_PHASE_SECRET 1u

#ifdef __cplusplus
#    define ZK_PHASE_OPTIONS_INIT                              \
        {                                                      \
            sizeof(zk_phase_options_t), 0, 0, nullptr, nullptr \
        }
#else
/* ZK_PHASE_OPTIONS(.flags = ZK_PHASE_SECRET) is an options struct. */
#    define ZK_PHASE_OPTIONS(...)                                        \
        (&(const zk_phase_options_t){.size = sizeof(zk_phase_options_t), \
                                     __VA_ARGS__})
#    define ZK_PHASE_OPTIONS_INIT              \
        {                                      \
            .size = sizeof(zk_phase_options_t) \
        }
#endif

/*
 * zk_phase_begin_on() with options; NULL for either is what zk_phase_begin()
 * does. A stage of a secret phase is secret, with the flag or without.
 *
 * Cost:   of a secret phase: O(slots) more, and some system calls for each slab
 *         as it grows.
 * Errors: as above, and
 *         ZK_EINVAL  options->size or a flag is unknown, or a secret stage of a
 *                    phase that is not secret, or a stage with a `progress` of its
 *                    own; nothing changed
 */
ZK_API ZK_NODISCARD zk_err_t zk_phase_begin_ex(
    zk_runtime_t *lane, const char *name, const zk_phase_options_t *options);

/*
 * Ends the innermost stage or phase of the calling thread: waits until each
 * task of it has finished, detached ones too, and leaves its queues drained.
 * From then on the caller's requests go to the heap, or to the enclosing phase.
 * What a stage allocated is dead; what a phase did can be read until the opener's
 * next begin, unless it is secret.
 *
 * Thread: the one that began it, outside of any task.
 * Cost:   the tasks that are left, which the caller helps with, and O(slots). Of a
 *         secret phase also writing over what it handed out.
 * Errors: ZK_ESTALE  this thread has no open phase; nothing changed
 *         ZK_EPERM   inside a task; nothing changed
 *         ZK_ECANCELED  it did end, after zk_phase_cancel()
 *         ZK_EBUDGET it did end, and some request of the phase was NULL because
 *                    it was over the budget, see zk_phase_reserve()
 *         ZK_ENOMEM  the same, because the system had no more memory
 *         any other  the first non-zero result of a detached task; it did end
 */
ZK_API ZK_NODISCARD zk_err_t zk_phase_end(void);

/*
 * Names a phase, in any thread and for as long as the process lives: no other
 * phase ever has the same value. 0: none.
 */
typedef uint64_t zk_phase_id_t;

/*
 * The id of the caller's open phase, and inside a task that of the task's. A
 * stage has the id of its phase. 0: there is none, or more than 4095 arenas are
 * reserved in the process and this one has none.
 *
 * Thread: any; not in a signal handler.
 */
ZK_API zk_phase_id_t zk_phase_id(void);

/*
 * Asks a phase to stop. From here on its running loops, nested ones too, stop
 * after the call of the body that each worker is in; tasks that have not started
 * are skipped, detached ones too; and zk_parallel_for(), zk_sync(), zk_spawn()
 * and the begin of a stage in this phase return ZK_ECANCELED where they have no
 * earlier code to return. So does the end of the phase and of each of its
 * stages: its opener still ends it. From the end on everything is as after any
 * other phase: the memory is back, the opener may begin again. What was written
 * before this call can be read by whoever saw the end's ZK_ECANCELED.
 *
 * No call of a body, and no task that runs, is interrupted.
 *
 * Thread: any, and a signal handler.
 * Cost:   one compare-and-swap; no lock, no system call, nobody is woken.
 * Errors: ZK_ESTALE  that phase is over, or it never was; nothing changed. When
 *                    the answer is ZK_OK, also for the second time, the phase's
 *                    end answers ZK_ECANCELED or with a task's code
 */
ZK_API zk_err_t zk_phase_cancel(zk_phase_id_t id);

/*
 * The budget. All arenas of the process together may have so much memory and no
 * more: zk_options_t and ZK_ALLOC_BUDGET say how much, by default 90 % of the
 * container's limit. What does not fit is refused before the kernel's killer comes:
 *
 * - The request is NULL with errno ENOMEM, and does not go to the heap instead.
 * - From then on every request of the phase is, that would need memory which the
 *   phase does not have yet. Warm memory and freed blocks still serve.
 * - Each end from then on, of its stages too, is ZK_EBUDGET where it has no other
 *   code to tell.
 *
 * Before anything is refused, memory that no phase uses is given back: of arenas
 * that no thread holds, and what recent phases did not need. Where the container
 * has less left than the budget, because of other memory of the process or of
 * other processes, that counts.
 *
 * zk_phase_reserve() asks before the work begins: the phase is to have `bytes` more
 * than its blocks have now. Warm memory counts; the rest is taken from the budget
 * at once, and kept for the phase until it ends. Slabs take memory in pieces of
 * 2 MiB for each slot and each end, so that the last bytes of an exact reserve may
 * find none, and warm memory of one slot does not serve another.
 *
 * Thread: any that is in the phase: its opener, and its tasks.
 * Cost:   O(slots); a reading of the container's files where there is a limit
 * Errors: ZK_EBUDGET there is less; nothing changed, zk_phase_budget() has the
 *                    figures. The phase goes on, and its end does not tell it
 *         ZK_ESTALE  no phase is open here; nothing changed
 */
ZK_API ZK_NODISCARD zk_err_t zk_phase_reserve(size_t bytes);

/* Figures of the budget, SIZE_MAX where there is no limit. */
typedef struct {
    size_t size;  /* set by the caller */
    size_t need;  /* new memory that the last refusal of the phase was about */
    size_t have;  /* what there was of it; both 0: nothing was refused */
    size_t limit; /* what arenas may have, as the container is now */
    size_t charged;  /* what they have, and what is reserved */
    size_t reserved; /* by this phase, and not used yet */
} zk_phase_budget_t;

/*
 * The caller's open phase, or its last one. Inside a task, the task's phase.
 *
 * Thread: any.
 * Cost:   O(slots); a reading of the container's files where there is a limit.
 * Errors: ZK_EINVAL  budget->size is not one the library knows
 *         ZK_ESTALE  there is none
 */
ZK_API ZK_NODISCARD zk_err_t zk_phase_budget(zk_phase_budget_t *budget);

/*
 * Gives the arena of the caller's last, ended phase back to the lane's pool.
 * Its pointers are dead. ZK_OK also where there is none.
 *
 * Thread: the opener of that phase.
 * Cost:   some stores: what the arena has in memory stays there for the next.
 * Errors: ZK_EBUSY   a phase of the caller is open; nothing changed
 */
ZK_API ZK_NODISCARD zk_err_t zk_phase_release(void);

/* A stage of a proof. Its result ends the phase and is handed on. */
typedef int (*zk_stage_fn)(void *arg);

/*
 * Runs stage(arg) in a phase of its own, on the calling thread, and ends it
 * whatever the result, together with stages that stage() left open. Returns the
 * first of: the code of a failed begin (the stage did not run), the stage's result,
 * the code of the end.
 *
 * Thread, cost, errors: as zk_phase_begin_ex() and zk_phase_end(); ZK_EINVAL also
 *         where stage is NULL, and nothing changed.
 */
ZK_API zk_err_t zk_runtime_phase(const char *name, zk_stage_fn stage,
                                 void *arg);
ZK_API zk_err_t zk_runtime_phase_on(zk_runtime_t *lane, const char *name,
                                    zk_stage_fn stage, void *arg);
ZK_API zk_err_t zk_runtime_phase_ex(zk_runtime_t *lane, const char *name,
                                    const zk_phase_options_t *options,
                                    zk_stage_fn stage, void *arg);

/*
 * ZK_PHASE("commit") { ... } - the block form. The phase ends on break, return,
 * goto out of the block and C++ exceptions, together with stages begun in the
 * block and left open. The block always runs, once: where no phase could begin it
 * runs on the enclosing phase or the heap, and zk_phase_error() tells.
 */
#define ZK_PHASE(name) \
    ZK__PHASE(ZK__CAT(zk__guard_, __COUNTER__), name, ZK__NULL)

/* The same with options, the last argument: as zk_phase_begin_ex(). */
#define ZK_PHASE_EX(name, ...) \
    ZK__PHASE(ZK__CAT(zk__guard_, __COUNTER__), name, __VA_ARGS__)

#define ZK__PHASE(guard, name, ...)                                   \
    for (zk_phase_guard_t guard                                       \
         __attribute__((cleanup(zk__phase_guard_close))) = {0, 0},    \
         *ZK__CAT(guard, _p) = zk__phase_guard_open(                  \
             &(guard), name, __VA_ARGS__, __builtin_frame_address(0), \
             __builtin_return_address(0));                            \
         zk__phase_guard_step(ZK__CAT(guard, _p));)

typedef struct zk_phase_guard {
    int runs;  /* times that the block was let in */
    int depth; /* of the phase to end; 0: there is none */
} zk_phase_guard_t;

/* Returns the guard. The addresses tell an activation of the block's function
 * from others: see "jumping out" below. */
ZK_API zk_phase_guard_t *zk__phase_guard_open(zk_phase_guard_t *guard,
                                              const char *name,
                                              const zk_phase_options_t *options,
                                              const void *frame,
                                              const void *return_address);
ZK_API int zk__phase_guard_step(zk_phase_guard_t *guard);
ZK_API void zk__phase_guard_close(zk_phase_guard_t *guard);

/*
 * Jumping out. longjmp() over a function or block form runs no cleanup, so the
 * phase stays open: until the thread calls a begin or zk_runtime_close() from
 * where the frame of that form cannot be alive any more, which ends it first
 * with all that an end does; or until the thread exits, or the process. That is
 * told by the thread's own stack: from the caller of the function that has the
 * block, or called zk_runtime_phase(), it always is, and for a secret phase from
 * whatever that caller calls, too; from that very function only for
 * zk_runtime_phase(). A begin that cannot tell is a stage of the phase, as is
 * each one after a zk_phase_begin() of the program's own. Code that changes
 * stacks (fibres) must not begin on one what is open on another, where a fibre's
 * stack is part of the thread's own.
 *
 * Jumping out of a task or a loop's body is an error.
 */

/* The code of the calling thread's last begin or end of a phase; ZK_OK before the
 * first. */
ZK_API zk_err_t zk_phase_error(void);

/* What a phase has used so far. */
typedef struct {
    size_t size;       /* set by the caller */
    uint64_t epoch;    /* count of the arena's phases; 0: no phase yet */
    unsigned depth;    /* 0 none open, 1 the phase, 2 a stage of it, ... */
    size_t bytes;      /* allocated and not rewound, all slots */
    size_t peak_bytes; /* the most that was, since the outermost begin */
    size_t stage_peak_bytes;   /* the same since the innermost begin */
    char name[48];             /* of the innermost one */
    size_t scratch_peak_bytes; /* the most scratch, since the outermost begin */
    unsigned flags;            /* what the phase was begun with */
    size_t locked_bytes;  /* of both peaks: kept out of swap, if it is secret */
    zk_err_t refused;     /* ZK_EBUDGET, ZK_ENOMEM: see zk_phase_end(); or 0 */
    size_t charged_bytes; /* memory that the arena has of the budget, warm or in
                             use, without what is reserved */
    uint64_t work_done;   /* as in zk_progress_t, since the outermost begin */
    uint64_t work_total;
} zk_phase_stats_t;

/*
 * The caller's open phase, or its last one. Inside a task, the task's phase. Others
 * may run meanwhile: their figures are a moment old.
 *
 * Thread: any.
 * Cost:   a walk of the slots.
 * Errors: ZK_EINVAL  stats->size is not one the library knows
 *         ZK_ESTALE  there is none
 */
ZK_API ZK_NODISCARD zk_err_t zk_phase_stats(zk_phase_stats_t *stats);

ZK_END_DECLS

#endif
