/*
 * phase.c - begin, end, and whose arena it is.
 *
 * Owns:   the pool of arenas, the order of begins and ends, and the barrier.
 * Never:  touches an arena while a task of its phase is alive.
 *
 * Begin, outermost: wait until nothing of the arena's last phase is alive, reset
 * every slab, count the epoch, and only then open. A thread that could allocate
 * between opening and resetting would be handed the same bytes twice.
 *
 * End: close, then wait until all is done. Who adds a task from outside of the
 * phase looks the other way round (submit() in group.c). Were it closed only
 * when all is done, a thread that goes on submitting would keep the end from
 * coming. What the phase has allocated stays as it is until the thread's next
 * begin.
 *
 * Begin and end of a stage: the phase stays open, but those who submit stand
 * still for the moment in which the slabs are marked or go back to their marks.
 *
 * Workers are not woken for either. Who sleeps has no task of the phase in hand
 * (P2 in task.c), and takes the slab as it finds it with its next task.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/os.h"
#include "alloc/secret.h"
#include "private/bits.h"
#include "private/check.h"
#include "runtime/lane.h"
#include "runtime/lease.h"

#define ATTACHED_TRIES 1000u
#define PROGRESS_MS    100u

/* ---- records and the pool --------------------------------------------- */

struct zk_phase *
zk__phase_new(zk_runtime_t *lane, struct zk_arena *arena)
{
    size_t bytes = zk_round_up(sizeof(struct zk_phase) +
                                   lane->nslots * sizeof(struct zk_count),
                               zk__os_page());
    struct zk_phase *phase = zk__os_map(bytes);

    if (phase == NULL)
        return NULL;
    phase->lane = lane;
    phase->arena = arena;
    phase->records = bytes;
    phase->cell = arena != NULL ? zk__cancel_take() : 0;
    zk__group_init_detached(phase);
    return phase;
}

void
zk__phase_delete(struct zk_phase *phase)
{
    zk__cancel_give(phase->cell);
    zk__os_unmap(phase, phase->records);
}

static void
say(const char *line, void *lane)
{
    zk__notice(&((const zk_runtime_t *)lane)->config, "%s", line);
}

struct zk_phase *
zk__phase_with_arena(zk_runtime_t *lane)
{
    struct zk_arena *arena = zk__arena_create(&(struct zk_arena_want){
        .nslots = lane->nslots,
        .slab_bytes = lane->config.slab_bytes,
        .min_bytes = lane->config.min_bytes,
        .huge = lane->config.huge,
        .trap = lane->config.trap,
        .keep_bytes = lane->config.keep_bytes,
        .decay_ms = lane->config.decay_ms,
        .budget_bytes = lane->budget_bytes,
        .watched = lane->watched,
        .numa = lane->numa,
        .lane = lane->serial,
        .report = say,
        .report_arg = lane,
    });
    struct zk_phase *phase = arena != NULL ? zk__phase_new(lane, arena) : NULL;

    if (phase == NULL)
        zk__arena_destroy(arena);
    return phase;
}

/* One more arena. pre: the lane's lock is held */
static zk_err_t
grow_pool(zk_runtime_t *lane, struct zk_phase **out)
{
    if (zk_load_relaxed(&lane->nphases) == ZK_MAX_PHASES)
        return ZK_EAGAIN;
    *out = zk__phase_with_arena(lane);
    if (*out == NULL)
        return ZK_ENOMEM;
    zk__phase_add(lane, *out);
    return ZK_OK;
}

static zk_err_t
take_from_pool(zk_runtime_t *lane, struct zk_phase **out)
{
    zk_err_t err = ZK_OK;

    *out = NULL;
    pthread_mutex_lock(&lane->lock);
    for (unsigned i = 0; i < zk_load_relaxed(&lane->nphases) && *out == NULL;
         i++)
        if (!lane->phases[i]->held)
            *out = lane->phases[i];
    if (*out == NULL)
        err = grow_pool(lane, out);
    if (err == ZK_OK)
        (*out)->held = true;
    pthread_mutex_unlock(&lane->lock);
    return err;
}

void
zk__phase_forget(struct zk_thread *me)
{
    ZK_ASSERT(me->depth == 0);
    if (me->last != NULL)
        zk__lane_return_phase(me->last_lane, me->last_serial, me->last);
    me->last = NULL;
    me->last_lane = NULL;
}

