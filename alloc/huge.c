/*
 * huge.c - one measurement, looks at what comes, and the advice that follows.
 *
 * Owns:   the facts of this process, and the sum of what its slabs saw.
 * Never:  measures where the system has huge pages turned off.
 */
#include "alloc/huge.h"

#include <pthread.h>

#include "alloc/os.h"
#include "alloc/proc.h"
#include "alloc/word.h"
#include "private/bits.h"
#include "private/check.h"
#include "private/clock.h"

/* ---- measuring ------------------------------------------------------------ */

#define SMALL_LEAST (ZK_HUGE_PAGE / 3) /* below, it is memory that is wasted */

#define ROUNDS     3
#define BASE_PAGES ((size_t)64) /* of 512: the others take as long */

struct zk_huge_facts
zk__huge_judge(enum zk_huge_system system, bool given, uint64_t huge_ns,
               uint64_t base_ns)
{
    struct zk_huge_facts f = {.system = system,
                              .given = given,
                              .huge_ns = huge_ns,
                              .base_ns = base_ns,
                              .small_bytes = ZK_HUGE_PAGE};

    f.pays = given && huge_ns < base_ns;
    if (f.pays)
        f.small_bytes = zk_max_size(
            (size_t)((double)ZK_HUGE_PAGE * (double)huge_ns / (double)base_ns),
            SMALL_LEAST);
    return f;
}

/* The first touch of so many pages, in nanoseconds. */
__attribute__((noinline, no_sanitize("address", "thread"))) static uint64_t
touch(volatile char *p, size_t pages)
{
    size_t page = zk__os_page();
    uint64_t start = zk_now_ns();

    for (size_t i = 0; i < pages; i++)
        p[i * page] = 1;
    return zk_now_ns() - start;
}

/*
 * The two take turns, and the quickest of each counts: the first round may meet
 * pages that the host of a virtual machine has to find first, which takes fifty
 * times as long. The next ones get the same pages again, so both kinds are
 * cleared in the cache. A first byte that brings the whole 2 MiB along was a huge
 * page.
 */
static struct zk_huge_facts
measure_on(char *p, enum zk_huge_system system)
{
    char *base = p + ZK_HUGE_PAGE;
    size_t pages = ZK_HUGE_PAGE / zk__os_page();
    size_t some = zk_min_size(pages, BASE_PAGES);
    uint64_t huge_ns = UINT64_MAX, base_ns = UINT64_MAX;
    bool given = true;

    zk__os_advise_huge(p, ZK_HUGE_PAGE, true);
    zk__os_advise_huge(base, ZK_HUGE_PAGE, false);
    for (int i = 0; i < ROUNDS && given; i++) {
        uint64_t huge = touch(p, 1), small = touch(base, some);

        given = zk__os_in_memory(p, ZK_HUGE_PAGE) == ZK_HUGE_PAGE;
        huge_ns = huge < huge_ns ? huge : huge_ns;
        base_ns = small < base_ns ? small : base_ns;
        given = zk__os_discard(p, 2 * ZK_HUGE_PAGE) && given;
    }
    return zk__huge_judge(system, given, huge_ns, base_ns * (pages / some));
}

static struct zk_huge_facts
measure(void)
{
    enum zk_huge_system system = zk__proc_huge_system();
    struct zk_huge_facts f = zk__huge_judge(system, false, 0, 0);
    uint64_t start = zk_now_ns();
    char *p;

    if (system == ZK_HUGE_SYSTEM_NEVER)
        return f;
    p = zk__os_reserve(2 * ZK_HUGE_PAGE, ZK_HUGE_PAGE);
    if (p == NULL)
        return f;
    if (zk__os_commit(p, 2 * ZK_HUGE_PAGE))
        f = measure_on(p, system);
    zk__os_unmap(p, 2 * ZK_HUGE_PAGE);
    f.took_ns = zk_now_ns() - start;
    return f;
}

static struct zk_huge_facts measured;
static _Atomic(const struct zk_huge_facts *) pretended;

static void
measure_once(void)
{
    measured = measure();
}

