/*
 * team.c - see team.h. The caller is thread 0.
 *
 * Owns:   one further thread, and the cores of both.
 * Never:  sleeps: starting a proof costs the peers as little as can be.
 */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

#include "bench.h"

static void (*work)(unsigned thread);
static _Atomic unsigned started, finished;
static pthread_t other;

static void
await(_Atomic unsigned *word, unsigned value)
{
    unsigned spins = 0;

    while (atomic_load_explicit(word, memory_order_acquire) != value)
        if (++spins % 1024 == 0)
            sched_yield();
}

static void *
member(void *arg)
{
    (void)arg;
    bench_bind(1);
    for (unsigned turn = 1;; turn++) {
        await(&started, turn);
        if (work == NULL)
            return NULL;
        work(1);
        atomic_store_explicit(&finished, turn, memory_order_release);
    }
}

void
team_open(void)
{
    bench_bind(0);
    bench_check(pthread_create(&other, NULL, member, NULL) == 0, "a thread");
}

void
team_run(void (*body)(unsigned thread))
{
    unsigned turn = atomic_load_explicit(&started, memory_order_relaxed) + 1;

    work = body;
    atomic_store_explicit(&started, turn, memory_order_release);
    body(0);
    await(&finished, turn);
}

void
team_close(void)
{
    work = NULL;
    atomic_fetch_add_explicit(&started, 1, memory_order_release);
    pthread_join(other, NULL);
}
