/*
 * scratch.h - memory for the length of a function, in the order of a stack.
 *
 * Owns:   scopes, what is allocated in them, and the two small functions for
 *         libraries that have their callers bring scratch.
 * Never:  keeps anything once its scope has ended.
 *
 *     zk_scratch_t scope = zk_scratch_begin();
 *     uint64_t *t = zk_scratch_alloc(n * sizeof *t, 0);
 *     ...
 *     zk_scratch_end(scope);
 *
 * In a phase, scratch lies at the far end of the slab of the caller's slot, and
 * grows down while blocks grow up; the two never meet. Where that end cannot be
 * had - the slab is full, or the caller is in no phase - scratch comes from where
 * zk_aligned_alloc() would take it, and goes back there when the scope ends.
 *
 * Scopes belong to a task: to one call of a loop's body, to one task of a group,
 * or to what a thread does outside of all those, for each phase and stage apart.
 * A task that a waiting worker runs meanwhile sees none of them, and leaves them
 * as they were. What is left open when a task, a stage or a phase ends, ends
 * with it. Scopes that a thread opens outside of all phases and tasks are to be
 * ended before it exits.
 */
#ifndef ZKRT_SCRATCH_H
#define ZKRT_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/error.h>
#include <zkrt/export.h>

ZK_BEGIN_DECLS

/* A scope. A value: copies name the same scope. */
typedef struct zk_scratch {
    uint64_t zk__private[6];
} zk_scratch_t;

/*
 * Begins a scope inside the innermost one of the caller's task.
 *
 * Thread: any.
 * Cost:   some instructions; never fails.
 */
ZK_API zk_scratch_t zk_scratch_begin(void);

/*
 * n bytes in the innermost scope of the caller's task, aligned to a power of two
 * up to 1 GiB, at least 64; align 0: 64. Not zeroed. n = 0 gives a unique
 * pointer. It is no block: zk_free() and zk_realloc() refuse it in an arena, and
 * must not be given it elsewhere.
 *
 * NULL with errno ENOMEM: there is no memory; EINVAL: the alignment, or no scope
 * of this task is open.
 *
 * Cost:   some instructions, no atomic and no system call, but for a slab's
 *         first scratch; where the far end cannot be had, an allocation.
 */
ZK_API ZK_NODISCARD void *zk_scratch_alloc(size_t n, size_t align);

/*
 * Ends a scope: what was allocated since its begin is dead.
 *
 * Thread: the one that began it, in the same task.
 * Errors: ZK_ESTALE  it is not the innermost open scope of the caller's task;
 *                    nothing changed
 */
ZK_API zk_err_t zk_scratch_end(zk_scratch_t scope);

/*
 * For a function that has its caller bring scratch, and tells it how much:
 *
 *     size_t fft_scratch_bytes(size_t n)
 *     {
 *         return zk_scratch_bytes(n * sizeof(uint64_t), 0) +
 *                zk_scratch_bytes(n / 2, 4096);
 *     }
 *
 *     void fft(uint64_t *v, size_t n, void *scratch)
 *     {
 *         uint64_t *t = zk_scratch_take(&scratch, n * sizeof *t, 0);
 *         char *flags = zk_scratch_take(&scratch, n / 2, 4096);
 *         ...
 *     }
 *
 * The caller brings that many bytes from anywhere, at a multiple of 64:
 * zk_scratch_alloc(fft_scratch_bytes(n), 0), zk_malloc() in an arena, ...
 *
 * zk_scratch_bytes() is the most that one take uses up, SIZE_MAX where that is
 * no size. zk_scratch_take() returns the next n bytes at *at, aligned, and moves
 * *at behind them. It checks nothing.
 */
static inline size_t
zk_scratch_bytes(size_t n, size_t align)
{
    size_t more = align > 64 ? align - 64 : 0;

    if (n > SIZE_MAX - 63 - more)
        return SIZE_MAX;
    return (n + (n == 0) + 63) / 64 * 64 + more;
}

static inline void *
zk_scratch_take(void **at, size_t n, size_t align)
{
    size_t mask = (align > 64 ? align : 64) - 1;
    char *p = ZK__CAST(char *, *at);

    p += (0 - ZK__BITS(p)) & mask;
    *at = p + (n + (n == 0) + 63) / 64 * 64;
    return p;
}

ZK_END_DECLS

#endif
