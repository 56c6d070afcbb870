/*
 * merkle_test.c - openings of many leaves at once.
 *
 * Owns:   that what a tree opens is accepted, and nothing else is.
 * Never:  relies on a particular hash.
 */
#include "merkle.h"

#include <stdlib.h>
#include <string.h>

#include "merkle_tree.h"
#include "support.h"

#define LOG_LEAVES 6u
#define LEAVES     (1u << LOG_LEAVES)
#define COLUMNS    5u

struct tree_fixture {
    struct matrix matrix;
    struct merkle_tree tree;
    size_t index[LEAVES];
    size_t count;
    uint8_t siblings[LEAVES * HASH_BYTES * LOG_LEAVES];
    struct wire_writer written;
};

static struct digest
leaf_of(const struct matrix *m, size_t row)
{
    struct wire_writer w = {.bytes = (uint8_t[COLUMNS * 8]){0},
                            .capacity = COLUMNS * 8};

    for (size_t c = 0; c < m->columns; c++)
        wire_put64(&w, matrix_column(m, c)[row]);
    return hash_bytes(HASH_LEAF, w.bytes, w.length);
}

static int
set_up(void **state)
{
    struct tree_fixture *f = calloc(1, sizeof *f);

    if (f == NULL || !hash_start())
        return -1;
    f->matrix = matrix_shape(COLUMNS, LEAVES);
    f->matrix.data = malloc(matrix_bytes(&f->matrix));
    f->tree.leaves = LEAVES;
    f->tree.nodes = malloc(merkle_tree_bytes(LEAVES));
    test_seed();
    for (size_t c = 0; c < COLUMNS; c++)
        for (size_t i = 0; i < LEAVES; i++)
            matrix_column(&f->matrix, c)[i] = test_fp();
    *state = f;
    return merkle_tree_of_matrix(&f->tree, &f->matrix);
}

static int
tear_down(void **state)
{
    struct tree_fixture *f = *state;

    free(f->matrix.data);
    free(f->tree.nodes);
    free(f);
    return 0;
}

/* Opens a random set of leaves. */
static void
open_some(struct tree_fixture *f)
{
    size_t index[LEAVES];
    size_t wanted = 1 + test_below(LEAVES);

    for (size_t i = 0; i < wanted; i++)
        f->index[i] = test_below(LEAVES);
    f->count = merkle_sort_unique(f->index, wanted);
    memcpy(index, f->index, sizeof index);
    f->written = (struct wire_writer){.bytes = f->siblings,
                                      .capacity = sizeof f->siblings};
    merkle_tree_open(&f->tree, index, f->count, &f->written);
    assert_false(f->written.overrun);
}

static bool
check(const struct tree_fixture *f, size_t wrong_leaf, size_t *left)
{
    size_t index[LEAVES];
    struct digest leaf[LEAVES];
    struct wire_reader r = {.at = f->siblings, .left = f->written.length};
    bool good;

    memcpy(index, f->index, sizeof index);
    for (size_t i = 0; i < f->count; i++) {
        leaf[i] = leaf_of(&f->matrix, index[i]);
        if (i == wrong_leaf)
            leaf[i].bytes[7] ^= 0x10;
    }
    good = merkle_check(merkle_tree_root(&f->tree), LOG_LEAVES, index, leaf,
                        f->count, &r);
    *left = r.left;
    return good;
}

static void
test_opened_leaves_are_accepted_and_use_every_sibling(void **state)
{
    struct tree_fixture *f = *state;

    for (int i = 0; i < 500; i++) {
        size_t left;

        open_some(f);
        assert_true(check(f, LEAVES, &left));
        assert_int_equal(left, 0);
    }
}

static void
test_a_wrong_leaf_is_refused(void **state)
{
    struct tree_fixture *f = *state;

    for (int i = 0; i < 500; i++) {
        size_t left;

        open_some(f);
        assert_false(check(f, test_below(f->count), &left));
    }
}

static void
test_a_wrong_sibling_is_refused(void **state)
{
    struct tree_fixture *f = *state;

    for (int i = 0; i < 500; i++) {
        size_t left;

        open_some(f);
        if (f->written.length == 0)
            continue;
        f->siblings[test_below(f->written.length)] ^= 0x01;
        assert_false(check(f, LEAVES, &left));
    }
}

static void
test_a_missing_sibling_is_refused(void **state)
{
    struct tree_fixture *f = *state;

    for (int i = 0; i < 100; i++) {
        size_t left;

        open_some(f);
        if (f->written.length == 0)
            continue;
        f->written.length--;
        assert_false(check(f, LEAVES, &left));
    }
}

static void
test_a_leaf_is_refused_at_another_place(void **state)
{
    struct tree_fixture *f = *state;

    f->index[0] = 12;
    f->count = 1;
    f->written = (struct wire_writer){.bytes = f->siblings,
                                      .capacity = sizeof f->siblings};

    size_t index[1] = {12};

    merkle_tree_open(&f->tree, index, 1, &f->written);
    for (size_t place = 0; place < LEAVES; place++) {
        struct digest leaf[1] = {leaf_of(&f->matrix, 12)};
        struct wire_reader r = {.at = f->siblings, .left = f->written.length};

        index[0] = place;
        assert_int_equal(merkle_check(merkle_tree_root(&f->tree), LOG_LEAVES,
                                      index, leaf, 1, &r),
                         place == 12);
    }
}

/* Or an inner node could be shown as a row of four elements... */
static void
test_leaves_and_nodes_hash_differently(void **state)
{
    struct digest pair[2] = {{{1}}, {{2}}};
    struct digest as_leaf = hash_bytes(HASH_LEAF, pair, sizeof pair);
    struct digest as_node = hash_node(&pair[0], &pair[1]);

    (void)state;
    assert_false(digest_equal(&as_leaf, &as_node));
}

static void
test_sorting_drops_repetitions(void **state)
{
    size_t index[] = {5, 3, 5, 9, 0, 3, 3, 9};

    (void)state;
    assert_int_equal(merkle_sort_unique(index, 8), 4);
    assert_int_equal(index[0], 0);
    assert_int_equal(index[1], 3);
    assert_int_equal(index[2], 5);
    assert_int_equal(index[3], 9);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opened_leaves_are_accepted_and_use_every_sibling),
        cmocka_unit_test(test_a_wrong_leaf_is_refused),
        cmocka_unit_test(test_a_wrong_sibling_is_refused),
        cmocka_unit_test(test_a_missing_sibling_is_refused),
        cmocka_unit_test(test_a_leaf_is_refused_at_another_place),
        cmocka_unit_test(test_leaves_and_nodes_hash_differently),
        cmocka_unit_test(test_sorting_drops_repetitions),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
