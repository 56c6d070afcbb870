/*
 * os.c - the mmap family, getrandom, and nothing else of the system.
 *
 * Owns:   the calls and the reading of RLIMIT_AS.
 * Never:  retries with another size: the caller knows what it can do without.
 */
#include "alloc/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private/atomic.h"
#include "private/bits.h"

size_t
zk__os_page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *
zk__os_reserve(size_t bytes, size_t align)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *raw, *p;

    if (bytes > SIZE_MAX - align)
        return NULL;
    raw = mmap(NULL, bytes + align, PROT_NONE, flags, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;

    /* Cut the unaligned ends off. */
    p = raw + (zk_round_up((uintptr_t)raw, align) - (uintptr_t)raw);
    if (p != raw)
        munmap(raw, (size_t)(p - raw));
    if (raw + align != p)
        munmap(p + bytes, (size_t)(raw + align - p));
    return p;
}

bool
zk__os_commit(void *p, size_t bytes)
{
    return mprotect(p, bytes, PROT_READ | PROT_WRITE) == 0;
}

/* True where the kernel accounts for each private writable mapping. */
static bool
overcommit_is_strict(void)
{
    static _Atomic int known; /* 0: not read yet, 1: no, 2: yes */
    int state = zk_load_relaxed(&known);

    if (state == 0) {
        int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
        char mode = '0';

        if (fd >= 0) {
            if (read(fd, &mode, 1) != 1)
                mode = '0';
            close(fd);
        }
        state = mode == '2' ? 2 : 1;
        zk_store_relaxed(&known, state);
    }
    return state == 2;
}

bool
zk__os_move(void *from, void *to, size_t bytes)
{
    /* DONTUNMAP: no other thread's mapping can land in the range meanwhile. */
    return mremap(from, bytes, bytes,
                  MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
                  to) != MAP_FAILED;
}

bool
zk__os_shut(void *from, size_t bytes)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

    /* What stayed behind is empty. To protect it is cheapest, but keeps it
     * accounted; where that counts it is mapped anew. */
    if (overcommit_is_strict())
        return mmap(from, bytes, PROT_NONE, flags, -1, 0) != MAP_FAILED;
    return mprotect(from, bytes, PROT_NONE) == 0;
}

void *
zk__os_map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void
zk__os_unmap(void *p, size_t bytes)
{
    if (p != NULL)
        munmap(p, bytes);
}

bool
zk__os_discard(void *p, size_t bytes)
{
    return madvise(p, bytes, MADV_DONTNEED) == 0;
}

/* Since Linux 5.14; the C library's headers are older. */
#define POPULATE_WRITE 23

__attribute__((noinline, no_sanitize("address", "thread"))) static void
write_to_each(volatile char *p, size_t bytes)
{
    size_t page = zk__os_page();

    for (volatile char *end = p + bytes; p < end; p += page) {
        char same = *p;

        *p = same;
    }
}

bool
zk__os_populate(void *p, size_t bytes)
{
    int rc;

    if (bytes == 0)
        return true;
    do
        rc = madvise(p, bytes, POPULATE_WRITE);
    while (rc != 0 && (errno == EINTR || errno == EAGAIN));
    if (rc != 0 && errno == EINVAL)
        write_to_each(p, bytes);
    return rc == 0 || errno == EINVAL;
}

size_t
zk__os_in_memory(void *p, size_t bytes)
{
    unsigned char in_memory[1024];
    size_t page = zk__os_page(), n = 0;

    for (size_t at = 0; at < bytes; at += sizeof in_memory * page) {
        size_t here = zk_min_size(bytes - at, sizeof in_memory * page);

        if (mincore((char *)p + at, here, in_memory) != 0)
            continue;
        for (size_t i = 0; i * page < here; i++)
            n += in_memory[i] & 1u;
    }
    return n * page;
}

