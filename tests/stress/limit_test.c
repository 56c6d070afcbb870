/*
 * limit_test.c - a container with little memory: the budget's error comes, and
 * the kernel's killer does not.
 *
 * Each run is a process of its own in a control group with a limit, and asks for
 * memory of random sizes around it: in tasks, stages, scratch, blocks that are
 * touched at once or only when all of them are there, beside a heap, a second
 * process and page cache that have some of the limit already. It must end by
 * itself: with all that it wanted, or with ZK_EBUDGET.
 *
 * Where the program already is in a group with a limit of at most LIMIT_MOST it
 * uses that one, and everything in there shares it. Else it makes a group of its
 * own inside its present one, if it may; else it is skipped (77).
 *
 * ZK_TEST_RUNS is the number of runs, ZK_TEST_LIMIT the limit of its own group.
 */
#include "tests/runtime/rt.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "runtime/cgroup.h"

#define LIMIT_MOST (512 * MIB)
#define LIMIT_OWN  (96 * MIB)

/* ---- the group ------------------------------------------------------------- */

static struct {
    struct zk_cgroup cgroup;
    char path[4400]; /* of the one that was made; "": the present one */
    size_t limit;
} group;

static bool
write_to(const char *directory, const char *name, const char *text)
{
    char path[4600];
    bool ok;
    int fd;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

/* The number behind a word in a file of the group, or -1. */
static long
read_count(const char *name, const char *word)
{
    const char *directory =
        group.path[0] != '\0' ? group.path : group.cgroup.path;
    char path[4600], key[64];
    long value = -1, n;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    f = fopen(path, "re");
    if (f == NULL)
        return -1;
    while (fscanf(f, "%63s %ld", key, &n) == 2)
        if (strcmp(key, word) == 0)
            value = n;
    fclose(f);
    return value;
}

/* Times that the killer came to the group, or -1: the kernel does not count. */
static long
kills(void)
{
    return group.cgroup.version == 1
               ? read_count("memory.oom_control", "oom_kill")
               : read_count("memory.events", "oom_kill");
}

static void
remove_group(void)
{
    for (int i = 0; i < 100 && rmdir(group.path) != 0 && errno == EBUSY; i++)
        usleep(10000); /* who has just exited may be listed for a moment */
}

static bool
make_group(void)
{
    const char *text = getenv("ZK_TEST_LIMIT");
    char limit[32];
    bool ok;

    group.limit = text != NULL ? strtoull(text, NULL, 0) : LIMIT_OWN;
    snprintf(limit, sizeof limit, "%zu", group.limit);
    snprintf(group.path, sizeof group.path, "%s/zkrt-limit-%ld",
             group.cgroup.path, (long)getpid());
    if (mkdir(group.path, 0755) != 0)
        return false;
    if (group.cgroup.version == 1) {
        ok = write_to(group.path, "memory.limit_in_bytes", limit);
    } else {
        ok = write_to(group.path, "memory.max", limit);
        (void)write_to(group.path, "memory.swap.max", "0");
    }
    if (!ok)
        remove_group();
    return ok;
}

/* Moves the calling process into the group. */
static bool
join(void)
{
    char pid[32];

    if (group.path[0] == '\0')
        return true;
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    return write_to(group.path, "cgroup.procs", pid);
}

static bool
find_group(void)
{
    struct zk_cgroup_memory m;

    if (!zk__cgroup_find(&group.cgroup, "", "memory"))
        return false;
    m = zk__cgroup_memory(&group.cgroup);
    group.limit = m.limit;
    return m.limit <= LIMIT_MOST || make_group();
}

/* ---- a run ------------------------------------------------------------------ */

enum end { ALL_SERVED = 10, BUDGET = 11, WRONG = 12, NO_GROUP = 13 };

static const char *const ends[] = {"all served", "budget", "wrong", "no group"};

struct run {
    struct test_random random;
    size_t wanted; /* bytes to ask for in the phase */
    size_t asked;
    unsigned nulls;
    bool late; /* touch when all is there */
    _Atomic unsigned task_nulls;
};

#define BLOCKS_MAX 4096

static char *blocks[BLOCKS_MAX];
static size_t sizes[BLOCKS_MAX];
static unsigned nblocks;

static void
touch(char *p, size_t n)
{
    for (size_t i = 0; i < n; i += 4096)
        p[i] = 1;
}

static size_t
random_size(struct run *r, size_t most)
{
    size_t n = test_below(&r->random, 3) == 0 ? test_below(&r->random, most)
                                              : test_below(&r->random, MIB);

    return n < 4096 ? 4096 : n;
}

static void
ask_block(struct run *r, size_t n)
{
    char *p = test_below(&r->random, 4) == 0 ? zk_calloc(1, n) : zk_malloc(n);

    r->asked += n;
    if (p == NULL) {
        r->nulls++;
        return;
    }
    if (!r->late || nblocks == BLOCKS_MAX) {
        touch(p, n);
    } else {
        blocks[nblocks] = p;
        sizes[nblocks++] = n;
    }
}

static int
ask_in_loop(size_t begin, size_t end, void *arg)
{
    struct run *r = arg;

    for (; begin < end; begin++) {
        char *p = zk_malloc(256 * KIB);

        if (p == NULL)
            zk_add_relaxed(&r->task_nulls, 1u);
        else
            touch(p, 256 * KIB);
    }
    return 0;
}

static void
ask_scratch(struct run *r, size_t n)
{
    zk_scratch_t scope = zk_scratch_begin();
    char *p = zk_scratch_alloc(n, 0);

    if (p == NULL)
        r->nulls++;
    else
        touch(p, n);
    if (zk_scratch_end(scope) != ZK_OK)
        abort();
}

static void
ask(struct run *r)
{
    size_t n = random_size(r, r->wanted / 3 + 1);

    switch (test_below(&r->random, 8)) {
    case 0: ask_scratch(r, n); break;
    case 1:
        if (zk_parallel_for(0, n / (256 * KIB) + 1, 1, ask_in_loop, r) != ZK_OK)
            abort();
        r->asked += n;
        break;
    case 2:
        if (zk_phase_reserve(n) == ZK_EBUDGET)
            r->nulls++;
        break;
    default: ask_block(r, n);
    }
}

/* One phase. Its code is the budget's exactly when something was refused. */
static bool
phase(struct run *r)
{
    zk_phase_stats_t stats = {.size = sizeof stats};
    zk_err_t refused;

    r->asked = nblocks = 0;
    if (zk_phase_begin("limit") != ZK_OK)
        return false;
    while (r->asked < r->wanted && r->nulls + r->task_nulls < 5)
        ask(r);
    for (unsigned i = 0; i < nblocks; i++)
        touch(blocks[i], sizes[i]);
    if (zk_phase_stats(&stats) != ZK_OK)
        return false;
    refused = stats.refused;
    return zk_phase_end() == refused &&
           (refused == ZK_OK || refused == ZK_EBUDGET) &&
           (refused == ZK_OK || r->nulls + r->task_nulls != 0);
}

/* Something else that has a share of the limit. */
static char *
occupy(size_t bytes)
{
    char *p = malloc(bytes + 1);

    if (p != NULL)
        touch(p, bytes);
    return p;
}

/* Page cache is no reason for a refusal, and none for a kill. */
static void
fill_page_cache(size_t bytes)
{
    static char block[64 * 1024];
    FILE *f = tmpfile();

    if (f == NULL)
        return;
    for (size_t i = 0; i < bytes; i += sizeof block)
        if (fwrite(block, sizeof block, 1, f) != 1)
            break;
    fflush(f);
    (void)fsync(fileno(f));
    fclose(f);
}

static int
run(uint64_t seed)
{
    struct run r = {.random = {seed}};
    size_t limit = group.limit;
    zk_runtime_t *lane = NULL;
    bool ok = true;
    char *heap;

    if (!join())
        return NO_GROUP;
    heap = occupy(test_below(&r.random, limit / 3));
    if (test_below(&r.random, 4) == 0)
        fill_page_cache(test_below(&r.random, limit / 3));
    if (heap == NULL ||
        zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .slab_bytes = GIB,
                                          .bind = ZK_BIND_NONE,
                                          .notice = test_no_notice)) != ZK_OK ||
        zk_runtime_enter(lane) != ZK_OK)
        return WRONG;
    for (int i = 0; i < 3 && ok; i++) {
        r.wanted = limit / 16 + test_below(&r.random, limit);
        r.late = test_below(&r.random, 2) == 0;
        ok = phase(&r);
    }
    ok = ok && zk_runtime_close(lane) == ZK_OK;
    free(heap);
    return !ok ? WRONG : r.nulls + r.task_nulls != 0 ? BUDGET : ALL_SERVED;
}

