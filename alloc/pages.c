/*
 * pages.c - runs of pages against what a phase uses.
 *
 * Owns:   the arithmetic of ranges that meet.
 * Never:  writes to a slab: its owner may be running.
 *
 *     base            peak                        scratch        limit
 *      |  blocks       |            unused          |  scratch    |
 *      [ huge ][ huge ][ base ...                   [ base ...    ]
 */
#include "alloc/pages.h"

#include <stdint.h>

#include "alloc/huge.h"
#include "alloc/os.h"
#include "alloc/proc.h"
#include "alloc/word.h"
#include "private/bits.h"

struct range {
    uintptr_t from, to;
};

/* What of a slab counts, in addresses. */
struct view {
    struct range used[2]; /* blocks, scratch */
    struct range asked;   /* for huge pages */
    uintptr_t base;
    uintptr_t counted; /* units below this one have been looked at */
    struct zk_pages *sum;
};

static size_t
length(struct range r)
{
    return r.to > r.from ? r.to - r.from : 0;
}

static struct range
both(struct range a, struct range b)
{
    return (struct range){a.from > b.from ? a.from : b.from,
                          a.to < b.to ? a.to : b.to};
}

static struct view
view_of(const struct zk_slab *s, struct zk_pages *sum)
{
    uintptr_t base = (uintptr_t)zk_slab_base(s), limit = (uintptr_t)s->limit;
    size_t page = zk__os_page();
    size_t blocks = zk_round_up(zk__slab_peak(s), page);
    size_t scratch = zk_round_up(zk_load_relaxed(&s->scratch_peak), page);

    /* They may share their last page; it counts as the blocks'. */
    scratch = zk_min_size(scratch, limit - base - blocks);
    return (struct view){
        .used = {{base, base + blocks}, {limit - scratch, limit}},
        .asked = {base + zk_load_relaxed(&s->asked_from),
                  base + zk_load_relaxed(&s->asked_to)},
        .base = base,
        .counted = base,
        .sum = sum,
    };
}

/* Units of a huge page's size in which a run of base pages lies: each is counted
 * once. The slab's last unit is cut by the guard page and can be no huge page. */
static size_t
units(struct view *v, struct range r)
{
    uintptr_t first, end;

    r = both(r, v->asked);
    if (length(r) == 0)
        return 0;
    first = v->base + zk_round_down(r.from - v->base, ZK_HUGE_PAGE);
    end = v->base + zk_round_up(r.to - v->base, ZK_HUGE_PAGE);
    if (first < v->counted)
        first = v->counted;
    if (end <= first)
        return 0;
    v->counted = end;
    return (end - first) / ZK_HUGE_PAGE;
}

static void
count_run(const struct zk_run *run, void *arg)
{
    struct view *v = arg;
    struct range r = {(uintptr_t)run->from, (uintptr_t)run->to};

    v->sum->slab_resident += length(r);
    v->sum->slab_huge += run->huge ? length(r) : 0;
    for (int i = 0; i < 2; i++) {
        struct range here = both(r, v->used[i]);

        v->sum->resident += length(here);
        if (run->huge)
            v->sum->huge += length(here);
        else
            v->sum->fallbacks += units(v, here);
    }
}

/* What of a slab may have pages; nothing where it was never used. */
static size_t
committed(const struct zk_slab *s)
{
    return (size_t)zk_load_relaxed(&s->committed);
}

static bool
count_runs(const struct zk_arena *a, struct zk_pages *pages)
{
    *pages = (struct zk_pages){.exact = true};
    for (unsigned i = 0; i < zk_load_relaxed(&a->active); i++) {
        const struct zk_slab *s = &a->slabs[i];
        struct view v = view_of(s, pages);

        pages->used += length(v.used[0]) + length(v.used[1]);
        if (committed(s) != 0 &&
            !zk__proc_runs(zk_slab_base(s), committed(s), count_run, &v))
            return false;
    }
    return true;
}

/* Of the slab's pages those in use come first, as far as the sums allow. */
static void
estimate(const struct zk_slab *s, const struct zk_mapped *m,
         struct zk_pages *pages)
{
    struct view v = view_of(s, pages);
    size_t used = length(v.used[0]) + length(v.used[1]), in_use = 0;

    for (int i = 0; i < 2; i++)
        in_use += zk__os_in_memory((void *)v.used[i].from, length(v.used[i]));
    pages->used += used;
    pages->resident += in_use;
    pages->huge += zk_min_size(m->huge_bytes, in_use);
    pages->slab_resident += m->bytes;
    pages->slab_huge += m->huge_bytes;
    if (length(v.asked) != 0 && in_use > m->huge_bytes)
        pages->fallbacks +=
            zk_min_size(in_use - m->huge_bytes, length(v.asked)) / ZK_HUGE_PAGE;
}

bool
zk__pages_by_mapping(const struct zk_arena *a, struct zk_pages *pages)
{
    *pages = (struct zk_pages){.exact = false};
    for (unsigned i = 0; i < zk_load_relaxed(&a->active); i++) {
        const struct zk_slab *s = &a->slabs[i];
        struct zk_mapped m;

        if (committed(s) == 0)
            continue;
        if (!zk__proc_mapped(zk_slab_base(s), committed(s), &m))
            return false;
        estimate(s, &m, pages);
    }
    return true;
}

bool
zk__pages_of(const struct zk_arena *a, struct zk_pages *pages)
{
    return count_runs(a, pages) || zk__pages_by_mapping(a, pages);
}
