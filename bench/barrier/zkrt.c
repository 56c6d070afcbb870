/*
 * zkrt.c - the shortest parallel region: a loop with an iteration for each
 * worker and nothing in it, alone and as a whole phase; and a meeting.
 *
 *     barrier_zkrt WORKERS REGIONS
 *
 * A loop does not need every worker to come, so the empty one is no barrier in
 * the sense of OpenMP's. It is what a program writes in its place. At a meeting
 * everybody has to come: a task for each other worker, and none of them ends
 * before all have begun.
 */
#include "meeting.h"

static int
empty(size_t begin, size_t end, void *arg)
{
    uint64_t *mine = arg;

    for (size_t i = begin; i < end; i++)
        mine[i * 8]++;
    return 0;
}

int
main(int argc, char **argv)
{
    unsigned workers = (unsigned)bench_arg(argc, argv, 1, 2);
    size_t regions = (size_t)bench_arg(argc, argv, 2, 20000);
    uint64_t *counts = calloc((size_t)workers * 8, sizeof *counts);
    char metric[32];
    uint64_t start = 0;

    bench_check(counts != NULL, "calloc");
    zk_runtime_t *lane = lane_enter(workers);

    for (size_t i = 0; i < regions + 100; i++) {
        if (i == 100)
            start = bench_now_ns();
        must(zk_parallel_for(0, workers, 1, empty, counts), "loop");
    }
    snprintf(metric, sizeof metric, "region_%u", workers);
    bench_report(metric,
                 (double)(bench_now_ns() - start) / (double)regions / 1e3);

    for (size_t i = 0; i < regions + 100; i++) {
        if (i == 100)
            start = bench_now_ns();
        must(zk_phase_begin("region"), "begin");
        must(zk_parallel_for(0, workers, 1, empty, counts), "loop");
        must(zk_phase_end(), "end");
    }
    snprintf(metric, sizeof metric, "phase_%u", workers);
    bench_report(metric,
                 (double)(bench_now_ns() - start) / (double)regions / 1e3);

    meeting.all = workers;
    for (size_t i = 0; i < regions + 100; i++) {
        if (i == 100)
            start = bench_now_ns();
        hold_meeting();
    }
    snprintf(metric, sizeof metric, "meeting_%u", workers);
    bench_report(metric,
                 (double)(bench_now_ns() - start) / (double)regions / 1e3);

    for (unsigned i = 0; i < workers; i++)
        bench_check(counts[(size_t)i * 8] == 2 * (regions + 100), "visits");
    lane_leave(lane);
    free(counts);
    return 0;
}
