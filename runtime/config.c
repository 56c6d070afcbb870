/*
 * config.c - options and environment.
 *
 * Owns:   the table of variables, their grammar, and the notices about them,
 *         which say what is used instead.
 * Never:  clamps: a value out of range is refused as a whole and named.
 */
#include "runtime/config.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "alloc/heap/debug.h"
#include "alloc/os.h"
#include "alloc/slab.h"

#define DEFAULT_SLAB_BYTES ((size_t)8 << 30)
#define DEFAULT_MIN_BYTES  ((size_t)4096)
#define DEFAULT_SPARE      16u
#define DEFAULT_SPIN_US    30u
#define SPIN_US_MAX        1000000u
#define DEFAULT_DECAY_MS   10000u
#define DECAY_MS_MAX       86400000u
#define STACK_MIN          ((uint64_t)64 << 10)
#define BUDGET_MIN         ((uint64_t)ZK_HUGE_PAGE) /* what a slab charges first */

/* ---- notices ---------------------------------------------------------- */

static void
default_notice(const char *message, void *arg)
{
    char line[512];
    int n = snprintf(line, sizeof line, "zkrt: %s\n", message);

    (void)arg;
    if (n < 0 || write(STDERR_FILENO, line, strlen(line)) < 0)
        return; /* there is nobody to tell */
}

static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;

void
zk__notice_lock(void)
{
    pthread_mutex_lock(&said_lock);
}

void
zk__notice_unlock(void)
{
    pthread_mutex_unlock(&said_lock);
}

/* True the first time that this process says these words, while there is room to
 * remember them: stale pointers could go on for ever. */
static bool
first_time(const char *message)
{
    static uint64_t said[64];
    static unsigned nsaid;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    bool known = false;

    for (const char *c = message; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;

    pthread_mutex_lock(&said_lock);
    for (unsigned i = 0; i < nsaid && !known; i++)
        known = said[i] == hash;
    if (!known && nsaid < sizeof said / sizeof *said)
        said[nsaid++] = hash;
    else
        known = true;
    pthread_mutex_unlock(&said_lock);
    return !known;
}

void
zk__notice(const struct zk_config *config, const char *format, ...)
{
    char message[400];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    for (char *c = message; *c != '\0'; c++) /* it stays one line */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';

    if (config->notice != NULL)
        config->notice(message, config->notice_arg);
    else if (first_time(message))
        default_notice(message, NULL);
}

/* ---- grammar ---------------------------------------------------------- */

/* A whole decimal number in [lo, hi]. */
static bool
parse_number(const char *text, uint64_t lo, uint64_t hi, uint64_t *value)
{
    char *end;
    unsigned long long n;

    if (text[0] < '0' || text[0] > '9')
        return false; /* strtoull would take blanks and signs */
    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || n < lo || n > hi)
        return false;
    *value = n;
    return true;
}

/* Bytes: a number, then nothing or K, M, G, T (powers of 1024). */
static bool
parse_bytes(const char *text, uint64_t lo, uint64_t hi, uint64_t *value)
{
    static const char units[] = "KMGT";
    size_t length = strlen(text);
    char digits[32];
    unsigned shift = 0;
    const char *unit;
    uint64_t n;

    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, text, length + 1);
    unit = strchr(units, digits[length - 1] & ~0x20);
    if (unit != NULL && *unit != '\0') {
        shift = 10 * (unsigned)(unit - units + 1);
        digits[length - 1] = '\0';
    }
    if (!parse_number(digits, 0, UINT64_MAX >> shift, &n))
        return false;
    n <<= shift;
    if (n < lo || n > hi)
        return false;
    *value = n;
    return true;
}

/* One of a list of words, whatever the case; its index. */
static bool
parse_word(const char *text, const char *const *words, int *index)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *index = i;
            return true;
        }
    return false;
}

/* Bytes, or a word for none of them or for all. */
static bool
parse_amount(const char *text, const char *none, const char *all, size_t *bytes)
{
    const char *const words[] = {none, all, NULL};
    int word;
    uint64_t n;

    if (parse_word(text, words, &word))
        n = word == 0 ? 0 : SIZE_MAX;
    else if (!parse_bytes(text, 0, SIZE_MAX / 2, &n))
        return false;
    *bytes = (size_t)n;
    return true;
}

