/*
 * openmp.c - the loops with OpenMP, on two threads; once for each runtime.
 *
 *     loops_libgomp, loops_libomp SAMPLES
 *
 * "Inside" is a thread of a team that divides its own work by taskloop,
 * "outside" the usual parallel for. Untuned means no schedule clause, which is
 * static with both runtimes; "@dynamic" is schedule(dynamic).
 */
#include <omp.h>

#include "work.h"

static void
split_inside(void)
{
#pragma omp taskloop num_tasks(2)
    for (size_t i = 0; i < 2; i++)
        split_piece(i);
}

static void
split_outside(void)
{
#pragma omp parallel for
    for (size_t i = 0; i < 2; i++)
        split_piece(i);
}

static void
tiny_grain_1(void)
{
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < TINY_COUNT; i++)
        tiny_iteration(i);
}

static void
tiny(void)
{
#pragma omp parallel for
    for (size_t i = 0; i < TINY_COUNT; i++)
        tiny_iteration(i);
}

static void
irregular(void)
{
#pragma omp parallel for
    for (size_t i = 0; i < IRREGULAR_COUNT; i++)
        irregular_iteration(i);
}

static void
irregular_dynamic(void)
{
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < IRREGULAR_COUNT; i++)
        irregular_iteration(i);
}

int
main(int argc, char **argv)
{
    unsigned samples = (unsigned)bench_arg(argc, argv, 1, 5);

    omp_set_num_threads(2);
#pragma omp parallel
#pragma omp single
    time_split("split_inside", split_inside, samples);
    time_split("split_outside", split_outside, samples);
    time_tiny("tiny_grain_1", tiny_grain_1, samples);
    time_tiny("tiny", tiny, samples);
    time_irregular("irregular", irregular, samples);
    time_irregular("irregular@dynamic", irregular_dynamic, samples);
    return 0;
}
