/*
 * debug.h - checks that cost: asked for by ZK_DEBUG, and on in a checked build.
 *
 *     live:  | n bytes, as they were asked for | guard, 8 bytes or more | seal |
 *     free:  | filled, from the first byte to the last                         |
 *
 * Owns:   whether they are on, what is written behind a block and into a free
 *         one, and the blocks that wait before they serve again.
 * Never:  is asked about a request that a cache serves: while the checks are on no
 *         thread has a cache, so that each request comes the slow way, and where
 *         they are off the common case does not know of them.
 *
 * What they find beyond what is always found:
 *
 *   - a write past the end, or before the begin of the next block: the guard or
 *     the seal is not as it was when the block is freed, resized or measured;
 *   - a write after the free: the filling is not as it was when the block would
 *     be handed out again;
 *   - each double free, at once: a block is live by its seal, waits by its
 *     filling, or lies in the pool by its bit;
 *   - a sized free of another size than was asked for.
 *
 * The seal is the size that was asked for, mixed with the block's address.
 *
 * D1  Each block of a class that is free, of any heap, is filled. A block that
 *     waits is free for the program and taken for its pool.
 * D2  Whether the checks are on is settled before the first block of any heap.
 *
 * With the marks of a sanitizer they are left out: it sees the same, and sooner.
 */
#ifndef ZK_ALLOC_HEAP_DEBUG_H
#define ZK_ALLOC_HEAP_DEBUG_H

#include <stdbool.h>
#include <stddef.h>

#include "alloc/heap/class.h"
#include "private/atomic.h"
#include "private/poison.h"

#define ZK_HAVE_DEBUG (!ZK_HAVE_MARKS)

/* Where ZK_DEBUG is not set. A simulation of threads has enough points without. */
#if defined ZK_CHECKED && !defined ZK_SIMULATE
#    define ZK_DEBUG_UNASKED ZK_HAVE_DEBUG
#else
#    define ZK_DEBUG_UNASKED 0
#endif

/*
 * Under AddressSanitizer and Valgrind the end of a block is not the begin of the
 * next one: a run over it is seen.
 */
#define ZK_REDZONE ((size_t)(ZK_HAVE_MARKS ? 16 : 0))

extern _Atomic bool zk__debug_on; /* written once, see D2 */

static inline bool
zk_debug(void)
{
    return ZK_HAVE_DEBUG && zk_load_relaxed(&zk__debug_on);
}

/* What a block has behind the bytes that were asked for. */
static inline size_t
zk_heap_extra(void)
{
    return zk_debug() ? 16 : ZK_REDZONE;
}

/* "on" or "off", whatever the case; false, and *on as it is: neither. */
bool zk__debug_parse(const char *text, bool *on);

/* Reads ZK_DEBUG; what is malformed is not there. Once, when the heap opens. */
void zk__debug_open(void);

/* Writes the filling: these bytes are free from now on. */
void zk__debug_fill(void *p, size_t bytes);

/*
 * A block of this many bytes is handed out for n: checks the filling, where it has
 * one, and seals. `call` is named in the report of a block that was written to.
 */
void zk__debug_hand_out(void *p, size_t n, size_t bytes, bool filled,
                        const char *call);

/* How a block looks from behind. */
enum zk_seal { ZK_SEAL_INTACT, ZK_SEAL_FILLED, ZK_SEAL_BROKEN };

/* *n: the bytes that were asked for, of an intact one. */
enum zk_seal zk__debug_look(const void *p, size_t bytes, size_t *n);

/*
 * The bytes that were asked for. Whatever is not live and intact ends the process
 * with a report that names the call.
 */
size_t zk__debug_check(const void *p, size_t bytes, const char *call);

/*
 * Fills a block of the process's heap and has it wait. Returns the block whose
 * turn it is to go to its pool, the same or another one, or NULL; *class is of
 * the one that comes and of the one that goes.
 */
void *zk__debug_wait(void *p, unsigned *class);

/* How many blocks of each class wait. */
void zk__debug_waiting(size_t counts[ZK_CLASSES]);

/* Around a fork. */
void zk__debug_lock(void);
void zk__debug_unlock(void);

#endif