const struct zk_huge_facts *
zk__huge_facts(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct zk_huge_facts *f = zk_load_acquire(&pretended); /* A1 <- R1 */

    if (f != NULL)
        return f;
    pthread_once(&once, measure_once);
    return &measured;
}

void
zk__huge_pretend(const struct zk_huge_facts *facts)
{
    zk_store_release(&pretended, facts); /* R1 -> A1 */
}

/* The system's policy alone, without measuring anything. */
static enum zk_huge_system
system_policy(void)
{
    static _Atomic int known; /* its number + 1; 0: not read yet */
    const struct zk_huge_facts *f = zk_load_acquire(&pretended); /* A1 <- R1 */
    int policy = zk_load_relaxed(&known);

    if (f != NULL)
        return f->system;
    if (policy == 0) {
        policy = (int)zk__proc_huge_system() + 1;
        zk_store_relaxed(&known, policy);
    }
    return (enum zk_huge_system)(policy - 1);
}

/* ---- advising ------------------------------------------------------------- */

enum zk_advice
zk__huge_first_advice(enum zk_huge policy)
{
    return policy == ZK_HUGE_ALWAYS  ? ZK_ADVICE_HUGE
           : policy == ZK_HUGE_NEVER ? ZK_ADVICE_BASE
                                     : ZK_ADVICE_NONE;
}

static size_t
offset(const struct zk_slab *s, const char *p)
{
    return (size_t)(p - zk_slab_base(s));
}

/* G2: what of the slab is untouched now. */
static void
note_asked(struct zk_slab *s)
{
    size_t from = zk_round_up(offset(s, s->touched), ZK_HUGE_PAGE);
    size_t to = zk_round_down(offset(s, s->scratched), ZK_HUGE_PAGE);

    if (zk_load_relaxed(&s->asked_to) == 0 ||
        from < zk_load_relaxed(&s->asked_from))
        zk_store_relaxed(&s->asked_from, from);
    if (to > zk_load_relaxed(&s->asked_to))
        zk_store_relaxed(&s->asked_to, to);
}

static void
give_advice(struct zk_slab *s)
{
    size_t committed = offset(s, s->top);

    if (s->advice != ZK_ADVICE_NONE && committed != 0)
        zk__os_advise_huge(zk_slab_base(s), committed,
                           s->advice == ZK_ADVICE_HUGE);
    if (s->advice == ZK_ADVICE_HUGE)
        note_asked(s);
}

void
zk__huge_committed(struct zk_slab *s)
{
    /* Where they come without being asked for, a small slab asks for none. */
    if (s->advice == ZK_ADVICE_NONE && system_policy() == ZK_HUGE_SYSTEM_ALWAYS)
        s->advice = ZK_ADVICE_BASE;
    give_advice(s);
}

/* Begun with the facts, when they are needed first. */
static struct zk_pace *
pace_of(struct zk_slab *s)
{
    if (s->pace.step == 0)
        zk__pace_begin(&s->pace, zk__huge_facts()->huge_ns,
                       zk__huge_facts()->base_ns);
    return &s->pace;
}

/* A slab that uses this much, is it one for huge pages? */
static bool
is_large(const struct zk_slab *s, size_t bytes)
{
    size_t learnt = zk_max_size(s->learnt, bytes);

    if (learnt <= SMALL_LEAST)
        return false; /* for sure, and without a measurement */
    return bytes > ZK_HUGE_PAGE ||
           (s->learnt != 0 && s->learnt > zk__huge_facts()->small_bytes);
}

static void
change_advice(struct zk_slab *s, enum zk_advice advice)
{
    s->advice = advice;
    zk_store_relaxed(&s->asked_to, (size_t)0);
    give_advice(s);
}

static enum zk_advice
advice_for(enum zk_kind_of_page kind)
{
    return kind == ZK_PAGE_HUGE ? ZK_ADVICE_HUGE : ZK_ADVICE_BASE;
}

