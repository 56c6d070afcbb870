/*
 * cache.c - caches, and what goes between them and the pools.
 *
 * Owns:   the memory of caches, the list of those in use, and the idle ones.
 * Never:  gives the memory of a cache back: the next thread gets it.
 */
#include "alloc/heap/cache.h"

#include <string.h>

#include "alloc/heap/large.h"
#include "alloc/heap/report.h"
#include "alloc/os.h"
#include "private/bits.h"

struct zk_cache zk__cache_none;

static struct {
    pthread_mutex_t lock;
    struct zk_cache *used, *idle;
    _Atomic uint32_t
        due_ms; /* a block was kept for long then; 0: none is kept */
} caches = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Of a cache with its bins: each has an entry more, for C2. */
static size_t
cache_bytes(void)
{
    size_t entries = 0;

    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++)
        entries += (size_t)zk__class[i].limit + 1;
    return zk_round_up(sizeof(struct zk_cache) + entries * sizeof(void *),
                       zk__os_page());
}

static struct zk_cache *
make(void)
{
    struct zk_cache *c = zk__os_map(cache_bytes());
    void **entries;

    if (c == NULL)
        return NULL;
    entries = (void **)(c + 1);
    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++) {
        struct zk_bin *b = &c->bins[i];

        b->floor = entries + 1;
        b->ceil = b->floor + zk__class[i].limit;
        zk_store_relaxed(&b->top, b->floor);
        entries = b->ceil;
    }
    return c;
}

/* ---- entries, which may be more than addresses -------------------------------- */

#ifdef ZK_HARDENED

/* Makes entries of n addresses that stand in their places. */
static void
encode(const struct zk_cache *c, void **at, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        at[i] = zk_entry_of(c, at + i, at[i]);
}

/* The other way round. */
static void
decode(const struct zk_cache *c, unsigned class, void **at, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        at[i] = zk_entry_block(c, at + i);
        zk__cache_check(c, class, at[i]);
    }
}

/* C2, of a cache whose secret is new. */
static void
encode_floors(struct zk_cache *c)
{
    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++)
        c->bins[i].floor[-1] = zk_entry_of(c, c->bins[i].floor - 1, NULL);
}

void
zk__cache_check(const struct zk_cache *c, unsigned class, const void *p)
{
    size_t page = zk_page_of(p), first;
    uint32_t word;

    if (ZK_LIKELY(zk_page_ours(page))) {
        word = zk_load_relaxed(&zk__pages.words[page]);
        first = page - zk_run_back(word);
        if (zk_run_kind(word) == (c->heap->owned ? ZK_RUN_OWNED : class) &&
            zk_span_at(first)->heap == c->heap &&
            zk_span_at(first)->class == class &&
            zk_class_starts(class,
                            (size_t)((const char *)p - zk_page_address(first))))
            return;
    }
    zk__misuse(ZK_MISUSE_ENTRY, "a thread's cache", p);
}

#else
#    define encode(c, at, n)        ((void)0)
#    define decode(c, class, at, n) ((void)0)
#    define encode_floors(c)        ((void)0)
#endif

/* Under the lock, since others count the caches of a heap. The cache is empty. */
static void
bind(struct zk_cache *c, struct zk_heap *h)
{
    c->heap = h;
    c->secret = h->secret;
    encode_floors(c);
    c->home = zk_add_relaxed(&h->homes, 1u) + 1;
}

void
zk__cache_bind(struct zk_cache *c, struct zk_heap *h)
{
    pthread_mutex_lock(&caches.lock);
    bind(c, h);
    pthread_mutex_unlock(&caches.lock);
}

struct zk_cache *
zk__cache_open(struct zk_heap *h)
{
    struct zk_cache *c;

    pthread_mutex_lock(&caches.lock);
    c = caches.idle;
    if (c != NULL)
        caches.idle = c->next;
    pthread_mutex_unlock(&caches.lock);
    if (c == NULL)
        c = make();
    if (c == NULL)
        return NULL;
    c->error = (zk_heap_error_t){.size = sizeof c->error};

    pthread_mutex_lock(&caches.lock);
    bind(c, h);
    c->prev = NULL;
    c->next = caches.used;
    if (c->next != NULL)
        c->next->prev = c;
    caches.used = c;
    pthread_mutex_unlock(&caches.lock);
    return c;
}

/* ---- large blocks --------------------------------------------------------------- */

/* Somebody is to look at `when`, unless somebody will sooner. */
static void
set_due(uint32_t when)
{
    uint32_t none = 0;

    if (zk_load_relaxed(&caches.due_ms) == 0)
        (void)zk_cas_relaxed(&caches.due_ms, &none, when | 1);
}

