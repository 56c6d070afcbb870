/*
 * zkrt.c - a task from a thread that is not in the lane.
 *
 *     idle_zkrt SLEEPS IDLE_MS
 */
#include "lane.h"
#include "latency.h"

static zk_runtime_t *lane;
static zk_group_t group;

static int
task(void *arg)
{
    (void)arg;
    latency_mark();
    return 0;
}

static void
submit(void)
{
    must(zk_spawn_on(lane, &group, task, NULL), "spawn");
}

static void
finish(void)
{
    must(zk_sync(&group), "sync");
}

int
main(int argc, char **argv)
{
    must(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2)), "open");
    latency_measure(argc, argv, submit, finish);
    must(zk_runtime_close(lane), "close");
    return 0;
}
