/*
 * variables.h - how each ZK_* variable is written, and how its value is shown.
 *
 * Owns:   the table of them. SLAB_BYTES stands after SLAB_GB: where both are set
 *         it wins.
 * Never:  reads the environment, or says what is wrong: config.c does.
 */
#ifndef ZK_RUNTIME_VARIABLES_H
#define ZK_RUNTIME_VARIABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc/os.h"
#include "runtime/config.h"

/* The bounds that options have as well. */
#define ZK_SPIN_US_MAX  1000000u
#define ZK_DECAY_MS_MAX 86400000u
#define ZK_STACK_MIN    ((uint64_t)64 << 10)
#define ZK_BUDGET_MIN   ((uint64_t)ZK_HUGE_PAGE) /* what a slab charges first */

struct zk_shown {
    char text[64];
};

struct zk_variable {
    const char *name;
    bool (*set)(struct zk_config *c, const char *text); /* false: malformed */
    struct zk_shown (*show)(const struct zk_config *c);
    const char *wants;
};

extern const struct zk_variable zk__variables[];
extern const unsigned zk__nvariables;

/*
 * Those that options and the hints of OpenMP are read by, too; what is malformed
 * leaves *c as it was.
 */
bool zk__set_workers(struct zk_config *c, const char *text);
bool zk__set_bind(struct zk_config *c, const char *text);
bool zk__set_places(struct zk_config *c, const char *text);
bool zk__set_learn_file(struct zk_config *c, const char *text);

/* Nodes, as in "0,2-3"; after false *nodes is undefined. */
bool zk__parse_nodes(const char *text, struct zk_nodes *nodes);

#endif
