/*
 * openmp.c - the loop with OpenMP, on two threads; once for each runtime.
 *
 *     growth_libgomp, growth_libomp FROM TO REPEATS
 */
#include <omp.h>

#include "growth.h"

static uint64_t
loop_once(size_t n)
{
    uint64_t sum = 0;

#pragma omp parallel for reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += growth_iteration(i);
    return sum;
}

int
main(int argc, char **argv)
{
    omp_set_num_threads(2);
    growth_loops(argc, argv, 1, loop_once);
    return 0;
}
