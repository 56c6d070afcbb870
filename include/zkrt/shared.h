/*
 * shared.h - memory that workers of all nodes read.
 *
 * Owns:   regions of whole pages, which belong to no phase and to no lane.
 * Never:  hands out a part of a page: for tables, keys and the like, not for
 *         blocks.
 */
#ifndef ZKRT_SHARED_H
#define ZKRT_SHARED_H

#include <stddef.h>

#include <zkrt/error.h>
#include <zkrt/export.h>
#include <zkrt/pages.h>
#include <zkrt/runtime.h>

ZK_BEGIN_DECLS

/*
 * A region of at least `bytes` bytes, all zero, aligned to a page. Its pages come
 * in turn from all nodes that have workers of the lane, or that ZK_NUMA=bind: lists:
 * so no node's memory serves all reads, and each has the same, to one page, of the
 * kind that was given. With ZK_NUMA=off, and where the system refuses, pages lie
 * where they are touched first; zk_runtime_info() shows a refusal.
 *
 * Huge pages are asked for as the lane does (ZK_ALLOC_HUGEPAGES), under `auto` where
 * each node would have eight of them at least. The region is charged to the budget
 * (ZK_ALLOC_BUDGET). It stays until zk_shared_free(), whatever becomes of phases
 * and of the lane. NULL: errno is ENOMEM where memory or the budget is short, EINVAL
 * where bytes is 0.
 *
 * zk_shared_alloc() acts on the lane the caller is in, else on the default lane.
 *
 * Thread: any.
 * Cost:   some system calls; pages are touched by who writes to them first.
 */
ZK_API void *zk_shared_alloc(size_t bytes);
ZK_API void *zk_shared_alloc_on(zk_runtime_t *lane, size_t bytes);

/*
 * Gives a region back to the system. NULL is ZK_OK.
 *
 * Thread: any; nobody uses the region any more.
 * Errors: ZK_EINVAL  p is not the first byte of a region; nothing changed
 */
ZK_API ZK_NODISCARD zk_err_t zk_shared_free(void *p);

/*
 * On which nodes the pages of a region are, as the kernel says: `wanted` are those
 * from which they come in turn. Cost as for zk_numa_pages().
 *
 * Errors: ZK_EINVAL  p is not the first byte of a region, or pages->size is not one
 *                    the library knows
 *         ZK_ESYS    the system does not tell
 */
ZK_API ZK_NODISCARD zk_err_t zk_shared_pages(const void *p,
                                             zk_numa_pages_t *pages);

ZK_END_DECLS

#endif
