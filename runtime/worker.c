/*
 * worker.c - what a worker does when it has nothing to do.
 *
 * Owns:   stealing, spinning, sleeping and waking.
 * Never:  waits for a particular job (wait.c does).
 *
 * A worker without a task searches: it tries the deques of the others, nearest
 * first, and the inboxes. After spin_us without luck it sleeps on the idle_event of
 * its node. Who pushes a task wakes one sleeper, of its own node where one sleeps
 * there, unless somebody searches already. A searcher
 * that finds something, and sees more, wakes two: as long as there is more, and
 * no more of them search than are awake. So a burst of tasks wakes the workers as
 * a tree, a single task wakes one, and pushing costs no system call while anybody
 * is awake and looking.
 *
 * W1  A worker that stops searching, to sleep or with a task, first is no longer
 *     counted, then looks everywhere once more: for a task, or whether there is
 *     another.
 * W2  A pusher first publishes the task, then looks whether somebody searches.
 *
 * F3 = F4   so of a pusher and a worker that stops searching at least one sees
 *           the other: either the worker finds the task, or the pusher finds
 *           nobody searching and a sleeper to wake. Only this wake-up rides on
 *           the fences; the task itself rides on the deque's bottom.
 */
#include <sched.h>
#include <unistd.h>

#include "alloc/os.h"
#include "private/check.h"
#include "private/clock.h"
#include "runtime/futex.h"
#include "runtime/lane.h"
#include "runtime/lease.h"
#include "runtime/topology.h"

#define TRIES_PER_CLOCK 64 /* looks between two readings of the clock */

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift
 * generators, scrambled", 2016. */
static uint64_t
next_random(struct zk_slot *self)
{
    uint64_t x = self->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    self->random = x;
    return x * 0x2545f4914f6cdd1du;
}

/* ---- finding work ----------------------------------------------------- */

void
zk__worker_stole(struct zk_slot *self, const struct zk_slot *from)
{
    unsigned far =
        zk__topology_distance(self->lane->topology, self->pu, from->pu);

    zk_bump_relaxed(&self->steals[far], (uint64_t)1);
}

static bool
steal_from(struct zk_slot *self, unsigned victim, struct zk_task *task)
{
    struct zk_slot *slot = &self->lane->slots[victim];
    struct zk_deque *d = &slot->deque;

    bool found;

    if (victim == self->index ||
        zk_load_relaxed(&slot->lease) != zk_load_relaxed(&self->lease))
        return false;
    found = !zk__deque_empty(d) && zk__deque_steal(d, task);
    if (zk__deque_empty(d))
        zk__forks_ask(&slot->forks);
    if (found)
        zk__worker_stole(self, slot);
    return found;
}

/* Tries everybody at one distance, from a random one on. */
static bool
steal_at(struct zk_slot *self, unsigned distance, struct zk_task *task)
{
    const zk_runtime_t *lane = self->lane;
    unsigned n = zk__lane_slots(lane);
    unsigned start = (unsigned)((next_random(self) >> 32) * n >> 32);

    for (unsigned k = 0; k < n; k++) {
        unsigned victim = start + k < n ? start + k : start + k - n;
        bool here = lane->reach == 0 ||
                    zk__topology_distance(lane->topology, self->pu,
                                          lane->slots[victim].pu) == distance;

        if (here && steal_from(self, victim, task))
            return true;
    }
    return false;
}

bool
zk__worker_find(struct zk_slot *self, struct zk_task *task)
{
    for (unsigned distance = 0; distance <= self->lane->reach; distance++)
        if (steal_at(self, distance, task))
            return true;
    if (zk_load_relaxed(&self->lease) != NULL)
        return false; /* what comes from outside is not of it */
    return zk__domain_find(self, task);
}

/* ---- sleeping and waking ---------------------------------------------- */

/*
 * A sleeper is to search, unless `limit` do already: then it is to be roused. It is
 * counted as searching from here on, so that the next pusher does not wake another one
 * before it has even started; the token says who it is, since a futex may wake anybody
 * or nobody.
 *
 * W3  A token stands for one count of `searching` whose worker has not taken it
 *     up yet. No worker falls asleep while there is one.
 * W4  Any sleeper may take any token, wherever it was meant to be taken. So who adds
 *     one, and who wakes and leaves one, then rouses somebody who is still counted as
 *     asleep; and who wakes is first no longer counted, then looks for tokens. Either
 *     who was roused looks, or it has woken in between and looks, too.
 */
