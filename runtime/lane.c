/*
 * lane.c - opening and closing lanes, starting their threads, and fork.
 *
 * Owns:   the registry of open lanes and the default one.
 * Never:  runs tasks.
 */
#include "runtime/lane.h"

#include <signal.h>
#include <string.h>

#include "alloc/budget.h"
#include "alloc/heap.h"
#include "alloc/heap/pages.h"
#include "alloc/os.h"
#include "alloc/overflow.h"
#include "alloc/region.h"
#include "alloc/trap.h"
#include "private/bits.h"
#include "private/check.h"
#include "runtime/cgroup.h"
#include "runtime/futex.h"
#include "runtime/lease.h"
#include "runtime/topology.h"

static struct {
    pthread_mutex_t lock;
    zk_runtime_t *first;
    zk_runtime_t *standard; /* the default lane */
    uint64_t serials;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Held while the default lane is being opened; before all other locks. */
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

/* ---- fork ------------------------------------------------------------- */

/* Tasks that other threads of the parent had in hand will not end here. */
static void
forget_tasks(struct zk_phase *phase)
{
    uint64_t done = 0, pushed = zk_load_relaxed(&phase->far_pushed);

    for (unsigned i = 0; i < phase->lane->nslots; i++) {
        pushed += zk_load_relaxed(&phase->count[i].pushed);
        done += zk_load_relaxed(&phase->count[i].done);
    }
    zk_bump_relaxed(&phase->count[0].done, pushed - done);
}

/*
 * A child has only the thread that forked. Its lanes go on without workers: what
 * the parent's other threads had begun is theirs, not the child's. A child that
 * was forked inside a task or with tasks of its own pending may only exec.
 */
static void
become_serial(zk_runtime_t *lane)
{
    zk_store_relaxed(&lane->threads, 0u);
    zk_store_relaxed(&lane->own_threads, 0u);
    zk_store_relaxed(&lane->started, true); /* and never start any */
    lane->borrows = false;                  /* OpenMP's are not here either */
    zk_store_relaxed(&lane->lent_asleep, 0u);
    zk_store_relaxed(&lane->service_asleep, 0u);
    zk_store_relaxed(&lane->sleepers, 0u);
    zk_store_relaxed(&lane->searching, 0u);
    zk_store_relaxed(&lane->tokens, 0u);
    zk_store_relaxed(&lane->waiters, 0u);
    zk__domains_forked(lane);
    pthread_mutex_init(&lane->lock, NULL);
    zk__warm_forked(lane);
    pthread_mutex_init(&lane->watch_lock, NULL);
    lane->told = NULL; /* nobody is here who would tell */
    lane->watcher_runs = false;
    forget_tasks(lane->outside);
    for (unsigned i = 0; i < zk_load_relaxed(&lane->nphases); i++) {
        forget_tasks(lane->phases[i]);
        zk_store_relaxed(&lane->phases[i]->still, false);
        zk_store_relaxed(&lane->phases[i]->attached,
                         lane->phases[i] == zk__thread.attached ? 1u : 0u);
        lane->phases[i]->team = 0;
        lane->phases[i]->watch.fn = NULL;
        zk__arena_after_fork(lane->phases[i]->arena);
        zk__arena_forked(lane->phases[i]->arena,
                         lane->phases[i] == zk__thread.last &&
                             zk__thread.depth != 0);
        if (lane->phases[i] != zk__thread.last) { /* its opener is not here */
            zk_store_relaxed(&lane->phases[i]->open, false);
            zk__budget_unreserve(&lane->phases[i]->arena->budget);
            if (zk__cancel_is_open(lane->phases[i]->cell))
                (void)zk__cancel_close(lane->phases[i]->cell);
            /* One whose slabs were just moving is used no more. */
            lane->phases[i]->held =
                zk_load_relaxed(&lane->phases[i]->arena->moving);
        }
    }

    for (unsigned i = 0; i < lane->nslots; i++) {
        struct zk_slot *s = &lane->slots[i];

        if (s == zk__thread.slot)
            continue;
        zk_store_relaxed(&s->deque.top, zk_load_relaxed(&s->deque.bottom));
        zk_store_relaxed(&s->root, (uint64_t)0);
        zk__forks_drop(&s->forks);
        zk_store_relaxed(&s->lease, NULL);
        zk_store_relaxed(&s->taken, i != 0 && i < lane->nworkers);
        s->thread = 0; /* the parent's: not to be joined here */
        zk_store_relaxed(&s->tid, 0);
    }
}

/* All locks of the process, the outermost first: another thread may hold any of
 * them at the fork, and it would not be there to give it back. */
static void
before_fork(void)
{
    pthread_mutex_lock(&opening);
    zk__admission_lock();
    pthread_mutex_lock(&registry.lock);
    zk__topology_lock();
    zk__notice_lock();
    zk__trap_lock();
    zk__budget_lock();
    zk__overflow_lock();
    zk__region_lock();
    zk__arena_lock_table();
}

static void
after_fork_in_parent(void)
{
    zk__arena_unlock_table();
    zk__region_unlock();
    zk__overflow_unlock();
    zk__budget_unlock();
    zk__trap_unlock();
    zk__notice_unlock();
    zk__topology_unlock();
    pthread_mutex_unlock(&registry.lock);
    zk__admission_unlock();
    pthread_mutex_unlock(&opening);
}

static void
after_fork_in_child(void)
{
    zk_store_relaxed(&zk__the_lender, NULL); /* its threads are not here */
    for (zk_runtime_t *l = registry.first; l != NULL; l = l->next)
        become_serial(l);
    after_fork_in_parent();
}

/* The heap's handler is there before ours, so that a fork takes the heap's locks
 * after ours: releasing memory for a budget takes the registry's and then them. */
static void
handle_forks(void)
{
    (void)zk__heap_ready();
    (void)pthread_atfork(before_fork, after_fork_in_parent,
                         after_fork_in_child);
}

/* Before the first of those locks is taken. */
static void
handle_forks_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, handle_forks);
}

