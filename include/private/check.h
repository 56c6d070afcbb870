/*
 * check.h - what happens when we are wrong.
 *
 * Owns:   ZK_ASSERT, for checked builds, and ZK_PANIC, for a broken invariant of
 *         our own or corruption that is proved.
 * Never:  is used for what the world or the caller may do: that is a zk_err_t.
 */
#ifndef ZK_PRIVATE_CHECK_H
#define ZK_PRIVATE_CHECK_H

/* Writes one line to stderr without allocating, then aborts. */
_Noreturn void zk__panic(const char *file, int line, const char *what);

#define ZK_PANIC(what) zk__panic(__FILE__, __LINE__, (what))

#ifdef ZK_CHECKED
#    define ZK_ASSERT(cond)                           \
        do {                                          \
            if (!(cond))                              \
                zk__panic(__FILE__, __LINE__, #cond); \
        } while (0)
#else
#    define ZK_ASSERT(cond) ((void)sizeof(!(cond)))
#endif

#define ZK_LIKELY(x)   __builtin_expect(!!(x), 1)
#define ZK_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
