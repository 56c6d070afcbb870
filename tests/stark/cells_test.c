/*
 * cells_test.c - a wrong cell of any column, in many rows.
 *
 * Owns:   1230 proofs of wrong traces, each of which must be refused;
 *         labelled slow. proof_test.c tries one row of each column.
 * Never:  runs under a sanitizer.
 */
#include <stdlib.h>

#include "hash.h"
#include "prover.h"
#include "support.h"
#include "verifier.h"

#define FILE_BYTES ((size_t)400)
#define FILE_ROWS  (FILE_BYTES / STARK_BLOCK_BYTES + 1)
#define ROWS       ((size_t)1 << STARK_LOG_ROWS_MIN)

struct wrong_cell {
    size_t column, row;
    fp_t by;
};

/* Fails unless the wrong trace is proved and its proof is refused. */
static void
check_cell(const uint8_t *file, const struct wrong_cell *cell,
           struct prover_result *result)
{
    struct prover_job job = {
        .file = file,
        .length = FILE_BYTES,
        .flip_by = cell->by,
        .flip_column = cell->column,
        .flip_row = cell->row,
    };
    struct air_statement statement;
    enum verdict verdict;

    assert_int_equal(prover_run(&job, result), STARK_OK);
    verdict = verifier_check(result->proof, result->proof_bytes, result->digest,
                             &statement);
    if (verdict != VERDICT_CONSTRAINTS)
        fail_msg("column %zu, row %zu, by %llu: %s", cell->column, cell->row,
                 (unsigned long long)cell->by, verdict_string(verdict));
}

/*
 * The rows are the first, the file's last two, the first of those behind it,
 * the trace's last, and any.
 */
static void
test_a_wrong_cell_of_any_column_in_any_row_is_refused(void **state)
{
    struct prover_result result;
    uint8_t *file;

    (void)state;
    if (TEST_SLOW_BUILD)
        skip();
    assert_true(hash_start());
    assert_int_equal(prover_result_init(&result), STARK_OK);
    test_seed();
    file = test_bytes(FILE_BYTES);
    for (size_t c = 0; c < AIR_MAIN + AIR_AUX; c++) {
        const struct wrong_cell cell[] = {
            {c, 0, 1},
            {c, FILE_ROWS - 2, FP_P - 1},
            {c, FILE_ROWS - 1, 1},
            {c, FILE_ROWS, FP_P - 1},
            {c, ROWS - 1, 1},
            {c, test_below(ROWS), 1 + test_random() % (FP_P - 1)},
        };

        for (size_t i = 0; i < sizeof cell / sizeof cell[0]; i++)
            check_cell(file, &cell[i], &result);
    }
    print_message("%u columns, 6 wrong cells in each: all refused\n",
                  (unsigned)(AIR_MAIN + AIR_AUX));
    prover_result_fini(&result);
    free(file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wrong_cell_of_any_column_in_any_row_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
