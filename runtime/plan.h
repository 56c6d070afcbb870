/*
 * plan.h - how many workers a lane has, why, and which place each one gets.
 *
 * Owns:   the decision, from plain data: what was asked for, the machine, and the
 *         quota of CPU time.
 * Never:  asks the system anything.
 */
#ifndef ZK_RUNTIME_PLAN_H
#define ZK_RUNTIME_PLAN_H

#include "private/topology.h"
#include "runtime/config.h"
#include "runtime/places.h"

#define ZK_PLAN_WHY 96

struct zk_plan {
    unsigned workers;
    const char *from;      /* whose number it is, as zk_runtime_info_t has it */
    char why[ZK_PLAN_WHY]; /* the same in words */
    struct zk_places places; /* n == 0: single units, cores first */
};

/*
 * Makes the plan. `quota` is the CPU time that the process may use, in percent of
 * one CPU; 0: as much as it likes.
 *
 * What was asked of zkrt by name is obeyed, even where it is more than fits: who
 * says it wants to see it. A hint that was meant for OpenMP, and our own choice,
 * are cut to the units and to the quota, rounded up: with one worker for 1.5 CPUs
 * a third of them would lie idle.
 *
 * False: no memory. Undone by zk__places_free().
 */
bool zk__plan_make(struct zk_plan *plan, const struct zk_config *config,
                   const struct zk_topology *t, unsigned quota);

/*
 * What one node has of a plan: a machine of its units alone, and the workers whose
 * first unit is there, each with what of its place is there; with ZK_BIND_NONE each
 * with all of the node. False: no worker is there, or no memory; then nothing is
 * kept.
 *
 * Undone by zk__places_free() and zk__topology_free().
 */
bool zk__plan_part(struct zk_plan *part, struct zk_topology *machine,
                   const struct zk_plan *plan, const struct zk_config *config,
                   const struct zk_topology *t, unsigned node);

/* The units of the index-th worker, one at least; how many. */
unsigned zk__plan_units(const struct zk_plan *plan,
                        const struct zk_config *config,
                        const struct zk_topology *t, unsigned index,
                        const unsigned **units, unsigned *single);

#endif
