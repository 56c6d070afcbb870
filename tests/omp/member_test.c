/*
 * member_test.c - the threads of a team as members of a phase.
 */
#include "tests/omp/omp.h"

#include "runtime/lane.h"

#define MOST 16

/* What each thread of a team has seen. */
struct view {
    void *p[MOST];
    int slot[MOST];
    _Atomic unsigned wrong;
};

/* Every thread takes a block, and fills it. */
static void
look(struct view *v)
{
#pragma omp parallel
    {
        int i = omp_get_thread_num();

        v->p[i] = zk_malloc(64 * KIB);
        v->slot[i] = zk_slot();
        if (v->p[i] == NULL)
            zk_add_relaxed(&v->wrong, 1u);
        else
            test_fill(v->p[i], 64 * KIB, (uint64_t)i);
    }
}

static bool
in_arena(const void *p)
{
    return zk__arena_find(p).slab != NULL;
}

static const enum zk_backend backends[] = {ZK_BACKEND_OPENMP,
                                           ZK_BACKEND_PTHREADS};

/* ---- a phase outside of regions ------------------------------------------- */

static void
test_a_team_allocates_from_the_phase_and_each_thread_from_its_own_slab(
    void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++)
        for (size_t k = 0; k < OMP_SIZES; k++) {
            unsigned n = omp_sizes[k];
            zk_runtime_t *lane = omp_lane_of(backends[b], n);
            struct view first, v = {.wrong = 0};

            for (int round = 0; round < 4; round++) {
                assert_int_equal(zk_omp_phase_begin_ex(lane, "team", NULL),
                                 ZK_OK);
                assert_int_equal(lane->phases[0]->attached, n - 1);
                look(&v);
                assert_int_equal(v.wrong, 0);
                for (unsigned i = 0; i < n; i++) {
                    assert_true(in_arena(v.p[i]));
                    assert_true(test_holds(v.p[i], 64 * KIB, i));
                    for (unsigned j = 0; j < i; j++)
                        assert_ptr_not_equal(zk__arena_find(v.p[i]).slab,
                                             zk__arena_find(v.p[j]).slab);
                }
                assert_true(test_phase_stats().bytes >= n * 64 * KIB);
                assert_int_equal(zk_omp_phase_end(), ZK_OK);
                assert_int_equal(lane->phases[0]->attached, 0);
                if (round == 0) /* M3: the same thread, the same slot */
                    memcpy(&first, &v, sizeof v);
                for (unsigned i = 0; i < n; i++)
                    if (backends[b] == ZK_BACKEND_OPENMP)
                        assert_int_equal(v.slot[i], i);
                    else if (n <= 2)
                        assert_int_equal(v.slot[i], first.slot[i]);
            }
            look(&v);
            for (unsigned i = 0; i < n; i++) {
                assert_false(in_arena(v.p[i]));
                assert_int_equal(v.slot[i], -1);
                zk_free(v.p[i]);
            }
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
        }
}

