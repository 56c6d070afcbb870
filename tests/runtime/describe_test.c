/*
 * describe_test.c - what was decided is told as it was.
 */
#include "tests/runtime/rt.h"

#include <fcntl.h>

static char text[1 << 20];

static const char *
describe(const zk_runtime_t *lane, enum zk_form form)
{
    size_t length = zk_runtime_describe(lane, form, text, sizeof text);

    assert_true(length > 0 && length < sizeof text);
    assert_int_equal(strlen(text), length);
    return text;
}

static bool
says(const zk_runtime_t *lane, const char *words)
{
    if (strstr(describe(lane, ZK_TEXT), words) != NULL)
        return true;
    print_error("it does not say \"%s\" but:\n%s", words, text);
    return false;
}

static zk_runtime_t *
open_with(const zk_options_t *options)
{
    zk_runtime_t *lane = NULL;

    assert_int_equal(zk_runtime_open(&lane, options), ZK_OK);
    return lane;
}

static void
test_settings_come_with_their_sources(void **state)
{
    zk_runtime_t *lane;

    (void)state;
    test_clean_environment();
    setenv("ZK_ALLOC_TRAP", "off", 1);
    setenv("ZK_SEED", "0", 1); /* the built-in value, and yet the user's */
    lane =
        open_with(ZK_OPTIONS(.workers = 3, .min_bytes = 8192,
                             .trap = ZK_TRAP_AUTO, .notice = test_no_notice));
    assert_true(says(lane, "- ZK_NUM_WORKERS 3, from options\n"));
    assert_true(says(lane, "- ZK_ALLOC_MIN_BYTES 8K, from options\n"));
    assert_true(says(lane, "- ZK_ALLOC_TRAP off, from environment\n"));
    assert_true(says(lane, "- ZK_SEED 0, from environment\n"));
    assert_true(says(lane, "- ZK_ALLOC_KEEP learn, from built-in\n"));
    assert_true(says(lane, "stale_pointers_trap: no\n"));
    assert_true(says(lane, "why: options asked for 3\n"));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    test_clean_environment();
}

static void
test_hints_are_the_environments(void **state)
{
    zk_runtime_t *lane;

    (void)state;
    test_clean_environment();
    setenv("OMP_NUM_THREADS", "1", 1);
    lane = open_with(ZK_OPTIONS(.notice = test_no_notice));
    assert_true(says(lane, "- ZK_NUM_WORKERS 1, from environment\n"));
    assert_true(says(lane, "from: OMP_NUM_THREADS\n"));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    test_clean_environment();
}

/* The number after a name of the JSON form; -1: it is not there. */
static long long
number(const zk_runtime_t *lane, const char *name)
{
    char quoted[64];
    const char *at;

    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    at = strstr(describe(lane, ZK_JSON), quoted);
    return at != NULL ? strtoll(at + strlen(quoted), NULL, 10) : -1;
}

