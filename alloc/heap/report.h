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

enum zk_misuse {
    ZK_MISUSE_FOREIGN,  /* no heap ever handed this address out */
    ZK_MISUSE_INTERIOR, /* it lies inside of a block */
    ZK_MISUSE_TWICE,    /* the block is free already */
    ZK_MISUSE_OWNED,    /* of a heap that has caches of its own */
};

/*
 * Writes one line to stderr, and aborts:
 *
 *   zkrt: heap misuse in zk_free: 0x7f.. is free already (a block of 64 bytes)
 */
_Noreturn void zk__misuse(enum zk_misuse what, const char *call, const void *p);

#endif
