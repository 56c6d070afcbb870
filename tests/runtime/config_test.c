/*
 * config_test.c - options and environment: what wins, what is refused, what is
 * said about it.
 */
#include "tests/runtime/rt.h"

#include "runtime/config.h"

static struct {
    unsigned lines;
    char text[4096];
} said;

static void
remember(const char *message, void *arg)
{
    (void)arg;
    said.lines++;
    strncat(said.text, message, sizeof said.text - strlen(said.text) - 2);
    strcat(said.text, "\n");
}

static int
clean(void **state)
{
    (void)state;
    test_clean_environment();
    memset(&said, 0, sizeof said);
    return 0;
}

/* What comes out when one variable is set; NULL: none. */
static struct zk_config
with(const char *name, const char *value)
{
    struct zk_config c;

    clean(NULL);
    if (name != NULL)
        setenv(name, value, 1);
    assert_int_equal(zk__config_read(&c, ZK_OPTIONS(.notice = remember)),
                     ZK_OK);
    return c;
}

static bool
same(const struct zk_config *a, const struct zk_config *b)
{
    return a->workers == b->workers &&
           strcmp(a->workers_from, b->workers_from) == 0 &&
           a->spare_slots == b->spare_slots && a->slab_bytes == b->slab_bytes &&
           a->min_bytes == b->min_bytes && a->stack_bytes == b->stack_bytes &&
           a->seed == b->seed && a->spin_us == b->spin_us &&
           a->bind == b->bind && a->huge == b->huge &&
           strcmp(a->places, b->places) == 0 &&
           a->budget_bytes == b->budget_bytes &&
           a->budget_percent == b->budget_percent && a->numa == b->numa &&
           a->backend == b->backend && a->prefault_bytes == b->prefault_bytes &&
           strcmp(a->learn_file, b->learn_file) == 0;
}

static void
test_without_options_and_environment_nothing_is_said(void **state)
{
    struct zk_config c = with(NULL, NULL);

    (void)state;
    assert_int_equal(said.lines, 0);
    assert_int_equal(c.workers, 0);
    assert_int_equal(c.slab_bytes, 8 * GIB);
    assert_int_equal(c.min_bytes, 4096);
    assert_int_equal(c.bind, ZK_BIND_CLOSE);
    assert_int_equal(c.huge, ZK_HUGE_AUTO);
}

