/*
 * futex.c - sleep and wake.
 *
 * Owns:   the system call. Private futexes only: no word is shared between
 *         processes.
 * Never:  loops.
 */
#include "runtime/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void
zk__futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
    struct timespec limit = {(time_t)(timeout_ns / 1000000000u),
                             (long)(timeout_ns % 1000000000u)};
    int saved = errno;

    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen,
                  timeout_ns == ZK_FOREVER ? NULL : &limit, NULL, 0);
    errno = saved;
}

void
zk__futex_wake(_Atomic uint32_t *word, int n)
{
    int saved = errno;

    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
    errno = saved;
}
