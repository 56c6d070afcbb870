/*
 * variables.c - the variables of the environment, one by one.
 *
 * Owns:   how each one is read into its field of the configuration, how the
 *         field is shown, and the words for what it wants.
 * Never:  clamps: a value out of range is refused as a whole.
 */
#include "runtime/variables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc/heap/debug.h"
#include "alloc/slab.h"

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

/* ---- how a variable is read --------------------------------------------- */

bool
zk__set_workers(struct zk_config *c, const char *text)
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

    if (!parse_bytes(text, ZK_STACK_MIN, (uint64_t)1 << 40, &n))
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
        n = word == 0 ? 0 : ZK_SPIN_US_MAX;
    else if (!parse_number(text, 0, ZK_SPIN_US_MAX, &n))
        return false;
    c->spin_us = (unsigned)n;
    return true;
}

bool
zk__set_bind(struct zk_config *c, const char *text)
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

bool
zk__set_places(struct zk_config *c, const char *text)
{
    if (strlen(text) >= sizeof c->places || !zk__places_valid(text))
        return false;
    memcpy(c->places, text, strlen(text) + 1);
    c->places_from = "ZK_PLACES";
    return true;
}

bool
zk__parse_nodes(const char *text, struct zk_nodes *nodes)
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
    if (strncasecmp(text, "bind:", 5) != 0 ||
        !zk__parse_nodes(text + 5, &nodes))
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

    if (!parse_number(text, 0, ZK_DECAY_MS_MAX, &n))
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
    } else if (!parse_bytes(text, ZK_BUDGET_MIN, SIZE_MAX / 2, &bytes)) {
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
bool
zk__set_learn_file(struct zk_config *c, const char *text)
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

/* ---- how a value is shown --------------------------------------------- */

static struct zk_shown
text_number(uint64_t n)
{
    struct zk_shown t;

    snprintf(t.text, sizeof t.text, "%" PRIu64, n);
    return t;
}

static struct zk_shown
text_word(const char *word)
{
    struct zk_shown t;

    snprintf(t.text, sizeof t.text, "%.*s", (int)sizeof t.text - 1, word);
    return t;
}

/* With the largest unit that divides it. */
static struct zk_shown
text_bytes(uint64_t n)
{
    static const char *const units[] = {"", "K", "M", "G", "T"};
    size_t unit = 0;
    struct zk_shown t;

    for (; n != 0 && n % 1024 == 0 && unit < 4; unit++)
        n /= 1024;
    snprintf(t.text, sizeof t.text, "%" PRIu64 "%s", n, units[unit]);
    return t;
}

static struct zk_shown
show_workers(const struct zk_config *c)
{
    return c->workers != 0 ? text_number(c->workers)
                           : text_word("one per core");
}

static struct zk_shown
show_bind(const struct zk_config *c)
{
    return text_word(c->bind == ZK_BIND_NONE      ? "none"
                     : c->bind == ZK_BIND_SPREAD  ? "spread"
                     : c->bind == ZK_BIND_PRIMARY ? "primary"
                                                  : "close");
}

static struct zk_shown
show_places(const struct zk_config *c)
{
    return text_word(c->places[0] != '\0' ? c->places
                                          : "single units, cores first");
}

static struct zk_shown
show_numa(const struct zk_config *c)
{
    struct zk_shown t = text_word("bind:");
    const char *comma = "";

    if (c->numa != ZK_NUMA_BIND)
        return text_word(c->numa == ZK_NUMA_OFF          ? "off"
                         : c->numa == ZK_NUMA_INTERLEAVE ? "interleave"
                         : c->numa == ZK_NUMA_LANES      ? "lanes"
                                                         : "local");
    for (unsigned node = 0; node < ZK_NODES_MAX; node++) {
        size_t used = strlen(t.text);

        if (!zk__nodes_has(&c->numa_nodes, node))
            continue;
        snprintf(t.text + used, sizeof t.text - used, "%s%u", comma, node);
        comma = ",";
    }
    return t;
}

static struct zk_shown
show_slab(const struct zk_config *c)
{
    return text_bytes(c->slab_bytes);
}

static struct zk_shown
show_min_bytes(const struct zk_config *c)
{
    return text_bytes(c->min_bytes);
}

static struct zk_shown
show_huge(const struct zk_config *c)
{
    return text_word(c->huge == ZK_HUGE_NEVER    ? "never"
                     : c->huge == ZK_HUGE_ALWAYS ? "always"
                                                 : "auto");
}

static struct zk_shown
show_trap(const struct zk_config *c)
{
    return text_word(c->trap == ZK_TRAP_OFF    ? "off"
                     : c->trap == ZK_TRAP_AUTO ? "auto"
                                               : "on");
}

static struct zk_shown
show_keep(const struct zk_config *c)
{
    return c->keep_bytes == SIZE_MAX ? text_word("all")
           : c->keep_bytes == 0      ? text_word("learn")
                                     : text_bytes(c->keep_bytes);
}

static struct zk_shown
show_decay(const struct zk_config *c)
{
    return text_number(c->decay_ms);
}

static struct zk_shown
show_budget(const struct zk_config *c)
{
    struct zk_shown t;

    if (c->budget_bytes == SIZE_MAX)
        return text_word("off");
    if (c->budget_bytes != 0)
        return text_bytes(c->budget_bytes);
    if (c->budget_percent == 0)
        return text_word("90% of the container's limit");
    snprintf(t.text, sizeof t.text, "%u%%", c->budget_percent);
    return t;
}

static struct zk_shown
show_backend(const struct zk_config *c)
{
    return text_word(c->backend == ZK_BACKEND_OPENMP ? "openmp" : "pthreads");
}

static struct zk_shown
show_prefault(const struct zk_config *c)
{
    return c->prefault_bytes == SIZE_MAX ? text_word("learn")
           : c->prefault_bytes == 0      ? text_word("off")
                                         : text_bytes(c->prefault_bytes);
}

static struct zk_shown
show_learn_file(const struct zk_config *c)
{
    return text_word(c->learn_file[0] != '\0' ? "the program's choice"
                                              : "one in the cache directory");
}

static struct zk_shown
show_stack(const struct zk_config *c)
{
    return c->stack_bytes != 0 ? text_bytes(c->stack_bytes)
                               : text_word("the system's default");
}

static struct zk_shown
show_wait(const struct zk_config *c)
{
    return text_number(c->spin_us);
}

static struct zk_shown
show_display(const struct zk_config *c)
{
    static const char *const words[] = {"0", "1", "json"};

    return text_word(words[c->display]);
}

static struct zk_shown
show_debug(const struct zk_config *c)
{
    return text_word(c->debug && ZK_HAVE_DEBUG ? "on" : "off");
}

static struct zk_shown
show_seed(const struct zk_config *c)
{
    return text_number(c->seed);
}

/* ---- the table -------------------------------------------------------- */

const struct zk_variable zk__variables[] = {
    {"ZK_NUM_WORKERS", zk__set_workers, show_workers,
     "a number from 1 to 1024"},
    {"ZK_PLACES", zk__set_places, show_places,
     "threads, cores, ll_caches, sockets, numa_domains, or a list of places"},
    {"ZK_PROC_BIND", zk__set_bind, show_bind, "close, spread, primary or none"},
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
    {"ZK_ALLOC_LEARN_FILE", zk__set_learn_file, show_learn_file,
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

#define NVARIABLES (sizeof zk__variables / sizeof *zk__variables)

_Static_assert(NVARIABLES <= ZK_SETTINGS_MAX, "a place for each one's source");

const unsigned zk__nvariables = NVARIABLES;
