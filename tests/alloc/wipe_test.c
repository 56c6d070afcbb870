/* wipe_test.c - zeros where they are asked for, and nowhere else. */
#include "alloc/wipe.h"
#include "tests/support.h"

static void
test_each_byte_of_the_range_is_wiped_and_no_other(void **state)
{
    static unsigned char buffer[4096 + 256];
    size_t lengths[] = {0, 1, 7, 63, 64, 65, 127, 128, 200, 1000, 4096};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t at = 64; at < 64 + 70; at++)
            for (int past_cache = 0; past_cache < 2; past_cache++) {
                size_t n = lengths[i];

                memset(buffer, 0xa5, sizeof buffer);
                zk__wipe(buffer + at, n, past_cache != 0);
                assert_true(test_all_zero(buffer + at, n));
                assert_int_equal(buffer[at - 1], 0xa5);
                assert_int_equal(buffer[at + n], 0xa5);
            }
}

static void
test_cache_has_a_size(void **state)
{
    (void)state;
    assert_true(zk__wipe_cache_bytes() >= 64 * KIB);
    assert_int_equal(zk__wipe_cache_bytes(), zk__wipe_cache_bytes());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_byte_of_the_range_is_wiped_and_no_other),
        cmocka_unit_test(test_cache_has_a_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
