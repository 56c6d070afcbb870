/*
 * huge.h - which slabs ask for huge pages.
 *
 * Owns:   what was measured on this machine, and the advice on each slab.
 * Never:  looks at the pages that are there: pages.h does.
 *
 * A huge page costs more than a base page and less than the 512 that it stands
 * for, so it pays where enough of it is used. How much that is differs between
 * machines by more than it should, and some kernels give none: under ZK_HUGE_AUTO
 * it is measured, once in a process, when a slab first grows beyond a huge page.
 * That tells what pages cost that are at hand. Whether they are is looked at as
 * slabs take them (pace.h).
 *
 * G1  A slab's advice is that of all that is committed: one mapping (slab.h).
 * G2  Within [asked_from, asked_to) no page has been touched before huge pages
 *     were asked for: a base page that is found there was the kernel's choice.
 * G3  Only pages are looked at that no phase had since they were fresh, that are
 *     charged, and that serve the request which takes them. From then on they
 *     count as touched (S2).
 */
#ifndef ZK_ALLOC_HUGE_H
#define ZK_ALLOC_HUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zkrt/pages.h>

#include "alloc/slab.h"

struct zk_huge_facts {
    enum zk_huge_system system;
    bool given, pays;
    uint64_t huge_ns, base_ns; /* for 2 MiB */
    size_t small_bytes;
    uint64_t took_ns;
};

/* What follows from a measurement. */
struct zk_huge_facts zk__huge_judge(enum zk_huge_system system, bool given,
                                    uint64_t huge_ns, uint64_t base_ns);

/* What is known of this machine, measured if need be. Any thread. */
const struct zk_huge_facts *zk__huge_facts(void);

/* For tests: these are the facts from now on; NULL: what was measured. */
void zk__huge_pretend(const struct zk_huge_facts *facts);

/* What slabs have seen while they grew, all of them together. */
struct zk_huge_seen {
    uint64_t looks, took_ns;
    uint64_t to_base, to_huge; /* changes of a slab's choice */
    uint64_t huge_ns, base_ns; /* the last look at either; 0: none */
};

/* Any thread. */
struct zk_huge_seen zk__huge_seen(void);

/*
 * For tests: looks take what this says from now on, and not what they do. NULL: what they do.
 * While facts are pretended and no cost is, nothing is looked at.
 */
typedef uint64_t zk_huge_cost(enum zk_kind_of_page kind);
void zk__huge_pretend_cost(zk_huge_cost *cost);

/* The advice that a new slab starts with. */
enum zk_advice zk__huge_first_advice(enum zk_huge policy);

/* More of the slab was committed: its advice is given for all of it. */
void zk__huge_committed(struct zk_slab *s);

/*
 * Under ZK_HUGE_AUTO: the slab is about to use its first `bytes` bytes. Asks for
 * huge pages, or for base pages, as it has learnt to. False: it may stay small, so
 * it shall be asked again beyond ZK_HUGE_PAGE.
 */
bool zk__huge_choose(struct zk_slab *s, size_t bytes);

/*
 * More of the slab is charged, of which `need` is the end of what is about to be
 * handed out: looks at some of it, and chooses the pages of what is to come.
 *
 * cost  a few instructions for 2 MiB, and sometimes what the first touch would
 *       cost
 */
void zk__huge_grew(struct zk_slab *s, const char *need);

#endif
