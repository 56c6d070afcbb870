/*
 * arena.c - reservations, and the table that knows them all.
 *
 * Owns:   the layout of a reservation; the process's table of arenas.
 * Never:  decides when a phase begins or ends; takes a lock to look an address
 *         up.
 */
#include "alloc/arena.h"

#include <pthread.h>

#include "alloc/os.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/poison.h"

/*
 * The table of arenas, read by every free of the process.
 *
 * T1  An entry is live iff its base is not 0; base is stored last when it
 *     becomes live (release) and first when it dies.
 * T2  [hull_lo, hull_hi) covers all entries that ever lived: it only grows, so
 *     the common answer, "not ours", costs one subtraction and one compare.
 * T3  An entry dies only when its lane closes, when nobody may use its
 *     addresses any more.
 *
 * Writers hold the lock.
 *
 * W1 -> A1   whoever sees an entry's base sees its size and its record
 * W2 -> A2   whoever sees the lower end of the hull sees a length that fits it
 */
#define TABLE_SIZE 4096

static struct {
    pthread_mutex_t lock;
    ZK_ALIGNED_LINE _Atomic uintptr_t hull_lo;
    _Atomic size_t hull_bytes;
    _Atomic unsigned used; /* entries at and above were never live */
    struct {
        _Atomic uintptr_t base;
        _Atomic size_t bytes;
        _Atomic(struct zk_arena *) arena;
    } entry[TABLE_SIZE];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
widen_hull(uintptr_t lo, uintptr_t hi)
{
    uintptr_t old_lo = zk_load_relaxed(&table.hull_lo);
    uintptr_t old_hi = old_lo + zk_load_relaxed(&table.hull_bytes);

    if (old_lo == 0) {
        zk_store_relaxed(&table.hull_lo, lo);
        zk_store_relaxed(&table.hull_bytes, hi - lo);
        return;
    }
    /* Longer first: a reader that mixes old and new looks into the table for
     * nothing, where lower first could make it miss the top. */
    if (hi < old_hi)
        hi = old_hi;
    if (lo > old_lo)
        lo = old_lo;
    zk_store_relaxed(&table.hull_bytes, hi - lo);
    zk_store_release(&table.hull_lo, lo); /* W2 */
}

static bool
table_enter(struct zk_arena *a)
{
    unsigned i;

    pthread_mutex_lock(&table.lock);
    for (i = 0; i < TABLE_SIZE; i++)
        if (zk_load_relaxed(&table.entry[i].base) == 0)
            break;
    if (i < TABLE_SIZE) {
        widen_hull((uintptr_t)a->base, (uintptr_t)a->base + a->bytes);
        zk_store_relaxed(&table.entry[i].bytes, a->bytes);
        zk_store_relaxed(&table.entry[i].arena, a);
        zk_store_release(&table.entry[i].base, (uintptr_t)a->base); /* W1 */
        if (i >= zk_load_relaxed(&table.used))
            zk_store_release(&table.used, i + 1);
    }
    pthread_mutex_unlock(&table.lock);
    return i < TABLE_SIZE;
}

static void
table_leave(const struct zk_arena *a)
{
    pthread_mutex_lock(&table.lock);
    for (unsigned i = 0; i < TABLE_SIZE; i++)
        if (zk_load_relaxed(&table.entry[i].base) == (uintptr_t)a->base)
            zk_store_release(&table.entry[i].base, (uintptr_t)0);
    pthread_mutex_unlock(&table.lock);
}

void
zk__arena_lock_table(void)
{
    pthread_mutex_lock(&table.lock);
}

void
zk__arena_unlock_table(void)
{
    pthread_mutex_unlock(&table.lock);
}

struct zk_place
zk__arena_find(const void *p)
{
    const struct zk_place none = {NULL, NULL};
    uintptr_t at = (uintptr_t)p;
    uintptr_t lo = zk_load_acquire(&table.hull_lo); /* A2 <- W2 */

    if (ZK_LIKELY(at - lo >= zk_load_relaxed(&table.hull_bytes)))
        return none;

    for (unsigned i = 0; i < zk_load_acquire(&table.used); i++) {
        uintptr_t base = zk_load_acquire(&table.entry[i].base); /* A1 <- W1 */
        struct zk_arena *a;
        size_t offset = at - base;

        if (base == 0 || offset >= zk_load_relaxed(&table.entry[i].bytes))
            continue;
        a = zk_load_relaxed(&table.entry[i].arena);
        return (struct zk_place){a, &a->slabs[offset >> a->stride_shift]};
    }
    return none;
}

/* The shift of the smallest power of two that is at least n. */
static unsigned
shift_for(size_t n)
{
    unsigned shift = 0;

    while (((size_t)1 << shift) < n)
        shift++;
    return shift;
}

/* Bytes of address space for slabs of this size, 0 when that does not fit. */
static size_t
reservation(unsigned nslots, size_t slab_bytes)
{
    size_t each = ((size_t)1 << shift_for(slab_bytes)) +
                  zk__slab_tables_bytes(slab_bytes);

    return each > SIZE_MAX / nslots ? 0 : each * nslots;
}

struct zk_arena *
zk__arena_create(unsigned nslots, size_t *slab_bytes, size_t min_bytes,
                 enum zk_huge huge)
{
    size_t records =
        zk_round_up(sizeof(struct zk_arena) + nslots * sizeof(struct zk_slab),
                    zk__os_page());
    size_t left = zk__os_address_space_left() / 2;
    size_t bytes = zk_min_size(*slab_bytes, ZK_SLAB_BYTES_MAX);
    struct zk_arena *a = zk__os_map(records);
    size_t reserved = 0;
    char *base = NULL, *side;