/* ---- opening ---------------------------------------------------------- */

/* How far thieves have to go: not beyond the nodes and caches that there are. */
static unsigned
reach_of(const zk_runtime_t *lane)
{
    const struct zk_pu *pus = lane->topology->pus;
    const struct zk_pu *first = &pus[lane->slots[0].pu];
    unsigned reach = 0;

    for (unsigned i = 1; i < lane->nworkers; i++) {
        const struct zk_pu *pu = &pus[lane->slots[i].pu];

        if (pu->domain != first->domain)
            return ZK_DISTANCE_FAR;
        if (pu->cache != first->cache)
            reach = 1;
    }
    return reach;
}

/*
 * Which slots a thief tries, nearest first, is computed when it looks: the list
 * of all pairs would be quadratic. Here only the places of the workers.
 */
static void
init_slots(zk_runtime_t *lane)
{
    for (unsigned i = 0; i < lane->nslots; i++) {
        struct zk_slot *s = &lane->slots[i];
        const unsigned *units;
        unsigned single;

        s->lane = lane;
        s->index = i;
        (void)zk__plan_units(&lane->plan, &lane->config, lane->topology,
                             i % lane->nworkers, &units, &single);
        s->pu = units[0];
        s->phase = lane->outside;
        s->random = (lane->config.seed + i + 1) * 0x9e3779b97f4a7c15u;
        zk_store_relaxed(&s->taken,
                         i != 0 && i < lane->nworkers && !lane->borrows);
    }
    lane->reach = reach_of(lane);
}

void
zk__lane_gather(zk_runtime_t *lane, struct zk_slot *slot)
{
    int node = lane->nodes[slot->index];

    if (lane->numa.mode == ZK_NUMA_OFF || node == ZK_NODE_NONE)
        return;
    zk__deque_gather(&slot->deque, (unsigned)node);
    zk__forks_gather(&slot->forks, (unsigned)node);
}

static void
numa_refused(int error, void *arg)
{
    zk_runtime_t *lane = arg;
    int none = 0;

    if (zk_cas_acq_rel(&lane->numa_error, &none, error))
        zk__notice(
            &lane->config,
            "the system refuses to bind memory to NUMA nodes (error %d): "
            "pages lie where they are touched first",
            error);
}

/*
 * What is known of the slots: a worker's node. Which thread takes a spare slot is
 * not, unless the lane is one node's. With a single node there is nothing to choose,
 * and the calls are saved.
 */