static void
test_well_formed_variables_are_taken(void **state)
{
    (void)state;
    assert_int_equal(with("ZK_NUM_WORKERS", "1").workers, 1);
    assert_int_equal(with("ZK_NUM_WORKERS", "1024").workers, 1024);
    assert_string_equal(with("ZK_NUM_WORKERS", "7").workers_from,
                        "ZK_NUM_WORKERS");
    assert_int_equal(with("ZK_PROC_BIND", "spread").bind, ZK_BIND_SPREAD);
    assert_int_equal(with("ZK_NUMA", "interleave").numa, ZK_NUMA_INTERLEAVE);
    assert_int_equal(with("ZK_NUMA", "bind:0,2-3").numa, ZK_NUMA_BIND);
    assert_int_equal(with("ZK_NUMA", "bind:0,2-3").numa_nodes.mask[0], 13);
    assert_int_equal(with("ZK_NUMA", "Off").numa, ZK_NUMA_OFF);
    assert_int_equal(with("ZK_PROC_BIND", "NONE").bind, ZK_BIND_NONE);
    assert_int_equal(with("ZK_PROC_BIND", "Close").bind, ZK_BIND_CLOSE);
    assert_int_equal(with("ZK_ALLOC_SLAB_GB", "3").slab_bytes, 3 * GIB);
    assert_int_equal(with("ZK_ALLOC_SLAB_BYTES", "5M").slab_bytes, 5 * MIB);
    assert_int_equal(with("ZK_ALLOC_SLAB_BYTES", "2g").slab_bytes, 2 * GIB);
    assert_int_equal(with("ZK_ALLOC_SLAB_BYTES", "1048576").slab_bytes, MIB);
    assert_int_equal(with("ZK_ALLOC_MIN_BYTES", "0").min_bytes, 0);
    assert_int_equal(with("ZK_ALLOC_MIN_BYTES", "64k").min_bytes, 64 * KIB);
    assert_int_equal(with("ZK_ALLOC_HUGEPAGES", "never").huge, ZK_HUGE_NEVER);
    assert_int_equal(with("ZK_ALLOC_HUGEPAGES", "Always").huge, ZK_HUGE_ALWAYS);
    assert_int_equal(with("ZK_ALLOC_TRAP", "off").trap, ZK_TRAP_OFF);
    assert_int_equal(with("ZK_ALLOC_KEEP", "learn").keep_bytes, 0);
    assert_true(with("ZK_ALLOC_KEEP", "all").keep_bytes == SIZE_MAX);
    assert_true(with("ZK_ALLOC_KEEP", "1G").keep_bytes == GIB);
    assert_int_equal(with("ZK_ALLOC_DECAY_MS", "0").decay_ms, 0);
    assert_int_equal(with("ZK_ALLOC_DECAY_MS", "86400000").decay_ms, 86400000);
    assert_int_equal(with("ZK_DEBUG", "on").debug, true);
    assert_int_equal(with("ZK_DEBUG", "OFF").debug, false);
    assert_int_equal(with("ZK_ALLOC_TRAP", "auto").trap, ZK_TRAP_AUTO);
    assert_int_equal(with("ZK_ALLOC_PREFAULT", "off").prefault_bytes, 0);
    assert_int_equal(with("ZK_ALLOC_PREFAULT", "2G").prefault_bytes, 2 * GIB);
    assert_true(with("ZK_ALLOC_PREFAULT", "Learn").prefault_bytes == SIZE_MAX);
    assert_string_equal(with("ZK_ALLOC_LEARN_FILE", "/tmp/l").learn_file,
                        "/tmp/l");
    assert_int_equal(with("ZK_STACKSIZE", "256K").stack_bytes, 256 * KIB);
    assert_int_equal(with("ZK_WAIT", "passive").spin_us, 0);
    assert_int_equal(with("ZK_WAIT", "ACTIVE").spin_us, 1000000);
    assert_int_equal(with("ZK_WAIT", "250").spin_us, 250);
    assert_int_equal(with("ZK_ALLOC_BUDGET", "2m").budget_bytes, 2 * MIB);
    assert_int_equal(with("ZK_ALLOC_BUDGET", "1T").budget_bytes, 1024 * GIB);
    assert_int_equal(with("ZK_ALLOC_BUDGET", "OFF").budget_bytes, SIZE_MAX);
    assert_int_equal(with("ZK_ALLOC_BUDGET", "unlimited").budget_bytes,
                     SIZE_MAX);
    assert_int_equal(with("ZK_ALLOC_BUDGET", "1%").budget_percent, 1);
    assert_int_equal(with("ZK_ALLOC_BUDGET", "100%").budget_percent, 100);
    assert_int_equal(with("ZK_ALLOC_BUDGET", "100%").budget_bytes, 0);
    assert_true(with("ZK_SEED", "18446744073709551615").seed == UINT64_MAX);
    assert_int_equal(with("ZK_BACKEND", "openmp").backend, ZK_BACKEND_OPENMP);
    assert_int_equal(with("ZK_BACKEND", "PThreads").backend,
                     ZK_BACKEND_PTHREADS);
    assert_int_equal(said.lines, 0);
}

