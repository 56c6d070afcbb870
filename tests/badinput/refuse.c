/*
 * refuse.c - see refuse.h. The names of the functions are the linker's.
 */
#include "tests/badinput/refuse.h"

#include <errno.h>
#include <stdarg.h>

#include <hwloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct refuser *refusers;
_Atomic size_t refuse_mapped;

const char *const refused_names[REFUSED_CALLS] = {
    "mmap",  "munmap", "mremap",         "mprotect",          "madvise",
    "mlock", "mbind",  "pthread_create", "hwloc_set_cpubind",
};

/* Ranges that are still mapped though the library gave them back. */
static struct {
    pthread_mutex_t lock;
    unsigned n;
    struct {
        void *p;
        size_t bytes;
    } range[1024];
} left = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *__real_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
int __real_munmap(void *p, size_t n);
int __wrap_munmap(void *p, size_t n);
void *__real_mremap(void *p, size_t n, size_t to, int flags, ...);
void *__wrap_mremap(void *p, size_t n, size_t to, int flags, ...);
int __real_mprotect(void *p, size_t n, int prot);
int __wrap_mprotect(void *p, size_t n, int prot);
int __real_madvise(void *p, size_t n, int advice);
int __wrap_madvise(void *p, size_t n, int advice);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __real_hwloc_set_cpubind(hwloc_topology_t t, hwloc_const_cpuset_t set,
                             int flags);
int __wrap_hwloc_set_cpubind(hwloc_topology_t t, hwloc_const_cpuset_t set,
                             int flags);

__attribute__((constructor)) static void
share_refusers(void)
{
    refusers =
        __real_mmap(NULL, REFUSED_CALLS * sizeof *refusers,
                    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (refusers == MAP_FAILED)
        abort();
}

static bool
by_chance(struct refuser *r, unsigned call)
{
    struct test_random random = {zk_load_relaxed(&r->seed) + call};

    return test_below(&random, 65536) < zk_load_relaxed(&r->share);
}

static bool
refuses(enum refused_call kind)
{
    struct refuser *r = &refusers[kind];
    unsigned call = zk_add_relaxed(&r->calls, 1u);
    bool refused =
        (call >= zk_load_relaxed(&r->from) && call < zk_load_relaxed(&r->to)) ||
        by_chance(r, call);

    if (refused)
        zk_add_relaxed(&r->refused, 1u);
    return refused;
}

void
refuse(enum refused_call call, unsigned from, unsigned to)
{
    struct refuser *r = &refusers[call];

    zk_store_relaxed(&r->calls, 0u);
    zk_store_relaxed(&r->refused, 0u);
    zk_store_relaxed(&r->share, 0u);
    zk_store_relaxed(&r->from, from);
    zk_store_relaxed(&r->to, to);
}

void
refuse_some(unsigned share, uint64_t seed)
{
    struct test_random random = {seed};

    for (unsigned i = 0; i < REFUSED_CALLS; i++) {
        refuse((enum refused_call)i, 0, 0);
        zk_store_relaxed(&refusers[i].seed, test_next(&random));
        zk_store_relaxed(&refusers[i].share, share);
    }
}

void
refuse_again(void)
{
    for (unsigned i = 0; i < REFUSED_CALLS; i++) {
        zk_store_relaxed(&refusers[i].calls, 0u);
        zk_store_relaxed(&refusers[i].refused, 0u);
    }
}

void
refuse_none(void)
{
    refuse_some(0, 0);
}

unsigned
refuse_count(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < REFUSED_CALLS; i++)
        n += zk_load_relaxed(&refusers[i].refused);
    return n;
}

void
refuse_clean(void)
{
    for (; left.n != 0; left.n--)
        (void)__real_munmap(left.range[left.n - 1].p,
                            left.range[left.n - 1].bytes);
}

static bool
leave(void *p, size_t bytes)
{
    bool room;

    pthread_mutex_lock(&left.lock);
    room = left.n < sizeof left.range / sizeof *left.range;
    if (room) {
        left.range[left.n].p = p;
        left.range[left.n++].bytes = bytes;
    }
    pthread_mutex_unlock(&left.lock);
    return room;
}

bool
refuse_not_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
    return __real_pthread_create(t, NULL, fn, arg) == 0;
}

/* ---- the calls ------------------------------------------------------------ */

void *
__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
    if (refuses(REFUSED_MMAP)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    p = __real_mmap(p, n, prot, flags, fd, at);
    if (p != MAP_FAILED && (flags & MAP_FIXED) == 0)
        zk_add_relaxed(&refuse_mapped, n);
    return p;
}

int
__wrap_munmap(void *p, size_t n)
{
    zk_add_relaxed(&refuse_mapped, (size_t)0 - n);
    if (refuses(REFUSED_MUNMAP) && leave(p, n)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_munmap(p, n);
}

void *
__wrap_mremap(void *p, size_t n, size_t to, int flags, ...)
{
    void *at;
    va_list list;

    va_start(list, flags);
    at = va_arg(list, void *);
    va_end(list);
    if (refuses(REFUSED_MREMAP)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mremap(p, n, to, flags, at);
}

int
__wrap_mprotect(void *p, size_t n, int prot)
{
    if (refuses(REFUSED_MPROTECT)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_mprotect(p, n, prot);
}

int
__wrap_madvise(void *p, size_t n, int advice)
{
    if (refuses(REFUSED_MADVISE)) {
        errno = EINVAL;
        return -1;
    }
    return __real_madvise(p, n, advice);
}

long
__wrap_syscall(long number, ...)
{
    enum refused_call kind = REFUSED_CALLS;
    long a[6];
    va_list list;

    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_mlock || number == SYS_mlock2)
        kind = REFUSED_MLOCK;
    else if (number == SYS_mbind)
        kind = REFUSED_MBIND;
    if (kind != REFUSED_CALLS && refuses(kind)) {
        errno = kind == REFUSED_MBIND ? EPERM : ENOMEM;
        return -1;
    }
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                      void *(*fn)(void *), void *arg)
{
    if (refuses(REFUSED_THREAD)) {
        *t = (pthread_t)-1; /* as libc may do before it gives up */
        return EAGAIN;
    }
    return __real_pthread_create(t, attr, fn, arg);
}

int
__wrap_hwloc_set_cpubind(hwloc_topology_t t, hwloc_const_cpuset_t set,
                         int flags)
{
    if (refuses(REFUSED_CPUBIND)) {
        errno = EXDEV;
        return -1;
    }
    return __real_hwloc_set_cpubind(t, set, flags);
}
