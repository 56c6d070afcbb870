/*
 * pages.c - free runs of pages, split, joined, and given up after a while.
 *
 * Owns:   the reservation, the top, the free runs and the dirty bits.
 * Never:  holds its lock over what takes long: clearing and releasing are done
 *         on runs that were taken first.
 */
#include "alloc/heap/pages.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "alloc/heap/span.h"
#include "alloc/os.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/poison.h"

/* TLSF counts in granules, 64 to a page (fit.h). */
#define GRANULES_SHIFT 6

/* The most that is reserved; a sanitizer has most of the address space. */
#define PAGES_MOST   ((size_t)1 << (ZK_HAVE_TSAN ? 20 : 25))
#define PAGES_LEAST  ((size_t)256)
#define COMMIT_PAGES ((size_t)256) /* 16 MiB */
#define BASE_ALIGN   ((size_t)1 << 30)

#define RELEASE_BYTES ((size_t)64 << 20) /* by a thread that allocates */
#define DECAY_DEFAULT 10000

struct zk_pages zk__pages;

static struct {
    pthread_mutex_t lock;
    struct zk_fit fit;
    struct zk_extent *extents;
    _Atomic uint64_t *dirty;
    size_t top, limit; /* in pages */
    int detours;
    size_t taken, retained;
    uint64_t released, moves;
    _Atomic unsigned decay_ms;
    _Atomic uint32_t due_ms; /* something is to be released then; 0: nothing */
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER, .decay_ms = DECAY_DEFAULT};

uint32_t
zk__pages_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return ((uint32_t)t.tv_sec * 1000u + (uint32_t)(t.tv_nsec / 1000000)) | 1;
}

/* ---- dirty bits ---------------------------------------------------------- */

/* The part of a word's 64 pages that lies in [first, end). It is not empty. */
static uint64_t
mask_of(size_t word, size_t first, size_t end)
{
    size_t lo = zk_max_size(first, word * 64) - word * 64;
    size_t hi = zk_min_size(end, word * 64 + 64) - word * 64;

    return UINT64_MAX >> ((64 - hi) & 63) & UINT64_MAX << (lo & 63);
}

static size_t
dirty_count(size_t first, size_t n)
{
    size_t sum = 0;

    for (size_t w = first / 64; w * 64 < first + n; w++)
        sum += (size_t)__builtin_popcountll(zk_load_relaxed(&heap.dirty[w]) &
                                            mask_of(w, first, first + n));
    return sum;
}

/* Words are shared with neighbours, who change theirs without our lock. */
static void
dirty_set(size_t first, size_t n, bool on)
{
    for (size_t w = first / 64; w * 64 < first + n; w++) {
        uint64_t mask = mask_of(w, first, first + n);

        if (on)
            zk_or_relaxed(&heap.dirty[w], mask);
        else
            zk_and_relaxed(&heap.dirty[w], ~mask);
    }
}

static bool
is_dirty(size_t page)
{
    return (zk_load_relaxed(&heap.dirty[page / 64]) >> page % 64 & 1) != 0;
}

/* Has pages that were taken read as zero, and notes that they will not. */
static void
clear(size_t first, size_t n)
{
    for (size_t i = first; i < first + n;) {
        size_t end = i + 1;

        if (is_dirty(i)) {
            while (end < first + n && is_dirty(end))
                end++;
            zk__unpoison(zk_page_address(i), (end - i) << ZK_HEAP_PAGE_SHIFT);
            memset(zk_page_address(i), 0, (end - i) << ZK_HEAP_PAGE_SHIFT);
        }
        i = end;
    }
}

/* ---- reserving and committing --------------------------------------------- */

/* Each table begins on a page of its own. */
static size_t
table_bytes(size_t entries, size_t each)
{
    return zk_round_up(entries * each, ZK_HEAP_PAGE);
}

static size_t
tables_bytes(size_t pages)
{
    return table_bytes(pages, sizeof *zk__pages.words) +
           table_bytes(pages, sizeof *zk__pages.records) +
           table_bytes(pages, sizeof *heap.extents) +
           table_bytes(pages, ZK_BLOCK_WORDS * sizeof *zk__pages.blocks) +
           table_bytes(pages, ZK_FINE_WORDS * sizeof *zk__pages.fine) +
           table_bytes(pages / 64, sizeof *heap.dirty);
}

