/*
 * proof_test.c - proofs from end to end: made, accepted, and refused.
 *
 * Owns:   completeness on all kinds of lengths, and what the verifier must not
 *         accept: changed bytes, other files, other parameters, wrong traces.
 * Never:  looks into a proof but by FORMAT.md.
 */
#include "proof.h"

#include <stdlib.h>
#include <string.h>

#include <zkrt/zkrt.h>

#include "bytes.h"
#include "poseidon2.h"
#include "prover.h"
#include "support.h"
#include "verifier.h"

/* Places in the header, see FORMAT.md. */
#define AT_VERSION    8
#define AT_PARAMETERS 9
#define AT_LOG_ROWS   15
#define AT_LENGTH     16

static struct prover_result result;

/* A proof that the tests of refusals change. */
static uint8_t *sample;
static size_t sample_bytes;
static fp_t sample_digest[P2_DIGEST];

static void
prove(const uint8_t *file, size_t n)
{
    struct prover_job job = {.file = file, .length = n};

    assert_int_equal(prover_run(&job, &result), STARK_OK);
}

static enum verdict
check(const uint8_t *proof, size_t n, const fp_t digest[P2_DIGEST])
{
    struct air_statement statement;

    return verifier_check(proof, n, digest, &statement);
}

/* Proves random bytes and checks the proof against the sponge's digest. */
static void
check_length(size_t n)
{
    uint8_t *file = test_bytes(n);
    struct air_statement statement;
    fp_t digest[P2_DIGEST];

    prove(file, n);
    sponge_digest(file, n, digest);
    assert_memory_equal(result.digest, digest, sizeof digest);
    assert_int_equal(
        verifier_check(result.proof, result.proof_bytes, digest, &statement),
        VERDICT_ACCEPTED);
    assert_int_equal(statement.length, n);
    free(file);
}

static int
set_up(void **state)
{
    static const char text[] = "What is proved is that somebody knew this.";

    (void)state;
    if (!hash_start() || prover_result_init(&result) != STARK_OK)
        return -1;
    prove((const uint8_t *)text, sizeof text - 1);
    sample_bytes = result.proof_bytes;
    memcpy(sample_digest, result.digest, sizeof sample_digest);
    sample = malloc(sample_bytes + 1);
    if (sample == NULL)
        return -1;
    memcpy(sample, result.proof, sample_bytes);
    sample[sample_bytes] = 0;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    free(sample);
    prover_result_fini(&result);
    return 0;
}

static void
test_short_files_are_proved(void **state)
{
    static const size_t length[] = {0,   1,   6,   7,    8,   31,  32,
                                    33,  55,  56,  57,   111, 112, 113,
                                    255, 256, 511, 2000, 5000};

    (void)state;
    test_seed();
    for (size_t i = 0; i < sizeof length / sizeof length[0]; i++)
        check_length(length[i]);
}

/* 256 rows are full, and one more doubles the trace. */
static void
test_files_that_just_fill_a_trace_are_proved(void **state)
{
    (void)state;
    test_seed();
    check_length((size_t)56 * 256 - 1);
    check_length((size_t)56 * 256);
    check_length((size_t)56 * 512 - 1);
    check_length((size_t)56 * 1024);
}

static void
test_files_of_one_byte_value_are_proved(void **state)
{
    static const uint8_t value[] = {0x00, 0x01, 0x80, 0xff};
    uint8_t file[1000];

    (void)state;
    for (size_t i = 0; i < sizeof value; i++) {
        memset(file, value[i], sizeof file);
        prove(file, sizeof file);
        assert_int_equal(check(result.proof, result.proof_bytes, result.digest),
                         VERDICT_ACCEPTED);
    }
}

static void
test_a_file_over_the_limit_is_refused_before_any_work(void **state)
{
    struct prover_job job = {.length = STARK_MAX_FILE_BYTES + 1};

    (void)state;
    assert_int_equal(prover_run(&job, &result), STARK_TOO_LONG);
}

static void
test_the_proof_is_the_same_wherever_it_is_made(void **state)
{
    static const unsigned workers[] = {1, 2, 3, 8};
    uint8_t *file = test_bytes(20000);
    uint8_t *first = NULL;
    size_t first_bytes = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (unsigned variant = 0; variant < 3; variant++) {
            struct prover_job job = {
                .file = file,
                .length = 20000,
                .memory = variant == 1 ? MEM_SYSTEM : MEM_ZKRT,
                .kernels = variant == 2 ? &kernels_portable : NULL,
            };
            zk_runtime_t *lane;

            assert_int_equal(
                zk_runtime_open(&lane, ZK_OPTIONS(.workers = workers[i])), 0);
            assert_int_equal(zk_runtime_enter(lane), 0);
            assert_int_equal(prover_run(&job, &result), STARK_OK);
            assert_int_equal(zk_runtime_leave(), 0);
            assert_int_equal(zk_runtime_close(lane), 0);

            if (first == NULL) {
                first_bytes = result.proof_bytes;
                first = malloc(first_bytes);
                assert_non_null(first);
                memcpy(first, result.proof, first_bytes);
            }
            assert_int_equal(result.proof_bytes, first_bytes);
            assert_memory_equal(result.proof, first, first_bytes);
        }
    }
    free(first);
    free(file);
}