static void
init_numa(zk_runtime_t *lane)
{
    const struct zk_topology *t = lane->topology;
    struct zk_numa *numa = &lane->numa;

    *numa = (struct zk_numa){.mode = lane->config.numa,
                             .nodes = lane->config.numa_nodes,
                             .of_slot = lane->nodes,
                             .refused = numa_refused,
                             .arg = lane};
    if (numa->mode == ZK_NUMA_LANES)
        numa->mode = ZK_NUMA_LOCAL;
    if (t->imagined ||
        (t->nnodes == 1 && !t->part && numa->mode != ZK_NUMA_BIND))
        numa->mode = ZK_NUMA_OFF;
    for (unsigned i = 0; i < lane->nslots; i++) {
        bool known = t->part ||
                     (i < lane->nworkers && lane->config.bind != ZK_BIND_NONE);
        unsigned node = t->pus[lane->slots[i].pu].node;

        lane->nodes[i] = known ? (int)node : ZK_NODE_NONE;
        if (numa->mode == ZK_NUMA_INTERLEAVE)
            zk__nodes_add(&numa->nodes, node);
        if (i == 0 || i >= lane->nworkers) /* see init_deques() */
            zk__lane_gather(lane, &lane->slots[i]);
    }
    for (unsigned i = 0;
         i < lane->ndomains && lane->ndomains > 1 && numa->mode != ZK_NUMA_OFF;
         i++)
        zk__inbox_gather(&lane->domains[i].inbox,
                         t->pus[lane->domains[i].pu].node);
}

/* A worker that is a thread of ours touches its own, once it is on its core. */
static bool
init_deques(zk_runtime_t *lane)
{
    for (unsigned i = 0; i < lane->nslots; i++) {
        if (!zk__deque_init(&lane->slots[i].deque) ||
            !zk__forks_init(&lane->slots[i].forks))
            return false;
        if (i == 0 || i >= lane->nworkers) {
            zk__deque_touch(&lane->slots[i].deque);
            zk__forks_touch(&lane->slots[i].forks);
        }
    }
    return true;
}

static void
destroy(zk_runtime_t *lane)
{
    for (unsigned i = 0; i < zk_load_relaxed(&lane->nphases); i++) {
        zk__arena_destroy(lane->phases[i]->arena);
        zk__phase_delete(lane->phases[i]);
    }
    if (lane->outside != NULL)
        zk__phase_delete(lane->outside);
    for (unsigned i = 0; i < lane->nslots; i++) {
        zk__deque_fini(&lane->slots[i].deque);
        zk__forks_fini(&lane->slots[i].forks);
    }
    zk__domains_fini(lane);
    pthread_mutex_destroy(&lane->lock);
    pthread_mutex_destroy(&lane->watch_lock);
    zk__places_free(&lane->plan.places);
    zk__topology_free(&lane->part);
    pthread_mutex_destroy(&lane->learn_lock);
    zk__os_unmap(lane, lane->records);
}

/* The first arena, so that the lane can say what slab size it got. */
static void
reserve_first_arena(zk_runtime_t *lane)
{
    struct zk_phase *phase = zk__phase_with_arena(lane);
    size_t got;

    if (phase == NULL) {
        zk__notice(&lane->config, "no address space for an arena: phases "
                                  "cannot begin");
        return;
    }
    got = phase->arena->slab_bytes;
    lane->slab_bytes_got = got;
    zk__phase_add(lane, phase);
    if (got < lane->config.slab_bytes)
        zk__notice(&lane->config,
                   "slabs have %zu MiB of address space, not "
                   "%zu MiB",
                   got >> 20, lane->config.slab_bytes >> 20);
}

static void
enter_registry(zk_runtime_t *lane)
{
    pthread_mutex_lock(&registry.lock);
    lane->serial = ++registry.serials;
    lane->next = registry.first;
    registry.first = lane;
    pthread_mutex_unlock(&registry.lock);
}

static void
leave_registry(const zk_runtime_t *lane)
{
    pthread_mutex_lock(&registry.lock);
    for (zk_runtime_t **l = &registry.first; *l != NULL; l = &(*l)->next)
        if (*l == lane) {
            *l = lane->next;
            break;
        }
    if (registry.standard == lane)
        registry.standard = NULL;
    pthread_mutex_unlock(&registry.lock);
}

/*
 * Whether the lane's threads are borrowed. Who lends them also places them, so
 * that lane binds nobody, and its width is theirs where nothing else was said.
 */
