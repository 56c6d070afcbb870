/*
 * loop.c - zk_parallel_for: ranges that divide when somebody is hungry.
 *
 * Owns:   the record of a loop, where a range is cut, and how many iterations
 *         one call of the body gets.
 * Never:  cuts a range that nobody would take: a loop that runs alone calls its
 *         body and checks, nothing else.
 *
 * Lazy binary splitting, after Tzannes, Caragea, Barua and Vishkin (PPoPP 2010):
 * between two calls of the body a worker looks at its own deque. If that is
 * empty, everything it had to offer was taken, so it offers the upper half of
 * what it has left. There is at least one stealable half before the first call.
 *
 * With grain 0 the number of iterations per call is learnt: it grows fourfold
 * while a call takes less than TARGET_NS / 4, and is set to what TARGET_NS would
 * have been enough for when one takes twice as long. What one worker has learnt the
 * others start from. Since what comes next may be a thousand times as dear, no call
 * gets more than an eighth of the range in hand, unless a sixteenth of what was
 * learnt is more: that is too short for anybody to wait for.
 */
#include "private/bits.h"
#include "private/check.h"
#include "private/clock.h"
#include "runtime/lane.h"
#include "runtime/lease.h"

#define TARGET_NS ((uint64_t)12000)

struct loop {
    struct zk_job job; /* first: a task's job is its loop */
    zk_range_fn body;
    void *arg;
    size_t begin;
    size_t grain;          /* 0: learn */
    bool eager;            /* cut it all up before the first call */
    size_t stands_for;     /* so many iterations, which its body counts; or 0 */
    bool counted;          /* as progress of its phase: N2 in progress.h */
    _Atomic size_t learnt; /* iterations per call, with grain 0 */
};

/* Somebody could take a half, and none of ours is left to take. */
static bool
hungry(const struct zk_slot *self)
{
    return zk__deque_empty(&self->deque) &&
           zk_load_relaxed(&self->lane->threads) != 0;
}

/*
 * Where [begin, end) is cut: in pieces of the grain from its begin, which is
 * such a multiple from the loop's begin itself.
 *
 * pre   begin < end
 * post  begin < result < end, or result == begin: it is one piece. Nothing
 *       wraps, however large the range and the grain.
 */
static size_t
middle(const struct loop *loop, size_t begin, size_t end)
{
    size_t unit = loop->grain != 0 ? loop->grain : 1;
    size_t pieces = (end - begin - 1) / unit + 1;

    return begin + pieces / 2 * unit;
}

/* Runs one call of the body on n iterations, and learns from how long it took. */
static int
call_and_learn(struct loop *loop, size_t begin, size_t n)
{
    uint64_t start = zk_now_ns();
    int code = loop->body(begin, begin + n, loop->arg);
    uint64_t took = zk_now_ns() - start;

    if (took < TARGET_NS / 4 && n <= SIZE_MAX / 4) {
        if (n * 4 > zk_load_relaxed(&loop->learnt)) /* not a short rest */
            zk_store_relaxed(&loop->learnt, n * 4);
    } else if (took > TARGET_NS * 2 && n > 1) {
        double enough = (double)n * ((double)TARGET_NS / (double)took);

        zk_store_relaxed(&loop->learnt, zk_max_size((size_t)enough, 1));
    }
    return code;
}

/* Iterations of the next call, with grain 0. pre: begin < end */
static size_t
next_call(const struct loop *loop, size_t begin, size_t end)
{
    size_t learnt = zk_load_relaxed(&loop->learnt);
    size_t most = zk_max_size((end - begin) / 8, learnt / 16);

    return zk_min_size(learnt, zk_max_size(most, 1));
}

/* Where a loop counts that is a part of another one: nobody reads it. */
static ZK_THREAD_LOCAL _Atomic uint64_t uncounted;

static int
run_range(struct zk_job *job, uintptr_t x, uintptr_t y)
{
    struct loop *loop = (struct loop *)(void *)job;
    struct zk_slot *self = zk__thread.slot;
    size_t unit = loop->grain != 0 ? loop->grain : 1;
    size_t begin = x, end = y;
    struct zk_scratch_frame none = zk__scratch_enter();
    _Atomic uint64_t *iterations =
        loop->counted && loop->stands_for == 0
            ? &job->phase->count[self->index].iterations
            : &uncounted;

    while (begin < end) {
        size_t n;
        int code;

        while (end - begin > unit && (loop->eager || hungry(self))) {
            size_t cut = middle(loop, begin, end);

            zk__task_push(self, job, cut, end);
            end = cut;
        }
        if (loop->grain != 0) {
            n = zk_min_size(loop->grain, end - begin);
            code = loop->body(begin, begin + n, loop->arg);
        } else {
            n = zk_min_size(next_call(loop, begin, end), end - begin);
            code = call_and_learn(loop, begin, n);
        }
        begin += n;
        zk__scratch_leave(&none);
        if (code != 0)
            return code;
        zk_bump_release(iterations, (uint64_t)n);
        if (zk__job_stopped(job))
            return 0; /* somebody else has the code */
    }
    return 0;
}

