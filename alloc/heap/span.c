/*
 * span.c - bits for the blocks of a span.
 *
 * Owns:   the words of zk__pages.blocks, or of zk__pages.fine, that belong to the
 *         span's pages.
 * Never:  takes a lock.
 */
#include "alloc/heap/span.h"

#include "alloc/heap/report.h"
#include "private/check.h"

static _Atomic uint64_t *
bits_of(const struct zk_span *s)
{
    size_t first = zk_span_first(s);

    return ZK_UNLIKELY(s->class < ZK_CLASSES_FINE)
               ? &zk__pages.fine[first * ZK_FINE_WORDS]
               : &zk__pages.blocks[first * ZK_BLOCK_WORDS];
}

void
zk__span_cut(struct zk_span *s, unsigned class)
{
    uint32_t count = zk__class[class].count, i = 0;
    _Atomic uint64_t *bits;

    s->class = (uint8_t) class;
    bits = bits_of(s);
    for (; (i + 1) * 64 <= count; i++)
        zk_store_relaxed(&bits[i], UINT64_MAX);
    if (count % 64 != 0)
        zk_store_relaxed(&bits[i], (UINT64_C(1) << count % 64) - 1);
    s->free = count;
    s->hint = 0;
}

unsigned
zk__span_take(struct zk_span *s, void **out, unsigned n)
{
    _Atomic uint64_t *bits = bits_of(s);
    size_t size = zk__class[s->class].size;
    char *base = zk_span_base(s);
    unsigned left = n < s->free ? n : s->free, taken = left;
    uint32_t word = s->hint, last = (zk__class[s->class].count - 1) / 64;

    s->free -= taken;
    while (left != 0) {
        uint64_t set = zk_load_relaxed(&bits[word]);

        if (set == 0) {
            if (ZK_UNLIKELY(++word > last))
                zk__misuse(ZK_MISUSE_RECORD, "the heap's own records", base);
            continue;
        }
        do {
            out[--left] =
                base +
                ((size_t)word * 64 + (size_t)__builtin_ctzll(set)) * size;
            set &= set - 1;
        } while (set != 0 && left != 0);
        zk_store_relaxed(&bits[word], set);
    }
    s->hint = word;
    return taken;
}

uint64_t
zk__span_put(struct zk_span *s, uint32_t word, uint64_t bits, uint32_t count)
{
    _Atomic uint64_t *at = &bits_of(s)[word];
    uint64_t set = zk_load_relaxed(at);

    if (ZK_UNLIKELY((set & bits) != 0))
        return set & bits;
    zk_store_relaxed(at, set | bits);
    if (word < s->hint)
        s->hint = word;
    s->free += count;
    return 0;
}

bool
zk__span_whole(const struct zk_span *s)
{
    const _Atomic uint64_t *bits = bits_of(s);
    uint32_t count = zk__class[s->class].count, i = 0;

    for (; (i + 1) * 64 <= count; i++)
        if (zk_load_relaxed(&bits[i]) != UINT64_MAX)
            return false;
    return count % 64 == 0 ||
           zk_load_relaxed(&bits[i]) == (UINT64_C(1) << count % 64) - 1;
}

bool
zk__span_has(const struct zk_span *s, uint32_t index)
{
    return (zk_load_relaxed(&bits_of(s)[index / 64]) >> index % 64 & 1) != 0;
}