static void
lay_out(char *base, size_t pages)
{
    char *at = base + (pages << ZK_HEAP_PAGE_SHIFT);

    zk__pages.words = (_Atomic uint32_t *)(void *)at;
    at += table_bytes(pages, sizeof *zk__pages.words);
    zk__pages.records = (struct zk_span *)(void *)at;
    at += table_bytes(pages, sizeof *zk__pages.records);
    heap.extents = (struct zk_extent *)(void *)at;
    at += table_bytes(pages, sizeof *heap.extents);
    zk__pages.blocks = (_Atomic uint64_t *)(void *)at;
    at += table_bytes(pages, ZK_BLOCK_WORDS * sizeof *zk__pages.blocks);
    zk__pages.fine = (_Atomic uint64_t *)(void *)at;
    at += table_bytes(pages, ZK_FINE_WORDS * sizeof *zk__pages.fine);
    heap.dirty = (_Atomic uint64_t *)(void *)at;
    heap.limit = pages;
    zk_store_relaxed(&zk__pages.base, (uintptr_t)base);
    zk__root_region(base, pages << ZK_HEAP_PAGE_SHIFT);
}

static void
reserve(void)
{
    size_t left = zk__os_address_space_left() / 2;

    for (size_t pages = PAGES_MOST; pages >= PAGES_LEAST; pages /= 2) {
        size_t bytes = (pages << ZK_HEAP_PAGE_SHIFT) + tables_bytes(pages);
        size_t align = zk_min_size(BASE_ALIGN, pages << ZK_HEAP_PAGE_SHIFT);
        char *base;

        if (bytes > left)
            continue;
        base = zk__os_reserve(bytes, align);
        if (base != NULL) {
            lay_out(base, pages);
            return;
        }
    }
}

bool
zk__pages_open(void)
{
    pthread_mutex_lock(&heap.lock);
    if (zk_load_relaxed(&zk__pages.base) == 0)
        reserve();
    pthread_mutex_unlock(&heap.lock);
    return zk_load_relaxed(&zk__pages.base) != 0;
}

/* The entries [from, to) of a table. Pages committed before do no harm. */
static bool
commit_entries(void *table, size_t from, size_t to, size_t each)
{
    size_t page = zk__os_page();
    size_t begin = zk_round_down(from * each, page);

    return zk__os_commit((char *)table + begin,
                         zk_round_up(to * each, page) - begin);
}

static void
set_quick(void)
{
    zk_store_relaxed(&zk__pages.quick,
                     heap.detours == 0 ? zk_load_relaxed(&zk__pages.committed)
                                       : 0);
}

void
zk__pages_detour(int by)
{
    pthread_mutex_lock(&heap.lock);
    heap.detours += by;
    set_quick();
    pthread_mutex_unlock(&heap.lock);
}

/* Makes pages up to `to` and their tables accessible. */
static bool
commit(size_t to)
{
    size_t from = zk_load_relaxed(&zk__pages.committed);

    if (to <= from)
        return true;
    if (!commit_entries(zk__pages.words, from, to, sizeof *zk__pages.words) ||
        !commit_entries(zk__pages.records, from, to,
                        sizeof *zk__pages.records) ||
        !commit_entries(heap.extents, from, to, sizeof *heap.extents) ||
        !commit_entries(zk__pages.blocks, from, to,
                        ZK_BLOCK_WORDS * sizeof *zk__pages.blocks) ||
        !commit_entries(zk__pages.fine, from, to,
                        ZK_FINE_WORDS * sizeof *zk__pages.fine) ||
        !commit_entries(heap.dirty, from / 64, (to + 63) / 64,
                        sizeof *heap.dirty) ||
        !commit_entries(zk_page_address(0), from, to, ZK_HEAP_PAGE))
        return false;
    for (size_t i = from; i < to; i++)
        zk_store_relaxed(&zk__pages.words[i], (uint32_t)ZK_RUN_NONE);
    zk_store_relaxed(&zk__pages.committed, to);
    set_quick();
    return true;
}

