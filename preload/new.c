/*
 * new.c - C++'s operators new and delete, on the malloc beside it.
 *
 * Owns:   their names, as the compilers of Linux mangle them.
 * Never:  needs a C++ library: a program of C that is run with this gets none.
 *
 * Where memory is out, what the C++ library of the program has is called: the
 * handler that the program has set, over and over, and with none an exception.
 * The forms that do not throw answer NULL and ask no handler, since it may throw.
 * Sizes that delete is told are not needed, but for a check (ZK_DEBUG).
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "private/bits.h"

#define EXPORT __attribute__((visibility("default")))

typedef void (*handler)(void);

/* std::get_new_handler() and std::__throw_bad_alloc(), where there is C++. */
handler get_new_handler(void) __asm__("_ZSt15get_new_handlerv")
    __attribute__((weak));
void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv")
    __attribute__((weak));

void free_sized(void *p, size_t n); /* malloc.c */

static void *
try_new(size_t n, size_t align)
{
    if (align <= 16)
        return malloc(n);
    return zk_is_pow2(align) ? aligned_alloc(align, n) : NULL;
}

__attribute__((noinline)) static void *
no_memory(size_t n, size_t align)
{
    static const char text[] =
        "zkrt: out of memory in operator new, and nobody to tell\n";

    while (get_new_handler != NULL) {
        handler h = get_new_handler();
        void *p;

        if (h == NULL)
            break;
        h();
        p = try_new(n, align);
        if (p != NULL)
            return p;
    }
    if (throw_bad_alloc != NULL)
        throw_bad_alloc();
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        abort(); /* nobody listens */
    abort();
}

static inline void *
new_or_throw(size_t n, size_t align)
{
    void *p = try_new(n, align);

    return __builtin_expect(p != NULL, 1) ? p : no_memory(n, align);
}

/* The mangled names are the standard's signatures: m a size_t, Pv a void *,
 * St11align_val_t an alignment, RKSt9nothrow_t the tag of what does not throw. */
#define NEW(name)                  \
    EXPORT void *name(size_t n);   \
    EXPORT void *name(size_t n)    \
    {                              \
        return new_or_throw(n, 1); \
    }
#define NEW_ALIGNED(name)                      \
    EXPORT void *name(size_t n, size_t align); \
    EXPORT void *name(size_t n, size_t align)  \
    {                                          \
        return new_or_throw(n, align);         \
    }
#define NEW_QUIET(name)                           \
    EXPORT void *name(size_t n, const void *tag); \
    EXPORT void *name(size_t n, const void *tag)  \
    {                                             \
        (void)tag;                                \
        return try_new(n, 1);                     \
    }
#define NEW_ALIGNED_QUIET(name)                                 \
    EXPORT void *name(size_t n, size_t align, const void *tag); \
    EXPORT void *name(size_t n, size_t align, const void *tag)  \
    {                                                           \
        (void)tag;                                              \
        return try_new(n, align);                               \
    }
#define DELETE(name)           \
    EXPORT void name(void *p); \
    EXPORT void name(void *p)  \
    {                          \
        free(p);               \
    }
#define DELETE_SIZED(name)               \
    EXPORT void name(void *p, size_t n); \
    EXPORT void name(void *p, size_t n)  \
    {                                    \
        free_sized(p, n);                \
    }
#define DELETE_2(name, type)           \
    EXPORT void name(void *p, type a); \
    EXPORT void name(void *p, type a)  \
    {                                  \
        (void)a;                       \
        free(p);                       \
    }
#define DELETE_SIZED_ALIGNED(name)                     \
    EXPORT void name(void *p, size_t n, size_t align); \
    EXPORT void name(void *p, size_t n, size_t align)  \
    {                                                  \
        (void)align;                                   \
        free_sized(p, n);                              \
    }
#define DELETE_3(name, type, type2)             \
    EXPORT void name(void *p, type a, type2 b); \
    EXPORT void name(void *p, type a, type2 b)  \
    {                                           \
        (void)a, (void)b;                       \
        free(p);                                \
    }

/* clang-format off */
NEW(_Znwm)
NEW(_Znam)
NEW_ALIGNED(_ZnwmSt11align_val_t)
NEW_ALIGNED(_ZnamSt11align_val_t)
NEW_QUIET(_ZnwmRKSt9nothrow_t)
NEW_QUIET(_ZnamRKSt9nothrow_t)
NEW_ALIGNED_QUIET(_ZnwmSt11align_val_tRKSt9nothrow_t)
NEW_ALIGNED_QUIET(_ZnamSt11align_val_tRKSt9nothrow_t)
DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE_SIZED(_ZdlPvm)
DELETE_SIZED(_ZdaPvm)
DELETE_2(_ZdlPvSt11align_val_t, size_t)
DELETE_2(_ZdaPvSt11align_val_t, size_t)
DELETE_2(_ZdlPvRKSt9nothrow_t, const void *)
DELETE_2(_ZdaPvRKSt9nothrow_t, const void *)
DELETE_SIZED_ALIGNED(_ZdlPvmSt11align_val_t)
DELETE_SIZED_ALIGNED(_ZdaPvmSt11align_val_t)
DELETE_3(_ZdlPvSt11align_val_tRKSt9nothrow_t, size_t, const void *)
DELETE_3(_ZdaPvSt11align_val_tRKSt9nothrow_t, size_t, const void *)
/* clang-format on */
