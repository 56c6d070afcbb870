/*
 * refuse.h - has the system refuse what a test says.
 *
 * Owns:   the calls of the library that end up here first (the programs are
 *         linked with --wrap), and which of them fail: those with a number in a
 *         range, or some at random.
 * Never:  decides what is right afterwards.
 */
#ifndef ZK_TESTS_BADINPUT_REFUSE_H
#define ZK_TESTS_BADINPUT_REFUSE_H

#include <pthread.h>

#include "private/atomic.h"
#include "tests/support.h"

enum refused_call {
    REFUSED_MMAP,
    REFUSED_MUNMAP,
    REFUSED_MREMAP,
    REFUSED_MPROTECT,
    REFUSED_MADVISE,
    REFUSED_MLOCK, /* and mlock2 */
    REFUSED_MBIND,
    REFUSED_THREAD,
    REFUSED_CPUBIND,
    REFUSED_CALLS
};

/* In memory that children share: what they ask for is counted too. */
struct refuser {
    _Atomic unsigned calls;
    _Atomic unsigned from, to; /* the calls with a number in [from, to) fail */
    _Atomic unsigned share;    /* so many of 65536, at random */
    _Atomic uint64_t seed;
    _Atomic unsigned refused;
};

extern struct refuser *refusers; /* by call */
extern const char *const refused_names[REFUSED_CALLS];

/* Bytes of address space that the library has and did not give back. What it
 * tried to give back counts as given. */
extern _Atomic size_t refuse_mapped;

void refuse(enum refused_call call, unsigned from, unsigned to);
void refuse_some(unsigned share, uint64_t seed); /* of every call */
void refuse_none(void);
void refuse_again(void);     /* the same calls, counted from 0 */
unsigned refuse_count(void); /* how many were since the last of these */

/* Gives back what munmap() was refused for. */
void refuse_clean(void);

/* A thread of the test's own. */
bool refuse_not_thread(pthread_t *t, void *(*fn)(void *), void *arg);

#endif
