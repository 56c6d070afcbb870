/*
 * team.c - a program of OpenMP's that uses an installed zkrt-omp: the team
 * allocates from a phase, and a loop of zkrt runs beside.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include <zkrt/omp.h>
#include <zkrt/zkrt.h>

static int
twice(size_t begin, size_t end, void *arg)
{
    int *v = arg;

    for (size_t i = begin; i < end; i++)
        v[i] *= 2;
    return 0;
}

int
main(void)
{
    int v[1000], wrong = 0, threads = 0;

    for (int i = 0; i < 1000; i++)
        v[i] = i;
    if (zk_omp_init() != ZK_OK || zk_omp_phase_begin("team") != ZK_OK)
        return EXIT_FAILURE;
#pragma omp parallel reduction(+ : wrong, threads)
    {
        void *p = zk_malloc(10000);

        threads = 1;
        wrong = !zk_in_arena(p);
    }
    if (zk_parallel_for(0, 1000, 10, twice, v) != ZK_OK)
        return EXIT_FAILURE;
    for (int i = 0; i < 1000; i++)
        wrong += v[i] != 2 * i;
    if (zk_omp_phase_end() != ZK_OK || threads != omp_get_max_threads())
        return EXIT_FAILURE;
    printf("%d threads, %d wrong\n", threads, wrong);
    return wrong != 0;
}
