/*
 * bits.h - rounding and powers of two.
 *
 * Owns:   the small arithmetic that everybody would otherwise write twice.
 * Never:  overflows silently: the callers bound their sizes first.
 */
#ifndef ZK_PRIVATE_BITS_H
#define ZK_PRIVATE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool
zk_is_pow2(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* pre: align is a power of two and n + align - 1 does not wrap */
static inline size_t
zk_round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static inline size_t
zk_round_down(size_t n, size_t align)
{
    return n & ~(align - 1);
}

static inline size_t
zk_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t
zk_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
