/*
 * arena.c - reservations, and the table that knows them all.
 *
 * Owns:   the layout of a reservation; the process's table of arenas.
 * Never:  decides when a phase begins or ends; takes a lock to look an address
 *         up.
 */
#include "alloc/arena.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "alloc/charge.h"
#include "alloc/keep.h"
#include "alloc/os.h"
#include "alloc/secret.h"
#include "alloc/trap.h"
#include "alloc/wipe.h"
#include "alloc/word.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/clock.h"
#include "private/poison.h"

/*
 * The table of arenas, read by every free of the process.
 *
 * T1  An entry is live iff its base is not 0. It changes only while `changes`,
 *     which counts, is odd. A reader that saw an odd count, or another one after
 *     reading than before, was not looking for this entry: see T3.
 * T2  [hull_lo, hull_hi) covers all entries that ever lived: it only grows, so
 *     the common answer, "not ours", costs one subtraction and one compare.
 * T3  An entry dies only when its lane closes, when nobody may use its
 *     addresses any more.
 *
 * Writers hold the lock.
 *
 * W1 -> A1   whoever sees a count sees the entry and the record that came with
 *            it, or a later one
 * W3 -> A3   and if a later one, then also that the count went on: a sequence
 *            lock, after Boehm, "Can seqlocks get along with programming language
 *            memory models?" (MSPC 2012), without a fence
 * W2 -> A2   whoever sees the lower end of the hull sees a length that fits it
 */
#define TABLE_SIZE 4096

