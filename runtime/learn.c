/*
 * learn.c - a file of some KiB, read with suspicion and replaced by rename.
 *
 * Owns:   every call that opens, writes or names such a file.
 * Never:  waits for a disk: a file that a crash cut short is found out when it is
 *         read.
 */
#include "runtime/learn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc/proc.h"
#include "private/atomic.h"
#include "private/bits.h"

#define VERSION 1u

static const char magic[8] = {'z', 'k', 'r', 't', 'l', 'r', 'n', '\n'};

struct header {
    char magic[8];
    uint32_t version;
    uint32_t count;
    uint32_t workers;
    uint32_t zero;
    uint64_t check; /* of all bytes, itself as 0 */
};

/* What a file looks like. */
struct image {
    struct header header;
    struct zk_learnt phase[ZK_LEARN_PHASES];
};

_Static_assert(sizeof(struct header) == 32 && sizeof(struct zk_learnt) == 64,
               "the format has no gaps");

/* FNV-1a: each step is a bijection, so one changed byte always shows. */
static uint64_t
hash(const void *p, size_t n, uint64_t h)
{
    const unsigned char *b = p;

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 1099511628211u;
    return h;
}

#define HASH_BEGIN UINT64_C(14695981039346656037)

static size_t
image_bytes(uint32_t count)
{
    return sizeof(struct header) + count * sizeof(struct zk_learnt);
}

static uint64_t
checksum(const struct image *image)
{
    struct header h = image->header;

    h.check = 0;
    return hash(image->phase, h.count * sizeof *image->phase,
                hash(&h, sizeof h, HASH_BEGIN));
}

/* ---- where ---------------------------------------------------------------- */

/* The user's cache directory, by the XDG base directory specification. */
static bool
cache_directory(char *path, size_t room)
{
    const char *cache = secure_getenv("XDG_CACHE_HOME");
    const char *home = secure_getenv("HOME");
    int n = -1;

    if (cache != NULL && cache[0] == '/')
        n = snprintf(path, room, "%s", cache);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, room, "%s/.cache", home);
    return n > 0 && (size_t)n < room;
}

bool
zk__learn_default_path(char path[ZK_LEARN_PATH])
{
    char program[4096], cache[ZK_LEARN_PATH], name[33];
    const char *base;
    size_t i;
    int n;

    if (!cache_directory(cache, sizeof cache) ||
        !zk__proc_program(program, sizeof program))
        return false;
    base = strrchr(program, '/');
    base = base != NULL ? base + 1 : program;
    for (i = 0; i < sizeof name - 1 && base[i] != '\0'; i++) {
        name[i] = '_';
        if (base[i] > ' ' && base[i] < 0x7f)
            name[i] = base[i];
    }
    name[i] = '\0';
    n = snprintf(
        path, ZK_LEARN_PATH, "%s/zkrt/%s-%016llx", cache, name,
        (unsigned long long)hash(program, strlen(program), HASH_BEGIN));
    return n > 0 && n < ZK_LEARN_PATH;
}

/* A file's directory, open, and its name in there. */
struct place {
    int directory;
    const char *name;
    char parent[ZK_LEARN_PATH];
};

static bool
find_place(const char *path, struct place *place)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) : 0;

    place->directory = -1;
    place->name = slash != NULL ? slash + 1 : path;
    if (n >= sizeof place->parent || place->name[0] == '\0')
        return false;
    memcpy(place->parent, path, n);
    place->parent[n] = '\0';
    if (n == 0)
        memcpy(place->parent, slash != NULL ? "/" : ".", 2);
    return true;
}

static bool
open_directory(struct place *place)
{
    place->directory = open(place->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return place->directory >= 0;
}

/* Makes a missing directory, and the one that it is in. */
static void
make_directories(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash != NULL && slash != path) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    (void)mkdir(path, 0700);
}

/* ---- reading -------------------------------------------------------------- */