/* ---- many runs ---------------------------------------------------------------- */

/* A second process in the group, for the length of a run. */
static pid_t
start_neighbour(size_t bytes)
{
    int ready[2];
    char done = 0;
    pid_t pid;

    if (pipe(ready) != 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        char *p;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        p = join() ? occupy(bytes) : NULL;
        if (p == NULL || write(ready[1], &done, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    if (read(ready[0], &done, 1) != 1)
        done = 1;
    close(ready[0]);
    return done == 0 ? pid : -1;
}

static void
stop_neighbour(pid_t pid)
{
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

struct counts {
    unsigned ended[4];
    unsigned killed, crashed;
};

/* The same without a budget: where that is killed, the limit is one. */
static bool
is_killed_without_a_budget(uint64_t seed)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        setenv("ZK_ALLOC_BUDGET", "off", 1);
        _exit(run(seed));
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGKILL;
}

static void
one_run(struct counts *c, uint64_t seed)
{
    struct test_random random = {seed};
    pid_t neighbour =
        test_below(&random, 3) == 0
            ? start_neighbour(test_below(&random, group.limit / 4))
            : 0;
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        _exit(run(test_next(&random)));
    }
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
        WEXITSTATUS(status) >= ALL_SERVED && WEXITSTATUS(status) <= NO_GROUP)
        c->ended[WEXITSTATUS(status) - ALL_SERVED]++;
    else if (pid > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        c->killed++;
    else
        c->crashed++;
    stop_neighbour(neighbour);
}

int
main(void)
{
    const char *text = getenv("ZK_TEST_RUNS");
    unsigned runs = text != NULL ? (unsigned)strtoul(text, NULL, 0) : 40;
    struct counts c = {{0}, 0, 0};
    bool limits = false;
    uint64_t seed;
    long before;

    test_clean_environment();
    if (TEST_SANITIZED) {
        printf("limit: skipped: a sanitizer's own memory is what counts\n");
        return 77;
    }
    if (!find_group()) {
        printf(
            "limit: SKIPPED: in no group with a limit of at most %zu MiB, and "
            "may not make one\n",
            LIMIT_MOST / MIB);
        return 77;
    }
    seed = test_seed("limit");
    for (unsigned i = 0; i < 50 && group.path[0] != '\0' && !limits; i++)
        limits = is_killed_without_a_budget(seed - i);
    before = kills();
    for (unsigned i = 0; i < runs; i++)
        one_run(&c, seed + i);
    printf("limit: version %d, %zu MiB, %u runs:", group.cgroup.version,
           group.limit / MIB, runs);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        printf(" %u %s,", c.ended[i], ends[i]);
    printf(" %u killed, %u crashed; the kernel counts %ld kills\n", c.killed,
           c.crashed, kills() - before);
    if (group.path[0] != '\0') {
        long last = kills();

        remove_group();
        if (last != before)
            c.killed++;
        if (!limits && c.ended[NO_GROUP - ALL_SERVED] != runs) {
            printf("limit: nothing was killed without a budget either\n");
            c.crashed++;
        }
    }
    if (c.ended[NO_GROUP - ALL_SERVED] == runs) {
        printf("limit: SKIPPED: nobody may join the group\n");
        return 77;
    }
    return c.killed + c.crashed + c.ended[WRONG - ALL_SERVED] +
                           c.ended[NO_GROUP - ALL_SERVED] ==
                       0 &&
                   c.ended[BUDGET - ALL_SERVED] != 0
               ? 0
               : 1;
}
