/* span_test.c - which blocks of a span are in the pool, as bits. O2, R9, ON3. */
#include "alloc/heap/span.h"
#include "tests/support.h"

static struct zk_span *
make(unsigned class)
{
    size_t pages = zk__class[class].pages;
    uint32_t first = zk__pages_take(pages, 1, false);
    struct zk_span *s = zk_span_at(first);

    s->pages = (uint32_t)pages;
    zk__span_cut(s, class);
    return s;
}

static void
drop(struct zk_span *s)
{
    zk__pages_give(zk_span_first(s), s->pages);
}

static int
open_pages(void **state)
{
    (void)state;
    zk__class_open();
    return zk__pages_open() ? 0 : 1;
}

static void
test_a_new_span_has_each_block_once(void **state)
{
    static void *out[5000];
    static bool seen[5000];

    (void)state;
    for (unsigned class = 0; class < ZK_CLASSES; class ++) {
        struct zk_span *s = make(class);
        size_t size = zk__class[class].size;
        uint32_t count = zk__class[class].count;

        memset(seen, 0, sizeof seen);
        assert_int_equal(s->free, count);
        assert_int_equal(zk__span_take(s, out, 5000), count);
        assert_int_equal(s->free, 0);
        assert_int_equal(zk__span_take(s, out, 10), 0);
        for (uint32_t i = 0; i < count; i++) {
            size_t at = (size_t)((char *)out[i] - zk_span_base(s));

            assert_int_equal(at % size, 0);
            assert_true(at / size < count);
            assert_false(seen[at / size]);
            seen[at / size] = true;
        }
        drop(s);
    }
}

/* One block. False: it is there. */
static bool
put(struct zk_span *s, uint32_t index)
{
    uint64_t bit = UINT64_C(1) << index % 64;
    uint64_t there = zk__span_put(s, index / 64, bit, 1);

    assert_true(there == 0 || there == bit);
    return there == 0;
}

static void
test_the_lowest_blocks_come_first_and_the_lowest_is_the_last(void **state)
{
    unsigned class = zk_class_of(192);
    struct zk_span *s = make(class);
    void *out[100];

    (void)state;
    assert_int_equal(zk__span_take(s, out, 100), 100);
    for (size_t i = 0; i < 100; i++)
        assert_ptr_equal(out[i], zk_span_base(s) + (99 - i) * (size_t)192);
    assert_true(put(s, 50));
    assert_true(put(s, 7));
    assert_int_equal(zk__span_take(s, out, 3), 3);
    assert_ptr_equal(out[2], zk_span_base(s) + (size_t)7 * 192);
    assert_ptr_equal(out[1], zk_span_base(s) + (size_t)50 * 192);
    assert_ptr_equal(out[0], zk_span_base(s) + (size_t)100 * 192);
    drop(s);
}

static void
test_a_block_comes_back_once(void **state)
{
    unsigned class = zk_class_of(64);
    struct zk_span *s = make(class);
    void *out[200];

    (void)state;
    assert_true(zk__span_has(s, 63) && zk__span_has(s, 64));
    assert_false(put(s, 3)); /* never taken */
    assert_int_equal(zk__span_take(s, out, 65), 65);
    assert_false(zk__span_has(s, 64));
    assert_true(zk__span_has(s, 65));
    assert_true(put(s, 64));
    assert_false(put(s, 64));
    assert_int_equal(s->free, zk__class[class].count - 64);
    drop(s);
}

static void
test_blocks_of_a_word_come_back_together_or_not_at_all(void **state)
{
    unsigned class = zk_class_of(64);
    struct zk_span *s = make(class);
    void *out[200];

    (void)state;
    assert_int_equal(zk__span_take(s, out, 130), 130);
    assert_int_equal(zk__span_put(s, 1, UINT64_MAX << 60, 4), 0);
    assert_int_equal(s->free, zk__class[class].count - 126);
    assert_true(zk__span_has(s, 124) && !zk__span_has(s, 123));
    assert_int_equal(zk__span_put(s, 1, UINT64_C(7) << 58, 3), UINT64_C(1)
                                                                   << 60);
    assert_int_equal(s->free, zk__class[class].count - 126);
    assert_false(zk__span_has(s, 122) || zk__span_has(s, 123));
    assert_int_equal(zk__span_put(s, 0, UINT64_MAX, 64), 0);
    assert_int_equal(zk__span_take(s, out, 65), 65);
    assert_ptr_equal(out[64], zk_span_base(s));
    assert_ptr_equal(out[0], zk_span_base(s) + (size_t)124 * 64);
    drop(s);
}

static void
test_random_takes_and_puts_agree_with_a_model(void **state)
{
    static const size_t sizes[] = {16, 48, 64, 1024, 1152, 9000, 70000, 300000};
    static bool in[5000];
    struct test_random r = {test_seed(__func__)};

    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        unsigned class = zk_class_of(sizes[k]);
        uint32_t count = zk__class[class].count, have = count;
        struct zk_span *s = make(class);

        memset(in, 1, sizeof in);
        for (unsigned i = 0; i < test_scaled(20000); i++) {
            uint32_t index = (uint32_t)test_below(&r, count);
            void *out[64];
            unsigned n;

            if (test_below(&r, 3) != 0) {
                assert_int_equal(put(s, index), !in[index]);
                have += !in[index];
                in[index] = true;
            } else {
                n = zk__span_take(s, out, (unsigned)test_below(&r, 64));
                for (unsigned j = 0; j < n; j++) {
                    size_t at = (size_t)((char *)out[j] - zk_span_base(s));

                    index = zk_class_index(class, at);
                    assert_true(in[index]);
                    in[index] = false;
                }
                have -= n;
            }
            assert_int_equal(s->free, have);
        }
        drop(s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_span_has_each_block_once),
        cmocka_unit_test(
            test_the_lowest_blocks_come_first_and_the_lowest_is_the_last),
        cmocka_unit_test(test_a_block_comes_back_once),
        cmocka_unit_test(
            test_blocks_of_a_word_come_back_together_or_not_at_all),
        cmocka_unit_test(test_random_takes_and_puts_agree_with_a_model),
    };

    return cmocka_run_group_tests(tests, open_pages, NULL);
}