/* M2 in team.c. A thread of a team that has ended may be about to exit. */
static bool
unattached(const struct zk_phase *phase)
{
    for (unsigned tries = 0; zk_load_acquire(&phase->attached) != 0; tries++) {
        if (tries == ATTACHED_TRIES)
            return false;
        sched_yield();
    }
    return true;
}

/* The calling thread's phase record for this lane: its last one, or a new one. */
static zk_err_t
own_phase(struct zk_thread *me, zk_runtime_t *lane)
{
    zk_err_t err;

    if (me->last != NULL && me->last_lane == lane &&
        me->last_serial == lane->serial && unattached(me->last))
        return ZK_OK;
    zk__phase_forget(me);
    err = take_from_pool(lane, &me->last);
    if (err == ZK_OK) {
        me->last_lane = lane;
        me->last_serial = lane->serial;
        zk__member_watch_exit();
    }
    return err;
}

/* ---- abandoned phases: see frame.h ------------------------------------- */

static zk_err_t end_from(unsigned depth);

static void
end_abandoned(struct zk_thread *me, const struct zk_frame *now,
              uintptr_t caller)
{
    for (unsigned d = 1; d <= me->depth; d++)
        if (zk__frame_gone(&me->last->frame[d], now, caller)) {
            (void)end_from(d);
            return;
        }
}

void
zk__phase_end_abandoned(const void *frame)
{
    end_abandoned(&zk__thread, &(struct zk_frame){.base = 0}, (uintptr_t)frame);
}

/* ---- begin ------------------------------------------------------------ */

static void
set_name(struct zk_phase *phase, const char *name)
{
    char *to = phase->name[phase->depth];
    size_t n = name != NULL ? strnlen(name, ZK_PHASE_NAME - 1) : 0;

    if (n != 0)
        memcpy(to, name, n);
    to[n] = '\0';
}

static void
set_depth(struct zk_thread *me, unsigned depth)
{
    me->depth = depth;
    me->last->depth = depth;
}

static void
wait_phase(void *thread)
{
    struct zk_thread *me = thread;

    zk__wait_phase(me->slot, me->last);
}

/* The wait for the phase's tasks, with the help of threads that are lent. */
static void
wait_quiet(struct zk_thread *me)
{
    if (!zk__phase_quiet(me->last) && zk__lease_wanted(me->slot))
        zk__lease_run(me->slot, 0, wait_phase, me);
    else
        wait_phase(me);
}

/*
 * Returns when the phase is quiet, and stays so until let_go(). Nothing is
 * waited for while others are held up, but for a wipe, whose pieces wait for
 * nobody: so nobody can wait in a circle.
 */
static void
hold_still(struct zk_thread *me)
{
    struct zk_phase *phase = me->last;

    for (;;) {
        wait_quiet(me);
        zk_store_seq_cst(&phase->still, true);
        zk_fence_seq_cst(); /* F7 = F8: who counts now sees it, or is seen */
        if (zk__phase_quiet(phase))
            return;
        zk_store_release(&phase->still, false);
    }
}

static void
let_go(struct zk_phase *phase)
{
    zk_store_release(&phase->still, false);
}

/* What a begin is asked for. */
struct request {
    const char *name;
    bool secret;
    struct zk_watch watch;
    struct zk_frame frame; /* of the form; zero: a begin by hand */
    uintptr_t caller;      /* frame of the call, or of the block's function */
};

static void
note_frame(struct zk_phase *phase, unsigned depth, const struct request *r)
{
    phase->frame[depth] = r->frame;
    if (phase->secret)
        zk__frame_try_walk(&phase->frame[depth]);
}

static zk_err_t
begin_stage(struct zk_thread *me, const struct request *r)
{
    struct zk_phase *phase = me->last;

    if (me->depth > ZK_MAX_STAGES || (r->secret && !phase->secret) ||
        r->watch.fn != NULL)
        return ZK_EINVAL;
    if (zk__cancelled(zk_load_relaxed(&phase->id)))
        return ZK_ECANCELED;
    hold_still(me);
    zk__arena_mark(phase->arena);
    let_go(phase);
    phase->scratch[me->depth] = zk__scratch_enter();
    zk__progress_lock(phase);
    set_depth(me, me->depth + 1);
    set_name(phase, r->name);
    phase->work[me->depth] = zk__progress_sum(phase);
    zk__progress_unlock(phase);
    note_frame(phase, me->depth, r);
    zk_add_relaxed(&phase->lane->stages_begun, (uint64_t)1);
    return ZK_OK;
}