/* Z3, Z4, N6: nothing is taken for another number, and nothing wraps. */
static void
test_a_malformed_variable_is_named_once_and_changes_nothing(void **state)
{
    static const char *const bad[][2] = {
        {"ZK_NUM_WORKERS", ""},
        {"ZK_NUM_WORKERS", "0"},
        {"ZK_NUM_WORKERS", "-1"},
        {"ZK_NUM_WORKERS", "+4"},
        {"ZK_NUM_WORKERS", " 4"},
        {"ZK_NUM_WORKERS", "4 "},
        {"ZK_NUM_WORKERS", "4x"},
        {"ZK_NUM_WORKERS", "0x4"},
        {"ZK_NUM_WORKERS", "four"},
        {"ZK_NUM_WORKERS", "1025"},
        {"ZK_NUM_WORKERS", "1000000"},
        {"ZK_NUM_WORKERS", "18446744073709551617"},
        {"ZK_NUM_WORKERS", "4294967297"},
        {"ZK_PROC_BIND", ""},
        {"ZK_PROC_BIND", "closer"},
        {"ZK_PROC_BIND", "clos"},
        {"ZK_PROC_BIND", "close,"},
        {"ZK_PROC_BIND", "spread,sometimes"},
        {"ZK_NUMA", ""},
        {"ZK_NUMA", "bind"},
        {"ZK_NUMA", "bind:"},
        {"ZK_NUMA", "bind:1-0"},
        {"ZK_NUMA", "bind:0,"},
        {"ZK_NUMA", "bind:1024"},
        {"ZK_NUMA", "bind:-1"},
        {"ZK_NUMA", "everywhere"},
        {"ZK_PLACES", ""},
        {"ZK_PLACES", "cores(0)"},
        {"ZK_PLACES", "{0,1"},
        {"ZK_PLACES", "boards"},
        {"ZK_ALLOC_SLAB_GB", "0"},
        {"ZK_ALLOC_SLAB_GB", "1.5"},
        {"ZK_ALLOC_SLAB_GB", "8G"},
        {"ZK_ALLOC_SLAB_GB", "17179869184"},
        {"ZK_ALLOC_SLAB_GB", "99999999999999999999999"},
        {"ZK_ALLOC_SLAB_BYTES", ""},
        {"ZK_ALLOC_SLAB_BYTES", "M"},
        {"ZK_ALLOC_SLAB_BYTES", "1023K"},
        {"ZK_ALLOC_SLAB_BYTES", "4MB"},
        {"ZK_ALLOC_SLAB_BYTES", "4 M"},
        {"ZK_ALLOC_SLAB_BYTES", "16777216T"},
        {"ZK_ALLOC_SLAB_BYTES", "-4M"},
        {"ZK_ALLOC_SLAB_BYTES", "00000000000000000000000000000000000000004M"},
        {"ZK_ALLOC_MIN_BYTES", "-1"},
        {"ZK_ALLOC_MIN_BYTES", "1e3"},
        {"ZK_ALLOC_MIN_BYTES", " "},
        {"ZK_ALLOC_MIN_BYTES", "16777215T"},
        {"ZK_ALLOC_HUGEPAGES", "yes"},
        {"ZK_ALLOC_HUGEPAGES", "1"},
        {"ZK_ALLOC_TRAP", "yes"},
        {"ZK_ALLOC_KEEP", "some"},
        {"ZK_ALLOC_KEEP", "-1"},
        {"ZK_ALLOC_DECAY_MS", "86400001"},
        {"ZK_ALLOC_DECAY_MS", "1s"},
        {"ZK_ALLOC_BUDGET", ""},
        {"ZK_ALLOC_BUDGET", "0"},
        {"ZK_ALLOC_BUDGET", "1M"},
        {"ZK_ALLOC_BUDGET", "%"},
        {"ZK_ALLOC_BUDGET", "0%"},
        {"ZK_ALLOC_BUDGET", "101%"},
        {"ZK_ALLOC_BUDGET", "50 %"},
        {"ZK_ALLOC_BUDGET", "12.5%"},
        {"ZK_ALLOC_BUDGET", "-90%"},
        {"ZK_ALLOC_BUDGET", "0000000050%"},
        {"ZK_ALLOC_BUDGET", "50%%"},
        {"ZK_ALLOC_BUDGET", "16777215T"},
        {"ZK_ALLOC_BUDGET", "none"},
        {"ZK_ALLOC_PREFAULT", "on"},
        {"ZK_ALLOC_PREFAULT", "-1"},
        {"ZK_ALLOC_PREFAULT", "1 G"},
        {"ZK_ALLOC_PREFAULT", ""},
        {"ZK_ALLOC_LEARN_FILE", ""},
        {"ZK_ALLOC_LEARN_FILE", "/tmp/"},
        {"ZK_STACKSIZE", "1K"},
        {"ZK_STACKSIZE", "huge"},
        {"ZK_STACKSIZE", "16777215T"},
        {"ZK_WAIT", "-1"},
        {"ZK_WAIT", "1000001"},
        {"ZK_WAIT", "lazy"},
        {"ZK_SEED", "abc"},
        {"ZK_SEED", "-1"},
        {"ZK_SEED", "18446744073709551616"},
        {"ZK_DEBUG", "1"},
        {"ZK_DEBUG", ""},
        {"ZK_DEBUG", "on "},
        {"ZK_BACKEND", "omp"},
        {"ZK_BACKEND", ""},
        {"ZK_NONSENSE", "1"},
        {"ZK_", ""},
    };
    struct zk_config plain = with(NULL, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zk_config c = with(bad[i][0], bad[i][1]);

        if (said.lines != 1 || !same(&c, &plain))
            print_error("%s=\"%s\": %u lines\n", bad[i][0], bad[i][1],
                        said.lines);
        assert_int_equal(said.lines, 1);
        assert_non_null(strstr(said.text, bad[i][0]));
        assert_non_null(strstr(said.text, "ignored"));
        assert_true(same(&c, &plain));
    }
}

