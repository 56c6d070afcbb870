/*
 * scale.c - the scheduler with as many workers as no machine here has.
 *
 *     sim_scale [WORKERS [SCHEDULES]]       default: 192 workers, 20 schedules
 *
 * Owns:   two questions. Is it right: small graphs on so many workers, under
 *         schedules drawn from a seed. How does it grow: what begin and end, a
 *         loop, and a meeting take in steps of the simulation, for 2 workers,
 *         4, 8, ... up to so many.
 * Never:  fails on a number of steps.
 *
 * A step is an atomic operation (sim.h). That is a model: it has as many cores as
 * workers, and none of them waits for a line of the cache. docs/scaling.md says
 * what the figures are good for, and has them.
 */
#include <errno.h>

#include "tests/sim/graphs.h"

#include "private/atomic.h"

enum { PIECES = 8, PIECE_STEPS = 2000, ROUNDS = 5, PAIRS = 20 };

/* What one number of workers showed; of ROUNDS, the medians. */
struct growth {
    unsigned workers;
    bool asleep;
    uint64_t pair;  /* begin and end, nothing in between */
    uint64_t loop;  /* PIECES pieces for each worker: over the ideal */
    uint64_t first; /* until the last worker has begun its first piece */
    uint64_t came;  /* workers that had a piece at all */
    uint64_t meeting;
    uint64_t steals;
    unsigned errors;
};

static struct growth growth;
static zk_runtime_t *lane;

