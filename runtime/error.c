/*
 * error.c - codes as sentences, the version, and the last words of a panic.
 *
 * Owns:   nothing that changes.
 * Never:  allocates.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkrt/error.h>
#include <zkrt/version.h>

#include "private/check.h"

const char *
zk_strerror(zk_err_t err)
{
    switch (err) {
    case ZK_OK: return "success";
    case ZK_EINVAL: return "invalid argument";
    case ZK_ENOMEM: return "out of memory or address space";
    case ZK_EAGAIN: return "no free slot or arena";
    case ZK_EBUSY: return "still in use";
    case ZK_ESTALE: return "no such phase is open here";
    case ZK_EPERM: return "not allowed from this thread or task";
    case ZK_ECANCELED: return "cancelled";
    case ZK_ESYS: return "refused by the system";
    case ZK_EBUDGET: return "over the memory budget";
    default: return "error of the application";
    }
}

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *
zk_version(void)
{
    return TEXT(ZK_VERSION_MAJOR) "." TEXT(ZK_VERSION_MINOR) "." TEXT(
        ZK_VERSION_PATCH);
}

void
zk__panic(const char *file, int line, const char *what)
{
    char text[256];
    int n = snprintf(text, sizeof text, "zkrt: broken invariant at %s:%d: %s\n",
                     file, line, what);

    if (n > 0 && write(STDERR_FILENO, text, strnlen(text, sizeof text)) < 0)
        abort(); /* nobody listens */
    abort();
}
