/*
 * atomic.h - the one door to <stdatomic.h>.
 *
 * Owns:   verbs that name their memory order, the fence, the pause.
 * Never:  lets a bare `=` on an atomic through: we write no seq_cst by accident.
 *
 * Convention: an ordering carries a label where it stands, and the label of the
 * access it pairs with: `A1 <- R2`. Data edges ride on release/acquire
 * variables; a fence alone never publishes data, since ThreadSanitizer does not
 * model fences.
 */
#ifndef ZK_PRIVATE_ATOMIC_H
#define ZK_PRIVATE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>

#include "private/race.h"

/* Where another thread may come in between: of interest to a simulation of threads,
 * which decides there who goes on, and whose header comes first (tests/sim). */
#ifdef ZK_SIMULATE
#    define ZK__POINT zk__sim_point(),
#else
#    define ZK__POINT
#endif

/* What the verbs below are made of; race.h has its own where drd is to follow. */
#ifndef ZK__RACE_ATOMICS
#    define ZK__READ(p, order) \
        (ZK__POINT atomic_load_explicit((p), memory_order_##order))
#    define ZK__WRITE(p, v, order) \
        (ZK__POINT atomic_store_explicit((p), (v), memory_order_##order))
#    define ZK__CHANGE(how, p, v, order) \
        (ZK__POINT atomic_##how##_explicit((p), (v), memory_order_##order))
#    define ZK__SWAP_IF(p, expected, v, order, failed)      \
        (ZK__POINT atomic_compare_exchange_strong_explicit( \
            (p), (expected), (v), memory_order_##order,     \
            memory_order_##failed))
#    define ZK__PLAIN(order, p, op) (ZK__POINT op)
#    define ZK__PLAIN_WRITE(p, op)  (ZK__POINT op)
#endif

#define zk_load_relaxed(p) ZK__READ(p, relaxed)
#define zk_load_acquire(p) ZK__READ(p, acquire)
#define zk_load_seq_cst(p) ZK__READ(p, seq_cst)

#define zk_store_relaxed(p, v) ZK__WRITE(p, v, relaxed)
#define zk_store_release(p, v) ZK__WRITE(p, v, release)
#define zk_store_seq_cst(p, v) ZK__WRITE(p, v, seq_cst)

#define zk_add_relaxed(p, v) ZK__CHANGE(fetch_add, p, v, relaxed)
#define zk_add_release(p, v) ZK__CHANGE(fetch_add, p, v, release)
#define zk_add_acq_rel(p, v) ZK__CHANGE(fetch_add, p, v, acq_rel)
#define zk_add_seq_cst(p, v) ZK__CHANGE(fetch_add, p, v, seq_cst)
#define zk_sub_acq_rel(p, v) ZK__CHANGE(fetch_sub, p, v, acq_rel)
#define zk_sub_seq_cst(p, v) ZK__CHANGE(fetch_sub, p, v, seq_cst)

#define zk_or_relaxed(p, v)  ZK__CHANGE(fetch_or, p, v, relaxed)
#define zk_and_relaxed(p, v) ZK__CHANGE(fetch_and, p, v, relaxed)

#define zk_exchange_acq_rel(p, v) ZK__CHANGE(exchange, p, v, acq_rel)

/* Strong; `expected` is a pointer and receives what was there on failure. */
#define zk_cas_relaxed(p, expected, v) \
    ZK__SWAP_IF(p, expected, v, relaxed, relaxed)
#define zk_cas_acq_rel(p, expected, v) \
    ZK__SWAP_IF(p, expected, v, acq_rel, acquire)
#define zk_cas_seq_cst(p, expected, v) \
    ZK__SWAP_IF(p, expected, v, seq_cst, relaxed)

/*
 * The same on a plain object, which its owner otherwise reads and writes without
 * atomics and hands over by other means.
 */
#define zk_cas_plain_acq_rel(p, expected, v)                       \
    ZK__PLAIN(acq_rel, p,                                          \
              __atomic_compare_exchange_n((p), (expected), (v), 0, \
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))

/* A plain object of a public struct, which C++ must be able to read: all its
 * accesses by more than one thread are these, and ZK__LOAD() of export.h. */
#define zk_load_plain_relaxed(p) \
    ZK__PLAIN(relaxed, p, __atomic_load_n((p), __ATOMIC_RELAXED))
#define zk_store_plain_relaxed(p, v) \
    ZK__PLAIN_WRITE(p, __atomic_store_n((p), (v), __ATOMIC_RELAXED))
#define zk_cas_plain_relaxed(p, expected, v)                       \
    ZK__PLAIN(relaxed, p,                                          \
              __atomic_compare_exchange_n((p), (expected), (v), 0, \
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED))

/*
 * Adds to a counter that only the calling thread writes: a plain load and
 * store, without the locked instruction that zk_add_*() would need. The release
 * makes the counter an edge for whoever reads it with acquire.
 */
#define zk_bump_release(p, v) zk_store_release((p), zk_load_relaxed(p) + (v))
#define zk_bump_relaxed(p, v) zk_store_relaxed((p), zk_load_relaxed(p) + (v))

#define zk_fence_seq_cst() (ZK__POINT atomic_thread_fence(memory_order_seq_cst))

/* Tells the core that this is a spin, so that its sibling gets the pipeline. */
static inline void
zk_pause(void)
{
#if defined(ZK_SIMULATE)
    zk__sim_pause();
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* What false sharing is kept apart by: two lines, for the adjacent-line
 * prefetcher of x86 and the 128-byte lines of some aarch64 cores. */
#define ZK_CACHE_LINE 128

#define ZK_ALIGNED_LINE _Alignas(ZK_CACHE_LINE)

#endif
