/*
 * poseidon2_test.c - the permutation against its published answers.
 *
 * Owns:   the comparison of every constant with the vectors file.
 * Never:  repeats a constant here.
 */
#include "poseidon2.h"

#include <stdlib.h>
#include <string.h>

#include "vectors.h"

#include "lanes_portable.h"
#include "poseidon2_layers.h"

#define ROUNDS (P2_FULL + P2_PARTIAL)

static void
test_parameters_are_the_published_ones(void **state)
{
    char *text = vectors_load();
    const char *at = text;
    uint64_t number;

    (void)state;
    vectors_read(&at, "t", &number, 1);
    assert_int_equal(number, P2_WIDTH);
    vectors_read(&at, "d", &number, 1);
    assert_int_equal(number, 7);
    vectors_read(&at, "rounds_full_begin", &number, 1);
    assert_int_equal(number, P2_FULL / 2);
    vectors_read(&at, "rounds_partial", &number, 1);
    assert_int_equal(number, P2_PARTIAL);
    vectors_read(&at, "rounds_full_end", &number, 1);
    assert_int_equal(number, P2_FULL / 2);
    free(text);
}

static void
test_round_constants_are_the_published_ones(void **state)
{
    char *text = vectors_load();
    const char *at = text;
    uint64_t c[ROUNDS][P2_WIDTH];

    (void)state;
    vectors_read(&at, "round_constants", &c[0][0], ROUNDS * P2_WIDTH);
    for (size_t r = 0; r < ROUNDS; r++) {
        if (r < P2_FULL / 2) {
            assert_memory_equal(c[r], p2_full_constants[r], sizeof c[r]);
        } else if (r < P2_FULL / 2 + P2_PARTIAL) {
            assert_int_equal(c[r][0], p2_partial_constants[r - P2_FULL / 2]);
        } else {
            assert_memory_equal(c[r], p2_full_constants[r - P2_PARTIAL],
                                sizeof c[r]);
        }
    }
    free(text);
}

static void
test_internal_diagonal_is_the_published_one(void **state)
{
    char *text = vectors_load();
    const char *at = text;
    uint64_t d[P2_WIDTH];

    (void)state;
    vectors_read(&at, "internal_diagonal_minus_1", d, P2_WIDTH);
    assert_memory_equal(d, p2_diagonal, sizeof d);
    free(text);
}

/* Column by column: the layer is linear, so unit vectors tell it all. */
static void
test_external_layer_is_made_of_the_published_blocks(void **state)
{
    char *text = vectors_load();
    const char *at = text;
    uint64_t m[4][4];

    (void)state;
    vectors_read(&at, "mat4", &m[0][0], 16);
    for (unsigned column = 0; column < P2_WIDTH; column++) {
        fp_t s[P2_WIDTH] = {0};

        s[column] = 1;
        p2_external(s);
        for (unsigned row = 0; row < P2_WIDTH; row++) {
            fp_t entry = m[row % 4][column % 4];

            assert_int_equal(s[row], row / 4 == column / 4 ? 2 * entry : entry);
        }
    }
    free(text);
}

static void
test_known_answers(void **state)
{
    char *text = vectors_load();
    const char *at = strstr(text, "known_answers");
    int answers = 0;

    (void)state;
    assert_non_null(at);
    while (strstr(at, "\"in\":") != NULL) {
        uint64_t in[P2_WIDTH], out[P2_WIDTH];

        vectors_read(&at, "in", in, P2_WIDTH);
        vectors_read(&at, "out", out, P2_WIDTH);
        poseidon2_permute(in);
        assert_memory_equal(in, out, sizeof out);
        answers++;
    }
    assert_int_equal(answers, 4);
    free(text);
}

/* The sponge in as few words as possible: the padded bytes are laid out. */
static void
plain_sponge(const uint8_t *file, size_t n, fp_t digest[P2_DIGEST])
{
    size_t padded = (n / 56 + 1) * 56;
    uint8_t *bytes = calloc(padded, 1);
    fp_t s[P2_WIDTH] = {0};

    assert_non_null(bytes);
    memcpy(bytes, file, n);
    bytes[n] = 0x01;
    for (size_t i = 0; i < padded; i += 7) {
        fp_t element = 0;

        for (size_t k = 0; k < 7; k++)
            element += (fp_t)bytes[i + k] << (8 * k);
        s[i / 7 % 8] = fp_add(s[i / 7 % 8], element);
        if (i / 7 % 8 == 7)
            poseidon2_permute(s);
    }
    memcpy(digest, s, P2_DIGEST * sizeof *s);
    free(bytes);
}

static void
test_sponge_agrees_with_its_description(void **state)
{
    (void)state;
    test_seed();
    for (size_t n = 0; n < 300; n++) {
        uint8_t *file = test_bytes(n);
        fp_t fast[P2_DIGEST], plain[P2_DIGEST];

        sponge_digest(file, n, fast);
        plain_sponge(file, n, plain);
        assert_memory_equal(fast, plain, sizeof fast);
        free(file);
    }
}

static void
test_padding_starts_a_block_when_the_last_one_is_full(void **state)
{
    (void)state;
    assert_int_equal(sponge_blocks(0), 1);
    assert_int_equal(sponge_blocks(55), 1);
    assert_int_equal(sponge_blocks(56), 2);
    assert_int_equal(sponge_blocks(57), 2);
}

static void
test_zeros_at_the_end_change_the_digest(void **state)
{
    static const uint8_t zeros[64];
    fp_t digest[65][P2_DIGEST];

    (void)state;
    for (size_t n = 0; n <= 64; n++)
        sponge_digest(zeros, n, digest[n]);
    for (size_t n = 0; n < 64; n++)
        assert_memory_not_equal(digest[n], digest[n + 1], sizeof digest[n]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters_are_the_published_ones),
        cmocka_unit_test(test_round_constants_are_the_published_ones),
        cmocka_unit_test(test_internal_diagonal_is_the_published_one),
        cmocka_unit_test(test_external_layer_is_made_of_the_published_blocks),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_sponge_agrees_with_its_description),
        cmocka_unit_test(test_padding_starts_a_block_when_the_last_one_is_full),
        cmocka_unit_test(test_zeros_at_the_end_change_the_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
