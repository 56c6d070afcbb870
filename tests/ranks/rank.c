/*
 * rank.c - one of several processes: says on which processors its workers run.
 *
 *     rank [SECONDS]
 *
 * Prints one line, as in "workers 2 cpus 0 1": what each worker may run on, by its
 * own mask, once all of them are there. Then stays for so long.
 */
#include "tests/support.h"

#include "private/atomic.h"

#define CPUS_MAX 1024u

struct look {
    _Atomic unsigned met, failed;
    unsigned workers;
    _Atomic bool cpu[CPUS_MAX];
};

static int
look_at_mask(void *arg)
{
    struct look *look = arg;
    cpu_set_t mask;

    zk_add_seq_cst(&look->met, 1u);
    while (zk_load_acquire(&look->met) < look->workers)
        sched_yield();
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) != 0)
        zk_add_relaxed(&look->failed, 1u);
    for (unsigned i = 0; i < CPUS_MAX; i++)
        if (CPU_ISSET(i, &mask))
            zk_store_relaxed(&look->cpu[i], true);
    return 0;
}

static struct look look;

static int
look_at_workers(void)
{
    zk_group_t group = ZK_GROUP_INIT;

    if (zk_runtime_enter(NULL) != ZK_OK)
        return 1;
    look.workers = zk_num_workers();
    for (unsigned i = 0; i < look.workers; i++)
        if (zk_spawn(&group, look_at_mask, &look) != ZK_OK)
            return 1;
    if (zk_sync(&group) != 0 || zk_load_relaxed(&look.failed) != 0)
        return 1;
    return zk_runtime_leave() == ZK_OK ? 0 : 1;
}

int
main(int argc, char **argv)
{
    char line[8192];
    size_t used;

    if (look_at_workers() != 0) {
        fputs("rank: it does not work\n", stderr);
        return 1;
    }
    used = (size_t)snprintf(line, sizeof line, "workers %u cpus", look.workers);
    for (unsigned i = 0; i < CPUS_MAX; i++)
        if (zk_load_relaxed(&look.cpu[i]))
            used += (size_t)snprintf(line + used, sizeof line - used, " %u", i);
    puts(line);
    fflush(stdout);
    if (argc > 1)
        sleep((unsigned)strtoul(argv[1], NULL, 10));
    return 0;
}
