/*
 * places.h - where each worker may run, decided from plain data.
 *
 * Owns:   OpenMP's grammar for places, the policies that deal workers out to
 *         them, and a process's share of a machine that others run on.
 * Never:  asks the system anything: topology.c and cgroup.c have.
 *
 * The grammar is that of OMP_PLACES, "OpenMP Application Programming Interface",
 * version 5.2, section 21.1.6: abstract names with an optional count, or lists of
 * CPU numbers of the kernel in braces, with length, stride and exclusion.
 */
#ifndef ZK_RUNTIME_PLACES_H
#define ZK_RUNTIME_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include <zkrt/runtime.h>

#include "private/topology.h"

#define ZK_PLACES_TEXT 512 /* longer descriptions are refused */

/* Units of a topology that one worker may use. */
struct zk_units {
    unsigned *units; /* in topology order */
    unsigned n;
};

struct zk_places {
    struct zk_units *place;
    unsigned n;
    unsigned outside; /* CPUs that were named and cannot be used */
};

/* Whether the text follows the grammar, whatever the machine. */
bool zk__places_valid(const char *text);

/*
 * The places of a description on a machine. What the process may not use is left
 * out and counted, places without units too. False: no memory, or malformed;
 * nothing is kept then. Undone by the function below.
 */
bool zk__places_make(struct zk_places *out, const char *text,
                     const struct zk_topology *t);
void zk__places_free(struct zk_places *places);

/*
 * The place for the index-th of so many workers. close: one place after the
 * other; spread: as far apart as there are places; primary: all in the first.
 * Where there are more workers than places, neighbours share one.
 *
 * pre: nplaces != 0, index < workers
 */
unsigned zk__places_of(unsigned nplaces, unsigned index, unsigned workers,
                       enum zk_bind bind);

/* Cores that the places reach. */
unsigned zk__places_cores(const struct zk_places *places,
                          const struct zk_topology *t);

/*
 * Cuts the machine down to the share's part: whole cores next to each other while
 * there are enough of them, then single units, and then the same ones again.
 */
void zk__share_take(struct zk_topology *t, struct zk_share share);

/*
 * How many of the processes of a node share the units that this one may use,
 * when the machine has `machine` of them: a launcher may have split it already.
 */
struct zk_share zk__share_of(struct zk_share node, unsigned units,
                             unsigned machine);

#endif
