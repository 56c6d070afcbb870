/*
 * budget_test.c - the account of all arenas, and what slabs charge it.
 *
 * Numbers in front of the tests are invariants of budget.h (C) and charge.h (B).
 */
#include <pthread.h>

#include <zkrt/error.h>

#include "alloc/budget.h"
#include "alloc/charge.h"
#include "alloc/keep.h"
#include "alloc/os.h"
#include "alloc/secret.h"
#include "alloc/word.h"
#include "private/bits.h"
#include "tests/alloc/arenas.h"
#include "tests/support.h"

/* ---- a container that is made up ------------------------------------------ */

static struct {
    bool known;
    int64_t limit, others; /* room is what these and the account leave */
    bool touched; /* what is charged is in use, as if touched at once */
    size_t idle;  /* what a reclaim finds */
    unsigned readings, reclaims;
} made_up;

static bool
made_up_room(int64_t *bytes)
{
    made_up.readings++;
    *bytes = made_up.limit - made_up.others -
             (made_up.touched ? (int64_t)zk__budget_charged() : 0);
    return made_up.known;
}

static size_t
made_up_reclaim(const struct zk_budget *own, size_t bytes, bool heap)
{
    size_t some = made_up.idle < bytes ? made_up.idle : bytes;

    (void)own, (void)heap;
    made_up.reclaims++;
    made_up.idle -= some;
    zk__budget_leaving(some);
    zk__budget_give(some);
    return some;
}

static const struct zk_world made_up_world = {made_up_room, made_up_reclaim};

static int
clean(void **state)
{
    (void)state;
    memset(&made_up, 0, sizeof made_up);
    zk__budget_set_world(NULL);
    return zk__budget_charged() != 0;
}

static int
all_is_given_back(void **state)
{
    (void)state;
    zk__budget_set_world(NULL);
    return zk__budget_charged() != 0;
}

/* ---- the account ----------------------------------------------------------- */

static void
test_charges_add_up_to_the_limit_and_no_further(void **state)
{
    struct zk_budget b = {.limit = 10 * MIB};

    (void)state;
    assert_true(zk__budget_take(&b, 4 * MIB));
    assert_true(zk__budget_take(&b, 6 * MIB));
    assert_int_equal(zk__budget_charged(), 10 * MIB);
    assert_false(zk__budget_take(&b, 1));
    assert_int_equal(b.need, 1);
    assert_int_equal(b.have, 0);
    assert_int_equal(b.refused, ZK_EBUDGET);
    assert_int_equal(zk__budget_charged(), 10 * MIB);
    zk__budget_give(10 * MIB);
}

static void
test_a_refusal_lasts_until_the_next_begin(void **state)
{
    struct zk_budget b = {.limit = 10 * MIB}, other = {.limit = 10 * MIB};

    (void)state;
    assert_false(zk__budget_take(&b, 11 * MIB));
    assert_int_equal(b.need, 11 * MIB);
    assert_int_equal(b.have, 10 * MIB);
    assert_false(zk__budget_take(&b, 1)); /* though there is room */
    assert_true(zk__budget_take(&other, 1));
    zk__budget_give(1);
    assert_true(zk__budget_begin(&b));
    assert_false(zk__budget_begin(&b));
    assert_true(zk__budget_take(&b, 10 * MIB));
    zk__budget_give(10 * MIB);
}

static void
test_limits_of_arenas_are_on_the_sum_of_all(void **state)
{
    struct zk_budget small = {.limit = 4 * MIB}, large = {.limit = 8 * MIB};

    (void)state;
    assert_true(zk__budget_take(&large, 6 * MIB));
    assert_false(zk__budget_take(&small, 1));
    assert_true(zk__budget_take(&large, 2 * MIB));
    zk__budget_give(8 * MIB);
}