static void
test_any_begin_on_a_lane_that_borrows_visits_the_team(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    struct view v = {.wrong = 0};

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    ZK_PHASE ("block") {
        look(&v);
        for (unsigned i = 0; i < 3; i++)
            assert_true(in_arena(v.p[i]));
        assert_int_equal(zk_phase_begin("stage"), ZK_OK);
        look(&v);
        for (unsigned i = 0; i < 3; i++)
            assert_true(in_arena(v.p[i]));
        assert_int_equal(zk_phase_end(), ZK_OK);
    }
    assert_int_equal(zk_phase_error(), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* The blocks of a stage die with it, on every slab of the team. */
static void
test_the_end_of_a_stage_rewinds_the_slabs_of_the_team(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    struct view before = {.wrong = 0}, v = {.wrong = 0}, after = {.wrong = 0};

    (void)state;
    assert_int_equal(zk_omp_phase_begin_ex(lane, "phase", NULL), ZK_OK);
    look(&before);
    assert_int_equal(zk_omp_phase_begin("stage"), ZK_OK);
    look(&v);
    assert_int_equal(zk_omp_phase_end(), ZK_OK);
    look(&after);
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(after.p[i], v.p[i]);
        assert_true(test_holds(before.p[i], 64 * KIB, i));
    }
    assert_int_equal(zk_omp_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
one_proof(void *arg)
{
    struct view *v = arg;

    look(v);
    return 17;
}

static void
test_the_function_form_has_the_team(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        zk_runtime_t *lane = omp_lane_of(backends[b], 3);
        struct view v = {.wrong = 0};

        assert_int_equal(zk_omp_phase(lane, "f", NULL, one_proof, &v), 17);
        for (unsigned i = 0; i < 3; i++)
            assert_true(in_arena(v.p[i]));
        assert_int_equal(lane->phases[0]->attached, 0);
        assert_int_equal(zk_omp_phase(lane, "f", NULL, NULL, &v), ZK_EINVAL);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void
test_members_run_loops_of_zkrt_and_openmp_by_turns(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    unsigned before;

    (void)state;
#pragma omp parallel
    zk_pause();
    before = rt_threads();
    for (unsigned round = 0; round < test_scaled(100); round++) {
        _Atomic size_t sum = 0;
        struct view v = {.wrong = 0};

        assert_int_equal(zk_phase_begin_on(lane, "mixed"), ZK_OK);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(zk_parallel_for(0, 300, 1, add, &sum), ZK_OK);
            look(&v);
        }
        assert_int_equal(sum, 1500);
        assert_int_equal(zk_phase_end(), ZK_OK);
    }
    assert_true(rt_threads() <= before);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Without spare slots the others stay on the heap, and all goes on. */
static void
test_threads_without_a_slot_use_the_heap(void **state)
{
    zk_runtime_t *lane = NULL;
    struct view v = {.wrong = 0};
    unsigned members = 0;

    (void)state;
    omp_set_num_threads(8);
    assert_int_equal(
        zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = 2, .spare_slots = 3,
                                   .slab_bytes = 4 * MIB, .bind = ZK_BIND_NONE,
                                   .notice = test_no_notice)),
        ZK_OK);
    assert_int_equal(zk_omp_phase_begin_ex(lane, "few", NULL), ZK_OK);
    look(&v);
    for (unsigned i = 0; i < 8; i++)
        members += in_arena(v.p[i]);
    assert_int_equal(members, 4);
    assert_int_equal(v.wrong, 0);
    for (unsigned i = 0; i < 8; i++)
        zk_free(v.p[i]);
    assert_int_equal(zk_omp_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- teams that change ------------------------------------------------------ */

static void
test_a_team_grows_and_shrinks_between_phases(void **state)
{
    static const unsigned sizes[] = {2, 8, 3, 1, 8, 2};

    (void)state;
    for (size_t b = 0; b < 2; b++) {
        zk_runtime_t *lane = omp_lane_of(backends[b], 8);

        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            struct view v = {.wrong = 0};

            omp_set_num_threads((int)sizes[k]);
            assert_int_equal(zk_omp_phase_begin_ex(lane, "size", NULL), ZK_OK);
            look(&v);
            for (unsigned i = 0; i < sizes[k]; i++)
                assert_true(in_arena(v.p[i]));
            assert_int_equal(zk_omp_phase_end(), ZK_OK);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

/* M2: who is gone in the midst of a phase takes no part in the next one. */
static void
test_a_team_that_shrinks_inside_a_phase_leaves_nobody_behind(void **state)
{
    zk_runtime_t *lane = omp_lane(8);

    (void)state;
    for (int round = 0; round < 10; round++) {
        struct view v = {.wrong = 0};

        omp_set_num_threads(8);
        assert_int_equal(zk_omp_phase_begin_ex(lane, "shrinks", NULL), ZK_OK);
        look(&v);
        omp_set_num_threads(2);
        look(&v);
        look(&v);
        assert_int_equal(zk_omp_phase_end(), ZK_OK);
        look(&v);
        for (unsigned i = 0; i < 2; i++) {
            assert_false(in_arena(v.p[i]));
            zk_free(v.p[i]);
        }
    }
    assert_true(test_info(lane).arenas <= 3);
    /* Threads that exit give their slots back. */
    for (int i = 0; i < 2000 && zk_runtime_close(lane) == ZK_EBUSY; i++)
        usleep(1000);
    assert_int_equal(zk_runtime_close(lane), ZK_ESTALE);
}

static void
test_a_larger_team_inside_a_phase_has_threads_on_the_heap(void **state)
{
    zk_runtime_t *lane = omp_lane(2);
    struct view v = {.wrong = 0};

    (void)state;
    assert_int_equal(zk_omp_phase_begin_ex(lane, "grows", NULL), ZK_OK);
    omp_set_num_threads(4);
    look(&v);
    assert_true(in_arena(v.p[0]));
    assert_int_equal(v.wrong, 0);
    assert_int_equal(in_arena(v.p[0]) + in_arena(v.p[1]) + in_arena(v.p[2]) +
                         in_arena(v.p[3]),
                     2);
    for (unsigned i = 0; i < 4; i++)
        zk_free(v.p[i]);
    assert_int_equal(zk_omp_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- together, inside a region ------------------------------------------------ */

struct together {
    zk_runtime_t *lane;
    _Atomic unsigned wrong, done;
};

#define CHECK(t, cond) \
    ((cond) ? (void)0 : (void)zk_add_relaxed(&(t)->wrong, 1u))

static void
test_a_team_begins_and_ends_together_and_its_tasks_are_done(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++)
        for (size_t k = 0; k < OMP_SIZES; k++) {
            unsigned n = omp_sizes[k];
            static struct together t; /* its tasks capture nothing */

            t = (struct together){.lane = omp_lane_of(backends[b], n)};
            if (n == 1)
                omp_set_num_threads(2);
#pragma omp parallel
            for (int round = 0; round < 10; round++) {
                CHECK(&t, zk_omp_phase_begin_ex(t.lane, "all", NULL) == ZK_OK);
                CHECK(&t, in_arena(zk_malloc(8 * KIB)));
                CHECK(&t, zk_omp_phase_begin("stage") == ZK_OK);
                CHECK(&t, in_arena(zk_malloc(8 * KIB)));
                for (int i = 0; i < 5; i++) {
#pragma omp task
                    {
                        CHECK(&t, in_arena(zk_malloc(8 * KIB)));
                        rt_burn(20);
                        zk_add_relaxed(&t.done, 1u);
                    }
                }
                CHECK(&t, zk_omp_phase_end() == ZK_OK);
                CHECK(&t, zk_load_relaxed(&t.done) >=
                              5u * (unsigned)omp_get_num_threads() *
                                  (unsigned)(round + 1));
                CHECK(&t, zk_omp_phase_end() == ZK_OK);
                CHECK(&t, zk_slot() == -1);
                CHECK(&t, zk_omp_phase_end() == ZK_ESTALE);
#pragma omp barrier
            }
            assert_int_equal(t.wrong, 0);
            assert_int_equal(t.done, 10 * 5 * (n == 1 ? 2 : n));
            assert_int_equal(zk_runtime_close(t.lane), ZK_OK);
        }
}

static int
stage_of_each(void *arg)
{
    struct together *t = arg;

    CHECK(t, in_arena(zk_malloc(8 * KIB)));
    return omp_get_thread_num() == 1 ? 5 : 0;
}

static void
test_each_thread_runs_the_function_form(void **state)
{
    struct together t = {.lane = omp_lane(3)};

    (void)state;
#pragma omp parallel
    CHECK(&t, zk_omp_phase(t.lane, "f", NULL, stage_of_each, &t) ==
                  (omp_get_thread_num() == 1 ? 5 : ZK_OK));
    assert_int_equal(t.wrong, 0);
    assert_int_equal(zk_runtime_close(t.lane), ZK_OK);
}

/* ---- everybody for themselves --------------------------------------------------- */

static void
own_phases(struct together *t)
{
    for (int i = 0; i < 20; i++) {
        void *p;

        CHECK(t, zk_phase_begin_on(t->lane, "mine") == ZK_OK);
        p = zk_malloc(8 * KIB);
        CHECK(t, in_arena(p));
        test_fill(p, 8 * KIB, (uint64_t)omp_get_thread_num());
        sched_yield();
        CHECK(t, test_holds(p, 8 * KIB, (uint64_t)omp_get_thread_num()));
        CHECK(t, zk_phase_end() == ZK_OK);
    }
}

static void
test_two_threads_of_a_team_have_phases_of_their_own_at_once(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        struct together t = {.lane = omp_lane_of(backends[b], 2)};

#pragma omp parallel
        own_phases(&t);
        assert_int_equal(t.wrong, 0);
        assert_int_equal(zk_runtime_close(t.lane), ZK_OK);
    }
}

/* A member begins a phase of its own, and is a member again after it. */
static void
test_a_phase_of_a_member_is_its_own_and_leads_back(void **state)
{
    struct together t = {.lane = omp_lane(2)};

    (void)state;
    assert_int_equal(zk_omp_phase_begin_ex(t.lane, "outer", NULL), ZK_OK);
#pragma omp parallel
    if (omp_get_thread_num() == 1) {
        void *outer = zk_malloc(8 * KIB), *inner, *again;
        zk_phase_id_t id = zk_phase_id();

        CHECK(&t, zk_phase_end() == ZK_ESTALE);
        CHECK(&t, zk_runtime_leave() == ZK_ESTALE);
        CHECK(&t, zk_phase_begin("inner") == ZK_OK);
        CHECK(&t, zk_phase_id() != id);
        inner = zk_malloc(8 * KIB);
        CHECK(&t, zk__arena_find(inner).arena != zk__arena_find(outer).arena);
        CHECK(&t, zk_phase_end() == ZK_OK);
        CHECK(&t, zk_phase_id() == id);
        again = zk_malloc(8 * KIB);
        CHECK(&t, zk__arena_find(again).slab == zk__arena_find(outer).slab);
    }
    assert_int_equal(t.wrong, 0);
    assert_int_equal(zk_omp_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(t.lane), ZK_OK);
}

/* The same, left open: the outer end lets go of the thread all the same. */
static void
test_a_phase_that_a_member_leaves_open_outlives_its_membership(void **state)
{
    struct together t = {.lane = omp_lane(2)};

    (void)state;
    assert_int_equal(zk_omp_phase_begin_ex(t.lane, "outer", NULL), ZK_OK);
#pragma omp parallel
    if (omp_get_thread_num() == 1)
        CHECK(&t, zk_phase_begin("inner") == ZK_OK);
    assert_int_equal(zk_omp_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(t.lane), ZK_EBUSY);
#pragma omp parallel
    if (omp_get_thread_num() == 1) {
        CHECK(&t, in_arena(zk_malloc(8 * KIB)));
        CHECK(&t, zk_phase_end() == ZK_OK);
        CHECK(&t, zk_slot() == -1);
    }
    assert_int_equal(t.wrong, 0);
    assert_int_equal(zk_runtime_close(t.lane), ZK_OK);
}

struct prover {
    struct together *t;
    unsigned width;
};

static void *
prove(void *arg)
{
    struct prover *p = arg;

    omp_set_num_threads((int)p->width);
    for (unsigned round = 0; round < test_scaled(40); round++) {
        struct view v = {.wrong = 0};

        CHECK(p->t, zk_omp_phase_begin_ex(p->t->lane, "prover", NULL) == ZK_OK);
        look(&v);
        for (unsigned i = 0; i < p->width; i++) {
            CHECK(p->t, in_arena(v.p[i]));
            CHECK(p->t, test_holds(v.p[i], 64 * KIB, i));
        }
        CHECK(p->t, zk_omp_phase_end() == ZK_OK);
    }
    return NULL;
}

static void
test_two_application_threads_with_teams_have_phases_at_once(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        struct together t = {.lane = omp_lane_of(backends[b], 3)};
        struct prover prover[2] = {{&t, 3}, {&t, 2}};
        pthread_t thread[2];

        for (int i = 0; i < 2; i++)
            assert_int_equal(
                pthread_create(&thread[i], NULL, prove, &prover[i]), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(thread[i], NULL);
        assert_int_equal(t.wrong, 0);
        for (int i = 0; i < 2000 && zk_runtime_close(t.lane) == ZK_EBUSY; i++)
            usleep(1000);
        assert_int_equal(zk_runtime_close(t.lane), ZK_ESTALE);
    }
}

/* ---- threads that exit ----------------------------------------------------------- */

static void *
begin_and_exit(void *arg)
{
    struct together *t = arg;
    struct view v = {.wrong = 0};

    omp_set_num_threads(3);
    CHECK(t, zk_omp_phase_begin_ex(t->lane, "never ended", NULL) == ZK_OK);
    look(&v);
    CHECK(t, in_arena(v.p[0]));
    return NULL;
}

/* The arena serves somebody else once the team has gone, too. */
static void
test_an_opener_that_exits_ends_its_phase(void **state)
{
    struct together t = {.lane = omp_lane(3)};

    (void)state;
    for (int i = 0; i < 5; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, begin_and_exit, &t), 0);
        pthread_join(thread, NULL);
        assert_int_equal(t.wrong, 0);
        assert_int_equal(zk_omp_phase_begin_ex(t.lane, "mine", NULL), ZK_OK);
        assert_int_equal(zk_omp_phase_end(), ZK_OK);
    }
}

/* ---- secret phases --------------------------------------------------------------- */

static void
test_a_secret_phase_wipes_what_the_team_wrote(void **state)
{
    zk_runtime_t *lane = omp_lane(3);
    struct view v = {.wrong = 0};

    (void)state;
    assert_int_equal(
        zk_omp_phase_begin_ex(lane, "secret",
                              ZK_PHASE_OPTIONS(.flags = ZK_PHASE_SECRET)),
        ZK_OK);
    look(&v);
    assert_int_equal(zk_omp_phase_end(), ZK_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(in_arena(v.p[i]));
        assert_true(TEST_ASAN || test_all_zero(v.p[i], 64 * KIB));
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_team_allocates_from_the_phase_and_each_thread_from_its_own_slab),
        cmocka_unit_test(test_any_begin_on_a_lane_that_borrows_visits_the_team),
        cmocka_unit_test(test_the_end_of_a_stage_rewinds_the_slabs_of_the_team),
        cmocka_unit_test(test_the_function_form_has_the_team),
        cmocka_unit_test(test_members_run_loops_of_zkrt_and_openmp_by_turns),
        cmocka_unit_test(test_threads_without_a_slot_use_the_heap),
        cmocka_unit_test(test_a_team_grows_and_shrinks_between_phases),
        cmocka_unit_test(
            test_a_team_that_shrinks_inside_a_phase_leaves_nobody_behind),
        cmocka_unit_test(
            test_a_larger_team_inside_a_phase_has_threads_on_the_heap),
        cmocka_unit_test(
            test_a_team_begins_and_ends_together_and_its_tasks_are_done),
        cmocka_unit_test(test_each_thread_runs_the_function_form),
        cmocka_unit_test(
            test_two_threads_of_a_team_have_phases_of_their_own_at_once),
        cmocka_unit_test(test_a_phase_of_a_member_is_its_own_and_leads_back),
        cmocka_unit_test(
            test_a_phase_that_a_member_leaves_open_outlives_its_membership),
        cmocka_unit_test(
            test_two_application_threads_with_teams_have_phases_at_once),
        cmocka_unit_test(test_an_opener_that_exits_ends_its_phase),
        cmocka_unit_test(test_a_secret_phase_wipes_what_the_team_wrote),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
