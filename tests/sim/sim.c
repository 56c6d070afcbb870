/*
 * sim.c - the fibers, the simulated clock and the simulated futex.
 *
 * Owns:   who runs.
 * Never:  calls into the library.
 */
#include "tests/sim/sim.h"

#undef pthread_create
#undef pthread_join
#undef pthread_mutex_lock
#undef sched_yield
#undef clock_gettime
#undef sched_getcpu

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "runtime/futex.h"

#define FIBERS      256u
#define STACK_BYTES ((size_t)256 << 10)
#define LOCALS_MAX  ((size_t)8192)
#define TIME_BEGIN  UINT64_C(1000000000)
#define CLOCK_STEP  2000u /* ns that pass while somebody looks */

#define STEPS_AHEAD 16u /* with clocks: by how much one may be ahead */
#define STEP_NS     5u  /* with clocks: what a step is for who looks */

struct fiber {
    ucontext_t context;
    char *stack;
    bool used, ended;
    void *(*fn)(void *);
    void *arg;
    _Atomic uint32_t *waits_on; /* NULL: it can run */
    uint64_t until_ns;          /* or until then; ZK_FOREVER */
    char locals[LOCALS_MAX];
};

static struct fiber fibers[FIBERS];
static unsigned fibers_high; /* all beyond were never used in this run */
static struct fiber *now;    /* NULL: no simulation */

/* With clocks: each fiber's own, in steps; beside them, so that a search is short. */
static bool with_clocks;
static uint64_t clock_of[FIBERS];
static uint64_t points_max = 20000000u; /* of a run that never ends */
static unsigned cpus;
static ucontext_t outside;
static void (*main_fn)(void *);
static void *main_arg;
static uint64_t random_state, time_ns;
static struct sim_result result;
static char no_locals[1], *locals = no_locals;
static const void *fresh_locals;
static size_t locals_bytes, fresh_bytes;

/* ---- numbers and thread-locals ------------------------------------------- */

static uint64_t
next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

unsigned
sim_below(unsigned n)
{
    return (unsigned)(next_random() % n);
}

/* The program itself is the first that is told of. */
static int
find_locals(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];

        if (h->p_type != PT_TLS)
            continue;
        locals = info->dlpi_tls_data;
        locals_bytes = h->p_memsz;
        fresh_locals = (const char *)info->dlpi_addr + h->p_vaddr;
        fresh_bytes = h->p_filesz;
    }
    return 1;
}

static void
check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "simulation: %s\n", what);
    abort();
}

/* ---- who runs ------------------------------------------------------------ */

static void
go_on_with(struct fiber *next)
{
    struct fiber *last = now;

    if (next == last)
        return;
    result.switches++;
    memcpy(last->locals, locals, locals_bytes);
    now = next;
    memcpy(locals, next->locals, locals_bytes);
    check(swapcontext(&last->context, &next->context) == 0, "swapcontext");
}

static bool
can_run(const struct fiber *f)
{
    return f->used && !f->ended && f->waits_on == NULL;
}

static struct fiber *
any_that_can_run(void)
{
    unsigned start = sim_below(fibers_high);

    for (unsigned i = 0; i < fibers_high; i++) {
        struct fiber *f = &fibers[(start + i) % fibers_high];

        if (can_run(f))
            return f;
    }
    return NULL;
}

/* Whose clock is behind all others'. */
static struct fiber *
last_that_can_run(void)
{
    struct fiber *last = NULL;
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < fibers_high; i++)
        if (clock_of[i] < least && can_run(&fibers[i])) {
            least = clock_of[i];
            last = &fibers[i];
        }
    return last;
}

static uint64_t *
own_clock(void)
{
    return &clock_of[now - fibers];
}

/* The one whose wait ends first: time passes until then. NULL: none ever does. */
static struct fiber *
first_to_wake(void)
{
    struct fiber *first = NULL;

    for (unsigned i = 0; i < fibers_high; i++) {
        struct fiber *f = &fibers[i];

        if (f->used && !f->ended && f->until_ns != ZK_FOREVER &&
            (first == NULL || f->until_ns < first->until_ns))
            first = f;
    }
    if (first != NULL) {
        time_ns = first->until_ns > time_ns ? first->until_ns : time_ns;
        clock_of[first - fibers] = (time_ns - TIME_BEGIN) / STEP_NS;
        first->waits_on = NULL;
    }
    return first;
}

_Noreturn static void
give_up(void)
{
    result.stuck = true;
    now = NULL;
    setcontext(&outside);
    abort();
}

static void
let_another_run(void)
{
    struct fiber *next = with_clocks ? last_that_can_run() : any_that_can_run();

    if (next == NULL)
        next = first_to_wake();
    if (next == NULL || result.points > points_max)
        give_up();
    go_on_with(next);
}

/* Who is ahead of the last one by so much stands back. */
static void
stand_back(void)
{
    const struct fiber *last = last_that_can_run();

    if (result.points > points_max ||
        *own_clock() > clock_of[last - fibers] + sim_below(STEPS_AHEAD))
        let_another_run();
}

void
zk__sim_point(void)
{
    if (now == NULL)
        return;
    result.points++;
    if (with_clocks) {
        ++*own_clock();
        if (result.points % 4 == 0)
            stand_back();
    } else if (sim_below(4) == 0) {
        let_another_run();
    }
}

void
zk__sim_pause(void)
{
    if (now == NULL)
        return;
    if (with_clocks) {
        zk__sim_point();
        return;
    }
    result.points++;
    let_another_run();
}

void
sim_with_clocks(bool on)
{
    with_clocks = on;
}