/* ---- variables -------------------------------------------------------- */

static bool
set_workers(struct zk_config *c, const char *text)
{
    uint64_t n;

    if (!parse_number(text, 1, ZK_MAX_WORKERS, &n))
        return false;
    c->workers = (unsigned)n;
    c->workers_from = "ZK_NUM_WORKERS";
    return true;
}

static bool
set_slab_gb(struct zk_config *c, const char *text)
{
    uint64_t n;

    if (!parse_number(text, 1, SIZE_MAX >> 30, &n))
        return false;
    c->slab_bytes = (size_t)n << 30;
    return true;
}

static bool
set_slab_bytes(struct zk_config *c, const char *text)
{
    uint64_t n;

    if (!parse_bytes(text, ZK_SLAB_BYTES_MIN, SIZE_MAX, &n))
        return false;
    c->slab_bytes = (size_t)n;
    return true;
}

static bool
set_min_bytes(struct zk_config *c, const char *text)
{
    uint64_t n;

    if (!parse_bytes(text, 0, SIZE_MAX / 2, &n))
        return false;
    c->min_bytes = (size_t)n;
    return true;
}

static bool
set_stack(struct zk_config *c, const char *text)
{
    uint64_t n;

    if (!parse_bytes(text, STACK_MIN, (uint64_t)1 << 40, &n))
        return false;
    c->stack_bytes = (size_t)n;
    return true;
}

static bool
set_seed(struct zk_config *c, const char *text)
{
    return parse_number(text, 0, UINT64_MAX, &c->seed);
}

static bool
set_wait(struct zk_config *c, const char *text)
{
    static const char *const words[] = {"passive", "active", NULL};
    int word;
    uint64_t n;

    if (parse_word(text, words, &word))
        n = word == 0 ? 0 : SPIN_US_MAX;
    else if (!parse_number(text, 0, SPIN_US_MAX, &n))
        return false;
    c->spin_us = (unsigned)n;
    return true;
}

static bool
set_bind(struct zk_config *c, const char *text)
{
    static const char *const words[] = {"close",  "true", "spread", "primary",
                                        "master", "none", "false",  NULL};
    static const enum zk_bind binds[] = {
        ZK_BIND_CLOSE,   ZK_BIND_CLOSE, ZK_BIND_SPREAD, ZK_BIND_PRIMARY,
        ZK_BIND_PRIMARY, ZK_BIND_NONE,  ZK_BIND_NONE};
    enum zk_bind outer = ZK_BIND_DEFAULT;
    char list[64], *rest = list, *one;

    /* OpenMP's lists name the nested teams, too: all must be right, the
     * outermost counts. */
    if (strlen(text) >= sizeof list)
        return false;
    memcpy(list, text, strlen(text) + 1);
    while ((one = strsep(&rest, ",")) != NULL) {
        int word;

        if (!parse_word(one, words, &word))
            return false;
        if (outer == ZK_BIND_DEFAULT)
            outer = binds[word];
    }
    c->bind = outer;
    return true;
}

static bool
set_places(struct zk_config *c, const char *text)
{
    if (strlen(text) >= sizeof c->places || !zk__places_valid(text))
        return false;
    memcpy(c->places, text, strlen(text) + 1);
    c->places_from = "ZK_PLACES";
    return true;
}

/* Nodes, as in "0,2-3". */
static bool
parse_nodes(const char *text, struct zk_nodes *nodes)
{
    char list[256], *rest = list, *range;

    *nodes = (struct zk_nodes){{0}};
    if (strlen(text) >= sizeof list)
        return false;
    memcpy(list, text, strlen(text) + 1);
    while ((range = strsep(&rest, ",")) != NULL) {
        char *dash = strchr(range, '-');
        uint64_t first, last;

        if (dash != NULL)
            *dash = '\0';
        if (!parse_number(range, 0, ZK_NODES_MAX - 1, &first))
            return false;
        last = first;
        if (dash != NULL &&
            !parse_number(dash + 1, first, ZK_NODES_MAX - 1, &last))
            return false;
        for (uint64_t node = first; node <= last; node++)
            zk__nodes_add(nodes, (unsigned)node);
    }
    return true;
}

