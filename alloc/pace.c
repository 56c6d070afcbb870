/*
 * pace.c - looks at either kind of pages, and the choice between them.
 *
 * Owns:   when a look is due, and what follows.
 * Never:  asks what a machine is: the times tell.
 */
#include "alloc/pace.h"

#include "private/bits.h"

#define STEP_MOST ((size_t)8) /* 16 MiB */
#define VAIN      ((size_t)4)
#define VAIN_MOST ((size_t)128)

/* Q5: who touches what a request takes may be many threads, or nobody. */
#define LOOKS_MOST 8u
#define LOOKS_SURE 2u

static enum zk_kind_of_page
other_than(enum zk_kind_of_page kind)
{
    return kind == ZK_PAGE_HUGE ? ZK_PAGE_BASE : ZK_PAGE_HUGE;
}

void
zk__pace_begin(struct zk_pace *p, uint64_t huge_ns, uint64_t base_ns)
{
    *p = (struct zk_pace){
        .chosen = ZK_PAGE_HUGE,
        .known = {[ZK_PAGE_BASE] = base_ns, [ZK_PAGE_HUGE] = huge_ns},
        .last = {[ZK_PAGE_BASE] = base_ns, [ZK_PAGE_HUGE] = huge_ns},
        .before = huge_ns,
        .step = 1,
        .vain = VAIN,
    };
}

void
zk__pace_grew(struct zk_pace *p, size_t units)
{
    p->looks = 0;
    p->unseen += units;
    p->wait -= zk_min_size(p->wait, units);
    p->spent_ns += (uint64_t)units * p->last[p->chosen];
}

/* Q2: whether `ns` of the other kind would be reason enough to change. */
static bool
is_better(const struct zk_pace *p, uint64_t ns, uint64_t chosen_ns)
{
    return p->chosen == ZK_PAGE_HUGE ? ns < chosen_ns - chosen_ns / 4
                                     : ns <= chosen_ns;
}

/* Q1: what the chosen kind takes. */
static uint64_t
sure(const struct zk_pace *p)
{
    uint64_t last = p->last[p->chosen];

    return last < p->before ? last : p->before;
}

static uint64_t
beyond(uint64_t ns, uint64_t chosen_ns)
{
    return ns > chosen_ns ? ns - chosen_ns : 0;
}

/* Q1, Q3 and Q4 for a look at the other kind. */
static bool
other_is_due(const struct zk_pace *p)
{
    enum zk_kind_of_page other = other_than(p->chosen);
    uint64_t extra = beyond(p->last[other], sure(p));

    return p->wait == 0 && is_better(p, p->known[other], sure(p)) &&
           (p->confirm || p->extra_ns + extra <= p->spent_ns / 32);
}

/* Q1: the last look found what would matter, and the one before it did not. */
static bool
is_in_doubt(const struct zk_pace *p)
{
    uint64_t other = p->known[other_than(p->chosen)];

    return p->wait == 0 && is_better(p, other, p->last[p->chosen]) &&
           !is_better(p, other, p->before);
}

bool
zk__pace_wants(const struct zk_pace *p, enum zk_kind_of_page *kind)
{
    *kind = p->chosen;
    if (p->looks == LOOKS_MOST)
        return false;
    if (other_is_due(p)) {
        *kind = other_than(p->chosen);
        return true;
    }
    return p->unseen >= p->step || (is_in_doubt(p) && p->unseen != 0);
}

static void
saw_other(struct zk_pace *p, enum zk_kind_of_page kind, uint64_t ns)
{
    p->extra_ns += beyond(ns, sure(p));
    p->confirm = false;
    if (is_better(p, ns, sure(p))) {
        p->confirm = true;
        p->chosen = kind;
        p->before = ns;
        p->vain = VAIN;
        p->step = 1;
    } else {
        p->vain = zk_min_size(2 * p->vain, VAIN_MOST);
    }
    p->wait = p->vain;
}

/* Q5: what of the request nobody has looked at needs no look. */
static bool
is_over(const struct zk_pace *p)
{
    uint64_t other = p->known[other_than(p->chosen)];
    bool sure_of_it = !is_better(p, other, p->last[p->chosen]) &&
                      !is_better(p, other, p->before);

    return p->looks == LOOKS_MOST || (p->looks >= LOOKS_SURE && sure_of_it);
}

void
zk__pace_saw(struct zk_pace *p, enum zk_kind_of_page kind, uint64_t ns)
{
    if (kind == p->chosen) {
        p->before = p->last[kind];
        p->unseen -= zk_min_size(p->unseen, p->step);
        p->step = zk_min_size(2 * p->step, STEP_MOST);
    } else {
        saw_other(p, kind, ns);
    }
    p->last[kind] = ns;
    p->looks++;
    if (is_over(p))
        p->unseen = 0;
}
