/*
 * watch.c - the watching thread and its report.
 *
 * The report reads what others write, without their leave: the process is about to
 * end. Should it hang itself, on a lock that whoever hangs has, the alarm that it
 * sets before ends the process all the same.
 */
#include "tests/stress/watch.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "runtime/lane.h"
#include "tests/support.h"

#ifdef __clang__
#    define NO_TSAN __attribute__((no_sanitize("thread")))
#else
#    define NO_TSAN __attribute__((no_sanitize_thread))
#endif

#define TICK_NS     100000000 /* the thread looks ten times a second */
#define REPORT_S    20u       /* what the report may take */
#define FRAMES_MAX  48
#define ANSWER_TICK 3 /* to wait for each thread's own lines */

static struct {
    const char *what;
    unsigned seconds;
    pthread_t thread;
    _Atomic uint64_t beats;
    _Atomic bool over;
    bool runs;
} watch;

static _Atomic bool reporting;

/* ---- words --------------------------------------------------------------- */

/* The report does not wait for anybody's lock on a stream. */
__attribute__((format(printf, 1, 2))) static void
say(const char *format, ...)
{
    char line[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0 && write(STDERR_FILENO, line, strlen(line)) < 0)
        return; /* there is nobody to tell */
}

static void
tick(void)
{
    struct timespec t = {0, TICK_NS};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* ---- a lane -------------------------------------------------------------- */

NO_TSAN static void
say_job(const char *how, const struct zk_job *job)
{
    for (unsigned depth = 0; job != NULL && depth < 8; depth++) {
        say("      %s job %llu%s: owner %d, pushed %llu+%llu, done %llu+%llu,"
            " error %d\n",
            how, (unsigned long long)job->id,
            job->in_loop != 0 ? " (in a loop)" : "",
            job->owner == ZK_NO_SLOT ? -1 : (int)job->owner,
            (unsigned long long)zk_load_relaxed(&job->own_pushed),
            (unsigned long long)zk_load_relaxed(&job->far_pushed),
            (unsigned long long)zk_load_relaxed(&job->own_done),
            (unsigned long long)zk_load_relaxed(&job->far_done),
            zk_load_relaxed(&job->error));
        how = "for";
        job = job->parent;
    }
}

NO_TSAN static void
say_slot(const zk_runtime_t *lane, const struct zk_slot *s)
{
    bool worker = s->index != 0 && s->index < lane->nworkers;

    if (!zk_load_relaxed(&s->taken) && zk__deque_empty(&s->deque))
        return;
    say("    slot %u (%s): deque %lld, forks %s, works on job %llu of another,"
        " phase \"%s\"\n",
        s->index,
        s->thread != 0 ? "thread"
        : worker       ? "not started"
                       : "guest",
        (long long)zk__deque_size(&s->deque),
        !zk__forks_any(&s->forks)      ? "none"
        : zk__forks_private(&s->forks) ? "private"
                                       : "shared",
        (unsigned long long)zk_load_relaxed(&s->root),
        s->phase == lane->outside ? "" : s->phase->name[1]);
    if (s->job != NULL)
        say_job("runs a task of", s->job);
}

NO_TSAN static void
say_phase(const struct zk_phase *phase, const char *name)
{
    uint64_t pushed = zk_load_relaxed(&phase->far_pushed), done = 0;

    for (unsigned i = 0; i < phase->lane->nslots; i++) {
        pushed += zk_load_relaxed(&phase->count[i].pushed);
        done += zk_load_relaxed(&phase->count[i].done);
    }
    say("    phase \"%s\": %s, pushed %llu, done %llu\n", name,
        zk_load_relaxed(&phase->open) ? "open" : "closed",
        (unsigned long long)pushed, (unsigned long long)done);
}

NO_TSAN static void
say_lane(zk_runtime_t *lane, void *unused)
{
    (void)unused;
    say("  lane %llu: %u workers, %u threads, %u sleep, %u search, %u tokens,"
        " %u wait, %zu in the first inbox%s\n",
        (unsigned long long)lane->serial, lane->nworkers,
        zk_load_relaxed(&lane->own_threads), zk_load_relaxed(&lane->sleepers),
        zk_load_relaxed(&lane->searching), zk_load_relaxed(&lane->tokens),
        zk_load_relaxed(&lane->waiters),
        zk_load_relaxed(&lane->domains[0].inbox.count),
        zk_load_relaxed(&lane->closing) ? ", closing" : "");
    say_phase(lane->outside, "");
    for (unsigned i = 0; i < zk_load_relaxed(&lane->nphases); i++)
        say_phase(lane->phases[i], lane->phases[i]->name[1]);
    for (unsigned i = 0; i < lane->nslots; i++)
        say_slot(lane, &lane->slots[i]);
}

/* ---- threads -------------------------------------------------------------- */

/* Each thread says for itself where it is. Workers leave the signal open. */
NO_TSAN static void
say_where(int signal)
{
    const struct zk_slot *self = zk__thread.slot;
    void *frames[FRAMES_MAX];
    int saved = errno;

    if (!zk_load_relaxed(&reporting))
        abort(); /* a trap of its own */
    (void)signal;
    if (self != NULL)
        say("  thread %ld: slot %u of lane %llu, called from\n",
            syscall(SYS_gettid), self->index,
            (unsigned long long)self->lane->serial);
    else
        say("  thread %ld: in no lane, called from\n", syscall(SYS_gettid));
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    errno = saved;
}

/* What the kernel says of a thread: its state, and what it sleeps in. */
static void
say_thread(const char *tid)
{
    char path[64], stat[256] = "", wchan[64] = "";
    const char *state;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", tid);
    f = fopen(path, "r");
    if (f != NULL) {
        stat[fread(stat, 1, sizeof stat - 1, f)] = '\0';
        fclose(f);
    }
    snprintf(path, sizeof path, "/proc/self/task/%.20s/wchan", tid);
    f = fopen(path, "r");
    if (f != NULL) {
        wchan[fread(wchan, 1, sizeof wchan - 1, f)] = '\0';
        fclose(f);
    }
    state = strrchr(stat, ')');
    say("  thread %s: state %.1s, in %s\n", tid,
        state != NULL && state[1] != '\0' ? state + 2 : "?",
        wchan[0] != '\0' && wchan[0] != '0' ? wchan : "no call");
}

static void
say_threads(void)
{
    DIR *d = opendir("/proc/self/task");

    if (d == NULL)
        return;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        long tid = strtol(e->d_name, NULL, 10);

        if (tid == 0)
            continue;
        say_thread(e->d_name);
        if (tid == syscall(SYS_gettid))
            continue; /* this one is here */
        (void)syscall(SYS_tgkill, getpid(), tid, SIGTRAP);
        for (int i = 0; i < ANSWER_TICK; i++)
            tick();
    }
    closedir(d);
}

