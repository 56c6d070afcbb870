/*
 * plan_test.c - how many workers, why, and who runs where: machines that hwloc
 * makes from a description, and combinations of environment, quota and rank.
 */
#include "tests/runtime/rt.h"

#include "runtime/config.h"
#include "runtime/plan.h"
#include "runtime/topology.h"

static struct {
    unsigned lines;
    char last[512];
} said;

static void
remember(const char *message, void *arg)
{
    (void)arg;
    said.lines++;
    snprintf(said.last, sizeof said.last, "%s", message);
}

/* The kernel's numbers of each worker's units: "0,1|2,3". */
static void
show(char *out, size_t room, const struct zk_plan *plan,
     const struct zk_config *config, const struct zk_topology *t)
{
    size_t used = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < plan->workers; i++) {
        const unsigned *units;
        unsigned single;
        unsigned n = zk__plan_units(plan, config, t, i, &units, &single);

        assert_true(n >= 1);
        for (unsigned u = 0; u < n && used + 8 < room; u++) {
            assert_true(units[u] < t->npus);
            used += (size_t)snprintf(out + used, room - used, "%s%u",
                                     u != 0 ? "," : (i != 0 ? "|" : ""),
                                     t->pus[units[u]].os_index);
        }
    }
}

/* ---- machines ---------------------------------------------------------------- */

