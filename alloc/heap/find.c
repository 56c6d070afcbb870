/*
 * find.c - from an address to a block, and from a request to a class.
 *
 * Owns:   nothing.
 * Never:  looks into a cache: a block that lies in one looks like a live one.
 */
#include "alloc/heap/find.h"

#include "private/bits.h"

static struct zk_found
none(enum zk_misuse why)
{
    return (struct zk_found){.why = why};
}

static struct zk_found
find_large(const struct zk_heap *h, struct zk_span *s, size_t offset)
{
    if (s->heap != h)
        return none(s->heap->owned ? ZK_MISUSE_OWNED : ZK_MISUSE_FOREIGN);
    if (offset != 0)
        return none(ZK_MISUSE_INTERIOR);
    /* The words of the pages say how long it is, too. */
    if (s->pages == 0 || s->class != ZK_CLASSES ||
        !zk__pages_are(zk_span_first(s), s->pages, ZK_RUN_LARGE))
        return none(ZK_MISUSE_RECORD);
    return (struct zk_found){s, ZK_MISUSE_FOREIGN,
                             (size_t)s->pages << ZK_HEAP_PAGE_SHIFT,
                             ZK_CLASSES};
}

static struct zk_found
find_block(const struct zk_heap *h, struct zk_span *s, size_t offset)
{
    if (s->heap != h)
        return none(s->heap->owned ? ZK_MISUSE_OWNED : ZK_MISUSE_FOREIGN);
    if (!zk_class_starts(s->class, offset))
        return none(ZK_MISUSE_INTERIOR);
    if (zk__span_has(s, zk_class_index(s->class, offset)))
        return none(ZK_MISUSE_TWICE);
    return (struct zk_found){s, ZK_MISUSE_FOREIGN, zk__class[s->class].size,
                             s->class};
}

struct zk_found
zk__heap_find(const struct zk_heap *h, const void *p)
{
    size_t page = zk_page_of(p), first, offset;
    uint32_t word;

    if (!zk_page_ours(page))
        return none(ZK_MISUSE_FOREIGN);
    word = zk_load_relaxed(&zk__pages.words[page]);
    first = page - zk_run_back(word);
    offset = (size_t)((const char *)p - zk_page_address(first));
    switch (zk_run_kind(word)) {
    case ZK_RUN_ASIDE:
    case ZK_RUN_FREE: return none(ZK_MISUSE_TWICE);
    case ZK_RUN_NONE:
    case ZK_RUN_BUSY: return none(ZK_MISUSE_FOREIGN);
    case ZK_RUN_LARGE: return find_large(h, zk_span_at(first), offset);
    default: return find_block(h, zk_span_at(first), offset);
    }
}

unsigned
zk__heap_class(size_t n, size_t align)
{
    size_t rounded = zk_round_up(n, align);
    unsigned class;

    if (rounded > ZK_CLASS_MAX || align > ZK_HEAP_PAGE)
        return ZK_CLASSES;
    class = zk_class_of(rounded);
    while (zk__class[class].size % align != 0)
        class ++; /* a power of two comes */
    return class;
}
