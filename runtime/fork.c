/*
 * fork.c - the long way of forks and joins, and what a slot lets others have.
 *
 * Owns:   the stacks of forks, and the records of shared ones. fork.h has the
 *         picture and the invariants K1 to K5.
 * Never:  is called for a fork that nobody has asked for, but for one in a
 *         thousand, where a chunk ends.
 */
#include "runtime/fork.h"

#include "alloc/os.h"
#include "private/check.h"
#include "runtime/lane.h"

#define CHUNK_BYTES ((size_t)16 << 10)
#define CHUNK_ENTRIES                               \
    ((CHUNK_BYTES - sizeof(struct zk_fork_chunk)) / \
     sizeof(struct zk_fork_entry))

/* Records come in batches, which stay until the slot goes. */
struct zk_fork_job {
    struct zk_job job; /* first: the deque's tasks lead to it */
    struct zk_fork_job *next;
};

#define BATCH_BYTES ((size_t)4096)
#define BATCH_JOBS \
    ((BATCH_BYTES - sizeof(struct zk_fork_jobs)) / sizeof(struct zk_fork_job))

struct zk_fork_jobs {
    struct zk_fork_jobs *next;
    struct zk_fork_job job[];
};

struct zk_forks zk__forks_none; /* no room: all goes the long way */

ZK_THREAD_LOCAL struct zk_forks *zk__forks = &zk__forks_none;

/* ---- memory ------------------------------------------------------------ */

static struct zk_fork_entry *
end_of(struct zk_fork_chunk *c)
{
    return c->entry + CHUNK_ENTRIES;
}

static bool
more_jobs(struct zk_fork_stack *s)
{
    struct zk_fork_jobs *batch = zk__os_map(BATCH_BYTES);

    if (batch == NULL)
        return false;
    batch->next = s->jobs;
    s->jobs = batch;
    for (size_t i = 0; i < BATCH_JOBS; i++) {
        batch->job[i].next = s->spare;
        s->spare = &batch->job[i];
    }
    return true;
}

static struct zk_job *
take_job(struct zk_fork_stack *s)
{
    struct zk_fork_job *f;

    if (s->spare == NULL && !more_jobs(s))
        return NULL;
    f = s->spare;
    s->spare = f->next;
    return &f->job;
}

static void
give_job(struct zk_fork_stack *s, struct zk_job *job)
{
    struct zk_fork_job *f = (struct zk_fork_job *)(void *)job;

    f->next = s->spare;
    s->spare = f;
}

bool
zk__forks_init(struct zk_fork_stack *s)
{
    s->oldest = zk__os_map(CHUNK_BYTES);
    if (s->oldest != NULL)
        zk__forks_drop(s);
    return s->oldest != NULL;
}

void
zk__forks_touch(struct zk_fork_stack *s)
{
    s->oldest->first.arg = NULL;
    if (s->spare == NULL)
        (void)more_jobs(s); /* the first share tries again */
}

void
zk__forks_gather(struct zk_fork_stack *s, unsigned node)
{
    zk__os_gather(s->oldest, CHUNK_BYTES, node);
    for (struct zk_fork_jobs *j = s->jobs; j != NULL; j = j->next)
        zk__os_gather(j, BATCH_BYTES, node);
}

void
zk__forks_fini(struct zk_fork_stack *s)
{
    while (s->oldest != NULL) {
        struct zk_fork_chunk *newer = s->oldest->newer;

        zk__os_unmap(s->oldest, CHUNK_BYTES);
        s->oldest = newer;
    }
    while (s->jobs != NULL) {
        struct zk_fork_jobs *next = s->jobs->next;

        zk__os_unmap(s->jobs, BATCH_BYTES);
        s->jobs = next;
    }
}

void
zk__forks_drop(struct zk_fork_stack *s)
{
    s->chunk = s->oldest;
    s->shared_chunk = s->oldest;
    s->open.next = s->oldest->entry;
    s->shared = s->oldest->entry;
    s->entered = false;
    zk_store_plain_relaxed(&s->open.limit, (struct zk_fork_entry *)NULL);
}

