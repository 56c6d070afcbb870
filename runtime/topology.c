/*
 * topology.c - hwloc.
 *
 * Owns:   the one loaded topology, and the calls that bind threads.
 * Never:  decides how many workers there are.
 */
#include "runtime/topology.h"

#include <hwloc.h>
#include <hwloc/distances.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/cgroup.h"
#include "runtime/launcher.h"
#include "runtime/places.h"

static struct {
    pthread_mutex_t lock;
    hwloc_topology_t hwloc; /* NULL: flat */
    struct zk_topology topology;
    bool loaded;
    char trouble[160]; /* "": none */
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

/* What other machine is asked for; the source that hwloc is to read. */
static bool
set_source(hwloc_topology_t t, const char *what)
{
    size_t length = strlen(what);

    if (length >= 4 && strcmp(what + length - 4, ".xml") == 0)
        return hwloc_topology_set_xml(t, what) == 0;
    return hwloc_topology_set_synthetic(t, what) == 0;
}

/* This machine (NULL), or another one. */
static hwloc_topology_t
load_hwloc(const char *what)
{
    /* Of this system, inside the binding we inherited, without moving the
     * caller's threads around while loading. */
    const unsigned long flags = HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM |
                                HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING |
                                HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING;
    hwloc_topology_t t;

    if (hwloc_topology_init(&t) != 0)
        return NULL;
    if ((what != NULL ? !set_source(t, what)
                      : hwloc_topology_set_flags(t, flags) != 0) ||
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

/* Latencies between nodes, as the firmware has them; NULL: nothing is known. */
static struct hwloc_distances_s *
latencies(hwloc_topology_t h)
{
    struct hwloc_distances_s *d = NULL;
    unsigned n = 1;

    if (hwloc_distances_get_by_type(h, HWLOC_OBJ_NUMANODE, &n, &d,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY,
                                    0) != 0 ||
        n == 0)
        return NULL;
    return d;
}

static uint64_t
latency(const struct hwloc_distances_s *d, hwloc_obj_t from, hwloc_obj_t to)
{
    unsigned i, k;

    for (i = 0; i < d->nbobjs && d->objs[i] != from; i++)
        continue;
    for (k = 0; k < d->nbobjs && d->objs[k] != to; k++)
        continue;
    return i < d->nbobjs && k < d->nbobjs ? d->values[i * d->nbobjs + k]
                                          : UINT64_MAX;
}

static bool
has_memory(hwloc_obj_t node)
{
    return node->attr->numanode.local_memory != 0;
}

/* False: the kernel does not say which nodes there are. */
static bool
read_online(hwloc_bitmap_t online)
{
    FILE *f = fopen("/sys/devices/system/node/online", "re");
    char list[4096];
    bool ok;

    if (f == NULL)
        return false;
    ok = fgets(list, sizeof list, f) != NULL;
    fclose(f);
    list[ok ? strcspn(list, "\n") : 0] = '\0';
    return ok && hwloc_bitmap_list_sscanf(online, list) == 0;
}

/* How far the nodes that are online are from that of a CPU; NULL: nobody knows. */
static FILE *
open_distances(unsigned cpu, hwloc_const_bitmap_t online)
{
    char path[80];
    int node;

    for (node = hwloc_bitmap_first(online); node >= 0;
         node = hwloc_bitmap_next(online, node)) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/node%d", cpu,
                 node);
        if (access(path, F_OK) == 0)
            break;
    }
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/distance",
             node);
    return node >= 0 ? fopen(path, "re") : NULL;
}

/* hwloc leaves out a node of which the process may have no memory, and so one that
 * has none. What is nearest to such a node's CPUs the kernel itself tells. */
static hwloc_obj_t
nearest_by_kernel(hwloc_topology_t h, unsigned cpu)
{
    hwloc_bitmap_t online = hwloc_bitmap_alloc();
    bool known = online != NULL && read_online(online);
    FILE *f = known ? open_distances(cpu, online) : NULL;
    hwloc_obj_t best = NULL;
    unsigned long far, least = ULONG_MAX;

    for (int node = f != NULL ? hwloc_bitmap_first(online) : -1;
         node >= 0 && fscanf(f, "%lu", &far) == 1;
         node = hwloc_bitmap_next(online, node)) {
        hwloc_obj_t o = hwloc_get_numanode_obj_by_os_index(h, (unsigned)node);

        if (o != NULL && has_memory(o) && far < least) {
            best = o;
            least = far;
        }
    }
    if (f != NULL)
        fclose(f);
    hwloc_bitmap_free(online);
    return best;
}

/* The node with memory that is nearest to a PU: of its own ones the first, which
 * is what the kernel takes, too; any, where there is no other. */
static hwloc_obj_t
node_of(hwloc_topology_t h, const struct hwloc_distances_s *d, hwloc_obj_t pu)
{
    hwloc_obj_t own = NULL, best = NULL, node = NULL;
    uint64_t least = UINT64_MAX;

    while ((node = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_NUMANODE, node)) !=
           NULL) {
        if (pu->nodeset == NULL ||
            !hwloc_bitmap_isset(pu->nodeset, node->os_index))
            continue;
        if (has_memory(node))
            return node;
        if (own == NULL)
            own = node;
    }
    if (own == NULL && hwloc_topology_is_thissystem(h))
        best = nearest_by_kernel(h, pu->os_index);
    if (best != NULL)
        return best;
    while ((node = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_NUMANODE, node)) !=
           NULL) {
        uint64_t far = d != NULL && own != NULL ? latency(d, own, node) : 0;

        if (has_memory(node) && (best == NULL || far < least)) {
            best = node;
            least = far;
        }
    }
    return best != NULL ? best : own;
}

