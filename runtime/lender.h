/*
 * lender.h - the seam to libzkrt-omp: who can lend threads, and what for.
 *
 * Owns:   two tables of functions, one of each side.
 * Never:  is installed: both libraries are of the same build, which `size` and
 *         `version` check.
 */
#ifndef ZK_RUNTIME_LENDER_H
#define ZK_RUNTIME_LENDER_H

#include <stdbool.h>
#include <stddef.h>

#include <zkrt/phase.h>

#include "private/atomic.h"

struct zk_phase;

#define ZK_LENDER_VERSION 1u

typedef void (*zk_lent_fn)(unsigned index, void *arg);

/*
 * Somebody who has threads. All functions act for the calling thread, whose team
 * it is.
 */
struct zk_lender {
    size_t size;
    unsigned version;

    /* Threads of the team that it would get, itself included. */
    unsigned (*width)(void);

    /* Whether it is one of a team that runs: then there is no other one. */
    bool (*inside)(void);

    /*
     * Not inside. Calls fn(0, arg) on this thread and fn(i, arg), i from 1 on, on
     * n - 1 others or fewer, each once; returns when all have returned.
     */
    void (*team)(unsigned n, zk_lent_fn fn, void *arg);

    /* Inside. The same, but fn(i, arg) for an i > 0 runs only on threads of the
     * team that wait for something, and here, when fn(0, arg) has returned. */
    void (*borrow)(zk_lent_fn fn, void *arg);

    /* Returns when explicit tasks of the caller's are done. */
    void (*settle)(void);
};

/* What the core has for the lender. */
struct zk_borrower {
    /* A phase whose members are the threads of the caller's team. Not inside. */
    zk_err_t (*begin)(zk_runtime_t *lane, const char *name,
                      const zk_phase_options_t *options);

    /* The same for the function form. */
    zk_err_t (*run)(zk_runtime_t *lane, const char *name,
                    const zk_phase_options_t *options, zk_stage_fn stage,
                    void *arg);

    /* The caller's open phase; depth 0: none. */
    struct zk_phase *(*current)(unsigned *depth);

    /* One thread becomes a member of a phase, and stops to be one. */
    void (*attach)(struct zk_phase *phase, unsigned index);
    void (*detach)(void);

    /* Runs fn(arg) here with the lane's threads at work on what comes of it. */
    zk_err_t (*lease)(zk_runtime_t *lane, zk_stage_fn fn, void *arg);
};

/* Written once, by the library that lends. */
extern _Atomic(const struct zk_lender *) zk__the_lender;

static inline const struct zk_lender *
zk__lender(void)
{
    return zk_load_acquire(&zk__the_lender);
}

/* NULL: they are not of the same build. Another lender than the first is not
 * heard. */
ZK_API const struct zk_borrower *
zk__lender_register(const struct zk_lender *lender);

#endif