static void
test_a_long_or_odd_value_makes_one_short_line(void **state)
{
    char value[3000];

    (void)state;
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = '\0';
    (void)with("ZK_NUM_WORKERS", value);
    assert_int_equal(said.lines, 1);
    assert_true(strlen(said.text) < 300);
}

static void
test_the_environment_overrides_the_options(void **state)
{
    struct zk_config c;

    (void)state;
    setenv("ZK_NUM_WORKERS", "5", 1);
    setenv("ZK_PROC_BIND", "none", 1);
    setenv("ZK_ALLOC_SLAB_GB", "2", 1);
    setenv("ZK_ALLOC_MIN_BYTES", "100", 1);
    setenv("ZK_WAIT", "7", 1);
    assert_int_equal(
        zk__config_read(&c, ZK_OPTIONS(.workers = 3, .slab_bytes = MIB,
                                       .min_bytes = 1, .spin_us = 1,
                                       .spare_slots = 9, .seed = 77,
                                       .bind = ZK_BIND_SPREAD)),
        ZK_OK);
    assert_int_equal(c.workers, 5);
    assert_string_equal(c.workers_from, "ZK_NUM_WORKERS");
    assert_int_equal(c.slab_bytes, 2 * GIB);
    assert_int_equal(c.min_bytes, 100);
    assert_int_equal(c.spin_us, 7);
    assert_int_equal(c.bind, ZK_BIND_NONE);
    assert_int_equal(c.spare_slots, 9);
    assert_int_equal(c.seed, 77);
}

/* A share in the environment replaces bytes in the options, and the other way. */
static void
test_a_budget_is_replaced_as_a_whole(void **state)
{
    struct zk_config c;

    (void)state;
    setenv("ZK_ALLOC_BUDGET", "75%", 1);
    assert_int_equal(zk__config_read(&c, ZK_OPTIONS(.budget_bytes = GIB)),
                     ZK_OK);
    assert_int_equal(c.budget_bytes, 0);
    assert_int_equal(c.budget_percent, 75);
    assert_string_equal(c.budget_from, "ZK_ALLOC_BUDGET");
    setenv("ZK_ALLOC_BUDGET", "3G", 1);
    assert_int_equal(zk__config_read(&c, ZK_OPTIONS(.budget_percent = 10)),
                     ZK_OK);
    assert_int_equal(c.budget_bytes, 3 * GIB);
    assert_int_equal(c.budget_percent, 0);
    unsetenv("ZK_ALLOC_BUDGET");
    assert_int_equal(zk__config_read(&c, ZK_OPTIONS(.budget_percent = 10)),
                     ZK_OK);
    assert_int_equal(c.budget_percent, 10);
    assert_string_equal(c.budget_from, "options");
}

static void
test_slab_bytes_win_over_slab_gb(void **state)
{
    struct zk_config c;

    (void)state;
    setenv("ZK_ALLOC_SLAB_BYTES", "3M", 1);
    setenv("ZK_ALLOC_SLAB_GB", "2", 1);
    assert_int_equal(zk__config_read(&c, NULL), ZK_OK);
    assert_int_equal(c.slab_bytes, 3 * MIB);
}

static void
test_omp_num_threads_is_a_hint_where_nothing_else_was_said(void **state)
{
    struct zk_config c = with("OMP_NUM_THREADS", "6");

    (void)state;
    assert_int_equal(c.workers, 6);
    assert_string_equal(c.workers_from, "OMP_NUM_THREADS");
    assert_int_equal(with("OMP_NUM_THREADS", "3,2,1").workers, 3);
    assert_int_equal(with("OMP_NUM_THREADS", "none").workers, 0);
    assert_int_equal(with("OMP_NUM_THREADS", "0").workers, 0);
    assert_int_equal(with("OMP_NUM_THREADS", "1000000").workers, 0);
    assert_int_equal(said.lines, 0); /* it is not ours to judge */

    setenv("OMP_NUM_THREADS", "6", 1);
    assert_int_equal(zk__config_read(&c, ZK_OPTIONS(.workers = 2)), ZK_OK);
    assert_int_equal(c.workers, 2);
    assert_string_equal(c.workers_from, "options");
    setenv("ZK_NUM_WORKERS", "9", 1);
    assert_int_equal(zk__config_read(&c, NULL), ZK_OK);
    assert_int_equal(c.workers, 9);
}

