/*
 * cgroup.c - control groups, versions 1 and 2.
 *
 * Owns:   the grammar of /proc/self/cgroup, /proc/self/mountinfo and of the
 *         memory controller's files.
 * Never:  keeps a file open: programs close descriptors that are not theirs.
 */
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private/bits.h"

/* ---- finding ------------------------------------------------------------ */

/* Whether a word is in a list that commas separate. */
static bool
lists(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (;;) {
        size_t length = strcspn(list, ",");

        if (length == n && strncmp(list, word, n) == 0)
            return true;
        if (list[length] == '\0')
            return false;
        list += length + 1;
    }
}

/* Opens root + name for reading lines. */
static FILE *
open_below(const char *root, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s%s", root, name);

    return n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
}

/*
 * The group's path within its hierarchy, from lines as "4:memory:/a/b" (version
 * 1) and "0::/a/b" (version 2). Where both are mounted a controller is in one of
 * them only, and version 1 names it.
 */
static int
read_membership(FILE *f, const char *controller, char *group, size_t room)
{
    char *line = NULL;
    size_t capacity = 0;
    int version = 0;

    while (version != 1 && getline(&line, &capacity, f) > 0) {
        char *controllers = strchr(line, ':'), *path;

        line[strcspn(line, "\n")] = '\0';
        if (controllers == NULL)
            continue;
        path = strchr(++controllers, ':');
        if (path == NULL)
            continue;
        *path++ = '\0';
        if (strlen(path) >= room)
            continue;
        if (lists(controllers, controller))
            version = 1;
        else if (controllers[0] == '\0' && strncmp(line, "0:", 2) == 0)
            version = 2;
        else
            continue;
        memcpy(group, path, strlen(path) + 1);
    }
    free(line);
    return version;
}

/* Blanks and the like stand as \040 in mountinfo. */
static void
decode(char *text)
{
    char *to = text;

    for (; *text != '\0'; to++) {
        bool octal = text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
                     text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
                     text[3] <= '7';

        if (octal) {
            *to = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 +
                         (text[3] - '0'));
            text += 4;
        } else {
            *to = *text++;
        }
    }
    *to = '\0';
}

/* A line of mountinfo: id parent device root point options ... - type source
 * options. */
struct mount {
    char *root, *point, *type, *options;
};

static bool
parse_mount(char *line, struct mount *m)
{
    char *field[6], *rest = strstr(line, " - "), *save = NULL;

    if (rest == NULL)
        return false;
    *rest = '\0';
    rest += 3;
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        field[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
        if (field[i] == NULL)
            return false;
    }
    m->root = field[3];
    m->point = field[4];
    m->type = strtok_r(rest, " ", &save);
    (void)strtok_r(NULL, " ", &save); /* the source */
    m->options = strtok_r(NULL, " \n", &save);
    if (m->type == NULL || m->options == NULL)
        return false;
    decode(m->root);
    decode(m->point);
    return true;
}

static bool
has_controller(const struct mount *m, int version, const char *controller)
{
    if (version == 2)
        return strcmp(m->type, "cgroup2") == 0;
    return strcmp(m->type, "cgroup") == 0 && lists(m->options, controller);
}

/* What of the group's path lies below the root of the mount: in a container the
 * mount may begin at the group itself. A group outside of the mount is not to be
 * seen, and the mount's root is the nearest there is. */
static const char *
below(const char *group, const char *root)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(group, root, n) != 0 || (group[n] != '/' && group[n] != '\0') ||
        strstr(group, "/..") != NULL)
        return "";
    return strcmp(group + n, "/") == 0 ? "" : group + n;
}

static bool
read_mounts(FILE *f, struct zk_cgroup *g, const char *root, const char *group,
            const char *controller)
{
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;

    while (!found && getline(&line, &capacity, f) > 0) {
        struct mount m;
        int mount, path;

        if (!parse_mount(line, &m) ||
            !has_controller(&m, g->version, controller))
            continue;
        mount = snprintf(g->path, sizeof g->path, "%s%s", root, m.point);
        path = snprintf(g->path, sizeof g->path, "%s%s%s", root, m.point,
                        below(group, m.root));
        found = mount > 0 && path > 0 && (size_t)path < sizeof g->path;
        g->mount = found ? (size_t)mount : 0;
    }
    free(line);
    return found;
}