static bool
set_numa(struct zk_config *c, const char *text)
{
    static const char *const words[] = {"local", "interleave", "off", "lanes",
                                        NULL};
    static const enum zk_numa_mode modes[] = {ZK_NUMA_LOCAL, ZK_NUMA_INTERLEAVE,
                                              ZK_NUMA_OFF, ZK_NUMA_LANES};
    struct zk_nodes nodes;
    int word;

    if (parse_word(text, words, &word)) {
        c->numa = modes[word];
        return true;
    }
    if (strncasecmp(text, "bind:", 5) != 0 || !parse_nodes(text + 5, &nodes))
        return false;
    c->numa = ZK_NUMA_BIND;
    c->numa_nodes = nodes;
    return true;
}

static bool
set_huge(struct zk_config *c, const char *text)
{
    static const char *const words[] = {"auto", "always", "never", NULL};
    static const enum zk_huge huges[] = {ZK_HUGE_AUTO, ZK_HUGE_ALWAYS,
                                         ZK_HUGE_NEVER};
    int word;

    if (!parse_word(text, words, &word))
        return false;
    c->huge = huges[word];
    return true;
}

static bool
set_trap(struct zk_config *c, const char *text)
{
    static const char *const words[] = {"on", "auto", "off", NULL};
    static const enum zk_trap traps[] = {ZK_TRAP_ON, ZK_TRAP_AUTO, ZK_TRAP_OFF};
    int word;

    if (!parse_word(text, words, &word))
        return false;
    c->trap = traps[word];
    return true;
}

static bool
set_keep(struct zk_config *c, const char *text)
{
    return parse_amount(text, "learn", "all", &c->keep_bytes);
}

static bool
set_decay(struct zk_config *c, const char *text)
{
    uint64_t n;

    if (!parse_number(text, 0, DECAY_MS_MAX, &n))
        return false;
    c->decay_ms = (unsigned)n;
    return true;
}

/* Bytes, a share as 90%, or none. */
static bool
set_budget(struct zk_config *c, const char *text)
{
    static const char *const words[] = {"off", "unlimited", NULL};
    size_t length = strlen(text);
    char digits[8];
    int word;
    uint64_t bytes = 0, percent = 0;

    if (parse_word(text, words, &word)) {
        bytes = SIZE_MAX;
    } else if (length > 1 && length < sizeof digits &&
               text[length - 1] == '%') {
        memcpy(digits, text, length - 1);
        digits[length - 1] = '\0';
        if (!parse_number(digits, 1, 100, &percent))
            return false;
    } else if (!parse_bytes(text, BUDGET_MIN, SIZE_MAX / 2, &bytes)) {
        return false;
    }
    c->budget_bytes = (size_t)bytes;
    c->budget_percent = (unsigned)percent;
    c->budget_from = "ZK_ALLOC_BUDGET";
    return true;
}

static bool
set_backend(struct zk_config *c, const char *text)
{
    static const char *const words[] = {"pthreads", "openmp", NULL};
    static const enum zk_backend backends[] = {ZK_BACKEND_PTHREADS,
                                               ZK_BACKEND_OPENMP};
    int word;

    if (!parse_word(text, words, &word))
        return false;
    c->backend = backends[word];
    return true;
}

static bool
set_prefault(struct zk_config *c, const char *text)
{
    return parse_amount(text, "off", "learn", &c->prefault_bytes);
}

/* What is set has room for it. */
static bool
set_learn_file(struct zk_config *c, const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n >= sizeof c->learn_file || text[n - 1] == '/')
        return false;
    memcpy(c->learn_file, text, n + 1);
    return true;
}

static bool
set_display(struct zk_config *c, const char *text)
{
    static const char *const words[] = {"0",    "false", "1",
                                        "true", "json",  NULL};
    static const enum zk_display displays[] = {ZK_DISPLAY_OFF, ZK_DISPLAY_OFF,
                                               ZK_DISPLAY_TEXT, ZK_DISPLAY_TEXT,
                                               ZK_DISPLAY_JSON};
    int word;

    if (!parse_word(text, words, &word))
        return false;
    c->display = displays[word];
    return true;
}

