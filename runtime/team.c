/*
 * team.c - the threads of a team as members of a phase.
 *
 * Owns:   who is attached to which phase without having begun it, and the table
 *         that libzkrt-omp gets.
 * Never:  starts a thread, or runs a task.
 *
 * The opener's begin visits the threads that its next `#pragma omp parallel` will
 * have, and each of them attaches: it gets a slot, and allocates from the slab of
 * (the phase, its slot). The end visits them again. In between they run whatever
 * the program says, between two such visits, in regions of the opener's.
 *
 * M1  An attached thread counts in the phase's `attached`. What it does is no
 *     task: the end need not wait for it, as the opener's regions are over.
 * M2  An arena is reset only when nobody is attached. A thread that the end's
 *     visit did not meet (its team has shrunk, and the OpenMP runtime has it in
 *     reserve, or has ended it) detaches when it exits, or attaches elsewhere.
 *     Until then its arena is an orphan, and the opener's next begin takes
 *     another one: so a thread that still has the slab in hand shares it with
 *     nobody.
 * M3  The thread with number i of a team has slot i, where the lane borrows: so
 *     it finds the pages that it has touched before.
 *
 * Q1 -> A1   who sees the count of attached threads at 0 sees all that they did
 */
#include <sched.h>

#include "private/check.h"
#include "runtime/lane.h"
#include "runtime/lease.h"

/* ---- attaching -------------------------------------------------------- */

void
zk__member_home(struct zk_thread *me)
{
    struct zk_slot *self = me->slot;
    struct zk_phase *home =
        me->attached != NULL ? me->attached : self->lane->outside;

    self->phase = home;
    zk__slab_use(home->arena != NULL ? zk__arena_slab(home->arena, self->index)
                                     : &zk__slab_none);
}

static void
attach(struct zk_phase *phase, unsigned index)
{
    struct zk_thread *me = &zk__thread;

    if (me->attached == phase)
        return;
    zk__team_detach();
    if (me->slot == NULL) {
        if (zk__member_enter_at(phase->lane, index) == NULL)
            return; /* it stays on the heap */
        me->attached_entered = true;
        me->entered = 1;
        zk__member_watch_exit();
    } else if (me->slot->lane != phase->lane || me->slot->job != NULL ||
               me->depth != 0) {
        return; /* it has business of its own */
    }
    zk_add_relaxed(&phase->attached, 1u);
    me->attached = phase;
    zk__member_home(me);
    me->attached_scratch = zk__scratch_enter();
}

/* Somebody else's arena that only waited for us goes back to the pool. */
static void
let_orphan_go(zk_runtime_t *lane, struct zk_phase *phase)
{
    pthread_mutex_lock(&lane->lock);
    if (phase->orphan && zk_load_acquire(&phase->attached) == 0) {
        phase->orphan = false;
        phase->held = false;
        zk__residency_returned(phase);
    }
    pthread_mutex_unlock(&lane->lock);
}

void
zk__team_detach(void)
{
    struct zk_thread *me = &zk__thread;
    struct zk_phase *phase = me->attached;
    struct zk_slot *self = me->slot;

    if (phase == NULL)
        return;
    me->attached = NULL;
    if (me->depth == 0) {
        zk__scratch_leave(&me->attached_scratch);
        zk__member_home(me);
        if (me->attached_entered && me->entered-- == 1)
            zk__member_leave(self);
    } else if (me->attached_entered) {
        me->phase_entered = true; /* a phase of its own is open still */
    }
    me->attached_entered = false;
    if (zk_sub_seq_cst(&phase->attached, 1u) == 1) /* Q1 -> A1 */
        let_orphan_go(phase->lane, phase);
}

/* ---- visits ----------------------------------------------------------- */

static void
attach_other(unsigned index, void *phase)
{
    if (index != 0)
        attach(phase, index);
}

