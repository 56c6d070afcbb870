/*
 * error.h - what a call answers.
 *
 * Owns:   zk_err_t and its names.
 * Never:  prints.
 */
#ifndef ZKRT_ERROR_H
#define ZKRT_ERROR_H

#include <zkrt/export.h>

ZK_BEGIN_DECLS

/*
 * 0 is success and a negative value is one of the library's own codes. A loop
 * or a task body may return any other int, and the call that started it returns
 * that value unchanged: positive values are yours.
 */
typedef int zk_err_t;

enum {
    ZK_OK = 0,
    ZK_EINVAL = -1,    /* an argument is out of its documented range */
    ZK_ENOMEM = -2,    /* memory or address space was refused */
    ZK_EAGAIN = -3,    /* no free slot or arena; later may succeed */
    ZK_EBUSY = -4,     /* work or members are still alive */
    ZK_ESTALE = -5,    /* no such phase is open, or the order is wrong */
    ZK_EPERM = -6,     /* not from this thread, or not inside a task */
    ZK_ECANCELED = -7, /* cancelled before it was complete */
    ZK_ESYS = -8,      /* the system refused a thread, a binding, or to tell */
    ZK_EBUDGET = -9    /* over the budget of the arenas (ZK_ALLOC_BUDGET) */
};

/*
 * A short English sentence for a code of the library, without a newline; "error
 * of the application" for any other value. Static storage; any thread.
 */
ZK_API const char *zk_strerror(zk_err_t err);

ZK_END_DECLS

#endif