static void
test_options_out_of_range_are_refused(void **state)
{
    struct zk_config c;
    zk_options_t o;

    (void)state;
#define REFUSES(field, value)                                 \
    do {                                                      \
        o = (zk_options_t)ZK_OPTIONS_INIT;                    \
        o.field = (value);                                    \
        assert_int_equal(zk__config_read(&c, &o), ZK_EINVAL); \
    } while (0)
    REFUSES(size, 0);
    REFUSES(size, sizeof o - 1);
    REFUSES(size, sizeof o + 8);
    REFUSES(size, SIZE_MAX);
    REFUSES(workers, ZK_MAX_WORKERS + 1);
    REFUSES(workers, 1000000);
    REFUSES(workers, UINT32_MAX);
    REFUSES(spare_slots, ZK_MAX_SPARE + 1);
    REFUSES(slab_bytes, MIB - 1);
    REFUSES(slab_bytes, 1);
    REFUSES(stack_bytes, 1);
    REFUSES(stack_bytes, 64 * KIB - 1);
    REFUSES(spin_us, 1000001);
    REFUSES(budget_bytes, 2 * MIB - 1);
    REFUSES(budget_percent, 101);
    REFUSES(bind, (enum zk_bind)(ZK_BIND_PRIMARY + 1));
    REFUSES(bind, (enum zk_bind) - 1);
    REFUSES(hugepages, (enum zk_huge)(ZK_HUGE_NEVER + 1));
    REFUSES(numa, (enum zk_numa_mode)(ZK_NUMA_LANES + 1));
    REFUSES(numa, ZK_NUMA_BIND); /* to what? */
    REFUSES(numa_nodes, "0");
    REFUSES(places, "");
    REFUSES(places, "cores,sockets");
    REFUSES(learn_file, "");
    REFUSES(learn_file, "/tmp/");
#undef REFUSES
    assert_int_equal(zk__config_read(&c, ZK_OPTIONS(.budget_bytes = GIB,
                                                    .budget_percent = 50)),
                     ZK_EINVAL);
}

static void
test_a_threshold_of_one_byte_means_all(void **state)
{
    struct zk_config c;

    (void)state;
    assert_int_equal(zk__config_read(&c, ZK_OPTIONS(.min_bytes = 1)), ZK_OK);
    assert_int_equal(c.min_bytes, 0);
    assert_int_equal(zk__config_read(&c, ZK_OPTIONS(.min_bytes = 2)), ZK_OK);
    assert_int_equal(c.min_bytes, 2);
}

static int
read_three_times(void *arg)
{
    struct zk_config c;

    (void)arg;
    setenv("ZK_NUM_WORKERS", "many", 1);
    setenv("ZK_NONSENSE", "1", 1);
    for (int i = 0; i < 3; i++)
        CHILD_CHECK(zk__config_read(&c, NULL) == ZK_OK);
    return 0;
}

static void
test_without_a_hook_each_line_goes_to_stderr_once(void **state)
{
    struct test_child child = test_in_child(read_three_times, NULL);
    unsigned lines = 0;

    (void)state;
    for (const char *c = child.err; *c != '\0'; c++)
        lines += *c == '\n';
    assert_int_equal(child.code, 0);
    assert_int_equal(lines, 2);
    assert_non_null(strstr(child.err, "zkrt: ZK_NUM_WORKERS=many is ignored"));
    assert_non_null(strstr(child.err, "zkrt: unknown variable ZK_NONSENSE"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            test_without_options_and_environment_nothing_is_said, clean),
        cmocka_unit_test_setup(test_well_formed_variables_are_taken, clean),
        cmocka_unit_test_setup(
            test_a_malformed_variable_is_named_once_and_changes_nothing, clean),
        cmocka_unit_test_setup(test_a_long_or_odd_value_makes_one_short_line,
                               clean),
        cmocka_unit_test_setup(test_the_environment_overrides_the_options,
                               clean),
        cmocka_unit_test_setup(test_a_budget_is_replaced_as_a_whole, clean),
        cmocka_unit_test_setup(test_slab_bytes_win_over_slab_gb, clean),
        cmocka_unit_test_setup(
            test_omp_num_threads_is_a_hint_where_nothing_else_was_said, clean),
        cmocka_unit_test_setup(test_options_out_of_range_are_refused, clean),
        cmocka_unit_test_setup(test_a_threshold_of_one_byte_means_all, clean),
        cmocka_unit_test_setup(
            test_without_a_hook_each_line_goes_to_stderr_once, clean),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
