/*
 * transcript_test.c - what is drawn depends on all that was absorbed.
 *
 * Owns:   the framing's promises, and one pinned answer.
 * Never:  checks the hash itself.
 */
#include "transcript.h"

#include "support.h"

static int
set_up(void **state)
{
    (void)state;
    return hash_start() ? 0 : -1;
}

static fp_t
draw_after(const char *label, const void *data, size_t n)
{
    struct transcript t;

    transcript_init(&t);
    transcript_absorb(&t, label, data, n);
    return transcript_draw_fp(&t);
}

static void
test_the_same_words_draw_the_same_coins(void **state)
{
    (void)state;
    assert_int_equal(draw_after("root", "abc", 3),
                     draw_after("root", "abc", 3));
}

static void
test_data_label_and_length_all_count(void **state)
{
    fp_t coin = draw_after("root", "abc", 3);

    (void)state;
    assert_int_not_equal(coin, draw_after("root", "abd", 3));
    assert_int_not_equal(coin, draw_after("rooT", "abc", 3));
    assert_int_not_equal(coin, draw_after("root", "abc", 4));
    assert_int_not_equal(coin, draw_after("root", "ab", 2));
}

static void
test_where_one_message_ends_counts(void **state)
{
    struct transcript a, b;

    (void)state;
    transcript_init(&a);
    transcript_absorb(&a, "x", "ab", 2);
    transcript_absorb(&a, "x", "c", 1);
    transcript_init(&b);
    transcript_absorb(&b, "x", "a", 1);
    transcript_absorb(&b, "x", "bc", 2);
    assert_int_not_equal(transcript_draw_fp(&a), transcript_draw_fp(&b));
}

static void
test_order_counts(void **state)
{
    struct transcript a, b;

    (void)state;
    transcript_init(&a);
    transcript_absorb(&a, "x", "1", 1);
    transcript_absorb(&a, "x", "2", 1);
    transcript_init(&b);
    transcript_absorb(&b, "x", "2", 1);
    transcript_absorb(&b, "x", "1", 1);
    assert_int_not_equal(transcript_draw_fp(&a), transcript_draw_fp(&b));
}

static void
test_coins_are_canonical_and_differ(void **state)
{
    struct transcript t;
    fp_t before = 0;

    (void)state;
    transcript_init(&t);
    for (int i = 0; i < 10000; i++) {
        fp_t coin = transcript_draw_fp(&t);

        assert_true(coin < FP_P);
        assert_int_not_equal(coin, before);
        before = coin;
    }
}

static void
test_the_point_lies_outside_the_base_field(void **state)
{
    struct transcript t;

    (void)state;
    transcript_init(&t);
    for (int i = 0; i < 1000; i++)
        assert_int_not_equal(transcript_draw_outside(&t).b, 0);
}

static void
test_queries_fall_on_both_halves_of_the_domain(void **state)
{
    struct transcript t;
    int upper = 0;

    (void)state;
    transcript_init(&t);
    for (int i = 0; i < 1000; i++) {
        uint64_t q = transcript_draw_bits(&t, 11);

        assert_true(q < 2048);
        upper += q >= 1024;
    }
    assert_in_range(upper, 400, 600);
}

static void
test_work_is_rare_and_bound_to_what_was_said(void **state)
{
    struct transcript a, b;
    uint64_t nonce = 0;
    int found = 0;

    (void)state;
    transcript_init(&a);
    b = a;
    transcript_absorb(&b, "x", "y", 1);
    for (uint64_t i = 0; i < 100000; i++)
        if (transcript_work_done(&a, i, 10)) {
            nonce = i;
            found++;
        }
    assert_in_range(found, 50, 150); /* 98 are expected */
    assert_true(transcript_work_done(&a, nonce, 10));
    assert_true(transcript_work_done(&a, nonce, 0));
    assert_false(transcript_work_done(&b, nonce, 10) &&
                 transcript_work_done(&b, nonce + 1, 10));
}

/* Computed with Python's hashlib. A change is a new version of the format. */
static void
test_the_pinned_coin_has_not_changed(void **state)
{
    (void)state;
    assert_int_equal(draw_after("header", "zkstark", 7),
                     UINT64_C(0x732ad469e367ac37));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_words_draw_the_same_coins),
        cmocka_unit_test(test_data_label_and_length_all_count),
        cmocka_unit_test(test_where_one_message_ends_counts),
        cmocka_unit_test(test_order_counts),
        cmocka_unit_test(test_coins_are_canonical_and_differ),
        cmocka_unit_test(test_the_point_lies_outside_the_base_field),
        cmocka_unit_test(test_queries_fall_on_both_halves_of_the_domain),
        cmocka_unit_test(test_work_is_rare_and_bound_to_what_was_said),
        cmocka_unit_test(test_the_pinned_coin_has_not_changed),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