static void
test_each_kind_of_machine_gets_a_worker_per_core(void **state)
{
    static const struct {
        const char *what, *machine;
        unsigned workers, nodes;
        const char *close, *spread; /* of the first workers; of three */
    } rows[] = {
        {"one unit", "pu:1", 1, 1, "0", "0|0|0"},
        {"two cores", "core:2 pu:1", 2, 1, "0|1", "0|0|1"},
        {"a desktop with SMT", "core:4 pu:2", 4, 1, "0|2|4|6", "0|2|4"},
        {"two sockets", "package:2 [numa] core:4 pu:1", 8, 2, "0|1|2|3|4|5|6|7",
         "0|2|5"},
        {"two sockets with SMT", "package:2 [numa] core:2 pu:2", 4, 2,
         "0|2|4|6", "0|2|4"},
        {"eight sockets", "package:8 [numa] core:2 pu:1", 16, 8,
         "0|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15", "0|5|10"},
        {"four chiplets", "package:1 [numa] l3:4 core:2 pu:1", 8, 1,
         "0|1|2|3|4|5|6|7", "0|2|5"},
        {"sub-NUMA clusters", "package:2 group:2 [numa] core:2 pu:1", 8, 4,
         "0|1|2|3|4|5|6|7", "0|2|5"},
        {"numbers that jump", "package:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)",
         4, 1, "0|1|2|3", "0|1|2"},
        {"units of two packages in turn",
         "package:2 core:4 pu:1(indexes=0,2,4,6,1,3,5,7)", 8, 1,
         "0|2|4|6|1|3|5|7", "0|4|3"},
        {"four units to a core", "core:2 pu:4", 2, 1, "0|4", "0|0|4"},
        {"a large machine", "package:8 [numa] core:64 pu:2", 512, 8, NULL,
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zk_config config;
        struct zk_topology t;
        struct zk_plan plan;
        char got[4096];

        print_message("%s\n", rows[i].what);
        test_clean_environment();
        assert_true(zk__topology_load(&t, rows[i].machine));
        assert_int_equal(t.nnodes, rows[i].nodes);

        assert_int_equal(zk__config_read(&config, NULL), ZK_OK);
        assert_true(zk__plan_make(&plan, &config, &t, 0));
        assert_int_equal(plan.workers, rows[i].workers);
        assert_string_equal(plan.from, "one per core");
        show(got, sizeof got, &plan, &config, &t);
        if (rows[i].close != NULL)
            assert_string_equal(got, rows[i].close);
        zk__places_free(&plan.places);

        assert_int_equal(
            zk__config_read(&config,
                            ZK_OPTIONS(.workers = 3, .bind = ZK_BIND_SPREAD)),
            ZK_OK);
        assert_true(zk__plan_make(&plan, &config, &t, 0));
        show(got, sizeof got, &plan, &config, &t);
        if (rows[i].spread != NULL && rows[i].workers >= 3)
            assert_string_equal(got, rows[i].spread);
        zk__places_free(&plan.places);
        zk__topology_free(&t);
    }
}

static void
test_more_units_than_workers_can_be_are_cut(void **state)
{
    struct zk_config config;
    struct zk_topology t;
    struct zk_plan plan;

    (void)state;
    test_clean_environment();
    assert_true(zk__topology_load(&t, "package:8 core:256 pu:1"));
    assert_int_equal(zk__config_read(&config, NULL), ZK_OK);
    assert_true(zk__plan_make(&plan, &config, &t, 0));
    assert_int_equal(plan.workers, ZK_MAX_WORKERS);
    zk__places_free(&plan.places);
    zk__topology_free(&t);
}

/* ---- combinations ------------------------------------------------------------ */

/* On four cores with two units each, in two packages. */
static const struct row {
    const char *env[4]; /* name, value, name, value */
    unsigned quota, rank, size;
    const char *from, *why, *map;
} combinations[] = {
    {{NULL}, 0, 0, 1, "one per core", "one for each of 4 cores", "0|2|4|6"},
    {{NULL},
     150,
     0,
     1,
     "CPU quota",
     "one for each of 4 cores; the quota is 1.50 CPUs",
     "0|2"},
    {{NULL},
     10,
     0,
     1,
     "CPU quota",
     "one for each of 4 cores; the quota is 0.10 CPUs",
     "0"},
    {{NULL}, 400, 0, 1, "one per core", "one for each of 4 cores", "0|2|4|6"},
    {{NULL},
     0,
     1,
     2,
     "one per core",
     "one for each of 2 cores, share 2 of 2",
     "4|6"},
    {{NULL},
     100,
     1,
     2,
     "CPU quota",
     "one for each of 2 cores, share 2 of 2; the quota is 1.00 CPUs",
     "4"},
    {{NULL},
     0,
     7,
     8,
     "one per core",
     "one for each of 1 core, share 8 of 8",
     "7"},
    {{"ZK_NUM_WORKERS", "2"},
     0,
     0,
     1,
     "ZK_NUM_WORKERS",
     "ZK_NUM_WORKERS asked for 2",
     "0|2"},
    {{"ZK_NUM_WORKERS", "6"},
     150,
     0,
     1,
     "ZK_NUM_WORKERS",
     "ZK_NUM_WORKERS asked for 6",
     "0|2|4|6|1|3"},
    {{"ZK_NUM_WORKERS", "10"},
     0,
     0,
     1,
     "ZK_NUM_WORKERS",
     "ZK_NUM_WORKERS asked for 10",
     "0|2|4|6|1|3|5|7|0|2"},
    {{"OMP_NUM_THREADS", "3"},
     0,
     0,
     1,
     "OMP_NUM_THREADS",
     "OMP_NUM_THREADS asked for 3",
     "0|2|4"},
    {{"OMP_NUM_THREADS", "64"},
     0,
     0,
     1,
     "OMP_NUM_THREADS",
     "OMP_NUM_THREADS asked for 64; 8 CPUs may be used",
     "0|2|4|6|1|3|5|7"},
    {{"OMP_NUM_THREADS", "64"},
     200,
     0,
     1,
     "CPU quota",
     "OMP_NUM_THREADS asked for 64; 8 CPUs may be used; the quota is 2.00 CPUs",
     "0|2"},
    {{"OMP_NUM_THREADS", "2", "ZK_NUM_WORKERS", "1"},
     0,
     0,
     1,
     "ZK_NUM_WORKERS",
     "ZK_NUM_WORKERS asked for 1",
     "0"},
    {{"ZK_PLACES", "cores"},
     0,
     0,
     1,
     "ZK_PLACES",
     "4 cores in the 4 places of ZK_PLACES",
     "0,1|2,3|4,5|6,7"},
    {{"ZK_PLACES", "sockets"},
     0,
     0,
     1,
     "ZK_PLACES",
     "4 cores in the 2 places of ZK_PLACES",
     "0,1,2,3|0,1,2,3|4,5,6,7|4,5,6,7"},
    {{"ZK_PLACES", "sockets(1)"},
     0,
     0,
     1,
     "ZK_PLACES",
     "2 cores in the 1 place of ZK_PLACES",
     "0,1,2,3|0,1,2,3"},
    {{"ZK_PLACES", "{6},{4}", "ZK_NUM_WORKERS", "2"},
     0,
     0,
     1,
     "ZK_NUM_WORKERS",
     "ZK_NUM_WORKERS asked for 2",
     "6|4"},
    {{"OMP_PLACES", "{1},{3}"},
     0,
     0,
     1,
     "OMP_PLACES",
     "2 cores in the 2 places of OMP_PLACES",
     "1|3"},
    {{"OMP_PLACES", "{1},{3}", "ZK_PLACES", "{5}"},
     0,
     0,
     1,
     "ZK_PLACES",
     "1 core in the 1 place of ZK_PLACES",
     "5"},
    {{"ZK_PLACES", "cores"},
     0,
     1,
     2,
     "ZK_PLACES",
     "2 cores in the 2 places of ZK_PLACES",
     "4,5|6,7"},
    {{"ZK_PLACES", "threads", "ZK_PROC_BIND", "spread"},
     200,
     0,
     1,
     "CPU quota",
     "4 cores in the 8 places of ZK_PLACES; the quota is 2.00 CPUs",
     "0|4"},
    {{"ZK_PROC_BIND", "primary", "ZK_NUM_WORKERS", "2"},
     0,
     0,
     1,
     "ZK_NUM_WORKERS",
     "ZK_NUM_WORKERS asked for 2",
     "0|0"},
    {{"OMP_PROC_BIND", "spread,close", "ZK_NUM_WORKERS", "2"},
     0,
     0,
     1,
     "ZK_NUM_WORKERS",
     "ZK_NUM_WORKERS asked for 2",
     "0|4"},
};

static void
test_environment_quota_and_rank_together_give_this(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof combinations / sizeof *combinations; i++) {
        const struct row *r = &combinations[i];
        struct zk_config config;
        struct zk_topology t;
        struct zk_plan plan;
        char got[256];

        print_message("%zu: %s\n", i, r->map);
        test_clean_environment();
        for (int k = 0; k < 4 && r->env[k] != NULL; k += 2)
            setenv(r->env[k], r->env[k + 1], 1);
        assert_true(zk__topology_load(&t, "package:2 [numa] core:2 pu:2"));
        zk__share_take(&t, (struct zk_share){r->rank, r->size});
        said.lines = 0;
        assert_int_equal(
            zk__config_read(&config, ZK_OPTIONS(.notice = remember)), ZK_OK);
        assert_true(zk__plan_make(&plan, &config, &t, r->quota));
        show(got, sizeof got, &plan, &config, &t);
        assert_string_equal(got, r->map);
        assert_string_equal(plan.from, r->from);
        assert_string_equal(plan.why, r->why);
        assert_int_equal(said.lines, 0);
        zk__places_free(&plan.places);
        zk__topology_free(&t);
    }
    test_clean_environment();
}

