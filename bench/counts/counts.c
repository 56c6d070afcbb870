/*
 * counts.c - the hot paths, each so many times, for callgrind to count.
 *
 *     valgrind --tool=callgrind --instr-atstart=no bench_counts
 *
 * Owns:   what is counted. Each path runs TIMES times and then twice as often,
 *         each time with a dump of its own: in the difference everything is gone
 *         that does not grow with the number of times (counts.py takes it).
 * Never:  starts a thread or asks a clock in what is counted: the same program
 *         gives the same numbers, to the last instruction.
 *
 * The lane has one worker, so nothing is stolen: what is counted is what each
 * task, block or chunk costs when nobody takes it. All memory was used before.
 */
#include <valgrind/callgrind.h>

#include <zkrt/fork.h>

#include "lane.h"

enum { BLOCK = 64 };

#define TIMES ((size_t)5000)

static size_t block_bytes;
static uint64_t ran;

/* ---- blocks of a phase, and of the heap ------------------------------------ */

static void
bump_inlined(size_t n)
{
    for (size_t i = 0; i < n; i++)
        bench_escape(zk_bump(BLOCK));
}

static void
bump_shared(size_t n)
{
    for (size_t i = 0; i < n; i++)
        bench_escape(zk_phase_alloc(BLOCK, 64));
}

static void
bump_malloc(size_t n)
{
    for (size_t i = 0; i < n; i++)
        bench_escape(zk_malloc(BLOCK));
}

static void
pairs(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *p = zk_malloc(block_bytes);

        bench_escape(p);
        zk_free(p);
    }
}

/* ---- tasks and loops --------------------------------------------------------- */

static int
task(void *arg)
{
    ++*(uint64_t *)arg;
    return 0;
}

struct halves {
    size_t n;
};

/* n leaves, so one fork less. */
static int
halve(void *arg)
{
    const struct halves *all = arg;
    struct halves left = {all->n / 2}, right = {all->n - left.n};

    if (all->n < 2) {
        ran++;
        return 0;
    }

    zk_fork_t fork = zk_fork(halve, &left);
    int code = halve(&right);

    must(zk_join(fork), "join");
    return code;
}

static void
recursion(size_t n)
{
    struct halves all = {n};

    must(halve(&all), "recursion");
}

/* Nobody is inside of a task: the fork is offered to others at once. */
static void
forks(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        zk_fork_t fork = zk_fork(task, &ran);

        bench_escape(&fork);
        must(zk_join(fork), "join");
    }
}

static void
spawns(size_t n)
{
    zk_group_t group = ZK_GROUP_INIT;

    for (size_t i = 0; i < n; i++) {
        must(zk_spawn(&group, task, &ran), "spawn");
        must(zk_sync(&group), "sync");
    }
}

static int
chunk(size_t begin, size_t end, void *arg)
{
    *(uint64_t *)arg += end - begin;
    return 0;
}

static void
chunks(size_t n)
{
    must(zk_parallel_for(0, n, 1, chunk, &ran), "loop");
}

static void
loops(size_t n)
{
    for (size_t i = 0; i < n; i++)
        must(zk_parallel_for(0, 1, 1, chunk, &ran), "loop");
}

/* ---- counting ---------------------------------------------------------------- */

struct path {
    const char *name;
    void (*run)(size_t n);
    size_t bytes;
    int in_phase;
};

static const struct path paths[] = {
    {"bump 64 B, inlined", bump_inlined, 0, 1},
    {"bump 64 B, shared library", bump_shared, 0, 1},
    {"bump 64 B, by zk_malloc", bump_malloc, 0, 1},
    {"pair in a phase, 64 B", pairs, 64, 1},
    {"pair in a phase, 8 KiB", pairs, 8192, 1},
    {"heap pair, 64 B", pairs, 64, 0},
    {"heap pair, 8 KiB", pairs, 8192, 0},
    {"heap pair, 70 KB", pairs, 70000, 0},
    {"fork + join in a recursion", recursion, 0, 0},
    {"lone fork + join", forks, 0, 0},
    {"spawn + sync, not stolen", spawns, 0, 0},
    {"chunk of a loop", chunks, 0, 0},
    {"loop of one iteration", loops, 0, 0},
};

enum { PATHS = sizeof paths / sizeof *paths };

/* `counted`: NULL is the run before, which makes memory and symbols be there. */
static void
run(const struct path *path, size_t n, const char *counted)
{
    block_bytes = path->bytes;
    if (path->in_phase)
        must(zk_phase_begin("counts"), "begin");
    if (counted != NULL) {
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
        path->run(n);
        CALLGRIND_DUMP_STATS_AT(counted);
        CALLGRIND_STOP_INSTRUMENTATION;
    } else {
        path->run(n);
    }
    if (path->in_phase)
        must(zk_phase_end(), "end");
}

int
main(void)
{
    const size_t tasks = 6 * TIMES; /* of each path that counts `ran` */
    zk_runtime_t *lane;

    must(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 1, .min_bytes = 1,
                                           .trap = ZK_TRAP_OFF,
                                           .slab_bytes = (size_t)64 << 20)),
         "open");
    must(zk_runtime_enter(lane), "enter");
    printf("times %zu\n", TIMES);
    for (int i = 0; i < PATHS; i++) {
        char name[64];

        run(&paths[i], 3 * TIMES, NULL);
        snprintf(name, sizeof name, "1 %s", paths[i].name);
        run(&paths[i], TIMES, name);
        snprintf(name, sizeof name, "2 %s", paths[i].name);
        run(&paths[i], 2 * TIMES, name);
    }
    lane_leave(lane);
    bench_check(ran == 5 * tasks, "each task ran once");
    return 0;
}
