/*
 * topology.c - hwloc.
 *
 * Owns:   the one loaded topology, and the calls that bind threads.
 * Never:  decides how many workers there are.
 */
#include "runtime/topology.h"

#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    hwloc_topology_t hwloc; /* NULL: flat */
    struct zk_topology topology;
    bool loaded;
} machine = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The kernel's mask, not hwloc's: that one is cut to the topology, and refuses
 * CPUs that the process could not use when it was loaded. */
struct zk_binding {
    size_t bytes; /* of the mask that the kernel filled */
    unsigned long mask[8192 / (8 * sizeof(unsigned long))];
};

/* The kernel's masks, where hwloc could not help. */
static bool
load_flat(struct zk_topology *t)
{
    cpu_set_t mask;
    unsigned n = 0;

    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) != 0 || CPU_COUNT(&mask) == 0)
        CPU_SET(0, &mask);
    t->pus = calloc((size_t)CPU_COUNT(&mask), sizeof *t->pus);
    if (t->pus == NULL)
        return false;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mask))
            continue;
        t->pus[n] =
            (struct zk_pu){.os_index = cpu, .core = n, .first_thread = true};
        n++;
    }
    t->npus = t->ncores = n;
    t->nnodes = 1;
    t->flat = true;
    return true;
}

static hwloc_topology_t
load_hwloc(void)
{
    /* Of this system, inside the binding we inherited, without moving the
     * caller's threads around while loading. */
    const unsigned long flags = HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM |
                                HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING |
                                HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING;
    hwloc_topology_t t;

    if (hwloc_topology_init(&t) != 0)
        return NULL;
    if (hwloc_topology_set_flags(t, flags) != 0 ||
        hwloc_topology_load(t) != 0 ||
        hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_PU) <= 0) {
        hwloc_topology_destroy(t);
        return NULL;
    }
    return t;
}

/* The logical index of the nearest object above that pu shares, or 0. */
static unsigned
above(hwloc_topology_t t, hwloc_obj_t pu, hwloc_obj_type_t type)
{
    hwloc_obj_t o = hwloc_get_ancestor_obj_by_type(t, type, pu);

    return o != NULL ? o->logical_index : 0;
}

/* The last cache that does not reach beyond a NUMA node. */
static unsigned
shared_cache(hwloc_topology_t t, hwloc_obj_t pu)
{
    static const hwloc_obj_type_t caches[] = {
        HWLOC_OBJ_L4CACHE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L2CACHE};

    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
        hwloc_obj_t o = hwloc_get_ancestor_obj_by_type(t, caches[i], pu);

        if (o != NULL)
            return o->logical_index;
    }
    return above(t, pu, HWLOC_OBJ_PACKAGE);
}

static void
describe(hwloc_topology_t h, unsigned n, struct zk_topology *t)
{
    int nodes = hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_NUMANODE);
    hwloc_obj_t last_core = NULL;

    for (unsigned i = 0; i < n; i++) {
        hwloc_obj_t pu = hwloc_get_obj_by_type(h, HWLOC_OBJ_PU, i);
        hwloc_obj_t core =
            hwloc_get_ancestor_obj_by_type(h, HWLOC_OBJ_CORE, pu);
        int node = pu->nodeset != NULL ? hwloc_bitmap_first(pu->nodeset) : 0;

        t->pus[i] = (struct zk_pu){
            .os_index = pu->os_index,
            .core = core != NULL ? core->logical_index : i,
            .cache = shared_cache(h, pu),
            .package = above(h, pu, HWLOC_OBJ_PACKAGE),
            .node = node >= 0 ? (unsigned)node : 0,
            .first_thread = core == NULL || core != last_core,
        };
        t->ncores += t->pus[i].first_thread;
        last_core = core;
    }
    t->npus = n;
    t->nnodes = nodes > 0 ? (unsigned)nodes : 1;
}

static bool
load(void)
{
    hwloc_topology_t h = load_hwloc();
    struct zk_topology *t = &machine.topology;
    int n;

    if (h == NULL)
        return load_flat(t);
    n = hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_PU);
    if (n <= 0) { /* it knows no more than we do */
        hwloc_topology_destroy(h);
        return load_flat(t);
    }
    t->pus = calloc((size_t)n, sizeof *t->pus);
    if (t->pus == NULL) {
        hwloc_topology_destroy(h);
        return false;
    }
    describe(h, (unsigned)n, t);
    machine.hwloc = h;
    return true;
}

const struct zk_topology *
zk__topology_get(void)
{
    bool ok;

    pthread_mutex_lock(&machine.lock);
    if (!machine.loaded)
        machine.loaded = load();
    ok = machine.loaded;
    pthread_mutex_unlock(&machine.lock);
    return ok ? &machine.topology : NULL;
}

void
zk__topology_lock(void)
{
    pthread_mutex_lock(&machine.lock);
}

void
zk__topology_unlock(void)
{
    pthread_mutex_unlock(&machine.lock);
}

bool
zk__topology_bind(const struct zk_topology *t, unsigned pu)
{
    unsigned cpu = t->pus[pu].os_index;
    hwloc_bitmap_t set;
    bool ok;

    if (machine.hwloc == NULL) {
        cpu_set_t mask;

        CPU_ZERO(&mask);
        CPU_SET(cpu, &mask);
        return sched_setaffinity(0, sizeof mask, &mask) == 0;
    }
    set = hwloc_bitmap_alloc();
    if (set == NULL)
        return false;
    hwloc_bitmap_only(set, cpu);
    ok = hwloc_set_cpubind(machine.hwloc, set, HWLOC_CPUBIND_THREAD) == 0;
    hwloc_bitmap_free(set);
    return ok;
}

struct zk_binding *
zk__topology_save(void)
{
    struct zk_binding *b = calloc(1, sizeof *b);
    long got;

    if (b == NULL)
        return NULL;
    /* The system call itself: it says how long the kernel's masks are. */
    got = syscall(SYS_sched_getaffinity, 0, sizeof b->mask, b->mask);
    if (got <= 0) {
        free(b);
        return NULL;
    }
    b->bytes = (size_t)got;
    return b;
}

void
zk__topology_restore(struct zk_binding *b)
{
    if (b == NULL)
        return;
    (void)syscall(SYS_sched_setaffinity, 0, b->bytes, b->mask);
    free(b);
}

unsigned
zk__topology_pu(const struct zk_topology *t, unsigned index, unsigned workers,
                bool spread)
{
    unsigned turn = index % t->npus; /* more workers than PUs: go around */
    unsigned all = workers < t->npus ? workers : t->npus;
    unsigned cores = t->ncores, seen = 0;
    bool second = turn >= cores;

    if (spread && all < cores)
        turn = (unsigned)((uint64_t)turn * cores / all);
    if (second)
        turn -= cores;
    for (unsigned i = 0; i < t->npus; i++)
        if (t->pus[i].first_thread != second && seen++ == turn)
            return i;
    return 0;
}

unsigned
zk__topology_distance(const struct zk_topology *t, unsigned a, unsigned b)
{
    if (t->pus[a].node != t->pus[b].node)
        return 2;
    return t->pus[a].cache != t->pus[b].cache ? 1 : 0;
}
