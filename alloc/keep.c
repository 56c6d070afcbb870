/*
 * keep.c - high-water marks, and the tail above them.
 *
 * Owns:   end, tail_end and the lock that guards them.
 * Never:  decides when: arena.c and runtime/residency.c do.
 */
#include "alloc/keep.h"

#include <sched.h>

#include "alloc/charge.h"
#include "alloc/os.h"
#include "alloc/word.h"
#include "private/bits.h"
#include "private/check.h"

/* Held for one call of the kernel at the most, and by two threads at the most,
 * so it spins; a child of fork() sets it free (K2: what it guards is whole). */
void
zk__keep_lock(struct zk_slab *s)
{
    uint32_t none = 0;

    while (!zk_cas_acq_rel(&s->tail_lock, &none, 1u)) { /* A1 <- R1 */
        none = 0;
        sched_yield();
    }
}

void
zk__keep_unlock(struct zk_slab *s)
{
    zk_store_release(&s->tail_lock, 0u); /* R1 -> A1 */
}

void
zk__keep_note(struct zk_slab *s)
{
    s->high[0] = zk_max_size(s->high[0], zk__slab_peak(s));
    s->scratch_high[0] =
        zk_max_size(s->scratch_high[0], zk_load_relaxed(&s->scratch_peak));
    if (zk_max_size(s->high[0], s->high[1]) != 0)
        s->learnt = zk_max_size(s->high[0], s->high[1]);
}

void
zk__keep_forget(struct zk_slab *s)
{
    s->high[1] = s->high[0];
    s->high[0] = 0;
    s->scratch_high[1] = s->scratch_high[0];
    s->scratch_high[0] = 0;
}

/*
 * Releases scratch that recent phases did not use, here and now: it is little as
 * a rule, and a tail of its own would need a second pair of marks. Blocks that
 * have been where scratch was are the tail's.
 */
static void
release_scratch(struct zk_slab *s, size_t least)
{
    size_t high = zk_max_size(s->scratch_high[0], s->scratch_high[1]);
    size_t keep = zk_round_up(zk_max_size(high, least), ZK_HUGE_PAGE);
    size_t room = (size_t)(s->limit - zk_slab_base(s));
    char *low = s->limit - zk_min_size(keep, room), *from;

    if (s->scratched >= low)
        return;
    zk__keep_lock(s);
    from = s->tail_end > s->end ? s->tail_end : s->touched;
    from = from > s->scratched ? from : s->scratched;
    from -= (uintptr_t)from % zk__os_page();
    if (from < low) {
        zk__budget_leaving((size_t)(low - from));
        if (!zk__os_discard(from, (size_t)(low - from))) {
            zk__keep_unlock(s);
            return; /* what was there still is */
        }
        zk_bump_relaxed(&s->released, (uint64_t)(low - from));
    }
    zk__charge_far_left(s, low,
                        s->tail_end > s->end ? s->tail_end : s->touched);
    s->scratched = low; /* S2 */
    zk__keep_unlock(s);
}

bool
zk__keep_give_up(struct zk_slab *s, size_t least, bool tight)
{
    char *base = zk_slab_base(s), *end, *kept;
    char *expected = base + s->expected;
    char *tail_end = s->touched > expected ? s->touched : expected;
    size_t room = (size_t)(s->limit - base);
    size_t high = zk_max_size(s->high[0], s->high[1]);
    size_t bytes =
        zk_round_up(zk_max_size(high, zk_min_size(least, room)), ZK_HUGE_PAGE);
    bool tail;

    ZK_ASSERT(zk_slab_next(s) == base);
    release_scratch(s, zk_min_size(least, room));
    kept = base + zk_min_size(bytes, room);
    end = tight ? base : kept;
    if (!s->gave_up && (end >= s->end || tail_end <= end))
        return false; /* nothing is there: no need to come back for it */

    zk__keep_lock(s);
    s->kept = kept;
    if (s->tail_end > s->end)
        tail_end = s->tail_end;
    if (end < s->end)
        s->end = s->ready = end;
    zk_slab_clip_ready(s);
    s->tail_end = tail_end > s->end ? tail_end : s->end;
    s->tail_most = base + zk_round_up((size_t)(s->tail_end - base),
                                      ZK_HUGE_PAGE); /* as release does */
    if (s->touched > s->end)
        s->touched = s->end;
    s->expected = zk_min_size(s->expected, (size_t)(s->end - base));
    s->gave_up = s->tail_end > s->end;
    tail = s->tail_end > kept;
    zk__keep_unlock(s);
    return tail;
}

void
zk__keep_raise(struct zk_slab *s, char *end)
{
    zk__keep_lock(s);
    if (s->tail_end > s->end)
        s->touched = s->tail_end < end ? s->tail_end : end; /* K3 */
    s->end = end;
    if (s->tail_end < end)
        s->tail_end = end;
    zk__keep_unlock(s);
}

bool
zk__keep_has_tail(struct zk_slab *s)
{
    bool tail;

    zk__keep_lock(s);
    tail = s->tail_end > s->end;
    zk__keep_unlock(s);
    return tail;
}

size_t
zk__keep_release(struct zk_slab *s, size_t bytes, bool all)
{
    size_t released = 0;
    char *floor;

    zk__keep_lock(s);
    floor = s->end;
    if (!all && s->tail_end > s->end && s->kept > s->end)
        floor = s->kept; /* K5 */
    if (s->tail_end > floor) {
        char *base = zk_slab_base(s);
        size_t top = (size_t)(s->top - base), end = (size_t)(floor - base);
        size_t to = zk_round_up((size_t)(s->tail_end - base), ZK_HUGE_PAGE);
        size_t from = to > bytes ? zk_round_down(to - bytes, ZK_HUGE_PAGE) : 0;

        to = zk_min_size(to, top);
        from = zk_max_size(from, end);
        zk__budget_leaving(to - from);
        if (zk__os_discard(base + from, to - from)) {
            zk__charge_near_left(s, base + from);
            s->tail_end = base + from;
            released = to - from;
        }
        zk_bump_relaxed(&s->released, (uint64_t)released);
    }
    zk__keep_unlock(s);
    return released;
}
