/*
 * mem.h - the one door to memory of the prover's buffers.
 *
 * Owns:   the switch between zkrt's arena and the C library's heap, and the
 *         list of what is out, so that a scope gives back all it took.
 * Never:  is called from inside a parallel loop.
 *
 * A proof is a scope, and each stage is one inside it: with zkrt a phase and a
 * stage of it, with the system allocator a mark in the list. Buffers that
 * outlive a stage are taken before it begins.
 */
#ifndef STARK_MEM_H
#define STARK_MEM_H

#include <stddef.h>

enum mem_kind {
    MEM_ZKRT,  /* zk_malloc in a phase */
    MEM_SYSTEM /* malloc, and no phase at all */
};

#define MEM_MAX_BLOCKS 64u

struct zk_phase_options;

struct mem {
    enum mem_kind kind;
    const struct zk_phase_options *options; /* of the outermost scope's phase */
    unsigned depth;                         /* scopes that are open */
    unsigned count;                         /* blocks out */
    size_t bytes;                           /* their sum */
    size_t peak; /* the largest sum since the innermost scope began */
    struct {
        void *p;
        size_t bytes;
    } block[MEM_MAX_BLOCKS];
};

void mem_init(struct mem *m, enum mem_kind kind);

/* NULL when it was refused. */
void *mem_take(struct mem *m, size_t bytes);

/*
 * Runs body(arg) as a scope of its own and returns its result, or an error of
 * the phase. *peak gets the most bytes that were out while it ran, those of the
 * enclosing scope included.
 */
int mem_scope(struct mem *m, const char *name, int (*body)(void *), void *arg,
              size_t *peak);

#endif
