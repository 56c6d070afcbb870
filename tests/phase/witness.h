/*
 * witness.h - a pattern, the places a program puts it, and a search for it.
 *
 * Owns:   the pattern, which is never in memory as a whole but where put() has
 *         written it, byte by byte.
 * Never:  asserts; is C++ as well as C.
 */
#ifndef ZK_TESTS_PHASE_WITNESS_H
#define ZK_TESTS_PHASE_WITNESS_H

#include "tests/support.h"

#include <fcntl.h>
#include <sys/resource.h>

enum { WITNESS = 64, WITNESS_AT = 64, WITNESS_BLOCK = WITNESS_AT + WITNESS };

static inline unsigned char
witness_byte(size_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9u;
    return (unsigned char)(z >> 40 | 1);
}

/* Behind the start of a block, where no list of free ones links. */
static inline void
witness_put(void *block)
{
    volatile unsigned char *to = (volatile unsigned char *)block + WITNESS_AT;

    for (size_t i = 0; i < WITNESS; i++)
        to[i] = witness_byte(i);
}

/* ---- where a program puts it -------------------------------------------- */

enum { WITNESS_LARGE = 4 << 20, WITNESS_STEP = 10000 };

static inline void
witness_put_all_over(void *block, size_t bytes)
{
    for (size_t at = 0; at + WITNESS_BLOCK <= bytes; at += WITNESS_STEP)
        witness_put((char *)block + at);
}

static inline int
witness_small(void *arg)
{
    size_t sizes[] = {130, 500, 3000, 5000, 70000};
    zk_scratch_t scope;

    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *kept = zk_malloc(sizes[i]);
        void *freed = zk_calloc(1, sizes[i]);
        void *grows = zk_aligned_alloc(256, sizes[i]);

        if (kept == NULL || freed == NULL || grows == NULL)
            return ZK_ENOMEM;
        witness_put(kept);
        witness_put(freed);
        witness_put(grows);
        grows = zk_realloc(grows, 3 * sizes[i]);
        zk_free(freed);
        freed = zk_malloc(sizes[i]); /* the same, most likely */
        if (freed != NULL)
            witness_put(freed);
        zk_free(freed);
        if (grows == NULL)
            return ZK_ENOMEM;
    }
    scope = zk_scratch_begin();
    for (int i = 0; i < 3; i++) {
        void *deep = zk_scratch_alloc(100000, 0);

        if (deep == NULL)
            return ZK_ENOMEM;
        witness_put_all_over(deep, 100000);
    }
    if (zk_scratch_end(scope) != ZK_OK)
        return ZK_EPERM;
    if (zk_in_arena(zk_malloc(20000)))
        for (int i = 0; i < 200; i++) {
            void *p = zk_bump(200);

            if (p != NULL)
                witness_put(p);
        }
    return ZK_OK;
}

static inline int
witness_range(size_t begin, size_t end, void *arg)
{
    for (; begin < end; begin++)
        if (witness_small(arg) != ZK_OK)
            return ZK_ENOMEM;
    return ZK_OK;
}

/* Large and small, kept, freed and moved, here, on workers, and in a stage. */
static inline int
witness_everywhere(void *arg)
{
    zk_group_t group = ZK_GROUP_INIT;
    void *large = zk_malloc(WITNESS_LARGE);

    if (large == NULL || witness_small(arg) != ZK_OK)
        return ZK_ENOMEM;
    witness_put_all_over(large, WITNESS_LARGE);
    for (int i = 0; i < 8; i++)
        if (zk_spawn(&group, witness_small, NULL) != ZK_OK)
            return ZK_EPERM;
    while (!zk_group_done(&group)) /* workers, and not this thread */
        sched_yield();
    if (zk_sync(&group) != ZK_OK ||
        zk_parallel_for(0, 8, 1, witness_range, NULL) != ZK_OK)
        return ZK_ENOMEM;

    if (zk_phase_begin("stage") != ZK_OK)
        return ZK_EPERM;
    large = zk_malloc(WITNESS_LARGE);
    if (large != NULL)
        witness_put_all_over(large, WITNESS_LARGE);
    return witness_small(arg) != ZK_OK || zk_phase_end() != ZK_OK;
}

/* ---- the search ----------------------------------------------------------- */

static unsigned char witness_buffer[1 << 20];

