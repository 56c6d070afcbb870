/*
 * alloc.h - memory, from the phase's arena or from the heap.
 *
 * Owns:   the malloc family with its routing, the arena-only call, and the
 *         bump that the compiler can inline.
 * Never:  asks the caller for the size of a block that it gives back.
 *
 * Blocks of an arena start on a cache line of their own (64 bytes), as do those
 * of the heap from 64 bytes on (below, at a multiple of 16). Their sizes are kept
 * beside the memory, not in front of them.
 */
#ifndef ZKRT_ALLOC_H
#define ZKRT_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/export.h>

#if defined(__SANITIZE_ADDRESS__)
#    define ZK__ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define ZK__ASAN 1
#    endif
#endif

ZK_BEGIN_DECLS

/*
 * n bytes: from the arena when the caller is in a phase and n is at least the
 * lane's min_bytes, else from the heap. An arena that is full overflows to the
 * heap, which is counted. NULL with errno ENOMEM when the heap is exhausted, or the
 * phase is over its budget (zk_phase_reserve() in phase.h).
 * n = 0 gives a unique pointer. In a secret phase (phase.h) the arena serves every
 * size, and what does not fit is NULL with ENOMEM, counted as overflow.
 *
 * Thread: any.
 * Cost:   arena: some instructions, no system call but for a slab's first use.
 */
ZK_API ZK_ALLOCATOR void *zk_malloc(size_t n);

/* The same for count * n bytes, all zero; NULL with ENOMEM where the product is no
 * size. Pages known to be zero are not written again. */
ZK_API ZK_ALLOCATOR void *zk_calloc(size_t count, size_t n);

/* The same, aligned to a power of two. Else NULL with errno EINVAL. */
ZK_API ZK_ALLOCATOR void *zk_aligned_alloc(size_t align, size_t n);

/*
 * Changes the size of a block, and its address unless it fits in place. A heap
 * block stays in the heap for ever. A block of the open phase's arena grows
 * there; one of an ended phase moves to the heap, as does one that its own
 * phase does not own any more. p = NULL is zk_malloc(n). On NULL the old block
 * is intact. A block of a secret phase moves only inside of secret phases: else
 * NULL with errno EPERM. n = 0 keeps a block of the smallest size.
 *
 * Thread: any.
 * Cost:   as zk_malloc(), and the copy where the block moves.
 */
ZK_API ZK_NODISCARD void *zk_realloc(void *p, size_t n);

/*
 * Gives a block back. Heap: to the heap, at once; an address that is no live
 * block of the heap, nor in an arena, ends the process with a report, since going
 * on would give one block to two owners. Arena, open phase: to its
 * slab, for later requests of the same phase or stage. Arena, ended phase: no
 * effect. An address in an arena that is no live block (freed before, interior,
 * of an earlier phase) is counted and left alone. NULL is fine.
 *
 * Thread: any.
 * Cost:   arena: some instructions; one compare-and-swap more where the block
 *         lies in another slot's slab.
 */
ZK_API void zk_free(void *p);

/* Bytes that may be used at p, at least what was asked for; 0 for NULL and for
 * an address in an arena that is no live block. Any thread, some instructions. */
ZK_API size_t zk_usable_size(const void *p);

/*
 * n bytes from the caller's arena, of any size, or NULL with errno ENOMEM: no
 * phase is open here, or the slab is full. Never the heap, never counted as an
 * overflow. align is a power of two up to 1 GiB, or 0 for 64; else errno is EINVAL.
 *
 * Thread: any.
 * Cost:   some instructions, no system call but for a slab's first use.
 */
ZK_API ZK_ALLOCATOR void *zk_phase_alloc(size_t n, size_t align);

/* A heap copy of n bytes at p, which outlives the phase and goes to zk_free().
 * NULL: errno is ENOMEM, or EINVAL where p is NULL and n is not 0. Any thread. */
ZK_API ZK_NODISCARD void *zk_detach(const void *p, size_t n);

/* True when p lies in the arena of some lane, dead or alive. Some ns. */
ZK_API int zk_in_arena(const void *p);

/*
 * The caller's window for small blocks. Private but for zk_bump(), which is
 * meant to be inlined: do not read or write it elsewhere.
 */
struct zk_window {
    char *next;      /* the next block's first byte */
    char *end;       /* next <= end, both multiples of 64 */
    char *base;      /* granule 0 of `sizes` */
    uint16_t *sizes; /* size in granules of the block that starts at each */
};

extern ZK_API ZK_THREAD_LOCAL struct zk_window *zk__window
#ifndef ZK__NO_TLS_MODEL
    __attribute__((tls_model("initial-exec")))
#endif
    ;

/*
 * zk_phase_alloc(n, 64), with the common case inlined: n small, window not
 * full. Source of the scheme: any bump allocator; one compare serves n = 0,
 * n too large and the window's end, since end - next is a multiple of 64.
 */
static inline void *
zk_bump(size_t n)
{
#ifdef ZK__ASAN /* the library marks what is alive: let it see each block */
    return zk_phase_alloc(n, 64);
#else
    struct zk_window *b = zk__window;
    char *p = b->next;

    if (__builtin_expect(n - 1 >= ZK__CAST(size_t, b->end - p), 0))
        return zk_phase_alloc(n, 64);

    size_t granules = (n + 63) >> 6;

    b->next = p + (granules << 6);
    b->sizes[ZK__CAST(size_t, p - b->base) >> 6] = ZK__CAST(uint16_t, granules);
    return p;
#endif
}

ZK_END_DECLS

#endif
