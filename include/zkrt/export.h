/*
 * export.h - the words that mark a declaration as public.
 *
 * Owns:   linkage, visibility and attribute words for the other headers.
 * Never:  declares anything.
 */
#ifndef ZKRT_EXPORT_H
#define ZKRT_EXPORT_H

#ifdef __cplusplus
#    define ZK_BEGIN_DECLS    extern "C" {
#    define ZK_END_DECLS      }
#    define ZK_THREAD_LOCAL   __thread
#    define ZK__CAST(type, v) static_cast<type>(v)
#    define ZK__BITS(p)       reinterpret_cast<uintptr_t>(p)
#    define ZK__NULL          nullptr
#    define ZK__NO_FUNCTION   nullptr
#else
#    define ZK_BEGIN_DECLS
#    define ZK_END_DECLS
#    define ZK_THREAD_LOCAL   _Thread_local
#    define ZK__CAST(type, v) ((type)(v))
#    define ZK__BITS(p)       ((uintptr_t)(p))
#    define ZK__NULL          ((void *)0)
#    define ZK__NO_FUNCTION   0
#endif

/* Everything in the library is hidden but what carries this word. */
#define ZK_API __attribute__((visibility("default")))

#define ZK_NODISCARD __attribute__((warn_unused_result))

#define ZK_ALLOCATOR __attribute__((malloc, warn_unused_result))

/* What inlined code reads of a word that other threads write: the one atomic
 * operation outside of the library, and it orders nothing. */
#define ZK__LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)

#define ZK__CAT_(a, b) a##b
#define ZK__CAT(a, b)  ZK__CAT_(a, b)

#endif
