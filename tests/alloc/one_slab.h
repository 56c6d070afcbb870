/*
 * one_slab.h - a slab of 16 MiB for each test.
 *
 * Owns:   its addresses and tables, and short names for what is asked of it.
 * Never:  asserts.
 */
#ifndef ZK_TESTS_ALLOC_ONE_SLAB_H
#define ZK_TESTS_ALLOC_ONE_SLAB_H

#include "alloc/os.h"
#include "alloc/slab.h"
#include "private/bits.h"
#include "private/poison.h"
#include "tests/support.h"

#define SLAB_BYTES (16 * MIB)

struct fixture {
    struct zk_slab slab;
    char *base;
    char *tables;
};

static inline bool
fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->base = zk__os_reserve(SLAB_BYTES, ZK_HUGE_PAGE);
    f->tables =
        zk__os_reserve(zk__slab_tables_bytes(SLAB_BYTES), zk__os_page());
    if (f->base == NULL || f->tables == NULL)
        return false;
    zk__slab_init(&f->slab, f->base, SLAB_BYTES, f->tables, 0, ZK_HUGE_AUTO);
    return true;
}

static inline void
fixture_fini(struct fixture *f)
{
    zk__unpoison(f->base, SLAB_BYTES);
    zk__os_unmap(f->base, SLAB_BYTES);
    zk__os_unmap(f->tables, zk__slab_tables_bytes(SLAB_BYTES));
}

static inline int
setup(void **state)
{
    struct fixture *f = aligned_alloc(ZK_CACHE_LINE, sizeof *f);

    if (f == NULL || !fixture_init(f))
        return -1;
    *state = f;
    return 0;
}

static inline int
teardown(void **state)
{
    struct fixture *f = *state;

    fixture_fini(f);
    free(f);
    return 0;
}

static inline struct zk_slab *
slab_of(void **state)
{
    struct fixture *f = *state;

    return &f->slab;
}

static inline size_t
live(const struct zk_slab *s, const void *p)
{
    return zk__slab_block(s, p).bytes;
}

static inline char *
next_of(const struct zk_slab *s)
{
    return zk_load_relaxed(&s->next);
}

/* A block of n bytes, filled to its last byte. */
static inline char *
take(struct zk_slab *s, size_t n)
{
    char *p = zk__slab_alloc(s, n, ZK_GRANULE);

    if (p != NULL)
        test_fill(p, n, (uintptr_t)p);
    return p;
}

#define slab_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
