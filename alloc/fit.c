/*
 * fit.c - two-level segregated fit over a table of extents.
 *
 * Owns:   the mapping from a size to its class, and the lists.
 * Never:  splits or joins extents: it is told what is free (slab.c).
 */
#include "alloc/fit.h"

#include <string.h>

#define FIRST_POWER 6 /* 64 granules are 4 KiB */
#define CLASS_BITS  3
#define TRIES       16 /* extents of the request's own class to look at */

struct class
{
    unsigned power, sub;
};

/* pre: granules >= 64 */
static struct class class_of(uint32_t granules)
{
    unsigned top = 31 - (unsigned)__builtin_clz(granules);

    return (struct class){top - FIRST_POWER, (granules >> (top - CLASS_BITS)) &
                                                 (ZK_FIT_CLASSES - 1)};
}

void
zk__fit_clear(struct zk_fit *f)
{
    f->powers = 0;
    memset(f->classes, 0, sizeof f->classes);
}

void
zk__fit_insert(struct zk_fit *f, struct zk_extent *x, uint32_t page)
{
    struct class c = class_of(x[page].granules);
    bool empty = (f->classes[c.power] >> c.sub & 1) == 0;
    uint32_t head = empty ? ZK_FIT_NONE : f->head[c.power][c.sub];

    x[page].next = head;
    x[page].prev = ZK_FIT_NONE;
    if (head != ZK_FIT_NONE)
        x[head].prev = page;
    f->head[c.power][c.sub] = page;
    f->classes[c.power] |= (uint8_t)(1u << c.sub);
    f->powers |= 1u << c.power;
}

void
zk__fit_remove(struct zk_fit *f, struct zk_extent *x, uint32_t page)
{
    struct class c = class_of(x[page].granules);
    uint32_t next = x[page].next, prev = x[page].prev;

    if (next != ZK_FIT_NONE)
        x[next].prev = prev;
    if (prev != ZK_FIT_NONE) {
        x[prev].next = next;
        return;
    }
    f->head[c.power][c.sub] = next;
    if (next == ZK_FIT_NONE) {
        f->classes[c.power] &= (uint8_t) ~(1u << c.sub);
        if (f->classes[c.power] == 0)
            f->powers &= ~(1u << c.power);
    }
}

/* The first class at or above c that has something. False: none. */
static bool
next_class(const struct zk_fit *f, struct class *c)
{
    unsigned subs = f->classes[c->power] & (0xffu << c->sub);

    if (subs == 0) {
        uint32_t powers = f->powers & ~0u << (c->power + 1);

        if (powers == 0)
            return false;
        c->power = (unsigned)__builtin_ctz(powers);
        subs = f->classes[c->power];
    }
    c->sub = (unsigned)__builtin_ctz(subs);
    return true;
}

uint32_t
zk__fit_take(struct zk_fit *f, struct zk_extent *x, uint32_t granules)
{
    struct class c = class_of(granules);
    uint32_t page;

    if ((f->classes[c.power] >> c.sub & 1) != 0) {
        page = f->head[c.power][c.sub];
        for (int i = 0; i < TRIES && page != ZK_FIT_NONE; i++) {
            if (x[page].granules >= granules) {
                zk__fit_remove(f, x, page);
                return page;
            }
            page = x[page].next;
        }
    }
    c.sub++; /* whatever lies in a higher class is large enough */
    if (!next_class(f, &c))
        return ZK_FIT_NONE;
    page = f->head[c.power][c.sub];
    zk__fit_remove(f, x, page);
    return page;
}