    bytes =
        zk_max_size(zk_round_down(bytes, ZK_SLAB_BYTES_MIN), ZK_SLAB_BYTES_MIN);
    for (; a != NULL && bytes >= ZK_SLAB_BYTES_MIN; bytes /= 2) {
        bytes = zk_round_down(bytes, ZK_PAGE);
        reserved = reservation(nslots, bytes);
        if (reserved == 0 || reserved > left)
            continue;
        base = zk__os_reserve(reserved, ZK_HUGE_PAGE);
        if (base != NULL)
            break;
    }
    if (base == NULL) {
        zk__os_unmap(a, records);
        *slab_bytes = 0;
        return NULL;
    }

    a->base = base;
    a->stride_shift = shift_for(bytes);
    a->bytes = (size_t)nslots << a->stride_shift;
    a->reserved = reserved;
    a->records = records;
    a->slab_bytes = bytes;
    a->nslots = nslots;
    side = base + a->bytes;
    for (unsigned i = 0; i < nslots; i++) {
        zk__slab_init(&a->slabs[i], base + ((size_t)i << a->stride_shift),
                      bytes, side, min_bytes, huge);
        side += zk__slab_tables_bytes(bytes);
    }

    *slab_bytes = bytes;
    if (!table_enter(a)) {
        zk__os_unmap(base, reserved);
        zk__os_unmap(a, records);
        return NULL;
    }
    return a;
}

void
zk__arena_destroy(struct zk_arena *a)
{
    if (a == NULL)
        return;
    table_leave(a);
    for (unsigned i = 0; i < a->nslots; i++) { /* the addresses may come back */
        const struct zk_slab *s = &a->slabs[i];

        zk__unpoison(s->base, (size_t)(s->end - s->base));
    }
    zk__os_unmap(a->base, a->reserved);
    zk__os_unmap(a, a->records);
}

struct zk_slab *
zk__arena_slab(struct zk_arena *a, unsigned slot)
{
    unsigned seen = zk_load_relaxed(&a->active);

    ZK_ASSERT(slot < a->nslots);
    while (ZK_UNLIKELY(slot >= seen))
        if (zk_cas_relaxed(&a->active, &seen, slot + 1))
            break;
    return &a->slabs[slot];
}

void
zk__arena_reset(struct zk_arena *a)
{
    unsigned n = zk_load_relaxed(&a->active);

    for (unsigned i = 0; i < n; i++)
        zk__slab_reset(&a->slabs[i]);
    a->epoch++;
    zk_store_release(&a->open, true);
}

void
zk__arena_mark(struct zk_arena *a)
{
    /* All slots, since a stage may be the first to use one. */
    for (unsigned i = 0; i < a->nslots; i++)
        zk__slab_mark(&a->slabs[i]);
}

void
zk__arena_rewind(struct zk_arena *a)
{
    for (unsigned i = 0; i < a->nslots; i++)
        zk__slab_rewind(&a->slabs[i]);
}

void
zk__arena_ended(struct zk_arena *a)
{
    unsigned n = zk_load_relaxed(&a->active);

    zk_store_release(&a->open, false);
    for (unsigned i = 0; i < n; i++)
        zk__slab_ended(&a->slabs[i]);
}

struct zk_arena_use
zk__arena_use(const struct zk_arena *a)
{
    unsigned n = zk_load_relaxed(&a->active);
    struct zk_arena_use use = {0, 0, 0};

    for (unsigned i = 0; i < n; i++) {
        const struct zk_slab *s = &a->slabs[i];

        use.bytes += (size_t)(zk_load_relaxed(&s->next) - s->base);
        use.peak_bytes += zk__slab_peak(s);
        use.stage_peak_bytes += zk__slab_stage_peak(s);
    }
    return use;
}