static void
test_a_claim_is_drawn_from_and_the_rest_given_back(void **state)
{
    struct zk_budget b = {.limit = 10 * MIB}, other = {.limit = 10 * MIB};

    (void)state;
    assert_true(zk__budget_claim(&b, 8 * MIB));
    assert_int_equal(zk__budget_charged(), 8 * MIB);
    assert_false(zk__budget_claim(&other, 3 * MIB));
    assert_int_equal(other.need, 3 * MIB);
    assert_int_equal(other.have, 2 * MIB);
    assert_int_equal(other.refused, 0); /* it was a question */
    assert_true(zk__budget_take(&b, 5 * MIB));
    assert_int_equal(zk__budget_charged(), 8 * MIB);
    assert_int_equal(b.claim, 3 * MIB);
    assert_true(zk__budget_take(&b, 4 * MIB)); /* one of them is not claimed */
    assert_int_equal(zk__budget_charged(), 9 * MIB);
    assert_true(zk__budget_claim(&b, MIB));
    assert_false(zk__budget_take(&b, 2 * MIB));
    assert_int_equal(b.claim, MIB); /* not lost in the attempt */
    zk__budget_unclaim(&b, SIZE_MAX);
    assert_int_equal(zk__budget_charged(), 9 * MIB);
    zk__budget_give(9 * MIB);
}

/* ---- threads --------------------------------------------------------------- */

#define THREADS 4

struct racer {
    pthread_t thread;
    struct zk_budget *budget;
    uint64_t seed;
    _Atomic unsigned *failed, *refused, *admitted;
};

/* C1, C2: takes, draws, claims and gives at random. */
static void *
race(void *arg)
{
    struct racer *r = arg;
    struct test_random random = {r->seed};
    struct zk_budget b = {.limit = r->budget->limit};
    size_t mine = 0;

    for (unsigned i = 0; i < test_scaled(200000); i++) {
        size_t n = test_below(&random, MIB);

        if (zk__budget_charged() > b.limit)
            zk_add_relaxed(r->failed, 1u);
        switch (test_below(&random, 4)) {
        case 0:
            if (zk__budget_take(&b, n)) {
                mine += n;
                zk_add_relaxed(r->admitted, 1u);
            } else {
                zk_add_relaxed(r->refused, 1u);
                (void)zk__budget_begin(&b);
            }
            break;
        case 1: (void)zk__budget_claim(&b, n); break;
        case 2: zk__budget_unclaim(&b, SIZE_MAX); break;
        default:
            n = n < mine ? n : mine;
            zk__budget_give(n);
            mine -= n;
        }
    }
    zk__budget_unclaim(&b, SIZE_MAX);
    zk__budget_give(mine);
    return NULL;
}