/* What secret phases still hold when the process exits is wiped then. */
static void
register_exit(void)
{
    (void)atexit(zk__arena_wipe_all);
    (void)at_quick_exit(zk__arena_wipe_all);
}

static void
wipe_at_exit(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_exit);
}

/* pre: the thread is inside, outside of all phases, and owns me->last */
static void
open_phase(struct zk_thread *me, const struct request *r)
{
    struct zk_phase *phase = me->last;
    struct zk_slot *self = me->slot;

    zk__wait_phase(self, phase);
    if (phase == phase->lane->phases[0])
        zk__warm_finish(self);
    zk__arena_reset(phase->arena, r->name);
    zk__residency_begun(phase);
    phase->secret = r->secret;
    if (r->secret) {
        wipe_at_exit();
        zk__arena_begin_secret(phase->arena);
    }
    zk_store_relaxed(&phase->epoch, phase->arena->epoch);
    phase->detached.phase_id =
        zk__cancel_open(phase->cell, phase->arena->epoch);
    zk_store_relaxed(&phase->id, phase->detached.phase_id);
    zk_store_relaxed(&phase->detached.error, 0);
    set_depth(me, 1);
    set_name(phase, r->name);
    note_frame(phase, 1, r);
    zk_add_relaxed(&phase->lane->phases_begun, (uint64_t)1);

    self->phase = phase;
    zk__slab_use(zk__arena_slab(phase->arena, self->index));
    phase->scratch[0] = zk__scratch_enter();
    zk_store_seq_cst(&phase->open, true);
    zk__progress_begin(phase, &r->watch);
}

static zk_err_t
begin(zk_runtime_t *lane, const struct request *r)
{
    struct zk_thread *me = &zk__thread;
    struct zk_slot *self = me->slot;
    zk_err_t err;

    if (self != NULL && (self->job != NULL || zk__forks_any(&self->forks)))
        return ZK_EPERM; /* a task: its siblings run */
    end_abandoned(me, &r->frame, r->caller);
    self = me->slot; /* which may have left with it */
    if (self != NULL && lane != NULL && self->lane != lane)
        return ZK_EPERM;
    if (me->depth != 0)
        return begin_stage(me, r);

    if (lane == NULL)
        lane = zk_runtime_current();
    if (lane == NULL)
        return ZK_ENOMEM;
    me->phase_entered = self == NULL;
    if (me->phase_entered) {
        err = zk_runtime_enter(lane);
        if (err != ZK_OK)
            return err;
    }
    err = own_phase(me, lane);
    if (err == ZK_OK) {
        open_phase(me, r);
        if (lane->borrows)
            zk__team_join(me);
    } else if (me->phase_entered)
        (void)!zk_runtime_leave();
    return err;
}

static struct zk_watch
wanted_watch(const zk_phase_options_t *options)
{
    struct zk_watch watch = {.fn = NULL};

    if (options != NULL && options->progress != NULL) {
        unsigned ms =
            options->progress_ms != 0 ? options->progress_ms : PROGRESS_MS;

        watch.fn = options->progress;
        watch.arg = options->progress_arg;
        watch.interval_ns = ms * UINT64_C(1000000);
    }
    return watch;
}

/* Begins as the options say. `frame`, if any, is the form's. */
static zk_err_t
begin_with(zk_runtime_t *lane, const char *name,
           const zk_phase_options_t *options, struct zk_frame frame,
           const void *caller)
{
    unsigned flags = options != NULL ? options->flags : 0;
    zk_err_t err = ZK_EINVAL;

    if ((options == NULL || options->size == sizeof *options) &&
        (flags & ~ZK_PHASE_SECRET) == 0)
        err = begin(lane, &(struct request){
                              .name = name,
                              .secret = (flags & ZK_PHASE_SECRET) != 0,
                              .watch = wanted_watch(options),
                              .frame = frame,
                              .caller = (uintptr_t)caller,
                          });
    zk__thread.phase_error = err;
    return err;
}

static const struct zk_frame by_hand;

