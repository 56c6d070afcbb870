/*
 * pages.h - what the kernel gave: huge pages, by the machine and by the phase.
 *
 * Owns:   the figures behind ZK_HUGE_AUTO, and the pages of a phase.
 * Never:  is needed: nothing here changes what a lane does.
 */
#ifndef ZKRT_PAGES_H
#define ZKRT_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/error.h>
#include <zkrt/runtime.h>

ZK_BEGIN_DECLS

/* The system's own policy: /sys/kernel/mm/transparent_hugepage/enabled. */
enum zk_huge_system {
    ZK_HUGE_SYSTEM_UNKNOWN = 0, /* it cannot be read */
    ZK_HUGE_SYSTEM_NEVER,
    ZK_HUGE_SYSTEM_MADVISE, /* where they are asked for */
    ZK_HUGE_SYSTEM_ALWAYS
};

/*
 * What ZK_HUGE_AUTO goes by in this process: what pages cost that are at hand, and
 * what the last ones took, where a virtual machine's host may have to find them
 * first. A slab that uses less than
 * small_bytes is better off with base pages: it touches them in less time, or
 * two thirds of a huge page would be wasted.
 */
typedef struct {
    size_t size; /* set by the caller */
    enum zk_huge_system system;
    int given;          /* asked for a huge page, the kernel gave one */
    int pays;           /* and it was had in less time than base pages */
    uint64_t huge_ns;   /* the first touch of 2 MiB as a huge page */
    uint64_t base_ns;   /* and as base pages */
    size_t small_bytes; /* at least 2 MiB / 3; 2 MiB where it does not pay */
    uint64_t took_ns;   /* what it took to find out */

    /* What the slabs of the process saw of the pages that they took since. */
    uint64_t looks;        /* how often one of them looked */
    uint64_t looks_ns;     /* what these pages took; they were needed anyway */
    uint64_t last_huge_ns; /* 2 MiB, at the last look; 0: there was none */
    uint64_t last_base_ns;
    uint64_t to_base; /* changes of a slab to base pages, */
    uint64_t to_huge; /* and back to huge ones */
} zk_huge_info_t;

/*
 * Measures, if nobody has yet: the library itself does when a slab first grows
 * beyond 2 MiB under ZK_HUGE_AUTO.
 *
 * Thread: any.
 * Cost:   the first time in a process about 1 ms: three huge pages and 192 base
 *         pages are touched and given back; nothing where huge pages are off.
 * Errors: ZK_EINVAL  info->size is not one the library knows
 */
ZK_API ZK_NODISCARD zk_err_t zk_huge_info(zk_huge_info_t *info);

/*
 * What a phase uses, in pages. A phase uses what it has handed out at the most so
 * far, blocks and scratch, of each slab; pages that nobody has touched are not
 * resident.
 */
typedef struct {
    size_t size;           /* set by the caller */
    size_t used_bytes;     /* whole base pages of what the phase uses */
    size_t resident_bytes; /* of these, in memory */
    size_t huge_bytes;     /* of these, in huge pages */
    double huge_share; /* huge_bytes / resident_bytes; 0: nothing is there */
    size_t fallbacks;  /* a huge page was asked for and base pages came */
    size_t slab_resident_bytes; /* in memory of the slabs, used now or not */
    size_t slab_huge_bytes;
    int exact; /* 0: the kernel tells by mapping only (before Linux 6.7), so
                  huge_bytes and fallbacks are estimated from the slabs' */
} zk_phase_pages_t;

/*
 * The pages of the caller's open phase, or of its last one; inside a task, the
 * task's phase. Others may run meanwhile: their figures are a moment old.
 *
 * Thread: any that zk_phase_stats() answers.
 * Cost:   a walk of the slabs' page tables: microseconds for huge pages, 1 ms for
 *         a GiB of base pages. Before Linux 6.7 all of the process' mappings are
 *         listed instead, which takes milliseconds.
 * Errors: ZK_EINVAL  pages->size is not one the library knows
 *         ZK_ESTALE  there is no phase
 *         ZK_ESYS    the system does not tell (no /proc)
 */
ZK_API ZK_NODISCARD zk_err_t zk_phase_pages(zk_phase_pages_t *pages);

/*
 * On which NUMA nodes a lane's slabs lie, as the kernel says.
 */
typedef struct {
    size_t size;          /* set by the caller */
    size_t wanted_bytes;  /* on a node where the lane wants them */
    size_t other_bytes;   /* on another one */
    size_t unknown_bytes; /* of threads that are no workers, or not bound */
    unsigned nodes;       /* one more than the highest with any; at most 64 */
    size_t node_bytes[64];
} zk_numa_pages_t;

/*
 * Counts what is in memory of all arenas of the lane, used now or kept.
 *
 * Thread: any. Phases may begin meanwhile, and move what is being counted: it is
 *         exact when none does.
 * Cost:   a walk of the page tables, and some 0.1 us for each page in memory.
 * Errors: ZK_EINVAL  lane is NULL, or pages->size is not one the library knows
 *         ZK_ESYS    the system does not tell
 */
ZK_API ZK_NODISCARD zk_err_t zk_numa_pages(const zk_runtime_t *lane,
                                           zk_numa_pages_t *pages);

ZK_END_DECLS

#endif