static void
test_cpus_that_cannot_be_used_are_named_once(void **state)
{
    static const struct {
        const char *places, *words;
        unsigned workers;
    } rows[] = {
        {"{0},{100}", "1 CPUs of ZK_PLACES={0},{100} cannot be used", 1},
        {"{100}", "it is ignored", 4}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zk_config config;
        struct zk_topology t;
        struct zk_plan plan;

        test_clean_environment();
        setenv("ZK_PLACES", rows[i].places, 1);
        assert_true(zk__topology_load(&t, "core:4 pu:1"));
        said.lines = 0;
        assert_int_equal(
            zk__config_read(&config, ZK_OPTIONS(.notice = remember)), ZK_OK);
        assert_true(zk__plan_make(&plan, &config, &t, 0));
        assert_int_equal(said.lines, 1);
        assert_non_null(strstr(said.last, rows[i].words));
        assert_int_equal(plan.workers, rows[i].workers);
        zk__places_free(&plan.places);
        zk__topology_free(&t);
    }
    test_clean_environment();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_machine_gets_a_worker_per_core),
        cmocka_unit_test(test_more_units_than_workers_can_be_are_cut),
        cmocka_unit_test(test_environment_quota_and_rank_together_give_this),
        cmocka_unit_test(test_cpus_that_cannot_be_used_are_named_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
