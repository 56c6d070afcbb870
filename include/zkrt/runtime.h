/*
 * runtime.h - lanes: pinned workers, their arenas, and who is inside.
 *
 * Owns:   opening, closing, entering, options, and what was really chosen.
 * Never:  submits work (parallel.h) or begins a phase (phase.h).
 */
#ifndef ZKRT_RUNTIME_H
#define ZKRT_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include <zkrt/error.h>

ZK_BEGIN_DECLS

/*
 * A lane: N workers, one slot each, spare slots for other threads, and a pool
 * of arenas. Workers are threads of the lane, but for one: the thread that
 * enters counts as one of the N while it is inside.
 */
typedef struct zk_runtime zk_runtime_t;

enum zk_bind {
    ZK_BIND_DEFAULT = 0, /* close */
    ZK_BIND_CLOSE,       /* neighbouring cores first */
    ZK_BIND_SPREAD,      /* as far apart as the topology allows */
    ZK_BIND_NONE,        /* let the kernel place the workers */
    ZK_BIND_PRIMARY      /* all in the first place */
};

enum zk_huge {
    ZK_HUGE_DEFAULT = 0, /* auto */
    ZK_HUGE_AUTO,        /* ask for huge pages where they pay; see design.md */
    ZK_HUGE_ALWAYS,      /* ask for them from the first byte */
    ZK_HUGE_NEVER        /* refuse them */
};

/*
 * What becomes of pointers into earlier phases. Where they trap, the slabs of an
 * arena stand at fresh addresses in each phase, and a read or write through an
 * old pointer ends in SIGSEGV with a report on stderr; zk_free() and the like
 * tell the notice hook and do nothing. Lanes are numbered in the order in which
 * they were opened. The report is made by a handler of SIGSEGV, which is in place
 * while such a lane is open, and hands on to the one before it.
 */
enum zk_trap {
    ZK_TRAP_DEFAULT = 0, /* on */
    ZK_TRAP_ON,
    ZK_TRAP_AUTO, /* where moving takes less than 0.1 % of the last phase */
    ZK_TRAP_OFF
};

/*
 * Where the pages of slabs come from, on a machine with several NUMA nodes. Never
 * strictly: where a node is full its neighbours help out. Where the system refuses
 * to be told, pages lie where they are touched first; zk_runtime_info() shows it.
 */
enum zk_numa_mode {
    ZK_NUMA_DEFAULT = 0, /* local */
    ZK_NUMA_LOCAL,       /* from the node of the slab's worker */
    ZK_NUMA_INTERLEAVE,  /* in turn from all nodes that have workers */
    ZK_NUMA_BIND,        /* from the nodes that are listed */
    ZK_NUMA_OFF,         /* the kernel's own policy */
    ZK_NUMA_LANES        /* zk_lanes_open(): a lane for each node (lanes.h);
                            elsewhere the same as local */
};

/*
 * Who gives the lane its threads. With OPENMP they are those of the OpenMP team
 * of the thread that calls, so that loops of zkrt and `#pragma omp` share one set
 * of threads: see zkrt/omp.h. Where zkrt-omp is not in the program, the lane says
 * so once and has threads of its own.
 */
enum zk_backend {
    ZK_BACKEND_DEFAULT = 0, /* pthreads */
    ZK_BACKEND_PTHREADS,
    ZK_BACKEND_OPENMP
};

/*
 * What the library has to say without being asked: a malformed variable, a
 * refused binding, a stale pointer in a call. `message` is one line without a
 * newline, valid during the call only. Any thread that calls the library; do not
 * call back into it.
 */
typedef void (*zk_notice_fn)(const char *message, void *arg);

/*
 * Options of a lane. A field that is zero means "you choose". Later versions
 * append fields and tell the old callers by `size`: initialise with ZK_OPTIONS.
 * The environment overrides each of them, see zkrt(7).
 */
