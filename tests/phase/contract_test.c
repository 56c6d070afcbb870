/*
 * contract_test.c - what begin, end and release promise to the thread that
 * calls them.
 */
#include "tests/phase/phases.h"

static int
setup(void **state)
{
    return phases_open(state, 2, 0, false);
}

/* ---- begin and end ---------------------------------------------------------- */

static void
test_requests_follow_begin_and_end(void **state)
{
    void *heap;

    begin_on(*state, "a");
    assert_true(zk_in_arena(zk_malloc(10000)));
    end();
    heap = zk_malloc(10000);
    assert_false(zk_in_arena(heap));
    zk_free(heap);
    begin_on(*state, "b");
    assert_true(zk_in_arena(zk_malloc(10000)));
    end();
    assert_int_equal(zk_phase_error(), ZK_OK);
}

/* Z8, N9: an end too many is an error and changes nothing. */
static void
test_end_without_begin_is_stale(void **state)
{
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
    assert_int_equal(zk_phase_error(), ZK_ESTALE);
    begin_on(*state, "a");
    end();
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
    assert_int_equal(zk_slot(), -1); /* inside for the phase only */
    assert_int_equal(test_stats(*state).phases, 1);
}

/* Point 4: the data stay until the next begin, and their addresses are dead
 * from then on. Z6, Z8. */
static void
test_data_stay_readable_until_the_next_begin(void **state)
{
    char *p, *small;

    begin_on(*state, "a");
    p = zk_malloc(100000);
    small = zk_phase_alloc(100, 0);
    test_fill(p, 100000, 1);
    test_fill(small, 100, 2);
    end();
    assert_true(test_holds(p, 100000, 1));
    assert_true(test_holds(small, 100, 2));
    assert_true(zk_usable_size(p) >= 100000);
    assert_true(zk_in_arena(p));

    begin_on(*state, "b");
    assert_int_equal(zk_usable_size(p), 0);
    assert_ptr_not_equal(zk_malloc(5000), p);
    end();
}

/* Point 1: the epoch grows by one with each outermost begin. */
static void
test_epoch_counts_outermost_begins(void **state)
{
    begin_on(*state, NULL);
    uint64_t first = test_phase_stats().epoch;
    end();
    for (unsigned i = 1; i < 10; i++) {
        begin_on(*state, NULL);
        assert_int_equal(test_phase_stats().epoch, first + i);
        begin("stage");
        assert_int_equal(test_phase_stats().epoch, first + i);
        end();
        end();
        assert_int_equal(test_phase_stats().epoch, first + i);
    }
    assert_int_equal(test_stats(*state).phases, 10);
    assert_int_equal(test_stats(*state).stages, 9);
}

/* ---- stages ------------------------------------------------------------------ */

/* Z7, B18: begin inside begin is a stage, and the outer data are intact. */
static void
test_stage_gives_back_only_what_it_allocated(void **state)
{
    char *outer, *inner, *after;

    begin_on(*state, "outer");
    outer = zk_malloc(50000);
    test_fill(outer, 50000, 1);
    begin("inner");
    inner = zk_malloc(4 * MIB);
    memset(inner, 0xff, 4 * MIB);
    end();
    assert_true(test_holds(outer, 50000, 1));
    assert_int_equal(zk_usable_size(inner), 0);
    after = zk_malloc(5000);
    assert_ptr_equal(after, inner); /* the memory is there again */
    assert_true(zk_in_arena(after));
    assert_true(test_holds(outer, 50000, 1));
    end();
}

static void
test_stages_nest_to_the_documented_depth_and_no_deeper(void **state)
{
    char *blocks[ZK_MAX_STAGES + 1];

    begin_on(*state, "phase");
    blocks[0] = zk_malloc(5000);
    test_fill(blocks[0], 5000, 0);
    for (unsigned i = 1; i <= ZK_MAX_STAGES; i++) {
        begin("stage");
        assert_int_equal(test_phase_stats().depth, i + 1);
        blocks[i] = zk_malloc(5000);
        test_fill(blocks[i], 5000, i);
    }
    /* B19: a program that forgets its ends is told so. */
    assert_int_equal(zk_phase_begin("too deep"), ZK_EINVAL);
    assert_int_equal(zk_phase_error(), ZK_EINVAL);
    assert_int_equal(test_phase_stats().depth, ZK_MAX_STAGES + 1);
    for (unsigned i = ZK_MAX_STAGES; i >= 1; i--) {
        for (unsigned k = 0; k <= i; k++)
            assert_true(test_holds(blocks[k], 5000, k));
        end();
        assert_int_equal(zk_usable_size(blocks[i]), 0);
        assert_int_equal(test_phase_stats().depth, i);
    }
    end();
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
}