static inline bool
send_one(zk_runtime_t *lane, uint32_t limit)
{
    uint32_t searching = zk_load_relaxed(&lane->searching);

    if (ZK_UNLIKELY(zk__lender() != NULL) && zk__lease_wake(lane))
        return false;
    do {
        if (searching >= limit ||
            zk_load_relaxed(&lane->sleepers) <= zk_load_relaxed(&lane->tokens))
            return false;
    } while (!zk_cas_seq_cst(&lane->searching, &searching, searching + 1));
    zk_add_seq_cst(&lane->tokens, 1u);
    return true;
}

/* Of the domain `near` where one sleeps there (W4). */
static void
rouse(zk_runtime_t *lane, unsigned near)
{
    unsigned n = lane->ndomains;

    for (unsigned k = 0; k < n; k++) {
        struct zk_domain *d =
            &lane->domains[near + k < n ? near + k : near + k - n];

        if (zk_load_seq_cst(&d->asleep) == 0)
            continue;
        zk_add_seq_cst(&d->idle_event, 1u);
        zk__futex_wake(&d->idle_event, 1);
        return;
    }
}

static bool
take_token(zk_runtime_t *lane)
{
    uint32_t tokens = zk_load_seq_cst(&lane->tokens);

    while (tokens != 0)
        if (zk_cas_acq_rel(&lane->tokens, &tokens, tokens - 1))
            return true;
    return false;
}

/* Apart, so that a push that wakes nobody saves no registers. */
__attribute__((noinline)) static void
wake_near_us(zk_runtime_t *lane)
{
    if (send_one(lane, 1))
        rouse(lane, zk__domain_here(lane));
}

void
zk__worker_wake(zk_runtime_t *lane)
{
    zk_fence_seq_cst(); /* F3 = F4 (W2) */
    if (zk_load_relaxed(&lane->searching) == 0 &&
        (zk_load_relaxed(&lane->sleepers) != 0 || zk__lender() != NULL))
        wake_near_us(lane);
}

void
zk__worker_wake_all(zk_runtime_t *lane)
{
    for (unsigned i = 0; i < lane->ndomains; i++) {
        zk_add_seq_cst(&lane->domains[i].idle_event, 1u);
        zk__futex_wake(&lane->domains[i].idle_event, INT32_MAX);
    }
}

void
zk__worker_wake_for_release(zk_runtime_t *lane)
{
    if (zk_load_relaxed(&lane->sleepers) == 0)
        return; /* who goes to sleep later looks at the time first */
    for (unsigned i = 0; i < lane->ndomains; i++) {
        struct zk_domain *d = &lane->domains[i];

        if (zk_load_relaxed(&d->asleep) == 0)
            continue;
        zk_add_seq_cst(&d->idle_event, 1u);
        zk__futex_wake(&d->idle_event, 1);
    }
}

/* Near whom there is a task to take, beginning with our neighbour's deque; the number
 * of domains: there is none. */
static unsigned
work_in_sight(const struct zk_slot *self)
{
    const zk_runtime_t *lane = self->lane;
    unsigned n = zk__lane_slots(lane);

    for (unsigned k = 1; k <= n; k++) {
        unsigned at = self->index + k;
        const struct zk_slot *s = &lane->slots[at < n ? at : at - n];

        if (!zk__deque_empty(&s->deque))
            return s->domain;
    }
    return zk__domain_waiting(lane, self->domain);
}

/* The searcher has found a task. */
static void
stop_searching(const struct zk_slot *self)
{
    zk_runtime_t *lane = self->lane;
    uint32_t threads, sleepers, awake;
    unsigned near;

    zk_sub_seq_cst(&lane->searching, 1u); /* W1 */
    zk_fence_seq_cst();                   /* F4 = F3 */
    sleepers = zk_load_relaxed(&lane->sleepers);
    if (sleepers == 0 && zk__lender() == NULL)
        return;
    near = work_in_sight(self);
    if (near == lane->ndomains)
        return; /* who pushes from here on sees that we have gone */
    threads = zk_load_relaxed(&lane->threads);
    awake = threads > sleepers ? threads - sleepers : 1;
    for (int i = 0; i < 2 && send_one(lane, awake); i++)
        rouse(lane, near);
}

/*
 * Sleeps until somebody sends us searching. True: there was a task after all.
 * Either way the worker counts as searching before and after.
 */
