/*
 * nodes.h - what the programs share that look at several NUMA nodes.
 *
 * Owns:   the nodes of pages and of workers, and a lane with a worker on each of
 *         four processors.
 * Never:  asserts away from the main thread.
 */
#ifndef ZK_TESTS_GUEST_NODES_H
#define ZK_TESTS_GUEST_NODES_H

#include "tests/support.h"

#include <sys/syscall.h>

#include "alloc/os.h"
#include "private/atomic.h"
#include "runtime/lane.h"

#define WORKERS 4u

/* The nodes of pages from p on, as the kernel tells; one that it is just about to
 * move is asked for again. False: it tells nothing. */
static inline bool
nodes_of_pages(const char *p, size_t n, int *nodes)
{
    size_t page = zk__os_page();
    bool moving = true;

    for (unsigned i = 0; i < 1000 && moving; i++) {
        moving = false;
        for (size_t k = 0; k < n; k++)
            (void)*(const volatile char *)(p + k * page);
        if (!zk__os_nodes(p, n, nodes))
            return false;
        for (size_t k = 0; k < n; k++)
            moving = moving || nodes[k] < 0;
    }
    return !moving;
}

/* Where a worker's own node has none the kernel takes another one for what it touches
 * first, and not always the one that we would. */
static inline bool
all_nodes_have_memory(void)
{
    static const char *const names[] = {"online", "has_memory"};
    char text[2][128] = {"", ""};

    for (int i = 0; i < 2; i++) {
        char path[64];
        FILE *f;

        snprintf(path, sizeof path, "/sys/devices/system/node/%s", names[i]);
        f = fopen(path, "r");
        if (f == NULL || fgets(text[i], sizeof text[i], f) == NULL)
            text[i][0] = '\0';
        if (f != NULL)
            fclose(f);
    }
    return strcmp(text[0], text[1]) == 0;
}

/* The node that memory of a slot's worker belongs on. */
static inline int
node_of_slot(const zk_runtime_t *lane, unsigned slot)
{
    return (int)lane->topology->pus[lane->slots[slot].pu].node;
}

static inline zk_runtime_t *
open_nodes(unsigned workers, enum zk_bind bind)
{
    zk_runtime_t *lane = NULL;

    return zk_runtime_open(&lane, ZK_OPTIONS(.workers = workers,
                                             .slab_bytes = 64 * MIB,
                                             .bind = bind)) == ZK_OK
               ? lane
               : NULL;
}

#endif
