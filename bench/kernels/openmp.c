/*
 * openmp.c - the kernels' loops with OpenMP; once for each runtime.
 *
 * Even loops have no schedule clause, which is static with both runtimes: a call of
 * the body for each thread's part. Uneven ones are schedule(dynamic).
 */
#include <omp.h>

#include "contender.h"

void
contender_open(unsigned threads)
{
    omp_set_num_threads((int)threads);
}

void
contender_loop(size_t begin, size_t end, kernel_body body, void *arg,
               int uneven)
{
    size_t n = end - begin;

    if (uneven) {
#pragma omp parallel for schedule(dynamic)
        for (size_t i = begin; i < end; i++)
            (void)body(i, i + 1, arg);
        return;
    }
#pragma omp parallel
    {
        size_t all = (size_t)omp_get_num_threads();
        size_t own = (size_t)omp_get_thread_num();
        size_t from = begin + n * own / all, to = begin + n * (own + 1) / all;

        if (from < to)
            (void)body(from, to, arg);
    }
}

void
contender_close(void)
{
}
