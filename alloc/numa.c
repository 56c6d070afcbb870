/*
 * numa.c - policies and counts.
 *
 * Owns:   what a mode means for a slab.
 * Never:  touches a page: asking where it is must not bring it there.
 */
#include "alloc/numa.h"

#include "alloc/arena.h"
#include "alloc/os.h"
#include "alloc/slab.h"
#include "alloc/word.h"
#include "private/bits.h"

#define WORD_BITS (8 * sizeof(unsigned long))

void
zk__nodes_add(struct zk_nodes *nodes, unsigned node)
{
    if (node < ZK_NODES_MAX)
        nodes->mask[node / WORD_BITS] |= 1ul << node % WORD_BITS;
}

bool
zk__nodes_has(const struct zk_nodes *nodes, unsigned node)
{
    return node < ZK_NODES_MAX &&
           (nodes->mask[node / WORD_BITS] >> node % WORD_BITS & 1) != 0;
}

static int
node_of(const struct zk_numa *numa, unsigned slot)
{
    return numa->of_slot != NULL ? numa->of_slot[slot] : ZK_NODE_NONE;
}

bool
zk__numa_wants(const struct zk_numa *numa, unsigned slot, unsigned node)
{
    if (numa->mode == ZK_NUMA_INTERLEAVE || numa->mode == ZK_NUMA_BIND)
        return zk__nodes_has(&numa->nodes, node);
    return node_of(numa, slot) == (int)node;
}

void
zk__numa_committed(struct zk_slab *s, void *p, size_t bytes)
{
    const struct zk_numa *numa = s->numa;
    struct zk_nodes one = {{0}};
    int node, error = 0;

    if (numa == NULL || numa->mode == ZK_NUMA_OFF)
        return;
    if (numa->mode == ZK_NUMA_LOCAL) {
        node = node_of(numa, s->slot);
        if (node == ZK_NODE_NONE)
            return;
        zk__nodes_add(&one, (unsigned)node);
        error = zk__os_place(p, bytes, one.mask, ZK_NODES_MAX, false);
    } else {
        error = zk__os_place(p, bytes, numa->nodes.mask, ZK_NODES_MAX,
                             numa->mode == ZK_NUMA_INTERLEAVE);
    }
    if (error != 0 && numa->refused != NULL)
        numa->refused(error, numa->arg);
}

/* ---- counting --------------------------------------------------------------- */

/* One page of a slot. */
static void
count_page(const struct zk_numa *numa, unsigned slot, unsigned node,
           size_t bytes, struct zk_numa_use *use)
{
    bool listed =
        numa->mode == ZK_NUMA_INTERLEAVE || numa->mode == ZK_NUMA_BIND;

    if (node < ZK_NODES_MAX)
        use->on[node] += bytes;
    if (!listed && node_of(numa, slot) == ZK_NODE_NONE)
        use->unknown += bytes;
    else if (zk__numa_wants(numa, slot, node))
        use->wanted += bytes;
    else
        use->other += bytes;
}

bool
zk__numa_count_range(const struct zk_numa *numa, unsigned slot, const char *p,
                     size_t bytes, struct zk_numa_use *use)
{
    size_t page = zk__os_page(), pages = bytes / page;

    for (size_t at = 0; at < pages; at += ZK_OS_PAGES) {
        size_t n = zk_min_size(pages - at, ZK_OS_PAGES);
        int node[ZK_OS_PAGES];

        if (!zk__os_nodes(p + at * page, n, node))
            return false;
        for (size_t i = 0; i < n; i++)
            if (node[i] >= 0)
                count_page(numa, slot, (unsigned)node[i], page, use);
    }
    return true;
}

static bool
count_slab(const struct zk_numa *numa, const struct zk_slab *s,
           struct zk_numa_use *use)
{
    return zk__numa_count_range(numa, s->slot, zk_slab_base(s),
                                (size_t)zk_load_relaxed(&s->committed), use);
}

bool
zk__numa_count(const struct zk_arena *a, struct zk_numa_use *use)
{
    unsigned n = zk_load_relaxed(&a->active);

    for (unsigned i = 0; i < n; i++)
        if (!count_slab(&a->want.numa, &a->slabs[i], use))
            return false;
    return true;
}
