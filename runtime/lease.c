/*
 * lease.c - threads that others have, lent to a lane for the length of a call.
 *
 * Owns:   which threads may take which tasks meanwhile, how they wait, and the
 *         thread for what comes from outside.
 * Never:  knows OpenMP: that is behind lender.h.
 *
 * A team of OpenMP exists for the length of a parallel region, and its threads are
 * free for others only while they wait. So a lane that borrows has no workers but
 * while somebody waits for a loop, a group or a phase. That one call is a lease:
 * the lender's threads search, run and sleep like workers, in slots of the lane,
 * until the call is over. They come back then, and the call returns only when all
 * of them have.
 *
 * Therefore they must not have anything in hand that may wait for the caller, who
 * may hold a lock. The threads of a lease run what comes of its call and nothing
 * else:
 *
 * Z1  A slot shows the lease that it works for. Who searches takes from slots
 *     that show the same one, and under a lease nothing from the inbox. (Workers
 *     of the lane's own show none.)
 * Z2  A slot that joins a lease has an empty deque, and the caller's has nothing
 *     from before: what was there goes to the inbox, where those who wait for it
 *     find it.
 * Z3  A thief that has read an old lease of its victim may hold a stranger's task.
 *     Then its own lease is over, and it gives the task to the inbox.
 *
 * O1 -> A1   the call is over before its slots show anything else, and what they
 *            push then is a release: so whoever steals it sees O1 (Z3)
 *
 * There is one lease of a team at a time: the second caller runs alone, as its
 * team would be one set of threads more. Inside a parallel region there may be
 * many, as they only get what idles there.
 */
#include "runtime/lease.h"

#include <sched.h>

#include "private/clock.h"
#include "runtime/futex.h"

#define NAP_FIRST_NS    ((uint64_t)50000)
#define NAP_LAST_NS     ((uint64_t)1000000)
#define SPINS_PER_CLOCK 32

struct zk_lease {
    zk_runtime_t *lane;
    void (*call)(void *arg);
    void *arg;
    _Atomic bool over;
};

/* ---- waking ----------------------------------------------------------- */

bool
zk__lease_wake(zk_runtime_t *lane)
{
    const struct zk_slot *self = zk__thread.slot;
    bool leased = self != NULL && zk_load_relaxed(&self->lease) != NULL;
    bool outside = zk__domain_waiting(lane, 0) != lane->ndomains;

    if (zk_load_relaxed(&lane->lent_asleep) != 0) {
        zk_add_seq_cst(&lane->lent_event, 1u);
        zk__futex_wake(&lane->lent_event, 1);
    }
    if (outside && zk_load_relaxed(&lane->service_asleep) != 0)
        zk__lease_wake_service(lane);
    return lane->borrows || (leased && !outside);
}

void
zk__lease_wake_service(zk_runtime_t *lane)
{
    zk_add_seq_cst(&lane->service_event, 1u);
    zk__futex_wake(&lane->service_event, 1);
}

/* ---- a lent thread ---------------------------------------------------- */

static void
to_inbox(struct zk_slot *self, struct zk_task task)
{
    zk_runtime_t *lane = self->lane;

    if (!zk__domain_put(lane, task)) {
        zk__task_run(self, task); /* progress comes first */
        return;
    }
    if (task.job == &lane->outside->detached)
        zk__lane_start_one(lane); /* nobody waits for it */
    zk__worker_wake(lane);
    zk__wait_wake(lane);
}

/* Z2: what stands below the mark. */
static void
hand_over(struct zk_slot *self, int64_t mark)
{
    struct zk_task task;

    while (zk_load_relaxed(&self->deque.top) < mark &&
           zk__deque_steal(&self->deque, &task))
        to_inbox(self, task);
}

/*
 * Sleeps for a while, at most. A push that comes between the last look and the
 * sleep is found after it: the caller of the lease would run it otherwise.
 */
static void
nap(const struct zk_lease *lease, uint64_t ns)
{
    zk_runtime_t *lane = lease->lane;
    uint32_t seen = zk_load_seq_cst(&lane->lent_event);

    zk_add_seq_cst(&lane->lent_asleep, 1u);
    if (!zk_load_seq_cst(&lease->over))
        zk__futex_wait(&lane->lent_event, seen, ns);
    zk_sub_seq_cst(&lane->lent_asleep, 1u);
}

