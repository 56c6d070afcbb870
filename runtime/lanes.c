/*
 * lanes.c - one lane for each node, and a thread that runs jobs on each.
 *
 * Owns:   which lane gets which workers, and the drivers.
 * Never:  schedules: inside of a lane all is as ever.
 *
 * A job has to begin phases, so it cannot be a task. Each lane has a driver, a
 * thread that enters it for a run and leaves afterwards, and sleeps in between:
 *
 *     caller    job, left = n, turn + 1 .............. left == 0
 *     driver             turn is new: enter, fn, leave, left - 1
 *
 * Y1  The job is written before turn grows, and not again before left is 0.
 * Y2  `running` is taken by a CAS: one run, or one close, at a time.
 *
 * R1 -> A1   a driver that sees the new turn sees the job
 * R2 -> A2   who finds left at 0 sees what the drivers have done
 */
#include <zkrt/lanes.h>

#include <pthread.h>
#include <unistd.h>

#include "alloc/os.h"
#include "private/bits.h"
#include "runtime/futex.h"
#include "runtime/lane.h"
#include "runtime/lease.h"

struct driver {
    zk_lanes_t *lanes;
    zk_runtime_t *lane; /* NULL: it is closed already */
    unsigned index;
    bool started; /* the caller's */
    pthread_t thread;
    uint32_t seen; /* the last turn: the driver's, once it is started */
    zk_err_t code; /* the driver's, of its last turn (R2 -> A2) */
};

struct zk_lanes {
    unsigned count;
    size_t bytes;          /* of this record */
    pid_t pid;             /* drivers are threads of this process */
    bool forked;           /* another one, whose child this is, had them */
    _Atomic bool running;  /* Y2 */
    zk_lane_fn fn;         /* Y1 */
    void *arg;             /* the same */
    bool closing;          /* the same */
    _Atomic uint32_t turn; /* futex */
    _Atomic uint32_t left; /* futex */
    struct driver driver[];
};

/* ---- opening ---------------------------------------------------------------- */

static zk_lanes_t *
new_record(unsigned room)
{
    size_t bytes = zk_round_up(
        sizeof(zk_lanes_t) + room * sizeof(struct driver), zk__os_page());
    zk_lanes_t *lanes = zk__os_map(bytes);

    if (lanes == NULL)
        return NULL;
    lanes->bytes = bytes;
    lanes->pid = getpid();
    return lanes;
}

static void
add_lane(zk_lanes_t *lanes, zk_runtime_t *lane)
{
    lanes->driver[lanes->count] =
        (struct driver){.lanes = lanes, .lane = lane, .index = lanes->count};
    lanes->count++;
}

static zk_err_t
open_one(zk_lanes_t *lanes, const struct zk_opening *o)
{
    zk_runtime_t *lane = NULL;
    zk_err_t err = zk__lane_open(&lane, o);

    if (err == ZK_OK)
        add_lane(lanes, lane);
    return err;
}

/* True where the node of this unit was seen among those before it. */
static bool
seen_before(const struct zk_topology *t, unsigned unit)
{
    for (unsigned i = 0; i < unit; i++)
        if (t->pus[i].node == t->pus[unit].node)
            return true;
    return false;
}

/* A lane for each node that has workers; whole: the plan for all of them. */
static zk_err_t
open_parts(zk_lanes_t *lanes, const struct zk_opening *whole)
{
    const struct zk_topology *t = whole->topology;
    struct zk_opening o = *whole;
    unsigned workers = 0;
    zk_err_t err = ZK_OK;

    o.config.bind = ZK_BIND_CLOSE; /* each worker has its place */
    for (unsigned i = 0; i < t->npus && err == ZK_OK; i++)
        if (!seen_before(t, i) &&
            zk__plan_part(&o.plan, &o.part, &whole->plan, &whole->config, t,
                          t->pus[i].node)) {
            workers += o.plan.workers;
            err = open_one(lanes, &o);
        }
    if (err == ZK_OK && workers != whole->plan.workers)
        err =
            ZK_ENOMEM; /* for the part of a node, whose workers would be missing */
    return err;
}

static void
destroy(zk_lanes_t *lanes)
{
    for (unsigned i = 0; i < lanes->count; i++)
        (void)!zk_runtime_close(lanes->driver[i].lane);
    zk__os_unmap(lanes, lanes->bytes);
}

zk_err_t
zk_lanes_open(zk_lanes_t **out, const zk_options_t *options)
{
    zk_options_t own = ZK_OPTIONS_INIT;
    struct zk_opening o;
    zk_lanes_t *lanes;
    zk_err_t err;

    if (out == NULL || (options != NULL && options->size != sizeof own))
        return ZK_EINVAL;
    *out = NULL;
    if (options != NULL)
        own = *options;
    if (own.numa == ZK_NUMA_DEFAULT)
        own.numa = ZK_NUMA_LANES;
    err = zk__lane_decide(&o, &own);
    if (err != ZK_OK)
        return err;
    lanes = new_record(o.topology->nnodes);
    if (lanes == NULL) {
        zk__places_free(&o.plan.places);
        return ZK_ENOMEM;
    }
    if (o.config.numa != ZK_NUMA_LANES || o.topology->nnodes == 1 ||
        o.borrows) {
        err = open_one(lanes, &o);
    } else {
        err = open_parts(lanes, &o);
        zk__places_free(&o.plan.places);
    }
    if (err != ZK_OK) {
        destroy(lanes);
        return err;
    }
    *out = lanes;
    return ZK_OK;
}

