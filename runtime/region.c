/*
 * region.c - zk_shared_alloc(): what a lane's options mean for a region.
 *
 * Owns:   the choice of nodes and of huge pages.
 * Never:  keeps a region: alloc/region.c does, also when the lane is closed.
 */
#include "alloc/region.h"

#include <errno.h>

#include <zkrt/shared.h>

#include "alloc/huge.h"
#include "alloc/os.h"
#include "runtime/lane.h"

#define EVEN 8u /* huge pages for each node, so that none has much more */

/* In turn from those that are listed, or that have workers. */
static struct zk_numa
policy_of(const zk_runtime_t *lane)
{
    struct zk_numa numa = lane->numa;

    if (numa.mode == ZK_NUMA_LOCAL)
        for (unsigned i = 0; i < lane->nworkers; i++)
            zk__nodes_add(&numa.nodes,
                          lane->topology->pus[lane->slots[i].pu].node);
    if (numa.mode != ZK_NUMA_OFF)
        numa.mode = ZK_NUMA_INTERLEAVE;
    return numa;
}

static bool
wants_huge(const zk_runtime_t *lane, const struct zk_numa *numa, size_t bytes)
{
    size_t nodes = 0;

    if (lane->config.huge != ZK_HUGE_AUTO)
        return lane->config.huge == ZK_HUGE_ALWAYS;
    for (unsigned node = 0; node < ZK_NODES_MAX; node++)
        nodes += zk__nodes_has(&numa->nodes, node);
    if (bytes < ZK_HUGE_PAGE ||
        (nodes > 1 && bytes < nodes * EVEN * ZK_HUGE_PAGE))
        return false;
    return zk__huge_facts()->pays;
}

void *
zk_shared_alloc_on(zk_runtime_t *lane, size_t bytes)
{
    struct zk_numa numa;
    void *p;

    if (bytes == 0) {
        errno = EINVAL;
        return NULL;
    }
    if (lane == NULL)
        lane = zk_runtime_current();
    if (lane == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    numa = policy_of(lane);
    p = zk__region_open(&numa, &lane->shared, bytes,
                        wants_huge(lane, &numa, bytes));
    if (p == NULL)
        errno = ENOMEM;
    return p;
}

void *
zk_shared_alloc(size_t bytes)
{
    return zk_shared_alloc_on(NULL, bytes);
}

zk_err_t
zk_shared_free(void *p)
{
    return p == NULL || zk__region_close(p) ? ZK_OK : ZK_EINVAL;
}
