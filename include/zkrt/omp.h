/*
 * omp.h - zkrt and OpenMP in one program, on one set of threads.
 *
 * Owns:   phases whose members are a team, and the backend `openmp`; both are in
 *         libzkrt-omp, which zkrt.h does not include.
 * Never:  brings an OpenMP runtime along. It uses the one that the program is
 *         linked with (-fopenmp): libgomp, or libomp.
 *
 * A program that keeps its `#pragma omp` begins phases with zk_omp_phase_begin().
 * Until the end, the threads of its parallel regions allocate from the phase's
 * arena, each from a slab of its own:
 *
 *     zk_omp_phase_begin("commit");
 *     #pragma omp parallel for
 *     for (size_t i = 0; i < columns; i++)
 *         column[i] = extend(zk_malloc(bytes), i);
 *     ...
 *     zk_omp_phase_end();
 *
 * With ZK_BACKEND=openmp (or .backend = ZK_BACKEND_OPENMP) a lane has no workers
 * of its own. Loops, groups and the ends of phases run on the team that the
 * calling thread's next `#pragma omp parallel` would have, for as long as the call
 * takes; and each phase that is begun outside of parallel regions is begun with
 * that team, whichever call begins it. Such a lane binds nobody: OMP_PROC_BIND and
 * OMP_PLACES do. Its N is omp_get_max_threads(), where nothing else was said.
 *
 * zk_parallel_for() inside a parallel region starts no threads, with either
 * backend. It gets threads of the same team that wait at a barrier or a taskwait,
 * as an explicit task would. (libomp does not wake all those that have gone to
 * sleep there, after KMP_BLOCKTIME, 200 ms; libgomp does.)
 *
 * Between calls nothing of zkrt runs on the team: what a thread spawns outside of
 * all loops runs when it is waited for, and what it forks there runs in its join;
 * zk_omp_run() lends the team for longer. What comes from
 * threads that are not in the lane runs on one thread of the lane's own, which
 * starts with the first such task.
 */
#ifndef ZKRT_OMP_H
#define ZKRT_OMP_H

#include <zkrt/error.h>
#include <zkrt/phase.h>
#include <zkrt/runtime.h>

ZK_BEGIN_DECLS

/*
 * Makes the backend known. It is known as soon as the library is loaded, so no
 * program has to call this; but one that calls nothing else of it has then named
 * the library, which linkers leave out otherwise (--as-needed, and archives).
 *
 * Thread: any; before the lanes that are to use it are opened.
 * Errors: ZK_ESYS  libzkrt is of another build, or the program has no OpenMP
 *                  runtime; lanes have threads of their own
 */
ZK_API zk_err_t zk_omp_init(void);

/*
 * As zk_phase_begin_ex(), and makes the threads of a team members of the phase:
 * until its end they allocate from it, in slots and slabs of their own. Who finds
 * no slot stays on the heap; a lane that does not borrow its threads has spare
 * slots for them (zk_options_t.spare_slots).
 *
 * Outside of parallel regions: the team that the calling thread's next parallel
 * region would have, which this call visits with a region of its own. Threads that
 * a larger team has later stay on the heap until the next begin. The calling
 * thread is not bound to a core: threads that OpenMP starts later would inherit
 * that.
 *
 * Inside one: collective, like a barrier. Every thread of the innermost team
 * calls it, thread 0 is the opener, and all explicit tasks that were created
 * before are done first. All get the same answer.
 *
 * A begin inside of the phase is a stage, as always.
 *
 * Not inside an explicit task, a worksharing loop, or a critical section.
 *
 * Cost: as zk_phase_begin(), and a parallel region, or three barriers.
 * Errors: as zk_phase_begin_ex()
 */
ZK_API ZK_NODISCARD zk_err_t zk_omp_phase_begin_ex(
    zk_runtime_t *lane, const char *name, const zk_phase_options_t *options);
ZK_API ZK_NODISCARD zk_err_t zk_omp_phase_begin(const char *name);

/*
 * As zk_phase_end(): ends the innermost stage or phase of the opener. When it is
 * the phase, the team's threads stop to be its members. Explicit tasks of the team
 * are done then: those of regions that are over always are; inside a region this
 * call is a barrier, and collective as the begin.
 *
 * Outside of parallel regions it is the same as zk_phase_end().
 */
ZK_API ZK_NODISCARD zk_err_t zk_omp_phase_end(void);

/* Runs stage(arg) in a phase of its own, as zk_runtime_phase_ex(), with a team as
 * above. Inside a parallel region each thread of it runs stage(arg), and gets its
 * own result, or that of the end. */
ZK_API zk_err_t zk_omp_phase(zk_runtime_t *lane, const char *name,
                             const zk_phase_options_t *options,
                             zk_stage_fn stage, void *arg);

/*
 * Runs fn(arg) on the calling thread, and lends its team to the lane meanwhile:
 * what fn spawns or forks may start at once, and its loops do not ask for the team
 * one by one. A parallel region inside fn is nested in that one. NULL: the lane
 * that the caller is in, or the default lane.
 *
 * Returns fn's result.
 *
 * Thread: any that may enter the lane.
 * Errors: ZK_EINVAL  fn is NULL
 *         as zk_runtime_enter(); fn has not run
 */
ZK_API zk_err_t zk_omp_run(zk_runtime_t *lane, zk_stage_fn fn, void *arg);

ZK_END_DECLS

#endif
