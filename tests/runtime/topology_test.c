/*
 * topology_test.c - where workers go, on machines made by hand and on this one.
 */
#include "tests/runtime/rt.h"

#include "runtime/topology.h"

/* Two nodes with two caches each, two cores to a cache, two threads to a core:
 * 16 units in topology order. */
static struct zk_pu pus16[16];
static struct zk_topology machine16 = {
    .pus = pus16, .npus = 16, .ncores = 8, .nnodes = 2};

/* Four units, each a core of its own. */
static struct zk_pu pus4[4];
static struct zk_topology machine4 = {
    .pus = pus4, .npus = 4, .ncores = 4, .nnodes = 1};

static int
make_machines(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++)
        pus16[i] = (struct zk_pu){.os_index = i,
                                  .core = i / 2,
                                  .cache = i / 4,
                                  .package = i / 8,
                                  .node = i / 8,
                                  .domain = i / 8,
                                  .first_thread = i % 2 == 0};
    for (unsigned i = 0; i < 4; i++)
        pus4[i] =
            (struct zk_pu){.os_index = 10 + i, .core = i, .first_thread = true};
    return 0;
}

static void
test_close_fills_neighbouring_cores_before_second_threads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(zk__topology_pu(&machine16, i, 16, false), 2 * i);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(zk__topology_pu(&machine16, 8 + i, 16, false),
                         2 * i + 1);
}

static void
test_spread_puts_few_workers_far_apart(void **state)
{
    (void)state;
    assert_int_equal(zk__topology_pu(&machine16, 0, 2, true), 0);
    assert_int_equal(zk__topology_pu(&machine16, 1, 2, true), 8);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(zk__topology_pu(&machine16, i, 4, true), 4 * i);
    assert_int_equal(zk__topology_pu(&machine4, 1, 2, true), 2);
}

static void
test_as_many_workers_as_units_use_each_unit_once(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 16; n++)
        for (int spread = 0; spread <= 1; spread++) {
            unsigned used = 0;

            for (unsigned i = 0; i < n; i++) {
                unsigned pu = zk__topology_pu(&machine16, i, n, spread != 0);

                assert_in_range(pu, 0, 15);
                assert_int_equal(used & 1u << pu, 0);
                used |= 1u << pu;
            }
        }
}

static void
test_more_workers_than_units_go_around_evenly(void **state)
{
    (void)state;
    for (int spread = 0; spread <= 1; spread++) {
        unsigned count[4] = {0};

        for (unsigned i = 0; i < 64; i++)
            count[zk__topology_pu(&machine4, i, 64, spread != 0)]++;
        for (int i = 0; i < 4; i++)
            assert_int_equal(count[i], 16);
    }
}

static void
test_distance_grows_from_cache_to_node_to_machine(void **state)
{
    (void)state;
    assert_int_equal(zk__topology_distance(&machine16, 3, 3), 0);
    assert_int_equal(zk__topology_distance(&machine16, 0, 1), 0);
    assert_int_equal(zk__topology_distance(&machine16, 0, 3), 0);
    assert_int_equal(zk__topology_distance(&machine16, 0, 4), 1);
    assert_int_equal(zk__topology_distance(&machine16, 7, 8), 2);
    assert_int_equal(zk__topology_distance(&machine16, 15, 0), 2);
}

/* ---- this machine ---------------------------------------------------------- */

static void
test_the_topology_is_loaded_once_and_lies_in_the_mask(void **state)
{
    const struct zk_topology *t = zk__topology_get();
    cpu_set_t mask;

    (void)state;
    assert_non_null(t);
    assert_ptr_equal(t, zk__topology_get());
    assert_true(t->npus >= 1 && t->ncores >= 1 && t->nnodes >= 1);
    assert_true(t->ncores <= t->npus);
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    assert_int_equal(t->npus, CPU_COUNT(&mask));
    for (unsigned i = 0; i < t->npus; i++)
        assert_true(CPU_ISSET(t->pus[i].os_index, &mask));
}

static void
test_a_binding_is_one_unit_and_is_given_back(void **state)
{
    const struct zk_topology *t = zk__topology_get();
    cpu_set_t before, bound, after;
    struct zk_binding *b;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    b = zk__topology_save();
    assert_non_null(b);
    assert_true(zk__topology_bind(t, &(unsigned){t->npus - 1}, 1));
    assert_int_equal(sched_getaffinity(0, sizeof bound, &bound), 0);
    assert_int_equal(CPU_COUNT(&bound), 1);
    assert_true(CPU_ISSET(t->pus[t->npus - 1].os_index, &bound));
    zk__topology_restore(b);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    zk__topology_restore(NULL);
}

/* The first CPU of the mask, and the mask without the others. */
static cpu_set_t
only_first(const cpu_set_t *mask)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, mask)) {
            CPU_SET(cpu, &one);
            break;
        }
    return one;
}

/* As taskset does it, for every thread: ThreadSanitizer has one of its own. */
static bool
bind_process(const cpu_set_t *mask)
{
    DIR *d = opendir("/proc/self/task");
    bool bound = d != NULL;

    if (d == NULL)
        return false;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (e->d_name[0] != '.')
            bound &= sched_setaffinity((pid_t)strtol(e->d_name, NULL, 10),
                                       sizeof *mask, mask) == 0;
    closedir(d);
    return bound;
}

static int
load_restricted(void *arg)
{
    const struct zk_topology *t;
    cpu_set_t all, one, now;
    struct zk_binding *b;

    (void)arg;
    CHILD_CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    one = only_first(&all);
    CHILD_CHECK(bind_process(&one));
    t = zk__topology_get();
    CHILD_CHECK(t != NULL && t->npus == 1 && t->ncores == 1);
    CHILD_CHECK(CPU_ISSET(t->pus[0].os_index, &one));
    CHILD_CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    CHILD_CHECK(CPU_EQUAL(&now, &one)); /* loading has not moved us */

    /* The thread's mask is wider than what the topology knows. */
    CHILD_CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
    b = zk__topology_save();
    CHILD_CHECK(b != NULL);
    CHILD_CHECK(zk__topology_bind(t, &(unsigned){0}, 1));
    zk__topology_restore(b);
    CHILD_CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    CHILD_CHECK(CPU_EQUAL(&now, &all));
    return 0;
}

/* The children run first: they load the topology themselves. */
static void
test_a_mask_wider_than_the_topology_is_given_back_too(void **state)
{
    (void)state;
    assert_true(test_child_succeeds(load_restricted, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mask_wider_than_the_topology_is_given_back_too),
        cmocka_unit_test(
            test_close_fills_neighbouring_cores_before_second_threads),
        cmocka_unit_test(test_spread_puts_few_workers_far_apart),
        cmocka_unit_test(test_as_many_workers_as_units_use_each_unit_once),
        cmocka_unit_test(test_more_workers_than_units_go_around_evenly),
        cmocka_unit_test(test_distance_grows_from_cache_to_node_to_machine),
        cmocka_unit_test(test_the_topology_is_loaded_once_and_lies_in_the_mask),
        cmocka_unit_test(test_a_binding_is_one_unit_and_is_given_back),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, make_machines, NULL);
}
