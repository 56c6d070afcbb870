/*
 * futex.h - the one door to the futex system call.
 *
 * Owns:   waiting on a 32-bit word and waking who waits.
 * Never:  knows what the word means.
 */
#ifndef ZK_RUNTIME_FUTEX_H
#define ZK_RUNTIME_FUTEX_H

#include <stdint.h>

#include "private/atomic.h"

#define ZK_FOREVER UINT64_MAX

/*
 * Sleeps while *word == seen, at most timeout_ns. May return early for no
 * reason: the caller checks again what it waits for.
 */
void zk__futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns);

/* Wakes at most n sleepers. The caller pays 6 to 18 us for a sleeping core. */
void zk__futex_wake(_Atomic uint32_t *word, int n);

#endif
