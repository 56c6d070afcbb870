/*
 * serial.c - the loop on one thread: what half of is the ideal for two.
 *
 *     growth_serial FROM TO REPEATS
 */
#include "growth.h"

static uint64_t
loop_once(size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += growth_iteration(i);
    return sum;
}

int
main(int argc, char **argv)
{
    bench_bind(0);
    growth_loops(argc, argv, 1, loop_once);
    return 0;
}
