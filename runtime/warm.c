/*
 * warm.c - memory in place before the first phase asks for it.
 *
 * Owns:   how much of which slab is populated, by whom, and what is learnt for
 *         the next run.
 * Never:  does anything for a lane that was not asked to.
 *
 * A lane that shall be warm starts its workers when it opens. Each of them, once
 * it is on its core, populates its own slab of the lane's first arena, piece by
 * piece, so that the pages are on its node; then it helps its neighbours on the
 * same node. All that happens while the program reads its input. The first begin
 * does what is left of the opener's slab and waits for the rest.
 *
 * V1  A piece is taken once: whoever adds to warm_next has it.
 * V2  Each piece that is taken is counted off warm_left when it is done, also
 *     where it was left out: a begin that finds 0 there has all slabs quiet.
 * V3  Each slot has somebody who takes its pieces, near or far: a thread of its own,
 *     else the first begin; nobody need be in slot 0.
 *
 * R1 -> A1   who finds warm_left at 0 sees the slabs as the helpers left them
 */
#include <string.h>

#include "alloc/budget.h"
#include "alloc/os.h"
#include "alloc/proc.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/clock.h"
#include "runtime/futex.h"
#include "runtime/lane.h"
#include "runtime/topology.h"

#define PIECE ((size_t)16 << 20) /* 1 ms as huge pages, 4 ms as base pages */

/* ---- how much --------------------------------------------------------------- */

/*
 * What may be populated without harm: what the budget has left, and no more than
 * half of what the machine has. Memory that a phase needs it would take in any
 * case; this is taken before anybody knows that it is needed.
 */
static size_t
bearable(const zk_runtime_t *lane)
{
    size_t limit = zk__budget_limit(&lane->phases[0]->arena->budget);
    size_t taken = zk__budget_charged();
    size_t ends = lane->nworkers * ZK_HUGE_PAGE; /* whole ones are charged */

    taken = ends > SIZE_MAX - taken ? SIZE_MAX : taken + ends;
    return zk_min_size(limit - zk_min_size(limit, taken),
                       zk__proc_available() / 2);
}

/* The bytes of the opener's slab, and of each other worker's. */
struct sizes {
    size_t opener, other;
};

static size_t
as_size(uint64_t bytes)
{
    return bytes < ZK_SLAB_BYTES_MAX ? (size_t)bytes : ZK_SLAB_BYTES_MAX;
}

/* The pages are the arena's, not a phase's: what the first phase leaves, the later
 * ones have. So it is the most that any phase of the last run used. */
static struct sizes
sizes_of(const struct zk_learn *l, unsigned workers)
{
    struct sizes most = {0, 0};

    for (unsigned i = 0; i < l->count; i++) {
        most.opener = zk_max_size(most.opener, as_size(l->phase[i].opener));
        most.other = zk_max_size(most.other, as_size(l->phase[i].other));
    }
    if (l->workers != 0 && l->workers < workers) /* they share the same work */
        most.other = most.other / workers * l->workers;
    return most;
}

static struct sizes
learnt_sizes(zk_runtime_t *lane)
{
    bool named = lane->config.learn_file[0] != '\0';
    enum zk_learn_state state;
    struct zk_learn last;
    const char *why;

    if (named)
        memcpy(lane->learn_path, lane->config.learn_file,
               sizeof lane->learn_path);
    else if (!zk__learn_default_path(lane->learn_path)) {
        zk__notice(&lane->config,
                   "nothing is learnt for the next run: there is no place for "
                   "the file; ZK_ALLOC_LEARN_FILE can name one");
        return (struct sizes){0, 0};
    }
    state = zk__learn_read(lane->learn_path, &last, &why);
    lane->learning = state != ZK_LEARN_FOREIGN || !named; /* L3 */
    if (why != NULL)
        zk__notice(&lane->config, "%.200s is ignored%s: %s", lane->learn_path,
                   lane->learning ? " and will be replaced" : "", why);
    return sizes_of(&last, lane->nworkers);
}

/* ---- who ---------------------------------------------------------------------- */

/* Takes a piece of a slot's slab and populates it. False: there is none left. */
static bool
take_piece(zk_runtime_t *lane, struct zk_slot *slot)
{
    struct zk_slab *slab = &lane->phases[0]->arena->slabs[slot->index];
    size_t from, to;

    if (zk_load_relaxed(&slot->warm_next) >= slot->warm_bytes)
        return false;
    from = zk_add_relaxed(&slot->warm_next, PIECE); /* V1 */
    if (from >= slot->warm_bytes)
        return false;
    to = zk_min_size(from + PIECE, slot->warm_bytes);
    if (!zk_load_relaxed(&lane->closing) &&
        !zk_load_relaxed(&lane->warm_refused)) {
        if (zk__slab_populate(slab, from, to))
            zk_add_relaxed(&lane->warmed, (uint64_t)(to - from));
        else
            zk_store_relaxed(&lane->warm_refused, true);
    }
    if (zk_sub_acq_rel(&lane->warm_left, 1u) == 1) /* V2, R1 -> A1 */
        zk__futex_wake(&lane->warm_left, INT32_MAX);
    return true;
}

