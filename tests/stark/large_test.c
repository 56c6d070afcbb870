/*
 * large_test.c - files of 1 MiB and 4 MiB.
 *
 * Owns:   what takes seconds and gigabytes; labelled slow.
 * Never:  runs under a sanitizer.
 */
#include <stdlib.h>

#include "hash.h"
#include "poseidon2.h"
#include "prover.h"
#include "support.h"
#include "verifier.h"

static void
check_length(size_t n)
{
    uint8_t *file = test_bytes(n);
    struct prover_job job = {.file = file, .length = n};
    struct air_statement statement;
    struct prover_result result;
    fp_t digest[P2_DIGEST];

    assert_true(hash_start());
    assert_int_equal(prover_result_init(&result), STARK_OK);
    assert_int_equal(prover_run(&job, &result), STARK_OK);
    sponge_digest(file, n, digest);
    assert_int_equal(
        verifier_check(result.proof, result.proof_bytes, digest, &statement),
        VERDICT_ACCEPTED);
    prover_result_fini(&result);
    free(file);
}

static void
test_a_file_of_1_mib_is_proved(void **state)
{
    (void)state;
    if (TEST_SLOW_BUILD)
        skip();
    test_seed();
    check_length((size_t)1 << 20);
}

static void
test_a_file_of_4_mib_is_proved(void **state)
{
    (void)state;
    if (TEST_SLOW_BUILD)
        skip();
    test_seed();
    check_length((size_t)4 << 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_of_1_mib_is_proved),
        cmocka_unit_test(test_a_file_of_4_mib_is_proved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
