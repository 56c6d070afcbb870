/*
 * bump.c - the floor: two slabs, a pointer in each, nothing else. Nobody who
 * keeps the pages can be faster, and it does not reuse within a proof.
 *
 * Option "huge": the slabs ask for huge pages.
 */
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "contender.h"
#include "team.h"

#define ALIGN ((size_t)2 << 20)

static struct {
    _Alignas(64) char *base;
    char *next, *end;
} slabs[2];

void
contender_open(size_t bytes, const char *option)
{
    for (int i = 0; i < 2; i++) {
        char *p = mmap(NULL, bytes + ALIGN, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        bench_check(p != MAP_FAILED, "mmap");
        p += -(uintptr_t)p & (ALIGN - 1);
        slabs[i].base = p;
        slabs[i].end = p + bytes;
        (void)madvise(p, bytes,
                      strcmp(option, "huge") == 0 ? MADV_HUGEPAGE
                                                  : MADV_NOHUGEPAGE);
    }
    team_open();
}

void
contender_begin(void)
{
    for (int i = 0; i < 2; i++)
        slabs[i].next = slabs[i].base;
}

void
contender_end(void)
{
}

void *
contender_alloc(unsigned thread, size_t bytes)
{
    char *p = slabs[thread].next;

    bytes = (bytes + 63) & ~(size_t)63;
    if (bytes > (size_t)(slabs[thread].end - p))
        return NULL;
    slabs[thread].next = p + bytes;
    return p;
}

void
contender_free(unsigned thread, void *p)
{
    (void)thread;
    (void)p;
}

int
contender_wants_frees(void)
{
    return 0;
}

void
contender_run(void (*body)(unsigned thread))
{
    team_run(body);
}

void
contender_close(void)
{
    team_close();
}