/* How often it is in n bytes of the buffer. */
static inline size_t
witness_count(size_t n)
{
    const unsigned char *p = witness_buffer, *end = witness_buffer + n;
    size_t found = 0, i;

    while ((size_t)(end - p) >= WITNESS &&
           (p = (const unsigned char *)memchr(
                p, witness_byte(0), (size_t)(end - p) - WITNESS + 1)) != NULL) {
        for (i = 1; i < WITNESS && p[i] == witness_byte(i);)
            i++;
        found += i == WITNESS;
        p++;
    }
    return found;
}

/* In bytes [from, to) of a file. Leaves nothing of them in the buffer. */
static inline size_t
witness_in_range(int fd, uint64_t from, uint64_t to)
{
    size_t found = 0;
    ssize_t n = 0;

    for (; from < to; from += (uint64_t)n) {
        size_t want = sizeof witness_buffer;

        if (to - from < want)
            want = (size_t)(to - from);
        n = pread(fd, witness_buffer, want, (off_t)from);
        if (n <= 0)
            break;
        found += witness_count((size_t)n);
        memset(witness_buffer, 0, (size_t)n);
        if (from + (uint64_t)n < to && n > WITNESS)
            n -= WITNESS - 1; /* it may lie across the border */
    }
    return found;
}

#define WITNESS_MAPPING_MAX ((uint64_t)4 << 30) /* larger: a sanitizer's */

/* In all that the process has in memory; SIZE_MAX: nobody lets us look. */
static inline size_t
witness_in_memory(void)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    int mem = open("/proc/self/mem", O_RDONLY);
    unsigned long long lo = 0, hi = 0, kib;
    size_t found = 0;
    char line[512];

    if (maps == NULL || mem < 0)
        return SIZE_MAX;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long long a, b;

        if (sscanf(line, "%llx-%llx ", &a, &b) == 2) {
            lo = a;
            hi = b;
        } else if ((sscanf(line, "Rss: %llu", &kib) == 1 ||
                    sscanf(line, "Swap: %llu", &kib) == 1) &&
                   kib != 0 && hi - lo <= WITNESS_MAPPING_MAX) {
            found += witness_in_range(mem, lo, hi);
            hi = lo; /* once */
        }
    }
    close(mem);
    fclose(maps);
    return found;
}

/* In what a forked child finds in its memory. */
static inline size_t
witness_in_child(void)
{
    size_t found = SIZE_MAX;
    int fds[2], status;
    pid_t pid;

    if (pipe(fds) != 0)
        return SIZE_MAX;
    pid = fork();
    if (pid == 0) {
        found = witness_in_memory();
        _exit(write(fds[1], &found, sizeof found) != sizeof found);
    }
    close(fds[1]);
    if (read(fds[0], &found, sizeof found) != sizeof found)
        found = SIZE_MAX;
    close(fds[0]);
    waitpid(pid, &status, 0);
    return found;
}

/* ---- looking from a test ---------------------------------------------------- */

enum witness_look { IN_MEMORY, IN_CHILD, IN_CORE };

/*
 * The last thing that a process of the test does: looks, and says so on stderr;
 * or dies of SIGABRT with a core.
 */
static inline void
witness_report(enum witness_look where)
{
    static unsigned char zeros[2][4096];
    size_t found;

    /* What copied a block last has left it in the vector registers. */
    for (size_t n = 64; n <= 4096; n *= 2)
        memmove(zeros[0], zeros[1], n);
    if (where == IN_CORE)
        abort();
    found = where == IN_MEMORY ? witness_in_memory() : witness_in_child();
    fprintf(stderr, "found %zu\n", found);
    _exit(0);
}

/* What the child found. SIZE_MAX: it did not come so far. */
static inline size_t
witness_found(const struct test_child *child)
{
    const char *at = strstr(child->err, "found ");

    return at != NULL ? (size_t)strtoull(at + 6, NULL, 10) : SIZE_MAX;
}

/* Whether a core of this process would be a file in its directory. */
static inline bool
witness_cores(void)
{
    char pattern[128] = "";
    int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    struct rlimit limit;
    ssize_t n = fd >= 0 ? read(fd, pattern, sizeof pattern - 1) : 0;

    if (fd >= 0)
        close(fd);
    return !TEST_SANITIZED && n > 0 && pattern[0] != '|' &&
           strchr(pattern, '/') == NULL &&
           getrlimit(RLIMIT_CORE, &limit) == 0 &&
           limit.rlim_max == RLIM_INFINITY;
}

/* Has the process leave its core in a directory. */
static inline bool
witness_core_in(const char *directory)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    return chdir(directory) == 0 && setrlimit(RLIMIT_CORE, &limit) == 0;
}

#endif
