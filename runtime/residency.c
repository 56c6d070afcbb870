/*
 * residency.c - when memory that phases no longer use goes back to the system.
 *
 * Owns:   release_due_ns, and the steps in which memory is released: that of
 *         arenas, and what is free in the heap.
 * Never:  makes a thread that has work wait for the kernel, but for the opener
 *         of a lane in which nobody else is idle, one step per phase.
 *
 * A begin gives up what recent phases did not use (keep.h), and an arena that
 * nobody holds is given up after decay_ms. Either only sets release_due_ns. Idle
 * workers sleep no longer than to then, release a step, look for work, and go on
 * until nothing is left; then they sleep for as long as it takes. Where no worker
 * came for GRACE_NS, the opener does a step at the end of its phase.
 */
#include "alloc/heap.h"
#include "private/bits.h"
#include "private/clock.h"
#include "runtime/futex.h"
#include "runtime/lane.h"

#define STEP_BYTES ((size_t)32 << 20) /* 1 ms of base pages, 0.1 of huge ones */
#define GRACE_NS   ((uint64_t)20000000)

/* Something is to be released at `when`, or sooner. */
static void
set_due(zk_runtime_t *lane, uint64_t when)
{
    uint64_t due = zk_load_relaxed(&lane->release_due_ns);

    while (due == 0 || when < due)
        if (zk_cas_relaxed(&lane->release_due_ns, &due, when)) {
            if (due == 0)
                zk__worker_wake_for_release(lane);
            return;
        }
}

void
zk__residency_begun(struct zk_phase *phase)
{
    if (phase->arena->tails)
        set_due(phase->lane, zk_now_ns());
}

void
zk__residency_returned(struct zk_phase *phase)
{
    zk_runtime_t *lane = phase->lane;

    phase->idle_since_ns = zk_now_ns();
    phase->given_up = false;
    if (lane->config.keep_bytes != SIZE_MAX)
        set_due(lane, phase->idle_since_ns +
                          lane->config.decay_ms * UINT64_C(1000000));
}

/*
 * Gives up the arena of a phase that nobody holds, if it is time. Returns when it
 * will be, or 0: there is nothing to wait for.
 */
static uint64_t
give_up_idle(struct zk_phase *phase, uint64_t now, uint64_t decay_ns)
{
    zk_runtime_t *lane = phase->lane;
    uint64_t when = 0;

    pthread_mutex_lock(&lane->lock);
    if (!phase->held && phase->arena != NULL && !phase->given_up) {
        if (now - phase->idle_since_ns >= decay_ns) {
            zk__arena_give_up(phase->arena);
            phase->given_up = true;
        } else {
            when = phase->idle_since_ns + decay_ns;
        }
    }
    pthread_mutex_unlock(&lane->lock);
    return when;
}

/* Who has memory released because it would be refused some. */
struct reclaim {
    const struct zk_budget *own;
    size_t wanted, released;
};

/* Not from what another phase was promised: that would be released for nothing. */
static bool
may_release(const struct zk_budget *b, const struct reclaim *r)
{
    return r == NULL || b == r->own || !zk_load_relaxed(&b->reserved);
}

/* Of the lane's arenas; for `r` also what they would keep. Returns the bytes released;
 * *next is when to come back, 0: never. */
static size_t
release_arenas(zk_runtime_t *lane, size_t bytes, uint64_t decay_ns,
               const struct reclaim *r, uint64_t *next)
{
    uint64_t now = zk_now_ns();
    size_t released = 0;

    *next = 0;
    for (unsigned i = 0; i < zk_load_acquire(&lane->nphases); i++) {
        struct zk_phase *phase = lane->phases[i];
        uint64_t when = give_up_idle(phase, now, decay_ns);

        if (when != 0 && (*next == 0 || when < *next))
            *next = when;
        if (released < bytes && may_release(&phase->arena->budget, r))
            released +=
                zk__arena_release(phase->arena, bytes - released, r != NULL);
    }
    return released;
}

/* One step, of the heap too. */
static size_t
release_some(zk_runtime_t *lane, size_t bytes, uint64_t decay_ns,
             uint64_t *next)
{
    uint64_t now = zk_now_ns();
    size_t released = release_arenas(lane, bytes, decay_ns, NULL, next);

    if (released < bytes) {
        unsigned wait_ms;

        released += zk__heap_release(
            bytes - released, decay_ns != 0 ? zk__pages_decay() : 0, &wait_ms);
        if (wait_ms != 0 &&
            (*next == 0 || now + wait_ms * UINT64_C(1000000) < *next))
            *next = now + wait_ms * UINT64_C(1000000);
    }
    if (released >= bytes)
        *next = now;
    return released;
}

uint64_t
zk__residency_step(zk_runtime_t *lane)
{
    uint64_t due = zk_load_relaxed(&lane->release_due_ns), now, next;

    if (due == 0)
        return ZK_FOREVER;
    now = zk_now_ns();
    if (now < due)
        return due - now;
    if (!zk_cas_relaxed(&lane->release_due_ns, &due, (uint64_t)0))
        return 0; /* somebody else is at it */
    release_some(lane, STEP_BYTES, lane->config.decay_ms * UINT64_C(1000000),
                 &next);
    if (next != 0)
        set_due(lane, next);
    return 0;
}

void
zk__residency_ended(zk_runtime_t *lane)
{
    uint64_t due = zk_load_relaxed(&lane->release_due_ns);

    if (due != 0 && zk_now_ns() - due > GRACE_NS && zk_now_ns() > due)
        (void)zk__residency_step(lane);
}

zk_err_t
zk_runtime_trim(zk_runtime_t *lane, size_t *released)
{
    uint64_t next;
    size_t sum = 0, some;

    if (released != NULL)
        *released = 0;
    if (lane == NULL)
        return ZK_EINVAL;
    zk__heap_flush();
    do {
        some = release_some(lane, STEP_BYTES, 0, &next);
        sum += some;
    } while (some >= STEP_BYTES);
    if (released != NULL)
        *released = sum;
    return ZK_OK;
}

static void
reclaim_lane(zk_runtime_t *lane, void *arg)
{
    struct reclaim *r = arg;
    uint64_t next;

    if (r->released < r->wanted)
        r->released +=
            release_arenas(lane, r->wanted - r->released, 0, r, &next);
}

size_t
zk__residency_reclaim(const struct zk_budget *own, size_t bytes, bool heap)
{
    struct reclaim r = {own, bytes, 0};
    unsigned wait_ms;

    zk__lane_each(reclaim_lane, &r);
    if (heap && r.released < bytes) /* lanes may open and close meanwhile */
        r.released += zk__heap_release(bytes - r.released, 0, &wait_ms);
    return r.released;
}
