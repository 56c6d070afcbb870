/*
 * report.h - the last words about a heap that was misused.
 *
 * Owns:   the kinds of misuse that prove the program wrong, and their sentences.
 * Never:  allocates, or returns.
 *
 * What is proved ends the process: a block that is freed twice will be handed out
 * twice, and whoever goes on after that corrupts somebody else's data. Where the
 * caller can be told, it is told instead (zkrt/heap.h).
 */
#ifndef ZK_ALLOC_HEAP_REPORT_H
#define ZK_ALLOC_HEAP_REPORT_H

#include <stddef.h>

enum zk_misuse {
    ZK_MISUSE_FOREIGN,  /* no heap ever handed this address out */
    ZK_MISUSE_INTERIOR, /* it lies inside of a block */
    ZK_MISUSE_TWICE,    /* the block is free already */
    ZK_MISUSE_OWNED,    /* of a heap that has caches of its own */

    /* debug.h */
    ZK_MISUSE_OVERRUN,    /* somebody wrote behind the block */
    ZK_MISUSE_AFTER_FREE, /* somebody wrote to a block that was free */
    ZK_MISUSE_SIZE,       /* the block was asked for with another size */

    /* The library's own records, which no block is beside of. */
    ZK_MISUSE_ENTRY, /* of a cache (cache.h); the address is what it says */
    ZK_MISUSE_RECORD /* of a span or a large block (span.h), which begins there */
};

/*
 * Writes one line to stderr, and aborts:
 *
 *   zkrt: heap misuse in zk_free: 0x7f.. is free already (a block of 64 bytes)
 */
_Noreturn void zk__misuse(enum zk_misuse what, const char *call, const void *p);

/* The same, with the first byte of the block that is not as it should be. */
_Noreturn void zk__misuse_at(enum zk_misuse what, const char *call,
                             const void *p, size_t byte);

#endif
