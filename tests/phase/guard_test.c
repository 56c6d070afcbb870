/*
 * guard_test.c - the block form ends its phase on every way out, and no phase
 * that is still open.
 */
#include "tests/phase/phases.h"

#include <ucontext.h>

static int
setup(void **state)
{
    return phases_open(state, 2, 0, true);
}

/* The blocks are the default lane's. */
static int
setup_outside(void **state)
{
    return phases_open(state, 3, 0, false);
}

/* No phase is open, and a begin is an outermost one. */
static bool
nothing_is_open(void)
{
    bool yes = zk_phase_end() == ZK_ESTALE;

    if (zk_phase_begin("probe") != ZK_OK)
        return false;
    yes = yes && test_phase_stats().depth == 1;
    return zk_phase_end() == ZK_OK && yes;
}

static void
test_block_runs_once_and_its_phase_ends(void **state)
{
    int runs = 0;

    (void)state;
    ZK_PHASE ("once") {
        runs++;
        assert_string_equal(test_phase_stats().name, "once");
        assert_true(zk_in_arena(zk_malloc(5000)));
    }
    assert_int_equal(runs, 1);
    assert_int_equal(zk_phase_error(), ZK_OK);
    assert_true(nothing_is_open());
}

static int
leave_by_return(int x)
{
    ZK_PHASE ("return") {
        if (x > 0)
            return x + 1;
    }
    return 0;
}

static int
leave_by_goto(int x)
{
    ZK_PHASE ("outer")
        ZK_PHASE ("inner") {
            if (x > 0)
                goto out;
        }
    return 0;
out:
    return x + 1;
}

/* Z10, B13: return, break, continue and goto are ways out like any other. */
static void
test_phase_ends_on_every_way_out(void **state)
{
    int steps = 0;

    (void)state;
    assert_int_equal(leave_by_return(1), 2);
    assert_true(nothing_is_open());
    assert_int_equal(leave_by_return(0), 0);
    assert_true(nothing_is_open());
    assert_int_equal(leave_by_goto(1), 2);
    assert_true(nothing_is_open());
    assert_int_equal(leave_by_goto(0), 0);
    assert_true(nothing_is_open());

    ZK_PHASE ("break") {
        steps++;
        if (steps == 1)
            break;
        steps += 100;
    }
    assert_int_equal(steps, 1);
    assert_true(nothing_is_open());

    ZK_PHASE ("continue") {
        steps++;
        if (steps == 2)
            continue;
        steps += 100;
    }
    assert_int_equal(steps, 2);
    assert_true(nothing_is_open());
}

static void
test_blocks_nest_as_stages(void **state)
{
    char *outer = NULL;

    (void)state;
    ZK_PHASE ("outer") {
        outer = zk_malloc(10000);
        test_fill(outer, 10000, 1);
        for (int i = 0; i < 100; i++) {
            ZK_PHASE ("inner") {
                assert_int_equal(test_phase_stats().depth, 2);
                memset(zk_malloc(MIB), 0xff, MIB);
                if (i % 2 == 0)
                    break; /* of the block, not of the loop */
            }
            assert_int_equal(test_phase_stats().depth, 1);
        }
        assert_true(test_holds(outer, 10000, 1));
        assert_int_equal(test_phase_stats().bytes, 10048);
    }
    assert_true(nothing_is_open());
}

static int
use_block_in_task(void *arg)
{
    int *seen = arg;

    ZK_PHASE ("in a task") {
        seen[0]++;
        seen[1] = zk_phase_error();
        seen[2] = zk_in_arena(zk_malloc(5000)); /* of the enclosing phase */
    }
    seen[3] = zk_phase_error();
    return 0;
}

/* The block runs where no phase can begin, and does not end a stranger's. */
static void
test_block_runs_once_where_no_phase_can_begin(void **state)
{
    int seen[4] = {0};

    (void)state;
    ZK_PHASE ("outer") {
        assert_int_equal(test_run_on_worker(use_block_in_task, seen), 0);
        assert_int_equal(seen[0], 1);
        assert_int_equal(seen[1], ZK_EPERM);
        assert_int_equal(seen[2], 1);
        assert_int_equal(seen[3], ZK_EPERM);
        assert_int_equal(test_phase_stats().depth, 1);
    }
    assert_true(nothing_is_open());
}

static int
fail_detached(void *arg)
{
    (void)arg;
    return 7;
}

static void
test_error_of_the_end_is_told(void **state)
{
    (void)state;
    ZK_PHASE ("fails") {
        assert_int_equal(zk_spawn(NULL, fail_detached, NULL), ZK_OK);
    }
    assert_int_equal(zk_phase_error(), 7);
    ZK_PHASE ("works") {
    }
    assert_int_equal(zk_phase_error(), ZK_OK);
}

