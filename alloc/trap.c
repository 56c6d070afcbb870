/*
 * trap.c - the handler of SIGSEGV, and what it says.
 *
 * Owns:   the signal's disposition while arenas with moving slabs exist.
 * Never:  allocates, locks or calls anything that is not async-signal-safe in
 *         the handler.
 */
#include "alloc/trap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "private/check.h"
#include "private/poison.h"

/* ---- words ------------------------------------------------------------- */

/* Grows at its end; what does not fit is cut. */
struct line {
    char text[400];
    size_t length;
};

static void
put(struct line *l, const char *text)
{
    size_t n = strlen(text), room = sizeof l->text - 1 - l->length;

    if (n > room)
        n = room;
    memcpy(l->text + l->length, text, n);
    l->length += n;
    l->text[l->length] = '\0';
}

static void
put_number(struct line *l, uint64_t n, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits - 1;

    digits[at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[n % base];
    while ((n /= base) != 0);
    put(l, digits + at);
}

static void
put_address(struct line *l, const void *p)
{
    put(l, "0x");
    put_number(l, (uintptr_t)p, 16);
}

/* A phase's name is the program's: it stays on one line, within its quotes. */
static void
put_phase(struct line *l, const char *name, uint64_t epoch)
{
    char safe[ZK_PHASE_NAME];
    size_t i = 0;

    for (; i < sizeof safe - 1 && name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];
        bool plain = c >= ' ' && c != 0x7f && c != '"';

        safe[i] = '?';
        if (plain)
            safe[i] = name[i];
    }
    safe[i] = '\0';
    put(l, "phase \"");
    put(l, safe);
    put(l, "\" (epoch ");
    put_number(l, epoch, 10);
    put(l, ")");
}

static void
put_owner(struct line *l, struct zk_place place)
{
    put(l, "slot ");
    put_number(l, (uint64_t)(place.slab - place.arena->slabs), 10);
    put(l, " of lane ");
    put_number(l, place.arena->want.lane, 10);
}

/* Who had a stale address, and who has the arena now. */
static void
put_history(struct line *l, struct zk_place place, const void *p)
{
    const struct zk_arena *a = place.arena;
    const struct zk_site *site =
        &a->sites[(size_t)((const char *)p - a->base) >> a->stride_shift];
    uint64_t epoch = zk_load_acquire(&site->epoch); /* N1 <- N2 (arena.c) */

    put_owner(l, place);
    if (epoch == 0) {
        put(l, " keeps this address free, no phase had it yet");
    } else {
        put(l, " had it in ");
        put_phase(l, site->name, epoch);
    }
    put(l, zk_load_relaxed(&a->open) ? "; now runs " : "; last ran ");
    put_phase(l, a->name, a->epoch);
}

/* ---- stale pointers in calls -------------------------------------------- */

void
zk__trap_call(struct zk_place place, const char *call, const void *p)
{
    const struct zk_arena_want *want = &place.arena->want;
    struct line l = {.length = 0};

    zk_add_relaxed(&place.slab->stale_calls, (uint64_t)1);
    if (want->report == NULL)
        return;
    put(&l, call);
    put(&l, " of ");
    put_address(&l, p);
    put(&l, ", a stale pointer: ");
    put_history(&l, place, p);
    want->report(l.text, want->report_arg);
}

/* ---- stale accesses ------------------------------------------------------ */

static struct {
    pthread_mutex_t lock;
    unsigned holders;
    bool known; /* whoever has the signal now may have found us there */
    struct sigaction previous;
} trap = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *
kind_of_access(const void *context)
{
#if defined(__x86_64__)
    const ucontext_t *uc = context;

    /* Bit 1 of the page fault's error code: Intel SDM, volume 3, 4.7. */
    return (uc->uc_mcontext.gregs[REG_ERR] & 2) != 0 ? "write to " : "read of ";
#else
    (void)context;
    return "access to ";
#endif
}