static bool
set_debug(struct zk_config *c, const char *text)
{
    return zk__debug_parse(text, &c->debug);
}

/* ---- what is used instead of a malformed value ------------------------- */

struct text {
    char c[64];
};

static struct text
text_number(uint64_t n)
{
    struct text t;

    snprintf(t.c, sizeof t.c, "%" PRIu64, n);
    return t;
}

static struct text
text_word(const char *word)
{
    struct text t;

    snprintf(t.c, sizeof t.c, "%.*s", (int)sizeof t.c - 1, word);
    return t;
}

/* With the largest unit that divides it. */
static struct text
text_bytes(uint64_t n)
{
    static const char *const units[] = {"", "K", "M", "G", "T"};
    size_t unit = 0;
    struct text t;

    for (; n != 0 && n % 1024 == 0 && unit < 4; unit++)
        n /= 1024;
    snprintf(t.c, sizeof t.c, "%" PRIu64 "%s", n, units[unit]);
    return t;
}

static struct text
show_workers(const struct zk_config *c)
{
    return c->workers != 0 ? text_number(c->workers)
                           : text_word("one per core");
}

static struct text
show_bind(const struct zk_config *c)
{
    return text_word(c->bind == ZK_BIND_NONE      ? "none"
                     : c->bind == ZK_BIND_SPREAD  ? "spread"
                     : c->bind == ZK_BIND_PRIMARY ? "primary"
                                                  : "close");
}

static struct text
show_places(const struct zk_config *c)
{
    return text_word(c->places[0] != '\0' ? c->places
                                          : "single units, cores first");
}

static struct text
show_numa(const struct zk_config *c)
{
    struct text t = text_word("bind:");
    const char *comma = "";

    if (c->numa != ZK_NUMA_BIND)
        return text_word(c->numa == ZK_NUMA_OFF          ? "off"
                         : c->numa == ZK_NUMA_INTERLEAVE ? "interleave"
                         : c->numa == ZK_NUMA_LANES      ? "lanes"
                                                         : "local");
    for (unsigned node = 0; node < ZK_NODES_MAX; node++) {
        size_t used = strlen(t.c);

        if (!zk__nodes_has(&c->numa_nodes, node))
            continue;
        snprintf(t.c + used, sizeof t.c - used, "%s%u", comma, node);
        comma = ",";
    }
    return t;
}

static struct text
show_slab(const struct zk_config *c)
{
    return text_bytes(c->slab_bytes);
}

static struct text
show_min_bytes(const struct zk_config *c)
{
    return text_bytes(c->min_bytes);
}

static struct text
show_huge(const struct zk_config *c)
{
    return text_word(c->huge == ZK_HUGE_NEVER    ? "never"
                     : c->huge == ZK_HUGE_ALWAYS ? "always"
                                                 : "auto");
}

static struct text
show_trap(const struct zk_config *c)
{
    return text_word(c->trap == ZK_TRAP_OFF    ? "off"
                     : c->trap == ZK_TRAP_AUTO ? "auto"
                                               : "on");
}

static struct text
show_keep(const struct zk_config *c)
{
    return c->keep_bytes == SIZE_MAX ? text_word("all")
           : c->keep_bytes == 0      ? text_word("learn")
                                     : text_bytes(c->keep_bytes);
}

static struct text
show_decay(const struct zk_config *c)
{
    return text_number(c->decay_ms);
}

static struct text
show_budget(const struct zk_config *c)
{
    struct text t;

    if (c->budget_bytes == SIZE_MAX)
        return text_word("off");
    if (c->budget_bytes != 0)
        return text_bytes(c->budget_bytes);
    if (c->budget_percent == 0)
        return text_word("90% of the container's limit");
    snprintf(t.c, sizeof t.c, "%u%%", c->budget_percent);
    return t;
}

static struct text
show_backend(const struct zk_config *c)
{
    return text_word(c->backend == ZK_BACKEND_OPENMP ? "openmp" : "pthreads");
}

