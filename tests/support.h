/*
 * support.h - what the tests share.
 *
 * Owns:   the seed of random tests, iteration counts by build, patterns, a lane
 *         with small slabs, and functions that run in a forked child.
 * Never:  asserts: a helper answers, and the test's main thread decides.
 */
#ifndef ZK_TESTS_SUPPORT_H
#define ZK_TESTS_SUPPORT_H

#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <zkrt/zkrt.h>

/* ---- which build this is ---------------------------------------------- */

#if defined(__SANITIZE_THREAD__)
#    define TEST_TSAN 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define TEST_TSAN 1
#    endif
#endif
#ifndef TEST_TSAN
#    define TEST_TSAN 0
#endif

#ifdef ZK__ASAN
#    define TEST_ASAN 1
#else
#    define TEST_ASAN 0
#endif

/* Under Valgrind: one thread runs at a time, slowly. */
#ifdef ZK_VALGRIND
#    define TEST_VALGRIND 1
#else
#    define TEST_VALGRIND 0
#endif

/* Address space and data are counted with the sanitizer's own: no test of
 * limits is possible there. */
#define TEST_SANITIZED (TEST_TSAN || TEST_ASAN || TEST_VALGRIND)

#ifdef ZK_CHECKED
#    define TEST_CHECKED 1
#else
#    define TEST_CHECKED 0
#endif

/* ZK_TEST_FULL=1: as many rounds as were ever asked for, in any build. */
static inline bool
test_full(void)
{
    const char *text = getenv("ZK_TEST_FULL");

    return text != NULL && strcmp(text, "1") == 0;
}

/* An iteration count for this build, from the one of a release build. */
static inline unsigned
test_scaled(unsigned n)
{
    unsigned divisor = test_full()     ? 1
                       : TEST_VALGRIND ? 50
                       : TEST_TSAN     ? 12
                       : TEST_ASAN     ? 6
                                       : 1;

    return n / divisor != 0 ? n / divisor : 1;
}

/* A number of workers for this build: under Valgrind those that search take turns
 * with the one that has work, so that many of them are all that would run. */
static inline unsigned
test_workers(unsigned n)
{
    return TEST_VALGRIND && n > 4 ? 4 : n;
}

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* ---- random numbers ---------------------------------------------------- */

struct test_random {
    uint64_t state;
};

/* The seed: ZK_TEST_SEED, or the time; printed so that a failure can be run
 * again. */
static inline uint64_t
test_seed(const char *test)
{
    const char *text = getenv("ZK_TEST_SEED");
    struct timespec now;
    uint64_t seed;

    clock_gettime(CLOCK_REALTIME, &now);
    seed = text != NULL
               ? strtoull(text, NULL, 0)
               : (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
    printf("%s: ZK_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* splitmix64, after Steele, Lea and Flood (OOPSLA 2014). */
static inline uint64_t
test_next(struct test_random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Below n. */
static inline size_t
test_below(struct test_random *r, size_t n)
{
    return (size_t)(test_next(r) % n);
}

/* ---- patterns ---------------------------------------------------------- */

/* Fills n bytes so that a byte from elsewhere, or moved by some, shows. What n
 * bytes hold, fewer of them hold too. */
static inline void
test_fill(void *p, size_t n, uint64_t key)
{
    unsigned char *b = (unsigned char *)p;

    for (size_t i = 0; i < n; i += 8) {
        uint64_t w = (key + i) * 0x9e3779b97f4a7c15u;

        memcpy(b + i, &w, n - i < 8 ? n - i : 8);
    }
}

static inline bool
test_holds(const void *p, size_t n, uint64_t key)
{
    const unsigned char *b = (const unsigned char *)p;

    for (size_t i = 0; i < n; i += 8) {
        uint64_t w = (key + i) * 0x9e3779b97f4a7c15u;

        if (memcmp(b + i, &w, n - i < 8 ? n - i : 8) != 0)
            return false;
    }
    return true;
}

static inline bool
test_all_zero(const void *p, size_t n)
{
    const unsigned char *b = (const unsigned char *)p;

    for (size_t i = 0; i < n; i++)
        if (b[i] != 0)
            return false;
    return true;
}

/* ---- lanes ------------------------------------------------------------- */

#ifndef __cplusplus
static inline void
test_no_notice(const char *message, void *arg)
{
    (void)message;
    (void)arg;
}

/* A lane that says nothing; NULL when it could not open. 0: its own choice. */
static inline zk_runtime_t *
test_lane(unsigned workers, size_t slab_bytes, size_t min_bytes)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = workers, .spare_slots = 8,
                                   .slab_bytes = slab_bytes,
                                   .min_bytes = min_bytes, .bind = ZK_BIND_NONE,
                                   .notice = test_no_notice)) != ZK_OK)
        return NULL;
    return lane;
}