/* A block of the phase, grown inside a stage while it is in no place to grow,
 * dies with the stage; the outer copy stays what it was. */
static void
test_outer_block_is_intact_after_a_stage_reallocs_others(void **state)
{
    char *outer, *inner;

    begin_on(*state, "phase");
    outer = zk_malloc(10000);
    test_fill(outer, 10000, 1);
    begin("stage");
    inner = zk_malloc(10000);
    for (size_t n = 20000; n < 2 * MIB; n *= 2) {
        inner = zk_realloc(inner, n);
        memset(inner, 0xee, n);
    }
    zk_free(inner);
    inner = zk_calloc(1, MIB);
    assert_true(test_all_zero(inner, MIB));
    end();
    assert_true(test_holds(outer, 10000, 1));
    assert_ptr_equal(zk_realloc(outer, 20000), outer); /* still the newest */
    assert_true(test_holds(outer, 10000, 1));
    end();
}

/* The newest block of the phase is not taken off inside a stage, where the end
 * would bring it back. */
static void
test_free_inside_a_stage_of_an_older_block_is_final(void **state)
{
    char *outer, *inner;

    begin_on(*state, "phase");
    outer = zk_malloc(10000);
    begin("stage");
    zk_free(outer);
    inner = zk_malloc(10000);
    assert_ptr_not_equal(inner, outer);
    end();
    assert_int_equal(zk_usable_size(outer), 0);
    zk_free(outer);
    assert_int_equal(test_stats(*state).bad_frees, 1);
    end();
}

/* ---- errors that change nothing ------------------------------------------------ */

static void
test_phase_of_another_lane_cannot_begin_inside(void **state)
{
    zk_runtime_t *other = test_lane(1, MIB, 0);
    char *p;

    begin_on(*state, "here");
    p = zk_malloc(5000);
    test_fill(p, 5000, 1);
    assert_int_equal(zk_phase_begin_on(other, "there"), ZK_EPERM);
    assert_int_equal(zk_runtime_enter(other), ZK_EPERM);
    assert_int_equal(test_phase_stats().depth, 1);
    assert_true(test_holds(p, 5000, 1));
    end();
    begin_on(other, "there"); /* but after it */
    assert_true(zk_in_arena(zk_malloc(5000)));
    end();
    assert_int_equal(zk_runtime_close(other), ZK_OK);
}

static void
test_lane_with_an_open_phase_cannot_be_left_or_closed(void **state)
{
    begin_on(*state, "open");
    assert_int_equal(zk_runtime_leave(), ZK_EBUSY);
    assert_int_equal(zk_runtime_close(*state), ZK_EBUSY);
    assert_int_equal(zk_phase_release(), ZK_EBUSY);
    assert_true(zk_in_arena(zk_malloc(5000)));
    end();

    assert_int_equal(zk_runtime_enter(*state), ZK_OK);
    begin("open");
    assert_int_equal(zk_runtime_leave(), ZK_EBUSY);
    end();
    assert_int_equal(zk_slot(), 0); /* it had entered by itself */
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_leave(), ZK_ESTALE);
}

/* ---- release, and other lanes ---------------------------------------------------- */

static void
test_released_arena_is_used_again(void **state)
{
    char *p;

    assert_int_equal(zk_phase_release(), ZK_OK); /* there is none */
    begin_on(*state, "a");
    p = zk_malloc(5000);
    end();
    assert_int_equal(zk_phase_release(), ZK_OK);
    assert_int_equal(zk_phase_release(), ZK_OK);
    zk_phase_stats_t stats = {.size = sizeof stats};
    assert_int_equal(zk_phase_stats(&stats), ZK_ESTALE);
    begin_on(*state, "b");
    assert_int_equal(zk_usable_size(p), 0);
    assert_true(zk_in_arena(zk_malloc(5000)));
    end();
    assert_int_equal(test_info(*state).arenas, 1);
}

static void
test_thread_that_outlives_a_lane_begins_in_the_next(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        zk_runtime_t *lane = test_lane(1, MIB, 0);
        zk_phase_stats_t stats = {.size = sizeof stats};

        begin_on(lane, "a");
        memset(zk_malloc(100000), 1, 100000);
        end();
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(zk_phase_stats(&stats), ZK_ESTALE);
        assert_int_equal(zk_phase_end(), ZK_ESTALE);
        assert_int_equal(zk_phase_release(), ZK_OK);
    }
}

