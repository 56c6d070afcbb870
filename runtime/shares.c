/*
 * shares.c - zk_parallel_for_ex: loops that are dealt out in shares.
 *
 * Owns:   the shares, and who takes from which.
 * Never:  lets more workers in than there are shares: as many tasks run a share to
 *         its end, and no task is divided.
 *
 * With affinity a share is at home in a slot. Which one follows from the range and
 * the number of workers alone, so nothing has to be remembered from loop to loop.
 * Who is through with its own share helps those of its node first: what it touches
 * there for the first time is on the right node as well. Those of other nodes it
 * helps as long as they are behind by an eighth of a share: what is left then its
 * own node has done in a moment, and it would be on the wrong node ever after.
 *
 * Q1  A share's `next` only grows, by a CAS from where a piece begins to where it
 *     ends; winning it is owning the piece. It carries no data.
 * Q2  Who is of a share's own node stays until nothing is left of it, and says
 *     first that it is there. So what others leave will be done.
 */
#include "private/bits.h"
#include "runtime/lane.h"

#define SHARES_MAX     64u
#define PIECES_A_SHARE 32
#define BEHIND         8 /* with less than this part left a share is not */
#define SAME_NODE      1u

struct share {
    ZK_ALIGNED_LINE _Atomic size_t next;
    size_t end, size;
    _Atomic bool attended; /* Q2 */
};

struct shares {
    const zk_runtime_t *lane;
    zk_range_fn body;
    void *arg;
    size_t grain;
    unsigned count; /* at most one for each worker */
    bool affinity;
    struct share share[SHARES_MAX];
};

/* The next piece of a share, at *begin, if more than `left` is; else 0. */
static size_t
take(struct share *s, size_t grain, size_t left, size_t *begin)
{
    size_t next = zk_load_relaxed(&s->next);

    while (s->end - next > left) {
        size_t n = zk_min_size(grain, s->end - next);

        if (zk_cas_relaxed(&s->next, &next, next + n)) { /* Q1 */
            *begin = next;
            return n;
        }
    }
    return 0;
}

/* Whose is it? The slot's, where there is affinity; else the task's. */
static unsigned
first_share(const struct shares *s, size_t task)
{
    int slot = zk_slot();

    if (!s->affinity || slot < 0)
        return (unsigned)task;
    return (unsigned)slot % s->lane->nworkers * s->count / s->lane->nworkers;
}

/* How far from the caller the share is at home: in the first slot whose own it is.
 * Without affinity they are all alike. */
static unsigned
distance_to(const struct shares *s, unsigned share)
{
    const struct zk_slot *self = zk__thread.slot;
    unsigned home = (share * s->lane->nworkers + s->count - 1) / s->count;

    if (!s->affinity || self == NULL)
        return 0;
    return zk__topology_distance(s->lane->topology, self->pu,
                                 s->lane->slots[home].pu);
}

/* How much of a share others leave to its own node. */
static size_t
left_by_others(const struct share *share)
{
    return zk_load_relaxed(&share->attended) ? share->size / BEHIND : 0;
}

/* Runs what is to be done of a share. True: the loop is over, *code says how. */
static bool
finish(struct shares *s, struct share *share, unsigned far, int *code)
{
    struct zk_scratch_frame none = zk__scratch_enter();
    bool near = far <= SAME_NODE;
    size_t begin, n;

    if (near && !zk_load_relaxed(&share->attended))
        zk_store_relaxed(&share->attended, true); /* Q2 */
    while ((n = take(share, s->grain, near ? 0 : left_by_others(share),
                     &begin)) != 0) {
        *code = s->body(begin, begin + n, s->arg);
        zk__scratch_leave(&none);
        if (*code == 0)
            zk__loop_did(n);
        if (*code != 0 || zk_stopped())
            return true;
    }
    return false;
}

static int
run_shares(size_t task, size_t end, void *arg)
{
    struct shares *s = arg;
    unsigned first = first_share(s, task);
    int code = 0;

    (void)end;
    if (finish(s, &s->share[first], 0, &code))
        return code;
    for (unsigned far = 0; far < ZK_DISTANCES; far++)
        for (unsigned i = 1; i < s->count; i++) {
            unsigned which = (first + i) % s->count;

            if (distance_to(s, which) == far &&
                finish(s, &s->share[which], far, &code))
                return code;
        }
    return 0;
}

static void
deal(struct shares *s, size_t begin, size_t end, size_t grain)
{
    size_t size = (end - begin) / s->count, more = (end - begin) % s->count;

    s->grain = grain != 0
                   ? grain
                   : zk_max_size((size + (more != 0)) / PIECES_A_SHARE, 1);
    for (unsigned i = 0; i < s->count; i++) {
        zk_store_relaxed(&s->share[i].next, begin);
        zk_store_relaxed(&s->share[i].attended, false);
        s->share[i].size = size + (i < more);
        begin += s->share[i].size;
        s->share[i].end = begin;
    }
}

zk_err_t
zk_parallel_for_ex(zk_runtime_t *lane, size_t begin, size_t end,
                   const zk_loop_options_t *options, zk_range_fn body,
                   void *arg)
{
    const zk_loop_options_t usual = ZK_LOOP_OPTIONS_INIT;
    const zk_loop_options_t *o = options != NULL ? options : &usual;
    struct shares s = {.body = body, .arg = arg};

    if (body == NULL || o->size != sizeof *o || o->affinity > 1)
        return ZK_EINVAL;
    if (begin >= end)
        return ZK_OK;
    if (o->max_workers == 0 && o->affinity == 0)
        return zk_parallel_for_on(lane, begin, end, o->grain, body, arg);

    if (lane == NULL)
        lane = zk_runtime_current();
    if (lane == NULL)
        return ZK_ENOMEM;
    s.lane = lane;
    s.affinity = o->affinity != 0;
    s.count = lane->nworkers < SHARES_MAX ? lane->nworkers : SHARES_MAX;
    if (o->max_workers != 0 && o->max_workers < s.count)
        s.count = o->max_workers;
    deal(&s, begin, end, o->grain);
    return zk__parallel_for(lane, 0, s.count, 1, run_shares, &s, true,
                            end - begin);
}