static bool
borrow(struct zk_config *config)
{
    const struct zk_lender *lender = zk__lender();

    if (config->backend != ZK_BACKEND_OPENMP)
        return false;
    if (lender == NULL) {
        zk__notice(config, "the backend openmp is not in this program (link "
                           "zkrt-omp): pthreads is used");
        return false;
    }
    if (config->workers == 0 || config->workers_hint) {
        config->workers = lender->width();
        config->workers_from = "OpenMP";
        config->workers_hint = false; /* it has the last word */
    }
    config->bind = ZK_BIND_NONE;
    return true;
}

/* Read at each open: an operator may have changed it. */
static unsigned
cpu_quota(void)
{
    struct zk_cgroup g;

    return zk__cgroup_find(&g, "", "cpu") ? zk__cgroup_cpu_percent(&g) : 0;
}

zk_err_t
zk__lane_decide(struct zk_opening *o, const zk_options_t *options)
{
    zk_err_t err;

    handle_forks_once();
    *o = (struct zk_opening){0};
    err = zk__config_read(&o->config, options);
    if (err != ZK_OK)
        return err;
    o->topology = zk__topology_get();
    if (o->topology == NULL)
        return ZK_ENOMEM;
    o->borrows = borrow(&o->config);
    if (zk__topology_trouble() != NULL)
        zk__notice(&o->config, "%s", zk__topology_trouble());
    return zk__plan_make(&o->plan, &o->config, o->topology, cpu_quota())
               ? ZK_OK
               : ZK_ENOMEM;
}

/* The record of a lane and its slots; NULL: no memory. */
static zk_runtime_t *
new_record(const struct zk_opening *o)
{
    const struct zk_topology *t = o->part.npus != 0 ? &o->part : o->topology;
    unsigned nslots = o->plan.workers + o->config.spare_slots;
    unsigned room = zk__domain_room(t, o->plan.workers);
    unsigned ncpus = zk__domain_cpus(t);
    size_t bytes = sizeof(zk_runtime_t) +
                   nslots * (sizeof(struct zk_slot) + sizeof(int)) +
                   room * sizeof(struct zk_domain) + ncpus * sizeof(uint16_t);
    zk_runtime_t *lane;

    bytes = zk_round_up(bytes, zk__os_page());
    lane = zk__os_map(bytes);
    if (lane == NULL)
        return NULL;
    lane->config = o->config;
    lane->plan = o->plan;
    lane->part = o->part;
    lane->topology = o->part.npus != 0 ? &lane->part : o->topology;
    lane->records = bytes;
    lane->nworkers = o->plan.workers;
    lane->nslots = nslots;
    lane->domains = (struct zk_domain *)(void *)&lane->slots[nslots];
    lane->nodes = (int *)(void *)&lane->domains[room];
    lane->domain_of_cpu = (uint16_t *)(void *)&lane->nodes[nslots];
    lane->ncpus = ncpus;
    lane->crowded = lane->nworkers > lane->topology->npus;
    lane->borrows = o->borrows;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_mutex_init(&lane->learn_lock, NULL);
    pthread_mutex_init(&lane->watch_lock, NULL);
    return lane;
}

zk_err_t
zk__lane_open(zk_runtime_t **out, const struct zk_opening *o)
{
    zk_runtime_t *lane = new_record(o);

    if (lane == NULL) {
        struct zk_places places = o->plan.places;
        struct zk_topology part = o->part;

        zk__places_free(&places);
        zk__topology_free(&part);
        return ZK_ENOMEM;
    }
    lane->outside = zk__phase_new(lane, NULL);
    if (lane->outside == NULL || !init_deques(lane)) {
        destroy(lane);
        return ZK_ENOMEM;
    }
    zk_store_relaxed(&lane->outside->open, true);
    zk__pages_set_decay(lane->config.decay_ms);
    init_slots(lane);
    zk__domains_init(lane);
    zk__budget_decide(lane);
    init_numa(lane);
    enter_registry(lane);
    reserve_first_arena(lane); /* its reports name the lane's serial */
    zk__warm_open(lane);
    zk__display(lane);
    *out = lane;
    return ZK_OK;
}

zk_err_t
zk_runtime_open(zk_runtime_t **out, const zk_options_t *options)
{
    struct zk_opening o;
    zk_err_t err;

    if (out == NULL)
        return ZK_EINVAL;
    *out = NULL;
    err = zk__lane_decide(&o, options);
    return err == ZK_OK ? zk__lane_open(out, &o) : err;
}

