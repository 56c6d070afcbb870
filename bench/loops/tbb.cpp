/*
 * tbb.cpp - the loops by tbb::parallel_for(), on two threads.
 *
 *     loops_tbb SAMPLES
 *
 * The thread that calls is always part of its arena: "inside" and "outside" are
 * the same here, but for a call of execute().
 */
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>

#include "tbb_threads.hpp"
#include "work.h"

using range = tbb::blocked_range<size_t>;

static void
split()
{
    tbb::parallel_for(
        range(0, 2, 1),
        [](const range &r) {
            for (size_t i = r.begin(); i < r.end(); i++)
                split_piece(i);
        },
        tbb::simple_partitioner());
}

template <typename Partitioner>
static void
tiny()
{
    tbb::parallel_for(
        range(0, TINY_COUNT, 1),
        [](const range &r) {
            for (size_t i = r.begin(); i < r.end(); i++)
                tiny_iteration(i);
        },
        Partitioner());
}

static void
irregular()
{
    tbb::parallel_for(range(0, IRREGULAR_COUNT), [](const range &r) {
        for (size_t i = r.begin(); i < r.end(); i++)
            irregular_iteration(i);
    });
}

int
main(int argc, char **argv)
{
    unsigned samples = static_cast<unsigned>(bench_arg(argc, argv, 1, 5));
    threads team(2);
    tbb::task_arena arena(2);

    arena.execute([=] { time_split("split_inside", split, samples); });
    time_split("split_outside", split, samples);
    time_tiny("tiny_grain_1", tiny<tbb::simple_partitioner>, samples);
    time_tiny("tiny", tiny<tbb::auto_partitioner>, samples);
    time_irregular("irregular", irregular, samples);
    return 0;
}
