/*
 * omp.h - what the tests of zkrt-omp share.
 *
 * Owns:   lanes that borrow, and lanes of the width of a team.
 */
#ifndef ZK_TESTS_OMP_OMP_H
#define ZK_TESTS_OMP_OMP_H

#include "tests/runtime/meeting.h"
#include "tests/runtime/rt.h"

#include <omp.h>

#include <zkrt/omp.h>

static const unsigned omp_sizes[] = {1, 2, 3, 8};

#define OMP_SIZES (sizeof omp_sizes / sizeof *omp_sizes)

/* A lane of the width of a team; `lines` counts its notices. */
static inline void
omp_count_notice(const char *message, void *lines)
{
    (void)message;
    zk_add_relaxed((_Atomic unsigned *)lines, 1u);
}

static inline zk_runtime_t *
omp_lane_of(enum zk_backend backend, unsigned workers)
{
    zk_runtime_t *lane = NULL;

    omp_set_num_threads((int)workers);
    if (zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = workers, .spare_slots = 16,
                                   .slab_bytes = 4 * MIB, .bind = ZK_BIND_NONE,
                                   .notice = test_no_notice,
                                   .backend = backend)) != ZK_OK)
        return NULL;
    return lane;
}

static inline zk_runtime_t *
omp_lane(unsigned workers)
{
    return omp_lane_of(ZK_BACKEND_OPENMP, workers);
}

static inline int
add(size_t begin, size_t end, void *arg)
{
    zk_add_relaxed((_Atomic size_t *)arg, end - begin);
    return 0;
}

#endif
