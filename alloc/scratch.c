/*
 * scratch.c - scopes of scratch: at the far end of the slab, or in a list.
 *
 * Owns:   the calling thread's scopes (scratch.h), and a slab's `scratch`.
 * Never:  touches a scope of another task: its frame hides it.
 */
#include "alloc/scratch.h"

#include <errno.h>
#include <string.h>

#include <zkrt/alloc.h>

#include "private/bits.h"
#include "private/poison.h"

#define ALIGN_MAX ((size_t)1 << 30)

ZK_THREAD_LOCAL struct zk_scratch_state zk__scratch;

/* zk_scratch_t, from inside. */
struct scope {
    const struct zk_scratch_state *thread;
    uint64_t id;
    uint64_t outer; /* the scope around it; 0: none */
    struct zk_scratch_block *newest;
    char *low;
};

_Static_assert(sizeof(struct scope) <= sizeof(zk_scratch_t),
               "the public scope is too small");

/* Ids of a thread that is gone must not be those of one that has its place. */
static uint64_t
next_id(void)
{
    static _Atomic uint64_t threads;

    if (ZK_UNLIKELY(zk__scratch.scopes == 0))
        zk__scratch.scopes = (zk_add_relaxed(&threads, (uint64_t)1) + 1) << 40;
    return ++zk__scratch.scopes;
}

zk_scratch_t
zk_scratch_begin(void)
{
    struct scope scope = {&zk__scratch, next_id(), zk__scratch.innermost,
                          zk__scratch.newest, zk__slab_mine()->scratch};
    zk_scratch_t out = {{0}};

    zk__scratch.innermost = scope.id;
    memcpy(&out, &scope, sizeof scope);
    return out;
}

/* Gives back what was taken since the marks were set. */
static void
go_back(char *low, const struct zk_scratch_block *newest)
{
    struct zk_slab *s = zk__slab_mine();

    if (low != s->scratch)
        zk__slab_scratch_back(s, low);
    while (zk__scratch.newest != newest) {
        struct zk_scratch_block *b = zk__scratch.newest;

        zk__scratch.newest = b->older;
        zk_free(b);
    }
}

zk_err_t
zk_scratch_end(zk_scratch_t in)
{
    struct scope scope;

    memcpy(&scope, &in, sizeof scope);
    if (scope.thread != &zk__scratch || scope.id != zk__scratch.innermost ||
        scope.id == 0)
        return ZK_ESTALE;
    go_back(scope.low, scope.newest); /* F1 */
    zk__scratch.innermost = scope.outer;
    return ZK_OK;
}

void
zk__scratch_end_since(const struct zk_scratch_frame *outer)
{
    go_back(outer->low, outer->newest);
}

/* An allocation of its own, behind a link to the one before. */
static void *
alloc_block(size_t n, size_t align)
{
    struct zk_scratch_block *b =
        n <= SIZE_MAX - align ? zk_aligned_alloc(align, n + align) : NULL;

    if (b == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    b->older = zk__scratch.newest;
    zk__scratch.newest = b;
    return (char *)b + align;
}

void *
zk_scratch_alloc(size_t n, size_t align)
{
    void *p;

    if (align == 0)
        align = ZK_GRANULE;
    if (!zk_is_pow2(align) || align > ALIGN_MAX || zk__scratch.innermost == 0) {
        errno = EINVAL;
        return NULL;
    }
    align = zk_max_size(align, ZK_GRANULE);
    p = zk__slab_scratch(zk__slab_mine(), n, align);
    return ZK_LIKELY(p != NULL) ? p : alloc_block(n, align);
}
