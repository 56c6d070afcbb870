/*
 * region.c - the list of regions, and their pages.
 *
 * Owns:   a page for the record of each: nothing of it stands beside the data.
 * Never:  touches a page of a region.
 */
#include "alloc/region.h"

#include <pthread.h>
#include <stdint.h>

#include "alloc/os.h"
#include "private/atomic.h"
#include "private/bits.h"
#include "private/poison.h"

struct region {
    struct region *next;
    char *p;
    size_t bytes;
    struct zk_numa numa;
};

static struct {
    pthread_mutex_t lock;
    struct region *first;
    _Atomic size_t bytes, number;
} list = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
zk__region_lock(void)
{
    pthread_mutex_lock(&list.lock);
}

void
zk__region_unlock(void)
{
    pthread_mutex_unlock(&list.lock);
}

size_t
zk__region_bytes(void)
{
    return zk_load_relaxed(&list.bytes);
}

size_t
zk__region_number(void)
{
    return zk_load_relaxed(&list.number);
}

/* A mapping with its policy and advice, before the first page is there. */
static char *
map(const struct zk_numa *numa, size_t bytes, bool huge)
{
    char *p = zk__os_reserve(bytes, huge ? ZK_HUGE_PAGE : zk__os_page());
    int error;

    if (p == NULL)
        return NULL;
    if (!zk__os_commit(p, bytes)) {
        zk__os_unmap(p, bytes);
        return NULL;
    }
    zk__os_advise_huge(p, bytes, huge);
    if (numa->mode == ZK_NUMA_OFF)
        return p;
    error = zk__os_place(p, bytes, numa->nodes.mask, ZK_NODES_MAX, true);
    if (error != 0 && numa->refused != NULL)
        numa->refused(error, numa->arg);
    return p;
}

/* The record of a region that is all there; NULL: no memory. */
static struct region *
new_region(const struct zk_numa *numa, size_t bytes, bool huge)
{
    struct region *r = zk__os_map(zk__os_page());

    if (r == NULL)
        return NULL;
    *r = (struct region){.p = map(numa, bytes, huge),
                         .bytes = bytes,
                         .numa = {.mode = numa->mode, .nodes = numa->nodes}};
    if (r->p == NULL) {
        zk__os_unmap(r, zk__os_page());
        return NULL;
    }
    zk__root_region(r->p, bytes);
    return r;
}

void *
zk__region_open(const struct zk_numa *numa, struct zk_budget *budget,
                size_t bytes, bool huge)
{
    size_t unit = huge ? ZK_HUGE_PAGE : zk__os_page();
    struct region *r;

    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = zk_round_up(bytes, unit);
    if (!zk__budget_try(budget, bytes)) {
        zk_add_relaxed(&budget->refusals, (uint64_t)1);
        return NULL;
    }
    r = new_region(numa, bytes, huge);
    if (r == NULL) {
        zk__budget_give(bytes);
        return NULL;
    }
    pthread_mutex_lock(&list.lock);
    r->next = list.first;
    list.first = r;
    zk_add_relaxed(&list.bytes, bytes);
    zk_add_relaxed(&list.number, (size_t)1);
    pthread_mutex_unlock(&list.lock);
    return r->p;
}

/* Where the region is linked that begins at p; where NULL is: there is none. pre:
 * the lock is held */
static struct region **
find(const void *p)
{
    struct region **link = &list.first;

    while (*link != NULL && (*link)->p != p)
        link = &(*link)->next;
    return link;
}

bool
zk__region_close(void *p)
{
    struct region **link, *r;

    pthread_mutex_lock(&list.lock);
    link = find(p);
    r = *link;
    if (r != NULL) {
        *link = r->next;
        zk_add_relaxed(&list.bytes, (size_t)0 - r->bytes);
        zk_add_relaxed(&list.number, (size_t)-1);
    }
    pthread_mutex_unlock(&list.lock);
    if (r == NULL)
        return false;
    zk__unroot_region(r->p, r->bytes);
    zk__budget_leaving(r->bytes);
    zk__os_unmap(r->p, r->bytes);
    zk__budget_give(r->bytes); /* E1 */
    zk__os_unmap(r, zk__os_page());
    return true;
}

bool
zk__region_count(const void *p, struct zk_numa_use *use, bool *known)
{
    const struct region *r;
    bool ok = true;

    pthread_mutex_lock(&list.lock); /* it is not unmapped meanwhile */
    r = *find(p);
    *known = r != NULL;
    if (r != NULL)
        ok = zk__numa_count_range(&r->numa, 0, r->p, r->bytes, use);
    pthread_mutex_unlock(&list.lock);
    return ok;
}

size_t
zk__region_resident(void)
{
    size_t sum = 0;

    pthread_mutex_lock(&list.lock);
    for (const struct region *r = list.first; r != NULL; r = r->next)
        sum += zk__os_in_memory(r->p, r->bytes);
    pthread_mutex_unlock(&list.lock);
    return sum;
}
