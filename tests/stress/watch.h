/*
 * watch.h - says who waits for what when a long run hangs, and ends it.
 *
 * Owns:   the thread that watches, and its report: the threads of the process with
 *         what they run and where they are called from, and each lane's slots.
 * Never:  judges how long something takes, as long as it goes on.
 */
#ifndef ZK_TESTS_STRESS_WATCH_H
#define ZK_TESTS_STRESS_WATCH_H

/* Until watch_end(): aborts with a report when nobody has called watch_beat() for
 * so many seconds; 0: WATCH_S. Takes the place of the alarm of rt_begin(). */
void watch_begin(const char *what, unsigned seconds);
void watch_end(void);

/* Any thread: it goes on. */
void watch_beat(void);

/* In a child of fork(2), which has no watching thread: so many seconds for all of
 * what the child does. Ends when the child does. */
void watch_child(unsigned seconds);

#define WATCH_S 250u

/* Threads that a watched process has beside its own. */
#define WATCH_THREADS 1u

#endif
