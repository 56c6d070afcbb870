/*
 * openmp.c - the shortest parallel region, and a barrier inside of one; once
 * for each runtime.
 *
 *     barrier_libgomp, barrier_libomp THREADS REGIONS
 */
#include <omp.h>

#include "bench.h"

int
main(int argc, char **argv)
{
    int threads = (int)bench_arg(argc, argv, 1, 2);
    long regions = bench_arg(argc, argv, 2, 20000);
    uint64_t *counts = calloc((size_t)threads * 8, sizeof *counts);
    char metric[32];
    uint64_t start = 0;

    bench_check(counts != NULL, "calloc");
    omp_set_num_threads(threads);

    for (long i = 0; i < regions + 100; i++) {
        if (i == 100)
            start = bench_now_ns();
#pragma omp parallel
        counts[omp_get_thread_num() * 8]++;
    }
    snprintf(metric, sizeof metric, "region_%d", threads);
    bench_report(metric,
                 (double)(bench_now_ns() - start) / (double)regions / 1e3);

#pragma omp parallel
    for (long i = 0; i < regions + 100; i++) {
        if (i == 100 && omp_get_thread_num() == 0)
            start = bench_now_ns();
        counts[omp_get_thread_num() * 8]++;
#pragma omp barrier
    }
    snprintf(metric, sizeof metric, "barrier_%d", threads);
    bench_report(metric,
                 (double)(bench_now_ns() - start) / (double)regions / 1e3);

    for (int i = 0; i < threads; i++)
        bench_check(counts[i * 8] == 2 * (uint64_t)(regions + 100), "visits");
    free(counts);
    return 0;
}
