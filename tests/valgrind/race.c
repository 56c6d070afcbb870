/*
 * race.c - two tasks on two threads and one plain variable, for drd to look at.
 *
 *     drd_victim right|wrong
 *
 * right: what orders them is the library's, a loop's end or a group's. wrong: nothing
 * does, though both of them use the library meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include <zkrt/zkrt.h>

#include "private/atomic.h"

enum { TASKS = 2 };

static struct {
    long plain;
    _Atomic unsigned came;
} shared;

/* On two threads: each waits for the other, by what orders nothing. */
static void
meet(void)
{
    zk_add_relaxed(&shared.came, 1u);
    while (zk_load_relaxed(&shared.came) < TASKS)
        zk_pause();
}

static int
write_plainly(void *arg)
{
    (void)arg;
    meet();
    shared.plain++;
    return 0;
}

static int
only_meet(void *arg)
{
    (void)arg;
    meet();
    return 0;
}

static int
add(size_t begin, size_t end, void *arg)
{
    (void)arg;
    if (begin == 0)
        shared.plain += (long)end;
    return 0;
}

static zk_err_t
run_both(zk_task_fn one, zk_task_fn other)
{
    zk_group_t g = ZK_GROUP_INIT;
    zk_err_t err = zk_spawn(&g, one, NULL);

    zk_store_relaxed(&shared.came, 0u);
    if (err == ZK_OK)
        err = other(NULL);
    return err == ZK_OK ? zk_sync(&g) : err;
}

int
main(int argc, char **argv)
{
    const zk_options_t options = {.size = sizeof options, .workers = 2};
    zk_runtime_t *lane;
    zk_err_t err;

    if (argc != 2 || zk_runtime_open(&lane, &options) != ZK_OK ||
        zk_runtime_enter(lane) != ZK_OK)
        return 1;
    if (strcmp(argv[1], "wrong") == 0) {
        err = run_both(write_plainly, write_plainly);
    } else {
        err = run_both(write_plainly, only_meet);
        for (int i = 0; i < 20 && err == ZK_OK; i++) {
            err = run_both(only_meet, write_plainly);
            if (err == ZK_OK)
                err = zk_parallel_for(0, 100, 1, add, NULL);
        }
        shared.plain++;
    }
    printf("%ld\n", shared.plain);
    return err != ZK_OK || zk_runtime_leave() != ZK_OK ||
           zk_runtime_close(lane) != ZK_OK;
}
