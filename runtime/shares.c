/*
 * shares.c - zk_parallel_for_ex: loops that are dealt out in shares.
 *
 * Owns:   the shares, and who takes from which.
 * Never:  lets more workers in than there are shares: as many tasks run a share to
 *         its end, and no task is divided.
 *
 * With affinity a share is at home in a slot. Which one follows from the range and
 * the number of workers alone, so nothing has to be remembered from loop to loop.
 * Who is through with its own share helps those of its node first: what it touches
 * there for the first time is on the right node as well. Those of other nodes it
 * gives as long again as its own node took, where somebody is at a share or may come
 * to it, and then helps as long as they are behind by an eighth of a share. What a
 * far helper touches first is on the wrong node ever after, and from afar a piece takes
 * up to twice as long: less than that is not worth it. So a loop takes at the most
 * twice the time that it would without, and only if somebody is late by that much.
 *
 * With a place, shares are at home in the slots of one node, in the same way. Everybody
 * may come, but who is from elsewhere, the caller first of all, is no more than a
 * reserve: it gives the node's workers that may come the time in which they would, and
 * then does only of shares what none of them is at. So the loop ends also where all of
 * them are busy, or wait for the loop.
 *
 * Q1  A share's `next` only grows, by a CAS from where a piece begins to where it
 *     ends; winning it is owning the piece. It carries no data.
 * Q2  Who is of a share's own node stays until nothing is left of it, and says
 *     first that it is there. So what others leave will be done.
 * Q3  With a place, who has come in beyond `most` leaves at once. Whoever is in leaves
 *     no share but one that is empty or that somebody is at who stays (Q2).
 */
#include "runtime/shares.h"

#include <limits.h>
#include <sched.h>

#include "private/bits.h"
#include "private/clock.h"
#include "runtime/futex.h"
#include "runtime/lane.h"

#define SHARES_MAX     64u
#define PIECES_A_SHARE 32
#define BEHIND         8 /* with less than this part left a share is not */
#define SAME_NODE      1u

unsigned zk__shares_patience = 1;

/* What waking all workers of a large machine takes, one after the other. */
uint64_t zk__shares_grace_ns = 1000000;

#define LEAVING_NS \
    ((uint64_t)2000) /* who just ends another call is idle then */

/* Who waits for another node looks all the time first, since most are late by less.
 * Then it sleeps in between: its core may be just what they are waiting for. */
#define LOOKS_NS   ((uint64_t)50000)
#define NAP_MIN_NS ((uint64_t)50000)
#define NAP_MAX_NS ((uint64_t)1000000)

struct share {
    ZK_ALIGNED_LINE _Atomic size_t next;
    size_t end, size;
    unsigned home; /* the first slot whose own it is; without homes: 0 */
    _Atomic bool attended; /* Q2 */
};

struct shares {
    const zk_runtime_t *lane;
    zk_range_fn body;
    void *arg;
    size_t grain;
    unsigned count;   /* at most one for each member */
    unsigned members; /* workers that the loop is meant for */
    unsigned caller; /* its slot; from outside 0, which it gets if it is free */
    uint64_t begun;  /* when, where shares have homes */
    bool homes;      /* shares have one */
    bool placed;     /* members are those of the node */
    unsigned node;
    unsigned most;           /* Q3 */
    _Atomic unsigned inside; /* who has come in so far, with a place */
    struct share share[SHARES_MAX];
};

/* The next piece of a share, at *begin, if more than `left` is; else 0. */
static size_t
take(struct share *s, size_t grain, size_t left, size_t *begin)
{
    size_t next = zk_load_relaxed(&s->next);

    while (s->end - next > left) {
        size_t n = zk_min_size(grain, s->end - next);

        if (zk_cas_relaxed(&s->next, &next, next + n)) { /* Q1 */
            *begin = next;
            return n;
        }
    }
    return 0;
}

/* ---- homes ------------------------------------------------------------ */

static unsigned
node_of(const zk_runtime_t *lane, unsigned slot)
{
    return lane->topology->pus[lane->slots[slot].pu].node;
}

static bool
is_member(const struct shares *s, unsigned slot)
{
    return !s->placed || node_of(s->lane, slot) == s->node;
}

/* Members among the first workers. */
static unsigned
members_below(const struct shares *s, unsigned slot)
{
    unsigned n = 0;

    if (!s->placed)
        return slot;
    for (unsigned i = 0; i < slot; i++)
        n += is_member(s, i);
    return n;
}