static void
test_threads_never_exceed_the_limit_and_lose_no_byte(void **state)
{
    uint64_t seed = test_seed("account");
    struct zk_budget b = {.limit = 3 * MIB};
    _Atomic unsigned failed = 0, refused = 0, admitted = 0;
    struct racer racers[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.budget = &b,
                                   .seed = seed + i,
                                   .failed = &failed,
                                   .refused = &refused,
                                   .admitted = &admitted};
        assert_int_equal(
            pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(racers[i].thread, NULL);
    assert_int_equal(failed, 0);
    assert_true(refused != 0 && admitted != 0);
    assert_int_equal(zk__budget_charged(), 0);
}

static void *
claim_some(void *arg)
{
    struct racer *r = arg;

    for (int i = 0; i < 10; i++)
        if (zk__budget_claim(r->budget, MIB))
            zk_add_relaxed(r->admitted, 1u);
    return NULL;
}

static void
test_of_many_claims_as_many_are_admitted_as_fit(void **state)
{
    struct zk_budget b[THREADS];
    _Atomic unsigned admitted = 0;
    struct racer racers[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        b[i] = (struct zk_budget){.limit = 17 * MIB};
        racers[i] = (struct racer){.budget = &b[i], .admitted = &admitted};
        assert_int_equal(
            pthread_create(&racers[i].thread, NULL, claim_some, &racers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(racers[i].thread, NULL);
    assert_int_equal(admitted, 17);
    for (unsigned i = 0; i < THREADS; i++)
        zk__budget_unclaim(&b[i], SIZE_MAX);
}

/* ---- the container --------------------------------------------------------- */

/* C3: what was charged counts in full, touched or not. */
static void
test_what_the_rest_of_the_container_has_is_not_ours(void **state)
{
    struct zk_budget b = {.limit = 90 * MIB, .watched = true};

    (void)state;
    made_up.known = true;
    made_up.limit = 100 * (int64_t)MIB;
    made_up.others = 60 * (int64_t)MIB;
    zk__budget_set_world(&made_up_world);
    assert_true(zk__budget_take(&b, 40 * MIB));
    assert_false(zk__budget_take(&b, MIB));
    assert_int_equal(b.have, 0);
    assert_true(made_up.readings >= 2);
    zk__budget_give(40 * MIB);
}

/* C4: what the rest has given back meanwhile is seen before anything is refused. */
static void
test_a_refusal_is_never_by_an_old_reading(void **state)
{
    struct zk_budget b = {.limit = 90 * MIB, .watched = true};

    (void)state;
    made_up.known = true;
    made_up.limit = 100 * (int64_t)MIB;
    made_up.others = 95 * (int64_t)MIB;
    zk__budget_set_world(&made_up_world);
    assert_true(zk__budget_take(&b, 4 * MIB));
    made_up.others = 10 * (int64_t)MIB;
    assert_true(zk__budget_take(&b, 60 * MIB));
    zk__budget_give(64 * MIB);
}

static void
test_growth_of_the_rest_is_seen_within_a_step(void **state)
{
    struct zk_budget b = {.limit = SIZE_MAX, .watched = true};
    size_t taken = 0;

    (void)state;
    made_up.known = true;
    made_up.limit = 1000 * (int64_t)MIB;
    zk__budget_set_world(&made_up_world);
    assert_true(zk__budget_take(&b, 2 * MIB));
    taken += 2 * MIB;
    made_up.others = 900 * (int64_t)MIB; /* now at most 100 are ours */
    while (taken < 1000 * MIB && zk__budget_take(&b, 2 * MIB))
        taken += 2 * MIB;
    assert_true(taken <= 100 * MIB);
    zk__budget_give(taken);
}

static void
test_a_container_that_cannot_be_read_is_not_watched(void **state)
{
    struct zk_budget b = {.limit = 10 * MIB, .watched = true};

    (void)state;
    zk__budget_set_world(&made_up_world);
    assert_true(zk__budget_take(&b, 10 * MIB));
    assert_false(zk__budget_take(&b, 1));
    zk__budget_give(10 * MIB);
}

static void
test_a_budget_that_is_off_reads_nothing(void **state)
{
    struct zk_budget b = {.limit = SIZE_MAX};

    (void)state;
    made_up.known = true;
    zk__budget_set_world(&made_up_world);
    assert_true(zk__budget_take(&b, 100 * GIB));
    assert_int_equal(made_up.readings, 0);
    zk__budget_give(100 * GIB);
}

/* C4 */
static void
test_idle_memory_is_released_before_anything_is_refused(void **state)
{
    struct zk_budget b = {.limit = 10 * MIB};

    (void)state;
    zk__budget_set_world(&made_up_world);
    assert_true(zk__budget_take(&b, 10 * MIB)); /* 6 of it nobody uses */
    made_up.idle = 6 * MIB;
    assert_true(zk__budget_take(&b, 4 * MIB));
    assert_int_equal(made_up.reclaims, 1);
    assert_int_equal(made_up.idle, 2 * MIB); /* no more than was needed */
    assert_false(zk__budget_take(&b, 3 * MIB));
    assert_int_equal(made_up.idle, 0);
    assert_int_equal(b.have, 2 * MIB);
    zk__budget_give(8 * MIB);
}

/* ---- what slabs charge ------------------------------------------------------- */

#define SLAB (16 * MIB)

/* B1, B2: no page is in memory outside of the zones; the sum is the account's. */
static bool
zones_hold(const struct zk_arena *a)
{
    size_t page = zk__os_page();
    bool ok = zk__arena_charged(a) + a->budget.claim == zk__budget_charged();

    for (unsigned i = 0; i < a->nslots; i++) {
        const struct zk_slab *s = &a->slabs[i];
        size_t whole = (size_t)(s->limit - zk_slab_base(s));
        size_t near = s->near, far = s->far, between = whole - near - far;

        ok = ok && near + far <= whole && near % page == 0 && far % page == 0;
        ok = ok && s->ready <= zk_slab_base(s) + near &&
             s->far_ready >= s->limit - far; /* B3 */
        ok = ok && zk__os_in_memory(zk_slab_base(s) + near, between) == 0;
        if (!ok) {
            print_error("slab %u: near %zu far %zu, %zu in memory between\n", i,
                        near, far,
                        zk__os_in_memory(zk_slab_base(s) + near, between));
            return false;
        }
    }
    return ok;
}

static struct zk_arena *
budget_arena(unsigned nslots, size_t slab, size_t limit, size_t keep)
{
    return zk__arena_create(&(struct zk_arena_want){
        .nslots = nslots,
        .slab_bytes = slab,
        .huge = ZK_HUGE_NEVER,
        .trap = ZK_TRAP_ON,
        .budget_bytes = limit,
        .keep_bytes = keep,
        .lane = 1,
    });
}

static void
test_a_slab_charges_by_huge_pages_and_keeps_them_when_warm(void **state)
{
    struct zk_arena *a = budget_arena(2, SLAB, SIZE_MAX, 0);
    struct zk_slab *s = zk__arena_slab(a, 0);

    (void)state;
    for (int phase = 0; phase < 3; phase++) {
        zk__arena_reset(a, "warm");
        assert_int_equal(zk__budget_charged(), phase == 0 ? 0 : 6 * MIB);
        assert_non_null(zk__slab_alloc(s, 100, 64));
        assert_int_equal(zk__budget_charged(), phase == 0 ? 2 * MIB : 6 * MIB);
        assert_non_null(zk__slab_alloc(s, 5 * MIB, 64));
        assert_int_equal(zk__budget_charged(), 6 * MIB);
        assert_true(zones_hold(a));
        zk__arena_ended(a);
    }
    assert_true(zk__arena_give_up(a));
    assert_int_equal(zk__arena_charged(a), 6 * MIB); /* it is still there */
    assert_int_equal(zk__arena_release(a, 2 * MIB, false), 2 * MIB);
    assert_int_equal(zk__arena_charged(a), 4 * MIB);
    zk__arena_release(a, SIZE_MAX, false);
    assert_int_equal(zk__arena_charged(a), 0);
    assert_true(zones_hold(a));
    zk__arena_destroy(a);
}

static void
test_a_slab_over_the_limit_has_no_more_but_what_it_has(void **state)
{
    struct zk_arena *a = budget_arena(2, SLAB, 6 * MIB, 0);
    struct zk_slab *s = zk__arena_slab(a, 0), *t = zk__arena_slab(a, 1);
    char *p;

    (void)state;
    zk__arena_reset(a, "over");
    p = zk__slab_alloc(s, 5 * MIB, 64);
    assert_non_null(p);
    assert_null(zk__slab_alloc(t, 3 * MIB, 64));
    assert_int_equal(a->budget.refused, ZK_EBUDGET);
    assert_null(zk__slab_alloc(t, 64, 64));     /* sticky, on each slab */
    assert_null(zk__slab_scratch(t, 64, 64));   /* its far end too */
    assert_non_null(zk__slab_alloc(s, 64, 64)); /* that is charged already */
    assert_true(zk__slab_free(s, p));
    assert_non_null(zk__slab_alloc(s, 4 * MIB, 64)); /* and this was freed */
    assert_true(zones_hold(a));
    zk__arena_ended(a);
    zk__arena_reset(a, "next");
    assert_int_equal(a->budget.refused, 0);
    assert_null(
        zk__slab_alloc(t, 3 * MIB, 64)); /* the other slab still has it */
    zk__arena_ended(a);
    zk__arena_reset(a, "after a refusal nothing is kept");
    assert_true(a->tails);
    assert_int_equal(zk__arena_release(a, SIZE_MAX, false), 6 * MIB);
    assert_non_null(zk__slab_alloc(t, 3 * MIB, 64));
    zk__arena_ended(a);
    zk__arena_destroy(a);
}

/* K5 */
static void
test_what_is_kept_goes_only_where_it_is_needed(void **state)
{
    struct zk_arena *a = budget_arena(2, SLAB, 20 * MIB, 0);
    struct zk_slab *s = zk__arena_slab(a, 0), *t = zk__arena_slab(a, 1);
    char *p;

    (void)state;
    for (int phase = 0; phase < 3; phase++) { /* more than 3/4 of the budget */
        zk__arena_reset(a, "kept");
        assert_int_equal(zk__arena_release(a, SIZE_MAX, false), 0);
        assert_int_equal(zk__charge_resident(s), phase == 0 ? 0 : 15 * MIB);
        p = zk__slab_alloc(s, 15 * MIB, 64);
        assert_non_null(p);
        memset(p, 1, 15 * MIB);
        zk__arena_ended(a);
    }
    zk__arena_reset(a, "the other slot");
    assert_non_null(zk__slab_alloc(s, 3 * MIB, 64)); /* takes back twice that */
    assert_true(zk__arena_release(a, SIZE_MAX, true) >= 9 * MIB);
    assert_non_null(zk__slab_alloc(t, 13 * MIB, 64));
    assert_true(zones_hold(a));
    zk__arena_ended(a);
    zk__arena_destroy(a);
}

/* B1: where the zones meet, no byte is charged twice. */
static void
test_zones_that_meet_charge_the_whole_slab_once(void **state)
{
    struct zk_arena *a = budget_arena(1, SLAB, SLAB, 0);
    struct zk_slab *s = zk__arena_slab(a, 0);
    size_t whole = (size_t)(s->limit - zk_slab_base(s));

    (void)state;
    for (int phase = 0; phase < 4; phase++) {
        size_t blocks = (phase % 2 == 0 ? 11 : 3) * MIB;
        char *p, *q;

        zk__arena_reset(a, "meet");
        p = zk__slab_alloc(s, blocks, 64);
        assert_non_null(p);
        memset(p, 1, blocks);
        q = zk__slab_scratch(s, 14 * MIB - blocks, 64);
        assert_non_null(q);
        memset(q, 2, 14 * MIB - blocks);
        assert_true(zones_hold(a));
        assert_int_equal(zk__arena_charged(a),
                         phase == 0 ? 16 * MIB - 4096 : whole);
        zk__slab_scratch_back(s, s->limit);
        zk__arena_ended(a);
    }
    zk__arena_give_up(a);
    zk__arena_release(a, SIZE_MAX, false);
    assert_true(zones_hold(a));
    zk__arena_destroy(a);
}

struct live {
    struct zk_arena *a;
    struct test_random random;
    unsigned depth;
    bool open, secret, over;
    unsigned refused, served;
};

static void
wipe_all(struct zk_arena *a)
{
    struct zk_wipe w = zk__wipe_begin(a);

    for (size_t i = 0; i < w.pieces; i++)
        zk__wipe_piece(&w, i);
    zk__wipe_end(&w);
}

static void
end_stages(struct live *l, unsigned depth)
{
    while (l->depth > depth) {
        if (l->secret)
            wipe_all(l->a);
        zk__arena_rewind(l->a);
        l->depth--;
    }
}

static void
end_phase(struct live *l)
{
    end_stages(l, 0);
    for (unsigned i = 0; i < l->a->nslots; i++)
        zk__slab_scratch_back(&l->a->slabs[i], l->a->slabs[i].limit);
    zk__arena_ended(l->a);
    if (l->secret) {
        wipe_all(l->a);
        zk__arena_end_secret(l->a);
    }
    l->open = l->secret = false;
}

static void
begin_phase(struct live *l)
{
    zk__arena_reset(l->a, "random");
    l->open = true;
    l->secret = test_below(&l->random, 4) == 0;
    if (l->secret)
        zk__arena_begin_secret(l->a);
}

static void
use_slab(struct live *l)
{
    struct zk_slab *s =
        zk__arena_slab(l->a, (unsigned)test_below(&l->random, l->a->nslots));
    size_t n = test_below(&l->random,
                          test_below(&l->random, 8) == 0 ? 9 * MIB : 100000);
    char *p = NULL;

    switch (test_below(&l->random, 5)) {
    case 0: p = zk__slab_scratch(s, n, 64); break;
    case 1: p = zk__slab_alloc_zeroed(s, n); break;
    case 2: zk__slab_scratch_back(s, s->limit); return;
    default: p = zk__slab_alloc(s, n, 64);
    }
    l->served += p != NULL;
    l->refused += p == NULL;
    if (p == NULL)
        return;
    if (test_below(&l->random, 2) == 0)
        memset(p, 7, n);
    else if (n != 0) /* a single byte here and there */
        p[test_below(&l->random, n)] = 7;
    if (test_below(&l->random, 3) == 0)
        (void)zk__slab_free(s, p); /* of scratch it does nothing */
}

static void
release_some(struct live *l)
{
    size_t bytes = 1 + test_below(&l->random, SLAB);

    (void)zk__arena_release(l->a, bytes, test_below(&l->random, 2) == 0);
}

static void
step(struct live *l)
{
    size_t what = test_below(&l->random, 100);

    if (!l->open) {
        if (what < 10)
            (void)zk__arena_give_up(l->a);
        else if (what < 20)
            release_some(l);
        else
            begin_phase(l);
    } else if (what < 5) {
        end_phase(l);
    } else if (what < 10 && l->depth < 4) {
        zk__arena_mark(l->a);
        l->depth++;
    } else if (what < 14 && l->depth != 0) {
        end_stages(l, l->depth - 1);
    } else if (what < 18) {
        release_some(l);
    } else if (what < 20) {
        (void)zk__budget_claim(&l->a->budget, test_below(&l->random, MIB));
    } else {
        use_slab(l);
    }
}

static void
test_random_phases_have_no_page_that_is_not_charged(void **state)
{
    struct live l = {.random = {test_seed("zones")}};

    (void)state;
    for (int round = 0; round < 4; round++) {
        size_t limit = round % 2 == 0 ? SIZE_MAX : 20 * MIB;
        bool hold = true;

        l.a = budget_arena(3, SLAB, limit, round < 2 ? 0 : 3 * MIB);
        assert_non_null(l.a);
        for (unsigned i = 0; i < test_scaled(5000) && hold; i++) {
            step(&l);
            hold = zones_hold(l.a) && zk__budget_charged() <= limit;
        }
        assert_true(hold);
        if (l.open)
            end_phase(&l);
        zk__arena_destroy(l.a);
        assert_int_equal(zk__budget_charged(), 0);
    }
    assert_true(l.refused != 0 && l.served != 0);
}

/* C3: what is counted as in memory is there. */
static void
test_resident_is_what_was_touched(void **state)
{
    struct zk_arena *a = budget_arena(2, SLAB, SIZE_MAX, 0);
    struct zk_slab *s = zk__arena_slab(a, 0), *t = zk__arena_slab(a, 1);
    char *p, *q;

    (void)state;
    zk__arena_reset(a, "touch");
    p = zk__slab_alloc(s, 8 * MIB, 64);
    q = zk__slab_scratch(t, 3 * MIB, 64);
    assert_int_equal(zk__arena_resident(), 0);
    memset(p, 1, 2 * MIB);
    memset(q, 1, 3 * MIB);
    assert_true(zk__arena_resident() >= 5 * MIB);
    assert_true(zk__arena_resident() <= 5 * MIB + 4096);
    assert_true(zk__arena_resident() <= zk__budget_charged());
    zk__arena_ended(a);
    zk__arena_destroy(a);
    assert_int_equal(zk__arena_resident(), 0);
}

/* B4: the owner charges while tails are released, its own too. */
struct releaser {
    struct zk_arena *a;
    _Atomic bool stop;
    _Atomic size_t released;
};

static void *
release_on(void *arg)
{
    struct releaser *r = arg;

    while (!zk_load_relaxed(&r->stop)) {
        size_t some = zk__arena_release(r->a, 2 * MIB, false);

        zk_add_relaxed(&r->released, some);
        if (zk__arena_resident() > 3 * SLAB)
            break;
        sched_yield();
    }
    return NULL;
}

static void
test_owner_and_releaser_agree_on_what_is_charged(void **state)
{
    struct releaser r = {.a = budget_arena(1, SLAB, SLAB, 0)};
    struct test_random random = {test_seed("releaser")};
    struct zk_slab *s = zk__arena_slab(r.a, 0);
    pthread_t thread;
    bool right = true;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, release_on, &r), 0);
    for (unsigned i = 0;
         right && (i < test_scaled(1000) || zk_load_relaxed(&r.released) == 0);
         i++) {
        size_t n = 1 + test_below(&random, 13 * MIB);
        char *p, *q;

        if (i % 4 == 0)
            (void)zk__arena_give_up(r.a);
        zk__arena_reset(r.a, "race");
        p = zk__slab_alloc(s, n / 2, 64);
        q = zk__slab_scratch(s, n / 2, 64);
        right = p != NULL && q != NULL && zk__budget_charged() <= SLAB;
        if (i % 16 == 0 && right) {
            memset(p, 1, n / 2);
            memset(q, 1, n / 2);
        }
        zk__slab_scratch_back(s, s->limit);
        zk__arena_ended(r.a);
    }
    zk_store_relaxed(&r.stop, true);
    pthread_join(thread, NULL);
    assert_true(right);
    assert_true(r.released != 0);
    assert_true(zones_hold(r.a));
    zk__arena_destroy(r.a);
}

#define budget_test(f) \
    cmocka_unit_test_setup_teardown(f, clean, all_is_given_back)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        budget_test(test_charges_add_up_to_the_limit_and_no_further),
        budget_test(test_a_refusal_lasts_until_the_next_begin),
        budget_test(test_limits_of_arenas_are_on_the_sum_of_all),
        budget_test(test_a_claim_is_drawn_from_and_the_rest_given_back),
        budget_test(test_threads_never_exceed_the_limit_and_lose_no_byte),
        budget_test(test_of_many_claims_as_many_are_admitted_as_fit),
        budget_test(test_what_the_rest_of_the_container_has_is_not_ours),
        budget_test(test_a_refusal_is_never_by_an_old_reading),
        budget_test(test_growth_of_the_rest_is_seen_within_a_step),
        budget_test(test_a_container_that_cannot_be_read_is_not_watched),
        budget_test(test_a_budget_that_is_off_reads_nothing),
        budget_test(test_idle_memory_is_released_before_anything_is_refused),
        budget_test(test_a_slab_charges_by_huge_pages_and_keeps_them_when_warm),
        budget_test(test_a_slab_over_the_limit_has_no_more_but_what_it_has),
        budget_test(test_what_is_kept_goes_only_where_it_is_needed),
        budget_test(test_zones_that_meet_charge_the_whole_slab_once),
        budget_test(test_random_phases_have_no_page_that_is_not_charged),
        budget_test(test_resident_is_what_was_touched),
        budget_test(test_owner_and_releaser_agree_on_what_is_charged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