typedef struct zk_options {
    size_t size;          /* sizeof(zk_options_t) */
    unsigned workers;     /* N, the entering thread included */
    unsigned spare_slots; /* slots for threads beyond N */
    size_t slab_bytes;    /* address space per slot and arena */
    size_t min_bytes;     /* smaller requests go to the heap; 1: none does */
    size_t stack_bytes;   /* stack of each worker thread */
    uint64_t seed;        /* order in which victims are tried */
    unsigned spin_us;     /* how long an idle worker spins before it sleeps */
    enum zk_bind bind;
    enum zk_huge hugepages;
    enum zk_trap trap;
    size_t keep_bytes;   /* of each slab, kept in memory at the least;
                            SIZE_MAX: all that was ever used */
    unsigned decay_ms;   /* memory that was not used for so long is released;
                            of the heap: as the lane opened last has it */
    zk_notice_fn notice; /* default: one line on stderr, each line once */
    void *notice_arg;
    const char *places;  /* OpenMP's grammar, as ZK_PLACES; NULL: single
                           units, the first one of each core before others */
    size_t budget_bytes; /* what all arenas of the process may have together,
                            at least 2 MiB; SIZE_MAX: no budget */
    unsigned budget_percent; /* the same, of the container's limit; not both */
    enum zk_numa_mode numa;
    const char *numa_nodes; /* for ZK_NUMA_BIND, as in "0,2-3" */
    enum zk_backend backend;
    size_t prefault_bytes;  /* of each worker's slab, before the first phase;
                               SIZE_MAX: what the last run used (zkrt(7)) */
    const char *learn_file; /* where that is kept; copied; default: a file of
                               the program's in the user's cache directory */
} zk_options_t;

#ifdef __cplusplus
#    define ZK_OPTIONS_INIT                                                  \
        {                                                                    \
            sizeof(zk_options_t), 0, 0, 0, 0, 0, 0, 0, ZK_BIND_DEFAULT,      \
                ZK_HUGE_DEFAULT, ZK_TRAP_DEFAULT, 0, 0, nullptr, nullptr,    \
                nullptr, 0, 0, ZK_NUMA_DEFAULT, nullptr, ZK_BACKEND_DEFAULT, \
                0, nullptr                                                   \
        }
#else
/* ZK_OPTIONS(.workers = 4) is an options struct with these fields set. */
#    define ZK_OPTIONS(...) \
        (&(const zk_options_t){.size = sizeof(zk_options_t), __VA_ARGS__})
#    define ZK_OPTIONS_INIT              \
        {                                \
            .size = sizeof(zk_options_t) \
        }
#endif

#define ZK_MAX_WORKERS 1024u
#define ZK_MAX_SPARE   1024u

/* What a lane really runs with. */
typedef struct {
    size_t size;           /* set by the caller: sizeof(zk_runtime_info_t) */
    unsigned workers;      /* N: what the lane was opened for */
    unsigned threads;      /* worker threads started so far, at most N - 1; of a
                              lane that borrows: those lent at the moment */
    unsigned slots;        /* workers and spare ones */
    unsigned arenas;       /* reserved so far */
    unsigned nodes;        /* NUMA nodes under the lane */
    size_t slab_bytes;     /* what was asked for */
    size_t slab_bytes_got; /* what the system granted; 0: no arena at all */
    size_t min_bytes;      /* routing threshold; 0 sends all to the arena */
    unsigned spin_us;
    enum zk_bind bind; /* NONE also where binding was refused */
    enum zk_huge hugepages;
    enum zk_trap trap;        /* OFF also where the system does not allow it */
    unsigned trap_phases;     /* a pointer traps for so many phases */
    const char *workers_from; /* why N: "options", "ZK_NUM_WORKERS", ... */
    char workers_why[96];     /* the same in words, with the figures */
    unsigned places;          /* that workers are dealt out to */
    size_t budget_bytes;      /* of all arenas of the process; SIZE_MAX: none */
    const char *budget_from;  /* why: "options", "ZK_ALLOC_BUDGET", ... */
    size_t memory_limit; /* of the container; SIZE_MAX: none is to be seen */
    enum zk_numa_mode numa;
    int numa_error;          /* errno where the system refused that, or 0 */
    enum zk_backend backend; /* who gives the threads */
    size_t prefault_bytes;   /* what was asked for; SIZE_MAX: as learnt */
    int node; /* the one that the lane has alone, see lanes.h; else -1 */
} zk_runtime_info_t;

