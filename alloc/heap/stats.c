/*
 * stats.c - what heaps have in use (zkrt/heap.h).
 *
 * Owns:   the sums.
 * Never:  stops anybody: it takes the locks of lists, none of a pool.
 */
#include <zkrt/heap.h>

#include "alloc/heap.h"
#include "private/bits.h"

_Static_assert(ZK_HEAP_CLASSES == ZK_CLASSES, "the public number of classes");

/* Blocks of a class that the program has. Whoever allocates meanwhile may make
 * the parts disagree; less than nothing is nothing. */
static size_t
live(const struct zk_pool *p, size_t cached)
{
    uint64_t given = zk_load_relaxed(&p->given);
    uint64_t out = zk_load_relaxed(&p->taken) - given;

    return out > cached && out < SIZE_MAX / 2 ? (size_t)out - cached : 0;
}

static void
add_classes(const struct zk_heap *h, zk_heap_stats_t *s)
{
    struct zk_cached cached = zk__cache_count(h);
    size_t waiting[ZK_CLASSES] = {0};

    if (zk_debug() && !h->owned)
        zk__debug_waiting(waiting);
    s->caches = cached.caches;
    s->cached = cached.bytes + cached.aside_bytes;
    s->large -= zk_min_size(cached.aside, s->large);
    s->large_bytes -= zk_min_size(cached.aside_bytes, s->large_bytes);
    for (unsigned i = 0; i < ZK_CLASSES; i++) {
        const struct zk_pool *p = &h->pools[i];
        size_t in_caches = i < ZK_CACHED_CLASSES ? cached.blocks_of[i] : 0;

        in_caches += waiting[i];
        s->cached += waiting[i] * zk__class[i].size;
        s->classes[i].bytes = zk__class[i].size;
        s->classes[i].cached = in_caches;
        s->classes[i].live = live(p, in_caches);
        s->allocated += s->classes[i].live * zk__class[i].size;
        s->refills += zk_load_relaxed(&p->refills);
        s->drains += zk_load_relaxed(&p->drains);
        s->remote_frees += zk_load_relaxed(&p->remote);
    }
}

zk_err_t
zk_heap_stats(const zk_heap_t *heap, zk_heap_stats_t *stats)
{
    const struct zk_heap *h = heap != NULL ? heap : &zk__heap;
    struct zk_pages_use use;

    if (stats == NULL || stats->size != sizeof *stats)
        return ZK_EINVAL;
    (void)zk__heap_ready();
    use = zk__pages_use();
    *stats = (zk_heap_stats_t){
        .size = sizeof *stats,
        .limit = h->limit,
        .active = zk_load_relaxed(&h->bytes),
        .large = zk_load_relaxed(&h->large),
        .large_bytes = zk_load_relaxed(&h->large_bytes),
        .reserved = use.reserved,
        .mapped = use.mapped,
        .resident = use.taken + use.retained,
        .retained = use.retained,
        .released = use.released,
        .moves = use.moves,
    };
    add_classes(h, stats);
    stats->allocated += stats->large_bytes;
    return ZK_OK;
}
