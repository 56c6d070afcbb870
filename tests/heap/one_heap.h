/*
 * one_heap.h - a heap without a limit, for the tests of its parts.
 *
 * Owns:   the heap, and the setup that opens what lies below it.
 */
#ifndef ZK_TESTS_HEAP_ONE_HEAP_H
#define ZK_TESTS_HEAP_ONE_HEAP_H

#include "alloc/heap/pool.h"

static struct zk_heap heap;

static inline int
open_pages(void **state)
{
    (void)state;
    zk__class_open();
    zk__heap_init(&heap, false, SIZE_MAX);
    return zk__pages_open() ? 0 : 1;
}

#endif