/* All of a file, if it is no longer than `room`; else -1. */
static ssize_t
read_all(int fd, char *to, size_t room)
{
    size_t n = 0;

    while (n < room) {
        ssize_t got = read(fd, to + n, room - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

/* Somebody else must not be able to tell us what to do. */
static const char *
check_owner(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return "it is no regular file";
    if (st.st_uid != geteuid())
        return "it is another user's";
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "others may write to it";
    return NULL;
}

static bool
names_are_whole(const struct image *image)
{
    for (uint32_t i = 0; i < image->header.count; i++)
        if (memchr(image->phase[i].name, '\0', ZK_PHASE_NAME) == NULL)
            return false;
    return true;
}

/* NULL: the image is as it was written. */
static const char *
check_image(const struct image *image, size_t n)
{
    const struct header *h = &image->header;

    if (n < sizeof *h)
        return "it is cut short";
    if (h->version > VERSION)
        return "a later version has written it";
    if (h->version == 0 || h->count > ZK_LEARN_PHASES ||
        n != image_bytes(h->count) || h->check != checksum(image) ||
        !names_are_whole(image))
        return "it is damaged";
    return NULL;
}

static enum zk_learn_state
read_image(int fd, struct zk_learn *l, const char **why)
{
    union {
        struct image image;
        char bytes[sizeof(struct image) + 1]; /* to see that there is more */
    } file;
    ssize_t n;

    memset(&file, 0, sizeof file);
    *why = check_owner(fd);
    if (*why != NULL)
        return ZK_LEARN_IGNORED;
    n = read_all(fd, file.bytes, sizeof file.bytes);
    if (n < 0) {
        *why = "it cannot be read";
        return ZK_LEARN_IGNORED;
    }
    if (n > 0 &&
        memcmp(file.bytes, magic, zk_min_size((size_t)n, sizeof magic)) != 0) {
        *why = "it is something else";
        return ZK_LEARN_FOREIGN;
    }
    *why = check_image(&file.image, (size_t)n);
    if (*why != NULL)
        return ZK_LEARN_IGNORED;
    l->count = file.image.header.count;
    l->workers = file.image.header.workers;
    memcpy(l->phase, file.image.phase, l->count * sizeof *l->phase);
    return ZK_LEARN_READ;
}

enum zk_learn_state
zk__learn_read(const char *path, struct zk_learn *l, const char **why)
{
    /* Not blocked by a pipe that lies there. */
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    enum zk_learn_state state;
    int fd;

    memset(l, 0, sizeof *l);
    *why = NULL;
    fd = open(path, flags);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ZK_LEARN_READ;
    if (fd < 0) {
        *why = errno == ELOOP ? "it is a symbolic link" : "it cannot be opened";
        return ZK_LEARN_IGNORED;
    }
    state = read_image(fd, l, why);
    close(fd);
    return state;
}

/* ---- writing -------------------------------------------------------------- */

/* A write beyond RLIMIT_FSIZE would be a signal. */
static bool
may_be_written(size_t bytes)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
           limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes;
}

static bool
write_all(int fd, const char *from, size_t n)
{
    while (n != 0) {
        ssize_t put = write(fd, from, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        from += put;
        n -= (size_t)put;
    }
    return true;
}

/* Writes a new file beside the old one. False: nothing is left of it. */
static bool
write_beside(const struct place *place, const char *name,
             const struct image *image)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    size_t n = image_bytes(image->header.count);
    int fd = openat(place->directory, name, flags, 0600);
    bool whole;

    if (fd < 0)
        return false;
    whole = may_be_written(n) && write_all(fd, (const char *)image, n);
    if (close(fd) == 0 && whole)
        return true;
    (void)unlinkat(place->directory, name, 0);
    return false;
}

static const char *
replace(const struct place *place, const struct image *image)
{
    static _Atomic unsigned count;
    char name[64]; /* nobody else's, in this process and outside */

    snprintf(name, sizeof name, ".learn-%ld-%u", (long)getpid(),
             zk_add_relaxed(&count, 1u));
    if (!write_beside(place, name, image)) {
        if (errno != EEXIST)
            return "it cannot be written";
        (void)unlinkat(place->directory, name, 0); /* a dead process's */
        if (!write_beside(place, name, image))
            return "it cannot be written";
    }
    if (renameat(place->directory, name, place->directory, place->name) == 0)
        return NULL;
    (void)unlinkat(place->directory, name, 0);
    return "it cannot be replaced";
}

const char *
zk__learn_write(const char *path, const struct zk_learn *l)
{
    struct image image;
    struct place place;
    const char *why;

    memset(&image, 0, sizeof image);
    memcpy(image.header.magic, magic, sizeof magic);
    image.header.version = VERSION;
    image.header.count = l->count;
    image.header.workers = l->workers;
    memcpy(image.phase, l->phase, l->count * sizeof *l->phase);
    image.header.check = checksum(&image);

    if (!find_place(path, &place))
        return "it is no path of a file";
    if (!open_directory(&place)) {
        make_directories(place.parent);
        if (!open_directory(&place))
            return "there is no such directory";
    }
    why = replace(&place, &image);
    close(place.directory);
    return why;
}

/* ---- noting ----------------------------------------------------------------- */

static uint64_t
raise_mark(uint64_t *mark, uint64_t to)
{
    uint64_t was = *mark;

    if (to <= was)
        return 0;
    *mark = to;
    return to - was;
}

bool
zk__learn_note(struct zk_learn *l, const char *name, uint64_t opener,
               uint64_t other)
{
    struct zk_learnt *p = NULL;

    for (unsigned i = 0; i < l->count && p == NULL; i++)
        if (strncmp(l->phase[i].name, name, ZK_PHASE_NAME - 1) == 0)
            p = &l->phase[i];
    if (p == NULL) {
        if (l->count == ZK_LEARN_PHASES)
            return false;
        p = &l->phase[l->count++];
        memset(p, 0, sizeof *p);
        memcpy(p->name, name, strnlen(name, ZK_PHASE_NAME - 1));
    }
    l->sum += raise_mark(&p->opener, opener);
    l->sum += raise_mark(&p->other, other);
    return l->sum - l->written > l->written / 16;
}
