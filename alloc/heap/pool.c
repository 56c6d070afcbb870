/*
 * pool.c - batches out of spans, and back into them.
 *
 * Owns:   the lists of spans.
 * Never:  touches a block.
 */
#include "alloc/heap/pool.h"

#include "alloc/heap/debug.h"
#include "alloc/heap/report.h"
#include "alloc/os.h"
#include "private/check.h"
#include "private/poison.h"

void
zk__heap_init(struct zk_heap *h, bool owned, size_t limit)
{
    for (unsigned i = 0; i < ZK_CLASSES; i++)
        h->pools[i].list = ZK_PAGE_NONE;
    for (unsigned i = 0; i < ZK_POOL_LOCKS; i++)
        pthread_mutex_init(&h->locks[i].lock, NULL);
    pthread_mutex_init(&h->runs_lock, NULL);
    h->runs = ZK_PAGE_NONE;
    h->owned = owned;
#ifdef ZK_HARDENED
    h->secret = zk__os_secret();
#endif
    h->limit = limit;
}

bool
zk__heap_charge(struct zk_heap *h, size_t bytes)
{
    size_t before = zk_add_relaxed(&h->bytes, bytes);

    if (before <= h->limit && bytes <= h->limit - before)
        return true;
    zk__heap_discharge(h, bytes);
    return false;
}

void
zk__heap_discharge(struct zk_heap *h, size_t bytes)
{
    (void)zk_add_relaxed(&h->bytes, (size_t)0 - bytes);
}

/* ---- lists ------------------------------------------------------------------ */

static _Noreturn void
overwritten(uint32_t first)
{
    zk__misuse(ZK_MISUSE_RECORD, "the heap's own records",
               zk_page_address(first));
}

/* The record that the one of `first` names, which may have been overwritten. */
static struct zk_span *
named_by(uint32_t first, uint32_t name)
{
    if (ZK_UNLIKELY(!zk_page_ours(name)))
        overwritten(first);
    return zk_span_at(name);
}

void
zk__heap_link(struct zk_heap *h, struct zk_span *s)
{
    uint32_t first = zk_span_first(s);

    if (!h->owned)
        return;
    pthread_mutex_lock(&h->runs_lock);
    s->below = ZK_PAGE_NONE;
    s->above = h->runs;
    if (h->runs != ZK_PAGE_NONE)
        zk_span_at(h->runs)->below = first;
    h->runs = first;
    pthread_mutex_unlock(&h->runs_lock);
}

void
zk__heap_unlink(struct zk_heap *h, struct zk_span *s)
{
    uint32_t first = zk_span_first(s), *below, *above;

    if (!h->owned)
        return;
    pthread_mutex_lock(&h->runs_lock);
    below =
        s->below != ZK_PAGE_NONE ? &named_by(first, s->below)->above : &h->runs;
    above = s->above != ZK_PAGE_NONE ? &named_by(first, s->above)->below : NULL;
    if (ZK_UNLIKELY(*below != first || (above != NULL && *above != first)))
        overwritten(first); /* L3 */
    *below = s->above;
    if (above != NULL)
        *above = s->below;
    pthread_mutex_unlock(&h->runs_lock);
}

static void
list_add(struct zk_pool *p, struct zk_span *s)
{
    uint32_t first = zk_span_first(s);

    s->prev = ZK_PAGE_NONE;
    s->next = p->list;
    if (p->list != ZK_PAGE_NONE)
        zk_span_at(p->list)->prev = first;
    p->list = first;
    s->listed = true;
}

static void
list_remove(struct zk_pool *p, struct zk_span *s)
{
    uint32_t first = zk_span_first(s), *before, *after;

    before =
        s->prev != ZK_PAGE_NONE ? &named_by(first, s->prev)->next : &p->list;
    after = s->next != ZK_PAGE_NONE ? &named_by(first, s->next)->prev : NULL;
    if (ZK_UNLIKELY(*before != first || (after != NULL && *after != first)))
        overwritten(first); /* L3 */
    *before = s->next;
    if (after != NULL)
        *after = s->prev;
    s->listed = false;
}

