/*
 * sim.h - threads as fibers of one thread, and who goes on drawn from a seed.
 *
 * Owns:   what the library calls of threads, time and locks when it is built with
 *         ZK_SIMULATE: this header comes before each of its sources, and the test's.
 * Never:  is seen by a build that is installed.
 *
 * The library's own sources run, all but futex.c. At each atomic operation the
 * simulation may let another fiber go on. It draws from the seed alone, so a seed
 * is a schedule, and a failure can be run again. What it shows is interleavings:
 * the one thread sees its own stores in order.
 *
 * Thread-local variables are those of the program's own block, which is copied out
 * and in where fibers change. So the library may keep what it likes there.
 */
#ifndef ZK_TESTS_SIM_H
#define ZK_TESTS_SIM_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* How the run of a seed went. */
struct sim_result {
    bool stuck; /* everybody waits, for ever, or it took too long */
    uint64_t points, switches, sleeps;
};

/*
 * From here on each thread has a clock: a step for each atomic operation, lock and
 * pause, and SIM_WAKE_STEPS from a wake-up until who slept goes on. Whose clock is
 * behind runs, give or take a few steps that are drawn from the seed. So the clock
 * of a thread tells how long something takes where every worker has a core of its
 * own and every operation takes as long as any other: how work spreads, and not
 * what a line of the cache costs that many want.
 */
#define SIM_WAKE_STEPS 1000u
void sim_with_clocks(bool on);

/* A run that makes more points than this is stuck; 20 million at first. */
void sim_patience(uint64_t points);

/* The caller's clock; and work that takes so long and touches nothing. */
uint64_t sim_clock(void);
void sim_work(uint64_t steps);

/* Runs fn(arg) and the threads that it starts. All of them have to end. */
struct sim_result sim_run(uint64_t seed, void (*fn)(void *), void *arg);

/* How many processors a thread that is not bound may be on, anew whenever it asks;
 * none at first: then it is on the first. */
void sim_cpus(unsigned n);

/* Below n, from the same numbers. */
unsigned sim_below(unsigned n);

void zk__sim_point(void);
void zk__sim_pause(void);
int zk__sim_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg);
int zk__sim_join(pthread_t thread, void **value);
int zk__sim_lock(pthread_mutex_t *mutex);
int zk__sim_yield(void);
int zk__sim_clock(clockid_t clock, struct timespec *t);
int zk__sim_cpu(void);

#ifdef ZK_SIMULATE
#    define pthread_create     zk__sim_create
#    define pthread_join       zk__sim_join
#    define pthread_mutex_lock zk__sim_lock
#    define sched_yield        zk__sim_yield
#    define clock_gettime      zk__sim_clock
#    define sched_getcpu       zk__sim_cpu
#endif

#endif