static void
give_homes(struct shares *s)
{
    unsigned rank = 0;

    for (unsigned slot = 0; slot < s->lane->nworkers; slot++)
        if (is_member(s, slot)) {
            unsigned share = rank * s->count / s->members;

            if (rank == 0 || (rank - 1) * s->count / s->members != share)
                s->share[share].home = slot;
            rank++;
        }
}

/* Whose is it? The slot's, where shares have homes; else the task's. */
static unsigned
first_share(const struct shares *s, size_t task)
{
    const struct zk_slot *self = zk__thread.slot;
    unsigned slot;

    if (!s->homes || self == NULL || !is_member(s, self->index))
        return (unsigned)(task % s->count);
    slot = self->index % s->lane->nworkers; /* a guest's is anyone's */
    return members_below(s, slot) % s->members * s->count / s->members;
}

/* How far from the caller the share is at home. Without homes they are all alike. */
static unsigned
distance_to(const struct shares *s, unsigned share)
{
    const struct zk_slot *self = zk__thread.slot;

    if (!s->homes || self == NULL)
        return 0;
    return zk__topology_distance(s->lane->topology, self->pu,
                                 s->lane->slots[s->share[share].home].pu);
}

/* ---- giving time ------------------------------------------------------- */

/* A worker of the node that is idle, or on its way here: it is of no other call. */
static bool
somebody_may_come(const struct shares *s, const struct zk_slot *self,
                  unsigned node)
{
    const zk_runtime_t *lane = s->lane;

    for (unsigned i = 0; i < lane->nworkers; i++) {
        const struct zk_slot *slot = &lane->slots[i];
        uint64_t root = zk_load_relaxed(&slot->root);

        if (i == 0 && s->caller != 0)
            continue; /* it takes no task but its own */
        if ((root == 0 || root == self->job->id) && node_of(lane, i) == node &&
            zk_load_relaxed(&slot->lease) == zk_load_relaxed(&self->lease))
            return true;
    }
    return false;
}

/* How much of a share others leave to those who are at it. */
static size_t
left_by_others(const struct shares *s, const struct share *share)
{
    if (!zk_load_relaxed(&share->attended))
        return 0;
    return s->placed ? SIZE_MAX : share->size / BEHIND;
}

/* More is left of it than others leave. */
static bool
is_behind(const struct shares *s, const struct share *share)
{
    return share->end - zk_load_relaxed(&share->next) >
           left_by_others(s, share);
}

/* Somebody of another node is late with a share: waits until it is not, and at most as
 * long again as this node took until it was through. */
static void
give_time(const struct shares *s, const struct share *share, uint64_t through)
{
    const struct zk_slot *self = zk__thread.slot;
    unsigned node = node_of(s->lane, share->home);
    uint64_t patience = (through - s->begun) * zk__shares_patience;
    uint64_t nap = patience / 16, waited = zk_now_ns() - through;

    nap = nap < NAP_MIN_NS ? NAP_MIN_NS : nap < NAP_MAX_NS ? nap : NAP_MAX_NS;
    while (waited < patience && is_behind(s, share) && !zk_stopped() &&
           (zk_load_relaxed(&share->attended) ||
            somebody_may_come(s, self, node))) {
        _Atomic uint32_t nobody = 0;

        if (waited > LOOKS_NS)
            zk__futex_wait(&nobody, 0, nap);
        else if (s->lane->crowded)
            sched_yield();
        else
            zk_pause();
        waited = zk_now_ns() - through;
    }
}

/* ---- a place ----------------------------------------------------------- */

static bool
all_attended(const struct shares *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (!zk_load_relaxed(&s->share[i].attended))
            return false;
    return true;
}

/* Who is from elsewhere lets the members begin. */
static void
give_way(const struct shares *s, const struct zk_slot *self)
{
    uint64_t start = zk_now_ns(), waited = 0;

    while (waited < zk__shares_grace_ns && !all_attended(s) &&
           zk_load_relaxed(&s->inside) < s->most && !zk_stopped() &&
           (waited < LEAVING_NS || somebody_may_come(s, self, s->node))) {
        waited = zk_now_ns() - start;
        if (s->lane->crowded)
            sched_yield();
        else
            zk_pause();
    }
}

/* ---- running ----------------------------------------------------------- */

