/*
 * work.h - a bit of everything that a lane can do, and whether it was right.
 *
 * Owns:   the loop, the group and the phase that tests run after a bad input,
 *         to see that nothing was lost.
 * Never:  asserts: it may run in a child.
 */
#ifndef ZK_TESTS_BADINPUT_WORK_H
#define ZK_TESTS_BADINPUT_WORK_H

#include "private/atomic.h"
#include "tests/support.h"

#define WORK_SUM ((uint64_t)4999 * 5000 / 2)

static inline int
work_add_range(size_t begin, size_t end, void *arg)
{
    uint64_t sum = 0;

    for (size_t i = begin; i < end; i++)
        sum += i;
    zk_add_relaxed((_Atomic uint64_t *)arg, sum);
    return 0;
}

static inline int
work_add_one(void *arg)
{
    zk_add_relaxed((_Atomic uint64_t *)arg, (uint64_t)1);
    return 0;
}

/* NULL: the lane that the caller is in, or the default one. */
static inline bool
work_loop(zk_runtime_t *lane)
{
    _Atomic uint64_t sum = 0;

    return zk_parallel_for_on(lane, 0, 5000, 7, work_add_range, &sum) ==
               ZK_OK &&
           sum == WORK_SUM;
}

static inline bool
work_group(zk_runtime_t *lane)
{
    zk_group_t group = ZK_GROUP_INIT;
    _Atomic uint64_t ran = 0;
    bool ok = true;

    for (int i = 0; i < 100; i++)
        ok = zk_spawn_on(lane, &group, work_add_one, &ran) == ZK_OK && ok;
    return zk_sync(&group) == ZK_OK && ok && ran == 100;
}

/* Memory, a loop and a group inside of a phase that is open. */
static inline bool
work_inside(void)
{
    const size_t n = 200000;
    void *p = zk_malloc(n), *q = zk_calloc(1, n);
    bool ok = p != NULL && q != NULL && test_all_zero(q, n);

    if (ok) {
        test_fill(p, n, 1);
        test_fill(q, n, 2);
        ok = work_loop(NULL) && work_group(NULL) && test_holds(p, n, 1) &&
             test_holds(q, n, 2);
    }
    zk_free(q);
    zk_free(p);
    return ok;
}

static inline bool
work_phase(zk_runtime_t *lane)
{
    bool ok;

    if (zk_phase_begin_on(lane, "work") != ZK_OK)
        return false;
    ok = work_inside();
    return zk_phase_end() == ZK_OK && ok;
}

static inline bool
work_all(zk_runtime_t *lane)
{
    return work_loop(lane) && work_group(lane) && work_phase(lane);
}

/* ---- what was said ------------------------------------------------------ */

struct work_said {
    _Atomic unsigned lines;
    char last[512];
};

/* A notice hook. Lanes speak from one thread at a time in these tests. */
static inline void
work_hear(const char *message, void *arg)
{
    struct work_said *said = arg;

    snprintf(said->last, sizeof said->last, "%s", message);
    zk_add_relaxed(&said->lines, 1u);
}

static inline unsigned
work_lines(const char *text)
{
    unsigned lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* First in main(): a test that hangs ends its program. */
static inline void
work_begin(void)
{
    const char *only = getenv("RT_ONLY");

    alarm(280);
    if (only != NULL)
        cmocka_set_test_filter(only);
}

#endif