zk_runtime_t *
zk__lane_default(void)
{
    zk_runtime_t *lane;

    handle_forks_once();
    pthread_mutex_lock(&opening);
    pthread_mutex_lock(&registry.lock);
    lane = registry.standard;
    pthread_mutex_unlock(&registry.lock);

    if (lane == NULL && zk_runtime_open(&lane, NULL) == ZK_OK) {
        pthread_mutex_lock(&registry.lock);
        registry.standard = lane;
        pthread_mutex_unlock(&registry.lock);
    }
    pthread_mutex_unlock(&opening);
    return lane;
}

bool
zk__lane_alive(const zk_runtime_t *lane, uint64_t serial)
{
    bool alive = false;

    pthread_mutex_lock(&registry.lock);
    for (zk_runtime_t *l = registry.first; l != NULL && !alive; l = l->next)
        alive = l == lane && l->serial == serial;
    pthread_mutex_unlock(&registry.lock);
    return alive;
}

/* The same of a pointer that may be anything. */
static bool
is_open(const zk_runtime_t *lane)
{
    bool open = false;

    pthread_mutex_lock(&registry.lock);
    for (zk_runtime_t *l = registry.first; l != NULL && !open; l = l->next)
        open = l == lane;
    pthread_mutex_unlock(&registry.lock);
    return open;
}

void
zk__lane_each(void (*fn)(zk_runtime_t *lane, void *arg), void *arg)
{
    pthread_mutex_lock(&registry.lock);
    for (zk_runtime_t *l = registry.first; l != NULL; l = l->next)
        fn(l, arg);
    pthread_mutex_unlock(&registry.lock);
}

void
zk__lane_return_phase(zk_runtime_t *lane, uint64_t serial,
                      struct zk_phase *phase)
{
    pthread_mutex_lock(&registry.lock); /* it cannot close meanwhile */
    for (zk_runtime_t *l = registry.first; l != NULL; l = l->next)
        if (l == lane && l->serial == serial) {
            pthread_mutex_lock(&lane->lock);
            phase->orphan = zk_load_acquire(&phase->attached) != 0;
            phase->held = phase->orphan; /* M2 in team.c */
            if (!phase->orphan)
                zk__residency_returned(phase);
            pthread_mutex_unlock(&lane->lock);
        }
    pthread_mutex_unlock(&registry.lock);
}

/* ---- threads ---------------------------------------------------------- */

/* A signal handler of the application does not expect to run on a worker. The
 * signals that a fault raises must stay open: blocked, they kill. */
static void
block_signals(sigset_t *old)
{
    static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE,
                                 SIGILL,  SIGTRAP, SIGSYS};
    sigset_t set;

    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, old);
}

void
zk__lane_bind(zk_runtime_t *lane, const struct zk_slot *slot)
{
    const unsigned *units;
    bool known = false;
    unsigned single;
    unsigned n = zk__plan_units(&lane->plan, &lane->config, lane->topology,
                                slot->index, &units, &single);

    if (!zk__topology_bind(lane->topology, units, n) &&
        zk_cas_acq_rel(&lane->bind_refused, &known, true))
        zk__notice(&lane->config,
                   "the system refuses to bind threads to their cores");
}

