/*
 * error_test.c - codes as sentences, the version, the last words of a panic.
 */
#include "tests/runtime/rt.h"

#include "private/check.h"

static void
test_every_code_has_a_sentence_of_its_own(void **state)
{
    (void)state;
    for (int a = ZK_OK; a >= ZK_EBUDGET; a--) {
        assert_non_null(zk_strerror(a));
        assert_true(strlen(zk_strerror(a)) > 3);
        assert_null(strchr(zk_strerror(a), '\n'));
        assert_string_not_equal(zk_strerror(a), zk_strerror(1));
        for (int b = a - 1; b >= ZK_EBUDGET; b--)
            assert_string_not_equal(zk_strerror(a), zk_strerror(b));
    }
}

static void
test_any_other_value_is_the_applications(void **state)
{
    static const int codes[] = {1, 42, INT32_MAX, ZK_EBUDGET - 1, INT32_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_string_equal(zk_strerror(codes[i]), "error of the application");
}

static void
test_the_version_is_the_headers(void **state)
{
    char text[32];

    (void)state;
    snprintf(text, sizeof text, "%d.%d.%d", ZK_VERSION_MAJOR, ZK_VERSION_MINOR,
             ZK_VERSION_PATCH);
    assert_string_equal(zk_version(), text);
}

static int
panic(void *arg)
{
    (void)arg;
    signal(SIGABRT, SIG_DFL);
    ZK_PANIC("the sky is green");
}

static void
test_a_panic_says_where_in_one_line_and_aborts(void **state)
{
    struct test_child child = test_in_child(panic, NULL);

    (void)state;
    assert_false(child.exited);
    assert_int_equal(child.signal, SIGABRT);
    assert_non_null(strstr(child.err, "error_test.c"));
    assert_non_null(strstr(child.err, "the sky is green\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_sentence_of_its_own),
        cmocka_unit_test(test_any_other_value_is_the_applications),
        cmocka_unit_test(test_the_version_is_the_headers),
        cmocka_unit_test(test_a_panic_says_where_in_one_line_and_aborts),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
