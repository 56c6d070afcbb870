/*
 * poison.h - tells AddressSanitizer which arena bytes are alive.
 *
 * Owns:   the marks, and which sanitizer is built in; nothing where none is.
 * Never:  changes the bytes.
 */
#ifndef ZK_PRIVATE_POISON_H
#define ZK_PRIVATE_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#    define ZK_HAVE_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define ZK_HAVE_ASAN 1
#    endif
#endif
#ifndef ZK_HAVE_ASAN
#    define ZK_HAVE_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#    define ZK_HAVE_TSAN 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define ZK_HAVE_TSAN 1
#    endif
#endif
#ifndef ZK_HAVE_TSAN
#    define ZK_HAVE_TSAN 0
#endif

#if ZK_HAVE_ASAN
#    include <sanitizer/asan_interface.h>
#    include <sanitizer/lsan_interface.h>
#endif

/* A dead range: a stale pointer into it is reported at its first use. */
static inline void
zk__poison(const void *p, size_t n)
{
#if ZK_HAVE_ASAN
    __asan_poison_memory_region(p, n);
#else
    (void)p, (void)n;
#endif
}

/* A live block of n bytes; what follows it stays poisoned. */
static inline void
zk__unpoison(const void *p, size_t n)
{
#if ZK_HAVE_ASAN
    __asan_unpoison_memory_region(p, n);
#else
    (void)p, (void)n;
#endif
}

/* A range that the leak checker shall search for pointers. */
static inline void
zk__root_region(const void *p, size_t n)
{
#if ZK_HAVE_ASAN
    __lsan_register_root_region(p, n);
#else
    (void)p, (void)n;
#endif
}

#endif