bool
zk__lane_start_helper(const zk_runtime_t *lane, pthread_t *thread,
                      void *(*body)(void *), void *arg)
{
    pthread_attr_t attr;
    sigset_t old;
    int rc;

    if (pthread_attr_init(&attr) != 0)
        return false;
    if (lane->config.stack_bytes != 0)
        (void)pthread_attr_setstacksize(&attr, lane->config.stack_bytes);
    block_signals(&old);
    rc = pthread_create(thread, &attr, body, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0;
}

/* Starts the worker of one slot. False: the system refused. */
static bool
start_thread(zk_runtime_t *lane, struct zk_slot *slot)
{
    if (!zk__lane_start_helper(lane, &slot->thread, zk__worker_main, slot)) {
        slot->thread = 0; /* libc has written there before it gave up */
        return false;
    }
    zk_add_release(&lane->own_threads, 1u);
    if (!lane->borrows) /* else it takes from nobody */
        zk_add_release(&lane->threads, 1u);
    return true;
}

void
zk__lane_start(zk_runtime_t *lane)
{
    const struct zk_lender *lender = zk__lender();

    if (ZK_LIKELY(zk_load_acquire(&lane->started)))
        return;
    if (lender != NULL && zk__thread.slot != NULL && lender->inside())
        return; /* the caller's team has a thread on each core already */

    pthread_mutex_lock(&lane->lock);
    if (!zk_load_relaxed(&lane->started)) {
        unsigned wanted = lane->borrows ? 0 : lane->nworkers - 1;
        unsigned i = 1;

        while (i <= wanted && start_thread(lane, &lane->slots[i]))
            i++;
        if (i <= wanted)
            zk__notice(&lane->config,
                       "the system refused a thread: %u workers "
                       "instead of %u",
                       i, lane->nworkers);
        zk_store_release(&lane->started, true);
    }
    pthread_mutex_unlock(&lane->lock);
}

void
zk__lane_start_one(zk_runtime_t *lane)
{
    zk__lane_start(lane);
    if (ZK_LIKELY(zk_load_acquire(&lane->own_threads) != 0))
        return;

    /* One worker, and it may never come inside: a free guest's slot gets a
     * thread of its own. */
    pthread_mutex_lock(&lane->lock);
    for (unsigned i = lane->nworkers; i < lane->nslots; i++) {
        struct zk_slot *slot = &lane->slots[i];
        bool taken = false;

        if (zk_load_relaxed(&lane->own_threads) != 0)
            break;
        if (!zk_cas_acq_rel(&slot->taken, &taken, true))
            continue;
        zk__lane_note_guest(lane, i - lane->nworkers + 1);
        if (!start_thread(lane, slot)) {
            zk_store_release(&slot->taken, false);
            break;
        }
    }
    pthread_mutex_unlock(&lane->lock);
}

/* ---- closing ---------------------------------------------------------- */

/* Whether a thread other than the caller is inside, or a phase is open. */
static bool
in_use(zk_runtime_t *lane)
{
    bool busy = false;

    for (unsigned i = 0; i < lane->nslots && !busy; i++) {
        struct zk_slot *s = &lane->slots[i];
        bool worker = i != 0 && i < lane->nworkers && !lane->borrows;

        busy = !worker && s != zk__thread.slot && s->thread == 0 &&
               zk_load_acquire(&s->taken);
    }
    pthread_mutex_lock(&lane->lock);
    for (unsigned i = 0; i < zk_load_relaxed(&lane->nphases) && !busy; i++)
        busy = zk_load_relaxed(&lane->phases[i]->open);
    pthread_mutex_unlock(&lane->lock);
    return busy;
}

static void
join_threads(zk_runtime_t *lane)
{
    zk_store_seq_cst(&lane->closing, true);
    zk__worker_wake_all(lane);
    zk__lease_wake_service(lane);
    for (unsigned i = 0; i < lane->nslots; i++)
        if (lane->slots[i].thread != 0)
            pthread_join(lane->slots[i].thread, NULL);
}

zk_err_t
zk_runtime_close(zk_runtime_t *lane)
{
    struct zk_thread *me = &zk__thread;
    struct zk_slot *self;

    if (lane == NULL)
        return ZK_OK;
    if (me->slot != NULL &&
        (me->slot->job != NULL || zk__forks_any(&me->slot->forks)))
        return ZK_EPERM;
    if (!is_open(lane))
        return ZK_ESTALE;
    zk__phase_end_abandoned(__builtin_frame_address(0));
    if (in_use(lane))
        return ZK_EBUSY;

    /* Detached tasks of no phase are awaited, with our help. */
    if (me->slot != NULL && me->slot->lane == lane) {
        zk__wait_phase(me->slot, lane->outside);
        me->entered = 1;
        (void)!zk_runtime_leave();
    } else if (!zk__phase_quiet(lane->outside)) {
        self = me->slot == NULL ? zk__member_enter(lane) : NULL;
        zk__wait_phase(self, lane->outside);
        if (self != NULL)
            zk__member_leave(self);
    }
    if (me->last_lane == lane)
        zk__phase_forget(me);

    zk__warm_close(lane);
    leave_registry(lane);
    zk__progress_close(lane);
    join_threads(lane);
    destroy(lane);
    return ZK_OK;
}
