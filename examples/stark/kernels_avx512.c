/*
 * kernels_avx512.c - the inner loops, eight elements at a time.
 *
 * Owns:   the only code that is compiled for AVX-512F (CMakeLists.txt).
 * Never:  runs unless the processor says that it can.
 */
#include "kernels.h"

#ifdef __AVX512F__

#    include "lanes_avx512.h"

#    include "kernels_body.h"

static const struct kernels avx512 = KERNELS_OF("AVX-512");

const struct kernels *
kernels_avx512(void)
{
    return __builtin_cpu_supports("avx512f") ? &avx512 : NULL;
}

#else

const struct kernels *
kernels_avx512(void)
{
    return NULL;
}

#endif