void
sim_patience(uint64_t points)
{
    points_max = points;
}

void
sim_cpus(unsigned n)
{
    cpus = n;
}

uint64_t
sim_clock(void)
{
    return *own_clock();
}

void
sim_work(uint64_t steps)
{
    *own_clock() += steps;
    zk__sim_point();
    stand_back();
}

int
zk__sim_yield(void)
{
    zk__sim_pause();
    return 0;
}

/* ---- threads, locks, time ------------------------------------------------- */

static void
begin_fiber(void)
{
    struct fiber *self = now;

    (void)self->fn(self->arg);
    self = now; /* it may have been away */
    self->ended = true;
    let_another_run();
}

static struct fiber *
new_fiber(void *(*fn)(void *), void *arg)
{
    struct fiber *f = NULL;

    for (unsigned i = 0; i < FIBERS && f == NULL; i++)
        if (!fibers[i].used)
            f = &fibers[i];
    check(f != NULL, "too many threads");
    if ((unsigned)(f - fibers) >= fibers_high)
        fibers_high = (unsigned)(f - fibers) + 1;
    clock_of[f - fibers] = now != NULL ? *own_clock() : 0;
    if (f->stack == NULL)
        f->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(f->stack != MAP_FAILED, "no memory for a stack");
    f->used = true;
    f->ended = false;
    f->fn = fn;
    f->arg = arg;
    f->waits_on = NULL;
    f->until_ns = ZK_FOREVER;
    memset(f->locals, 0, sizeof f->locals);
    memcpy(f->locals, fresh_locals, fresh_bytes);
    check(getcontext(&f->context) == 0, "getcontext");
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, begin_fiber, 0);
    return f;
}

int
zk__sim_create(pthread_t *thread, const pthread_attr_t *attr,
               void *(*fn)(void *), void *arg)
{
    check(now != NULL, "a thread outside of the simulation");
    (void)attr;
    *thread = (pthread_t)(new_fiber(fn, arg) - fibers) + 1;
    zk__sim_point();
    return 0;
}

int
zk__sim_join(pthread_t thread, void **value)
{
    struct fiber *f = &fibers[thread - 1];

    while (!f->ended)
        zk__sim_pause();
    f->used = false;
    if (value != NULL)
        *value = NULL;
    return 0;
}

int
zk__sim_lock(pthread_mutex_t *mutex)
{
    zk__sim_point();
    while (pthread_mutex_trylock(mutex) != 0)
        zk__sim_pause();
    return 0;
}

int
zk__sim_cpu(void)
{
    return now != NULL && cpus > 1 ? (int)sim_below(cpus) : 0;
}

int
zk__sim_clock(clockid_t clock, struct timespec *t)
{
    if (now == NULL)
        return clock_gettime(clock, t);
    time_ns = with_clocks ? TIME_BEGIN + STEP_NS * *own_clock()
                          : time_ns + CLOCK_STEP;
    t->tv_sec = (time_t)(time_ns / 1000000000u);
    t->tv_nsec = (long)(time_ns % 1000000000u);
    return 0;
}

/* ---- the futex, in place of runtime/futex.c ------------------------------- */

void
zk__futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
    struct fiber *self;

    zk__sim_point();
    self = now;
    if (self == NULL || atomic_load(word) != seen)
        return;
    result.sleeps++;
    self->waits_on = word;
    self->until_ns =
        timeout_ns == ZK_FOREVER ? ZK_FOREVER : time_ns + timeout_ns;
    let_another_run();
    self->until_ns = ZK_FOREVER;
}

void
zk__futex_wake(_Atomic uint32_t *word, int n)
{
    unsigned start;

    if (now == NULL)
        return;
    start = sim_below(fibers_high);
    for (unsigned i = 0; i < fibers_high && n > 0; i++) {
        struct fiber *f = &fibers[(start + i) % fibers_high];

        if (f->used && !f->ended && f->waits_on == word) {
            uint64_t awake = *own_clock() + SIM_WAKE_STEPS;

            f->waits_on = NULL;
            if (clock_of[f - fibers] < awake)
                clock_of[f - fibers] = awake;
            n--;
        }
    }
    zk__sim_point();
}

/* ---- running -------------------------------------------------------------- */

static void *
run_main(void *unused)
{
    main_fn(main_arg);
    return unused;
}

/* The main fiber's last act is to go back. */
static void *
run_all(void *unused)
{
    (void)run_main(unused);
    for (unsigned i = 1; i < fibers_high; i++)
        result.stuck = result.stuck || fibers[i].used; /* not joined */
    now = NULL;
    setcontext(&outside);
    return unused;
}

struct sim_result
sim_run(uint64_t seed, void (*fn)(void *), void *arg)
{
    static char own[LOCALS_MAX];
    volatile bool begun = false;

    check(now == NULL, "a simulation inside of one");
    (void)dl_iterate_phdr(find_locals, NULL);
    check(locals != no_locals && locals_bytes <= LOCALS_MAX, "thread-locals");
    memset(&result, 0, sizeof result);
    random_state = seed;
    time_ns = TIME_BEGIN;
    main_fn = fn;
    main_arg = arg;
    for (unsigned i = 0; i < FIBERS; i++)
        fibers[i].used = false;
    fibers_high = 0;
    memcpy(own, locals, locals_bytes);
    check(getcontext(&outside) == 0, "getcontext");
    if (!begun) {
        begun = true;
        now = new_fiber(run_all, NULL);
        memcpy(locals, now->locals, locals_bytes);
        setcontext(&now->context);
    }
    memcpy(locals, own, locals_bytes);
    return result;
}
