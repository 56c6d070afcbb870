/*
 * work.h - the loops that all contenders run, and how they are timed.
 *
 * Owns:   the bodies, what they leave behind, and the check of it.
 * Never:  decides who runs which iteration.
 *
 *     split      two pieces of about 6.57 us each: what dividing costs
 *     tiny       a million iterations of about 3.6 ns
 *     irregular  65536 iterations, of which the last quarter has all the work:
 *                from 0.5 to 7 us each, about 62 ms together
 *
 * Each iteration adds its result to a word of its own, so that one that was
 * skipped or ran twice shows. Read from C and from C++.
 */
#ifndef ZK_BENCH_WORK_H
#define ZK_BENCH_WORK_H

#include <stddef.h>

#include "bench.h"

enum {
    SPLIT_STEPS = 7050,
    SPLIT_STRIDE = 16, /* each piece on its own cache lines */
    TINY_COUNT = 1000000,
    TINY_STEPS = 14,
    IRREGULAR_COUNT = 65536,
    IRREGULAR_STEPS = 515,
    SAMPLES_MAX = 64
};

static uint32_t split_words[2 * SPLIT_STRIDE];
static uint32_t tiny_words[TINY_COUNT];
static uint32_t irregular_words[IRREGULAR_COUNT];

static inline void
split_piece(size_t i)
{
    split_words[i * SPLIT_STRIDE] += (uint32_t)bench_work(i, SPLIT_STEPS);
}

static inline void
tiny_iteration(size_t i)
{
    tiny_words[i] += (uint32_t)bench_work(i, TINY_STEPS);
}

static inline uint64_t
irregular_steps(size_t i)
{
    if (i < (size_t)IRREGULAR_COUNT / 4 * 3)
        return 1;
    return IRREGULAR_STEPS * (1 + bench_mix(i) % 15);
}

static inline void
irregular_iteration(size_t i)
{
    irregular_words[i] += (uint32_t)bench_work(i, irregular_steps(i));
}

/* ---- checking ------------------------------------------------------------ */

static inline void
check_split(uint32_t runs)
{
    for (size_t i = 0; i < 2; i++) {
        bench_check(split_words[i * SPLIT_STRIDE] ==
                        runs * (uint32_t)bench_work(i, SPLIT_STEPS),
                    "split");
        split_words[i * SPLIT_STRIDE] = 0;
    }
}

static inline void
check_tiny(uint32_t runs)
{
    for (size_t i = 0; i < TINY_COUNT; i++) {
        bench_check(tiny_words[i] == runs * (uint32_t)bench_work(i, TINY_STEPS),
                    "tiny");
        tiny_words[i] = 0;
    }
}

static inline void
check_irregular(uint32_t runs)
{
    for (size_t i = 0; i < IRREGULAR_COUNT; i++) {
        bench_check(irregular_words[i] ==
                        runs * (uint32_t)bench_work(i, irregular_steps(i)),
                    "irregular");
        irregular_words[i] = 0;
    }
}

/* ---- timing -------------------------------------------------------------- */

/*
 * Runs `loop` `samples` times in batches of `batch`, after one batch that does
 * not count, checks that each iteration ran each time, and reports the median
 * time of one run in units of `ns`.
 */
static inline void
loop_time(const char *metric, void (*loop)(void), void (*check)(uint32_t),
          unsigned samples, unsigned batch, double ns)
{
    double took[SAMPLES_MAX];

    if (samples == 0 || samples > SAMPLES_MAX)
        samples = SAMPLES_MAX;
    for (unsigned i = 0; i <= samples; i++) {
        uint64_t start = bench_now_ns();

        for (unsigned k = 0; k < batch; k++)
            loop();
        if (i > 0)
            took[i - 1] = (double)(bench_now_ns() - start) / batch;
    }
    check((samples + 1) * batch);
    bench_report(metric, bench_median(took, samples) / ns);
}

static inline void
time_split(const char *metric, void (*loop)(void), unsigned samples)
{
    loop_time(metric, loop, check_split, samples, 100, 1e3);
}

static inline void
time_tiny(const char *metric, void (*loop)(void), unsigned samples)
{
    loop_time(metric, loop, check_tiny, samples, 1, 1e6);
}

static inline void
time_irregular(const char *metric, void (*loop)(void), unsigned samples)
{
    loop_time(metric, loop, check_irregular, samples, 1, 1e6);
}

#endif