/* Runs what is to be done of a share. True: the loop is over, *code says how. */
static bool
finish(struct shares *s, struct share *share, bool near, int *code)
{
    struct zk_scratch_frame none = zk__scratch_enter();
    size_t begin, n;

    if (near && !zk_load_relaxed(&share->attended))
        zk_store_relaxed(&share->attended, true); /* Q2 */
    while ((n = take(share, s->grain, near ? 0 : left_by_others(s, share),
                     &begin)) != 0) {
        *code = s->body(begin, begin + n, s->arg);
        zk__scratch_leave(&none);
        if (*code == 0)
            zk__loop_did(n);
        if (*code != 0 || zk_stopped())
            return true;
    }
    return false;
}

static int
run_shares(size_t task, size_t end, void *arg)
{
    struct shares *s = arg;
    const struct zk_slot *self = zk__thread.slot;
    bool member = self == NULL || is_member(s, self->index);
    uint64_t through = 0; /* when it was, with the shares of its node */
    unsigned first;
    int code = 0;

    (void)end;
    if (!member)
        give_way(s, self);
    if (s->placed && zk_add_relaxed(&s->inside, 1u) >= s->most)
        return 0; /* Q3 */
    first = first_share(s, task);
    if (finish(s, &s->share[first], member, &code))
        return code;
    for (unsigned far = 0; far < ZK_DISTANCES; far++)
        for (unsigned i = 1; i < s->count; i++) {
            unsigned which = (first + i) % s->count;
            bool near = s->placed ? member : far <= SAME_NODE;

            if (distance_to(s, which) != far)
                continue;
            if (!near && !s->placed) {
                through = through != 0 ? through : zk_now_ns();
                give_time(s, &s->share[which], through);
                if (zk_stopped())
                    return 0;
            }
            if (finish(s, &s->share[which], near, &code))
                return code;
        }
    return 0;
}

static void
deal(struct shares *s, size_t begin, size_t end, size_t grain)
{
    size_t size = (end - begin) / s->count, more = (end - begin) % s->count;

    s->grain = grain != 0
                   ? grain
                   : zk_max_size((size + (more != 0)) / PIECES_A_SHARE, 1);
    for (unsigned i = 0; i < s->count; i++) {
        zk_store_relaxed(&s->share[i].next, begin);
        zk_store_relaxed(&s->share[i].attended, false);
        s->share[i].size = size + (i < more);
        begin += s->share[i].size;
        s->share[i].end = begin;
    }
    if (s->homes) {
        give_homes(s);
        s->begun = zk_now_ns();
    }
}

/* For whom it is, and in how many shares. */
static void
mean(struct shares *s, const zk_loop_options_t *o)
{
    s->members = s->lane->nworkers;
    if (o->place != 0) {
        s->placed = true;
        s->node = o->place - 1;
        s->members = members_below(s, s->lane->nworkers);
    }
    if (s->members == 0) { /* nobody is there: a loop like any other */
        s->placed = false;
        s->members = s->lane->nworkers;
    }
    s->homes = s->placed || o->affinity != 0;
    s->most = o->max_workers != 0 ? o->max_workers : UINT_MAX;
    s->count = s->members < SHARES_MAX ? s->members : SHARES_MAX;
    s->count = s->count < s->most ? s->count : s->most;
}

zk_err_t
zk_parallel_for_ex(zk_runtime_t *lane, size_t begin, size_t end,
                   const zk_loop_options_t *options, zk_range_fn body,
                   void *arg)
{
    const zk_loop_options_t usual = ZK_LOOP_OPTIONS_INIT;
    const zk_loop_options_t *o = options != NULL ? options : &usual;
    struct shares s = {.body = body, .arg = arg};

    if (body == NULL || o->size != sizeof *o || o->affinity > 1)
        return ZK_EINVAL;
    if (begin >= end)
        return ZK_OK;
    if (o->max_workers == 0 && o->affinity == 0 && o->place == 0)
        return zk_parallel_for_on(lane, begin, end, o->grain, body, arg);

    if (lane == NULL)
        lane = zk_runtime_current();
    if (lane == NULL)
        return ZK_ENOMEM;
    s.lane = lane;
    s.caller = zk__thread.slot != NULL ? zk__thread.slot->index : 0;
    mean(&s, o);
    deal(&s, begin, end, o->grain);
    /* With a place each worker, and a guest that calls, may hold one task while it
     * gives way. */
    return zk__parallel_for(lane, 0, s.placed ? lane->nworkers + 1 : s.count, 1,
                            run_shares, &s, true, end - begin);
}
