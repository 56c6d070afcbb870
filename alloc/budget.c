/*
 * budget.c - the account of all arenas of the process.
 *
 * Owns:   the account, and when the container is looked at.
 * Never:  holds its lock while it has memory released: that takes others.
 *
 * R1 -> A1   who reads the container's use after pages have gone also sees that
 *            they were leaving (C3)
 */
#include "alloc/budget.h"

#include <pthread.h>

#include <zkrt/error.h>

#include "alloc/arena.h"
#include "alloc/region.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/clock.h"

#define STEP_MOST  ((size_t)32 << 20)
#define STEP_LEAST ((size_t)2 << 20)
#define OLD_NS     ((uint64_t)10000000)

static struct {
    pthread_mutex_t lock; /* who reads the container */
    _Atomic(const struct zk_world *) world;

    ZK_ALIGNED_LINE _Atomic size_t charged;
    ZK_ALIGNED_LINE _Atomic uint64_t left; /* bytes that ever were leaving */

    /* Written under the lock, read by all. */
    ZK_ALIGNED_LINE _Atomic size_t ceiling;
    _Atomic size_t read_at; /* charged at the last reading */
    _Atomic size_t step;    /* growth until the next one */
    _Atomic uint64_t read_ns;

    /* Under the lock. */
    size_t resident;  /* of the last look at all arenas */
    uint64_t left_at; /* when it began */
} account = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
zk__budget_lock(void)
{
    pthread_mutex_lock(&account.lock);
}

void
zk__budget_unlock(void)
{
    pthread_mutex_unlock(&account.lock);
}

void
zk__budget_set_world(const struct zk_world *world)
{
    zk_store_release(&account.world, world);
    zk_store_relaxed(&account.read_ns, (uint64_t)0); /* read anew */
}

size_t
zk__budget_charged(void)
{
    return zk_load_relaxed(&account.charged);
}

/* ---- the container ------------------------------------------------------ */

/* What is still in memory of what was at the last look, at the least. */
static size_t
still_resident(void)
{
    uint64_t gone = zk_load_acquire(&account.left) - account.left_at; /* A1 */

    return gone < account.resident ? account.resident - (size_t)gone : 0;
}

static size_t
sum(int64_t room, size_t resident)
{
    if (room < 0)
        return resident > (size_t)-room ? resident - (size_t)-room : 0;
    return resident > SIZE_MAX - (size_t)room ? SIZE_MAX
                                              : resident + (size_t)room;
}

/*
 * Reads the container's room, so that n bytes more can be judged. Where what is
 * known to be in memory is too little to admit them, all arenas are looked at: for
 * that their pages are counted, and the room is read once more, afterwards.
 *
 * pre: the lock is held
 */
static void
read_container(const struct zk_world *world, size_t n)
{
    size_t charged = zk_load_relaxed(&account.charged), ceiling;
    int64_t room;

    if (!world->room(&room)) {
        ceiling = SIZE_MAX;
        room = INT64_MAX;
    } else {
        ceiling = sum(room, still_resident());
        if (ceiling < charged || ceiling - charged < n) {
            account.left_at = zk_load_acquire(&account.left);
            account.resident = zk__arena_resident() + zk__region_resident();
            (void)world->room(&room);
            ceiling = sum(room, still_resident());
        }
    }
    zk_store_relaxed(&account.ceiling, ceiling);
    zk_store_relaxed(&account.read_at, charged);
    zk_store_relaxed(&account.step,
                     room < (int64_t)(4 * STEP_LEAST)  ? STEP_LEAST
                     : room > (int64_t)(4 * STEP_MOST) ? STEP_MOST
                                                       : (size_t)room / 4);
    zk_store_relaxed(&account.read_ns, zk_now_ns());
}

/* Whether the last reading is too old for n bytes more. */
static bool
is_old(size_t n)
{
    size_t charged = zk_load_relaxed(&account.charged) + n;
    size_t then = zk_load_relaxed(&account.read_at);

    return (charged > then &&
            charged - then > zk_load_relaxed(&account.step)) ||
           zk_now_ns() - zk_load_relaxed(&account.read_ns) > OLD_NS;
}

/* What all arenas may have for the container's sake. `fresh`: by a reading that
 * begins now. */
static size_t
ceiling(size_t n, bool fresh)
{
    const struct zk_world *world = zk_load_acquire(&account.world);

    if (world == NULL || world->room == NULL)
        return SIZE_MAX;
    if (fresh || zk_load_relaxed(&account.read_ns) == 0) {
        pthread_mutex_lock(&account.lock);
    } else if (!is_old(n) || pthread_mutex_trylock(&account.lock) != 0) {
        return zk_load_relaxed(&account.ceiling); /* somebody reads it */
    }
    read_container(world, n);
    pthread_mutex_unlock(&account.lock);
    return zk_load_relaxed(&account.ceiling);
}

static size_t
limit_now(const struct zk_budget *b, size_t n, bool fresh)
{
    return b->watched ? zk_min_size(b->limit, ceiling(n, fresh)) : b->limit;
}

size_t
zk__budget_limit(const struct zk_budget *b)
{
    return limit_now(b, 0, true);
}