static bool
sleep_unless_work(struct zk_slot *self, struct zk_task *task)
{
    zk_runtime_t *lane = self->lane;
    struct zk_domain *here = &lane->domains[self->domain];
    bool found, sent = false;

    zk_add_seq_cst(&lane->sleepers, 1u);
    zk_add_seq_cst(&here->asleep, 1u);
    zk_sub_seq_cst(&lane->searching, 1u); /* W1 */
    zk_fence_seq_cst();                   /* F4 = F3 */
    self->looks_aside = ZK_LOOKS_ASIDE;   /* E3: everywhere */
    found = zk__worker_find(self, task);
    while (!found && !zk_load_seq_cst(&lane->closing)) {
        uint32_t seen = zk_load_seq_cst(&here->idle_event);

        sent = take_token(lane); /* W3 */
        if (sent || zk_load_seq_cst(&lane->closing))
            break;
        uint64_t sleep_ns = zk__residency_step(lane);

        if (sleep_ns == 0)
            continue; /* there may be a task by now */
        zk_bump_relaxed(&self->sleeps, (uint64_t)1);
        zk__futex_wait(&here->idle_event, seen, sleep_ns);
    }
    zk_sub_seq_cst(&here->asleep, 1u);
    zk_sub_seq_cst(&lane->sleepers, 1u);
    if (!sent && !take_token(lane))
        zk_add_seq_cst(&lane->searching, 1u);
    if (lane->ndomains > 1 && zk_load_seq_cst(&lane->tokens) != 0)
        rouse(lane, self->domain); /* W4 */
    return found;
}

/*
 * Searches until there is a task or it is time to sleep. A crowded lane yields
 * its core at each try: the task it looks for may be waiting for that core.
 */
static bool
search(struct zk_slot *self, struct zk_task *task)
{
    zk_runtime_t *lane = self->lane;
    uint64_t spin_ns = (uint64_t)lane->config.spin_us * 1000;
    uint64_t start = zk_now_ns();

    for (;;) {
        for (int i = 0; i < TRIES_PER_CLOCK; i++) {
            if (zk__worker_find(self, task))
                return true;
            if (lane->crowded)
                sched_yield();
            else
                zk_pause();
        }
        if (zk_now_ns() - start >= spin_ns || zk_load_relaxed(&lane->closing))
            return false;
    }
}

void
zk__worker_work_on(struct zk_slot *self, struct zk_task task)
{
    zk__root_set(self, task.job->id);
    do
        zk__task_run(self, task);
    while (zk__deque_pop(&self->deque, 0, &task));
    zk__root_set(self, 0);
}

/*
 * What a worker works with, touched on its core. The top of its stack was written by
 * whoever started it, and its deque by whoever opened the lane.
 */
static void
settle(zk_runtime_t *lane, struct zk_slot *self)
{
    int node = lane->nodes[self->index];
    pthread_attr_t attr;
    size_t bytes;
    void *stack;

    zk__deque_touch(&self->deque);
    zk__forks_touch(&self->forks);
    zk__lane_gather(lane, self);
    if (lane->numa.mode == ZK_NUMA_OFF || node == ZK_NODE_NONE ||
        pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &stack, &bytes) == 0)
        zk__os_gather(stack, bytes, (unsigned)node);
    pthread_attr_destroy(&attr);
}

void *
zk__worker_main(void *arg)
{
    struct zk_slot *self = arg;
    zk_runtime_t *lane = self->lane;
    struct zk_task task;

    zk__thread.slot = self;
    zk__forks = &self->forks.open;
    zk__thread.entered = 1;
    if (lane->config.bind != ZK_BIND_NONE && self->index < lane->nworkers)
        zk__lane_bind(lane, self);
    zk_store_relaxed(&self->tid, (int)gettid());
    settle(lane, self);
    zk__warm_help(self);
    if (lane->borrows)
        zk__lease_serve(self);

    zk_add_seq_cst(&lane->searching, 1u);
    while (!zk_load_acquire(&lane->closing)) {
        if (!search(self, &task) && !sleep_unless_work(self, &task))
            continue;
        stop_searching(self);
        zk__worker_work_on(self, task);
        zk_add_seq_cst(&lane->searching, 1u);
    }
    zk_sub_seq_cst(&lane->searching, 1u);
    zk__forks = &zk__forks_none;
    zk__thread = (struct zk_thread){0};
    return NULL;
}