static struct {
    pthread_mutex_t lock;
    ZK_ALIGNED_LINE _Atomic uintptr_t hull_lo;
    _Atomic size_t hull_bytes;
    _Atomic unsigned used; /* entries at and above were never live */
    _Atomic size_t site_bytes, site_count; /* of arenas whose slabs move */
    struct entry {
        _Atomic uint32_t changes;
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

/* pre: the lock is held */
static void
count_sites(const struct zk_arena *a, size_t sign)
{
    if (a->nsites == 1)
        return;
    zk_store_relaxed(&table.site_bytes,
                     zk_load_relaxed(&table.site_bytes) + sign * a->bytes);
    zk_store_relaxed(&table.site_count, zk_load_relaxed(&table.site_count) +
                                            sign * a->nslots * a->nsites);
}

/* pre: the lock is held */
static void
change_entry(struct entry *e, uintptr_t base, size_t bytes, struct zk_arena *a)
{
    uint32_t count = zk_load_relaxed(&e->changes);

    zk_store_relaxed(&e->changes, count + 1);
    zk_store_release(&e->base, base); /* W3, each of them */
    zk_store_release(&e->bytes, bytes);
    zk_store_release(&e->arena, a);
    zk_store_release(&e->changes, count + 2); /* W1 */
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
        change_entry(&table.entry[i], (uintptr_t)a->base, a->bytes, a);
        if (i >= zk_load_relaxed(&table.used))
            zk_store_release(&table.used, i + 1);
        count_sites(a, 1);
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
            change_entry(&table.entry[i], 0, 0, NULL);
    count_sites(a, (size_t)-1);
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

/* The sites of slot i are those from i * nsites on. A division, as a
 * multiplication that is exact for the numbers of sites that fit an address
 * space: Granlund and Montgomery, "Division by invariant integers using
 * multiplication" (PLDI 1994). */
static unsigned
slot_of(const struct zk_arena *a, size_t site)
{
    return (unsigned)(site * a->slot_of_site >> 32);
}

static char *
site_base(const struct zk_arena *a, unsigned slot, unsigned site)
{
    return a->base + (((size_t)slot * a->nsites + site) << a->stride_shift);
}

static unsigned
site_now(const struct zk_arena *a, unsigned slot)
{
    const char *base = zk_load_relaxed(&a->slabs[slot].base);

    return (unsigned)((size_t)(base - site_base(a, slot, 0)) >>
                      a->stride_shift);
}

void
zk__arena_after_fork(struct zk_arena *a)
{
    for (unsigned i = 0; i < a->nslots; i++)
        zk__keep_unlock(&a->slabs[i]);
}

/* The arena of an entry, if the address lies in it; its offset there. */
static struct zk_arena *
look_into(const struct entry *e, uintptr_t at, size_t *offset)
{
    uint32_t count = zk_load_acquire(&e->changes); /* A1 <- W1 */
    uintptr_t base = zk_load_acquire(&e->base);    /* A3 <- W3, each of them */
    size_t bytes = zk_load_acquire(&e->bytes);
    struct zk_arena *a = zk_load_acquire(&e->arena);

    *offset = at - base;
    if (base == 0 || *offset >= bytes || count % 2 != 0 ||
        zk_load_relaxed(&e->changes) != count)
        return NULL;
    return a;
}

struct zk_place
zk__arena_find(const void *p)
{
    const struct zk_place none = {NULL, NULL, false};
    uintptr_t at = (uintptr_t)p;
    uintptr_t lo = zk_load_acquire(&table.hull_lo); /* A2 <- W2 */

    if (ZK_LIKELY(at - lo >= zk_load_relaxed(&table.hull_bytes)))
        return none;

    for (unsigned i = 0; i < zk_load_acquire(&table.used); i++) {
        size_t offset;
        struct zk_arena *a = look_into(&table.entry[i], at, &offset);
        struct zk_slab *s;

        if (a == NULL)
            continue;
        s = &a->slabs[slot_of(a, offset >> a->stride_shift)];
        return (struct zk_place){a, s,
                                 at - (uintptr_t)zk_load_relaxed(&s->base) >=
                                     (size_t)1 << a->stride_shift};
    }
    return none;
}

/* ---- reserving ----------------------------------------------------------- */

/*
 * What the sites of all arenas may take together: half of a 47-bit address space,
 * less where a sanitizer has most of it; and, since each site that was left costs
 * the kernel up to two mappings, far fewer of them than vm.max_map_count allows.
 * An arena gets at most a quarter of what is left, so that there are sites for
 * the next ones too; two it gets in any case.
 */
#define SITES_BYTES ((size_t)1 << (ZK_HAVE_TSAN ? 39 : 46))
#define SITES_COUNT ((size_t)20000)
#define GIB         ((size_t)1 << 30)

/* The shift of the smallest power of two that is at least n. */
static unsigned
shift_for(size_t n)
{
    unsigned shift = 0;

    while (((size_t)1 << shift) < n)
        shift++;
    return shift;
}

/* How many sites a slab of this size may have: two at least, if any. */
static unsigned
sites_for(unsigned nslots, size_t slab_bytes, bool wanted)
{
    size_t each = (size_t)nslots << shift_for(slab_bytes);
    size_t bytes = SITES_BYTES -
                   zk_min_size(SITES_BYTES, zk_load_relaxed(&table.site_bytes));
    size_t count = SITES_COUNT -
                   zk_min_size(SITES_COUNT, zk_load_relaxed(&table.site_count));
    size_t n = zk_min_size(bytes / 4 / each, count / 4 / nslots);

    if (!wanted)
        return 1;
    return (unsigned)zk_min_size(zk_max_size(n, 2), ZK_SITES_MAX);
}

/* Bytes of address space for slabs of this size, 0 when that does not fit. */
static size_t
reservation(unsigned nslots, size_t slab_bytes, unsigned nsites)
{
    unsigned shift = shift_for(slab_bytes);
    size_t tables = zk__slab_tables_bytes(slab_bytes);
    size_t each;

    if (nsites > (SIZE_MAX - tables) >> shift)
        return 0;
    each = ((size_t)nsites << shift) + tables;
    return each > SIZE_MAX / nslots ? 0 : each * nslots;
}

/* The largest slabs that the system grants with at least this many sites. */
static bool
reserve(struct zk_arena *shape, size_t bytes, unsigned least_sites)
{
    size_t left = zk__os_address_space_left() / 2;
    bool wanted = least_sites > 1;

    for (; bytes >= ZK_SLAB_BYTES_MIN; bytes /= 2) {
        unsigned n;

        bytes = zk_round_down(bytes, ZK_PAGE);
        n = sites_for(shape->want.nslots, bytes, wanted);
        for (; n >= least_sites; n /= 2) {
            size_t stride = (size_t)1 << shift_for(bytes);
            /* Whole entries of the page tables' upper levels move fastest. */
            size_t align = zk_min_size(zk_max_size(stride, ZK_HUGE_PAGE), GIB);

            shape->reserved = reservation(shape->want.nslots, bytes, n);
            if (shape->reserved == 0 || shape->reserved > left)
                continue;
            shape->base = zk__os_reserve(shape->reserved, align);
            if (shape->base == NULL)
                continue;
            shape->slab_bytes = bytes;
            shape->nsites = n;
            return true;
        }
    }
    return false;
}

/* Maps the records of an arena of this shape. */
static struct zk_arena *
make_records(const struct zk_arena *shape)
{
    size_t nslots = shape->want.nslots;
    size_t slabs = sizeof(struct zk_arena) + nslots * sizeof(struct zk_slab);
    size_t sites = nslots * shape->nsites * sizeof(struct zk_site);
    size_t bytes = zk_round_up(slabs + sites, zk__os_page());
    struct zk_arena *a = zk__os_map(bytes);

    if (a == NULL)
        return NULL;
    memcpy(a, shape, sizeof *a);
    a->records = bytes;
    a->nslots = (unsigned)nslots;
    a->stride_shift = shift_for(shape->slab_bytes);
    a->bytes = (nslots * a->nsites) << a->stride_shift;
    a->slot_of_site = (((uint64_t)1 << 32) + a->nsites - 1) / a->nsites;
    a->sites = (struct zk_site *)(void *)((char *)a + slabs);
    /* Now, so that no later phase meets one of these pages for the first time. */
    memset(a->sites, 0, sites);
    return a;
}

struct zk_arena *
zk__arena_create(const struct zk_arena_want *want)
{
    size_t bytes = zk_min_size(want->slab_bytes, ZK_SLAB_BYTES_MAX);
    struct zk_arena shape = {.want = *want};
    struct zk_arena *a;
    char *side;

    bytes =
        zk_max_size(zk_round_down(bytes, ZK_SLAB_BYTES_MIN), ZK_SLAB_BYTES_MIN);
    if (!(want->trap != ZK_TRAP_OFF && reserve(&shape, bytes, 2)) &&
        !reserve(&shape, bytes, 1))
        return NULL;
    a = make_records(&shape);
    if (a == NULL) {
        zk__os_unmap(shape.base, shape.reserved);
        return NULL;
    }

    side = a->base + a->bytes;
    for (unsigned i = 0; i < a->nslots; i++) {
        zk__slab_init(&a->slabs[i], site_base(a, i, 0), a->slab_bytes, side,
                      want->min_bytes, want->huge);
        a->slabs[i].numa = &a->want.numa;
        a->slabs[i].slot = i;
        side += zk__slab_tables_bytes(a->slab_bytes);
        a->slabs[i].budget = &a->budget;
    }
    a->budget.limit = want->budget_bytes != 0 ? want->budget_bytes : SIZE_MAX;
    a->budget.watched = want->watched;

    if (!table_enter(a)) {
        zk__os_unmap(a->base, a->reserved);
        zk__os_unmap(a, a->records);
        return NULL;
    }
    if (a->nsites > 1)
        zk__trap_hold();
    return a;
}

static void
unmark_site(const struct zk_slab *s, char *site)
{
    zk__unpoison(site, s->marked);
    zk__unpoison(site + (s->scratched - zk_slab_base(s)),
                 (size_t)(s->limit - s->scratched));
}

/* Takes AddressSanitizer's marks off wherever a slab has stood. */
static void
unmark(const struct zk_arena *a, unsigned slot)
{
    const struct zk_slab *s = &a->slabs[slot];

    for (unsigned i = 0; i < a->nsites; i++)
        if (i == site_now(a, slot) ||
            zk_load_relaxed(&a->sites[(size_t)slot * a->nsites + i].epoch) != 0)
            unmark_site(s, site_base(a, slot, i));
}

size_t
zk__arena_charged(const struct zk_arena *a)
{
    size_t sum = 0;

    for (unsigned i = 0; i < a->nslots; i++)
        sum += zk__charged(&a->slabs[i]);
    return sum;
}

size_t
zk__arena_charged_for_sure(struct zk_arena *a)
{
    size_t sum = 0;

    for (unsigned i = 0; i < a->nslots; i++) {
        zk__keep_lock(&a->slabs[i]);
        sum += zk__charged(&a->slabs[i]);
        zk__keep_unlock(&a->slabs[i]);
    }
    return sum;
}

size_t
zk__arena_resident(void)
{
    size_t sum = 0;

    pthread_mutex_lock(&table.lock); /* none of them is unmapped meanwhile */
    for (unsigned i = 0; i < zk_load_relaxed(&table.used); i++) {
        struct zk_arena *a = zk_load_relaxed(&table.entry[i].arena);

        if (zk_load_relaxed(&table.entry[i].base) == 0)
            continue;
        for (unsigned k = 0; k < zk_load_relaxed(&a->active); k++)
            sum += zk__charge_resident(&a->slabs[k]);
    }
    pthread_mutex_unlock(&table.lock);
    return sum;
}

void
zk__arena_destroy(struct zk_arena *a)
{
    size_t charged;

    if (a == NULL)
        return;
    if (a->nsites > 1)
        zk__trap_release();
    table_leave(a);
    for (unsigned i = 0; ZK_HAVE_ASAN && i < a->nslots; i++)
        unmark(a, i);
    charged = zk__arena_charged(a);
    zk__budget_unclaim(&a->budget, SIZE_MAX);
    zk__budget_leaving(charged);
    zk__os_unmap(a->base, a->reserved);
    zk__budget_give(charged);
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

/* ---- moving --------------------------------------------------------------- */

static void
name_phase(char *to, const char *name)
{
    size_t n = name != NULL ? strnlen(name, ZK_PHASE_NAME - 1) : 0;

    if (n != 0)
        memcpy(to, name, n);
    to[n] = '\0';
}

static void
report_refusal(struct zk_arena *a, int error)
{
    char line[128];

    zk_store_relaxed(&a->move_refused, true);
    if (a->want.report == NULL)
        return;
    snprintf(line, sizeof line,
             "stale pointers do not trap: the system refuses to move a slab "
             "(error %d)",
             error);
    a->want.report(line, a->want.report_arg);
}

/* Has a slab that was just reset stand at its next site. */
static void
move_on(struct zk_arena *a, unsigned slot)
{
    unsigned now = site_now(a, slot), next = now + 1 < a->nsites ? now + 1 : 0;
    struct zk_site *left = &a->sites[(size_t)slot * a->nsites + now];
    const struct zk_site *to = &a->sites[(size_t)slot * a->nsites + next];
    struct zk_slab *s = &a->slabs[slot];

    memcpy(left->name, a->name, sizeof left->name);
    zk_store_release(&left->epoch, a->epoch); /* N2 -> N1 (trap.c) */
    if (!zk__slab_move(s, site_base(a, slot, next)))
        report_refusal(a, errno);
    if (site_now(a, slot) == now)
        return;
    /* A site that was left is marked as dead already. */
    if (zk_load_relaxed(&to->epoch) == 0)
        zk__poison(zk_slab_base(s), s->marked);
    zk_bump_relaxed(&a->moves, (uint64_t)1);
}

#define MOVE_SHARE 1000 /* ZK_TRAP_AUTO: of a phase's length, at the most */

static bool
may_move(const struct zk_arena *a)
{
    if (a->nsites == 1 || zk_load_relaxed(&a->move_refused))
        return false;
    return a->want.trap != ZK_TRAP_AUTO ||
           a->move_ns <= a->length_ns / MOVE_SHARE;
}

enum zk_trap
zk__arena_trap(const struct zk_arena *a)
{
    return a->nsites == 1 || zk_load_relaxed(&a->move_refused) ? ZK_TRAP_OFF
           : a->want.trap == ZK_TRAP_AUTO                      ? ZK_TRAP_AUTO
                                                               : ZK_TRAP_ON;
}

/* ---- keeping ---------------------------------------------------------------- */

/* Phases that a window of marks covers at the least, however long it takes: the
 * stages of one proof differ. */
#define WINDOW_PHASES 16

/* Marks live for one window or two: what was not used for so long may go. */
static bool
window_is_over(struct zk_arena *a, uint64_t now)
{
    if (++a->window_phases < WINDOW_PHASES ||
        now - a->window_ns < (uint64_t)a->want.decay_ms * 500000)
        return false;
    a->window_phases = 0;
    a->window_ns = now;
    return true;
}

size_t
zk__arena_release(struct zk_arena *a, size_t bytes, bool all)
{
    unsigned n = zk_load_relaxed(&a->active);
    size_t released = 0;

    for (unsigned i = 0; i < n && released < bytes; i++)
        released += zk__keep_release(&a->slabs[i], bytes - released, all);
    return released;
}

bool
zk__arena_give_up(struct zk_arena *a)
{
    unsigned n = zk_load_relaxed(&a->active);
    bool tail = false;

    for (unsigned i = 0; i < n; i++) {
        struct zk_slab *s = &a->slabs[i];

        zk__keep_note(s);
        zk__slab_reset(s);
        zk__keep_forget(s);
        zk__keep_forget(s);
        tail |= zk__keep_give_up(s, 0, false);
    }
    return tail;
}

/* Resets the used slabs and has them move on; the number of those. */
static unsigned
reset_slabs(struct zk_arena *a, bool move, bool forget)
{
    unsigned n = zk_load_relaxed(&a->active), moved = 0;
    /* After a refusal nothing is kept for its own sake: the next phase may need
     * it on another slot, and takes back what is still there. */
    bool refused = zk__budget_begin(&a->budget);
    bool tight = refused || zk__budget_is_tight(&a->budget);
    bool keep_all = a->want.keep_bytes == SIZE_MAX && !tight;
    size_t least = refused ? 0 : a->want.keep_bytes;

    for (unsigned i = 0; i < n; i++) {
        bool used = zk__slab_used(&a->slabs[i]);

        if (forget)
            zk__keep_forget(&a->slabs[i]);
        if (refused) {
            zk__keep_forget(&a->slabs[i]);
            zk__keep_forget(&a->slabs[i]);
        } else {
            zk__keep_note(&a->slabs[i]);
        }
        zk__slab_reset(&a->slabs[i]);
        if (!keep_all && zk__keep_give_up(&a->slabs[i], least, tight))
            a->tails = true;
        if (!used || a->nsites == 1)
            continue;
        if (!move) {
            zk_bump_relaxed(&a->moves_skipped, (uint64_t)1);
        } else if (!zk_load_relaxed(&a->move_refused)) {
            move_on(a, i);
            moved++;
        }
    }
    return moved;
}

/* Valgrind has no trap to meet: under it slabs stay where they are, and it names
 * the phases of a dead address itself. */
static void
name_slabs(struct zk_arena *a, const char *before)
{
    char text[3 * ZK_PHASE_NAME + 64];

    for (unsigned i = 0; i < zk_load_relaxed(&a->active); i++) {
        struct zk_slab *s = &a->slabs[i];

        snprintf(text, sizeof text,
                 "slab of slot %u: phase \"%s\" (epoch %" PRIu64
                 ") is there now, before it \"%s\"",
                 i, a->name, a->epoch, before);
        zk__name_range(&s->valgrind, zk_slab_base(s),
                       (size_t)(s->top - zk_slab_base(s)), text);
    }
}

void
zk__arena_reset(struct zk_arena *a, const char *name)
{
    char before[ZK_PHASE_NAME];
    bool timed = a->want.trap == ZK_TRAP_AUTO;
    uint64_t start = zk_now_ns();
    unsigned moved;

    zk_store_relaxed(&a->moving, true);
    zk_fence_seq_cst(); /* a child of fork() sees all moves begun, or this */
    a->tails = false;
    moved = reset_slabs(a, may_move(a), window_is_over(a, start));
    zk_store_release(&a->moving, false);
    if (timed) {
        a->begun_ns = zk_now_ns();
        if (moved != 0) /* the mean of the last few */
            a->move_ns += (a->begun_ns - start) / 4 - a->move_ns / 4;
    }
    name_phase(before, a->name);
    name_phase(a->name, name);
    a->epoch++;
    if (ZK_HAVE_VALGRIND)
        name_slabs(a, before);
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
    if (a->want.trap == ZK_TRAP_AUTO)
        a->length_ns = zk_now_ns() - a->begun_ns;
    for (unsigned i = 0; i < n; i++)
        zk__slab_ended(&a->slabs[i]);
}

/* ---- secrets --------------------------------------------------------------- */

void
zk__arena_begin_secret(struct zk_arena *a)
{
    a->forked = false;
    /* All slots, since a task may be the first to use one. */
    for (unsigned i = 0; i < a->nslots; i++)
        zk__secret_begin(&a->slabs[i]);
    zk_store_release(&a->secret, true);
}

void
zk__arena_end_secret(struct zk_arena *a)
{
    zk_store_release(&a->secret, false);
    for (unsigned i = 0; i < a->nslots; i++)
        zk__secret_end(&a->slabs[i], a->want.min_bytes);
}

void
zk__arena_forked(struct zk_arena *a, bool goes_on)
{
    if (!zk_load_relaxed(&a->secret))
        return;
    if (goes_on)
        a->forked = true;
    else
        zk__arena_end_secret(a);
}

void
zk__arena_wipe_all(void)
{
    pthread_mutex_lock(&table.lock); /* none of them is unmapped meanwhile */
    for (unsigned i = 0; i < zk_load_relaxed(&table.used); i++) {
        struct zk_arena *a = zk_load_relaxed(&table.entry[i].arena);

        if (zk_load_relaxed(&table.entry[i].base) == 0 ||
            !zk_load_acquire(&a->secret))
            continue;
        for (unsigned k = 0; k < zk_load_relaxed(&a->active); k++)
            zk__secret_wipe(&a->slabs[k], a->forked);
    }
    pthread_mutex_unlock(&table.lock);
}

struct zk_arena_use
zk__arena_use(const struct zk_arena *a)
{
    unsigned n = zk_load_relaxed(&a->active);
    struct zk_arena_use use = {.bytes = 0};

    for (unsigned i = 0; i < n; i++) {
        const struct zk_slab *s = &a->slabs[i];

        use.bytes += (size_t)(zk_slab_next(s) - zk_slab_base(s));
        use.peak_bytes += zk__slab_peak(s);
        use.stage_peak_bytes += zk__slab_stage_peak(s);
        use.scratch_peak_bytes += zk_load_relaxed(&s->scratch_peak);
        use.locked_bytes +=
            zk_min_size(zk_load_relaxed(&s->locked), zk__slab_peak(s)) +
            zk_min_size(zk_load_relaxed(&s->far_locked),
                        zk_load_relaxed(&s->scratch_peak));
        if (zk_load_relaxed(&s->hide_error) != 0)
            use.hide_error = zk_load_relaxed(&s->hide_error);
        if (zk_load_relaxed(&s->show_error) != 0)
            use.show_error = zk_load_relaxed(&s->show_error);
        if (zk_load_relaxed(&s->lock_error) != 0)
            use.lock_error = zk_load_relaxed(&s->lock_error);
    }
    return use;
}
