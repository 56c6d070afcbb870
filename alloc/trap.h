/*
 * trap.h - stale pointers: found, named, and handed on.
 *
 * Owns:   the handler of SIGSEGV, and the words of a report.
 * Never:  decides what happens to the process: whoever had the signal before us
 *         gets it after the report.
 *
 * A slab that begins a phase has left its former addresses (arena.h). A read or
 * write there faults: the handler looks the address up, writes to stderr who
 * owned it and when, and passes the signal on. It is in place while an arena
 * exists whose slabs move. A handler that the program installs later replaces it.
 */
#ifndef ZK_ALLOC_TRAP_H
#define ZK_ALLOC_TRAP_H

#include "alloc/arena.h"

/* One more arena, or one less, wants the handler. Any thread. */
void zk__trap_hold(void);
void zk__trap_release(void);

/*
 * The program passed a stale pointer to one of our calls: counted, and told to
 * the arena's report function. Any thread.
 */
void zk__trap_call(struct zk_place place, const char *call, const void *p);

/* Around a fork, so that the child finds the handler's lock free. */
void zk__trap_lock(void);
void zk__trap_unlock(void);

#endif
