/*
 * zkrt.c - how costs grow: with the size of what is done, and with workers.
 *
 *     growth_zkrt trace FROM TO REPEATS     a phase with a trace, of 2^FROM rows ...
 *     growth_zkrt malloc FROM TO REPEATS    the same on malloc, without a phase
 *     growth_zkrt loop FROM TO REPEATS      a loop of 2^FROM tiny iterations ...
 *     growth_zkrt workers N TIMES           begin + end, an empty loop, a meeting
 *
 * Owns:   the trace: 8 columns of 8 bytes a row, allocated, written by a loop, and
 *         given back. Its first round, with the first touch of the memory, does not
 *         count.
 * Never:  compares: metrics are nanoseconds for a row or an iteration, as trace_10
 *         for 2^10 rows, and microseconds for what workers do together.
 */
#include <string.h>

#include "growth.h"
#include "meeting.h"

enum { COLUMNS = 8 };

/* ---- a phase with a trace ---------------------------------------------------- */

static uint64_t *column[COLUMNS];
static int by_malloc;

static int
fill(size_t begin, size_t end, void *arg)
{
    uint64_t salt = *(const uint64_t *)arg;

    for (size_t i = begin; i < end; i++)
        for (unsigned c = 0; c < COLUMNS; c++)
            column[c][i] = (salt + i) * (c + 1);
    return 0;
}

static void
trace_once(size_t rows, uint64_t salt)
{
    if (!by_malloc)
        must(zk_phase_begin("trace"), "begin");
    for (unsigned c = 0; c < COLUMNS; c++) {
        column[c] = by_malloc ? malloc(rows * sizeof *column[c])
                              : zk_malloc(rows * sizeof *column[c]);
        bench_check(column[c] != NULL, "out of memory");
    }
    must(zk_parallel_for(0, rows, 0, fill, &salt), "loop");
    for (unsigned c = 0; c < COLUMNS; c++)
        bench_check(column[c][0] == salt * (c + 1) &&
                        column[c][rows - 1] == (salt + rows - 1) * (c + 1),
                    "a column");
    if (!by_malloc) {
        must(zk_phase_end(), "end");
        return;
    }
    for (unsigned c = 0; c < COLUMNS; c++)
        free(column[c]);
}

/* ---- a loop ------------------------------------------------------------------ */

static uint64_t loop_sum;

static int
add(size_t begin, size_t end, void *arg)
{
    uint64_t sum = 0;

    (void)arg;
    for (size_t i = begin; i < end; i++)
        sum += growth_iteration(i);
    __atomic_fetch_add(&loop_sum, sum, __ATOMIC_RELAXED);
    return 0;
}

static uint64_t
loop_once(size_t n)
{
    loop_sum = 0;
    must(zk_parallel_for(0, n, 0, add, NULL), "loop");
    return loop_sum;
}

static void
trace_of(size_t rows)
{
    static uint64_t salt;

    trace_once(rows, ++salt);
}

/* ---- workers ------------------------------------------------------------------- */

static void
pair(void)
{
    must(zk_phase_begin("pair"), "begin");
    must(zk_phase_end(), "end");
}

static int
nothing(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    return 0;
}

static void
empty_loop(void)
{
    must(zk_parallel_for(0, meeting.all, 1, nothing, NULL), "loop");
}

static void
time_it(const char *what, void (*run)(void), size_t times)
{
    char metric[32];
    uint64_t start = 0;

    for (size_t i = 0; i < times + 10; i++) {
        if (i == 10)
            start = bench_now_ns();
        run();
    }
    snprintf(metric, sizeof metric, "%s_%u", what, meeting.all);
    bench_report(metric,
                 (double)(bench_now_ns() - start) / (double)times / 1e3);
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    zk_runtime_t *lane;

    if (strcmp(what, "workers") == 0) {
        size_t times = (size_t)bench_arg(argc, argv, 3, 1000);

        meeting.all = (unsigned)bench_arg(argc, argv, 2, 2);
        lane = lane_enter(meeting.all);
        time_it("meeting", hold_meeting, times);
        time_it("pair", pair, times * 10);
        time_it("empty", empty_loop, times);
        lane_leave(lane);
        return 0;
    }
    bench_check(argc == 5, "trace|malloc|loop FROM TO REPEATS");
    by_malloc = strcmp(what, "malloc") == 0;
    lane = lane_enter(2);
    if (strcmp(what, "loop") == 0)
        growth_loops(argc, argv, 2, loop_once);
    else
        growth_measure("trace", argc, argv, 2, trace_of);
    lane_leave(lane);
    return 0;
}