void
zk__cache_keep(struct zk_cache *c, struct zk_span *s)
{
    uint32_t now = zk__pages_now();
    struct zk_span *before = s;

    if (zk__aside_put(&c->aside, s, now, &before))
        set_due(now + zk__pages_decay());
    if (before != NULL)
        zk__large_free(before);
}

static void
free_aside(struct zk_cache *c, unsigned decay_ms, unsigned *wait)
{
    uint32_t since_ms;
    struct zk_span *s = zk__aside_old(&c->aside, decay_ms, &since_ms, wait);

    if (s != NULL)
        zk__large_free_old(s, since_ms);
}

void
zk__cache_sweep(unsigned decay_ms, unsigned *next_ms)
{
    *next_ms = 0;
    if (zk_load_relaxed(&caches.due_ms) == 0)
        return;
    zk_store_relaxed(&caches.due_ms, 0u);
    pthread_mutex_lock(&caches.lock);
    for (struct zk_cache *c = caches.used; c != NULL; c = c->next)
        free_aside(c, decay_ms, next_ms);
    pthread_mutex_unlock(&caches.lock);
    if (*next_ms != 0)
        set_due(zk__pages_now() + *next_ms);
}

void
zk__cache_sweep_if_due(void)
{
    uint32_t due = zk_load_relaxed(&caches.due_ms);
    unsigned next;

    if (ZK_UNLIKELY(due != 0 && (int32_t)(zk__pages_now() - due) >= 0))
        zk__cache_sweep(zk__pages_decay(), &next);
}

/* ---- all of a cache --------------------------------------------------------------- */

void
zk__cache_flush(struct zk_cache *c)
{
    unsigned wait = 0;

    for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++) {
        struct zk_bin *b = &c->bins[i];
        unsigned n = zk_bin_count(b);

        zk_store_relaxed(&b->top, b->floor);
        decode(c, i, b->floor, n);
        zk__pool_give(c->heap, i, c->home, b->floor, n);
        zk__mark_forgotten(b->floor, n * sizeof *b->floor);
    }
    free_aside(c, 0, &wait);
}

void
zk__cache_unbind_all(const struct zk_heap *h)
{
    pthread_mutex_lock(&caches.lock);
    for (struct zk_cache *c = caches.used; c != NULL; c = c->next) {
        if (c->heap != h)
            continue;
        for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++)
            zk_store_relaxed(&c->bins[i].top, c->bins[i].floor);
        c->heap = NULL;
    }
    pthread_mutex_unlock(&caches.lock);
}

void
zk__cache_close(struct zk_cache *c)
{
    zk__cache_flush(c);
    pthread_mutex_lock(&caches.lock);
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        caches.used = c->next;
    c->next = caches.idle;
    caches.idle = c;
    pthread_mutex_unlock(&caches.lock);
}

void
zk__cache_drain(struct zk_cache *c, unsigned class)
{
    struct zk_bin *b = &c->bins[class];
    unsigned n = zk_bin_count(b), older = (n + 1) / 2;

    decode(c, class, b->floor, n);
    zk__pool_give(c->heap, class, c->home, b->floor, older);
    memmove(b->floor, b->floor + older, (n - older) * sizeof *b->floor);
    encode(c, b->floor, n - older);
    zk__mark_forgotten(b->floor + (n - older), older * sizeof *b->floor);
    zk_store_relaxed(&b->top, b->floor + (n - older));
}

bool
zk__cache_refill(struct zk_cache *c, unsigned class)
{
    struct zk_bin *b = &c->bins[class];
    unsigned n = zk__pool_take(c->heap, class, c->home, b->floor,
                               (zk__class[class].limit + 1u) / 2);

    encode(c, b->floor, n);
    zk_store_relaxed(&b->top, b->floor + n);
    return n != 0;
}

struct zk_cached
zk__cache_count(const struct zk_heap *h)
{
    struct zk_cached sum = {0};

    pthread_mutex_lock(&caches.lock);
    for (struct zk_cache *c = caches.used; c != NULL; c = c->next) {
        if (c->heap != h)
            continue;
        sum.caches++;
        for (unsigned i = 0; i < ZK_CACHED_CLASSES; i++) {
            size_t n = zk_bin_count(&c->bins[i]);

            sum.blocks += n;
            sum.bytes += n * zk__class[i].size;
            sum.blocks_of[i] += n;
        }
        sum.aside += zk_aside_bytes(&c->aside) != 0;
        sum.aside_bytes += zk_aside_bytes(&c->aside);
    }
    pthread_mutex_unlock(&caches.lock);
    return sum;
}

void
zk__cache_lock(void)
{
    pthread_mutex_lock(&caches.lock);
}

void
zk__cache_unlock(void)
{
    pthread_mutex_unlock(&caches.lock);
}
