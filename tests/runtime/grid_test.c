/*
 * grid_test.c - loops over rectangles.
 */
#include "tests/runtime/rt.h"

enum { ROWS = 70, COLUMNS = 90 };

struct cells {
    _Atomic unsigned runs[ROWS][COLUMNS];
    _Atomic unsigned calls, wrong;
    zk_range_t rows, columns;
};

static struct cells cells;

/* Each tile begins at a multiple of the grain, and only the last is shorter. */
static bool
is_piece(zk_range_t r, size_t begin, size_t end)
{
    size_t grain = r.grain != 0 ? r.grain : (r.end - r.begin + 31) / 32;

    return begin >= r.begin && end <= r.end && begin < end &&
           (begin - r.begin) % grain == 0 &&
           (end - begin == grain || end == r.end);
}

static int
visit(size_t row, size_t row_end, size_t column, size_t column_end, void *arg)
{
    (void)arg;
    zk_add_relaxed(&cells.calls, 1u);
    if (!is_piece(cells.rows, row, row_end) ||
        !is_piece(cells.columns, column, column_end))
        zk_add_relaxed(&cells.wrong, 1u);
    for (; row < row_end; row++)
        for (size_t c = column; c < column_end; c++)
            zk_add_relaxed(
                &cells.runs[row - cells.rows.begin][c - cells.columns.begin],
                1u);
    return 0;
}

static unsigned
cells_that_did_not_run_once(size_t rows, size_t columns)
{
    unsigned wrong = 0;

    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < COLUMNS; c++) {
            wrong += zk_load_relaxed(&cells.runs[r][c]) !=
                     (r < rows && c < columns ? 1 : 0);
            zk_store_relaxed(&cells.runs[r][c], 0u);
        }
    return wrong;
}

static void
test_every_cell_is_visited_once_in_tiles_of_the_grain(void **state)
{
    static const size_t sizes[][2] = {{1, 1},  {1, 90},  {70, 1},
                                      {7, 33}, {64, 64}, {70, 90}};
    static const size_t grains[] = {0, 1, 4, 32, 1000, SIZE_MAX};
    zk_runtime_t *lane = rt_lane(3, 2);

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (size_t s = 0; s < 6; s++)
        for (size_t g = 0; g < 6; g++)
            for (size_t h = 0; h < 6; h++) {
                size_t rows = sizes[s][0], columns = sizes[s][1];

                cells.rows = (zk_range_t){3, 3 + rows, grains[g]};
                cells.columns =
                    (zk_range_t){SIZE_MAX - columns, SIZE_MAX, grains[h]};
                assert_int_equal(
                    zk_parallel_for_2d(cells.rows, cells.columns, visit, NULL),
                    ZK_OK);
                assert_int_equal(zk_load_relaxed(&cells.wrong), 0);
                assert_int_equal(cells_that_did_not_run_once(rows, columns), 0);
            }
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
fail_at_5_5(size_t row, size_t row_end, size_t column, size_t column_end,
            void *arg)
{
    (void)row_end;
    (void)column_end;
    zk_add_relaxed((_Atomic unsigned *)arg, 1u);
    return row == 5 && column == 5 ? 33 : 0;
}

static void
test_errors_of_a_rectangle_come_back(void **state)
{
    zk_runtime_t *lane = rt_lane(1, 2);
    zk_range_t ten = {0, 10, 1}, none = {4, 4, 0}, huge = {0, SIZE_MAX, 1};
    _Atomic unsigned calls = 0;

    (void)state;
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_int_equal(zk_parallel_for_2d(ten, ten, fail_at_5_5, &calls), 33);
    assert_int_equal(zk_load_relaxed(&calls), 56);
    zk_store_relaxed(&calls, 0u);
    assert_int_equal(zk_parallel_for_2d(ten, none, fail_at_5_5, &calls), ZK_OK);
    assert_int_equal(zk_parallel_for_2d(none, ten, fail_at_5_5, &calls), ZK_OK);
    assert_int_equal(zk_parallel_for_2d(ten, ten, NULL, NULL), ZK_EINVAL);
    assert_int_equal(zk_parallel_for_2d(huge, ten, fail_at_5_5, &calls),
                     ZK_EINVAL);
    assert_int_equal(zk_load_relaxed(&calls), 0);
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell_is_visited_once_in_tiles_of_the_grain),
        cmocka_unit_test(test_errors_of_a_rectangle_come_back),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
