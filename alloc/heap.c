/*
 * heap.c - the C library's malloc as the heap.
 *
 * Owns:   nothing of its own.
 * Never:  returns NULL for a size of 0: such a block has one byte.
 */
#include "alloc/heap.h"

#include <malloc.h>
#include <stdlib.h>

void *
zk__heap_alloc(size_t n)
{
    return malloc(n != 0 ? n : 1);
}

void *
zk__heap_alloc_zeroed(size_t n)
{
    return calloc(1, n != 0 ? n : 1);
}

void *
zk__heap_alloc_aligned(size_t align, size_t n)
{
    void *p = NULL;

    /* posix_memalign takes any size, where aligned_alloc wants a multiple. */
    if (align < sizeof(void *))
        align = sizeof(void *);
    return posix_memalign(&p, align, n != 0 ? n : 1) == 0 ? p : NULL;
}

void *
zk__heap_realloc(void *p, size_t n)
{
    return realloc(p, n != 0 ? n : 1);
}

void
zk__heap_free(void *p)
{
    free(p);
}

size_t
zk__heap_usable(const void *p)
{
    return malloc_usable_size((void *)(size_t)p);
}