bool
zk__cgroup_find(struct zk_cgroup *g, const char *root, const char *controller)
{
    char group[sizeof g->path];
    FILE *f = open_below(root, "/proc/self/cgroup");
    bool found = false;

    *g = (struct zk_cgroup){.version = 0};
    if (f == NULL)
        return false;
    g->version = read_membership(f, controller, group, sizeof group);
    fclose(f);
    f = g->version != 0 ? open_below(root, "/proc/self/mountinfo") : NULL;
    if (f != NULL) {
        found = read_mounts(f, g, root, group, controller);
        fclose(f);
    }
    if (!found)
        g->version = 0;
    return found;
}

/* ---- memory ------------------------------------------------------------- */

/* The text of a file of the group, at most n - 1 bytes of it. */
static bool
read_file(const char *group, const char *name, char *text, size_t n)
{
    char path[4096 + 64];
    size_t length = 0;
    ssize_t got = 0;
    int fd;

    snprintf(path, sizeof path, "%s/%s", group, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (length < n - 1 &&
           (got = read(fd, text + length, n - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    text[length] = '\0';
    return got >= 0 && length != 0;
}

/* Bytes; false for "max", for what stands for it in version 1 (the largest
 * number of whole pages), and for what is no number. */
static bool
parse_bytes(const char *text, uint64_t *bytes)
{
    char *end;
    unsigned long long n;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno != 0 || (*end != '\n' && *end != '\0') || n >= UINT64_C(1) << 62)
        return false;
    *bytes = n;
    return true;
}

static bool
read_bytes(const char *group, const char *name, uint64_t *bytes)
{
    char text[64];

    return read_file(group, name, text, sizeof text) &&
           parse_bytes(text, bytes);
}

/* The number behind a name in memory.stat. */
static bool
stat_entry(const char *stat, const char *name, uint64_t *bytes)
{
    size_t n = strlen(name);

    for (const char *line = stat; line != NULL;
         line = strchr(line, '\n'), line = line != NULL ? line + 1 : NULL)
        if (strncmp(line, name, n) == 0 && line[n] == ' ')
            return parse_bytes(line + n + 1, bytes);
    return false;
}

/* Names of files and entries, by version. The last is what version 1 says of the
 * groups above, also where a container does not see them. */
static const struct names {
    const char *limit, *used, *inactive, *active, *above;
} names[] = {
    {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
     "total_active_file", "hierarchical_memory_limit"},
    {"memory.max", "memory.current", "inactive_file", "active_file", NULL},
};

#define MARGIN_LEAST ((uint64_t)4 << 20)

/*
 * What stays free of a limit: a twentieth. It is for what nobody can see coming:
 * page tables and the tables beside slabs for memory that was not touched yet,
 * and what the rest of the group takes between two readings.
 */
static uint64_t
margin(uint64_t limit)
{
    uint64_t least = limit / 8 < MARGIN_LEAST ? limit / 8 : MARGIN_LEAST;

    return limit / 20 > least ? limit / 20 : least;
}

/* The limit of one group; UINT64_MAX: it has none. */
static uint64_t
read_limit(const char *group, const struct names *name, const char *stat)
{
    uint64_t limit, above;

    if (!read_bytes(group, name->limit, &limit))
        limit = UINT64_MAX;
    if (name->above != NULL && stat_entry(stat, name->above, &above) &&
        above < limit)
        limit = above;
    return limit;
}

/* One group's limit and room, if it has any. */
static void
read_group(const char *group, const struct names *name,
           struct zk_cgroup_memory *m)
{
    uint64_t limit, used, inactive = 0, active = 0, cache;
    char stat[8192] = "";
    int64_t room;

    if (name->above != NULL)
        (void)read_file(group, "memory.stat", stat, sizeof stat);
    limit = read_limit(group, name, stat);
    if (limit == UINT64_MAX)
        return;
    m->limit = zk_min_size(m->limit, (size_t)limit);
    if (!read_bytes(group, name->used, &used))
        return;
    if (name->above == NULL)
        (void)read_file(group, "memory.stat", stat, sizeof stat);
    (void)stat_entry(stat, name->inactive, &inactive);
    (void)stat_entry(stat, name->active, &active);
    cache = inactive + active;
    used -= cache < used ? cache : used;
    room = (int64_t)(limit - margin(limit)) - (int64_t)used;
    if (room < m->room)
        m->room = room;
}

/* ---- CPU time and CPUs --------------------------------------------------- */

/* "150000 100000", as cpu.max has it; false for "max 100000". */
static bool
parse_quota(const char *text, uint64_t *quota, uint64_t *period)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    *quota = strtoull(text, &end, 10);
    if (*end != ' ' || end[1] < '0' || end[1] > '9')
        return false;
    *period = strtoull(end + 1, &end, 10);
    return true;
}

/* The share of one group; 0: it has no limit. */
static unsigned
read_percent(const char *group, int version)
{
    uint64_t quota = 0, period = 0, percent;
    char text[64];

    if (version == 2) {
        if (!read_file(group, "cpu.max", text, sizeof text) ||
            !parse_quota(text, &quota, &period))
            return 0;
    } else if (!read_bytes(group, "cpu.cfs_quota_us", &quota) || /* -1: none */
               !read_bytes(group, "cpu.cfs_period_us", &period)) {
        return 0;
    }
    if (quota == 0 || period == 0 || quota > UINT64_MAX / 100)
        return 0;
    percent = quota * 100 / period;
    return percent == 0           ? 1
           : percent < UINT32_MAX ? (unsigned)percent
                                  : UINT32_MAX;
}

/* "0-3,8": how many. */
static unsigned
count_list(const char *text)
{
    unsigned long n = 0, first, last;
    char *end;

    while (*text >= '0' && *text <= '9') {
        first = last = strtoul(text, &end, 10);
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (last < first || last > UINT16_MAX)
            return 0;
        n += last - first + 1;
        text = *end == ',' ? end + 1 : end;
    }
    return (unsigned)n;
}

unsigned
zk__cgroup_cpus(const struct zk_cgroup *g)
{
    char text[4096];

    if (g->version == 0 || !read_file(g->path,
                                      g->version == 2 ? "cpuset.cpus.effective"
                                                      : "cpuset.effective_cpus",
                                      text, sizeof text))
        return 0;
    return count_list(text);
}

/* ---- all groups ---------------------------------------------------------- */

/* Goes from the process's own group up to the mount's root. False: that was it. */
static bool
step_up(const struct zk_cgroup *g, char *path)
{
    size_t length = strlen(path);

    while (length > g->mount && path[length - 1] != '/')
        length--;
    if (length <= g->mount)
        return false;
    path[length - 1] = '\0'; /* the slash */
    return true;
}

struct zk_cgroup_memory
zk__cgroup_memory(const struct zk_cgroup *g)
{
    struct zk_cgroup_memory m = {SIZE_MAX, INT64_MAX};
    char path[sizeof g->path];

    if (g->version == 0)
        return m;
    memcpy(path, g->path, sizeof path);
    do
        read_group(path, &names[g->version - 1], &m);
    while (step_up(g, path));
    return m;
}

unsigned
zk__cgroup_cpu_percent(const struct zk_cgroup *g)
{
    unsigned least = 0, percent;
    char path[sizeof g->path];

    if (g->version == 0)
        return 0;
    memcpy(path, g->path, sizeof path);
    do {
        percent = read_percent(path, g->version);
        if (percent != 0 && (least == 0 || percent < least))
            least = percent;
    } while (step_up(g, path));
    return least;
}