void
zk__loop_did(size_t n)
{
    struct zk_slot *self = zk__thread.slot;

    if (self == NULL || self->job == NULL)
        return; /* it runs alone */
    if (((const struct loop *)(const void *)self->job)->counted)
        zk_bump_release(&self->phase->count[self->index].iterations,
                        (uint64_t)n);
}

static zk_err_t
run_loop(struct zk_slot *self, struct loop *loop, size_t end)
{
    struct zk_job *job = &loop->job;
    int code;

    if (ZK_UNLIKELY(zk__forks_private(&self->forks)))
        zk__forks_share(self); /* K2 */
    job->lane = self->lane;
    job->phase = self->phase;
    job->phase_id = zk_load_relaxed(&self->phase->id);
    job->parent = self->job;
    job->owner = self->index;
    job->id = zk__job_id(self->lane, self);
    job->mark = zk__deque_mark(&self->deque);
    job->in_loop = 1;
    loop->counted = self->job == NULL || !self->job->in_loop;
    if (loop->counted) /* N1 */
        zk_bump_release(&self->phase->count[self->index].planned,
                        (uint64_t)(loop->stands_for != 0 ? loop->stands_for
                                                         : end - loop->begin));
    zk__lane_start(self->lane);

    /* The caller's share is part of the call, not a task. But while it runs it
     * is the loop's: begin inside it is an error, and loops in it are nested. */
    const struct zk_job *outer = self->job;
    int64_t frame = self->frame;

    struct zk_scratch_frame scratch = zk__scratch_enter();

    self->job = job;
    self->frame = job->mark;
    code = zk__job_stopped(job) ? 0 : run_range(job, loop->begin, end);
    self->frame = frame < self->frame ? frame : self->frame;
    self->job = outer;
    if (outer == NULL)
        zk__forks_ask(&self->forks); /* K5 */
    zk__scratch_leave(&scratch);

    if (code != 0)
        zk__job_fail(job, code);
    zk__wait_job(self, job);
    code = zk_load_acquire(&job->error);
    /* With no error of its own it can only be stopped from above. */
    return code == 0 && zk__job_stopped(job) ? ZK_ECANCELED : code;
}

struct call {
    struct zk_slot *self;
    struct loop *loop;
    size_t end;
    zk_err_t err;
};

static void
run_call(void *arg)
{
    struct call *call = arg;

    call->err = run_loop(call->self, call->loop, call->end);
}

/* The outermost loop of a thread whose lane borrows threads does so. */
static zk_err_t
run_with_threads(struct zk_slot *self, struct loop *loop, size_t end)
{
    struct call call = {self, loop, end, ZK_OK};

    if (ZK_LIKELY(!zk__lease_wanted(self)))
        return run_loop(self, loop, end);
    zk__lease_run(self, ZK_ALL_BEFORE, run_call, &call);
    return call.err;
}

/* Where no slot is free: the caller alone, in pieces like any loop's. */
static zk_err_t
run_alone(struct loop *loop, size_t end)
{
    struct zk_scratch_frame outer = zk__scratch_enter();
    struct zk_scratch_frame none = zk__scratch_enter();
    size_t begin = loop->begin;
    int code = 0;

    while (begin < end && code == 0) {
        size_t want =
            loop->grain != 0 ? loop->grain : zk_load_relaxed(&loop->learnt);
        size_t n = zk_min_size(want, end - begin);

        code = call_and_learn(loop, begin, n);
        begin += n;
        zk__scratch_leave(&none);
    }
    zk__scratch_leave(&outer);
    return code;
}

zk_err_t
zk__parallel_for(zk_runtime_t *lane, size_t begin, size_t end, size_t grain,
                 zk_range_fn body, void *arg, bool eager, size_t stands_for)
{
    struct zk_slot *self = zk__thread.slot;
    struct loop loop = {.job = {.run = run_range},
                        .body = body,
                        .arg = arg,
                        .begin = begin,
                        .grain = grain,
                        .eager = eager,
                        .stands_for = stands_for,
                        .learnt = 1};
    zk_err_t err;

    if (body == NULL)
        return ZK_EINVAL;
    if (begin >= end)
        return ZK_OK;
    if (self != NULL && (lane == NULL || self->lane == lane))
        return run_with_threads(self, &loop, end);
    if (self != NULL)
        return ZK_EPERM; /* inside another lane */

    if (lane == NULL)
        lane = zk__lane_default();
    if (lane == NULL)
        return ZK_ENOMEM;
    self = zk__member_enter(lane);
    if (self == NULL)
        return run_alone(&loop, end);
    err = run_with_threads(self, &loop, end);
    zk__member_leave(self);
    return err;
}

zk_err_t
zk_parallel_for_on(zk_runtime_t *lane, size_t begin, size_t end, size_t grain,
                   zk_range_fn body, void *arg)
{
    return zk__parallel_for(lane, begin, end, grain, body, arg, false, 0);
}

zk_err_t
zk_parallel_for(size_t begin, size_t end, size_t grain, zk_range_fn body,
                void *arg)
{
    return zk_parallel_for_on(NULL, begin, end, grain, body, arg);
}