bool
zk__huge_choose(struct zk_slab *s, size_t bytes)
{
    bool large = is_large(s, bytes);
    enum zk_advice advice = s->advice;

    if (large && zk__huge_facts()->pays)
        advice = advice_for(pace_of(s)->chosen);
    else if (advice == ZK_ADVICE_HUGE)
        advice = ZK_ADVICE_BASE; /* it has learnt that it is small */
    if (advice != s->advice)
        change_advice(s, advice);
    else if (advice == ZK_ADVICE_HUGE)
        note_asked(s);
    return large;
}

/* ---- looking ---------------------------------------------------------------- */

static struct {
    _Atomic uint64_t looks, took_ns, changes[2], last_ns[2];
} seen; /* the last two by the kind of page */

static _Atomic(zk_huge_cost *) pretended_cost;

void
zk__huge_pretend_cost(zk_huge_cost *cost)
{
    zk_store_relaxed(&pretended_cost, cost);
}

struct zk_huge_seen
zk__huge_seen(void)
{
    return (struct zk_huge_seen){
        .looks = zk_load_relaxed(&seen.looks),
        .took_ns = zk_load_relaxed(&seen.took_ns),
        .to_base = zk_load_relaxed(&seen.changes[ZK_PAGE_BASE]),
        .to_huge = zk_load_relaxed(&seen.changes[ZK_PAGE_HUGE]),
        .huge_ns = zk_load_relaxed(&seen.last_ns[ZK_PAGE_HUGE]),
        .base_ns = zk_load_relaxed(&seen.last_ns[ZK_PAGE_BASE]),
    };
}

/* Whether a slab that uses this much is one to look at. */
static bool
looks_pay(const struct zk_slab *s, size_t bytes)
{
    return s->huge == ZK_HUGE_AUTO && s->pace.step != 0 && !s->pace.off &&
           is_large(s, bytes) && zk__huge_facts()->pays &&
           (zk_load_acquire(&pretended) == NULL || /* A1 <- R1 */
            zk_load_relaxed(&pretended_cost) != NULL);
}

/* Takes the next unit as this kind of page. False: the system refuses. */
static bool
look(struct zk_slab *s, size_t at, enum zk_kind_of_page kind)
{
    zk_huge_cost *cost = zk_load_relaxed(&pretended_cost);
    char *p = zk_slab_base(s) + at;
    enum zk_kind_of_page chosen = s->pace.chosen;
    uint64_t ns;

    if (s->advice != advice_for(kind))
        change_advice(s, advice_for(kind));
    ns = zk_thread_ns();
    if (!zk__os_populate(p, ZK_HUGE_PAGE))
        return false;
    ns = zk_thread_ns() - ns;
    if (cost != NULL)
        ns = cost(kind);
    s->touched = p + ZK_HUGE_PAGE; /* G3 */
    zk__pace_saw(&s->pace, kind, ns);
    zk_add_relaxed(&seen.looks, UINT64_C(1));
    zk_add_relaxed(&seen.took_ns, ns);
    zk_store_relaxed(&seen.last_ns[kind], ns);
    if (s->pace.chosen != chosen)
        zk_add_relaxed(&seen.changes[kind], UINT64_C(1));
    return true;
}

void
zk__huge_grew(struct zk_slab *s, const char *need)
{
    const char *fresh = zk_slab_base(s) + s->expected;
    const char *end = s->ready < s->scratched ? s->ready : s->scratched;
    enum zk_kind_of_page kind;
    size_t at, to;

    if (!looks_pay(s, offset(s, need)))
        return;
    fresh = s->touched > fresh ? s->touched : fresh;
    at = zk_round_up(offset(s, fresh), ZK_HUGE_PAGE);
    to = zk_min_size(zk_round_up(offset(s, need), ZK_HUGE_PAGE),
                     zk_round_down(offset(s, end), ZK_HUGE_PAGE));
    if (at >= to)
        return;
    zk__pace_grew(&s->pace, (to - at) / ZK_HUGE_PAGE);
    for (; at < to && !s->pace.off; at += ZK_HUGE_PAGE) {
        if (!zk__pace_wants(&s->pace, &kind))
            break;
        s->pace.off = !look(s, at, kind);
    }
    if (s->advice != advice_for(s->pace.chosen))
        change_advice(s, advice_for(s->pace.chosen));
}