static void
test_huge_pages_and_what_is_in_memory_are_told(void **state)
{
    zk_runtime_t *lane = open_with(
        ZK_OPTIONS(.workers = 1, .slab_bytes = 64 * MIB,
                   .hugepages = ZK_HUGE_NEVER, .notice = test_no_notice));
    zk_huge_info_t info = {.size = sizeof info};
    long long before;
    char *p;

    (void)state;
    assert_true(says(lane, "huge_pages_system: "));
    assert_int_equal(number(lane, "huge_page_ns"), -1); /* never: not asked */
    assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK);
    p = zk_phase_alloc(3 * MIB, 0);
    assert_non_null(p);
    test_fill(p, 3 * MIB, 1);
    assert_in_range(number(lane, "in_memory"), 3 * MIB, 5 * MIB);
    assert_int_equal(number(lane, "in_huge_pages"), 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);

    lane = open_with(ZK_OPTIONS(.workers = 1, .hugepages = ZK_HUGE_AUTO));
    assert_true(number(lane, "base_pages_ns") >= 0);
    assert_true(number(lane, "looks_at_pages") >= 0);
    assert_true(number(lane, "changes_to_base_pages") >= 0);
    assert_true(number(lane, "changes_to_huge_pages") >= 0);
    assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK);
    before = number(lane, "looks_at_pages");
    p = zk_phase_alloc(32 * MIB, 0);
    assert_non_null(p);
    assert_int_equal(zk_huge_info(&info), ZK_OK);
    if (info.pays)
        assert_true(number(lane, "looks_at_pages") > before);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_what_was_populated_is_told(void **state)
{
    zk_runtime_t *lane = open_with(
        ZK_OPTIONS(.workers = 2, .slab_bytes = 64 * MIB,
                   .prefault_bytes = 4 * MIB, .notice = test_no_notice));

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "phase"), ZK_OK); /* all done */
    assert_int_equal(number(lane, "prefault_planned"), 8 * MIB);
    assert_int_equal(number(lane, "prefaulted"), 8 * MIB);
    assert_true(says(lane, "prefault_refused: no\n"));
    assert_null(strstr(text, "learn_file:")); /* nothing is learnt */
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_arguments_are_checked(void **state)
{
    zk_runtime_t *lane = open_with(ZK_OPTIONS(.workers = 1));
    char small[8];
    size_t whole;

    (void)state;
    assert_int_equal(zk_runtime_describe(NULL, ZK_TEXT, text, sizeof text), 0);
    assert_int_equal(zk_runtime_describe(lane, ZK_TEXT, NULL, 1), 0);
    assert_int_equal(
        zk_runtime_describe(lane, (enum zk_form)(ZK_JSON + 1), text, 9), 0);
    whole = zk_runtime_describe(lane, ZK_JSON, NULL, 0);
    assert_true(whole > sizeof small);
    assert_int_equal(zk_runtime_describe(lane, ZK_JSON, small, sizeof small),
                     whole);
    assert_int_equal(strlen(small), sizeof small - 1);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- another machine --------------------------------------------------------- */

/* In a child, since a process loads its topology once. */
static int
describe_imagined(void *arg)
{
    zk_runtime_t *lane = NULL;

    (void)arg;
    setenv("ZK_TOPOLOGY", "package:2 [numa] core:2 pu:2", 1);
    CHILD_CHECK(zk_runtime_open(&lane, NULL) == ZK_OK);
    CHILD_CHECK(says(lane, "cpus: 8\n"));
    CHILD_CHECK(says(lane, "why: one for each of 4 cores"));
    CHILD_CHECK(says(lane, "imagined: package:2 [numa] core:2 pu:2\n"));
    CHILD_CHECK(
        says(lane,
             "- worker 0, cpus 0, core 0, node 0, steals_from | 1 || 2 3") ||
        says(lane, "- worker 0, cpus 0, core 0, node 0, steals_from 1 || 2 3"));
    CHILD_CHECK(says(lane, "- worker 3, cpus 6, core 3, node 1, "));
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_another_machine_is_described_as_it_would_be(void **state)
{
    (void)state;
    test_clean_environment();
    assert_true(test_child_succeeds(describe_imagined, NULL));
}

/* ---- display ------------------------------------------------------------------ */

static int
open_displayed(void *arg)
{
    zk_runtime_t *lane = NULL;

    setenv("ZK_DISPLAY", arg, 1);
    return zk_runtime_open(&lane, ZK_OPTIONS(.workers = 1)) == ZK_OK ? 0 : 1;
}

static void
test_display_prints_at_open_and_only_then(void **state)
{
    static char off[] = "0", on[] = "1", json[] = "json";
    struct test_child child;

    (void)state;
    test_clean_environment();
    child = test_in_child(open_displayed, off);
    assert_int_equal(child.code, 0);
    assert_string_equal(child.err, "");
    child = test_in_child(open_displayed, on);
    assert_int_equal(child.code, 0);
    assert_non_null(strstr(child.err, "\nworkers: \n  number: 1\n"));
    child = test_in_child(open_displayed, json);
    assert_int_equal(child.code, 0);
    assert_int_equal(child.err[0], '{');
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_machine_is_described_as_it_would_be),
        cmocka_unit_test(test_settings_come_with_their_sources),
        cmocka_unit_test(test_hints_are_the_environments),
        cmocka_unit_test(test_huge_pages_and_what_is_in_memory_are_told),
        cmocka_unit_test(test_what_was_populated_is_told),
        cmocka_unit_test(test_arguments_are_checked),
        cmocka_unit_test(test_display_prints_at_open_and_only_then),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
