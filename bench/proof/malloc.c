/*
 * malloc.c - the contender of many names: malloc and free as the process has
 * them. The driver preloads another allocator or tunes this one.
 */
#include <stdlib.h>

#include "contender.h"
#include "team.h"

void
contender_open(size_t bytes, const char *option)
{
    (void)bytes;
    (void)option;
    team_open();
}

void
contender_begin(void)
{
}

void
contender_end(void)
{
}

void *
contender_alloc(unsigned thread, size_t bytes)
{
    (void)thread;
    return malloc(bytes);
}

void
contender_free(unsigned thread, void *p)
{
    (void)thread;
    free(p);
}

int
contender_wants_frees(void)
{
    return 1;
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
