/*
 * proc.c - pagemap, smaps, and the system's word on huge pages.
 *
 * Owns:   the kernel's interfaces that are younger than the C library's headers.
 * Never:  keeps a file open.
 */
#include "alloc/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "private/bits.h"

/* ---- the system's word --------------------------------------------------- */

/* Reads a short file as text. False: there is none. */
static bool
read_text(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return false;
    n = read(fd, text, room - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

enum zk_huge_system
zk__proc_huge_system(void)
{
    char text[128];

    if (!read_text("/sys/kernel/mm/transparent_hugepage/enabled", text,
                   sizeof text))
        return ZK_HUGE_SYSTEM_UNKNOWN;
    return strstr(text, "[never]") != NULL     ? ZK_HUGE_SYSTEM_NEVER
           : strstr(text, "[madvise]") != NULL ? ZK_HUGE_SYSTEM_MADVISE
           : strstr(text, "[always]") != NULL  ? ZK_HUGE_SYSTEM_ALWAYS
                                               : ZK_HUGE_SYSTEM_UNKNOWN;
}

/* ---- the process and the machine ------------------------------------------ */

bool
zk__proc_program(char *path, size_t room)
{
    ssize_t n = readlink("/proc/self/exe", path, room);

    if (n <= 0 || (size_t)n >= room)
        return false;
    path[n] = '\0';
    return true;
}

size_t
zk__proc_available(void)
{
    static const char name[] = "MemAvailable:";
    char text[2048];
    const char *line;

    if (!read_text("/proc/meminfo", text, sizeof text))
        return SIZE_MAX;
    line = strstr(text, name);
    if (line == NULL)
        return SIZE_MAX;
    return (size_t)strtoull(line + sizeof name - 1, NULL, 10) << 10;
}

/* ---- pagemap: PAGEMAP_SCAN, Linux 6.7 --------------------------------------- */

struct scanned {
    uint64_t start, end, categories;
};

struct scan {
    uint64_t size, flags;
    uint64_t start, end;
    uint64_t walk_end; /* how far this call came */
    uint64_t vec, vec_len;
    uint64_t max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask;
    uint64_t return_mask;
};

#define SCAN     _IOWR('f', 16, struct scan)
#define PRESENT  (UINT64_C(1) << 3)
#define ZERO     (UINT64_C(1) << 5)
#define HUGE     (UINT64_C(1) << 6)
#define RUNS_MAX 64 /* in one call */

static bool
scan_runs(int fd, struct scan *scan,
          void (*each)(const struct zk_run *run, void *arg), void *arg)
{
    struct scanned found[RUNS_MAX];
    int n;

    scan->vec = (uint64_t)(uintptr_t)found;
    scan->vec_len = RUNS_MAX;
    do
        n = ioctl(fd, SCAN, scan);
    while (n < 0 && errno == EINTR);
    if (n < 0 || scan->walk_end <= scan->start)
        return false;
    for (int i = 0; i < n; i++)
        each(&(struct zk_run){(const char *)(uintptr_t)found[i].start,
                              (const char *)(uintptr_t)found[i].end,
                              (found[i].categories & HUGE) != 0},
             arg);
    scan->start = scan->walk_end;
    return true;
}

bool
zk__proc_runs(const void *p, size_t bytes,
              void (*each)(const struct zk_run *run, void *arg), void *arg)
{
    struct scan scan = {
        .size = sizeof scan,
        .start = (uint64_t)(uintptr_t)p,
        .end = (uint64_t)(uintptr_t)p + bytes,
        .category_inverted = ZERO,
        .category_mask = PRESENT | ZERO,
        .return_mask = PRESENT | HUGE,
    };
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool told = fd >= 0;

    while (told && scan.start < scan.end)
        told = scan_runs(fd, &scan, each, arg);
    if (fd >= 0)
        close(fd);
    return told;
}

/* ---- smaps ------------------------------------------------------------------ */

struct reader {
    int fd;
    size_t at, end;
    bool failed;
    char text[4096];
};

/* The next byte, or -1. */
static int
next_byte(struct reader *r)
{
    if (r->at == r->end) {
        ssize_t n;

        do
            n = read(r->fd, r->text, sizeof r->text);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            r->failed = true;
        if (n <= 0)
            return -1;
        r->at = 0;
        r->end = (size_t)n;
    }
    return (unsigned char)r->text[r->at++];
}

/* The next line, cut where it is longer. False: there is none. */
static bool
next_line(struct reader *r, char *line, size_t room)
{
    size_t n = 0;
    int c = next_byte(r);

    if (c < 0)
        return false;
    for (; c >= 0 && c != '\n'; c = next_byte(r))
        if (n < room - 1)
            line[n++] = (char)c;
    line[n] = '\0';
    return true;
}

/* Bytes of a line "name: N kB"; 0: it is another one. */
static size_t
kib_of(const char *line, const char *name)
{
    size_t n = strlen(name);

    if (strncmp(line, name, n) != 0)
        return 0;
    return (size_t)strtoull(line + n, NULL, 10) << 10;
}

/* A line that begins a mapping: "from-to rwxp ...". */
static bool
is_mapping(const char *line, uintptr_t *from, uintptr_t *to)
{
    char *end;

    *from = (uintptr_t)strtoull(line, &end, 16);
    if (end == line || *end != '-')
        return false;
    line = end + 1;
    *to = (uintptr_t)strtoull(line, &end, 16);
    return end != line && *end == ' ';
}

bool
zk__proc_mapped_in(int fd, const void *p, size_t bytes,
                   struct zk_mapped *mapped)
{
    struct reader r = {.fd = fd};
    uintptr_t lo = (uintptr_t)p, hi = lo + bytes, from, to;
    bool inside = false, any = false;
    char line[256];

    *mapped = (struct zk_mapped){0, 0};
    while (next_line(&r, line, sizeof line)) {
        if (is_mapping(line, &from, &to)) {
            inside = from < hi && lo < to;
            any = true;
        } else if (inside) {
            mapped->bytes += kib_of(line, "Rss:");
            mapped->huge_bytes += kib_of(line, "AnonHugePages:");
        }
    }
    return any && !r.failed;
}

bool
zk__proc_mapped(const void *p, size_t bytes, struct zk_mapped *mapped)
{
    int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
    bool told;

    if (fd < 0)
        return false;
    told = zk__proc_mapped_in(fd, p, bytes, mapped);
    close(fd);
    return told;
}
