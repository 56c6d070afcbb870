/*
 * misuse.h - what programs do wrong, one case after the other, in forked children.
 *
 * Owns:   in which builds a case ends its process, what is wanted of the line
 *         that says so, and a heap that is used after the others.
 * Never:  knows the cases: misuse_test.c and overwrite_test.c do.
 *
 * A case that is not reported in a build goes on to use the heap, and ends with 0
 * only where that still works.
 */
#ifndef ZK_TESTS_HEAP_MISUSE_H
#define ZK_TESTS_HEAP_MISUSE_H

#include <stdio.h>

#include "alloc/heap.h"
#include "tests/support.h"

/* In which builds a case ends the process. */
enum {
    PLAIN = 1,
    DEBUG = 2,    /* the checks that cost are on, asked for or not */
    HARDENED = 4, /* ZK_HARDENED, without them */
    MARKS = 8,    /* AddressSanitizer knows the blocks */
    ALWAYS = 15
};

static inline unsigned
build(void)
{
    if (TEST_ASAN)
        return MARKS;
    if (zk_debug())
        return DEBUG;
#ifdef ZK_HARDENED
    return HARDENED;
#else
    return PLAIN;
#endif
}

struct misuse {
    const char *name;
    int (*run)(void *);
    unsigned reported;
    const char *call, *what; /* in the report */
    bool writes; /* to what is not the program's: a sanitizer ends it */
};

/* Kept from the compiler, which knows what free() is. */
static void (*volatile release)(void *) = zk_free;
static void *(*volatile change)(void *, size_t) = zk_realloc;

static inline bool
died_as_promised(const struct misuse *m, const struct test_child *child)
{
    const char *line = strstr(child->err, "zkrt: heap misuse in ");

    if (TEST_ASAN && m->writes)
        return child->code != 0 &&
               strstr(child->err, "AddressSanitizer") != NULL;
    return !child->exited && child->signal == SIGABRT && line != NULL &&
           strstr(line, m->call) != NULL && strstr(line, m->what) != NULL &&
           strchr(line, '\n') == line + strlen(line) - 1;
}

static inline void
try_each(const struct misuse *m, size_t n)
{
    unsigned failed = 0;

    for (size_t i = 0; i < n; i++) {
        struct test_child child = test_in_child(m[i].run, NULL);
        bool ends = (m[i].reported & build()) != 0;

        if (ends ? died_as_promised(&m[i], &child)
                 : child.exited && child.code == 0)
            continue;
        print_error("%s: wanted %s, exited %d code %d signal %d: %s\n",
                    m[i].name, ends ? m[i].what : "no end", child.exited,
                    child.code, child.signal, child.err);
        failed++;
    }
    assert_int_equal(failed, 0);
}

#define TRY(table) try_each((table), sizeof(table) / sizeof *(table))
#define CASE(fn, builds, call, what)             \
    {                                            \
#        fn, fn, (builds), (call), (what), false \
    }
#define WRITE(fn, builds, call, what)                   \
    {                                                   \
#        fn, fn, (builds) | MARKS, (call), (what), true \
    }

/* Blocks of all kinds have what was written to them. 0: it is so. */
static inline int
heap_works(void)
{
    enum { N = 3000 };
    static unsigned char *held[N];
    static size_t bytes[N];
    struct test_random r = {77};

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) {
            bytes[i] = 1 + test_below(&r, (size_t)16 << test_below(&r, 8));
            if (i % 500 == 0)
                bytes[i] = MIB;
            held[i] = zk_malloc(bytes[i]);
            if (held[i] == NULL)
                return 2;
            test_fill(held[i], bytes[i], i);
        }
        for (size_t i = 0; i < N; i++) {
            if (!test_holds(held[i], bytes[i], i))
                return 3;
            zk_free(held[i]);
        }
        zk__cache_flush(zk__cache);
    }
    return 0;
}

/* A cache of a heap of one's own, or NULL. */
static inline zk_cache_t *
own_cache(void)
{
    zk_heap_t *heap = NULL;
    zk_cache_t *cache = NULL;

    if (zk_heap_open(&heap, 0) != ZK_OK || zk_cache_open(&cache, heap) != ZK_OK)
        return NULL;
    return cache;
}

#endif