/* B19: a begin without its end inside a block does not keep the block's own
 * phase open. */
static void
test_block_ends_its_phase_when_a_stage_was_left_open(void **state)
{
    (void)state;
    ZK_PHASE ("outer") {
        assert_int_equal(zk_phase_begin("forgotten"), ZK_OK);
        assert_int_equal(zk_phase_begin("forgotten too"), ZK_OK);
    }
    assert_true(nothing_is_open());
}

static int
forget_two(void *arg)
{
    (void)arg;
    return zk_phase_begin("forgotten") != ZK_OK ||
           zk_phase_begin("forgotten too") != ZK_OK;
}

static void
test_function_form_ends_its_phase_when_a_stage_was_left_open(void **state)
{
    (void)state;
    assert_int_equal(zk_runtime_phase("outer", forget_two, NULL), 0);
    assert_true(nothing_is_open());
}

static void
test_block_whose_phase_was_ended_by_hand_leaves_the_outer_one_open(void **state)
{
    (void)state;
    ZK_PHASE ("outer") {
        ZK_PHASE ("inner")
            assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_phase_error(), ZK_ESTALE);
        assert_int_equal(test_phase_stats().depth, 1);
        assert_true(zk_in_arena(zk_malloc(5000)));
    }
    assert_true(nothing_is_open());
}

/* ---- what is not abandoned --------------------------------------------------- */

static __attribute__((noinline)) int
nest(int depth)
{
    volatile char stack[300];

    stack[depth] = 0;
    ZK_PHASE ("outer")
        ZK_PHASE ("inner") {
            if (test_phase_stats().depth != 2 * (unsigned)depth)
                return 1;
            if (depth < 5 && nest(depth + 1) != 0)
                return 1;
            if (test_phase_stats().depth != 2 * (unsigned)depth)
                return 1;
        }
    return stack[depth];
}

static int
nest_functions(void *lane)
{
    unsigned depth = test_phase_stats().depth;
    char *p = zk_malloc(100000);

    p[5] = (char)depth;
    if (depth < 10 &&
        zk_runtime_phase_on(lane, "deeper", nest_functions, lane) != ZK_OK)
        return 1;
    return p[5] != (char)depth || test_phase_stats().depth != depth;
}

static void
test_forms_that_are_open_are_not_ended_by_those_inside(void **state)
{
    zk_runtime_t *lane = *state;

    assert_int_equal(nest(1), 0);
    assert_int_equal(zk_runtime_phase_on(lane, "outer", nest_functions, lane),
                     ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
}

static ucontext_t back, fibre;
static unsigned fibre_depth;

static void
begin_on_fibre(void)
{
    if (zk_phase_begin("stage") == ZK_OK) {
        fibre_depth = test_phase_stats().depth;
        (void)!zk_phase_end();
    }
}

/* A fibre's stack may lie above the thread's or below: that says nothing. */
static void
test_begin_on_another_stack_is_a_stage(void **state)
{
    static char below[64 << 10];
    char *heap, *stacks[2];

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* which would have to be told of each switch */
    heap = malloc(sizeof below);
    stacks[0] = below;
    stacks[1] = heap;
    for (int i = 0; i < 2; i++)
        ZK_PHASE ("outer") {
            getcontext(&fibre);
            fibre.uc_stack.ss_sp = stacks[i];
            fibre.uc_stack.ss_size = sizeof below;
            fibre.uc_link = &back;
            makecontext(&fibre, begin_on_fibre, 0);
            fibre_depth = 0;
            swapcontext(&back, &fibre);
            assert_int_equal(fibre_depth, 2);
            assert_int_equal(test_phase_stats().depth, 1);
        }
    free(heap);
}

#define guard_test(f) cmocka_unit_test_setup_teardown(f, setup, phases_close)
#define outside_test(f) \
    cmocka_unit_test_setup_teardown(f, setup_outside, phases_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        guard_test(test_block_runs_once_and_its_phase_ends),
        guard_test(test_phase_ends_on_every_way_out),
        guard_test(test_blocks_nest_as_stages),
        guard_test(test_block_runs_once_where_no_phase_can_begin),
        guard_test(test_error_of_the_end_is_told),
        guard_test(test_block_ends_its_phase_when_a_stage_was_left_open),
        guard_test(
            test_block_whose_phase_was_ended_by_hand_leaves_the_outer_one_open),
        guard_test(
            test_function_form_ends_its_phase_when_a_stage_was_left_open),
        outside_test(test_forms_that_are_open_are_not_ended_by_those_inside),
        outside_test(test_begin_on_another_stack_is_a_stage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
