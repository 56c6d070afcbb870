/*
 * hand.c - two hand-written barriers: one that spins, for as many threads as
 * there are cores, and the C library's, which sleeps.
 *
 *     barrier_hand THREADS REGIONS
 *
 * With more threads than cores the spinning one would measure the kernel's time
 * slices, and is left out.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bench.h"

static unsigned threads;
static long regions;
static pthread_barrier_t sleeping;

static struct {
    _Alignas(64) _Atomic unsigned arrived;
    _Alignas(64) _Atomic unsigned turn;
} spin;

static _Alignas(64) uint64_t took_ns;

static void
spin_wait(void)
{
    unsigned turn = atomic_load_explicit(&spin.turn, memory_order_relaxed);

    if (atomic_fetch_add_explicit(&spin.arrived, 1, memory_order_acq_rel) + 1 ==
        threads) {
        atomic_store_explicit(&spin.arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&spin.turn, turn + 1, memory_order_release);
        return;
    }
    while (atomic_load_explicit(&spin.turn, memory_order_acquire) == turn)
        continue;
}

static void
sleep_wait(void)
{
    (void)pthread_barrier_wait(&sleeping);
}

struct member {
    pthread_t thread;
    unsigned index;
    void (*wait)(void);
};

static void *
run(void *arg)
{
    const struct member *m = arg;
    uint64_t start = 0;

    bench_bind(m->index % (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    for (long i = 0; i < regions + 100; i++) {
        if (i == 100)
            start = bench_now_ns();
        m->wait();
    }
    if (m->index == 0)
        took_ns = bench_now_ns() - start;
    return NULL;
}

static void
measure(const char *name, void (*wait)(void))
{
    struct member *all = calloc(threads, sizeof *all);
    char metric[32];

    bench_check(all != NULL, "calloc");
    for (unsigned i = 0; i < threads; i++) {
        all[i].index = i;
        all[i].wait = wait;
        bench_check(pthread_create(&all[i].thread, NULL, run, &all[i]) == 0,
                    "a thread");
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(all[i].thread, NULL);
    snprintf(metric, sizeof metric, "%s_%u", name, threads);
    bench_report(metric, (double)took_ns / (double)regions / 1e3);
    free(all);
}

int
main(int argc, char **argv)
{
    threads = (unsigned)bench_arg(argc, argv, 1, 2);
    regions = bench_arg(argc, argv, 2, 20000);
    bench_check(pthread_barrier_init(&sleeping, NULL, threads) == 0,
                "a barrier");
    if ((long)threads <= sysconf(_SC_NPROCESSORS_ONLN))
        measure("spin", spin_wait);
    measure("sleep", sleep_wait);
    return 0;
}
