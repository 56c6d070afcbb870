/*
 * kernels.c - which form of the inner loops this process runs.
 *
 * Owns:   the choice.
 * Never:  changes it while a proof is made.
 */
#include "kernels.h"

const struct kernels *
kernels_best(void)
{
    const struct kernels *wide = kernels_avx512();

    return wide != NULL ? wide : &kernels_portable;
}