unsigned
zk_lanes_count(const zk_lanes_t *lanes)
{
    return lanes != NULL ? lanes->count : 0;
}

zk_runtime_t *
zk_lanes_get(const zk_lanes_t *lanes, unsigned index)
{
    return index < zk_lanes_count(lanes) ? lanes->driver[index].lane : NULL;
}

/* ---- running ------------------------------------------------------------------ */

/* Ends what fn has left open, so that nobody else meets it. */
static void
tidy_up(void)
{
    struct zk_thread *me = &zk__thread;

    if (me->slot == NULL)
        return; /* it has left by itself */
    zk__forks_drop(&me->slot->forks);
    while (me->depth != 0)
        (void)!zk_phase_end();
    zk__team_detach();
    me->entered = 1;
    (void)!zk_runtime_leave();
}

static zk_err_t
run_on(const struct driver *d)
{
    zk_err_t err = zk_runtime_enter(d->lane);
    int code;

    if (err != ZK_OK)
        return err;
    code = d->lanes->fn(d->lane, d->index, d->lanes->arg);
    tidy_up();
    return code;
}

static void *
drive(void *arg)
{
    struct driver *d = arg;
    zk_lanes_t *lanes = d->lanes;

    for (;;) {
        uint32_t turn = zk_load_acquire(&lanes->turn); /* A1 <- R1 */

        if (turn == d->seen) {
            zk__futex_wait(&lanes->turn, turn, ZK_FOREVER);
            continue;
        }
        d->seen = turn;
        if (lanes->closing)
            return NULL;
        d->code = run_on(d);
        if (zk_sub_acq_rel(&lanes->left, 1u) == 1) /* R2 -> A2 */
            zk__futex_wake(&lanes->left, 1);
    }
}

/* In a child of fork(): the drivers are not here. */
static void
after_fork(zk_lanes_t *lanes)
{
    lanes->pid = getpid();
    lanes->forked = true;
    for (unsigned i = 0; i < lanes->count; i++)
        lanes->driver[i].started = false;
    zk_store_relaxed(&lanes->left, 0u);
    zk_store_relaxed(&lanes->running, false);
}

/* False: a run is under way. pre: lanes is not NULL */
static bool
begin(zk_lanes_t *lanes)
{
    bool running = false;

    if (lanes->pid != getpid())
        after_fork(lanes);
    return zk_cas_acq_rel(&lanes->running, &running, true); /* Y2 */
}

/* How many there are. */
static unsigned
start_drivers(zk_lanes_t *lanes)
{
    unsigned n = 0;

    for (unsigned i = 0; i < lanes->count; i++) {
        struct driver *d = &lanes->driver[i];

        if (!d->started && !lanes->forked) {
            d->seen = zk_load_relaxed(&lanes->turn);
            d->started = zk__lane_start_helper(d->lane, &d->thread, drive, d);
        }
        n += d->started;
    }
    return n;
}

static void
next_turn(zk_lanes_t *lanes)
{
    zk_add_release(&lanes->turn, 1u); /* R1 -> A1 */
    zk__futex_wake(&lanes->turn, INT32_MAX);
}

zk_err_t
zk_lanes_run(zk_lanes_t *lanes, zk_lane_fn fn, void *arg)
{
    zk_err_t err = ZK_OK;
    uint32_t left;

    if (lanes == NULL || fn == NULL)
        return ZK_EINVAL;
    if (!begin(lanes))
        return ZK_EBUSY;
    lanes->fn = fn;
    lanes->arg = arg;
    zk_store_relaxed(&lanes->left, start_drivers(lanes));
    next_turn(lanes);
    for (unsigned i = 0; i < lanes->count; i++)
        if (!lanes->driver[i].started)
            lanes->driver[i].code = run_on(&lanes->driver[i]);
    while ((left = zk_load_acquire(&lanes->left)) != 0) /* A2 <- R2 */
        zk__futex_wait(&lanes->left, left, ZK_FOREVER);
    for (unsigned i = 0; i < lanes->count && err == ZK_OK; i++)
        err = lanes->driver[i].code;
    zk_store_release(&lanes->running, false);
    return err;
}

/* ---- closing ------------------------------------------------------------------ */

static void
stop_drivers(zk_lanes_t *lanes)
{
    lanes->closing = true;
    next_turn(lanes);
    for (unsigned i = 0; i < lanes->count; i++) {
        if (lanes->driver[i].started)
            pthread_join(lanes->driver[i].thread, NULL);
        lanes->driver[i].started = false;
    }
    lanes->closing = false;
}

zk_err_t
zk_lanes_close(zk_lanes_t *lanes)
{
    const struct zk_slot *self = zk__thread.slot;
    zk_err_t err;

    if (lanes == NULL)
        return ZK_OK;
    if (self != NULL && (self->job != NULL || zk__forks_any(&self->forks)))
        return ZK_EPERM;
    if (!begin(lanes))
        return ZK_EBUSY;
    stop_drivers(lanes);
    for (unsigned i = 0; i < lanes->count; i++) {
        struct driver *d = &lanes->driver[i];

        err = zk_runtime_close(d->lane); /* NULL: it was before */
        if (err != ZK_OK) {
            zk_store_release(&lanes->running, false);
            return err;
        }
        d->lane = NULL;
    }
    zk__os_unmap(lanes, lanes->bytes);
    return ZK_OK;
}
