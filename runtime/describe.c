/*
 * describe.c - what was decided, and why.
 *
 * Owns:   the words of zk_runtime_describe(), which zk-info and ZK_DISPLAY print.
 * Never:  decides anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <zkrt/pages.h>
#include <zkrt/version.h>

#include "alloc/pages.h"
#include "alloc/proc.h"
#include "alloc/region.h"
#include "private/bits.h"
#include "runtime/lane.h"
#include "runtime/moves.h"
#include "runtime/topology.h"
#include "runtime/writer.h"

static void
describe_machine(struct zk_writer *w, const zk_runtime_t *lane)
{
    const struct zk_topology *t = lane->topology;
    const char *what = getenv("ZK_TOPOLOGY");

    zk__write_open(w, "machine");
    zk__write_number(w, "cpus", t->npus);
    zk__write_number(w, "cores", t->ncores);
    zk__write_number(w, "nodes", t->nnodes);
    if (t->imagined && what != NULL)
        zk__write_word(w, "imagined", what);
    if (t->flat)
        zk__write_word(w, "topology", "unknown: hwloc failed");
    if (t->share.size > 1) {
        zk__write_number(w, "local_rank", t->share.rank);
        zk__write_number(w, "local_ranks", t->share.size);
    }
    zk__write_close(w);
}

/* "0-3,8": the kernel's numbers of some units, in their order. */
static void
list_cpus(const struct zk_topology *t, const unsigned *units, unsigned n,
          char *text, size_t room)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < n && used + 1 < room;) {
        unsigned first = t->pus[units[i]].os_index, last = first;
        int wrote;

        while (++i < n && t->pus[units[i]].os_index == last + 1)
            last++;
        wrote = first == last ? snprintf(text + used, room - used, "%s%u",
                                         used != 0 ? "," : "", first)
                              : snprintf(text + used, room - used, "%s%u-%u",
                                         used != 0 ? "," : "", first, last);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

/* Workers by how near they are: "1 | 2 3": a bar before the next distance. */
static void
list_victims(const zk_runtime_t *lane, unsigned self, char *text, size_t room)
{
    static const char *const bars[] = {"", "| ", "|| ", "||| "};
    size_t used = 0;

    text[0] = '\0';
    for (unsigned distance = 0; distance <= ZK_DISTANCE_FAR; distance++) {
        bool first = true;

        for (unsigned i = 0; i < lane->nworkers && used + 16 < room; i++) {
            if (i == self ||
                zk__topology_distance(lane->topology, lane->slots[self].pu,
                                      lane->slots[i].pu) != distance)
                continue;
            used += (size_t)snprintf(text + used, room - used, "%s%s%u",
                                     used != 0 ? " " : "",
                                     first ? bars[distance] : "", i);
            first = false;
        }
    }
}

static void
describe_worker(struct zk_writer *w, const zk_runtime_t *lane, unsigned i)
{
    const struct zk_topology *t = lane->topology;
    const struct zk_pu *pu = &t->pus[lane->slots[i].pu];
    const unsigned *units;
    char text[256];
    unsigned single, n;

    n = zk__plan_units(&lane->plan, &lane->config, t, i, &units, &single);
    zk__write_open_row(w);
    zk__write_number(w, "worker", i);
    if (lane->config.bind == ZK_BIND_NONE) {
        zk__write_word(w, "cpus", "any");
    } else {
        list_cpus(t, units, n, text, sizeof text);
        zk__write_word(w, "cpus", text);
        zk__write_number(w, "core", pu->core);
        zk__write_number(w, "node", pu->node);
    }
    list_victims(lane, i, text, sizeof text);
    zk__write_word(w, "steals_from", text);
    zk__write_close_row(w);
}

static void
describe_steals(struct zk_writer *w, const zk_runtime_t *lane)
{
    static const char *const names[ZK_DISTANCES] = {
        "steals_within_cache", "steals_within_node", "steals_from_nearest_node",
        "steals_from_far_node"};
    zk_runtime_stats_t stats = {.size = sizeof stats};

    if (zk_runtime_stats(lane, &stats) != ZK_OK)
        return;
    for (unsigned far = 0; far < ZK_DISTANCES; far++)
        zk__write_number(w, names[far], stats.steals_at[far]);
    zk__write_number(w, "outside_queues", lane->ndomains);
    zk__write_number(w, "outside_taken_on_its_node", stats.outside_near);
    zk__write_number(w, "outside_taken_elsewhere", stats.outside_far);
}

/* Whether they are where they were put, as the kernel tells. */
static void
describe_moves(struct zk_writer *w, const zk_runtime_t *lane)
{
    struct zk_moves moves;

    if (!zk__moves_count(lane, &moves))
        return;
    zk__write_number(w, "seen_off_their_cpus", moves.off_place);
    if (moves.cpus != ZK_MOVES_UNKNOWN)
        zk__write_number(w, "came_to_another_cpu", moves.cpus);
    if (moves.pages != ZK_MOVES_UNKNOWN)
        zk__write_number(w, "pages_moved_to_their_node", moves.pages);
}

static void
describe_workers(struct zk_writer *w, const zk_runtime_t *lane)
{
    zk__write_open(w, "workers");
    zk__write_number(w, "number", lane->nworkers);
    zk__write_word(w, "from", lane->plan.from);
    zk__write_word(w, "why", lane->plan.why);
    zk__write_number(w, "threads_started", zk_load_acquire(&lane->threads));
    zk__write_number(w, "spare_slots", lane->nslots - lane->nworkers);
    zk__write_bool(w, "more_than_cpus", lane->crowded);
    zk__write_word(w, "binding",
                   lane->topology->imagined ? "none: the machine is imagined"
                   : zk_load_relaxed(&lane->bind_refused)
                       ? "refused by the system"
                   : lane->config.bind == ZK_BIND_NONE ? "none"
                                                       : "as below");
    describe_steals(w, lane);
    describe_moves(w, lane);
    zk__write_open_list(w, "places");
    for (unsigned i = 0; i < lane->nworkers; i++)
        describe_worker(w, lane, i);
    zk__write_close_list(w);
    zk__write_close(w);
}

static const char *
numa_word(const zk_runtime_t *lane)
{
    static const char *const words[] = {"local", "local", "interleave", "bind",
                                        "off"};

    if (zk_load_relaxed(&lane->numa_error) != 0)
        return "refused by the system: pages lie where they are touched first";
    if (lane->topology->part && lane->numa.mode == ZK_NUMA_LOCAL)
        return "lanes: all of this one's is on its node";
    if (lane->topology->nnodes == 1 && lane->numa.mode == ZK_NUMA_OFF)
        return "nothing to choose: one node";
    return words[lane->numa.mode];
}

/* What the system would do, what was measured, and what the kernel gave. */
static void
describe_huge(struct zk_writer *w, const zk_runtime_t *lane)
{
    static const char *const systems[] = {"unknown", "never", "madvise",
                                          "always"};
    zk_huge_info_t huge = {.size = sizeof huge};
    struct zk_pages sum, all = {.exact = true};

    zk__write_word(w, "huge_pages_system", systems[zk__proc_huge_system()]);
    if (lane->config.huge == ZK_HUGE_AUTO && zk_huge_info(&huge) == ZK_OK) {
        zk__write_bool(w, "huge_pages_given", huge.given != 0);
        zk__write_bool(w, "huge_pages_pay", huge.pays != 0);
        zk__write_bytes(w, "base_pages_up_to", huge.small_bytes, "");
        zk__write_number(w, "huge_page_ns", huge.huge_ns);
        zk__write_number(w, "base_pages_ns", huge.base_ns);
        zk__write_number(w, "measured_in_ns", huge.took_ns);
        zk__write_number(w, "looks_at_pages", huge.looks);
        zk__write_number(w, "last_huge_page_ns", huge.last_huge_ns);
        zk__write_number(w, "last_base_pages_ns", huge.last_base_ns);
        zk__write_number(w, "changes_to_base_pages", huge.to_base);
        zk__write_number(w, "changes_to_huge_pages", huge.to_huge);
    }
    for (unsigned i = 0; i < zk_load_acquire(&lane->nphases); i++) {
        if (!zk__pages_of(lane->phases[i]->arena, &sum))
            return; /* the system does not tell */
        all.slab_resident += sum.slab_resident;
        all.slab_huge += sum.slab_huge;
        all.exact = all.exact && sum.exact;
    }
    zk__write_bytes(w, "in_memory", all.slab_resident, "");
    zk__write_bytes(w, "in_huge_pages", all.slab_huge, "");
    zk__write_bool(w, "huge_pages_are_exact", all.exact);
}

/* What was populated before the first phase, or is just being. */
static void
describe_prefault(struct zk_writer *w, const zk_runtime_t *lane)
{
    size_t planned = 0;

    for (unsigned i = 0; i < lane->nworkers; i++)
        planned += lane->slots[i].warm_bytes;
    zk__write_bytes(w, "prefault_planned", planned, "");
    zk__write_bytes(w, "prefaulted", (size_t)zk_load_relaxed(&lane->warmed),
                    "");
    zk__write_bool(w, "prefault_refused", zk_load_relaxed(&lane->warm_refused));
    if (lane->learn_path[0] != '\0')
        zk__write_word(w, "learn_file", lane->learn_path);
}

/* Where the pages are, on a machine where that was a choice. */
static void
describe_nodes(struct zk_writer *w, const zk_runtime_t *lane)
{
    zk_numa_pages_t pages = {.size = sizeof pages};

    zk__write_word(w, "nodes", numa_word(lane));
    if (zk_load_relaxed(&lane->numa_error) != 0)
        zk__write_number(w, "mbind_error",
                         (unsigned)zk_load_relaxed(&lane->numa_error));
    if (lane->numa.mode == ZK_NUMA_OFF || zk_numa_pages(lane, &pages) != ZK_OK)
        return;
    zk__write_bytes(w, "on_wanted_nodes", pages.wanted_bytes, "");
    zk__write_bytes(w, "on_other_nodes", pages.other_bytes, "");
}

static void
describe_memory(struct zk_writer *w, const zk_runtime_t *lane)
{
    const struct zk_arena *arena =
        zk_load_acquire(&lane->nphases) != 0 ? lane->phases[0]->arena : NULL;
    struct rlimit limit;

    zk__write_open(w, "memory");
    zk__write_bytes(w, "slab_bytes", lane->config.slab_bytes, "");
    zk__write_bytes(w, "slab_bytes_granted", lane->slab_bytes_got, "");
    zk__write_number(w, "arenas", zk_load_relaxed(&lane->nphases));
    describe_nodes(w, lane);
    if (arena != NULL) {
        zk__write_bool(w, "stale_pointers_trap",
                       zk__arena_trap(arena) != ZK_TRAP_OFF);
        zk__write_number(w, "trap_phases", arena->nsites - 1);
    }
    describe_huge(w, lane);
    describe_prefault(w, lane);
    zk__write_bytes(w, "budget", lane->budget_bytes, "none");
    zk__write_word(w, "budget_from",
                   lane->budget_from != NULL ? lane->budget_from : "built-in");
    zk__write_bytes(w, "shared_regions", zk__region_bytes(), "");
    zk__write_bytes(w, "container_limit", lane->memory_limit, "none");
    if (getrlimit(RLIMIT_AS, &limit) == 0)
        zk__write_bytes(
            w, "address_space_limit",
            limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur,
            "none");
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
        zk__write_bytes(
            w, "lock_limit",
            limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur,
            "none");
    zk__write_close(w);
}

static void
describe_settings(struct zk_writer *w, const zk_runtime_t *lane)
{
    zk__write_open_list(w, "settings");
    for (unsigned i = 0; i < zk__config_settings(); i++) {
        struct zk_setting s = zk__config_setting(&lane->config, i);

        zk__write_open_row(w);
        if (w->json) {
            zk__write_word(w, "name", s.name);
            zk__write_word(w, "value", s.value);
            zk__write_word(w, "from", s.from);
        } else {
            zk__write_word(w, s.name, s.value);
            zk__write_word(w, "from", s.from);
        }
        zk__write_close_row(w);
    }
    zk__write_close_list(w);
}

size_t
zk_runtime_describe(const zk_runtime_t *lane, enum zk_form form, char *text,
                    size_t room)
{
    struct zk_writer w;

    if (lane == NULL || (text == NULL && room != 0) || form > ZK_JSON)
        return 0;
    zk__write_begin(&w, text, room, form == ZK_JSON);
    zk__write_word(&w, "zkrt", zk_version());
    describe_machine(&w, lane);
    describe_workers(&w, lane);
    describe_memory(&w, lane);
    describe_settings(&w, lane);
    return zk__write_end(&w);
}

void
zk__display(const zk_runtime_t *lane)
{
    enum zk_form form =
        lane->config.display == ZK_DISPLAY_JSON ? ZK_JSON : ZK_TEXT;
    size_t length, done = 0;
    char *text;

    if (lane->config.display == ZK_DISPLAY_OFF)
        return;
    length = zk_runtime_describe(lane, form, NULL, 0);
    text = malloc(length + 1);
    if (text == NULL)
        return;
    (void)zk_runtime_describe(lane, form, text, length + 1);
    while (done < length) {
        ssize_t n = write(STDERR_FILENO, text + done, length - done);

        if (n <= 0)
            break; /* there is nobody to tell */
        done += (size_t)n;
    }
    free(text);
}
