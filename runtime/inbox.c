/*
 * inbox.c - the queue for tasks from outside.
 *
 * Owns:   the array. It doubles when it is full of waiting tasks and is kept
 *         until the lane closes.
 * Never:  wakes anybody.
 */
#include "runtime/inbox.h"

#include <string.h>

#include "alloc/os.h"

#define FIRST_CAPACITY (16384 / sizeof(struct zk_task))
#define TASKS_PER_PAGE (4096 / sizeof(struct zk_task))

/* Makes room for one more at the end. */
static bool
make_room(struct zk_inbox *box)
{
    size_t waiting = box->end - box->first;
    size_t capacity = box->capacity != 0 ? box->capacity * 2 : FIRST_CAPACITY;
    struct zk_task *tasks;

    if (box->end < box->capacity)
        return true;
    if (waiting <= box->capacity / 2 && box->capacity != 0) {
        memmove(box->tasks, box->tasks + box->first,
                waiting * sizeof *box->tasks);
        box->first = 0;
        box->end = waiting;
        return true;
    }

    tasks = zk__os_map(capacity * sizeof *tasks);
    if (tasks == NULL)
        return false;
    if (waiting != 0)
        memcpy(tasks, box->tasks + box->first, waiting * sizeof *tasks);
    zk__os_unmap(box->tasks, box->capacity * sizeof *box->tasks);
    box->tasks = tasks;
    box->capacity = capacity;
    box->first = 0;
    box->end = waiting;
    return true;
}

void
zk__inbox_init(struct zk_inbox *box)
{
    *box = (struct zk_inbox){0};
    pthread_mutex_init(&box->lock, NULL);
    if (!make_room(box))
        return; /* the first put tries again */
    for (size_t i = 0; i < box->capacity; i += TASKS_PER_PAGE)
        box->tasks[i] = (struct zk_task){0};
}

void
zk__inbox_fini(struct zk_inbox *box)
{
    zk__os_unmap(box->tasks, box->capacity * sizeof *box->tasks);
    pthread_mutex_destroy(&box->lock);
}

void
zk__inbox_gather(struct zk_inbox *box, unsigned node)
{
    zk__os_gather(box->tasks, box->capacity * sizeof *box->tasks, node);
}

bool
zk__inbox_put(struct zk_inbox *box, struct zk_task task)
{
    bool ok;

    pthread_mutex_lock(&box->lock);
    ok = make_room(box);
    if (ok) {
        box->tasks[box->end++] = task;
        zk_store_release(&box->count, box->end - box->first);
    }
    pthread_mutex_unlock(&box->lock);
    return ok;
}

bool
zk__inbox_take(struct zk_inbox *box,
               bool (*wanted)(const struct zk_task *task, const void *arg),
               const void *arg, struct zk_task *task)
{
    size_t i;

    if (zk_load_relaxed(&box->count) == 0)
        return false;

    pthread_mutex_lock(&box->lock);
    for (i = box->first; i < box->end; i++)
        if (wanted == NULL || wanted(&box->tasks[i], arg))
            break;
    bool found = i < box->end;
    if (found) {
        *task = box->tasks[i];
        memmove(box->tasks + box->first + 1, box->tasks + box->first,
                (i - box->first) * sizeof *box->tasks);
        if (++box->first == box->end)
            box->first = box->end = 0;
        zk_store_release(&box->count, box->end - box->first);
    }
    pthread_mutex_unlock(&box->lock);
    return found;
}