/* Which nodes are as near to each other as any, where they are not all alike. */
static bool
describe_distances(hwloc_topology_t h, const struct hwloc_distances_s *d,
                   struct zk_topology *t)
{
    size_t n = t->nnodes;

    if (d == NULL || n < 3)
        return true;
    t->next = calloc(n * n, sizeof *t->next);
    if (t->next == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        hwloc_obj_t from =
            hwloc_get_obj_by_type(h, HWLOC_OBJ_NUMANODE, (unsigned)i);
        uint64_t least = UINT64_MAX;

        for (int pass = 0; pass < 2; pass++)
            for (size_t k = 0; k < n; k++) {
                hwloc_obj_t to =
                    hwloc_get_obj_by_type(h, HWLOC_OBJ_NUMANODE, (unsigned)k);
                uint64_t far = latency(d, from, to);

                if (k == i)
                    continue;
                if (pass == 0 && far < least)
                    least = far;
                t->next[i * n + k] = pass == 1 && far == least;
            }
    }
    return true;
}

static bool
describe(hwloc_topology_t h, struct zk_topology *t)
{
    unsigned n = (unsigned)hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_PU);
    int nodes = hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_NUMANODE);
    struct hwloc_distances_s *d = latencies(h);
    hwloc_obj_t last_core = NULL;
    bool ok;

    t->pus = calloc(n, sizeof *t->pus);
    ok = t->pus != NULL;
    for (unsigned i = 0; i < n && ok; i++) {
        hwloc_obj_t pu = hwloc_get_obj_by_type(h, HWLOC_OBJ_PU, i);
        hwloc_obj_t core =
            hwloc_get_ancestor_obj_by_type(h, HWLOC_OBJ_CORE, pu);
        hwloc_obj_t node = node_of(h, d, pu);

        t->pus[i] = (struct zk_pu){
            .os_index = pu->os_index,
            .core = core != NULL ? core->logical_index : i,
            .cache = shared_cache(h, pu),
            .package = above(h, pu, HWLOC_OBJ_PACKAGE),
            .node = node != NULL ? node->os_index : 0,
            .domain = node != NULL ? node->logical_index : 0,
            .first_thread = core == NULL || core != last_core,
        };
        t->ncores += t->pus[i].first_thread;
        last_core = core;
    }
    t->npus = n;
    t->nnodes = nodes > 0 ? (unsigned)nodes : 1;
    ok = ok && describe_distances(h, d, t);
    if (d != NULL)
        hwloc_distances_release(h, d);
    return ok;
}

void
zk__topology_free(struct zk_topology *t)
{
    free(t->pus);
    free(t->next);
    *t = (struct zk_topology){0};
}

bool
zk__topology_load(struct zk_topology *t, const char *what)
{
    hwloc_topology_t h = load_hwloc(what);
    bool ok;

    *t = (struct zk_topology){.imagined = true};
    if (h == NULL)
        return false;
    ok = describe(h, t);
    hwloc_topology_destroy(h);
    if (!ok)
        zk__topology_free(t);
    return ok;
}

static bool
load_this_machine(struct zk_topology *t)
{
    hwloc_topology_t h = load_hwloc(NULL);

    if (h == NULL)
        return load_flat(t);
    if (!describe(h, t)) {
        hwloc_topology_destroy(h);
        zk__topology_free(t);
        return false;
    }
    machine.hwloc = h;
    return true;
}

/* CPUs that the launcher had to deal out: the container's, or the machine's. */
static unsigned
all_cpus(unsigned ours)
{
    struct zk_cgroup g;
    unsigned n = zk__cgroup_find(&g, "", "cpuset") ? zk__cgroup_cpus(&g) : 0;
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    if (n == 0 && online > 0)
        n = (unsigned)online;
    return n > ours ? n : ours;
}

static bool
load(void)
{
    struct zk_topology *t = &machine.topology;
    const char *what = getenv("ZK_TOPOLOGY");
    unsigned all;

    if (what != NULL && !zk__topology_load(t, what)) {
        snprintf(machine.trouble, sizeof machine.trouble,
                 "ZK_TOPOLOGY=%.64s is ignored: it wants a file.xml or hwloc's "
                 "synthetic description",
                 what);
        what = NULL;
    }
    if (what == NULL && !load_this_machine(t))
        return false;
    all = what != NULL ? t->npus : all_cpus(t->npus);
    zk__share_take(t, zk__share_of(zk__launcher_share(), t->npus, all));
    return true;
}

const char *
zk__topology_trouble(void)
{
    return machine.trouble[0] != '\0' ? machine.trouble : NULL;
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
zk__topology_bind(const struct zk_topology *t, const unsigned *pus, unsigned n)
{
    hwloc_bitmap_t set;
    bool ok;

    if (t->imagined)
        return true;
    if (machine.hwloc == NULL) {
        cpu_set_t mask;

        CPU_ZERO(&mask);
        for (unsigned i = 0; i < n; i++)
            CPU_SET(t->pus[pus[i]].os_index, &mask);
        return sched_setaffinity(0, sizeof mask, &mask) == 0;
    }
    set = hwloc_bitmap_alloc();
    if (set == NULL)
        return false;
    ok = true;
    for (unsigned i = 0; i < n && ok; i++)
        ok = hwloc_bitmap_set(set, t->pus[pus[i]].os_index) == 0;
    ok = ok && hwloc_set_cpubind(machine.hwloc, set, HWLOC_CPUBIND_THREAD) == 0;
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
    const struct zk_pu *from = &t->pus[a], *to = &t->pus[b];

    if (from->domain == to->domain)
        return from->cache != to->cache ? 1 : 0;
    return t->next == NULL ||
                   t->next[(size_t)from->domain * t->nnodes + to->domain] != 0
               ? 2
               : ZK_DISTANCE_FAR;
}
