/*
 * zkrt.h - the umbrella: include this one.
 *
 *     #include <zkrt/zkrt.h>
 *
 *     static int square(size_t begin, size_t end, void *arg)
 *     {
 *         double *v = arg;
 *         for (size_t i = begin; i < end; i++)
 *             v[i] *= v[i];
 *         return 0;
 *     }
 *
 *     ZK_PHASE("squares") {
 *         double *v = zk_malloc(n * sizeof *v);
 *         ...
 *         zk_parallel_for(0, n, 0, square, v);
 *     }
 */
#ifndef ZKRT_ZKRT_H
#define ZKRT_ZKRT_H

#include <zkrt/alloc.h>
#include <zkrt/error.h>
#include <zkrt/fork.h>
#include <zkrt/heap.h>
#include <zkrt/lanes.h>
#include <zkrt/pages.h>
#include <zkrt/parallel.h>
#include <zkrt/phase.h>
#include <zkrt/runtime.h>
#include <zkrt/scratch.h>
#include <zkrt/shared.h>
#include <zkrt/version.h>

#endif
