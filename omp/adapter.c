/*
 * adapter.c - the one door to OpenMP.
 *
 * Owns:   every `#pragma omp` of the library, and what zkrt/omp.h declares.
 * Never:  names a runtime: see CMakeLists.txt beside it.
 */
#include <zkrt/omp.h>

#include <limits.h>
#include <omp.h>

#include "private/atomic.h"
#include "runtime/lender.h"

/* ---- what the core asks for ------------------------------------------- */

static unsigned
width(void)
{
    int n = omp_get_max_threads();

    return n > 0 ? (unsigned)n : 1;
}

static bool
inside(void)
{
    return omp_in_parallel() != 0;
}

static void
team(unsigned n, zk_lent_fn fn, void *arg)
{
#pragma omp parallel num_threads((int)n) default(none) firstprivate(fn, arg)
    fn((unsigned)omp_get_thread_num(), arg);
}

/*
 * Of a team of n, those that run a call like this one need nobody's help. The
 * count is of all teams of the process: with more than one of them some thread may
 * stay idle for the length of a loop.
 */
static _Atomic unsigned busy;

/* 0 is the caller's, whoever that is: thread 0 has to do without a place. */
static unsigned
other_index(void)
{
    unsigned index = (unsigned)omp_get_thread_num();

    return index != 0 ? index : UINT_MAX;
}

static void
borrow(zk_lent_fn fn, void *arg)
{
    unsigned n = (unsigned)omp_get_num_threads();
    unsigned used = zk_add_relaxed(&busy, 1u) + 1;

    for (unsigned i = used; i < n; i++) {
#pragma omp task default(none) firstprivate(fn, arg)
        fn(other_index(), arg);
    }
    fn(0, arg);
    zk_sub_seq_cst(&busy, 1u);
#pragma omp taskwait
}

static void
settle(void)
{
#pragma omp taskwait
}

/* ---- the two tables --------------------------------------------------- */

static _Atomic(const struct zk_borrower *) core;

/* A program without an OpenMP runtime may have loaded us all the same. */
#pragma weak omp_in_parallel

static const struct zk_borrower *
meet(void)
{
    static const struct zk_lender lender = {
        .size = sizeof lender,
        .version = ZK_LENDER_VERSION,
        .width = width,
        .inside = inside,
        .team = team,
        .borrow = borrow,
        .settle = settle,
    };
    const struct zk_borrower *known = zk_load_acquire(&core);

    if (known == NULL && omp_in_parallel != NULL) {
        known = zk__lender_register(&lender);
        zk_store_release(&core, known);
    }
    return known;
}

/* The backend is chosen when the program runs, and its text need not know. */
__attribute__((constructor)) static void
meet_when_loaded(void)
{
    (void)meet();
}

zk_err_t
zk_omp_init(void)
{
    return meet() != NULL ? ZK_OK : ZK_ESYS;
}

/* ---- phases of a team -------------------------------------------------- */

/* What thread 0 has to say to the others; any thread's will do. */
struct word {
    zk_err_t err;
    bool last;
    struct zk_phase *phase;
};

static ZK_THREAD_LOCAL struct word mine;

static struct word *
one_word(void)
{
    struct word *word;

#pragma omp single copyprivate(word)
    word = &mine;
    return word;
}

static zk_err_t
begin_together(zk_runtime_t *lane, const char *name,
               const zk_phase_options_t *options)
{
    struct word *word = one_word(); /* a barrier, at which tasks are done */
    unsigned index = (unsigned)omp_get_thread_num(), depth;

    if (index == 0) {
        word->err = zk_phase_begin_ex(lane, name, options);
        word->phase = meet()->current(&depth);
    }
#pragma omp barrier
    if (index != 0 && word->err == ZK_OK)
        meet()->attach(word->phase, index);
    return word->err;
}

static zk_err_t
end_together(void)
{
    struct word *word = one_word();
    unsigned index = (unsigned)omp_get_thread_num(), depth;

    if (index == 0) {
        word->phase = meet()->current(&depth);
        word->last = depth == 1;
    }
#pragma omp barrier
    if (index != 0 && word->last)
        meet()->detach();
#pragma omp barrier
    if (index == 0)
        word->err = zk_phase_end();
#pragma omp barrier
    return word->err;
}

zk_err_t
zk_omp_phase_begin_ex(zk_runtime_t *lane, const char *name,
                      const zk_phase_options_t *options)
{
    const struct zk_borrower *zkrt = meet();

    if (zkrt == NULL)
        return zk_phase_begin_ex(lane, name, options);
    return inside() ? begin_together(lane, name, options)
                    : zkrt->begin(lane, name, options);
}

zk_err_t
zk_omp_phase_begin(const char *name)
{
    return zk_omp_phase_begin_ex(NULL, name, NULL);
}

zk_err_t
zk_omp_phase_end(void)
{
    return meet() != NULL && inside() ? end_together() : zk_phase_end();
}

zk_err_t
zk_omp_phase(zk_runtime_t *lane, const char *name,
             const zk_phase_options_t *options, zk_stage_fn stage, void *arg)
{
    const struct zk_borrower *zkrt = meet();
    zk_err_t err, ended;

    if (zkrt == NULL)
        return zk_runtime_phase_ex(lane, name, options, stage, arg);
    if (!inside())
        return zkrt->run(lane, name, options, stage, arg);
    if (stage == NULL)
        return ZK_EINVAL;
    err = begin_together(lane, name, options);
    if (err != ZK_OK)
        return err;
    err = stage(arg);
    ended = end_together();
    return err != ZK_OK ? err : ended;
}

zk_err_t
zk_omp_run(zk_runtime_t *lane, zk_stage_fn fn, void *arg)
{
    const struct zk_borrower *zkrt = meet();

    if (zkrt != NULL)
        return zkrt->lease(lane, fn, arg);
    return fn != NULL ? fn(arg) : ZK_EINVAL;
}