static void
report_access(struct zk_place place, const char *access, const void *p)
{
    struct line l = {.length = 0};

    put(&l, "zkrt: ");
    put(&l, access);
    put_address(&l, p);
    if (place.stale) {
        put(&l, ", a stale pointer: ");
        put_history(&l, place, p);
    } else {
        put(&l, ", beyond what ");
        put_owner(&l, place);
        put(&l, " has; it runs ");
        put_phase(&l, place.arena->name, place.arena->epoch);
    }
    put(&l, "; by thread ");
    put_number(&l, (uint64_t)syscall(SYS_gettid), 10);
    put(&l, "\n");
    if (write(STDERR_FILENO, l.text, l.length) < 0)
        return; /* there is nobody to tell */
}

/* Has the signal do what it would have done without us. */
static void
hand_on(int sig, siginfo_t *info, void *context)
{
    bool sent = info->si_code <= 0; /* by somebody's kill(), not by a fault */

    if ((trap.previous.sa_flags & SA_SIGINFO) != 0) {
        trap.previous.sa_sigaction(sig, info, context);
    } else if (trap.previous.sa_handler == SIG_IGN && sent) {
        return;
    } else if (trap.previous.sa_handler != SIG_DFL &&
               trap.previous.sa_handler != SIG_IGN) {
        trap.previous.sa_handler(sig);
    } else {
        /* The access is repeated on return, and ends the process where it
         * stands, with the core that it deserves. */
        struct sigaction fatal = {.sa_handler = SIG_DFL};

        sigaction(sig, &fatal, NULL);
        if (sent)
            (void)raise(sig);
    }
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    struct zk_place place = {NULL, NULL, false};

    if (info->si_code > 0)
        place = zk__arena_find(info->si_addr);
    if (place.arena != NULL)
        report_access(place, kind_of_access(context), info->si_addr);
    errno = saved;
    hand_on(sig, info, context);
}

#if ZK_HAVE_ASAN
/* AddressSanitizer finds a stale pointer by its marks, before the kernel can.
 * It calls this after its own report; a program may define its own. */
__attribute__((weak, visibility("default"))) void __asan_on_error(void);

void
__asan_on_error(void)
{
    void *p = __asan_get_report_address();
    struct zk_place place = zk__arena_find(p);

    if (place.stale)
        report_access(
            place,
            __asan_get_report_access_type() != 0 ? "write to " : "read of ", p);
}
#endif

static bool
is_function(const struct sigaction *a)
{
    return (a->sa_flags & SA_SIGINFO) != 0 ||
           (a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN);
}

static bool
same_action(const struct sigaction *a, const struct sigaction *b)
{
    return (a->sa_flags & SA_SIGINFO) == (b->sa_flags & SA_SIGINFO) &&
           ((a->sa_flags & SA_SIGINFO) != 0 ? a->sa_sigaction == b->sa_sigaction
                                            : a->sa_handler == b->sa_handler);
}

/*
 * Whoever took the signal after us may call us when it is done. To go in front
 * of it would make the two of us call each other for ever, so then we stay
 * behind. Who was there before us cannot know us.
 */
static void
install(void)
{
    struct sigaction now,
        ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (sigaction(SIGSEGV, NULL, &now) != 0 || same_action(&now, &ours))
        return;
    if (trap.known && is_function(&now) && !same_action(&now, &trap.previous))
        return;
    trap.known = true;
    trap.previous = now;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGSEGV, &ours, NULL);
}

void
zk__trap_hold(void)
{
    pthread_mutex_lock(&trap.lock);
    trap.holders++;
    install();
    pthread_mutex_unlock(&trap.lock);
}

void
zk__trap_release(void)
{
    struct sigaction now,
        ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    pthread_mutex_lock(&trap.lock);
    ZK_ASSERT(trap.holders != 0);
    if (--trap.holders == 0 && sigaction(SIGSEGV, NULL, &now) == 0 &&
        same_action(&now, &ours)) {
        sigaction(SIGSEGV, &trap.previous, NULL);
        trap.known = false;
    }
    pthread_mutex_unlock(&trap.lock);
}

void
zk__trap_lock(void)
{
    pthread_mutex_lock(&trap.lock);
}

void
zk__trap_unlock(void)
{
    pthread_mutex_unlock(&trap.lock);
}