zk_err_t
zk_phase_begin_ex(zk_runtime_t *lane, const char *name,
                  const zk_phase_options_t *options)
{
    return begin_with(lane, name, options, by_hand, __builtin_frame_address(0));
}

zk_err_t
zk_phase_begin_on(zk_runtime_t *lane, const char *name)
{
    return begin_with(lane, name, NULL, by_hand, __builtin_frame_address(0));
}

zk_err_t
zk_phase_begin(const char *name)
{
    return begin_with(NULL, name, NULL, by_hand, __builtin_frame_address(0));
}

/* ---- end -------------------------------------------------------------- */

/* Says once what the system refused to a secret phase. */
static void
tell_refusals(zk_runtime_t *lane, const struct zk_arena *arena)
{
    struct zk_arena_use use = zk__arena_use(arena);
    bool unsaid = false;

    if (use.hide_error != 0 &&
        zk_cas_acq_rel(&lane->hide_refused, &unsaid, true))
        zk__notice(&lane->config,
                   "the system does not keep a secret phase out of core dumps "
                   "and children (error %d)",
                   use.hide_error);
    unsaid = false;
    if (use.show_error != 0 &&
        zk_cas_acq_rel(&lane->show_refused, &unsaid, true))
        zk__notice(
            &lane->config,
            "the system keeps what was a secret phase hidden: core dumps "
            "and children will lack later phases (error %d)",
            use.show_error);
    unsaid = false;
    if (use.lock_error != 0 &&
        zk_cas_acq_rel(&lane->lock_refused, &unsaid, true))
        zk__notice(&lane->config,
                   "the system does not lock all of a secret phase into memory "
                   "(error %d): see RLIMIT_MEMLOCK",
                   use.lock_error);
}

static int
wipe_pieces(size_t from, size_t to, void *wipe)
{
    for (; from < to; from++)
        zk__wipe_piece(wipe, from);
    return 0;
}

#define WIPE_ALONE ((size_t)2 << 20) /* not worth waking anybody */

/*
 * Wipes what the phase, or its innermost stage, has used. The pieces are no
 * tasks of the phase: nothing that stops its tasks stops them.
 *
 * pre: the phase is quiet, and stays so
 */
static void
wipe(struct zk_thread *me)
{
    struct zk_slot *self = me->slot;
    struct zk_phase *inside = self->phase;
    struct zk_slab *slab = zk__slab_use(&zk__slab_none);
    struct zk_wipe w = zk__wipe_begin(me->last->arena);

    self->phase = self->lane->outside;
    if (w.bytes <= WIPE_ALONE ||
        zk_parallel_for(0, w.pieces, 1, wipe_pieces, &w) != ZK_OK)
        (void)wipe_pieces(0, w.pieces, &w);
    zk__wipe_end(&w);
    self->phase = inside;
    zk__slab_use(slab);
}

/* True: it was cancelled. Until nothing of it runs it still may be. */
static bool
close_phase(struct zk_thread *me)
{
    struct zk_phase *phase = me->last;
    bool cancelled;

    zk__team_part(me);
    zk_store_seq_cst(&phase->open, false);
    zk_fence_seq_cst(); /* the counts are read after the store */
    wait_quiet(me);
    zk__scratch_leave(&phase->scratch[0]);
    zk__progress_end(phase);
    cancelled = zk__cancel_close(phase->cell);
    zk__budget_unreserve(&phase->arena->budget);
    zk__arena_ended(phase->arena);
    if (phase->secret) {
        wipe(me);
        zk__arena_end_secret(phase->arena);
        tell_refusals(phase->lane, phase->arena);
    }
    zk__warm_ended(phase, me->slot->index);
    zk__member_home(me);
    set_depth(me, 0);
    if (me->phase_entered)
        (void)!zk_runtime_leave();
    zk__residency_ended(phase->lane);
    return cancelled;
}

