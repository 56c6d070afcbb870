/*
 * kernels_portable.c - the inner loops in plain C.
 *
 * Owns:   the form that every processor can run.
 * Never:  differs from the others in a result.
 */
#include "lanes_portable.h"

#include "kernels_body.h"

const struct kernels kernels_portable = KERNELS_OF("portable");