static void
test_a_warm_proof_does_not_fault(void **state)
{
    uint8_t *file;

    (void)state;
    if (TEST_SLOW_BUILD)
        skip(); /* a sanitizer's own memory faults */
    file = test_bytes(40000);
    prove(file, 40000);
    for (int i = 0; i < 7; i++) {
        prove(file, 40000);
        assert_int_equal(result.cost.total.minor_faults, 0);
        assert_int_equal(result.cost.total.major_faults, 0);
    }
    free(file);
}

static void
test_any_flipped_bit_is_refused(void **state)
{
    (void)state;
    test_seed();
    for (int i = 0; i < TEST_TIMES(10000); i++) {
        size_t at = test_below(sample_bytes);
        uint8_t bit = (uint8_t)(1u << test_below(8));

        sample[at] ^= bit;
        if (check(sample, sample_bytes, sample_digest) == VERDICT_ACCEPTED)
            fail_msg("byte %zu, bit %u", at, bit);
        sample[at] ^= bit;
    }
    assert_int_equal(check(sample, sample_bytes, sample_digest),
                     VERDICT_ACCEPTED);
}

/* The part that no Merkle tree protects. */
static void
test_any_flipped_bit_of_header_and_roots_is_refused(void **state)
{
    (void)state;
    for (size_t at = 0; at < PROOF_HEADER_BYTES + 3 * HASH_BYTES; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            sample[at] ^= (uint8_t)(1u << bit);
            assert_int_not_equal(check(sample, sample_bytes, sample_digest),
                                 VERDICT_ACCEPTED);
            sample[at] ^= (uint8_t)(1u << bit);
        }
}

static void
test_any_truncation_is_refused(void **state)
{
    (void)state;
    test_seed();
    for (size_t n = 0; n < 300; n++)
        assert_int_not_equal(check(sample, n, sample_digest), VERDICT_ACCEPTED);
    for (int i = 0; i < TEST_TIMES(2000); i++) {
        size_t n = test_below(sample_bytes);

        assert_int_not_equal(check(sample, n, sample_digest), VERDICT_ACCEPTED);
    }
    assert_int_not_equal(check(sample, sample_bytes - 1, sample_digest),
                         VERDICT_ACCEPTED);
}

static void
test_a_byte_too_many_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check(sample, sample_bytes + 1, sample_digest),
                     VERDICT_TRAILING);
}

static void
test_bytes_that_are_no_proof_are_refused(void **state)
{
    uint8_t *noise = test_bytes(5000);

    (void)state;
    assert_int_equal(check(noise, 5000, sample_digest), VERDICT_NO_PROOF);
    assert_int_equal(check(noise, 0, sample_digest), VERDICT_SHORT);
    free(noise);
}

static void
test_noise_behind_a_good_header_is_refused(void **state)
{
    uint8_t *noise = test_bytes(sample_bytes);

    (void)state;
    test_seed();
    for (int i = 0; i < 200; i++) {
        memcpy(noise, sample, PROOF_HEADER_BYTES);
        for (size_t k = PROOF_HEADER_BYTES; k + 8 <= sample_bytes; k += 8)
            bytes_put64(noise + k, test_fp());
        assert_int_equal(check(noise, sample_bytes, sample_digest),
                         VERDICT_CONSTRAINTS);
    }
    free(noise);
}

static void
test_a_proof_of_another_file_is_refused(void **state)
{
    (void)state;
    prove((const uint8_t *)"another file", 12);
    assert_int_equal(check(result.proof, result.proof_bytes, sample_digest),
                     VERDICT_CONSTRAINTS);
    assert_int_equal(check(sample, sample_bytes, result.digest),
                     VERDICT_CONSTRAINTS);
}

static void
test_every_element_of_the_digest_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < P2_DIGEST; i++) {
        fp_t digest[P2_DIGEST];

        memcpy(digest, sample_digest, sizeof digest);
        digest[i] = fp_add(digest[i], 1);
        assert_int_equal(check(sample, sample_bytes, digest),
                         VERDICT_CONSTRAINTS);
    }
}

static enum verdict
check_patched(size_t at, uint8_t value)
{
    uint8_t kept = sample[at];
    enum verdict verdict;

    sample[at] = value;
    verdict = check(sample, sample_bytes, sample_digest);
    sample[at] = kept;
    return verdict;
}

