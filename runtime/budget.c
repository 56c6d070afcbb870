/*
 * budget.c - what the arenas of the process may have, and who is admitted.
 *
 * Owns:   the choice of a lane's limit, and zk_phase_reserve().
 * Never:  counts: alloc/budget.c does. Nor reads a file: cgroup.c does.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "alloc/budget.h"
#include "private/bits.h"
#include "runtime/cgroup.h"
#include "runtime/lane.h"

#define DEFAULT_PERCENT 90u

/* The process's memory group, as it was when a lane was last opened; read and
 * written under the account's lock. */
static struct zk_cgroup group;

/* ---- what the account asks for ------------------------------------------- */

static bool
room(int64_t *bytes)
{
    struct zk_cgroup_memory memory = zk__cgroup_memory(&group);

    *bytes = memory.room;
    return memory.room != INT64_MAX;
}

static const struct zk_world world = {room, zk__residency_reclaim};

/* ---- deciding ------------------------------------------------------------- */

static size_t
find_limit(void)
{
    struct zk_cgroup found;
    struct zk_cgroup_memory memory;

    (void)zk__cgroup_find(&found, "", "memory");
    memory = zk__cgroup_memory(&found);
    zk__budget_lock();
    group = found;
    zk__budget_unlock();
    return memory.limit;
}

static size_t
physical_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
}

static size_t
share(size_t bytes, unsigned percent)
{
    return bytes / 100 * percent;
}

/*
 * Where there is no container with a limit, a share is one of the machine's
 * memory, and without a word from anybody there is no budget: how much of a
 * machine is ours nobody has told, while a container's limit is just that.
 */
void
zk__budget_decide(zk_runtime_t *lane)
{
    const struct zk_config *c = &lane->config;
    size_t limit = find_limit();

    zk__budget_set_world(&world);
    lane->memory_limit = limit;
    lane->watched = limit != SIZE_MAX && c->budget_bytes != SIZE_MAX;
    lane->budget_from = c->budget_from;
    if (c->budget_bytes != 0) {
        lane->budget_bytes = c->budget_bytes;
    } else if (c->budget_percent != 0) {
        lane->budget_bytes = share(
            limit != SIZE_MAX ? limit : physical_memory(), c->budget_percent);
    } else if (limit != SIZE_MAX) {
        lane->budget_bytes = share(limit, DEFAULT_PERCENT);
        lane->budget_from = "the container's limit";
    } else {
        lane->budget_bytes = SIZE_MAX;
        lane->budget_from = "no container has a limit";
    }
    lane->shared.limit = lane->budget_bytes;
    lane->shared.watched = lane->watched;
}

/* ---- admission ------------------------------------------------------------- */

/* Refused after some had been claimed: nothing stays of that but the figures. */
static zk_err_t
refuse(struct zk_budget *b, size_t claimed)
{
    zk_add_relaxed(&b->need, claimed);
    zk_add_relaxed(&b->have, claimed);
    zk_add_relaxed(&b->refusals, (uint64_t)1);
    zk__budget_unclaim(b, claimed);
    return ZK_EBUDGET;
}

/*
 * One phase is admitted at a time. A claim that has to reclaim comes in pieces; of
 * two phases for which there is room for either, each would have a piece, and both
 * would be refused.
 */
static pthread_mutex_t admission = PTHREAD_MUTEX_INITIALIZER;

void
zk__admission_lock(void)
{
    pthread_mutex_lock(&admission);
}

void
zk__admission_unlock(void)
{
    pthread_mutex_unlock(&admission);
}

/* What the phase has been promised and what it has: slabs may be giving some of it
 * back to the claim meanwhile. */
static size_t
has_now(struct zk_arena *a)
{
    size_t claim, again = zk_load_relaxed(&a->budget.claim), sum;

    do {
        claim = again;
        sum = claim + zk__arena_charged_for_sure(a);
        again = zk_load_relaxed(&a->budget.claim);
    } while (again != claim);
    return sum;
}

/* Has the arena have room for so many bytes, of which it may have some. */
static zk_err_t
claim(struct zk_budget *b, struct zk_arena *a, size_t wants)
{
    bool before = zk_load_relaxed(&b->reserved);
    size_t has, claimed = 0;

    zk__budget_reserve(b); /* from here on nothing of it is lost */
    while ((has = has_now(a)) < wants) {
        if (!zk__budget_claim(b, wants - has)) {
            zk_err_t err = refuse(b, claimed);

            if (!before)
                zk__budget_unreserve(b);
            return err;
        }
        claimed += wants - has;
    }
    return ZK_OK;
}

zk_err_t
zk_phase_reserve(size_t bytes)
{
    const struct zk_slot *self = zk__thread.slot;
    struct zk_arena *a = self != NULL ? self->phase->arena : NULL;
    struct zk_budget *b;
    size_t wants;
    zk_err_t err;

    if (a == NULL)
        return ZK_ESTALE;
    b = &self->phase->arena->budget;
    if (zk_load_relaxed(&b->refused) != 0)
        return ZK_EBUDGET;
    wants = zk__arena_use(a).bytes;
    wants = bytes > SIZE_MAX - wants ? SIZE_MAX : wants + bytes;
    zk__admission_lock();
    err = claim(b, a, wants);
    zk__admission_unlock();
    return err;
}

zk_err_t
zk_phase_budget(zk_phase_budget_t *budget)
{
    const struct zk_phase *phase = zk__phase_of(&zk__thread);
    const struct zk_budget *b;

    if (budget == NULL || budget->size != sizeof *budget)
        return ZK_EINVAL;
    if (phase == NULL)
        return ZK_ESTALE;
    b = &phase->arena->budget;
    *budget = (zk_phase_budget_t){
        .size = sizeof *budget,
        .need = zk_load_relaxed(&b->need),
        .have = zk_load_relaxed(&b->have),
        .limit = zk__budget_limit(b),
        .charged = zk__budget_charged(),
        .reserved = zk_load_relaxed(&b->claim),
    };
    return ZK_OK;
}
