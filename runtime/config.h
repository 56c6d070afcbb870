/*
 * config.h - what a lane was asked for, and by whom.
 *
 * Owns:   merging built-in values, options and the environment, in this order.
 * Never:  looks at the machine: 0 workers means that plan.c decides.
 */
#ifndef ZK_RUNTIME_CONFIG_H
#define ZK_RUNTIME_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/runtime.h>

#include "alloc/numa.h"
#include "runtime/learn.h"
#include "runtime/places.h"

enum zk_display { ZK_DISPLAY_OFF, ZK_DISPLAY_TEXT, ZK_DISPLAY_JSON };

#define ZK_SETTINGS_MAX 40

struct zk_config {
    unsigned workers; /* 0: plan.c decides */
    const char *workers_from;
    bool workers_hint; /* it was said to another runtime: no more than fits */
    char places[ZK_PLACES_TEXT]; /* ""; single units, cores first */
    const char *places_from;
    unsigned spare_slots;
    size_t slab_bytes;
    size_t min_bytes;   /* 0: all to the arena */
    size_t stack_bytes; /* 0: the system's default */
    uint64_t seed;
    unsigned spin_us;
    enum zk_bind bind;
    enum zk_huge huge;
    enum zk_trap trap;
    size_t keep_bytes; /* SIZE_MAX: all */
    unsigned decay_ms;
    size_t budget_bytes;     /* 0: by the percent; SIZE_MAX: no budget */
    unsigned budget_percent; /* 0: nobody said anything */
    const char *budget_from;
    enum zk_numa_mode numa;
    struct zk_nodes numa_nodes; /* of ZK_NUMA_BIND */
    enum zk_backend backend;
    size_t prefault_bytes;          /* SIZE_MAX: what was learnt */
    char learn_file[ZK_LEARN_PATH]; /* empty: the default one */
    enum zk_display display;
    bool debug; /* of the heap, which reads it by itself (alloc/heap/debug.h) */
    unsigned char from[ZK_SETTINGS_MAX]; /* by setting: see config.c */
    zk_notice_fn notice;
    void *notice_arg;
};

/* One variable of the environment, with what came out. */
struct zk_setting {
    const char *name;
    char value[64];
    const char *from; /* "built-in", "options", "environment" */
};

/*
 * Fills *config. A malformed or unknown ZK_* variable is told to the notice
 * hook (to stderr where there is none, once per process), and otherwise ignored.
 * ZK_EINVAL: an option is out of range.
 */
zk_err_t zk__config_read(struct zk_config *config, const zk_options_t *options);

unsigned zk__config_settings(void);
struct zk_setting zk__config_setting(const struct zk_config *config,
                                     unsigned i);

#endif