/* Moves the top up by n pages. */
static bool
raise_top(size_t n)
{
    size_t to = heap.top + n;

    if (n > heap.limit - heap.top)
        return false;
    if (!commit(zk_min_size(zk_round_up(to, COMMIT_PAGES), heap.limit)) &&
        !commit(to))
        return false;
    heap.top = to;
    return true;
}

/* ---- free runs, under the lock -------------------------------------------- */

static unsigned
kind_at(size_t page)
{
    return zk_run_kind(zk_load_relaxed(&zk__pages.words[page]));
}

static size_t
run_pages(size_t first)
{
    return heap.extents[first].granules >> GRANULES_SHIFT;
}

static void
run_insert(size_t first, size_t n, uint32_t since_ms)
{
    struct zk_span *r = zk_span_at(first);

    heap.extents[first].granules = (uint32_t)(n << GRANULES_SHIFT);
    heap.extents[first + n - 1].ends = (uint32_t)first;
    r->since_ms = since_ms;
    r->unclean = dirty_count(first, n) != 0;
    zk__fit_insert(&heap.fit, heap.extents, (uint32_t)first);
}

static void
run_remove(size_t first)
{
    zk__fit_remove(&heap.fit, heap.extents, (uint32_t)first);
}

/* Something is to be released at `when`, or sooner. */
static void
set_due(uint32_t when)
{
    uint32_t due = zk_load_relaxed(&heap.due_ms);

    if (due == 0 || (int32_t)(when - due) < 0)
        zk_store_relaxed(&heap.due_ms, when | 1);
}

/* Joins a run, whose words say "free", with its neighbours. */
static void
join(size_t first, size_t n, uint32_t since_ms)
{
    size_t own = n;
    uint32_t older = since_ms;

    if (first > 0 && kind_at(first - 1) == ZK_RUN_FREE) {
        size_t begin = heap.extents[first - 1].ends;

        run_remove(begin);
        older = zk_span_at(begin)->since_ms;
        n += first - begin;
        first = begin;
    }
    if (first + n < heap.top && kind_at(first + n) == ZK_RUN_FREE) {
        size_t more = run_pages(first + n);

        run_remove(first + n);
        if (more > n / 2)
            older = zk_span_at(first + n)->since_ms;
        n += more;
    }
    /* A small piece does not make a large run young again. */
    run_insert(first, n, own < n / 8 ? older : since_ms);
}

/* Takes the first n pages of a run that is not in any list. */
static void
split(size_t first, size_t has, size_t n)
{
    if (has > n)
        run_insert(first + n, has - n, zk_span_at(first)->since_ms);
}

/* n pages of the lists, or of the top. ZK_PAGE_NONE: neither has them. */
static uint32_t
find(size_t n)
{
    uint32_t first =
        zk__fit_take(&heap.fit, heap.extents, (uint32_t)(n << GRANULES_SHIFT));
    size_t has = 0;

    if (first != ZK_FIT_NONE) {
        split(first, run_pages(first), n);
        return first;
    }
    first = (uint32_t)heap.top;
    if (first > 0 && kind_at(first - 1) == ZK_RUN_FREE) {
        first = heap.extents[first - 1].ends; /* it grows upward */
        has = heap.top - first;
    }
    if (has < n && !raise_top(n - has))
        return ZK_PAGE_NONE;
    if (has != 0) {
        run_remove(first);
        split(first, has, n);
    }
    return first;
}

static void
name(size_t first, size_t n, unsigned kind)
{
    for (size_t i = 0; i < n; i++)
        zk_store_relaxed(&zk__pages.words[first + i],
                         (uint32_t)(kind | i << 8));
}

/* What was found is somebody's from now on. */
static void
account(size_t first, size_t n, bool zeroed)
{
    name(first, n, ZK_RUN_BUSY);
    heap.taken += n;
    heap.retained -= dirty_count(first, n);
    if (!zeroed)
        dirty_set(first, n, true);
}

/* ---- taking and giving ----------------------------------------------------- */

static void
release_if_due(void)
{
    uint32_t due = zk_load_relaxed(&heap.due_ms);
    unsigned next;

    if (ZK_LIKELY(due == 0 || (int32_t)(zk__pages_now() - due) < 0))
        return;
    (void)zk__pages_release(RELEASE_BYTES, zk__pages_decay(), &next);
}