/*
 * Opens a lane. `options` may be NULL: built-in values and the environment.
 *
 * Starts no thread, unless memory is to be populated (prefault_bytes): workers
 * start with the first work that can use them. When
 * address space is refused the slab size halves until it fits, see
 * zk_runtime_info_t. On an error *lane is NULL and nothing is kept.
 *
 * Thread: any.
 * Cost:   one topology load per process (milliseconds), one reservation.
 * Errors: ZK_EINVAL  lane is NULL or an option is out of range
 *         ZK_ENOMEM  not even the lane's own records could be mapped
 */
ZK_API ZK_NODISCARD zk_err_t zk_runtime_open(zk_runtime_t **lane,
                                             const zk_options_t *options);

/*
 * Closes a lane: waits for detached tasks of no phase, joins its threads and
 * returns its memory to the system. Every pointer into its arenas is dead
 * afterwards; the heap's blocks live on. The caller leaves the lane if it is
 * inside. A NULL lane is ZK_OK.
 *
 * Thread: any, not inside a task.
 * Cost:   the tasks, a wake-up of each worker, and the unmapping of all arenas.
 * Errors: ZK_EPERM   called from a task, or between a fork and its join; nothing
 *                    changed
 *         ZK_EBUSY   another thread is inside, or a phase is open;
 *                    nothing changed
 *         ZK_ESTALE  it is closed already; nothing changed. (A lane that was
 *                    opened since may stand at the same address.)
 */
ZK_API ZK_NODISCARD zk_err_t zk_runtime_close(zk_runtime_t *lane);

/*
 * The lane the caller is in, else the default lane, which this call opens from
 * the environment when it is the first to need it. NULL when that failed.
 * The default lane closes when the process ends; zk_runtime_close() on it
 * works too, and the next use opens it again.
 *
 * Thread: any.
 * Cost:   none, but for the call that opens it: see zk_runtime_open().
 */
ZK_API zk_runtime_t *zk_runtime_current(void);

/*
 * Gives back to the system at once what arenas have in memory and no phase uses:
 * what recent phases did not need, without waiting for decay_ms, arenas that no
 * thread holds, and what is free in the process's heap or in the cache that the
 * caller has of it. The data of a thread's last phase stay, see phase.h.
 *
 * `released` receives the bytes and may be NULL.
 *
 * Thread: any.
 * Cost:   about 26 ms per GiB of base pages, 2.3 ms of huge ones.
 * Errors: ZK_EINVAL  lane is NULL
 */
ZK_API ZK_NODISCARD zk_err_t zk_runtime_trim(zk_runtime_t *lane,
                                             size_t *released);

/*
 * What was chosen, and what the system granted. The strings live as long as the
 * lane.
 *
 * Thread: any.
 * Cost:   a copy.
 * Errors: ZK_EINVAL  an argument is NULL, or info->size is not one that the
 *                    library knows; *info is as it was
 */
ZK_API ZK_NODISCARD zk_err_t zk_runtime_info(const zk_runtime_t *lane,
                                             zk_runtime_info_t *info);

enum zk_form {
    ZK_TEXT, /* lines of "name: value", for people */
    ZK_JSON  /* one object, for programs */
};

/*
 * What was decided for a lane and why: the machine, the number of workers, the
 * CPUs of each and from whom it steals, memory and its limits, and each setting
 * with its source. zk-info(1) prints it, and so does ZK_DISPLAY=1 when a lane
 * opens. Names may be added later; those that are there stay.
 *
 * Writes at most `room` bytes, the final zero included; text may be NULL where
 * room is 0. Returns the length of the whole, without that zero, as snprintf()
 * does; 0 where an argument is wrong.
 *
 * Thread: any.
 * Cost:   some ms for the first in a process, which measures huge pages; a walk of
 *         the page tables of what is in memory.
 */
ZK_API size_t zk_runtime_describe(const zk_runtime_t *lane, enum zk_form form,
                                  char *text, size_t room);

