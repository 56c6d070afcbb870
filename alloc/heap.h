/*
 * heap.h - the seam behind which the general allocator lies.
 *
 * Owns:   what outlives a phase, and what is too small for one.
 * Never:  sees an arena's address.
 *
 * Behind it stands the C library's malloc. Everybody else calls these five, so
 * that a heap of our own can take its place here and nowhere else.
 */
#ifndef ZK_ALLOC_HEAP_H
#define ZK_ALLOC_HEAP_H

#include <stddef.h>

/* As malloc, calloc, aligned_alloc, realloc and free, with errno ENOMEM. */
void *zk__heap_alloc(size_t n);
void *zk__heap_alloc_zeroed(size_t n);
void *zk__heap_alloc_aligned(size_t align, size_t n);
void *zk__heap_realloc(void *p, size_t n);
void zk__heap_free(void *p);

size_t zk__heap_usable(const void *p);

#endif