/* ---- the stack --------------------------------------------------------- */

/* The room ends elsewhere now. Who is hungry still is. */
static void
move_limit(struct zk_fork_stack *s, struct zk_fork_chunk *from,
           struct zk_fork_chunk *to)
{
    struct zk_fork_entry *end = end_of(from);

    (void)zk_cas_plain_relaxed(&s->open.limit, &end, end_of(to));
}

/* NULL: no memory. */
static struct zk_fork_entry *
push(struct zk_fork_stack *s, zk_task_fn fn, void *arg)
{
    struct zk_fork_chunk *c = s->chunk;

    if (s->open.next == end_of(c)) {
        if (c->newer == NULL) {
            c->newer = zk__os_map(CHUNK_BYTES);
            if (c->newer == NULL)
                return NULL;
            c->newer->older = c;
        }
        move_limit(s, c, c->newer);
        s->chunk = c = c->newer;
        s->open.next = c->entry;
    }
    if (s->open.next == c->entry) { /* K4 */
        c->first = (struct zk_fork_entry){fn, arg};
        fn = NULL;
        arg = NULL;
    }
    *s->open.next = (struct zk_fork_entry){fn, arg};
    return s->open.next++;
}

/* Takes the newest off. A chunk's first entry leads back to the older one. */
static void
pop(struct zk_fork_stack *s, struct zk_fork_entry *at)
{
    struct zk_fork_chunk *c = s->chunk;

    s->open.next = at;
    if (at == c->entry && c->older != NULL) {
        move_limit(s, c, c->older);
        s->chunk = c->older;
        s->open.next = end_of(c->older);
    }
}

/* ---- sharing ----------------------------------------------------------- */

static int
run_fork(struct zk_job *job, uintptr_t x, uintptr_t y)
{
    zk_task_fn fn = (zk_task_fn)x;

    (void)job;
    return fn((void *)y);
}

static void
bind(struct zk_slot *self, struct zk_job *job)
{
    *job = (struct zk_job){
        .lane = self->lane,
        .phase = self->phase,
        .parent = self->job,
        .run = run_fork,
        .owner = self->index,
        .in_loop = self->job != NULL && self->job->in_loop,
        .phase_id = zk_load_relaxed(&self->phase->id),
        .id = zk__job_id(self->lane, self),
        .mark = zk__deque_mark(&self->deque),
    };
}

/* False: no memory for a record. pre: something is private */
static bool
share_oldest(struct zk_slot *self)
{
    struct zk_fork_stack *s = &self->forks;
    struct zk_job *job = take_job(s);
    struct zk_fork_entry *at, task;

    if (job == NULL)
        return false;
    if (s->shared == end_of(s->shared_chunk)) {
        s->shared_chunk = s->shared_chunk->newer;
        s->shared = s->shared_chunk->entry;
    }
    at = s->shared++;
    task = at->fn != NULL ? *at : s->shared_chunk->first; /* K4 */
    bind(self, job);
    *at = (struct zk_fork_entry){NULL, job};
    zk__task_push(self, job, (uintptr_t)task.fn, (uintptr_t)task.arg);
    return true;
}

void
zk__forks_share(struct zk_slot *self)
{
    while (zk__forks_private(&self->forks) && share_oldest(self))
        ;
}

/*
 * Shares the oldest forks until the deque has something for everybody who looks
 * for work and two more, so that the next one to come need not ask. If it has not,
 * the next fork comes here, too.
 */
