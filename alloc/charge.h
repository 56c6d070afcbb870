/*
 * charge.h - what of a slab counts against the budget.
 *
 *     base        ready  base + near          limit - far     limit
 *      v            v     v                    v               v
 *      | may be in memory |    never touched   | may be in m.. |
 *
 * Owns:   a slab's near and far charge.
 * Never:  drops a page: whoever does tells what is left.
 *
 * B1  Each page of the slab that may be in memory, its tail too, lies in one of the
 *     two zones, and each byte of them is charged once: near + far is no more than
 *     limit - base. Where the zones meet, their border moves as it is needed.
 * B2  Borders of zones are borders of huge pages, since the kernel may give one
 *     for a single byte; but for the slab's own ends, and where the zones meet.
 * B3  ready <= base + near, and far_ready >= limit - far: so what is handed out
 *     is charged already, and the bump asks as it asks for all else (E1).
 * B4  near is under the tail's lock while there is a tail, as is whatever moves
 *     the border; else it is the owner's. far is the owner's.
 *
 * Thread: the slab's owner; reading the two: any.
 */
#ifndef ZK_ALLOC_CHARGE_H
#define ZK_ALLOC_CHARGE_H

#include "alloc/slab.h"

/*
 * Has the near zone reach `need`, or the far one. False: over the budget; nothing
 * changed, but that the phase is marked (budget.h) where this is the request's
 * last way to memory. The far zone never is: scratch can be a block.
 *
 * pre  need <= limit; no tail is there above it (near). base <= need (far)
 */
bool zk__charge_near(struct zk_slab *s, const char *need, bool last);
bool zk__charge_far(struct zk_slab *s, const char *need);

/* All of the tail from here on is gone. pre: the tail's lock is held, and
 * zk__budget_leaving() was told before */
void zk__charge_near_left(struct zk_slab *s, const char *from);

/* All below `low` is gone that blocks did not use, which is up to `used`. As
 * above; and the slab is quiet */
void zk__charge_far_left(struct zk_slab *s, const char *low, const char *used);

/* What the slab has charged. */
static inline size_t
zk__charged(const struct zk_slab *s)
{
    return zk_load_relaxed(&s->near) + zk_load_relaxed(&s->far);
}

/*
 * Bytes of the two zones that are in memory, as the kernel says.
 *
 * Thread: any
 * Cost:   about 1 ms per GiB of base pages
 */
size_t zk__charge_resident(struct zk_slab *s);

#endif
