/*
 * overflow.h - blocks of the heap that serve where an arena has no room.
 *
 * Owns:   the list of them, with what each has charged to the budget.
 * Never:  knows a block that was meant for the heap.
 *
 * Otherwise a slab that is full would be a way round the budget. They are few:
 * slabs are large. So a table under locks will do, which nobody looks into while
 * it is empty; and while it is not, no free takes the shortest way
 * (zk__pages_detour).
 *
 * V1  A block is in the table from before it is handed out until before the heap
 *     has it back: the heap may give its address away at once.
 */
#ifndef ZK_ALLOC_OVERFLOW_H
#define ZK_ALLOC_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/budget.h"
#include "private/atomic.h"
#include "private/check.h"

/* Blocks in the table. */
extern _Atomic size_t zk__overflow_live;

/*
 * Enters a block of n bytes that were taken from a budget. False: there is no
 * memory for the table; nothing changed. Any thread.
 */
bool zk__overflow_enter(void *p, size_t n);

/* Takes a block out; what it has charged. 0: it is not in the table. */
size_t zk__overflow_leave(void *p);

/* Before a block goes back to the heap. */
static inline void
zk__overflow_freed(void *p)
{
    /* Whoever has the block also sees that it was counted. */
    if (ZK_UNLIKELY(zk_load_relaxed(&zk__overflow_live) != 0))
        zk__budget_give(zk__overflow_leave(p));
}

/* Around a fork, so that the child finds the locks free. */
void zk__overflow_lock(void);
void zk__overflow_unlock(void);

#endif
