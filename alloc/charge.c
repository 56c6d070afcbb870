/*
 * charge.c - the zones of a slab that are charged.
 *
 * Owns:   near, far, and with them how far ready and far_ready may go.
 * Never:  decides whether there is enough: budget.c does.
 */
#include "alloc/charge.h"

#include "alloc/budget.h"
#include "alloc/keep.h"
#include "alloc/os.h"
#include "alloc/word.h"
#include "private/bits.h"
#include "private/check.h"

static size_t
whole(const struct zk_slab *s)
{
    return (size_t)(s->limit - zk_slab_base(s));
}

static bool
take(struct zk_slab *s, size_t bytes, bool last)
{
    if (bytes == 0 || s->budget == NULL)
        return true;
    return last ? zk__budget_take(s->budget, bytes)
                : zk__budget_try(s->budget, bytes);
}

static void
give(const struct zk_slab *s, size_t bytes)
{
    if (s->budget != NULL)
        zk__budget_give_back(s->budget, bytes);
}

/* The zones as they are from now on; what may be handed out follows (B3). */
static void
set_zones(struct zk_slab *s, size_t near, size_t far)
{
    char *from = s->limit - far, *to = zk_slab_base(s) + near;

    ZK_ASSERT(near + far <= whole(s)); /* B1 */
    zk_store_relaxed(&s->near, near);
    zk_store_relaxed(&s->far, far);
    if (s->ready > to)
        s->ready = to;
    if (s->far_ready < from)
        s->far_ready = from;
}

bool
zk__charge_near(struct zk_slab *s, const char *need, bool last)
{
    size_t near = zk_load_relaxed(&s->near), far = zk_load_relaxed(&s->far);
    size_t bytes = (size_t)(need - zk_slab_base(s)), want, meet;

    want = zk_min_size(zk_round_up(bytes, ZK_HUGE_PAGE), whole(s));
    if (want <= near)
        return true;
    meet = want + far > whole(s) ? want + far - whole(s) : 0;
    if (!take(s, want - near - meet, last))
        return false;
    if (meet != 0)
        zk__keep_lock(s);
    set_zones(s, want, far - meet);
    if (meet != 0)
        zk__keep_unlock(s);
    return true;
}

bool
zk__charge_far(struct zk_slab *s, const char *need)
{
    size_t far = zk_load_relaxed(&s->far), want;
    size_t from = (size_t)(need - zk_slab_base(s));

    want = whole(s) - zk_round_down(from, ZK_HUGE_PAGE);
    if (want <= far)
        return true;
    for (;;) {
        size_t near = zk_load_relaxed(&s->near), meet = 0;
        bool same;

        if (want + near > whole(s))
            meet = want + near - whole(s);
        if (!take(s, want - far - meet, false))
            return false;
        zk__keep_lock(s);
        same = meet == 0 || near == zk_load_relaxed(&s->near);
        if (same)
            set_zones(s, meet == 0 ? zk_load_relaxed(&s->near) : near - meet,
                      want);
        zk__keep_unlock(s);
        if (same)
            return true;
        give(s, want - far - meet); /* the tail was just being released */
    }
}

void
zk__charge_near_left(struct zk_slab *s, const char *from)
{
    size_t near = zk_load_relaxed(&s->near);
    size_t bytes = (size_t)(from - zk_slab_base(s));
    size_t stays = zk_round_up(bytes, ZK_HUGE_PAGE);

    if (stays >= near)
        return;
    zk_store_relaxed(&s->near, stays);
    give(s, near - stays);
}

void
zk__charge_far_left(struct zk_slab *s, const char *low, const char *used)
{
    size_t had = zk__charged(s), far = 0, near;
    size_t blocks = zk_round_up((size_t)(used - zk_slab_base(s)), ZK_HUGE_PAGE);

    if (low < s->limit)
        far = whole(s) -
              zk_round_down((size_t)(low - zk_slab_base(s)), ZK_HUGE_PAGE);
    /* What blocks have used of the far zone is the near one's from now on. */
    near = zk_max_size(zk_load_relaxed(&s->near), blocks);
    near = zk_min_size(near, whole(s) - far);
    if (near + far > had)
        return;
    set_zones(s, near, far);
    give(s, had - near - far);
}

size_t
zk__charge_resident(struct zk_slab *s)
{
    size_t near, far, bytes;

    zk__keep_lock(s); /* it stays where it is */
    near = zk_load_relaxed(&s->near);
    far = zk_load_relaxed(&s->far);
    far = zk_min_size(far, whole(s) - near); /* read while a border moved */
    bytes = zk__os_in_memory(zk_slab_base(s), near) +
            zk__os_in_memory(s->limit - far, far);
    zk__keep_unlock(s);
    return bytes;
}
