/*
 * watch_test.c - the watchdog of long runs: what hangs is ended, and the report says
 * who ran what. In forked children.
 */
#include "tests/runtime/rt.h"
#include "tests/stress/watch.h"

static int
never_end(void *arg)
{
    while (arg == NULL)
        (void)pause();
    return 0;
}

static int
never_end_in_a_phase(void *arg)
{
    zk_runtime_t *lane = rt_lane(2, 2);
    zk_group_t g = ZK_GROUP_INIT;

    watch_begin("a test", 1);
    CHILD_CHECK(zk_phase_begin_on(lane, "stuck") == ZK_OK);
    CHILD_CHECK(zk_spawn(&g, never_end, arg) == ZK_OK);
    return zk_sync(&g);
}

static void
test_what_hangs_is_ended_with_who_runs_what(void **state)
{
    struct test_child child;

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* it takes signals and threads of a child into its own hands */
    child = test_in_child(never_end_in_a_phase, NULL);
    assert_int_equal(child.signal, SIGABRT);
    assert_non_null(strstr(child.err, "nothing has gone on for 1 s in a test"));
    assert_non_null(strstr(child.err, "phase \"stuck\": open"));
    assert_non_null(strstr(child.err, "runs a task of job"));
    assert_non_null(strstr(child.err, "pushed 1+0, done 0+0"));
    assert_non_null(strstr(child.err, "watch_test")); /* whence it was called */
}

static int
hang_as_a_child(void *arg)
{
    watch_child(1);
    return never_end(arg);
}

static void
test_a_child_that_hangs_is_ended_too(void **state)
{
    struct test_child child;

    (void)state;
    if (TEST_SANITIZED)
        skip();
    child = test_in_child(hang_as_a_child, NULL);
    assert_int_equal(child.signal, SIGABRT);
    assert_non_null(strstr(child.err, "in a child"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_hangs_is_ended_with_who_runs_what),
        cmocka_unit_test(test_a_child_that_hangs_is_ended_too),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