/* The first span of a list that is not empty. */
static struct zk_span *
list_first(const struct zk_heap *h, unsigned class)
{
    uint32_t first = h->pools[class].list;
    struct zk_span *s = named_by(first, first);

    if (ZK_UNLIKELY(s->heap != h || s->class != class || !s->listed))
        overwritten(first);
    return s;
}

/* ---- spans -------------------------------------------------------------------- */

static struct zk_span *
span_new(struct zk_heap *h, unsigned class, uint32_t home)
{
    size_t pages = zk__class[class].pages, bytes = pages << ZK_HEAP_PAGE_SHIFT;
    struct zk_span *s;
    uint32_t first;

    if (!zk__heap_charge(h, bytes))
        return NULL;
    first = zk__pages_take(pages, 1, false);
    if (first == ZK_PAGE_NONE) {
        zk__heap_discharge(h, bytes);
        return NULL;
    }
    s = zk_span_at(first);
    s->heap = h;
    s->home = home;
    s->pages = (uint32_t)pages;
    zk__span_cut(s, class);
    zk__pages_name(first, pages, h->owned ? ZK_RUN_OWNED : class);
    if (zk_debug())
        zk__debug_fill(zk_span_base(s), bytes);
    zk__poison(zk_span_base(s), bytes);
    zk__heap_link(h, s);
    h->pools[class].spans++;
    h->pools[class].whole++;
    list_add(&h->pools[class], s);
    return s;
}

static void
span_end(struct zk_heap *h, unsigned class, struct zk_span *s)
{
    size_t pages = zk__class[class].pages;

    if (ZK_UNLIKELY(s->heap != h || s->class != class || s->pages != pages ||
                    !zk__span_whole(s)))
        overwritten(zk_span_first(s));
    h->pools[class].spans--;
    zk__heap_unlink(h, s);
    zk__pages_give(zk_span_first(s), pages);
    zk__heap_discharge(h, pages << ZK_HEAP_PAGE_SHIFT);
}

/* A span has got back the last block it missed. One such stays (L2). */
static void
span_is_whole(struct zk_heap *h, unsigned class, struct zk_span *s)
{
    struct zk_pool *p = &h->pools[class];

    if (p->whole != 0) {
        list_remove(p, s);
        span_end(h, class, s);
        return;
    }
    p->whole = 1;
}

/* ---- batches -------------------------------------------------------------------- */

unsigned
zk__pool_take(struct zk_heap *h, unsigned class, uint32_t home, void **out,
              unsigned n)
{
    struct zk_pool *p = &h->pools[class];
    unsigned taken = 0;

    pthread_mutex_lock(zk_pool_lock(h, class));
    while (taken < n) {
        struct zk_span *s;

        if (p->list == ZK_PAGE_NONE &&
            (taken != 0 || !span_new(h, class, home)))
            break;
        s = list_first(h, class);
        p->whole -= s->free == zk__class[class].count;
        taken += zk__span_take(s, out + taken, n - taken);
        if (s->free == 0)
            list_remove(p, s);
    }
    if (taken != 0) {
        zk_bump_relaxed(&p->taken, (uint64_t)taken);
        zk_bump_relaxed(&p->refills, (uint64_t)1);
    }
    pthread_mutex_unlock(zk_pool_lock(h, class));
    return taken;
}

/* Blocks on their way back that share a word of a span's bits. */
struct group {
    struct zk_span *span;
    char *base;
    size_t bytes; /* of the span; 0: there is none */
    uint32_t word, count;
    uint64_t bits;
};

static void
find_span(const struct zk_heap *h, unsigned class, const void *block,
          struct group *g)
{
    size_t page = zk_page_of(block);
    size_t first = page - zk_run_back(zk_load_relaxed(&zk__pages.words[page]));

