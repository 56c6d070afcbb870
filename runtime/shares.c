/*
 * shares.c - zk_parallel_for_ex: loops that are dealt out in shares.
 *
 * Owns:   the shares, and who takes from which.
 * Never:  lets more workers in than there are shares: as many tasks run a share to
 *         its end, and no task is divided.
 *
 * Q1  A share's `next` only grows, by a CAS from where a piece begins to where it
 *     ends; winning it is owning the piece. It carries no data.
 */
#include "private/bits.h"
#include "runtime/lane.h"

#define SHARES_MAX     64u
#define PIECES_A_SHARE 32

struct share {
    ZK_ALIGNED_LINE _Atomic size_t next;
    size_t end;
};

struct shares {
    zk_range_fn body;
    void *arg;
    size_t grain;
    unsigned count;
    unsigned nworkers;
    bool affinity;
    struct share share[SHARES_MAX];
};

/* The next piece of a share, at *begin; 0: nothing is left of it. */
static size_t
take(struct share *s, size_t grain, size_t *begin)
{
    size_t next = zk_load_relaxed(&s->next);

    while (next != s->end) {
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
    if (s->nworkers <= s->count)
        return (unsigned)slot % s->count;
    return (unsigned)slot % s->nworkers * s->count / s->nworkers;
}

static int
run_shares(size_t task, size_t end, void *arg)
{
    struct shares *s = arg;
    unsigned first = first_share(s, task);
    struct zk_scratch_frame none = zk__scratch_enter();

    (void)end;
    for (unsigned i = 0; i < s->count; i++) {
        struct share *share = &s->share[(first + i) % s->count];
        size_t begin, n;

        while ((n = take(share, s->grain, &begin)) != 0) {
            int code = s->body(begin, begin + n, s->arg);

            zk__scratch_leave(&none);
            if (code == 0)
                zk__loop_did(n);
            if (code != 0 || zk_stopped())
                return code;
        }
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
        begin += size + (i < more);
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
    s.affinity = o->affinity != 0;
    s.nworkers = lane->nworkers;
    s.count = lane->nworkers < SHARES_MAX ? lane->nworkers : SHARES_MAX;
    if (o->max_workers != 0 && o->max_workers < s.count)
        s.count = o->max_workers;
    deal(&s, begin, end, o->grain);
    return zk__parallel_for(lane, 0, s.count, 1, run_shares, &s, true,
                            end - begin);
}
