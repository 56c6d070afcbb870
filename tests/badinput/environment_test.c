/*
 * environment_test.c - what the environment gets wrong is named once, with what
 * is used instead, and the program works on.
 *
 * config_test.c tries the grammar; here whole programs meet it. The parent has
 * one thread only, so that its children may start theirs under a sanitizer too.
 */
#include "alloc/heap/debug.h"
#include "tests/badinput/work.h"

struct bad {
    const char *name, *value;
    const char *instead; /* as it is said */
};

static int
work_with(void *arg)
{
    const struct bad *bad = arg;
    zk_runtime_t *lane = NULL;

    test_clean_environment();
    setenv("ZK_ALLOC_SLAB_BYTES", "16M", 1);
    setenv(bad->name, bad->value, 1);
    CHILD_CHECK(work_all(NULL));
    /* A second lane reads it all again, and says nothing new. */
    CHILD_CHECK(zk_runtime_open(&lane, NULL) == ZK_OK);
    CHILD_CHECK(work_all(lane));
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    CHILD_CHECK(zk_runtime_close(zk_runtime_current()) == ZK_OK);
    return 0;
}

static bool
named_once_and_worked(const struct bad *bad)
{
    struct test_child child = test_in_child(work_with, (void *)(uintptr_t)bad);
    char assignment[128];
    bool ok;

    snprintf(assignment, sizeof assignment, "zkrt: %s=%s is ignored", bad->name,
             bad->value);
    ok = child.exited && child.code == 0 && work_lines(child.err) == 1 &&
         strstr(child.err, assignment) != NULL &&
         strstr(child.err, bad->instead) != NULL;
    if (!ok)
        print_error("%s=%s: code %d signal %d, said:\n%s", bad->name,
                    bad->value, child.code, child.signal, child.err);
    return ok;
}

static void
test_every_malformed_variable_is_named_once_with_what_is_used(void **state)
{
    static const struct bad bads[] = {
        {"ZK_NUM_WORKERS", "0", "one per core is used"},
        {"ZK_NUM_WORKERS", "1000000", "one per core is used"},
        {"ZK_NUM_WORKERS", "-3", "one per core is used"},
        {"ZK_PROC_BIND", "tight", "close is used"},
        {"ZK_ALLOC_SLAB_GB", "1.5", "16M is used"},
        {"ZK_ALLOC_SLAB_GB", "0", "16M is used"},
        {"ZK_ALLOC_SLAB_BYTES", "4 MB", "8G is used"},
        {"ZK_ALLOC_MIN_BYTES", "all", "4K is used"},
        {"ZK_ALLOC_HUGEPAGES", "2M", "auto is used"},
        {"ZK_ALLOC_TRAP", "1", "on is used"},
        {"ZK_ALLOC_TRAP", "maybe", "on is used"},
        {"ZK_ALLOC_BUDGET", "half", "90% of the container's limit is used"},
        {"ZK_ALLOC_BUDGET", "200%", "90% of the container's limit is used"},
        {"ZK_ALLOC_PREFAULT", "yes", "off is used"},
        {"ZK_ALLOC_LEARN_FILE", "/", "one in the cache directory is used"},
        {"ZK_STACKSIZE", "1", "the system's default is used"},
        {"ZK_WAIT", "forever", "30 is used"},
        {"ZK_SEED", "0x1", "0 is used"},
        {"ZK_DEBUG", "yes", ZK_DEBUG_UNASKED ? "on is used" : "off is used"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        /* 8 GiB for each slot do not fit beside a sanitizer's own. */
        if (TEST_SANITIZED && strcmp(bads[i].name, "ZK_ALLOC_SLAB_BYTES") == 0)
            continue;
        assert_true(named_once_and_worked(&bads[i]));
    }
}

static int
work_with_all(void *arg)
{
    (void)arg;
    test_clean_environment();
    setenv("ZK_NUM_WORKERS", "many", 1);
    setenv("ZK_PROC_BIND", "yes", 1);
    setenv("ZK_ALLOC_SLAB_GB", "half", 1);
    setenv("ZK_ALLOC_SLAB_BYTES", "16M", 1);
    setenv("ZK_ALLOC_MIN_BYTES", "-", 1);
    setenv("ZK_ALLOC_HUGEPAGES", "perhaps", 1);
    setenv("ZK_ALLOC_TRAP", "2", 1);
    setenv("ZK_STACKSIZE", "small", 1);
    setenv("ZK_WAIT", "", 1);
    setenv("ZK_SEED", " 1", 1);
    setenv("ZK_NUM_WORKER", "2", 1);
    CHILD_CHECK(work_all(NULL));
    CHILD_CHECK(zk_runtime_close(zk_runtime_current()) == ZK_OK);
    return 0;
}

static void
test_all_variables_at_once_may_be_malformed(void **state)
{
    struct test_child child = test_in_child(work_with_all, NULL);

    (void)state;
    assert_int_equal(child.code, 0);
    assert_int_equal(work_lines(child.err), 10);
    assert_non_null(strstr(child.err, "unknown variable ZK_NUM_WORKER is"));
}

/* What is used instead may come from the options or from a hint. */
static void
test_what_is_used_instead_may_be_the_programs_choice_or_a_hint(void **state)
{
    struct work_said said = {0};
    zk_runtime_t *lane = NULL;

    (void)state;
    test_clean_environment();
    setenv("ZK_NUM_WORKERS", "lots", 1);
    assert_int_equal(
        zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = 3, .slab_bytes = MIB,
                                   .notice = work_hear, .notice_arg = &said)),
        ZK_OK);
    assert_int_equal(said.lines, 1);
    assert_string_equal(said.last, "ZK_NUM_WORKERS=lots is ignored: it wants a "
                                   "number from 1 to 1024; 3 is used");
    assert_int_equal(test_info(lane).workers, 3);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);

    setenv("OMP_NUM_THREADS", "2,1", 1);
    assert_int_equal(zk_runtime_open(&lane, ZK_OPTIONS(.slab_bytes = MIB,
                                                       .notice = work_hear,
                                                       .notice_arg = &said)),
                     ZK_OK);
    assert_non_null(strstr(said.last, "2 is used"));
    assert_int_equal(test_info(lane).workers, 2);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    test_clean_environment();
}