/* B17: a runtime opened, used and closed inside a phase of another one. */
static void
test_lane_can_live_inside_a_phase_of_another(void **state)
{
    char *p;

    begin_on(*state, "outer");
    p = zk_malloc(MIB);
    test_fill(p, MIB, 1);
    for (int i = 0; i < 10; i++) {
        zk_runtime_t *lane = test_lane(2, MIB, 1);

        assert_non_null(lane);
        assert_false(zk_in_arena(lane));
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    assert_true(test_holds(p, MIB, 1));
    end();
}

/* ---- zk_runtime_phase ------------------------------------------------------------- */

struct stage {
    int result;
    unsigned runs;
    bool in_arena;
};

static int
run_stage(void *arg)
{
    struct stage *s = arg;

    s->runs++;
    s->in_arena = zk_in_arena(zk_malloc(10000));
    return s->result;
}

/* B13: the stage's result is handed on, and the phase has ended. */
static void
test_stage_function_hands_its_result_on_and_ends_the_phase(void **state)
{
    const int results[] = {0, 1, 42, -100, ZK_ENOMEM, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        struct stage s = {.result = results[i]};

        assert_int_equal(zk_runtime_phase_on(*state, "s", run_stage, &s),
                         results[i]);
        assert_int_equal(s.runs, 1);
        assert_true(s.in_arena);
        assert_int_equal(zk_phase_end(), ZK_ESTALE);
    }
    assert_int_equal(zk_runtime_phase_on(*state, "s", NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
}

static int
fail_to_begin(void *arg)
{
    struct stage s = {.result = 0};

    *(int *)arg = zk_runtime_phase("inside a task", run_stage, &s);
    return (int)s.runs;
}

static void
test_stage_does_not_run_when_its_phase_cannot_begin(void **state)
{
    int code = 0;

    begin_on(*state, "outer");
    assert_int_equal(test_run_on_worker(fail_to_begin, &code), 0);
    assert_int_equal(code, ZK_EPERM);
    end();
}

/* ---- statistics ------------------------------------------------------------------- */

static void
test_statistics_tell_name_depth_and_bytes(void **state)
{
    zk_phase_stats_t stats = {.size = 3};
    char long_name[100];

    assert_int_equal(zk_phase_stats(&stats), ZK_EINVAL);
    assert_int_equal(zk_phase_stats(NULL), ZK_EINVAL);
    memset(long_name, 'x', sizeof long_name);
    long_name[99] = '\0';

    begin_on(*state, long_name);
    assert_int_equal(strlen(test_phase_stats().name), 47);
    zk_free(zk_malloc(0));
    assert_non_null(zk_malloc(MIB));
    assert_int_equal(test_phase_stats().bytes, MIB);
    begin(NULL);
    assert_string_equal(test_phase_stats().name, "");
    assert_int_equal(test_phase_stats().depth, 2);
    assert_non_null(zk_malloc(2 * MIB));
    assert_int_equal(test_phase_stats().bytes, 3 * MIB);
    end();
    begin("third");
    assert_string_equal(test_phase_stats().name, "third");
    assert_int_equal(test_phase_stats().stage_peak_bytes, MIB);
    assert_non_null(zk_malloc(100 * KIB));
    assert_int_equal(test_phase_stats().stage_peak_bytes, MIB + 100 * KIB);
    end();
    assert_int_equal(test_phase_stats().bytes, MIB);
    assert_int_equal(test_phase_stats().peak_bytes, 3 * MIB);
    end();
    assert_int_equal(test_phase_stats().depth, 0);
    assert_int_equal(test_phase_stats().peak_bytes, 3 * MIB);
    assert_int_equal(strlen(test_phase_stats().name), 47);
    assert_int_equal(test_stats(*state).arena_bytes, 3 * MIB + 100 * KIB);
}

#define phase_test(f) cmocka_unit_test_setup_teardown(f, setup, phases_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        phase_test(test_requests_follow_begin_and_end),
        phase_test(test_end_without_begin_is_stale),
        phase_test(test_data_stay_readable_until_the_next_begin),
        phase_test(test_epoch_counts_outermost_begins),
        phase_test(test_stage_gives_back_only_what_it_allocated),
        phase_test(test_stages_nest_to_the_documented_depth_and_no_deeper),
        phase_test(test_outer_block_is_intact_after_a_stage_reallocs_others),
        phase_test(test_free_inside_a_stage_of_an_older_block_is_final),
        phase_test(test_phase_of_another_lane_cannot_begin_inside),
        phase_test(test_lane_with_an_open_phase_cannot_be_left_or_closed),
        phase_test(test_released_arena_is_used_again),
        phase_test(test_thread_that_outlives_a_lane_begins_in_the_next),
        phase_test(test_lane_can_live_inside_a_phase_of_another),
        phase_test(test_stage_function_hands_its_result_on_and_ends_the_phase),
        phase_test(test_stage_does_not_run_when_its_phase_cannot_begin),
        phase_test(test_statistics_tell_name_depth_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
