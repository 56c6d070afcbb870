/*
 * find.h - what stands at an address.
 *
 * Owns:   the answer, with the reason where it is no block.
 * Never:  takes a lock: whoever asks says that the block is his.
 */
#ifndef ZK_ALLOC_HEAP_FIND_H
#define ZK_ALLOC_HEAP_FIND_H

#include "alloc/heap/pool.h"
#include "alloc/heap/report.h"

struct zk_found {
    struct zk_span *span; /* NULL: no block of this heap, and `why` */
    enum zk_misuse why;
    size_t bytes;   /* of the block */
    unsigned class; /* ZK_CLASSES: a large one */
};

struct zk_found zk__heap_find(const struct zk_heap *h, const void *p);

/*
 * The class of a request with an alignment, or ZK_CLASSES: a large block.
 *
 * pre  align is a power of two; n + align does not wrap; the classes are open
 */
unsigned zk__heap_class(size_t n, size_t align);

#endif