/* What was found for an alignment's sake and is not needed. */
static void
give_slack(size_t first, size_t end)
{
    if (first == end)
        return;
    name(first, end - first, ZK_RUN_FREE);
    join(first, end - first, zk__pages_now());
}

uint32_t
zk__pages_take(size_t n, size_t align, bool zeroed)
{
    uint32_t first;

    if (n > heap.limit || align > heap.limit || n + align > heap.limit)
        return ZK_PAGE_NONE;
    release_if_due();
    pthread_mutex_lock(&heap.lock);
    first = find(n + align - 1);
    if (first != ZK_PAGE_NONE) {
        size_t at = zk_round_up(first, align);

        account(at, n, zeroed);
        give_slack(first, at);
        give_slack(at + n, first + n + align - 1);
        first = (uint32_t)at;
    }
    pthread_mutex_unlock(&heap.lock);
    if (zeroed && first != ZK_PAGE_NONE) {
        clear(first, n);
        dirty_set(first, n, true);
    }
    return first;
}

bool
zk__pages_take_at(uint32_t end, size_t n, bool zeroed)
{
    bool taken = false;

    pthread_mutex_lock(&heap.lock);
    if (end < heap.top && kind_at(end) == ZK_RUN_FREE) {
        size_t has = run_pages(end);

        taken = has >= n || (end + has == heap.top && raise_top(n - has));
        if (taken) {
            run_remove(end);
            split(end, has, n);
        }
    } else if (end == heap.top) {
        taken = raise_top(n);
    }
    if (taken)
        account(end, n, zeroed);
    pthread_mutex_unlock(&heap.lock);
    if (taken && zeroed) {
        clear(end, n);
        dirty_set(end, n, true);
    }
    return taken;
}

void
zk__pages_name(uint32_t first, size_t n, unsigned kind)
{
    name(first, n, kind);
}

bool
zk__pages_are(uint32_t first, size_t n, unsigned kind)
{
    size_t end = first + n, committed = zk_load_relaxed(&zk__pages.committed);

    return n <= committed && end <= committed &&
           zk_load_relaxed(&zk__pages.words[end - 1]) ==
               (uint32_t)(kind | (n - 1) << 8) &&
           (end == committed || zk_load_relaxed(&zk__pages.words[end]) !=
                                    (uint32_t)(kind | n << 8));
}

void
zk__pages_give_old(uint32_t first, size_t n, uint32_t since_ms)
{
    pthread_mutex_lock(&heap.lock);
    ZK_ASSERT(heap.taken >= n && first + n <= heap.top);
    name(first, n, ZK_RUN_FREE);
    heap.taken -= n;
    heap.retained += dirty_count(first, n);
    join(first, n, since_ms);
    set_due(since_ms + zk__pages_decay());
    pthread_mutex_unlock(&heap.lock);
}

void
zk__pages_give(uint32_t first, size_t n)
{
    zk__pages_give_old(first, n, zk__pages_now());
    release_if_due();
}

bool
zk__pages_move(uint32_t from, uint32_t to, size_t n)
{
    if (!zk__os_move(zk_page_address(from), zk_page_address(to),
                     n << ZK_HEAP_PAGE_SHIFT))
        return false;
    dirty_set(from, n, false);
    pthread_mutex_lock(&heap.lock);
    heap.moves++;
    pthread_mutex_unlock(&heap.lock);
    return true;
}

/* ---- giving memory back ------------------------------------------------------ */

/*
 * A free run that may be in memory and became free at least decay_ms ago, or
 * ZK_PAGE_NONE. *wait is after how long the next one will have, if sooner.
 */
static uint32_t
find_old(uint32_t now, unsigned decay_ms, unsigned *wait)
{
    for (unsigned power = 0; power < ZK_FIT_POWERS; power++)
        for (unsigned sub = 0; sub < ZK_FIT_CLASSES; sub++) {
            uint32_t at = ZK_FIT_NONE;

            if ((heap.fit.powers >> power & 1) != 0 &&
                (heap.fit.classes[power] >> sub & 1) != 0)
                at = heap.fit.head[power][sub];
            for (; at != ZK_FIT_NONE; at = heap.extents[at].next) {
                const struct zk_span *r = zk_span_at(at);
                uint32_t age = now - r->since_ms;

                if (!r->unclean)
                    continue;
                if (age >= decay_ms)
                    return at;
                if (*wait == 0 || decay_ms - age < *wait)
                    *wait = decay_ms - age;
            }
        }
    return ZK_PAGE_NONE;
}

