/*
 * serial.c - the loops on one thread: what half of is the ideal for two.
 *
 *     loops_serial SAMPLES
 */
#include "work.h"

static void
split(void)
{
    for (size_t i = 0; i < 2; i++)
        split_piece(i);
}

static void
tiny(void)
{
    for (size_t i = 0; i < TINY_COUNT; i++)
        tiny_iteration(i);
}

static void
irregular(void)
{
    for (size_t i = 0; i < IRREGULAR_COUNT; i++)
        irregular_iteration(i);
}

int
main(int argc, char **argv)
{
    unsigned samples = (unsigned)bench_arg(argc, argv, 1, 5);

    time_split("split", split, samples);
    time_tiny("tiny", tiny, samples);
    time_irregular("irregular", irregular, samples);
    return 0;
}
