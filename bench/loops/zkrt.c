/*
 * zkrt.c - the loops by zk_parallel_for(), on two workers.
 *
 *     loops_zkrt SAMPLES
 *
 * "Inside" is a thread that has entered the lane, "outside" one that has not.
 */
#include "lane.h"
#include "work.h"

static zk_runtime_t *lane;

static int
split_range(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (size_t i = begin; i < end; i++)
        split_piece(i);
    return 0;
}

static int
tiny_range(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (size_t i = begin; i < end; i++)
        tiny_iteration(i);
    return 0;
}

static int
irregular_range(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (size_t i = begin; i < end; i++)
        irregular_iteration(i);
    return 0;
}

static void
split(void)
{
    must(zk_parallel_for_on(lane, 0, 2, 1, split_range, NULL), "split");
}

static void
tiny_grain_1(void)
{
    must(zk_parallel_for(0, TINY_COUNT, 1, tiny_range, NULL), "tiny");
}

static void
tiny_grain_0(void)
{
    must(zk_parallel_for(0, TINY_COUNT, 0, tiny_range, NULL), "tiny");
}

static void
irregular(void)
{
    must(zk_parallel_for(0, IRREGULAR_COUNT, 0, irregular_range, NULL),
         "irregular");
}

int
main(int argc, char **argv)
{
    unsigned samples = (unsigned)bench_arg(argc, argv, 1, 5);

    lane = lane_enter(2);
    time_split("split_inside", split, samples);
    time_tiny("tiny_grain_1", tiny_grain_1, samples);
    time_tiny("tiny", tiny_grain_0, samples);
    time_irregular("irregular", irregular, samples);
    must(zk_runtime_leave(), "leave");

    time_split("split_outside", split, samples);
    must(zk_runtime_close(lane), "close");
    return 0;
}