void
zk__warm_help(struct zk_slot *self)
{
    zk_runtime_t *lane = self->lane;

    if (zk_load_acquire(&lane->warm_left) == 0)
        return;
    while (take_piece(lane, self))
        ;
    for (unsigned i = 0; i < lane->nworkers; i++) {
        struct zk_slot *slot = &lane->slots[i];

        if (zk__topology_distance(lane->topology, self->pu, slot->pu) > 1)
            continue; /* its pages belong on another node */
        while (take_piece(lane, slot))
            ;
    }
}

void
zk__warm_finish(struct zk_slot *self)
{
    zk_runtime_t *lane = self->lane;
    uint32_t left;

    if (ZK_LIKELY(zk_load_acquire(&lane->warm_left) == 0)) /* A1 <- R1 */
        return;
    zk__warm_help(self);
    /* V3 */
    for (unsigned i = 0; i < (lane->warm_alone ? lane->nworkers : 1); i++)
        while (take_piece(lane, &lane->slots[i]))
            ;
    while ((left = zk_load_acquire(&lane->warm_left)) != 0) /* A1 <- R1 */
        zk__futex_wait(&lane->warm_left, left, ZK_FOREVER);
}

/* Divides `bytes` among the workers. True: there is something to do. */
static bool
expect(zk_runtime_t *lane, struct sizes bytes)
{
    struct zk_arena *arena = lane->phases[0]->arena;
    double wanted = (double)bytes.opener +
                    (double)bytes.other * (double)(lane->nworkers - 1);
    double bear = (double)bearable(lane);
    uint32_t pieces = 0;

    for (unsigned i = 0; i < lane->nworkers; i++) {
        struct zk_slot *slot = &lane->slots[i];
        size_t n = i == 0 ? bytes.opener : bytes.other;

        if (wanted > bear)
            n = zk_round_down((size_t)((double)n * (bear / wanted)),
                              ZK_HUGE_PAGE);
        if (n == 0)
            continue;
        slot->warm_bytes = zk__slab_expect(zk__arena_slab(arena, i), n);
        pieces += (uint32_t)((slot->warm_bytes + PIECE - 1) / PIECE);
    }
    /* What the budget refuses here nobody has asked for yet. */
    (void)zk__budget_begin(&arena->budget);
    zk_store_release(&lane->warm_left, pieces);
    return pieces != 0;
}

void
zk__warm_open(zk_runtime_t *lane)
{
    size_t asked = lane->config.prefault_bytes;
    struct sizes bytes = {asked, asked};

    if (asked == 0 || zk_load_relaxed(&lane->nphases) == 0)
        return;
    if (asked == SIZE_MAX)
        bytes = learnt_sizes(lane);
    lane->phases[0]->idle_since_ns = zk_now_ns();
    if (!expect(lane, bytes))
        return;
    zk__lane_start(lane);
    lane->warm_alone =
        lane->borrows || zk_load_acquire(&lane->threads) < lane->nworkers - 1;
}

void
zk__warm_forked(zk_runtime_t *lane)
{
    zk_store_relaxed(&lane->warm_left, 0u); /* it is the parent's to wait for */
    lane->learning = false;                 /* and to write down */
    for (unsigned i = 0; i < lane->nworkers; i++)
        lane->slots[i].warm_bytes = 0;
    pthread_mutex_init(&lane->learn_lock, NULL);
}

/* ---- learning ------------------------------------------------------------------- */

/* pre: learn_lock is held */
static void
write_down(zk_runtime_t *lane)
{
    const char *why;

    lane->learn.workers = lane->nworkers;
    why = zk__learn_write(lane->learn_path, &lane->learn);
    lane->learn.written = lane->learn.sum;
    if (why == NULL)
        return;
    lane->learning = false;
    zk__notice(&lane->config, "nothing is learnt for the next run: %.200s: %s",
               lane->learn_path, why);
}

void
zk__warm_ended(const struct zk_phase *phase, unsigned opener)
{
    zk_runtime_t *lane = phase->lane;
    const struct zk_arena *arena = phase->arena;
    size_t own = 0, other = 0;

    if (ZK_LIKELY(lane->config.prefault_bytes != SIZE_MAX))
        return;
    for (unsigned i = 0; i < zk_load_relaxed(&arena->active); i++) {
        size_t peak = zk__slab_peak(&arena->slabs[i]);

        if (i == opener)
            own = peak;
        else
            other = zk_max_size(other, peak);
    }
    pthread_mutex_lock(&lane->learn_lock);
    if (lane->learning &&
        zk__learn_note(&lane->learn, phase->name[1], own, other))
        write_down(lane);
    pthread_mutex_unlock(&lane->learn_lock);
}

void
zk__warm_close(zk_runtime_t *lane)
{
    pthread_mutex_lock(&lane->learn_lock);
    if (lane->learning && lane->learn.sum != lane->learn.written)
        write_down(lane);
    pthread_mutex_unlock(&lane->learn_lock);
}