static inline zk_runtime_stats_t
test_stats(const zk_runtime_t *lane)
{
    zk_runtime_stats_t stats = {.size = sizeof stats};

    if (zk_runtime_stats(lane, &stats) != ZK_OK)
        memset(&stats, 0xff, sizeof stats);
    return stats;
}

static inline zk_runtime_info_t
test_info(const zk_runtime_t *lane)
{
    zk_runtime_info_t info = {.size = sizeof info};

    if (zk_runtime_info(lane, &info) != ZK_OK)
        memset(&info, 0xff, sizeof info);
    return info;
}

static inline zk_phase_stats_t
test_phase_stats(void)
{
    zk_phase_stats_t stats = {.size = sizeof stats};

    if (zk_phase_stats(&stats) != ZK_OK)
        memset(&stats, 0xff, sizeof stats);
    return stats;
}

/*
 * Runs fn(arg) as a task on another thread than the caller, which waits without
 * helping. The caller is inside a lane of at least two workers.
 */
static inline zk_err_t
test_run_on_worker(zk_task_fn fn, void *arg)
{
    zk_group_t group = ZK_GROUP_INIT;
    zk_err_t err = zk_spawn(&group, fn, arg);

    if (err != ZK_OK)
        return err;
    while (!zk_group_done(&group))
        sched_yield();
    return zk_sync(&group);
}
#endif

/* ---- children ---------------------------------------------------------- */

struct test_child {
    bool exited; /* with `code`; else killed by `signal` */
    int code;
    int signal;
    char err[16384]; /* the first of what it wrote to stderr */
};

/*
 * Runs fn(arg) in a forked child, which exits with the result, without atexit
 * handlers. A child that hangs is ended by SIGALRM after two minutes.
 */
static inline struct test_child
test_in_child(int (*fn)(void *), void *arg)
{
    struct test_child child;
    size_t length = 0;
    int pipe_fds[2], status = 0;
    ssize_t n;
    pid_t pid;

    memset(&child, 0, sizeof child);
    child.code = -1;
    fflush(NULL);
    if (pipe(pipe_fds) != 0)
        return child;
    pid = fork();
    if (pid == 0) {
        /* cmocka catches them to go on with the next test: not here. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        signal(SIGILL, SIG_DFL);
        signal(SIGFPE, SIG_DFL);
        alarm(120);
        close(pipe_fds[0]);
        dup2(pipe_fds[1], STDERR_FILENO);
        close(pipe_fds[1]);
        _exit(fn(arg));
    }
    close(pipe_fds[1]);
    while (length < sizeof child.err - 1 &&
           (n = read(pipe_fds[0], child.err + length,
                     sizeof child.err - 1 - length)) > 0)
        length += (size_t)n;
    close(pipe_fds[0]);
    if (pid > 0 && waitpid(pid, &status, 0) == pid) {
        child.exited = WIFEXITED(status);
        child.code = child.exited ? WEXITSTATUS(status) : -1;
        child.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    return child;
}

/* The same where only success counts; what it said is passed on otherwise. */
static inline bool
test_child_succeeds(int (*fn)(void *), void *arg)
{
    struct test_child child = test_in_child(fn, arg);

    if (child.exited && child.code == 0)
        return true;
    fprintf(stderr, "child: exited %d code %d signal %d\n%s\n", child.exited,
            child.code, child.signal, child.err);
    return false;
}

/* In a child: leaves with the line's number where cond does not hold. */
#define CHILD_CHECK(cond)                                              \
    do {                                                               \
        if (!(cond)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
            return 1;                                                  \
        }                                                              \
    } while (0)

/* ---- the process -------------------------------------------------------- */

/* Entries of a directory, as /proc/self/task or /proc/self/fd. */
static inline unsigned
test_entries(const char *directory)
{
    DIR *d = opendir(directory);
    unsigned n = 0;

    if (d == NULL)
        return 0;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Whatever of the surroundings a lane would read, and name where it is wrong. */
static inline void
test_clean_environment(void)
{
    char name[128];

    for (char **e = environ; *e != NULL;)
        if (strncmp(*e, "ZK_", 3) == 0 || strncmp(*e, "OMP_", 4) == 0) {
            snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
            if (unsetenv(name) != 0)
                return;
        } else {
            e++;
        }
}

/* Bytes of the process that are in memory. */
static inline size_t
test_resident(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long total = 0, resident = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
