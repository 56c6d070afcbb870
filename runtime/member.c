/*
 * member.c - threads that enter a lane and leave it.
 *
 * Owns:   the calling thread's record, its slot, and its binding.
 * Never:  starts a thread.
 *
 * Slot 0 is the entering thread's place among the N workers. While it is taken,
 * further threads are guests in the spare slots: they run their own work with
 * the help of the workers, and need no core of their own.
 */
#include "runtime/lane.h"

#include "private/check.h"
#include "runtime/lease.h"
#include "runtime/topology.h"

ZK_THREAD_LOCAL struct zk_thread zk__thread;

static bool
take(struct zk_slot *slot)
{
    bool taken = false;

    /* A look first: the CAS would fetch the line of every taken slot. */
    return !zk_load_relaxed(&slot->taken) &&
           zk_cas_acq_rel(&slot->taken, &taken, true);
}

void
zk__lane_note_guest(zk_runtime_t *lane, unsigned guests)
{
    unsigned seen = zk_load_relaxed(&lane->guests);

    while (seen < guests)
        if (zk_cas_acq_rel(&lane->guests, &seen, guests))
            break;
}

/* A spare slot, unless there is one already. */
static struct zk_slot *
take_spare(zk_runtime_t *lane, struct zk_slot *self)
{
    for (unsigned i = lane->nworkers; i < lane->nslots && self == NULL; i++)
        if (take(&lane->slots[i])) {
            self = &lane->slots[i];
            zk__lane_note_guest(lane, i - lane->nworkers + 1);
        }
    return self;
}

/* The calling thread is in the slot from here on; NULL: in none. */
static struct zk_slot *
move_in(zk_runtime_t *lane, struct zk_slot *self)
{
    ZK_ASSERT(zk__thread.slot == NULL);
    if (self == NULL)
        return NULL;

    self->phase = lane->outside;
    self->job = NULL;
    self->frame = zk__deque_mark(&self->deque);
    self->floor = 0;
    zk__thread.slot = self;
    zk__forks = &self->forks.open;
    return self;
}

struct zk_slot *
zk__member_enter(zk_runtime_t *lane)
{
    struct zk_slot *self = take(&lane->slots[0]) ? &lane->slots[0] : NULL;

    return move_in(lane, take_spare(lane, self));
}

struct zk_slot *
zk__member_enter_at(zk_runtime_t *lane, unsigned index)
{
    struct zk_slot *self = NULL;

    if (lane->borrows && index != 0 && index < lane->nworkers &&
        take(&lane->slots[index]))
        self = &lane->slots[index];
    return move_in(lane, take_spare(lane, self));
}

void
zk__member_leave(struct zk_slot *self)
{
    zk_runtime_t *lane = self->lane;
    struct zk_task task;

    /* Tasks that nobody waited for go where others can find them. */
    while (zk__deque_pop(&self->deque, 0, &task)) {
        zk__lane_start_one(lane);
        if (!zk__domain_put(lane, task))
            zk__task_run(self, task);
        else
            zk__worker_wake(lane);
    }
    zk__forks_drop(&self->forks);
    zk__forks = &zk__forks_none;
    zk__thread.slot = NULL;
    zk__thread.entered = 0; /* a body may have entered and never left */
    zk_store_release(&self->taken, false);
}

/* ---- thread exit ------------------------------------------------------ */

static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static bool exit_watched;

/* A thread that exits inside a phase ends it; all that was its is given back. */
static void
leave_everything(void *thread)
{
    struct zk_thread *me = thread;

    if (me->slot != NULL)
        zk__forks_drop(&me->slot->forks); /* nobody is left to join them */
    me->exiting = true;
    while (me->depth != 0)
        (void)!zk_phase_end();
    zk__team_detach();
    while (me->entered != 0)
        (void)!zk_runtime_leave();
    zk__phase_forget(me);
}

static void
make_exit_key(void)
{
    exit_watched = pthread_key_create(&exit_key, leave_everything) == 0;
}

void
zk__member_watch_exit(void)
{
    pthread_once(&exit_once, make_exit_key);
    if (exit_watched)
        (void)pthread_setspecific(exit_key, &zk__thread);
}

/* ---- entering and leaving --------------------------------------------- */

/* Slot 0 is bound to its core; guests stay where the kernel runs them. */
static void
bind(struct zk_thread *me)
{
    zk_runtime_t *lane = me->slot->lane;

    if (me->slot->index != 0 || lane->config.bind == ZK_BIND_NONE ||
        me->unbound)
        return;
    me->binding = zk__topology_save();
    if (me->binding == NULL)
        return; /* what cannot be restored is not changed */
    zk__lane_bind(lane, me->slot);
}

zk_err_t
zk_runtime_enter(zk_runtime_t *lane)
{
    struct zk_thread *me = &zk__thread;

    if (lane == NULL)
        lane = zk_runtime_current();
    if (lane == NULL)
        return ZK_ENOMEM;
    if (me->slot != NULL && me->slot->lane != lane)
        return ZK_EPERM;
    if (me->slot == NULL) {
        if (zk__member_enter(lane) == NULL)
            return ZK_EAGAIN;
        bind(me);
        zk__member_watch_exit();
    }
    me->entered++;
    return ZK_OK;
}

zk_err_t
zk_runtime_leave(void)
{
    struct zk_thread *me = &zk__thread;

    if (me->slot == NULL || me->entered == 0)
        return ZK_ESTALE;
    if (me->entered > 1) {
        me->entered--;
        return ZK_OK;
    }
    if (me->slot->job != NULL || me->depth != 0 ||
        zk__forks_any(&me->slot->forks))
        return ZK_EBUSY;
    if (me->attached != NULL) /* by a phase's begin, until its end */
        return me->attached_entered ? ZK_ESTALE : ZK_EBUSY;

    me->entered = 0;
    zk__topology_restore(me->binding);
    me->binding = NULL;
    zk__member_leave(me->slot);
    return ZK_OK;
}

zk_runtime_t *
zk_runtime_current(void)
{
    const struct zk_slot *self = zk__thread.slot;

    return self != NULL ? self->lane : zk__lane_default();
}

int
zk_slot(void)
{
    const struct zk_slot *self = zk__thread.slot;

    return self != NULL ? (int)self->index : -1;
}

unsigned
zk_num_workers(void)
{
    const zk_runtime_t *lane = zk_runtime_current();

    return lane != NULL ? lane->nworkers : 1;
}