static zk_err_t
end(void)
{
    struct zk_thread *me = &zk__thread;
    struct zk_phase *phase = me->last;
    bool cancelled;
    int code;

    if (me->depth == 0)
        return ZK_ESTALE;
    if (me->slot->job != NULL || zk__forks_any(&me->slot->forks))
        return ZK_EPERM;

    zk__team_settle();
    if (me->depth > 1) {
        hold_still(me);
        zk__scratch_leave(&phase->scratch[me->depth - 1]);
        if (phase->secret)
            wipe(me);
        zk__arena_rewind(phase->arena);
        let_go(phase);
        zk__progress_lock(phase);
        set_depth(me, me->depth - 1);
        zk__progress_unlock(phase);
        cancelled = zk__cancelled(zk_load_relaxed(&phase->id));
    } else {
        cancelled = close_phase(me);
    }
    code = zk_load_acquire(&phase->detached.error);
    zk_store_relaxed(&phase->detached.error, 0);
    if (code == 0 && cancelled)
        code = ZK_ECANCELED;
    return code != 0 ? code : zk_load_relaxed(&phase->arena->budget.refused);
}

zk_err_t
zk_phase_end(void)
{
    zk_err_t err = end();

    zk__thread.phase_error = err;
    return err;
}

zk_phase_id_t
zk_phase_id(void)
{
    const struct zk_slot *self = zk__thread.slot;

    return self != NULL && self->phase->cell != 0
               ? zk_load_relaxed(&self->phase->id)
               : 0;
}

zk_err_t
zk_phase_release(void)
{
    if (zk__thread.depth != 0)
        return ZK_EBUSY;
    zk__phase_forget(&zk__thread);
    return ZK_OK;
}

/* ---- forms that cannot forget the end ---------------------------------- */

/*
 * Ends what was begun at a depth, and first what was begun inside it and left
 * open: else the end would be that one's, and the phase would stay. Returns the
 * first code; ZK_ESTALE when it had been ended already.
 */
static zk_err_t
end_from(unsigned depth)
{
    unsigned now = zk__thread.depth;
    zk_err_t err = now < depth ? ZK_ESTALE : ZK_OK;

    while (now >= depth) {
        zk_err_t code = end();

        err = err != ZK_OK ? err : code;
        if (zk__thread.depth == now)
            break; /* refused: inside a task */
        now--;
    }
    zk__thread.phase_error = err;
    return err;
}

/* The frame of the function in which it stands. */
#define HERE                                           \
    {                                                  \
        .base = (uintptr_t)__builtin_frame_address(0), \
        .return_address = __builtin_return_address(0)  \
    }

static zk_err_t
run_phase(zk_runtime_t *lane, const char *name,
          const zk_phase_options_t *options, zk_stage_fn stage, void *arg,
          struct zk_frame frame)
{
    zk_err_t err, ended;
    unsigned depth;

    if (stage == NULL)
        return ZK_EINVAL;
    err = begin_with(lane, name, options, frame, (const void *)frame.base);
    if (err != ZK_OK)
        return err;
    depth = zk__thread.depth;
    err = stage(arg);
    ended = end_from(depth);
    return err != ZK_OK ? err : ended;
}

zk_err_t
zk_runtime_phase_ex(zk_runtime_t *lane, const char *name,
                    const zk_phase_options_t *options, zk_stage_fn stage,
                    void *arg)
{
    return run_phase(lane, name, options, stage, arg, (struct zk_frame)HERE);
}

zk_err_t
zk_runtime_phase_on(zk_runtime_t *lane, const char *name, zk_stage_fn stage,
                    void *arg)
{
    return run_phase(lane, name, NULL, stage, arg, (struct zk_frame)HERE);
}

zk_err_t
zk_runtime_phase(const char *name, zk_stage_fn stage, void *arg)
{
    return run_phase(NULL, name, NULL, stage, arg, (struct zk_frame)HERE);
}

zk_phase_guard_t *
zk__phase_guard_open(zk_phase_guard_t *guard, const char *name,
                     const zk_phase_options_t *options, const void *frame,
                     const void *return_address)
{
    struct zk_frame of_block = {.base = (uintptr_t)frame,
                                .return_address = return_address,
                                .guard = guard};
    bool begun = begin_with(NULL, name, options, of_block, frame) == ZK_OK;

    *guard = (zk_phase_guard_t){0, begun ? (int)zk__thread.depth : 0};
    return guard;
}

int
zk__phase_guard_step(zk_phase_guard_t *guard)
{
    return guard->runs++ == 0;
}

void
zk__phase_guard_close(zk_phase_guard_t *guard)
{
    if (guard->depth != 0)
        (void)end_from((unsigned)guard->depth);
}

zk_err_t
zk_phase_error(void)
{
    return zk__thread.phase_error;
}