/* Searches for work. False: none, and the lease is over. */
static bool
search(struct zk_slot *self, const struct zk_lease *lease, struct zk_task *task)
{
    zk_runtime_t *lane = self->lane;
    uint64_t spin_ns = (uint64_t)lane->config.spin_us * 1000;
    uint64_t start = zk_now_ns(), nap_ns = 0;

    for (unsigned tries = 1; !zk_load_acquire(&lease->over); tries++) {
        if (zk__worker_find(self, task))
            return true;
        if (nap_ns != 0) {
            nap(lease, nap_ns);
            nap_ns = nap_ns < NAP_LAST_NS ? nap_ns * 2 : nap_ns;
        } else if (lane->crowded) {
            sched_yield();
        } else {
            zk_pause();
        }
        if (nap_ns == 0 && tries % SPINS_PER_CLOCK == 0 &&
            zk_now_ns() - start >= spin_ns)
            nap_ns = NAP_FIRST_NS;
    }
    return false;
}

static void
work_for(struct zk_slot *self, struct zk_lease *lease)
{
    struct zk_task task;

    hand_over(self, ZK_ALL_BEFORE);
    zk_store_relaxed(&self->lease, lease);
    while (search(self, lease, &task))
        if (zk_load_acquire(&lease->over)) /* A1 <- O1 */
            to_inbox(self, task);          /* Z3 */
        else
            zk__worker_work_on(self, task);
    zk_store_relaxed(&self->lease, NULL);
}

/* A thread of the lender: it may be inside the lane already, or elsewhere. */
static void
lend(struct zk_lease *lease, unsigned index)
{
    struct zk_slot *self = zk__thread.slot;

    if (zk_load_acquire(&lease->over))
        return;
    if (self == NULL) {
        self = zk__member_enter_at(lease->lane, index);
        if (self == NULL)
            return;
        work_for(self, lease);
        zk__member_leave(self);
    } else if (self->lane == lease->lane && self->job == NULL &&
               zk_load_relaxed(&self->lease) == NULL &&
               !zk__forks_any(&self->forks)) {
        work_for(self, lease);
    }
}

/* ---- the caller ------------------------------------------------------- */

bool
zk__lease_possible(const struct zk_slot *self)
{
    return self->job == NULL && zk_load_relaxed(&self->lease) == NULL &&
           (self->lane->borrows || zk__lender()->inside());
}

static void
take_part(unsigned index, void *arg)
{
    struct zk_lease *lease = arg;

    if (index != 0) {
        lend(lease, index);
        return;
    }
    lease->call(lease->arg);
    zk_store_seq_cst(&lease->over, true); /* O1 -> A1 */
    if (zk_load_seq_cst(&lease->lane->lent_asleep) != 0) {
        zk_add_seq_cst(&lease->lane->lent_event, 1u);
        zk__futex_wake(&lease->lane->lent_event, INT32_MAX);
    }
}

void
zk__lease_run(struct zk_slot *self, int64_t mark, void (*call)(void *arg),
              void *arg)
{
    const struct zk_lender *lender = zk__lender();
    zk_runtime_t *lane = self->lane;
    struct zk_lease lease = {.lane = lane, .call = call, .arg = arg};
    bool inside = lender->inside(), lending = false;
    unsigned others = inside ? 1 : lane->nworkers - 1;

    if (!inside &&
        (others == 0 || !zk_cas_acq_rel(&lane->lending, &lending, true))) {
        call(arg);
        return;
    }
    if (zk__forks_private(&self->forks))
        zk__forks_share(self); /* K2 in fork.h: they are older, too */
    hand_over(self, mark);
    zk_store_relaxed(&self->lease, &lease);
    /* They are counted before they come, so that a loop offers its halves. */
    zk_add_release(&lane->threads, others);
    if (inside)
        lender->borrow(take_part, &lease);
    else
        lender->team(others + 1, take_part, &lease);
    zk_sub_seq_cst(&lane->threads, others);
    zk_store_relaxed(&self->lease, NULL);
    if (!inside)
        zk_store_release(&lane->lending, false);
}

/* ---- what comes from outside ------------------------------------------ */

void
zk__lease_serve(struct zk_slot *self)
{
    zk_runtime_t *lane = self->lane;
    struct zk_task task;

    while (!zk_load_acquire(&lane->closing)) {
        uint32_t seen = zk_load_seq_cst(&lane->service_event);

        if (zk__domain_take(self, NULL, NULL, &task)) {
            zk__worker_work_on(self, task);
            continue;
        }
        zk_store_seq_cst(&lane->service_asleep, 1u);
        zk_fence_seq_cst(); /* F9 = F3: we see what was put, or are seen */
        if (zk__domain_waiting(lane, 0) == lane->ndomains &&
            !zk_load_seq_cst(&lane->closing))
            zk__futex_wait(&lane->service_event, seen, ZK_FOREVER);
        zk_store_seq_cst(&lane->service_asleep, 0u);
    }
}
