/*
 * malloc.c - the C library's malloc family, on zkrt's heap.
 *
 * Owns:   the names of the family, and ZK_ALLOC_ROUTE.
 * Never:  calls what allocates; needs anything to have been called before it:
 *         the loader allocates before any constructor has run, and others do
 *         after all destructors have.
 *
 * The library stands alone: the heap and nothing of the runtime is in it, so a
 * program that is run with it loads nothing else. Where the program itself links
 * libzkrt.so it finds the few calls below that know of arenas: an address that is
 * not of this heap is theirs.
 *
 * With ZK_ALLOC_ROUTE=arena requests from a size on are asked of the arena first,
 * which has nothing for threads that are in no phase. That size is
 * ZK_ALLOC_MIN_BYTES, or 64 KiB: the C library keeps the buffers of streams and
 * directories for as long as they are open, and those are smaller.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkrt/alloc.h>

#include "alloc/heap.h"
#include "private/bits.h"

#define ROUTE_LEAST ((size_t)64 << 10)
#define EXPORT      __attribute__((visibility("default")))

/* libzkrt.so's, where the program has it. */
#pragma weak zk_phase_alloc
#pragma weak zk_realloc
#pragma weak zk_free
#pragma weak zk_usable_size

/* Requests from this size on go to the arena; SIZE_MAX: none does. */
static size_t route_bytes = SIZE_MAX;

/* A number and nothing else, else `otherwise`. */
static size_t
number(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    char *end = NULL;
    unsigned long long n;

    if (text == NULL || *text < '0' || *text > '9')
        return otherwise;
    n = strtoull(text, &end, 10);
    return *end == '\0' ? (size_t)n : otherwise;
}

/* One line to stderr, without an allocation. */
static void
say(const char *line)
{
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        return; /* nobody listens */
}

/* What is asked for before this goes to the heap, which is always right. */
__attribute__((constructor)) static void
read_environment(void)
{
    const char *route = getenv("ZK_ALLOC_ROUTE");
    const char *debug = getenv("ZK_DEBUG"); /* which the heap has read */
    bool on;
    size_t decay = number("ZK_ALLOC_DECAY_MS", zk__pages_decay());

    if (decay <= UINT32_MAX / 4)
        zk__pages_set_decay((unsigned)decay);
    if (debug != NULL && !zk__debug_parse(debug, &on))
        say("zkrt: ZK_DEBUG is neither on nor off: it is ignored\n");
    if (route == NULL || strcmp(route, "heap") == 0)
        return;
    if (strcmp(route, "arena") != 0)
        say("zkrt: ZK_ALLOC_ROUTE is neither heap nor arena: the heap "
            "serves\n");
    else if (zk_phase_alloc != NULL)
        route_bytes = number("ZK_ALLOC_MIN_BYTES", ROUTE_LEAST);
}

/* ---- the arena ---------------------------------------------------------------- */

/* A block of the caller's phase, or NULL; errno is as it was. */
__attribute__((noinline)) static void *
from_arena(size_t n, size_t align)
{
    int saved = errno;
    void *p;

    if (route_bytes == SIZE_MAX) /* and n as well */
        return NULL;
    p = zk_phase_alloc(n, align);
    errno = saved;
    return p;
}

/* Of an address that is not in this heap: whether libzkrt.so is to be asked. */
static bool
is_theirs(const void *p)
{
    return p != NULL && !zk__heap_owns(p) && zk_free != NULL;
}

/* The C library's headers call the parameters otherwise. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

/* ---- the C family ---------------------------------------------------------------- */

/* Out of line, so that what comes before it needs no stack frame. */
__attribute__((noinline)) static void *
malloc_routed(size_t n)
{
    void *p = from_arena(n, 0);

    return p != NULL ? p : zk__heap_alloc(n);
}

EXPORT void *
malloc(size_t n)
{
    if (ZK_UNLIKELY(n >= route_bytes))
        return malloc_routed(n);
    return zk__heap_alloc(n);
}

/* What free() does keeps errno as it is. */
__attribute__((noinline)) static void
free_slow(void *p)
{
    int saved = errno;

    if (is_theirs(p))
        zk_free(p);
    else
        zk__heap_free_slow(p, "free");
    errno = saved;
}

