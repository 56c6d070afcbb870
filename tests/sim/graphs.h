/*
 * graphs.h - small graphs of tasks, drawn from the seed of a simulation.
 *
 * Owns:   forks, groups and loops in phases and stages, cancelled, failing or neither,
 *         threads that submit from outside meanwhile, meetings for which each worker
 *         has to wake, and the count of what went wrong.
 * Never:  is used outside of sim_run(): every choice is one of the schedule's.
 */
#ifndef ZK_TESTS_SIM_GRAPHS_H
#define ZK_TESTS_SIM_GRAPHS_H

#include "tests/support.h"

/*
 * Of one run: each is a schedule of its own. All memory of theirs is the arena's: the
 * heap's caches go with threads, and fibers have no ends that it hears of.
 */
enum { GRAPHS = 20 };

/* For sim_run(): opens a lane, runs GRAPHS graphs, closes it. *arg: workers. */
void graphs_run(void *arg);

/* What should not have been, since it was last forgotten. */
unsigned graphs_errors(void);
void graphs_forget_errors(void);

/* Tasks that came from another node's inbox since then. */
uint64_t graphs_far(void);

#endif