static void
test_another_version_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check_patched(AT_VERSION, STARK_VERSION + 1),
                     VERDICT_VERSION);
}

static void
test_other_parameters_are_refused(void **state)
{
    (void)state;
    for (size_t at = AT_PARAMETERS; at < AT_LOG_ROWS; at++) {
        assert_int_equal(check_patched(at, (uint8_t)(sample[at] + 1)),
                         VERDICT_PARAMETERS);
        assert_int_equal(check_patched(at, 0), VERDICT_PARAMETERS);
    }
}

static void
test_a_claimed_degree_out_of_range_is_refused(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 256; k++)
        if (k != sample[AT_LOG_ROWS])
            assert_int_equal(check_patched(AT_LOG_ROWS, (uint8_t)k),
                             VERDICT_ROWS);
}

static void
test_a_claimed_length_out_of_range_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check_patched(AT_LENGTH + 3, 1), VERDICT_LENGTH);
    assert_int_equal(check_patched(AT_LENGTH + 7, 0xff), VERDICT_LENGTH);
    assert_int_equal(check_patched(AT_LENGTH + 1, 0x80), VERDICT_ROWS);
}

/* The bytes are the same up to zeros, the claim about their number is not. */
static void
test_another_claimed_length_is_refused(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256; n++)
        if (n != sample[AT_LENGTH])
            assert_int_equal(check_patched(AT_LENGTH, (uint8_t)n),
                             VERDICT_CONSTRAINTS);
}

/*
 * Every constraint is of use, and every column is bound by one. The wrong cells
 * lie in rows of the file, in its last row and in the rows of zeros behind it.
 */
static void
test_a_wrong_cell_of_any_column_is_refused(void **state)
{
    static const size_t row[] = {3, 0, 7, 100, 255};
    uint8_t *file = test_bytes(400); /* 8 rows */
    size_t step = TEST_SLOW_BUILD ? 9 : 1;

    (void)state;
    for (size_t c = 0; c < AIR_MAIN + AIR_AUX; c += step) {
        struct prover_job job = {
            .file = file,
            .length = 400,
            .flip_by = 1,
            .flip_column = c,
            .flip_row = row[c % 5],
        };

        assert_int_equal(prover_run(&job, &result), STARK_OK);
        if (check(result.proof, result.proof_bytes, result.digest) !=
            VERDICT_CONSTRAINTS)
            fail_msg("column %zu, row %zu", c, job.flip_row);
    }
    free(file);
}

/* 256 = 0 in a byte, but not in the field. */
static void
test_a_cell_that_is_no_byte_is_refused(void **state)
{
    uint8_t *file = test_bytes(400);

    (void)state;
    for (size_t k = 0; k < STARK_BLOCK_BYTES; k += 11) {
        struct prover_job job = {
            .file = file,
            .length = 400,
            .flip_by = 256,
            .flip_column = AIR_BYTE + k,
            .flip_row = k,
        };

        assert_int_equal(prover_run(&job, &result), STARK_OK);
        assert_int_equal(check(result.proof, result.proof_bytes, result.digest),
                         VERDICT_CONSTRAINTS);
    }
    free(file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_files_are_proved),
        cmocka_unit_test(test_files_that_just_fill_a_trace_are_proved),
        cmocka_unit_test(test_files_of_one_byte_value_are_proved),
        cmocka_unit_test(test_a_file_over_the_limit_is_refused_before_any_work),
        cmocka_unit_test(test_the_proof_is_the_same_wherever_it_is_made),
        cmocka_unit_test(test_a_warm_proof_does_not_fault),
        cmocka_unit_test(test_any_flipped_bit_is_refused),
        cmocka_unit_test(test_any_flipped_bit_of_header_and_roots_is_refused),
        cmocka_unit_test(test_any_truncation_is_refused),
        cmocka_unit_test(test_a_byte_too_many_is_refused),
        cmocka_unit_test(test_bytes_that_are_no_proof_are_refused),
        cmocka_unit_test(test_noise_behind_a_good_header_is_refused),
        cmocka_unit_test(test_a_proof_of_another_file_is_refused),
        cmocka_unit_test(test_every_element_of_the_digest_counts),
        cmocka_unit_test(test_another_version_is_refused),
        cmocka_unit_test(test_other_parameters_are_refused),
        cmocka_unit_test(test_a_claimed_degree_out_of_range_is_refused),
        cmocka_unit_test(test_a_claimed_length_out_of_range_is_refused),
        cmocka_unit_test(test_another_claimed_length_is_refused),
        cmocka_unit_test(test_a_wrong_cell_of_any_column_is_refused),
        cmocka_unit_test(test_a_cell_that_is_no_byte_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