/*
 * Makes the calling thread a worker of the lane until zk_runtime_leave(): it
 * takes a slot, and where that is slot 0 its core, too. Calls nest; the outermost
 * leave gives the slot back and restores the thread's former CPU affinity. A NULL
 * lane is the one that zk_runtime_current() gives.
 * Threads that the caller creates while inside inherit the binding.
 *
 * A thread that calls zk_parallel_for() or begins a phase without having
 * entered is inside for the duration of that loop or phase, so entering is
 * never needed for correctness; it saves the cost of doing it each time. Only
 * entering and phases bind the thread: a lone loop does not.
 *
 * Thread: any; the slot is that thread's.
 * Cost:   outermost: a few system calls. Nested: none.
 * Errors: ZK_EAGAIN  no slot is free
 *         ZK_EPERM   the thread is inside another lane
 *         ZK_ENOMEM  lane is NULL and there is no default lane
 */
ZK_API ZK_NODISCARD zk_err_t zk_runtime_enter(zk_runtime_t *lane);

/*
 * Undoes one zk_runtime_enter().
 *
 * Thread: the one that entered.
 * Cost:   outermost: a few system calls. Nested: none.
 * Errors: ZK_ESTALE  the thread had not entered; nothing changed
 *         ZK_EBUSY   it is the outermost one and a phase of this thread is
 *                    open, a fork is not joined, or the caller is a task;
 *                    nothing changed
 */
ZK_API ZK_NODISCARD zk_err_t zk_runtime_leave(void);

/* The caller's slot, or -1 outside. Stable while the thread is inside. Any thread,
 * at the cost of a call. */
ZK_API int zk_slot(void);

/* N of the lane the caller is in, else of the default lane, which it opens where it
 * is the first to need it; 1 where that failed. Any thread. */
ZK_API unsigned zk_num_workers(void);

/*
 * Counters of a lane since it was opened. They are read without stopping
 * anybody: exact when the lane is quiet, close otherwise.
 */
typedef struct {
    size_t size;             /* set by the caller */
    uint64_t phases;         /* outermost phases begun */
    uint64_t stages;         /* nested ones begun */
    uint64_t tasks;          /* tasks pushed: spawned, submitted, split off */
    uint64_t steals;         /* taken by another worker than the pusher */
    uint64_t sleeps;         /* times that a worker went to sleep */
    uint64_t arena_bytes;    /* allocated by phases and stages that ended */
    uint64_t overflow_count; /* meant for an arena, served by the heap */
    uint64_t overflow_bytes;
    uint64_t bad_frees;     /* addresses in an arena that were no live block */
    uint64_t stale_calls;   /* pointers into an earlier phase passed to calls */
    uint64_t moves;         /* slabs moved to fresh addresses */
    uint64_t moves_skipped; /* under ZK_TRAP_AUTO: it would have taken long */
    uint64_t arena_released;  /* bytes given back to the system so far */
    uint64_t arena_committed; /* bytes of slabs made accessible so far */
    uint64_t budget_charged;  /* now, by all lanes of the process together */
    uint64_t budget_refusals; /* requests and reserves over the budget */
    uint64_t prefaulted;      /* bytes of slabs populated before a phase */
    uint64_t steals_at[4];    /* steals, by how far: within a cache, within a
                                 node, from a nearest node, from farther off */
    uint64_t shared_bytes;    /* now, in regions (shared.h) of all lanes */
    uint64_t shared_regions;
    uint64_t outside_near; /* tasks from outside that a worker of the
                              submitter's node has taken, with what a waiting
                              thread has handed to others */
    uint64_t outside_far;  /* the same, by one of another node */
} zk_runtime_stats_t;

/*
 * Reads the counters.
 *
 * Thread: any.
 * Cost:   a walk of the slots and, in each arena, of its slabs.
 * Errors: ZK_EINVAL  an argument is NULL, or stats->size is not one that the
 *                    library knows; *stats is as it was
 */
ZK_API ZK_NODISCARD zk_err_t zk_runtime_stats(const zk_runtime_t *lane,
                                              zk_runtime_stats_t *stats);

/*
 * Sets overflow_count and overflow_bytes to zero; a NULL lane is left alone. What is
 * counted at the same time may be lost, so no phase of the lane should be open.
 *
 * Thread: any.
 * Cost:   a walk of the slabs.
 */
ZK_API void zk_runtime_stats_reset_overflow(zk_runtime_t *lane);

ZK_END_DECLS

#endif