static void
must(zk_err_t err)
{
    growth.errors += err != ZK_OK;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t
median(uint64_t v[ROUNDS])
{
    qsort(v, ROUNDS, sizeof *v, compare);
    return v[ROUNDS / 2];
}

/* Long enough for everybody to fall asleep, where they do. */
static void
let_them_sleep(void)
{
    if (growth.asleep)
        sim_work(4000000);
}

/* ---- a loop: equal pieces, PIECES for each worker --------------------------- */

static uint64_t loop_begun;
static _Atomic uint64_t first_at[ZK_MAX_WORKERS];
static _Atomic uint64_t pieces_run;

static int
piece(size_t begin, size_t end, void *arg)
{
    _Atomic uint64_t *mine = &first_at[zk_slot() % (int)ZK_MAX_WORKERS];

    (void)arg;
    if (zk_load_relaxed(mine) == 0)
        zk_store_relaxed(mine, sim_clock() - loop_begun + 1);
    zk_add_relaxed(&pieces_run, (uint64_t)(end - begin));
    sim_work((end - begin) * PIECE_STEPS);
    return 0;
}

static void
run_loop(uint64_t *over, uint64_t *first, uint64_t *came)
{
    size_t n = (size_t)growth.workers * PIECES;

    for (unsigned i = 0; i < ZK_MAX_WORKERS; i++)
        zk_store_relaxed(&first_at[i], (uint64_t)0);
    zk_store_relaxed(&pieces_run, (uint64_t)0);
    let_them_sleep();
    loop_begun = sim_clock();
    must(zk_parallel_for(0, n, 1, piece, NULL));
    *over = sim_clock() - loop_begun;
    growth.errors += zk_load_relaxed(&pieces_run) != n;
    growth.errors += *over < (uint64_t)PIECES * PIECE_STEPS;
    *over -= (uint64_t)PIECES * PIECE_STEPS;
    *first = *came = 0;
    for (unsigned i = 0; i < ZK_MAX_WORKERS; i++) {
        uint64_t at = zk_load_relaxed(&first_at[i]);

        *came += at != 0;
        *first = at > *first ? at : *first;
    }
}

/* ---- a meeting: nobody leaves before all have come -------------------------- */

static _Atomic unsigned here;

static int
meet(void *arg)
{
    const unsigned *all = arg;

    zk_add_seq_cst(&here, 1u);
    while (zk_load_relaxed(&here) < *all)
        zk__sim_pause();
    return 0;
}

static uint64_t
run_meeting(void)
{
    zk_group_t group = ZK_GROUP_INIT;
    uint64_t begun;

    zk_store_relaxed(&here, 0u);
    let_them_sleep();
    begun = sim_clock();
    for (unsigned i = 1; i < growth.workers; i++)
        must(zk_spawn(&group, meet, &growth.workers));
    must(meet(&growth.workers));
    must(zk_sync(&group));
    return sim_clock() - begun;
}

static uint64_t
run_pairs(void)
{
    uint64_t begun = sim_clock();

    for (unsigned i = 0; i < PAIRS; i++) {
        must(zk_phase_begin("pair"));
        must(zk_phase_end());
    }
    return (sim_clock() - begun) / PAIRS;
}

static void
measure(void *arg)
{
    uint64_t over[ROUNDS], first[ROUNDS], came[ROUNDS], met[ROUNDS];
    zk_runtime_stats_t before = {.size = sizeof before}, after = before;

    (void)arg;
    must(zk_runtime_open(
        &lane,
        ZK_OPTIONS(.workers = growth.workers, .slab_bytes = MIB,
                   .trap = ZK_TRAP_OFF, .spin_us = growth.asleep ? 1 : 1000000,
                   .bind = ZK_BIND_NONE, .notice = test_no_notice)));
    must(zk_runtime_enter(lane));
    (void)run_meeting(); /* all threads run */
    growth.pair = run_pairs();
    must(zk_runtime_stats(lane, &before));
    for (unsigned i = 0; i < ROUNDS; i++)
        run_loop(&over[i], &first[i], &came[i]);
    must(zk_runtime_stats(lane, &after));
    for (unsigned i = 0; i < ROUNDS; i++)
        met[i] = run_meeting();
    growth.steals = (after.steals - before.steals) / ROUNDS;
    growth.loop = median(over);
    growth.first = median(first);
    growth.came = median(came);
    growth.meeting = median(met);
    must(zk_runtime_leave());
    must(zk_runtime_close(lane));
}

/* ---- the program ------------------------------------------------------------ */

static unsigned
print_growth(unsigned workers, uint64_t seed)
{
    unsigned wrong = 0;

    sim_with_clocks(true);
    printf("| workers | before | begin + end | loop, over its ideal | last "
           "worker's first piece | workers that came | steals | meeting |\n"
           "|--:|---|--:|--:|--:|--:|--:|--:|\n");
    for (int asleep = 0; asleep < 2; asleep++)
        for (unsigned n = 2;; n = 2 * n < workers ? 2 * n : workers) {
            struct sim_result r;

            memset(&growth, 0, sizeof growth);
            growth.workers = n;
            growth.asleep = asleep;
            r = sim_run(seed + n, measure, NULL);
            wrong += r.stuck || growth.errors != 0;
            if (r.stuck || growth.errors != 0)
                printf("%u workers: %s, %u errors\n", n,
                       r.stuck ? "stuck" : "ended", growth.errors);
            printf("| %u | %s | %llu | %llu | %llu | %llu | %llu | %llu |\n", n,
                   asleep ? "asleep" : "searching",
                   (unsigned long long)growth.pair,
                   (unsigned long long)growth.loop,
                   (unsigned long long)growth.first,
                   (unsigned long long)growth.came,
                   (unsigned long long)growth.steals,
                   (unsigned long long)growth.meeting);
            fflush(stdout);
            if (n == workers)
                break;
        }
    return wrong;
}

static unsigned
run_schedules(unsigned workers, unsigned schedules, uint64_t seed)
{
    struct sim_result all = {false, 0, 0, 0};
    unsigned wrong = 0;

    sim_with_clocks(false);
    for (unsigned i = 0; i < schedules; i++) {
        uint64_t drawn = seed + i;
        struct sim_result r;

        graphs_forget_errors();
        r = sim_run(drawn, graphs_run, &workers);
        if (r.stuck || graphs_errors() != 0) {
            printf("ZK_TEST_SEED=%llu: %s, %u errors\n",
                   (unsigned long long)drawn, r.stuck ? "stuck" : "ended",
                   graphs_errors());
            wrong++;
        }
        all.points += r.points;
        all.switches += r.switches;
        all.sleeps += r.sleeps;
    }
    printf("%u workers, %u schedules: %llu points, %llu switches, %llu sleeps, "
           "%u wrong\n",
           workers, schedules * GRAPHS, (unsigned long long)all.points,
           (unsigned long long)all.switches, (unsigned long long)all.sleeps,
           wrong);
    return wrong;
}

static unsigned
argument(int argc, char **argv, int i, unsigned otherwise, unsigned most)
{
    char *end;
    unsigned long n;

    if (i >= argc)
        return otherwise;
    errno = 0;
    n = strtoul(argv[i], &end, 10);
    if (errno != 0 || *end != '\0' || n == 0 || n > most) {
        fprintf(stderr, "usage: sim_scale [WORKERS [SCHEDULES]]\n");
        exit(2);
    }
    return (unsigned)n;
}

int
main(int argc, char **argv)
{
    unsigned workers = argument(argc, argv, 1, 192, 250);
    unsigned schedules = argument(argc, argv, 2, 20, 1000000);
    uint64_t seed = test_seed("schedules");
    unsigned wrong;

    if (workers < 2)
        return 2;
    /* What is done once in a process is done before. */
    if (zk_runtime_close(zk_runtime_current()) != ZK_OK)
        return 1;
    sim_patience(UINT64_C(4000000000));
    wrong = run_schedules(workers, (schedules + GRAPHS - 1) / GRAPHS, seed);
    wrong += print_growth(workers, seed);
    return wrong == 0 ? 0 : 1;
}