static void
detach_other(unsigned index, void *phase)
{
    if (index != 0 && zk__thread.attached == phase)
        zk__team_detach();
}

void
zk__team_join(struct zk_thread *me)
{
    const struct zk_lender *lender = zk__lender();
    struct zk_phase *phase = me->last;

    if (lender == NULL || phase->team != 0 || lender->inside())
        return;
    phase->team = lender->width();
    if (phase->team > 1)
        lender->team(phase->team, attach_other, phase);
}

void
zk__team_part(struct zk_thread *me)
{
    const struct zk_lender *lender = zk__lender();
    struct zk_phase *phase = me->last;
    unsigned n = phase->team;

    phase->team = 0;
    if (n <= 1 || me->exiting || zk_load_acquire(&phase->attached) == 0 ||
        lender->inside())
        return;
    if (n < lender->width())
        n = lender->width();
    lender->team(n, detach_other, phase);
}

void
zk__team_settle(void)
{
    const struct zk_lender *lender = zk__lender();

    if (ZK_UNLIKELY(lender != NULL) && !zk__thread.exiting)
        lender->settle();
}

/* ---- for the library that lends ---------------------------------------- */

static zk_err_t
begin_with_team(zk_runtime_t *lane, const char *name,
                const zk_phase_options_t *options)
{
    struct zk_thread *me = &zk__thread;
    zk_err_t err;

    me->unbound = true;
    err = zk_phase_begin_ex(lane, name, options);
    me->unbound = false;
    if (err == ZK_OK)
        zk__team_join(me);
    return err;
}

struct stage {
    zk_stage_fn fn;
    void *arg;
};

static int
run_stage(void *arg)
{
    const struct stage *stage = arg;

    zk__thread.unbound = false;
    zk__team_join(&zk__thread);
    return stage->fn(stage->arg);
}

static zk_err_t
run_with_team(zk_runtime_t *lane, const char *name,
              const zk_phase_options_t *options, zk_stage_fn fn, void *arg)
{
    struct stage stage = {fn, arg};
    zk_err_t err;

    if (fn == NULL)
        return ZK_EINVAL;
    zk__thread.unbound = true;
    err = zk_runtime_phase_ex(lane, name, options, run_stage, &stage);
    zk__thread.unbound = false;
    return err;
}

static struct zk_phase *
current(unsigned *depth)
{
    struct zk_thread *me = &zk__thread;

    *depth = me->depth;
    return me->depth != 0 ? me->last : NULL;
}

struct call {
    struct stage stage;
    int code;
};

static void
run_call(void *arg)
{
    struct call *call = arg;

    call->code = call->stage.fn(call->stage.arg);
}

static zk_err_t
lease(zk_runtime_t *lane, zk_stage_fn fn, void *arg)
{
    struct call call = {{fn, arg}, 0};
    struct zk_slot *self;
    zk_err_t err;

    if (fn == NULL)
        return ZK_EINVAL;
    err = zk_runtime_enter(lane);
    if (err != ZK_OK)
        return err;
    self = zk__thread.slot;
    if (zk__lease_wanted(self))
        zk__lease_run(self, ZK_ALL_BEFORE, run_call, &call);
    else
        run_call(&call);
    err = zk_runtime_leave();
    return call.code != 0 ? call.code : err;
}

_Atomic(const struct zk_lender *) zk__the_lender;

const struct zk_borrower *
zk__lender_register(const struct zk_lender *lender)
{
    static const struct zk_borrower borrower = {
        .begin = begin_with_team,
        .run = run_with_team,
        .current = current,
        .attach = attach,
        .detach = zk__team_detach,
        .lease = lease,
    };
    const struct zk_lender *none = NULL;

    if (lender->size != sizeof *lender || lender->version != ZK_LENDER_VERSION)
        return NULL;
    if (!zk_cas_acq_rel(&zk__the_lender, &none, lender) && none != lender)
        return NULL;
    return &borrower;
}