static struct text
show_prefault(const struct zk_config *c)
{
    return c->prefault_bytes == SIZE_MAX ? text_word("learn")
           : c->prefault_bytes == 0      ? text_word("off")
                                         : text_bytes(c->prefault_bytes);
}

static struct text
show_learn_file(const struct zk_config *c)
{
    return text_word(c->learn_file[0] != '\0' ? "the program's choice"
                                              : "one in the cache directory");
}

static struct text
show_stack(const struct zk_config *c)
{
    return c->stack_bytes != 0 ? text_bytes(c->stack_bytes)
                               : text_word("the system's default");
}

static struct text
show_wait(const struct zk_config *c)
{
    return text_number(c->spin_us);
}

static struct text
show_display(const struct zk_config *c)
{
    static const char *const words[] = {"0", "1", "json"};

    return text_word(words[c->display]);
}

static struct text
show_debug(const struct zk_config *c)
{
    return text_word(c->debug && ZK_HAVE_DEBUG ? "on" : "off");
}

static struct text
show_seed(const struct zk_config *c)
{
    return text_number(c->seed);
}

/* ---- the table -------------------------------------------------------- */

/* SLAB_BYTES stands after SLAB_GB: where both are set it wins. */
static const struct variable {
    const char *name;
    bool (*set)(struct zk_config *c, const char *text);
    struct text (*show)(const struct zk_config *c);
    const char *wants;
} variables[] = {
    {"ZK_NUM_WORKERS", set_workers, show_workers, "a number from 1 to 1024"},
    {"ZK_PLACES", set_places, show_places,
     "threads, cores, ll_caches, sockets, numa_domains, or a list of places"},
    {"ZK_PROC_BIND", set_bind, show_bind, "close, spread, primary or none"},
    {"ZK_NUMA", set_numa, show_numa,
     "local, interleave, off, lanes, or bind: and nodes as in 0,2-3"},
    {"ZK_ALLOC_SLAB_GB", set_slab_gb, show_slab,
     "a whole number of GiB, at least 1"},
    {"ZK_ALLOC_SLAB_BYTES", set_slab_bytes, show_slab,
     "bytes, at least 1M; K, M, G or T may follow"},
    {"ZK_ALLOC_MIN_BYTES", set_min_bytes, show_min_bytes,
     "bytes; K, M, G or T may follow"},
    {"ZK_ALLOC_HUGEPAGES", set_huge, show_huge, "auto, always or never"},
    {"ZK_ALLOC_KEEP", set_keep, show_keep,
     "learn, all, or bytes of each slab; K, M, G or T may follow"},
    {"ZK_ALLOC_DECAY_MS", set_decay, show_decay,
     "milliseconds to 86400000 (a day)"},
    {"ZK_ALLOC_BUDGET", set_budget, show_budget,
     "bytes, at least 2M, with K, M, G or T; 1% to 100%; or off"},
    {"ZK_ALLOC_PREFAULT", set_prefault, show_prefault,
     "learn, off, or bytes of each worker's slab; K, M, G or T may follow"},
    {"ZK_ALLOC_LEARN_FILE", set_learn_file, show_learn_file,
     "the path of a file, of at most 1023 bytes"},
    {"ZK_ALLOC_TRAP", set_trap, show_trap, "on, auto or off"},
    {"ZK_STACKSIZE", set_stack, show_stack,
     "bytes, at least 64K; K, M or G may follow"},
    {"ZK_WAIT", set_wait, show_wait,
     "active, passive, or microseconds to 1000000"},
    {"ZK_SEED", set_seed, show_seed, "a number"},
    {"ZK_DISPLAY", set_display, show_display, "0, 1 or json"},
    {"ZK_DEBUG", set_debug, show_debug, "on or off"},
    {"ZK_BACKEND", set_backend, show_backend, "pthreads or openmp"},
};

#define NVARIABLES (sizeof variables / sizeof *variables)

_Static_assert(NVARIABLES <= ZK_SETTINGS_MAX, "a place for each one's source");

/* Where a setting comes from. */
enum { BUILT_IN, OPTIONS, ENVIRONMENT };

