/*
 * aside.c - one word a thread, and what it says.
 *
 * Owns:   nothing besides.
 * Never:  takes a lock, or gives a block to the pages: whoever calls does.
 */
#include "alloc/heap/aside.h"

#include "alloc/heap/report.h"
#include "private/check.h"

#define FIRST_BITS 26
#define PAGES_BITS 6

_Static_assert(ZK_ASIDE_PAGES < 1u << PAGES_BITS, "the slot's field of pages");

static uint32_t
first_of(uint64_t slot)
{
    return (uint32_t)(slot & ((UINT64_C(1) << FIRST_BITS) - 1));
}

static size_t
pages_of(uint64_t slot)
{
    return (size_t)(slot >> FIRST_BITS & ((1u << PAGES_BITS) - 1));
}

/* What was taken out of a slot, as a live block. Its records are asked. */
static struct zk_span *
live(uint64_t slot)
{
    uint32_t first = first_of(slot);
    size_t pages = pages_of(slot);
    struct zk_span *s = zk_span_at(first);

    if (ZK_LIKELY(zk_page_ours(first + pages - 1) && s->pages == pages &&
                  s->class == ZK_CLASSES &&
                  zk_load_relaxed(&zk__pages.words[first]) ==
                      (uint32_t)ZK_RUN_ASIDE)) {
        zk_store_relaxed(&zk__pages.words[first], (uint32_t)ZK_RUN_LARGE);
        if (ZK_LIKELY(zk__pages_are(first, pages, ZK_RUN_LARGE)))
            return s;
    }
    zk__misuse(ZK_MISUSE_RECORD, "the heap's own records",
               zk_page_address(first));
}

bool
zk__aside_put(zk_aside_t *slot, struct zk_span *s, uint32_t now_ms,
              struct zk_span **out)
{
    uint32_t first = zk_span_first(s);
    uint64_t old, new;

    if (s->pages > ZK_ASIDE_PAGES)
        return false;
    zk_store_relaxed(&zk__pages.words[first], (uint32_t)ZK_RUN_ASIDE);
    new = (uint64_t)now_ms << 32 | (uint64_t)s->pages << FIRST_BITS | first;
    old = zk_exchange_acq_rel(slot, new); /* R1 -> A1 */
    *out = old != 0 ? live(old) : NULL;
    return true;
}

struct zk_span *
zk__aside_take(zk_aside_t *slot, size_t pages, size_t align)
{
    uint64_t there = zk_load_relaxed(slot);

    if (pages_of(there) != pages || (first_of(there) & (align - 1)) != 0)
        return NULL;
    there = zk_exchange_acq_rel(slot, (uint64_t)0); /* A1 <- R1 */
    return there != 0 ? live(there) : NULL;
}

struct zk_span *
zk__aside_old(zk_aside_t *slot, unsigned decay_ms, uint32_t *since_ms,
              unsigned *wait)
{
    uint64_t there = zk_load_relaxed(slot);
    uint32_t age;

    if (there == 0)
        return NULL;
    *since_ms = (uint32_t)(there >> 32);
    age = zk__pages_now() - *since_ms;
    if (age < decay_ms) {
        if (*wait == 0 || decay_ms - age < *wait)
            *wait = decay_ms - age;
        return NULL;
    }
    /* A1 <- R1 */
    return zk_cas_acq_rel(slot, &there, (uint64_t)0) ? live(there) : NULL;
}
