/*
 * config.c - built-in values, options, environment: who wins.
 *
 * Owns:   the order in which the sources count, which one each setting came
 *         from, and the notices about malformed variables, which say what is
 *         used instead.
 * Never:  knows how a value is written: variables.c does.
 */
#include "runtime/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/heap/debug.h"
#include "alloc/slab.h"
#include "runtime/notice.h"
#include "runtime/variables.h"

#define DEFAULT_SLAB_BYTES ((size_t)8 << 30)
#define DEFAULT_MIN_BYTES  ((size_t)4096)
#define DEFAULT_SPARE      16u
#define DEFAULT_SPIN_US    30u
#define DEFAULT_DECAY_MS   10000u

/* Where a setting comes from. */
enum { BUILT_IN, OPTIONS, ENVIRONMENT };

/* Notes the settings that are no longer as they were. */
static void
note_changes(struct zk_config *config, const struct zk_config *before,
             unsigned char from)
{
    for (unsigned i = 0; i < zk__nvariables; i++) {
        const struct zk_variable *v = &zk__variables[i];

        if (strcmp(v->show(config).text, v->show(before).text) != 0)
            config->from[i] = from;
    }
}

unsigned
zk__config_settings(void)
{
    return zk__nvariables;
}

struct zk_setting
zk__config_setting(const struct zk_config *config, unsigned i)
{
    static const char *const from[] = {"built-in", "options", "environment"};
    const struct zk_variable *v = &zk__variables[i];
    struct zk_setting s = {.name = v->name, .from = from[config->from[i]]};

    memcpy(s.value, v->show(config).text, sizeof s.value);
    return s;
}

static void
name_unknown_variables(const struct zk_config *config)
{
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        size_t length = strcspn(*e, "=");
        bool known = false;

        if (strncmp(*e, "ZK_", 3) != 0)
            continue;
        for (unsigned i = 0; i < zk__nvariables && !known; i++)
            known = strlen(zk__variables[i].name) == length &&
                    strncmp(*e, zk__variables[i].name, length) == 0;
        if (!known && strncmp(*e, "ZK_TOPOLOGY=", 12) != 0 && /* topology.c */
            strncmp(*e, "ZK_ALLOC_ROUTE=", 15) != 0)          /* preload/ */
            zk__notice(config, "unknown variable %.*s is ignored",
                       (int)(length < 64 ? length : 64), *e);
    }
}

/*
 * What was said to OpenMP is a hint, where nothing was said to us: the first
 * number of its threads, its places and its binding. They are not ours to
 * complain about.
 */
static void
take_hints(struct zk_config *config)
{
    const char *threads = getenv("OMP_NUM_THREADS");
    const char *places = getenv("OMP_PLACES");
    const char *bind = getenv("OMP_PROC_BIND");
    char first[16];

    if (config->workers == 0 && threads != NULL) {
        snprintf(first, sizeof first, "%.*s", (int)strcspn(threads, ","),
                 threads);
        if (zk__set_workers(config, first)) {
            config->workers_from = "OMP_NUM_THREADS";
            config->workers_hint = true;
        }
    }
    if (config->places[0] == '\0' && places != NULL &&
        zk__set_places(config, places))
        config->places_from = "OMP_PLACES";
    if (config->bind == ZK_BIND_DEFAULT && bind != NULL)
        (void)zk__set_bind(config, bind);
    if (config->bind == ZK_BIND_DEFAULT)
        config->bind = ZK_BIND_CLOSE;
}

static void
read_environment(struct zk_config *config)
{
    const char *refused[ZK_SETTINGS_MAX] = {NULL};
    struct zk_config before;

    for (unsigned i = 0; i < zk__nvariables; i++) {
        const char *text = getenv(zk__variables[i].name);

        if (text == NULL)
            continue;
        if (zk__variables[i].set(config, text))
            config->from[i] = ENVIRONMENT;
        else
            refused[i] = text;
    }
    before = *config;
    take_hints(config);
    note_changes(config, &before, ENVIRONMENT);

    /* Last, when it is known what is used instead. */
    for (unsigned i = 0; i < zk__nvariables; i++) {
        const struct zk_variable *v = &zk__variables[i];

        if (refused[i] != NULL)
            zk__notice(config, "%s=%.64s is ignored: it wants %s; %s is used",
                       v->name, refused[i], v->wants, v->show(config).text);
    }
    name_unknown_variables(config);
}