/* By the last reading: it is asked at each begin. */
bool
zk__budget_is_tight(const struct zk_budget *b)
{
    size_t limit = b->limit;

    if (b->watched && zk_load_relaxed(&account.read_ns) != 0)
        limit = zk_min_size(limit, zk_load_relaxed(&account.ceiling));
    return zk_load_relaxed(&account.charged) > limit / 4 * 3;
}

/* ---- charging ----------------------------------------------------------- */

/* Adds n bytes, if the sum is no more than the limit. *have: what was left. */
static bool
add_below(size_t n, size_t limit, size_t *have)
{
    size_t charged = zk_load_relaxed(&account.charged);

    for (;;) {
        *have = limit > charged ? limit - charged : 0;
        if (n > *have)
            return false;
        if (zk_cas_relaxed(&account.charged, &charged, charged + n))
            return true;
    }
}

/* As much of the claim as there is, at most n. */
static size_t
draw(struct zk_budget *b, size_t n)
{
    size_t claim = zk_load_relaxed(&b->claim), drawn;

    do {
        drawn = zk_min_size(claim, n);
    } while (drawn != 0 && !zk_cas_relaxed(&b->claim, &claim, claim - drawn));
    return drawn;
}

/*
 * Charges n bytes. For a slab *drawn of them are from the claim, and so may be what
 * was reclaimed (C5); NULL: it is the claim that grows. Where nothing could be
 * reclaimed somebody else may just have released it: so there is one try more.
 */
static bool
admit(struct zk_budget *b, size_t n, size_t *drawn)
{
    const struct zk_world *world = zk_load_acquire(&account.world);
    bool fresh = false, last = false;
    size_t have, wants;

    for (;;) {
        if (drawn != NULL)
            *drawn += draw(b, n - *drawn);
        wants = drawn != NULL ? n - *drawn : n;
        if (add_below(wants, limit_now(b, wants, fresh), &have))
            return true;
        if (b->watched && !fresh) {
            fresh = true;
            continue;
        }
        if (last || world == NULL || world->reclaim == NULL)
            break;
        last = world->reclaim(drawn != NULL ? b : NULL, wants - have,
                              b->watched) == 0;
    }
    zk_store_relaxed(&b->need, wants);
    zk_store_relaxed(&b->have, have);
    return false;
}

void
zk__budget_refused(struct zk_budget *b, int code, size_t need)
{
    int none = 0;

    zk_add_relaxed(&b->refusals, (uint64_t)1);
    if (need != 0) {
        zk_store_relaxed(&b->need, need);
        zk_store_relaxed(&b->have, (size_t)0);
    }
    (void)zk_cas_relaxed(&b->refused, &none, code);
}

bool
zk__budget_try(struct zk_budget *b, size_t bytes)
{
    size_t drawn;

    if (zk_load_relaxed(&b->refused) != 0)
        return false;
    drawn = draw(b, bytes);
    if (drawn == bytes || admit(b, bytes, &drawn))
        return true;
    zk_add_relaxed(&b->claim, drawn);
    return false;
}

bool
zk__budget_take(struct zk_budget *b, size_t bytes)
{
    if (zk__budget_try(b, bytes))
        return true;
    if (zk_load_relaxed(&b->refused) == 0)
        zk__budget_refused(b, ZK_EBUDGET, 0);
    return false;
}

void
zk__budget_leaving(size_t bytes)
{
    zk_add_acq_rel(&account.left, (uint64_t)bytes); /* R1 -> A1 */
}

void
zk__budget_give(size_t bytes)
{
    size_t had = zk_add_relaxed(&account.charged, (size_t)0 - bytes);

    ZK_ASSERT(had >= bytes); /* C1 */
    (void)had;
}

bool
zk__budget_claim(struct zk_budget *b, size_t bytes)
{
    if (!admit(b, bytes, NULL))
        return false;
    zk_add_relaxed(&b->claim, bytes);
    return true;
}

void
zk__budget_give_back(struct zk_budget *b, size_t bytes)
{
    if (ZK_LIKELY(!zk_load_relaxed(&b->reserved))) {
        zk__budget_give(bytes);
        return;
    }
    zk_add_relaxed(&b->claim, bytes);
    zk_fence_seq_cst(); /* S1 = S2 */
    if (!zk_load_relaxed(&b->reserved))
        zk__budget_unclaim(b, bytes);
}

void
zk__budget_reserve(struct zk_budget *b)
{
    zk_store_relaxed(&b->reserved, true);
}

void
zk__budget_unreserve(struct zk_budget *b)
{
    zk_store_relaxed(&b->reserved, false);
    zk_fence_seq_cst(); /* S2 = S1 */
    zk__budget_unclaim(b, SIZE_MAX);
}

void
zk__budget_unclaim(struct zk_budget *b, size_t most)
{
    zk__budget_give(draw(b, most));
}

bool
zk__budget_begin(struct zk_budget *b)
{
    bool refused = zk_load_relaxed(&b->refused) != 0;

    zk__budget_unreserve(b);
    zk_store_relaxed(&b->refused, 0);
    zk_store_relaxed(&b->need, (size_t)0);
    zk_store_relaxed(&b->have, (size_t)0);
    return refused;
}
