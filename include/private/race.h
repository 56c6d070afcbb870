/*
 * race.h - tells Valgrind's drd what atomics order.
 *
 * Owns:   what the verbs of atomic.h are made of where ZK_VALGRIND is defined;
 *         nothing elsewhere.
 * Never:  hides a plain access: operands are evaluated before.
 *
 * drd knows locks and threads, but takes atomics for plain accesses, which race. So
 * they are made without its looking, and a release is told to it as what happens
 * before the acquires of the same variable. It is told more than the language grants:
 * an acquire follows all releases there were, and not only the one whose value it
 * reads. So a race may escape it; ThreadSanitizer is there for these.
 */
#ifndef ZK_PRIVATE_RACE_H
#define ZK_PRIVATE_RACE_H

#ifdef ZK_VALGRIND

#    define ZK__RACE_ATOMICS

#    include <stdatomic.h>
#    include <stdbool.h>

#    include <valgrind/drd.h>

/* An operand may be an atomic's value itself. */
#    pragma GCC diagnostic ignored "-Wshadow"

static inline void
zk__race_blind(void)
{
    ANNOTATE_IGNORE_READS_BEGIN();
    ANNOTATE_IGNORE_WRITES_BEGIN();
}

static inline void
zk__race_sees(void)
{
    ANNOTATE_IGNORE_WRITES_END();
    ANNOTATE_IGNORE_READS_END();
}

/* What drd knows a variable by: not its own address, where a condition variable may
 * stand next, on a stack. */
static inline const volatile char *
zk__race_name(const volatile void *p)
{
    return (const volatile char *)p + 1;
}

static inline void
zk__race_before(const volatile void *p, memory_order order)
{
    if (order != memory_order_relaxed && order != memory_order_acquire)
        ANNOTATE_HAPPENS_BEFORE(zk__race_name(p));
    zk__race_blind();
}

static inline void
zk__race_after(const volatile void *p, memory_order order)
{
    zk__race_sees();
    if (order != memory_order_relaxed && order != memory_order_release)
        ANNOTATE_HAPPENS_AFTER(zk__race_name(p));
}

/* The type of what p points to, without its qualifiers. */
#    define ZK__RACE_TYPE(p) __typeof__((void)0, *(p))

#    define ZK__READ(p, order)                                     \
        __extension__({                                            \
            __auto_type zk__p = (p);                               \
            zk__race_before(zk__p, memory_order_relaxed);          \
            __auto_type zk__v =                                    \
                atomic_load_explicit(zk__p, memory_order_##order); \
            zk__race_after(zk__p, memory_order_##order);           \
            zk__v;                                                 \
        })

#    define ZK__WRITE(p, v, order)                                     \
        __extension__({                                                \
            __auto_type zk__p = (p);                                   \
            ZK__RACE_TYPE(zk__p) zk__o = (v);                          \
            zk__race_before(zk__p, memory_order_##order);              \
            atomic_store_explicit(zk__p, zk__o, memory_order_##order); \
            zk__race_after(zk__p, memory_order_relaxed);               \
        })

#    define ZK__CHANGE(how, p, v, order)                                     \
        __extension__({                                                      \
            __auto_type zk__p = (p);                                         \
            ZK__RACE_TYPE(zk__p) zk__o = (v);                                \
            zk__race_before(zk__p, memory_order_##order);                    \
            __auto_type zk__v =                                              \
                atomic_##how##_explicit(zk__p, zk__o, memory_order_##order); \
            zk__race_after(zk__p, memory_order_##order);                     \
            zk__v;                                                           \
        })

#    define ZK__SWAP_IF(p, expected, v, order, failed)            \
        __extension__({                                           \
            __auto_type zk__p = (p);                              \
            __auto_type zk__e = (expected);                       \
            ZK__RACE_TYPE(zk__p) zk__o = (v);                     \
            zk__race_before(zk__p, memory_order_##order);         \
            bool zk__v = atomic_compare_exchange_strong_explicit( \
                zk__p, zk__e, zk__o, memory_order_##order,        \
                memory_order_##failed);                           \
            zk__race_after(zk__p, memory_order_##order);          \
            zk__v;                                                \
        })

/* op, of p and of operands that are nobody else's. */
#    define ZK__PLAIN(order, p, op)                     \
        __extension__({                                 \
            zk__race_before((p), memory_order_##order); \
            __auto_type zk__v = (op);                   \
            zk__race_after((p), memory_order_##order);  \
            zk__v;                                      \
        })

#    define ZK__PLAIN_WRITE(p, op)                      \
        __extension__({                                 \
            zk__race_before((p), memory_order_relaxed); \
            (op);                                       \
            zk__race_after((p), memory_order_relaxed);  \
        })

#endif

#endif
