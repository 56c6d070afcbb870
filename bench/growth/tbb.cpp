/*
 * tbb.cpp - the loop by tbb::parallel_reduce(), on two threads.
 *
 *     growth_tbb FROM TO REPEATS
 */
#include <functional>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_reduce.h>

#include "growth.h"
#include "tbb_threads.hpp"

static uint64_t
loop_once(size_t n)
{
    return tbb::parallel_reduce(
        tbb::blocked_range<size_t>(0, n), uint64_t{0},
        [](const tbb::blocked_range<size_t> &r, uint64_t sum) {
            for (size_t i = r.begin(); i < r.end(); i++)
                sum += growth_iteration(i);
            return sum;
        },
        std::plus<uint64_t>());
}

int
main(int argc, char **argv)
{
    threads team(2);

    growth_loops(argc, argv, 1, loop_once);
    return 0;
}