_Noreturn static void
report(const char *what, unsigned seconds)
{
    struct sigaction action = {.sa_handler = say_where};

    signal(SIGALRM, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    alarm(REPORT_S);
    zk_store_seq_cst(&reporting, true);
    (void)sigaction(SIGTRAP, &action, NULL);
    say("watchdog: nothing has gone on for %u s in %s\n", seconds, what);
    say_threads();
    zk__lane_each(say_lane, NULL);
    abort();
}

/* ---- watching -------------------------------------------------------------- */

static void *
look(void *unused)
{
    uint64_t seen = 0;
    unsigned ticks = 0;

    while (!zk_load_acquire(&watch.over)) {
        uint64_t beats = zk_load_relaxed(&watch.beats);

        ticks = beats == seen ? ticks + 1 : 0;
        seen = beats;
        if (ticks > watch.seconds * (1000000000u / TICK_NS))
            report(watch.what, watch.seconds);
        tick();
    }
    return unused;
}

void
watch_begin(const char *what, unsigned seconds)
{
    sigset_t all, old;

    watch.what = what;
    watch.seconds = seconds != 0 ? seconds : WATCH_S;
    zk_store_relaxed(&watch.over, false);
    alarm(0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    watch.runs = pthread_create(&watch.thread, NULL, look, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void
watch_end(void)
{
    if (!watch.runs)
        return;
    zk_store_release(&watch.over, true);
    pthread_join(watch.thread, NULL);
    watch.runs = false;
}

void
watch_beat(void)
{
    zk_add_relaxed(&watch.beats, (uint64_t)1);
}

static void
alarmed(int signal)
{
    (void)signal;
    report("a child", watch.seconds);
}

void
watch_child(unsigned seconds)
{
    struct sigaction action = {.sa_handler = alarmed};

    watch.seconds = seconds;
    watch.runs = false;
    (void)sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}