/* Notes the settings that are no longer as they were. */
static void
note_changes(struct zk_config *config, const struct zk_config *before,
             unsigned char from)
{
    for (size_t i = 0; i < NVARIABLES; i++)
        if (strcmp(variables[i].show(config).c, variables[i].show(before).c) !=
            0)
            config->from[i] = from;
}

unsigned
zk__config_settings(void)
{
    return NVARIABLES;
}

struct zk_setting
zk__config_setting(const struct zk_config *config, unsigned i)
{
    static const char *const from[] = {"built-in", "options", "environment"};
    struct zk_setting s = {.name = variables[i].name,
                           .from = from[config->from[i]]};

    memcpy(s.value, variables[i].show(config).c, sizeof s.value);
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
        for (size_t i = 0; i < NVARIABLES && !known; i++)
            known = strlen(variables[i].name) == length &&
                    strncmp(*e, variables[i].name, length) == 0;
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
    uint64_t n;

    if (config->workers == 0 && threads != NULL) {
        snprintf(first, sizeof first, "%.*s", (int)strcspn(threads, ","),
                 threads);
        if (parse_number(first, 1, ZK_MAX_WORKERS, &n)) {
            config->workers = (unsigned)n;
            config->workers_from = "OMP_NUM_THREADS";
            config->workers_hint = true;
        }
    }
    if (config->places[0] == '\0' && places != NULL &&
        set_places(config, places))
        config->places_from = "OMP_PLACES";
    if (config->bind == ZK_BIND_DEFAULT && bind != NULL)
        (void)set_bind(config, bind);
    if (config->bind == ZK_BIND_DEFAULT)
        config->bind = ZK_BIND_CLOSE;
}

static void
read_environment(struct zk_config *config)
{
    const char *refused[NVARIABLES] = {NULL};
    struct zk_config before;

    for (size_t i = 0; i < NVARIABLES; i++) {
        const char *text = getenv(variables[i].name);

        if (text == NULL)
            continue;
        if (variables[i].set(config, text))
            config->from[i] = ENVIRONMENT;
        else
            refused[i] = text;
    }
    before = *config;
    take_hints(config);
    note_changes(config, &before, ENVIRONMENT);

    /* Last, when it is known what is used instead. */
    for (size_t i = 0; i < NVARIABLES; i++)
        if (refused[i] != NULL)
            zk__notice(config, "%s=%.64s is ignored: it wants %s; %s is used",
                       variables[i].name, refused[i], variables[i].wants,
                       variables[i].show(config).c);
    name_unknown_variables(config);
}

static zk_err_t
read_options(struct zk_config *config, const zk_options_t *options)
{
    if (options->size != sizeof *options || options->workers > ZK_MAX_WORKERS ||
        options->spare_slots > ZK_MAX_SPARE || options->spin_us > SPIN_US_MAX ||
        options->bind > ZK_BIND_PRIMARY || options->hugepages > ZK_HUGE_NEVER ||
        options->trap > ZK_TRAP_OFF || options->numa > ZK_NUMA_LANES ||
        (options->numa == ZK_NUMA_BIND) != (options->numa_nodes != NULL) ||
        options->decay_ms > DECAY_MS_MAX ||
        options->backend > ZK_BACKEND_OPENMP ||
        (options->slab_bytes != 0 && options->slab_bytes < ZK_SLAB_BYTES_MIN) ||
        (options->budget_bytes != 0 && options->budget_bytes < BUDGET_MIN) ||
        options->budget_percent > 100 ||
        (options->budget_bytes != 0 && options->budget_percent != 0) ||
        (options->stack_bytes != 0 && options->stack_bytes < STACK_MIN))
        return ZK_EINVAL;

    config->notice = options->notice;
    config->notice_arg = options->notice_arg;
    config->seed = options->seed;
    if (options->workers != 0) {
        config->workers = options->workers;
        config->workers_from = "options";
    }
    if (options->places != NULL) {
        if (!set_places(config, options->places))
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
        !parse_nodes(options->numa_nodes, &config->numa_nodes))
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
        !set_learn_file(config, options->learn_file))
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
