/*
 * openmp.c - a parallel region of two, of which the second thread counts; once
 * for each runtime.
 *
 *     idle_libgomp, idle_libomp SLEEPS IDLE_MS
 */
#include <omp.h>

#include "latency.h"

static void
submit(void)
{
#pragma omp parallel
    if (omp_get_thread_num() == 1)
        latency_mark();
}

static void
finish(void)
{
}

int
main(int argc, char **argv)
{
    omp_set_num_threads(2);
    latency_measure(argc, argv, submit, finish);
    return 0;
}
