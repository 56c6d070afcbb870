/*
 * file_io.c - see file_io.h.
 *
 * Owns:   short reads, short writes, and errors that only close() reports.
 * Never:  leaves a temporary file behind.
 */
#include "file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_BYTES ((size_t)1 << 16)

static ssize_t
read_some(int fd, void *to, size_t n)
{
    ssize_t got;

    do
        got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Doubles the buffer, but never beyond one byte more than the limit. */
static int
grow(uint8_t **data, size_t *capacity, size_t limit)
{
    size_t wanted = *capacity == 0 ? FIRST_BYTES : 2 * *capacity;
    uint8_t *more;

    if (wanted > limit + 1)
        wanted = limit + 1;
    more = realloc(*data, wanted);
    if (more == NULL)
        return ENOMEM;
    *data = more;
    *capacity = wanted;
    return 0;
}

static int
read_all(int fd, size_t capacity, size_t limit, struct file_bytes *out)
{
    uint8_t *data = malloc(capacity);
    size_t length = 0;
    int err = data == NULL ? ENOMEM : 0;

    while (err == 0) {
        ssize_t got = read_some(fd, data + length, capacity - length);

        if (got < 0)
            err = errno;
        if (got <= 0)
            break;
        length += (size_t)got;
        if (length > limit)
            err = EFBIG;
        else if (length == capacity)
            err = grow(&data, &capacity, limit);
    }
    if (err != 0) {
        free(data);
        return err;
    }
    out->data = data;
    out->length = length;
    return 0;
}

int
file_read(const char *path, size_t limit, struct file_bytes *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t capacity = FIRST_BYTES;
    int err;

    if (fd < 0)
        return errno;
    if (fstat(fd, &st) != 0)
        err = errno;
    else if (S_ISDIR(st.st_mode))
        err = EISDIR;
    else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit)
        err = EFBIG;
    else {
        /* One byte more, so that the end is seen without growing. */
        if (S_ISREG(st.st_mode))
            capacity = (size_t)st.st_size + 1;
        err = read_all(fd, capacity, limit, out);
    }
    (void)close(fd);
    return err;
}

static int
write_all(int fd, const uint8_t *data, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, data, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        data += put;
        n -= (size_t)put;
    }
    return 0;
}

/* fsync, because a full disk may be noticed no earlier. Pipes have none. */
static int
write_and_close(int fd, const void *data, size_t n)
{
    int err = write_all(fd, data, n);

    if (err == 0 && fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP &&
        errno != EROFS)
        err = errno;
    if (close(fd) != 0 && err == 0)
        err = errno;
    return err;
}

bool
file_is_regular_or_new(const char *path)
{
    struct stat st;

    return stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

static bool
is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int
write_in_place(const char *path, const void *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 ? errno : write_and_close(fd, data, n);
}

/* mkstemp makes a file that only its owner may read; this one is no secret. */
static void
usual_mode(int fd)
{
    mode_t mask = umask(0);

    (void)umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
}

int
file_draft_write(struct file_draft *d, const char *path, const void *data,
                 size_t n)
{
    static const char suffix[] = ".XXXXXX";
    size_t length = strlen(path);
    int fd, err;

    d->path = path;
    d->temporary = NULL;
    if (!file_is_regular_or_new(path))
        return write_in_place(path, data, n);
    if (is_directory(path))
        return EISDIR; /* now, not when the other of a pair has its name */

    d->temporary = malloc(length + sizeof suffix);
    if (d->temporary == NULL)
        return ENOMEM;
    memcpy(d->temporary, path, length);
    memcpy(d->temporary + length, suffix, sizeof suffix);

    fd = mkstemp(d->temporary);
    if (fd < 0) {
        err = errno;
        free(d->temporary);
        d->temporary = NULL;
        return err;
    }
    usual_mode(fd);
    err = write_and_close(fd, data, n);
    if (err != 0)
        file_draft_discard(d);
    return err;
}

int
file_draft_publish(struct file_draft *d)
{
    int err = 0;

    if (d->temporary == NULL)
        return 0;
    if (rename(d->temporary, d->path) != 0) {
        err = errno;
        file_draft_discard(d);
        return err;
    }
    free(d->temporary);
    d->temporary = NULL;
    return 0;
}

void
file_draft_discard(struct file_draft *d)
{
    if (d->temporary == NULL)
        return;
    (void)unlink(d->temporary);
    free(d->temporary);
    d->temporary = NULL;
}
