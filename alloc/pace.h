/*
 * pace.h - which kind of pages a slab gets sooner just now.
 *
 * Owns:   what was seen of either kind while one slab grew, and the choice.
 * Never:  touches a page or reads a clock: huge.c does, and tells.
 *
 * A virtual machine's host may take free memory back, large blocks first. Then one
 * kind of pages is there at once and the other waits for the host, which can change
 * within a proof. So the pages that a slab takes are looked at as it grows: one of
 * the chosen kind now and then, which costs nothing, since it is about to be used;
 * one of the other kind where the chosen one is dear and the other was known to be
 * cheaper. All is counted in units of a huge page.
 *
 * Q1  Two looks in turn have to find the chosen kind dear: one may have met
 *     something else.
 * Q2  Small pages have to take less than 3/4 of the huge ones' time to be chosen,
 *     and more than all of it to be left: so where both are dear they are huge.
 * Q3  Each look at the other kind in vain doubles the growth until the next one.
 * Q4  What looks at the other kind took beyond the chosen one stays below 1/32 of
 *     all that the growth took, but for what the last of them did not foresee, and
 *     for the first look after a change, which asks whether that was right: a few
 *     dear pages among many that are at hand are not worth hundreds of others.
 *
 * Q5  A request is looked at LOOKS_MOST times at the most, and no more than twice
 *     where neither of the last two looks found the chosen kind dear: pages at hand
 *     come in long rows, so that the next few would tell the same.
 *
 * Thread: the slab's owner.
 */
#ifndef ZK_ALLOC_PACE_H
#define ZK_ALLOC_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zk_kind_of_page { ZK_PAGE_BASE, ZK_PAGE_HUGE };

struct zk_pace {
    enum zk_kind_of_page chosen;
    bool off;          /* the system refuses to populate */
    bool confirm;      /* Q4: the choice has just changed */
    uint64_t known[2]; /* what a unit takes at the best; 0: not begun */
    uint64_t last[2];  /* and took when it was last looked at */
    uint64_t before;   /* the chosen kind, the time before */
    uint64_t spent_ns; /* Q4: all growth, by the last look at its kind */
    uint64_t extra_ns;
    size_t unseen;     /* units since the chosen kind was looked at */
    size_t step;       /* from one such look to the next; 0: not begun */
    size_t wait, vain; /* Q3: until the next, and what that was at first */
    unsigned looks;    /* Q5: at this request */
};

/* From now on, huge pages, which take less where both are at hand. */
void zk__pace_begin(struct zk_pace *p, uint64_t huge_ns, uint64_t base_ns);

/* A request has the slab take so many units more. */
void zk__pace_grew(struct zk_pace *p, size_t units);

/* Whether to look at the next unit, and as which kind of page it shall come. */
bool zk__pace_wants(const struct zk_pace *p, enum zk_kind_of_page *kind);

/* It took so long. */
void zk__pace_saw(struct zk_pace *p, enum zk_kind_of_page kind, uint64_t ns);

#endif
