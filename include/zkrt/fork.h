/*
 * fork.h - tasks that nest like calls, at the price of calls.
 *
 * Owns:   zk_fork(), zk_join() and zk_parallel_invoke(), inlined.
 * Never:  decides who runs a fork: fork.c of the library does, when asked.
 *
 *     zk_fork_t f = zk_fork(left, &a);    may run elsewhere from here on
 *     right(&b);
 *     int code = zk_join(f);              runs it here unless it was taken
 *
 * What is forked lies on a stack of its thread's, and only the oldest of it is
 * where others can take it. A join that finds its task still here is a call of
 * `fn`, which the compiler may inline. Both are inlined always: gcc decides on `fn`
 * before it would inline them by itself, and finds a pointer that it does not know.
 */
#ifndef ZKRT_FORK_H
#define ZKRT_FORK_H

#include <stddef.h>

#include <zkrt/error.h>
#include <zkrt/parallel.h>

ZK_BEGIN_DECLS

/*
 * The calling thread's stack. Private but for the inlined functions below: do not
 * read or write it elsewhere.
 */
struct zk_fork_entry {
    zk_task_fn fn; /* NULL: to be joined the long way */
    void *arg;
};

struct zk_forks {
    struct zk_fork_entry *next;  /* the first free entry */
    char apart[120];             /* others write what follows */
    struct zk_fork_entry *limit; /* end of the room; NULL: somebody is hungry */
};

extern ZK_API ZK_THREAD_LOCAL struct zk_forks *zk__forks
#ifndef ZK__NO_TLS_MODEL
    __attribute__((tls_model("initial-exec")))
#endif
    ;

/* A task that was forked and is to be joined. A value: copy it, do not look. */
typedef struct {
    zk_task_fn fn;
    void *arg;
    struct zk_fork_entry *at;
} zk_fork_t;

ZK_API struct zk_fork_entry *zk__fork_slow(zk_task_fn fn, void *arg);
ZK_API int zk__join_slow(struct zk_fork_entry *at, zk_task_fn fn, void *arg);

/*
 * Lets fn(arg) run elsewhere until it is joined. Each fork is joined once, by the
 * thread and in the function call that forked, the newest first, like brackets:
 * before a return, a throw or a longjmp out of it. What `arg` points to may lie
 * on the stack.
 *
 * The task belongs to the phase and the job of the one that forks. It is a part of
 * its caller: where it runs as a call, scopes of scratch that it leaves open are
 * its caller's.
 *
 * A thread that is not in a lane is in the default lane from the outermost fork to
 * its join. Where that lane has no free slot, or memory for the stack ends, fn
 * runs at once, inside this call.
 *
 * Thread: any.
 * Cost:   some instructions, no allocation and no atomic operation, unless
 *         somebody is looking for work.
 */
__attribute__((always_inline)) static inline zk_fork_t
zk_fork(zk_task_fn fn, void *arg)
{
    struct zk_forks *forks = zk__forks;
    struct zk_fork_entry *at = forks->next;

    if (__builtin_expect(at >= ZK__LOAD(&forks->limit), 0) ||
        fn == ZK__NO_FUNCTION) {
        at = zk__fork_slow(fn, arg);
    } else {
        at->fn = fn;
        at->arg = arg;
        forks->next = at + 1;
    }

    zk_fork_t fork = {fn, arg, at};

    return fork;
}

/*
 * Returns fn's result, when it is done. If nobody has taken the task it runs now,
 * in this call. Otherwise the caller waits, and runs meanwhile what was forked and
 * spawned since the fork, and tasks of whoever has taken it; nothing else.
 *
 * Thread: the one that forked.
 * Errors: fn's non-zero result: it cancels nothing but is returned
 *         ZK_EINVAL  fn is NULL
 *         ZK_ECANCELED  the phase was cancelled, or what waits for the caller
 *                    was, so that fn did not run where it was taken to, or may
 *                    not have. A task that nobody has taken runs nevertheless:
 *                    ask zk_stopped() in what takes long
 */
__attribute__((always_inline)) static inline int
zk_join(zk_fork_t fork)
{
    struct zk_forks *forks = zk__forks;

    if (__builtin_expect(fork.at->fn == ZK__NO_FUNCTION ||
                             fork.at >= ZK__LOAD(&forks->limit),
                         0))
        return zk__join_slow(fork.at, fork.fn, fork.arg);
    forks->next = fork.at;
    /* Where this is NULL, fork.at->fn was. NOLINTNEXTLINE(*-core.CallAndMessage) */
    return fork.fn(fork.arg);
}

/*
 * Runs f(a) and g(b), at the same time where a worker is free, and returns when
 * both are done: f's result if it is not 0, else g's. Both run, whatever the
 * other returns.
 *
 * Thread, errors: as for zk_fork() and zk_join(); ZK_EINVAL: f or g is NULL, and
 *         neither has run.
 */
__attribute__((always_inline)) static inline int
zk_parallel_invoke(zk_task_fn f, void *a, zk_task_fn g, void *b)
{
    zk_fork_t fork;
    int first, second;

    if (f == ZK__NO_FUNCTION || g == ZK__NO_FUNCTION)
        return ZK_EINVAL;
    fork = zk_fork(g, b);
    first = f(a);
    second = zk_join(fork);
    return first != 0 ? first : second;
}

/*
 * True when the task that calls was told to stop: its phase was cancelled, or the
 * group or loop that waits for it was, or failed. What takes long may ask now and
 * then and return early.
 *
 * Cost: some ns.
 */
ZK_API int zk_stopped(void);

ZK_END_DECLS

#endif