/*
 * Releases up to so many pages of a run, whole stretches from its end down. The
 * run is in no list meanwhile, so the lock is not needed. Returns how many.
 */
static size_t
release_run(size_t first, size_t n, size_t most)
{
    size_t end = first + n, sum = 0;

    while (end > first && sum < most) {
        size_t begin;

        if (!is_dirty(end - 1)) {
            end--;
            continue;
        }
        for (begin = end; begin > first && sum < most && is_dirty(begin - 1);
             begin--)
            sum++;
        if (!zk__os_discard(zk_page_address(begin), (end - begin)
                                                        << ZK_HEAP_PAGE_SHIFT))
            return sum - (end - begin);
        dirty_set(begin, end - begin, false);
        end = begin;
    }
    return sum;
}

/* Only its ends are looked at by neighbours (join, find, take_at). */
static void
name_ends(size_t first, size_t n, unsigned kind)
{
    zk_store_relaxed(&zk__pages.words[first], (uint32_t)kind);
    zk_store_relaxed(&zk__pages.words[first + n - 1],
                     (uint32_t)(kind | (n - 1) << 8));
}

size_t
zk__pages_release(size_t bytes, unsigned decay_ms, unsigned *next_ms)
{
    size_t most = bytes >> ZK_HEAP_PAGE_SHIFT, sum = 0;
    uint32_t now = zk__pages_now(), first;

    *next_ms = 0;
    if (zk_load_relaxed(&zk__pages.base) == 0)
        return 0;
    pthread_mutex_lock(&heap.lock);
    zk_store_relaxed(&heap.due_ms, 0u);
    while (sum < most &&
           (first = find_old(now, decay_ms, next_ms)) != ZK_PAGE_NONE) {
        size_t n = run_pages(first), some;
        uint32_t since = zk_span_at(first)->since_ms;

        run_remove(first);
        name_ends(first, n, ZK_RUN_BUSY);
        pthread_mutex_unlock(&heap.lock);
        some = release_run(first, n, most - sum);
        pthread_mutex_lock(&heap.lock);
        name_ends(first, n, ZK_RUN_FREE);
        join(first, n, since);
        heap.retained -= some;
        heap.released += (uint64_t)some << ZK_HEAP_PAGE_SHIFT;
        sum += some;
        if (some == 0) /* refused: what is locked stays */
            break;
    }
    if (sum >= most)
        *next_ms = 1;
    if (*next_ms != 0)
        set_due(now + *next_ms);
    pthread_mutex_unlock(&heap.lock);
    return sum << ZK_HEAP_PAGE_SHIFT;
}

void
zk__pages_set_decay(unsigned ms)
{
    zk_store_relaxed(&heap.decay_ms, ms);
}

unsigned
zk__pages_decay(void)
{
    return zk_load_relaxed(&heap.decay_ms);
}

/* ---- for everybody's information ---------------------------------------------- */

struct zk_pages_use
zk__pages_use(void)
{
    struct zk_pages_use u;

    pthread_mutex_lock(&heap.lock);
    u = (struct zk_pages_use){
        .reserved = heap.limit << ZK_HEAP_PAGE_SHIFT,
        .mapped = zk_load_relaxed(&zk__pages.committed) << ZK_HEAP_PAGE_SHIFT,
        .taken = heap.taken << ZK_HEAP_PAGE_SHIFT,
        .retained = heap.retained << ZK_HEAP_PAGE_SHIFT,
        .released = heap.released,
        .moves = heap.moves,
    };
    pthread_mutex_unlock(&heap.lock);
    return u;
}

void
zk__pages_lock(void)
{
    pthread_mutex_lock(&heap.lock);
}

void
zk__pages_unlock(void)
{
    pthread_mutex_unlock(&heap.lock);
}