static void
offer(struct zk_slot *self)
{
    struct zk_fork_stack *s = &self->forks;
    zk_runtime_t *lane = self->lane;
    int64_t wanted = 2 + (int64_t)zk_load_relaxed(&lane->searching) +
                     (int64_t)zk_load_relaxed(&lane->sleepers);

    zk_store_plain_relaxed(&s->open.limit, end_of(s->chunk)); /* K3 */
    if (zk_load_relaxed(&lane->threads) == 0 && self->job != NULL)
        return;
    while (zk__forks_private(s) && zk__deque_size(&self->deque) < wanted)
        if (!share_oldest(self))
            return;
    if (zk__deque_size(&self->deque) < wanted)
        zk__forks_ask(s);
}

/* ---- forking and joining ------------------------------------------------ */

/*
 * Forks that have run at once, for want of a slot or of memory: the thread keeps
 * their results. What is deeper than the last cell shares that one, where the first
 * error stays until all of them are joined.
 */
#define RAN_CELLS 16u

static struct zk_fork_entry ran;

static ZK_THREAD_LOCAL struct {
    unsigned depth;
    int code[RAN_CELLS];
} results;

static int *
result_at(unsigned depth)
{
    return &results.code[depth < RAN_CELLS ? depth : RAN_CELLS - 1];
}

static struct zk_fork_entry *
run_at_once(zk_task_fn fn, void *arg)
{
    int code = fn != NULL ? fn(arg) : ZK_EINVAL;
    int *result = result_at(results.depth);

    if (results.depth++ < RAN_CELLS || *result == 0)
        *result = code;
    return &ran;
}

static int
result_of_ran(void)
{
    return *result_at(--results.depth);
}

/* The calling thread's slot; one of the default lane if it has none. */
static struct zk_slot *
enter(void)
{
    struct zk_slot *self = zk__thread.slot;
    zk_runtime_t *lane;

    if (self != NULL)
        return self;
    lane = zk__lane_default();
    self = lane != NULL ? zk__member_enter(lane) : NULL;
    if (self != NULL)
        self->forks.entered = true;
    return self;
}

struct zk_fork_entry *
zk__fork_slow(zk_task_fn fn, void *arg)
{
    struct zk_slot *self = fn != NULL ? enter() : NULL;
    struct zk_fork_entry *at =
        self != NULL ? push(&self->forks, fn, arg) : NULL;

    if (at == NULL)
        return run_at_once(fn, arg);
    zk__lane_start(self->lane);
    offer(self);
    return at;
}

static int
join_shared(struct zk_slot *self, struct zk_job *job)
{
    struct zk_fork_stack *s = &self->forks;
    int code;

    s->shared_chunk = s->chunk;
    s->shared = s->open.next; /* K1 */
    zk__wait_job(self, job);
    code = zk_load_acquire(&job->error);
    if (code == 0 && zk__job_stopped(job))
        code = ZK_ECANCELED; /* with no code of its own it may not have run */
    give_job(s, job);
    if (zk__deque_empty(&self->deque))
        zk__forks_ask(s); /* K3 */
    return code;
}

int
zk__join_slow(struct zk_fork_entry *at, zk_task_fn fn, void *arg)
{
    struct zk_slot *self = zk__thread.slot;
    struct zk_fork_entry was = *at;
    bool leave;
    int code;

    if (at == &ran)
        return result_of_ran();
    leave = self->forks.entered && at == self->forks.oldest->entry;
    if (leave)
        self->forks.entered = false; /* what runs now may fork at this place */
    pop(&self->forks, at);
    if (was.fn == NULL && was.arg != NULL) {
        code = join_shared(self, was.arg);
    } else { /* somebody is hungry: older ones may do */
        if (zk__forks_private(&self->forks))
            offer(self);
        code = fn(arg);
    }
    if (self->job == NULL && !zk__forks_any(&self->forks))
        zk__forks_ask(&self->forks); /* K5 */
    if (leave)
        zk__member_leave(self);
    return code;
}

int
zk_stopped(void)
{
    const struct zk_slot *self = zk__thread.slot;

    if (self == NULL)
        return 0;
    return self->job != NULL ? zk__job_stopped(self->job)
                             : zk__cancelled(zk_load_relaxed(&self->phase->id));
}