void
zk__os_advise_huge(void *p, size_t bytes, bool want)
{
    (void)madvise(p, bytes, want ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool
zk__os_hide(void *p, size_t bytes)
{
    bool dumps = madvise(p, bytes, MADV_DONTDUMP) == 0;

    return madvise(p, bytes, MADV_WIPEONFORK) == 0 && dumps;
}

bool
zk__os_show(void *p, size_t bytes)
{
    bool dumps = madvise(p, bytes, MADV_DODUMP) == 0;

    return madvise(p, bytes, MADV_KEEPONFORK) == 0 && dumps;
}

/* As system calls: the sanitizers have functions of the C library's names that
 * do nothing, and a range half of which is locked is two mappings. */
bool
zk__os_lock(void *p, size_t bytes)
{
    return bytes == 0 || syscall(SYS_mlock2, p, bytes, MLOCK_ONFAULT) == 0;
}

void
zk__os_unlock(void *p, size_t bytes)
{
    (void)syscall(SYS_munlock, p, bytes);
}

/*
 * As system calls, since libnuma is the only library that has them. The kernel
 * knows a preference for several nodes since 5.15; before, the first of them.
 */
enum { PREFERRED = 1, INTERLEAVE = 3, PREFERRED_MANY = 5 };

int
zk__os_place(void *p, size_t bytes, const unsigned long *nodes, unsigned bits,
             bool interleave)
{
    /* The kernel takes one bit less than it is told. */
    unsigned long max = bits + 1;

    if (interleave)
        return syscall(SYS_mbind, p, bytes, INTERLEAVE, nodes, max, 0) == 0
                   ? 0
                   : errno;
    if (syscall(SYS_mbind, p, bytes, PREFERRED_MANY, nodes, max, 0) == 0)
        return 0;
    if (errno == EINVAL &&
        syscall(SYS_mbind, p, bytes, PREFERRED, nodes, max, 0) == 0)
        return 0;
    return errno;
}

bool
zk__os_nodes(const char *p, size_t n, int *nodes)
{
    const void *page[ZK_OS_PAGES];
    int status[ZK_OS_PAGES];
    unsigned char there[ZK_OS_PAGES];
    size_t size = zk__os_page(), asked = 0;

    /* Asking for a page that is not there takes as long as for one that is. */
    if (mincore((char *)(uintptr_t)p, n * size, there) != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        nodes[i] = -1;
        if ((there[i] & 1) != 0)
            page[asked++] = p + i * size;
    }
    if (asked != 0 &&
        syscall(SYS_move_pages, 0, asked, page, NULL, status, 0) != 0)
        return false;
    for (size_t i = 0, k = 0; i < n; i++)
        if ((there[i] & 1) != 0)
            nodes[i] = status[k++];
    return true;
}

/* At most ZK_OS_PAGES pages. A page that is elsewhere is moved, if the process is
 * the only one that has it. */
static void
gather_some(char *p, size_t n, int node)
{
    enum { MOVE = 2 };
    const void *page[ZK_OS_PAGES];
    int nodes[ZK_OS_PAGES], status[ZK_OS_PAGES];
    size_t size = zk__os_page(), there = 0;

    if (!zk__os_nodes(p, n, status))
        return;
    for (size_t i = 0; i < n; i++) {
        if (status[i] < 0 || status[i] == node)
            continue;
        nodes[there] = node;
        page[there++] = p + i * size;
    }
    if (there != 0)
        (void)syscall(SYS_move_pages, 0, there, page, nodes, status, MOVE);
}

void
zk__os_gather(void *p, size_t bytes, unsigned node)
{
    size_t size = zk__os_page(), skew = (uintptr_t)p % size;
    char *first = (char *)p - skew;
    size_t pages = zk_round_up(skew + bytes, size) / size;

    for (size_t at = 0; at < pages; at += ZK_OS_PAGES)
        gather_some(first + at * size, zk_min_size(pages - at, ZK_OS_PAGES),
                    (int)node);
}

/* Bytes of address space in use: the first field of statm, in pages. */
static size_t
address_space_used(void)
{
    char text[64];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    return (size_t)strtoull(text, NULL, 10) * zk__os_page();
}

uintptr_t
zk__os_secret(void)
{
    uintptr_t secret;
    uintptr_t more = 0;
    const void *given;

    if (getrandom(&secret, sizeof secret, GRND_NONBLOCK) ==
        (ssize_t)sizeof secret)
        return secret;
    /* Early in the boot: what the kernel has given each process, unlike it. */
    secret = (uintptr_t)&secret;
    given = (const void *)getauxval(AT_RANDOM);
    if (given != NULL)
        memcpy(&more, given, sizeof more);
    return secret ^ more * UINT64_C(0xd1342543de82ef95);
}

size_t
zk__os_address_space_left(void)
{
    struct rlimit limit;
    size_t used;

    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    used = address_space_used();
    return limit.rlim_cur > used ? (size_t)limit.rlim_cur - used : 0;
}
