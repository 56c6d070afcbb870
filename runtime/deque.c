/*
 * deque.c - the owner's and the thieves' side of one worker's tasks.
 *
 * Owns:   the rings; deque.h has the picture, the invariants and the edges.
 * Never:  runs a task, or wakes anybody.
 */
#include "runtime/deque.h"

#include <stddef.h>

#include "alloc/os.h"
#include "private/bits.h"

#define RING_FIRST ((int64_t)512)

struct entry {
    _Atomic(struct zk_job *) job;
    _Atomic uintptr_t x, y;
    uintptr_t unused; /* a power of two, so that the index is a shift */
};

struct zk_ring {
    int64_t mask;
    struct zk_ring *older; /* I5 */
    struct entry entry[];
};

static size_t
ring_bytes(int64_t size)
{
    return zk_round_up(sizeof(struct zk_ring) +
                           (size_t)size * sizeof(struct entry),
                       zk__os_page());
}

static struct zk_ring *
ring_new(int64_t size)
{
    struct zk_ring *r = zk__os_map(ring_bytes(size));

    if (r != NULL)
        r->mask = size - 1;
    return r;
}

static void
write_entry(struct zk_ring *r, int64_t i, struct zk_task task)
{
    struct entry *e = &r->entry[i & r->mask];

    zk_store_relaxed(&e->job, task.job);
    zk_store_relaxed(&e->x, task.x);
    zk_store_relaxed(&e->y, task.y);
}

static struct zk_task
read_entry(struct zk_ring *r, int64_t i)
{
    struct entry *e = &r->entry[i & r->mask];

    return (struct zk_task){zk_load_relaxed(&e->job), zk_load_relaxed(&e->x),
                            zk_load_relaxed(&e->y)};
}

bool
zk__deque_init(struct zk_deque *d)
{
    struct zk_ring *r = ring_new(RING_FIRST);

    zk_store_relaxed(&d->top, (int64_t)0);
    zk_store_relaxed(&d->bottom, (int64_t)0);
    zk_store_release(&d->ring, r);
    return r != NULL;
}

/* Thieves never look at the word that is written. */
void
zk__deque_touch(struct zk_deque *d)
{
    struct zk_ring *r = zk_load_relaxed(&d->ring);
    int64_t step = (int64_t)(zk__os_page() / sizeof(struct entry));

    for (int64_t i = 0; i < r->mask; i += step)
        r->entry[i].unused = 0;
    r->entry[r->mask].unused = 0;
}

void
zk__deque_gather(struct zk_deque *d, unsigned node)
{
    struct zk_ring *r = zk_load_relaxed(&d->ring);

    zk__os_gather(r, ring_bytes(r->mask + 1), node);
}

void
zk__deque_fini(struct zk_deque *d)
{
    struct zk_ring *r = zk_load_acquire(&d->ring);

    while (r != NULL) {
        struct zk_ring *older = r->older;

        zk__os_unmap(r, ring_bytes(r->mask + 1));
        r = older;
    }
    zk_store_relaxed(&d->ring, (struct zk_ring *)NULL);
}

/* Doubles the ring. NULL when there is no memory: nothing changed. */
static struct zk_ring *
grow(struct zk_deque *d, struct zk_ring *old, int64_t top, int64_t bottom)
{
    struct zk_ring *r = ring_new((old->mask + 1) * 2);

    if (r == NULL)
        return NULL;
    for (int64_t i = top; i < bottom; i++)
        write_entry(r, i, read_entry(old, i));
    r->older = old;
    zk_store_release(&d->ring, r); /* R3 -> A3 */
    return r;
}

bool
zk__deque_push(struct zk_deque *d, struct zk_task task)
{
    int64_t b = zk_load_relaxed(&d->bottom); /* ours alone (I2) */
    int64_t t = zk_load_acquire(&d->top);    /* A1 <- R2 */
    struct zk_ring *r = zk_load_relaxed(&d->ring);

    if (b - t > r->mask) {
        r = grow(d, r, t, b);
        if (r == NULL)
            return false;
    }
    write_entry(r, b, task);
    zk_store_release(&d->bottom, b + 1); /* R1 -> A2 */
    return true;
}

bool
zk__deque_pop(struct zk_deque *d, int64_t mark, struct zk_task *task)
{
    int64_t b = zk_load_relaxed(&d->bottom) - 1;
    int64_t t;
    bool won = true;

    if (b < mark)
        return false;
    zk_store_release(&d->bottom, b); /* claim, then look for thieves */
    zk_fence_seq_cst();              /* F1 = F2 */
    t = zk_load_relaxed(&d->top);

    if (t > b) { /* it was empty: take the claim back */
        zk_store_release(&d->bottom, b + 1);
        return false;
    }

    *task = read_entry(zk_load_relaxed(&d->ring), b);
    if (t == b) { /* the last one: a thief may be after it too (I3) */
        won = zk_cas_seq_cst(&d->top, &t, t + 1);
        zk_store_release(&d->bottom, b + 1);
    }
    return won;
}

/* job NULL: of any. A torn copy may show any job, but then the CAS fails (I3). */
static bool
steal(struct zk_deque *d, const struct zk_job *job, struct zk_task *task)
{
    int64_t t = zk_load_acquire(&d->top);
    int64_t b;

    zk_fence_seq_cst();              /* F2 = F1 */
    b = zk_load_acquire(&d->bottom); /* A2 <- R1 */
    if (t >= b)
        return false;

    *task = read_entry(zk_load_acquire(&d->ring), t); /* A3 <- R3 */
    if (job != NULL && task->job != job)
        return false;
    return zk_cas_seq_cst(&d->top, &t, t + 1); /* R2 -> A1 */
}

bool
zk__deque_steal(struct zk_deque *d, struct zk_task *task)
{
    return steal(d, NULL, task);
}

bool
zk__deque_steal_of(struct zk_deque *d, const struct zk_job *job,
                   struct zk_task *task)
{
    return steal(d, job, task);
}
