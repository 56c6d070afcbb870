/*
 * refuse.h - files that cannot be opened, and a kernel without PAGEMAP_SCAN.
 *
 * Owns:   what is in the way of open() and ioctl(), for one test program.
 *
 * The program is linked with --wrap=open and --wrap=ioctl.
 */
#ifndef ZK_TESTS_ALLOC_REFUSE_H
#define ZK_TESTS_ALLOC_REFUSE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

static struct {
    const char *open; /* paths that have this in them; NULL: none */
    bool ioctl;
} refuse;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int
__wrap_open(const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
    va_end(args);
    if (refuse.open != NULL && strstr(path, refuse.open) != NULL) {
        errno = EACCES;
        return -1;
    }
    return __real_open(path, flags, mode);
}

int
__wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (refuse.ioctl) {
        errno = ENOTTY;
        return -1;
    }
    return __real_ioctl(fd, request, arg);
}

#endif
