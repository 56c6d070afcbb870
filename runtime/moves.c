/*
 * moves.c - the kernel's files on each thread.
 *
 * Owns:   the formats of /proc/self/task/TID/stat and sched.
 * Never:  assumes that they are there.
 */
#include "runtime/moves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/lane.h"

#define PROCESSOR_FIELD 39 /* of stat, counted from 1; see proc(5) */
#define STATE_FIELD     3  /* the first after the name in brackets */

static FILE *
open_of(int tid, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
    return fopen(path, "re");
}

/* The CPU that a thread ran on last; less than 0: unknown. */
static int
last_cpu(int tid)
{
    FILE *f = open_of(tid, "stat");
    char line[1024];
    char *at = NULL;

    if (f == NULL)
        return -1;
    if (fgets(line, sizeof line, f) != NULL)
        at = strrchr(line, ')'); /* a name may have anything in it */
    fclose(f);
    for (int field = STATE_FIELD; at != NULL && field <= PROCESSOR_FIELD;
         field++)
        at = strchr(at + 1, ' ');
    return at != NULL ? (int)strtol(at, NULL, 10) : -1;
}

static void
add_if_named(const char *line, const char *name, uint64_t *sum, bool *known)
{
    const char *colon = strchr(line, ':');

    if (colon == NULL || strncmp(line, name, strlen(name)) != 0)
        return;
    *sum += strtoull(colon + 1, NULL, 10);
    *known = true;
}

static void
add_counts(int tid, struct zk_moves *moves, bool *cpus_known, bool *pages_known)
{
    FILE *f = open_of(tid, "sched");
    char line[256];

    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        add_if_named(line, "se.nr_migrations", &moves->cpus, cpus_known);
        add_if_named(line, "numa_pages_migrated", &moves->pages, pages_known);
    }
    fclose(f);
}

static bool
has_cpu(const zk_runtime_t *lane, unsigned index, int cpu)
{
    const unsigned *units;
    unsigned single;
    unsigned n = zk__plan_units(&lane->plan, &lane->config, lane->topology,
                                index, &units, &single);

    for (unsigned i = 0; i < n; i++)
        if (lane->topology->pus[units[i]].os_index == (unsigned)cpu)
            return true;
    return false;
}

bool
zk__moves_count(const zk_runtime_t *lane, struct zk_moves *moves)
{
    bool bound = lane->config.bind != ZK_BIND_NONE &&
                 !lane->topology->imagined &&
                 !zk_load_relaxed(&lane->bind_refused);
    bool cpus_known = false, pages_known = false;

    *moves = (struct zk_moves){0};
    for (unsigned i = 0; i < lane->nslots; i++) {
        int tid = zk_load_relaxed(&lane->slots[i].tid);
        int cpu = tid != 0 ? last_cpu(tid) : -1;

        if (cpu < 0)
            continue;
        moves->workers++;
        moves->off_place +=
            bound && i < lane->nworkers && !has_cpu(lane, i, cpu);
        add_counts(tid, moves, &cpus_known, &pages_known);
    }
    if (!cpus_known)
        moves->cpus = ZK_MOVES_UNKNOWN;
    if (!pages_known)
        moves->pages = ZK_MOVES_UNKNOWN;
    return moves->workers != 0;
}