    g->span = zk_span_at(first);
    g->base = zk_page_address(first);
    g->bytes = (size_t)zk__class[class].pages << ZK_HEAP_PAGE_SHIFT;
    ZK_ASSERT(g->span->heap == h && g->span->class == class);
    (void)h;
}

/* A block comes that is in the pool already, or in the group. */
static _Noreturn void
twice(const struct group *g, unsigned class, uint64_t bits)
{
    size_t index = (size_t)g->word * 64 + (size_t)__builtin_ctzll(bits);

    zk__misuse(ZK_MISUSE_TWICE, "an earlier free",
               g->base + index * zk__class[class].size);
}

static void
put(struct zk_heap *h, unsigned class, uint32_t home, struct group *g)
{
    struct zk_pool *p = &h->pools[class];
    struct zk_span *s = g->span;
    uint64_t there = zk__span_put(s, g->word, g->bits, g->count);

    if (ZK_UNLIKELY(there != 0))
        twice(g, class, there);
    if (s->home != home)
        zk_bump_relaxed(&p->remote, (uint64_t)g->count);
    if (!s->listed)
        list_add(p, s);
    g->bits = 0;
    g->count = 0;
    if (s->free == zk__class[class].count) {
        g->bytes = 0;
        span_is_whole(h, class, s);
    }
}

void
zk__pool_give(struct zk_heap *h, unsigned class, uint32_t home, void *const *in,
              unsigned n)
{
    struct group g = {.bytes = 0};
    struct zk_pool *p;

    if (n == 0)
        return; /* there may be no heap either */
    p = &h->pools[class];
    pthread_mutex_lock(zk_pool_lock(h, class));
    for (unsigned i = 0; i < n; i++) {
        size_t offset = (size_t)((char *)in[i] - g.base);
        uint32_t index = zk_class_index(class, offset);

        if (offset >= g.bytes || index / 64 != g.word) {
            if (g.count != 0)
                put(h, class, home, &g);
            if (offset >= g.bytes) {
                find_span(h, class, in[i], &g);
                offset = (size_t)((char *)in[i] - g.base);
                index = zk_class_index(class, offset);
            }
            g.word = index / 64;
        }
        if (ZK_UNLIKELY((g.bits >> index % 64 & 1) != 0))
            twice(&g, class, UINT64_C(1) << index % 64);
        g.bits |= UINT64_C(1) << index % 64;
        g.count++;
    }
    put(h, class, home, &g);
    zk_bump_relaxed(&p->given, (uint64_t)n);
    zk_bump_relaxed(&p->drains, (uint64_t)1);
    pthread_mutex_unlock(zk_pool_lock(h, class));
}

void
zk__heap_trim(struct zk_heap *h)
{
    for (unsigned class = 0; class < ZK_CLASSES; class ++) {
        struct zk_pool *p = &h->pools[class];
        uint32_t at, next;

        pthread_mutex_lock(zk_pool_lock(h, class));
        for (at = p->list; at != ZK_PAGE_NONE && p->whole != 0; at = next) {
            struct zk_span *s = zk_span_at(at);

            next = s->next;
            if (s->free == zk__class[class].count) {
                list_remove(p, s);
                span_end(h, class, s);
                p->whole--;
            }
        }
        pthread_mutex_unlock(zk_pool_lock(h, class));
    }
}

/* ---- fork -------------------------------------------------------------------------- */

static unsigned
lock_count(const struct zk_heap *h)
{
    return h->owned ? 1 : ZK_POOL_LOCKS;
}

void
zk__heap_lock_all(struct zk_heap *h)
{
    for (unsigned i = 0; i < lock_count(h); i++)
        pthread_mutex_lock(&h->locks[i].lock);
    pthread_mutex_lock(&h->runs_lock);
}

void
zk__heap_unlock_all(struct zk_heap *h)
{
    pthread_mutex_unlock(&h->runs_lock);
    for (unsigned i = 0; i < lock_count(h); i++)
        pthread_mutex_unlock(&h->locks[i].lock);
}