static void
test_a_notice_is_one_printable_line_whatever_the_value_holds(void **state)
{
    struct work_said said = {0};
    zk_runtime_t *lane = NULL;

    (void)state;
    test_clean_environment();
    setenv("ZK_NUM_WORKERS", "4\nzkrt: all is well\033[2K\r\t\177", 1);
    setenv("ZK_A\nB", "1", 1);
    assert_int_equal(zk_runtime_open(&lane, ZK_OPTIONS(.slab_bytes = MIB,
                                                       .notice = work_hear,
                                                       .notice_arg = &said)),
                     ZK_OK);
    assert_int_equal(said.lines, 2);
    for (const char *c = said.last; *c != '\0'; c++)
        assert_in_range(*c, 32, 126);
    unsetenv("ZK_A\nB");
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(zk_runtime_open(&lane, ZK_OPTIONS(.slab_bytes = MIB,
                                                       .notice = work_hear,
                                                       .notice_arg = &said)),
                     ZK_OK);
    assert_int_equal(said.lines, 3);
    for (const char *c = said.last; *c != '\0'; c++)
        assert_in_range(*c, 32, 126);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    test_clean_environment();
}

static int
work_without_stderr(void *arg)
{
    (void)arg;
    test_clean_environment();
    setenv("ZK_ALLOC_SLAB_BYTES", "16M", 1);
    setenv("ZK_NUM_WORKERS", "many", 1);
    close(STDERR_FILENO);
    return work_all(NULL) ? 0 : 1;
}

static void
test_a_closed_stderr_is_no_reason_to_stop(void **state)
{
    (void)state;
    assert_int_equal(test_in_child(work_without_stderr, NULL).code, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_every_malformed_variable_is_named_once_with_what_is_used),
        cmocka_unit_test(test_all_variables_at_once_may_be_malformed),
        cmocka_unit_test(test_a_closed_stderr_is_no_reason_to_stop),
        cmocka_unit_test(
            test_what_is_used_instead_may_be_the_programs_choice_or_a_hint),
        cmocka_unit_test(
            test_a_notice_is_one_printable_line_whatever_the_value_holds),
    };

    work_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