static zk_err_t
read_options(struct zk_config *config, const zk_options_t *options)
{
    if (options->size != sizeof *options || options->workers > ZK_MAX_WORKERS ||
        options->spare_slots > ZK_MAX_SPARE ||
        options->spin_us > ZK_SPIN_US_MAX || options->bind > ZK_BIND_PRIMARY ||
        options->hugepages > ZK_HUGE_NEVER || options->trap > ZK_TRAP_OFF ||
        options->numa > ZK_NUMA_LANES ||
        (options->numa == ZK_NUMA_BIND) != (options->numa_nodes != NULL) ||
        options->decay_ms > ZK_DECAY_MS_MAX ||
        options->backend > ZK_BACKEND_OPENMP ||
        (options->slab_bytes != 0 && options->slab_bytes < ZK_SLAB_BYTES_MIN) ||
        (options->budget_bytes != 0 && options->budget_bytes < ZK_BUDGET_MIN) ||
        options->budget_percent > 100 ||
        (options->budget_bytes != 0 && options->budget_percent != 0) ||
        (options->stack_bytes != 0 && options->stack_bytes < ZK_STACK_MIN))
        return ZK_EINVAL;

    config->notice = options->notice;
    config->notice_arg = options->notice_arg;
    config->seed = options->seed;
    if (options->workers != 0) {
        config->workers = options->workers;
        config->workers_from = "options";
    }
    if (options->places != NULL) {
        if (!zk__set_places(config, options->places))
            return ZK_EINVAL;
        config->places_from = "options";
    }
    if (options->spare_slots != 0)
        config->spare_slots = options->spare_slots;
    if (options->slab_bytes != 0)
        config->slab_bytes = options->slab_bytes;
    if (options->min_bytes != 0) /* 1 byte and "all" are the same threshold */
        config->min_bytes = options->min_bytes == 1 ? 0 : options->min_bytes;
    if (options->stack_bytes != 0)
        config->stack_bytes = options->stack_bytes;
    if (options->spin_us != 0)
        config->spin_us = options->spin_us;
    if (options->bind != ZK_BIND_DEFAULT)
        config->bind = options->bind;
    if (options->hugepages != ZK_HUGE_DEFAULT)
        config->huge = options->hugepages;
    if (options->keep_bytes != 0)
        config->keep_bytes = options->keep_bytes;
    if (options->decay_ms != 0)
        config->decay_ms = options->decay_ms;
    if (options->numa != ZK_NUMA_DEFAULT)
        config->numa = options->numa;
    if (options->numa_nodes != NULL &&
        !zk__parse_nodes(options->numa_nodes, &config->numa_nodes))
        return ZK_EINVAL;
    if (options->trap != ZK_TRAP_DEFAULT)
        config->trap = options->trap;
    if (options->budget_bytes != 0 || options->budget_percent != 0) {
        config->budget_bytes = options->budget_bytes;
        config->budget_percent = options->budget_percent;
        config->budget_from = "options";
    }
    if (options->backend != ZK_BACKEND_DEFAULT)
        config->backend = options->backend;
    config->prefault_bytes = options->prefault_bytes;
    if (options->learn_file != NULL &&
        !zk__set_learn_file(config, options->learn_file))
        return ZK_EINVAL;
    return ZK_OK;
}

zk_err_t
zk__config_read(struct zk_config *config, const zk_options_t *options)
{
    struct zk_config before;
    zk_err_t err = ZK_OK;

    *config = (struct zk_config){
        .workers_from = "one per core",
        .spare_slots = DEFAULT_SPARE,
        .slab_bytes = DEFAULT_SLAB_BYTES,
        .min_bytes = DEFAULT_MIN_BYTES,
        .spin_us = DEFAULT_SPIN_US,
        .bind = ZK_BIND_DEFAULT, /* close, but for a hint */
        .huge = ZK_HUGE_AUTO,
        .trap = ZK_TRAP_ON,
        .numa = ZK_NUMA_LOCAL,
        .decay_ms = DEFAULT_DECAY_MS,
        .backend = ZK_BACKEND_PTHREADS,
        .debug = ZK_DEBUG_UNASKED,
    };
    before = *config;
    if (options != NULL)
        err = read_options(config, options);
    if (err != ZK_OK)
        return err;
    note_changes(config, &before, OPTIONS);
    read_environment(config);
    return ZK_OK;
}
