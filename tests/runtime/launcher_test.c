/*
 * launcher_test.c - local ranks, as each launcher tells them.
 */
#include "tests/runtime/rt.h"

#include "runtime/launcher.h"

static void
clear(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK",
                                        "OMPI_COMM_WORLD_LOCAL_SIZE",
                                        "MPI_LOCALRANKID",
                                        "MPI_LOCALNRANKS",
                                        "MV2_COMM_WORLD_LOCAL_RANK",
                                        "MV2_COMM_WORLD_LOCAL_SIZE",
                                        "PALS_LOCAL_RANKID",
                                        "PALS_LOCAL_SIZE",
                                        "SLURM_LOCALID",
                                        "SLURM_STEP_TASKS_PER_NODE",
                                        "SLURM_NODEID"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static void
test_each_launcher_is_understood_and_nonsense_is_not(void **state)
{
    static const struct {
        const char *env[6];
        unsigned rank, size;
    } rows[] = {
        {{NULL}, 0, 1},
        {{"OMPI_COMM_WORLD_LOCAL_RANK", "3", "OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
         3,
         4},
        {{"MPI_LOCALRANKID", "0", "MPI_LOCALNRANKS", "2"}, 0, 2},
        {{"MV2_COMM_WORLD_LOCAL_RANK", "1", "MV2_COMM_WORLD_LOCAL_SIZE", "2"},
         1,
         2},
        {{"PALS_LOCAL_RANKID", "5", "PALS_LOCAL_SIZE", "8"}, 5, 8},
        {{"SLURM_LOCALID", "1", "SLURM_STEP_TASKS_PER_NODE", "2"}, 1, 2},
        {{"SLURM_LOCALID", "1", "SLURM_STEP_TASKS_PER_NODE", "2(x3)"}, 1, 2},
        {{"SLURM_LOCALID", "0", "SLURM_STEP_TASKS_PER_NODE", "4(x2),3",
          "SLURM_NODEID", "2"},
         0,
         3},
        {{"SLURM_LOCALID", "0", "SLURM_STEP_TASKS_PER_NODE", "4(x2),3",
          "SLURM_NODEID", "1"},
         0,
         4},
        {{"SLURM_LOCALID", "0", "SLURM_STEP_TASKS_PER_NODE", "4(x2),3",
          "SLURM_NODEID", "3"},
         0,
         1},
        {{"SLURM_LOCALID", "0", "SLURM_STEP_TASKS_PER_NODE", "4(y2)",
          "SLURM_NODEID", "1"},
         0,
         1},
        {{"SLURM_LOCALID", "0"}, 0, 1},
        {{"OMPI_COMM_WORLD_LOCAL_RANK", "3"}, 0, 1},
        {{"OMPI_COMM_WORLD_LOCAL_RANK", "4", "OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
         0,
         1},
        {{"OMPI_COMM_WORLD_LOCAL_RANK", "-1", "OMPI_COMM_WORLD_LOCAL_SIZE",
          "4"},
         0,
         1},
        {{"OMPI_COMM_WORLD_LOCAL_RANK", "1x", "OMPI_COMM_WORLD_LOCAL_SIZE",
          "4"},
         0,
         1},
        {{"OMPI_COMM_WORLD_LOCAL_RANK", "1", "OMPI_COMM_WORLD_LOCAL_SIZE",
          "99999999999999999999"},
         0,
         1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zk_share got;

        clear();
        for (int k = 0; k < 6 && rows[i].env[k] != NULL; k += 2)
            setenv(rows[i].env[k], rows[i].env[k + 1], 1);
        got = zk__launcher_share();
        print_message("%zu: %u of %u\n", i, got.rank, got.size);
        assert_int_equal(got.rank, rows[i].rank);
        assert_int_equal(got.size, rows[i].size);
    }
    clear();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_launcher_is_understood_and_nonsense_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
