/*
 * progress.c - see progress.h.
 *
 * Owns:   the lane's watcher: a thread that sleeps from call to call.
 * Never:  lets a phase end while a call about it runs.
 *
 * A worker may be in one call of a body for seconds, and none may be idle; so
 * nobody of them can promise to call in time, and none should pay for what a
 * program does there. The watcher starts with the first phase that has a
 * callback, ten wake-ups a second are its whole load, and without such a phase it
 * sleeps. The last call of a phase is made by its opener, in the end.
 */
#include "runtime/progress.h"

#include <string.h>

#include "private/clock.h"
#include "runtime/futex.h"
#include "runtime/lane.h"

/* ---- counts ------------------------------------------------------------ */

struct zk_work
zk__progress_sum(const struct zk_phase *phase)
{
    struct zk_work sum = {0, 0};

    for (unsigned i = 0; i < phase->lane->nslots; i++) /* N1 */
        sum.done += zk_load_acquire(&phase->count[i].iterations);
    for (unsigned i = 0; i < phase->lane->nslots; i++)
        sum.total += zk_load_acquire(&phase->count[i].planned);
    return sum;
}

static struct zk_work
since(struct zk_work now, const struct zk_work *begin)
{
    return (struct zk_work){now.done - begin->done, now.total - begin->total};
}

struct zk_work
zk__progress_at(const struct zk_phase *phase, unsigned depth)
{
    return since(zk__progress_sum(phase), &phase->work[depth]);
}

/* ---- calls -------------------------------------------------------------- */

/* One sum for the phase and its stage: a loop that begins between two of them would
 * be in the part and not in the whole.
 * pre: the lane's watch_lock is held, or the phase is not watched yet */
static void
call(const struct zk_phase *phase, bool ended)
{
    unsigned depth = ended ? 1 : phase->depth;
    struct zk_work sum = zk__progress_sum(phase);
    struct zk_work all = since(sum, &phase->work[1]);
    struct zk_work stage = since(sum, &phase->work[depth]);
    zk_progress_t progress = {
        .size = sizeof progress,
        .id = zk_load_relaxed(&phase->id),
        .done = all.done,
        .total = all.total,
        .stage_done = stage.done,
        .stage_total = stage.total,
        .depth = depth,
        .ended = ended,
    };

    memcpy(progress.name, phase->name[depth], sizeof progress.name);
    phase->watch.fn(&progress, phase->watch.arg);
}

/* Makes the calls that are due. Returns when the next one is; 0: there is none. */
static uint64_t
call_due(zk_runtime_t *lane)
{
    uint64_t next = 0;

    for (struct zk_phase *p = lane->told; p != NULL; p = p->watch.next) {
        if (p->watch.due_ns <= zk_now_ns()) {
            call(p, false);
            p->watch.due_ns = zk_now_ns() + p->watch.interval_ns;
        }
        if (next == 0 || p->watch.due_ns < next)
            next = p->watch.due_ns;
    }
    return next;
}

static void *
watch(void *arg)
{
    zk_runtime_t *lane = arg;

    pthread_mutex_lock(&lane->watch_lock);
    while (!lane->watch_over) {
        uint32_t seen = zk_load_seq_cst(&lane->watch_event);
        uint64_t next = call_due(lane), now = zk_now_ns();

        pthread_mutex_unlock(&lane->watch_lock);
        if (next == 0 || next > now)
            zk__futex_wait(&lane->watch_event, seen,
                           next != 0 ? next - now : ZK_FOREVER);
        pthread_mutex_lock(&lane->watch_lock);
    }
    pthread_mutex_unlock(&lane->watch_lock);
    return NULL;
}

static void
wake(zk_runtime_t *lane)
{
    zk_add_seq_cst(&lane->watch_event, 1u);
    zk__futex_wake(&lane->watch_event, 1);
}

/* ---- a phase's life ------------------------------------------------------ */

void
zk__progress_begin(struct zk_phase *phase, const struct zk_watch *watched)
{
    zk_runtime_t *lane = phase->lane;

    phase->work[1] = zk__progress_sum(phase);
    phase->watch = *watched;
    if (watched->fn == NULL)
        return;
    pthread_mutex_lock(&lane->watch_lock);
    phase->watch.due_ns = zk_now_ns() + watched->interval_ns;
    phase->watch.next = lane->told;
    lane->told = phase;
    if (!lane->watcher_runs) /* if it is refused there is the last call still */
        lane->watcher_runs =
            zk__lane_start_helper(lane, &lane->watcher, watch, lane);
    pthread_mutex_unlock(&lane->watch_lock);
    wake(lane);
}

void
zk__progress_end(struct zk_phase *phase)
{
    zk_runtime_t *lane = phase->lane;

    if (phase->watch.fn == NULL)
        return;
    pthread_mutex_lock(&lane->watch_lock);
    for (struct zk_phase **p = &lane->told; *p != NULL; p = &(*p)->watch.next)
        if (*p == phase) {
            *p = phase->watch.next;
            break;
        }
    call(phase, true);
    pthread_mutex_unlock(&lane->watch_lock);
    phase->watch.fn = NULL;
}

void
zk__progress_lock(const struct zk_phase *phase)
{
    if (ZK_UNLIKELY(phase->watch.fn != NULL))
        pthread_mutex_lock(&phase->lane->watch_lock);
}

void
zk__progress_unlock(const struct zk_phase *phase)
{
    if (ZK_UNLIKELY(phase->watch.fn != NULL))
        pthread_mutex_unlock(&phase->lane->watch_lock);
}

void
zk__progress_close(zk_runtime_t *lane)
{
    if (!lane->watcher_runs)
        return;
    pthread_mutex_lock(&lane->watch_lock);
    lane->watch_over = true;
    pthread_mutex_unlock(&lane->watch_lock);
    wake(lane);
    pthread_join(lane->watcher, NULL);
}
