/*
 * wipe.h - zeros that the compiler cannot leave out.
 *
 * Owns:   the stores.
 * Never:  knows what a range was for.
 */
#ifndef ZK_ALLOC_WIPE_H
#define ZK_ALLOC_WIPE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Sets n bytes from the address on to zero, also where nobody will ever read them. `past_cache`:
 * with stores that leave no trace in the caches, for more than these can hold.
 *
 * post  the zeros are in memory for whoever synchronises with the caller
 * cost  with past_cache the memory's bandwidth, once: lines are not read first
 */
void zk__wipe(void *address, size_t n, bool past_cache);

/* Bytes of the last level of cache; an estimate where nobody says. */
size_t zk__wipe_cache_bytes(void);

#endif
