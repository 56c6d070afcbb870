/*
 * plan.c - the number of workers, and the place of each.
 *
 * Owns:   the order in which the reasons count.
 * Never:  says less than was decided: each cut is in `why`.
 */
#include "runtime/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private/bits.h"
#include "runtime/notice.h"
#include "runtime/topology.h"

/* Adds to the words that say why. */
static __attribute__((format(printf, 2, 3))) void
say(struct zk_plan *plan, const char *format, ...)
{
    size_t used = strlen(plan->why);
    va_list args;

    va_start(args, format);
    vsnprintf(plan->why + used, sizeof plan->why - used, format, args);
    va_end(args);
}

static void
cut_to_units(struct zk_plan *plan, const struct zk_topology *t)
{
    if (plan->workers <= t->npus)
        return;
    plan->workers = t->npus;
    say(plan, "; %u CPU%s may be used", t->npus, t->npus == 1 ? "" : "s");
}

static void
cut_to_quota(struct zk_plan *plan, unsigned quota)
{
    unsigned allowed = (quota + 99) / 100;

    if (quota == 0 || plan->workers <= allowed)
        return;
    plan->workers = allowed;
    plan->from = "CPU quota";
    say(plan, "; the quota is %u.%02u CPUs", quota / 100, quota % 100);
}

static void
count_workers(struct zk_plan *plan, const struct zk_config *config,
              const struct zk_topology *t, unsigned quota)
{
    if (config->workers != 0) {
        plan->workers = config->workers;
        plan->from = config->workers_from;
        say(plan, "%s asked for %u", plan->from, plan->workers);
        if (!config->workers_hint)
            return;
        cut_to_units(plan, t);
    } else if (plan->places.n != 0) {
        plan->workers = zk__places_cores(&plan->places, t);
        plan->from = config->places_from;
        say(plan, "%u core%s in the %u place%s of %s", plan->workers,
            plan->workers == 1 ? "" : "s", plan->places.n,
            plan->places.n == 1 ? "" : "s", plan->from);
    } else {
        plan->workers = t->ncores;
        plan->from = "one per core";
        say(plan, "one for each of %u core%s", t->ncores,
            t->ncores == 1 ? "" : "s");
        if (t->share.size > 1)
            say(plan, ", share %u of %u", t->share.rank + 1, t->share.size);
    }
    cut_to_quota(plan, quota);
}

bool
zk__plan_make(struct zk_plan *plan, const struct zk_config *config,
              const struct zk_topology *t, unsigned quota)
{
    *plan = (struct zk_plan){0};
    if (config->places[0] != '\0' &&
        !zk__places_make(&plan->places, config->places, t))
        return false;
    if (plan->places.outside != 0)
        zk__notice(config, "%u CPUs of %s=%.64s cannot be used%s",
                   plan->places.outside, config->places_from, config->places,
                   plan->places.n == 0 ? ": it is ignored" : "");
    count_workers(plan, config, t, quota);
    plan->workers = (unsigned)zk_min_size(plan->workers, ZK_MAX_WORKERS);
    if (plan->workers == 0)
        plan->workers = 1;
    return true;
}

unsigned
zk__plan_units(const struct zk_plan *plan, const struct zk_config *config,
               const struct zk_topology *t, unsigned index,
               const unsigned **units, unsigned *single)
{
    const struct zk_units *place;

    if (plan->places.n == 0) {
        *single = config->bind == ZK_BIND_PRIMARY
                      ? 0
                      : zk__topology_pu(t, index, plan->workers,
                                        config->bind == ZK_BIND_SPREAD);
        *units = single;
        return 1;
    }
    place = &plan->places.place[zk__places_of(plan->places.n, index,
                                              plan->workers, config->bind)];
    *units = place->units;
    return place->n;
}

/* ---- one node of several --------------------------------------------------- */

/* Which units of a machine are on the node, in their order. False: no memory. */
static bool
keep_units(struct zk_topology *machine, const struct zk_topology *t,
           unsigned node)
{
    *machine = (struct zk_topology){.nnodes = 1,
                                    .flat = t->flat,
                                    .imagined = t->imagined,
                                    .part = true,
                                    .share = t->share};
    machine->pus = calloc(t->npus, sizeof *machine->pus);
    if (machine->pus == NULL)
        return false;
    for (unsigned i = 0; i < t->npus; i++) {
        if (t->pus[i].node != node)
            continue;
        machine->pus[machine->npus++] = t->pus[i];
        machine->ncores += t->pus[i].first_thread;
    }
    return true;
}

/* Adds a place for the worker that has these units. False: no memory. */
static bool
add_place(struct zk_places *places, const struct zk_topology *machine,
          const struct zk_topology *t, const unsigned *units, unsigned n)
{
    struct zk_units *place = &places->place[places->n];

    place->units = calloc(machine->npus, sizeof *place->units);
    if (place->units == NULL)
        return false;
    places->n++;
    for (unsigned u = 0; u < machine->npus; u++) {
        bool has = units == NULL;

        for (unsigned i = 0; i < n && !has; i++)
            has = t->pus[units[i]].os_index == machine->pus[u].os_index;
        if (has)
            place->units[place->n++] = u;
    }
    return true;
}

bool
zk__plan_part(struct zk_plan *part, struct zk_topology *machine,
              const struct zk_plan *plan, const struct zk_config *config,
              const struct zk_topology *t, unsigned node)
{
    bool ok = keep_units(machine, t, node);

    *part = (struct zk_plan){.from = plan->from};
    if (ok)
        part->places.place = calloc(plan->workers, sizeof *part->places.place);
    ok = ok && part->places.place != NULL;
    for (unsigned i = 0; i < plan->workers && ok; i++) {
        const unsigned *units;
        unsigned single;
        unsigned n = zk__plan_units(plan, config, t, i, &units, &single);

        if (t->pus[units[0]].node != node)
            continue;
        if (config->bind == ZK_BIND_NONE)
            units = NULL;
        ok = add_place(&part->places, machine, t, units, n);
    }
    part->workers = part->places.n;
    if (!ok || part->workers == 0) {
        zk__places_free(&part->places);
        zk__topology_free(machine);
        return false;
    }
    say(part, "%u of %u on node %u: %s", part->workers, plan->workers, node,
        plan->why);
    return true;
}