EXPORT void
free(void *p)
{
    if (ZK_UNLIKELY(!zk__heap_free_fast(p)))
        free_slow(p);
}

__attribute__((noinline)) static void
free_sized_slow(void *p, size_t n, const char *call)
{
    int saved = errno;

    if (is_theirs(p))
        zk_free(p);
    else
        zk__heap_free_sized(p, n, call);
    errno = saved;
}

/* C23's, which not every C library declares. */
EXPORT void free_sized(void *p, size_t n);
EXPORT void free_aligned_sized(void *p, size_t align, size_t n);

EXPORT void
free_sized(void *p, size_t n)
{
    if (ZK_UNLIKELY(!zk__heap_free_fast(p)))
        free_sized_slow(p, n, "free_sized");
}

EXPORT void
free_aligned_sized(void *p, size_t align, size_t n)
{
    (void)align;
    if (ZK_UNLIKELY(!zk__heap_free_fast(p)))
        free_sized_slow(p, n, "free_aligned_sized");
}

EXPORT void *
calloc(size_t count, size_t each)
{
    size_t n;

    if (__builtin_mul_overflow(count, each, &n)) {
        errno = ENOMEM;
        return NULL;
    }
    if (ZK_UNLIKELY(n >= route_bytes)) {
        void *p = from_arena(n, 0);

        if (p != NULL)
            return memset(p, 0, n);
    }
    return zk__heap_alloc_zeroed(n);
}

EXPORT void *
realloc(void *p, size_t n)
{
    if (p == NULL)
        return malloc(n);
    if (n == 0) { /* as the C library does */
        free(p);
        return NULL;
    }
    if (is_theirs(p))
        return zk_realloc(p, n);
    return zk__heap_realloc(p, n);
}

EXPORT void *
reallocarray(void *p, size_t count, size_t each)
{
    size_t n;

    if (__builtin_mul_overflow(count, each, &n)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, n);
}

EXPORT size_t
malloc_usable_size(void *p)
{
    if (p == NULL)
        return 0;
    return is_theirs(p) ? zk_usable_size(p) : zk__heap_usable(p);
}

/* ---- aligned ------------------------------------------------------------------------ */

/* pre: align is a power of two */
static void *
aligned(size_t align, size_t n)
{
    if (ZK_UNLIKELY(n >= route_bytes) && align <= (size_t)1 << 30) {
        void *p = from_arena(n, align);

        if (p != NULL)
            return p;
    }
    return zk__heap_alloc_aligned(align, n);
}

EXPORT void *
aligned_alloc(size_t align, size_t n)
{
    if (!zk_is_pow2(align)) {
        errno = EINVAL;
        return NULL;
    }
    return aligned(align, n);
}

EXPORT int
posix_memalign(void **out, size_t align, size_t n)
{
    int saved = errno;
    void *p;

    if (!zk_is_pow2(align) || align % sizeof(void *) != 0)
        return EINVAL;
    p = aligned(align, n);
    errno = saved;
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

/* Any alignment will do: the next power of two is as good. */
EXPORT void *
memalign(size_t align, size_t n)
{
    size_t power = 16;

    while (power < align && power <= SIZE_MAX / 4)
        power *= 2;
    if (power < align) {
        errno = EINVAL;
        return NULL;
    }
    return aligned(power, n);
}

static size_t
page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

EXPORT void *
valloc(size_t n)
{
    return aligned(page(), n);
}

EXPORT void *
pvalloc(size_t n)
{
    if (n > SIZE_MAX - page()) {
        errno = ENOMEM;
        return NULL;
    }
    return aligned(page(), zk_round_up(n != 0 ? n : 1, page()));
}

/* ---- what else programs call ----------------------------------------------------------- */

/* Gives all free memory back; `keep` is not kept. */
EXPORT int
malloc_trim(size_t keep)
{
    unsigned next;

    (void)keep;
    zk__heap_flush();
    return zk__heap_release(SIZE_MAX, 0, &next) != 0;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
