/*
 * poison.h - tells AddressSanitizer or Valgrind which bytes are alive.
 *
 * Owns:   the marks, and which sanitizer is built in; nothing where none is.
 * Never:  changes the bytes.
 */
#ifndef ZK_PRIVATE_POISON_H
#define ZK_PRIVATE_POISON_H

#include <stdbool.h>
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

/* Valgrind's marks are built in where ZK_VALGRIND is defined: see testing.md. */
#ifdef ZK_VALGRIND
#    define ZK_HAVE_VALGRIND 1
#    include <valgrind/memcheck.h>
#else
#    define ZK_HAVE_VALGRIND 0
#endif

/* Each block is marked by itself, so nothing may be handed out behind the
 * library's back but in windows that are open, see zk__poison_window(). */
#define ZK_HAVE_MARKS (ZK_HAVE_ASAN || ZK_HAVE_VALGRIND)

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
#elif ZK_HAVE_VALGRIND
    VALGRIND_MAKE_MEM_NOACCESS(p, n);
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
#elif ZK_HAVE_VALGRIND
    VALGRIND_MAKE_MEM_DEFINED(p, n);
#else
    (void)p, (void)n;
#endif
}

/*
 * Of the heap's blocks, which Valgrind is told one by one: it says then in its
 * reports where a block was allocated and freed, sees what was never written, and
 * looks for leaks. LeakSanitizer knows blocks of its own malloc only.
 *
 * n bytes are handed out; `written`: what is in them counts.
 */
static inline void
zk__mark_alloc(const void *p, size_t n, bool written)
{
#if ZK_HAVE_VALGRIND
    VALGRIND_MALLOCLIKE_BLOCK(p, n, 0, written);
#else
    (void)written;
    zk__unpoison(p, n);
#endif
}

/* They came back; `bytes` is all of the block. */
static inline void
zk__mark_free(const void *p, size_t bytes)
{
#if ZK_HAVE_VALGRIND
    VALGRIND_FREELIKE_BLOCK(p, 0);
#endif
    zk__poison(p, bytes);
}

/* From now on all of a block may be used. */
static inline void
zk__mark_grown(const void *p, size_t bytes)
{
#if ZK_HAVE_VALGRIND
    zk__mark_free(p, bytes);
    zk__mark_alloc(p, bytes, true);
#else
    zk__unpoison(p, bytes);
#endif
}

/* What stands here is no pointer any more, whatever a search for leaks finds. */
static inline void
zk__mark_forgotten(const void *p, size_t bytes)
{
#if ZK_HAVE_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(p, bytes);
#else
    (void)p, (void)bytes;
#endif
}

/*
 * What is free of an open window. Programs that are not built for AddressSanitizer
 * bump there without a call (zk_bump), so Valgrind is told that it is alive.
 */
static inline void
zk__poison_window(const void *p, size_t n)
{
    if (ZK_HAVE_ASAN)
        zk__poison(p, n);
    else
        zk__unpoison(p, n);
}

/* Has Valgrind name a range in its reports; *handle is 0 or of the name before. */
static inline void
zk__name_range(unsigned *handle, const void *p, size_t n, const char *name)
{
#if ZK_HAVE_VALGRIND
    if (*handle != 0)
        VALGRIND_DISCARD(*handle);
    *handle = n != 0 ? (unsigned)VALGRIND_CREATE_BLOCK(p, n, name) : 0;
#else
    (void)handle, (void)p, (void)n, (void)name;
#endif
}

/* Around accesses of ours to what is dead. */
static inline void
zk__marks_off(void)
{
#if ZK_HAVE_VALGRIND
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

static inline void
zk__marks_on(void)
{
#if ZK_HAVE_VALGRIND
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

/* A range that the leak checker shall search for pointers, and shall no more. */
static inline void
zk__root_region(const void *p, size_t n)
{
#if ZK_HAVE_ASAN
    __lsan_register_root_region(p, n);
#else
    (void)p, (void)n;
#endif
}

static inline void
zk__unroot_region(const void *p, size_t n)
{
#if ZK_HAVE_ASAN
    __lsan_unregister_root_region(p, n);
#else
    (void)p, (void)n;
#endif
}

#endif
