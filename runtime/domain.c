/*
 * domain.c - which node's inbox a task goes to, and comes from.
 *
 * Owns:   the table from CPUs to domains.
 * Never:  asks the system anything but which CPU the caller runs on (sched_getcpu: no
 *         system call).
 */
#include "runtime/domain.h"

#include <sched.h>

#include "runtime/lane.h"
#include "runtime/topology.h"

#define CPUS_MAX 65536u /* a machine's description may say anything */

unsigned
zk__domain_room(const struct zk_topology *t, unsigned workers)
{
    return t->nnodes < workers ? t->nnodes : workers;
}

unsigned
zk__domain_cpus(const struct zk_topology *t)
{
    unsigned n = 0;

    for (unsigned i = 0; i < t->npus && t->nnodes > 1; i++)
        if (t->pus[i].os_index >= n && t->pus[i].os_index < CPUS_MAX)
            n = t->pus[i].os_index + 1;
    return n;
}

/* The domain that is nearest to a unit. pre: there is one */
static unsigned
nearest(const zk_runtime_t *lane, unsigned pu)
{
    unsigned best = 0, least = ZK_DISTANCES;

    for (unsigned i = 0; i < lane->ndomains; i++) {
        unsigned far =
            zk__topology_distance(lane->topology, pu, lane->domains[i].pu);

        if (far < least) {
            best = i;
            least = far;
        }
    }
    return best;
}

/* True where the worker's node was seen among those before it. */
static bool
has_domain(const zk_runtime_t *lane, unsigned pu)
{
    const struct zk_pu *pus = lane->topology->pus;

    for (unsigned i = 0; i < lane->ndomains; i++)
        if (pus[lane->domains[i].pu].domain == pus[pu].domain)
            return true;
    return false;
}

static void
add(zk_runtime_t *lane, unsigned pu)
{
    struct zk_domain *d = &lane->domains[lane->ndomains++];

    zk__inbox_init(&d->inbox);
    d->pu = pu;
}

void
zk__domains_init(zk_runtime_t *lane)
{
    const struct zk_topology *t = lane->topology;
    bool many = t->nnodes > 1 && lane->config.bind != ZK_BIND_NONE;

    add(lane, lane->slots[0].pu);
    for (unsigned i = 1; i < lane->nworkers && many; i++)
        if (!has_domain(lane, lane->slots[i].pu))
            add(lane, lane->slots[i].pu);
    for (unsigned i = 0; i < lane->nslots; i++)
        lane->slots[i].domain = nearest(lane, lane->slots[i].pu);
    for (unsigned i = 0; i < t->npus; i++)
        if (t->pus[i].os_index < lane->ncpus)
            lane->domain_of_cpu[t->pus[i].os_index] =
                (uint16_t)nearest(lane, i);
}

void
zk__domains_fini(zk_runtime_t *lane)
{
    for (unsigned i = 0; i < lane->ndomains; i++)
        zk__inbox_fini(&lane->domains[i].inbox);
}

void
zk__domains_forked(zk_runtime_t *lane)
{
    for (unsigned i = 0; i < lane->ndomains; i++) {
        zk__inbox_init(&lane->domains[i].inbox);
        zk_store_relaxed(&lane->domains[i].asleep, 0u);
    }
}

unsigned
zk__domain_here(const zk_runtime_t *lane)
{
    const struct zk_slot *self = zk__thread.slot;
    int cpu;

    if (ZK_LIKELY(lane->ndomains == 1))
        return 0;
    if (self != NULL && self->lane == lane && self->index != 0 &&
        self->index < lane->nworkers)
        return self->domain; /* it is bound */
    cpu = sched_getcpu();
    return cpu >= 0 && (unsigned)cpu < lane->ncpus ? lane->domain_of_cpu[cpu]
                                                   : 0;
}

bool
zk__domain_put(zk_runtime_t *lane, struct zk_task task)
{
    return zk__inbox_put(&lane->domains[zk__domain_here(lane)].inbox, task);
}

/* ---- taking ----------------------------------------------------------------- */

static bool
take_near(struct zk_slot *self,
          bool (*wanted)(const struct zk_task *task, const void *arg),
          const void *arg, struct zk_task *task)
{
    struct zk_domain *own = &self->lane->domains[self->domain];

    if (!zk__inbox_take(&own->inbox, wanted, arg, task))
        return false;
    zk_bump_relaxed(&self->outside_near, (uint64_t)1);
    return true;
}

/* In the order of their distance, which is computed where there is something. */
static bool
take_far(struct zk_slot *self,
         bool (*wanted)(const struct zk_task *task, const void *arg),
         const void *arg, struct zk_task *task)
{
    const zk_runtime_t *lane = self->lane;
    unsigned n = lane->ndomains, pu = lane->domains[self->domain].pu;

    for (unsigned far = 2; far <= ZK_DISTANCE_FAR; far++)
        for (unsigned k = 1; k < n; k++) {
            unsigned at = self->domain + k;
            struct zk_domain *d = &lane->domains[at < n ? at : at - n];

            if (zk_load_relaxed(&d->inbox.count) == 0 ||
                zk__topology_distance(lane->topology, pu, d->pu) != far ||
                !zk__inbox_take(&d->inbox, wanted, arg, task))
                continue;
            zk_bump_relaxed(&self->outside_far, (uint64_t)1);
            return true;
        }
    return false;
}

bool
zk__domain_take(struct zk_slot *self,
                bool (*wanted)(const struct zk_task *task, const void *arg),
                const void *arg, struct zk_task *task)
{
    return take_near(self, wanted, arg, task) ||
           (self->lane->ndomains > 1 && take_far(self, wanted, arg, task));
}

unsigned
zk__domain_waiting(const zk_runtime_t *lane, unsigned start)
{
    unsigned n = lane->ndomains;

    for (unsigned k = 0; k < n; k++) {
        unsigned at = start + k < n ? start + k : start + k - n;

        if (zk_load_relaxed(&lane->domains[at].inbox.count) != 0)
            return at;
    }
    return n;
}

/* E3: whether what lies elsewhere is to be left there this time. */
static bool
look_aside(struct zk_slot *self)
{
    const zk_runtime_t *lane = self->lane;

    if (zk__domain_waiting(lane, self->domain) == lane->ndomains) {
        self->looks_aside = 0;
        return true;
    }
    return !lane->crowded && self->looks_aside++ < ZK_LOOKS_ASIDE;
}

bool
zk__domain_find(struct zk_slot *self, struct zk_task *task)
{
    bool others_first = self->near_in_a_row >= ZK_NEAR_IN_A_ROW; /* E4 */

    if (self->lane->ndomains == 1)
        return take_near(self, NULL, NULL, task);
    if (!others_first && take_near(self, NULL, NULL, task)) {
        self->near_in_a_row++;
        self->looks_aside = 0;
        return true;
    }
    if (!others_first && look_aside(self))
        return false;
    self->near_in_a_row = 0;
    self->looks_aside = 0;
    return take_far(self, NULL, NULL, task) ||
           (others_first && take_near(self, NULL, NULL, task));
}
