/*
 * cgroup_test.c - limits of control groups, in trees of files that are made up,
 * and in a real group where the test may make one.
 */
#include "tests/runtime/rt.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "private/bits.h"
#include "runtime/cgroup.h"

/* ---- trees ------------------------------------------------------------------ */

static char root[64];

static int
remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s, (void)type, (void)ftw;
    return remove(path);
}

static int
make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/zkrt-cgroup-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int
remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the root, and makes the directories above it. */
static void
put(const char *path, const char *text)
{
    char full[512];
    FILE *f;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *c = full + strlen(root) + 1; *c != '\0'; c++)
        if (*c == '/') {
            *c = '\0';
            if (mkdir(full, 0755) != 0)
                assert_int_equal(errno, EEXIST);
            *c = '/';
        }
    f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct zk_cgroup_memory
memory(void)
{
    static struct zk_cgroup g;

    (void)zk__cgroup_find(&g, root, "memory");
    return zk__cgroup_memory(&g);
}

/* What stays free of a limit that is large enough: a twentieth. */
static int64_t
room_of(size_t limit, size_t used)
{
    return (int64_t)(limit - limit / 20) - (int64_t)used;
}

#define V2_MOUNTS                           \
    "22 1 0:21 / /proc rw - proc proc rw\n" \
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"

#define V1_MOUNTS                                                        \
    "22 1 0:21 / /proc rw - proc proc rw\n"                              \
    "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"         \
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu," \
    "cpuacct\n"                                                          \
    "33 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup "    \
    "rw,memory\n"                                                        \
    "34 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"

/* ---- version 2 --------------------------------------------------------------- */

static void
test_version_2_reads_limit_and_use_without_page_cache(void **state)
{
    struct zk_cgroup_memory m;

    (void)state;
    put("/proc/self/cgroup", "0::/app\n");
    put("/proc/self/mountinfo", V2_MOUNTS);
    put("/sys/fs/cgroup/app/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/app/memory.current", "500000000\n");
    put("/sys/fs/cgroup/app/memory.stat",
        "anon 300000000\nfile 200000000\ninactive_anon 1\n"
        "inactive_file 150000000\nactive_file 40000000\nunevictable 0\n");
    m = memory();
    assert_int_equal(m.limit, GIB);
    assert_true(m.room == room_of(GIB, 500000000 - 190000000));
}

static void
test_the_tightest_of_all_groups_above_counts(void **state)
{
    struct zk_cgroup_memory m;

    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c/d\n");
    put("/proc/self/mountinfo", V2_MOUNTS);
    put("/sys/fs/cgroup/a/b/c/d/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "8589934592\n"); /* 8 GiB */
    put("/sys/fs/cgroup/a/b/c/memory.current", "1000\n");
    put("/sys/fs/cgroup/a/b/memory.max", "2147483648\n"); /* 2 GiB */
    put("/sys/fs/cgroup/a/b/memory.current", "1000\n");
    put("/sys/fs/cgroup/a/memory.max", "4294967296\n"); /* 4 GiB */
    put("/sys/fs/cgroup/a/memory.current", "4000000000\n");
    m = memory();
    assert_int_equal(m.limit, 2 * GIB);
    /* The one with the least room is another one. */
    assert_true(m.room == room_of(4 * GIB, 4000000000));
}

static void
test_no_group_with_a_limit_is_no_limit(void **state)
{
    struct zk_cgroup_memory m;

    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", V2_MOUNTS);
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.current", "1000\n");
    put("/sys/fs/cgroup/memory.stat", "anon 1\n"); /* the root has no more */
    m = memory();
    assert_true(m.limit == SIZE_MAX);
    assert_true(m.room == INT64_MAX);
}

static void
test_more_in_use_than_allowed_is_negative_room(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_MOUNTS);
    put("/sys/fs/cgroup/memory.max", "100000000\n");
    put("/sys/fs/cgroup/memory.current", "200000000\n");
    assert_true(memory().room == room_of(100000000, 200000000));
    assert_true(memory().room < 0);
}

/* In a container the mount begins at the process's own group. */
static void
test_a_mount_that_begins_at_the_group_is_followed(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/docker-1.scope/inner\n");
    put("/proc/self/mountinfo",
        "30 23 0:26 /system.slice/docker-1.scope /sys/fs/cgroup ro - cgroup2 "
        "cgroup rw\n");
    put("/sys/fs/cgroup/memory.max", "300000000\n");
    put("/sys/fs/cgroup/memory.current", "0\n");
    put("/sys/fs/cgroup/inner/memory.max", "200000000\n");
    put("/sys/fs/cgroup/inner/memory.current", "0\n");
    assert_int_equal(memory().limit, 200000000);
}

static void
test_a_group_that_the_mount_does_not_show_falls_back_to_its_root(void **state)
{
    static const char *const groups[] = {"0::/elsewhere\n", "0::/../../above\n",
                                         "0::/system.slice2/x\n"};

    (void)state;
    put("/proc/self/mountinfo",
        "30 23 0:26 /system.slice /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/memory.max", "300000000\n");
    put("/sys/fs/cgroup/memory.current", "0\n");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        put("/proc/self/cgroup", groups[i]);
        assert_int_equal(memory().limit, 300000000);
    }
}

static void
test_odd_characters_in_mount_points_are_decoded(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/with space:and colon\n");
    put("/proc/self/mountinfo", "30 23 0:26 / /sys/c\\040g\\134 rw - cgroup2 c "
                                "rw\n");
    put("/sys/c g\\/with space:and colon/memory.max", "300000000\n");
    put("/sys/c g\\/with space:and colon/memory.current", "0\n");
    assert_int_equal(memory().limit, 300000000);
}

/* ---- version 1 --------------------------------------------------------------- */

static void
test_version_1_is_read_where_it_has_the_controller(void **state)
{
    struct zk_cgroup_memory m;

    (void)state;
    put("/proc/self/cgroup", "12:cpu,cpuacct:/x\n4:memory:/docker/1\n"
                             "1:name=systemd:/\n0::/unified\n");
    put("/proc/self/mountinfo", V1_MOUNTS);
    put("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "500000000\n");
    put("/sys/fs/cgroup/memory/docker/1/memory.stat",
        "cache 5\ninactive_file 7\nactive_file 7\n"
        "hierarchical_memory_limit 1073741824\n"
        "total_cache 9\ntotal_inactive_file 100000000\n"
        "total_active_file 50000000\n");
    put("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
        "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    m = memory();
    assert_int_equal(m.limit, GIB);
    assert_true(m.room == room_of(GIB, 350000000));
}

static void
test_version_1_nested_groups_count(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/a/b\n0::/\n");
    put("/proc/self/mountinfo", V1_MOUNTS);
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "2147483648\n");
    put("/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "0\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1000000000\n");
    assert_int_equal(memory().limit, GIB);
    assert_true(memory().room == room_of(GIB, 1000000000));
}

/* What a container cannot see, version 1 tells it. */
static void
test_version_1_tells_of_limits_above_the_mount(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/pod/1\n");
    put("/proc/self/mountinfo",
        "33 31 0:32 /pod/1 /sys/fs/cgroup/memory ro - cgroup cgroup "
        "rw,memory\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n");
    put("/sys/fs/cgroup/memory/memory.stat",
        "hierarchical_memory_limit 400000000\n");
    assert_int_equal(memory().limit, 400000000);
}

static void
test_version_1_without_the_mount_is_no_limit(void **state)
{
    static struct zk_cgroup g;

    (void)state;
    put("/proc/self/cgroup", "4:memory:/a\n");
    put("/proc/self/mountinfo", V2_MOUNTS);
    assert_false(zk__cgroup_find(&g, root, "memory"));
    assert_true(zk__cgroup_memory(&g).limit == SIZE_MAX);
}

/* ---- what is broken ---------------------------------------------------------- */

static void
test_broken_files_are_no_limit_and_no_crash(void **state)
{
    static const char *const groups[] = {
        "", "\n", "0\n", "0:\n", ":::\n", "0::", "a:b", "1:memory", "::/x\n"};
    static const char *const mounts[] = {
        "",
        "\n",
        " - ",
        "1 2 3 - cgroup2\n",
        "1 2 3 / /x rw - cgroup2 c\n",
        "30 23 0:26 / /sys/fs/cgroup rw cgroup2 cgroup2 rw\n"};
    static const char *const numbers[] = {
        "", "\n", "-1\n", "0x10\n", "99999999999999999999999\n", "many\n"};

    (void)state;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        put("/proc/self/mountinfo", V2_MOUNTS);
        put("/proc/self/cgroup", groups[i]);
        assert_true(memory().limit == SIZE_MAX);
    }
    put("/proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        put("/proc/self/mountinfo", mounts[i]);
        assert_true(memory().limit == SIZE_MAX);
    }
    put("/proc/self/mountinfo", V2_MOUNTS);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        put("/sys/fs/cgroup/memory.max", numbers[i]);
        assert_true(memory().limit == SIZE_MAX);
    }
    put("/sys/fs/cgroup/memory.max", "100000000\n");
    put("/sys/fs/cgroup/memory.stat", "inactive_file\nactive_file x\n");
    assert_int_equal(memory().limit, 100000000);
    assert_true(memory().room == INT64_MAX); /* nobody says what is in use */
    put("/sys/fs/cgroup/memory.current", "1000\n");
    assert_true(memory().room == room_of(100000000, 1000));
}

static unsigned
percent(void)
{
    static struct zk_cgroup g;

    (void)zk__cgroup_find(&g, root, "cpu");
    return zk__cgroup_cpu_percent(&g);
}

static unsigned
cpus(void)
{
    static struct zk_cgroup g;

    (void)zk__cgroup_find(&g, root, "cpuset");
    return zk__cgroup_cpus(&g);
}

static void
test_version_2_tells_the_share_of_cpu_time(void **state)
{
    static const struct {
        const char *text;
        unsigned percent;
    } rows[] = {{"max 100000\n", 0},
                {"150000 100000\n", 150},
                {"100000 100000\n", 100},
                {"50000 100000\n", 50},
                {"10 100000\n", 1},
                {"6400000 100000\n", 6400},
                {"0 100000\n", 0},
                {"100000 0\n", 0},
                {"100000\n", 0},
                {"", 0},
                {"x y\n", 0},
                {"-1 100000\n", 0},
                {"18446744073709551615 1\n", 0}};

    (void)state;
    put("/proc/self/cgroup", "0::/a\n");
    put("/proc/self/mountinfo", V2_MOUNTS);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("/sys/fs/cgroup/a/cpu.max", rows[i].text);
        assert_int_equal(percent(), rows[i].percent);
    }
}

static void
test_the_tightest_share_of_cpu_time_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", V2_MOUNTS);
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
    assert_int_equal(percent(), 250);
    put("/sys/fs/cgroup/a/b/cpu.max", "30000 10000\n");
    assert_int_equal(percent(), 250);
    put("/sys/fs/cgroup/a/b/cpu.max", "20000 10000\n");
    assert_int_equal(percent(), 200);
}

static void
test_version_1_tells_the_share_of_cpu_time(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "3:cpu,cpuacct:/a\n2:cpuset:/a\n");
    put("/proc/self/mountinfo",
        "31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 30 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(percent(), 0);
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "170000\n");
    assert_int_equal(percent(), 170);
    put("/sys/fs/cgroup/cpuset/a/cpuset.effective_cpus", "0-3,8\n");
    assert_int_equal(cpus(), 5);
}

static void
test_the_cpus_of_a_group_are_counted(void **state)
{
    static const struct {
        const char *text;
        unsigned n;
    } rows[] = {
        {"0\n", 1}, {"0-1\n", 2}, {"0-3,8-11,20\n", 9}, {"", 0},
        {"\n", 0},  {"3-1\n", 0}, {"0-99999999\n", 0},  {"none of them\n", 0}};

    (void)state;
    put("/proc/self/cgroup", "0::/a\n");
    put("/proc/self/mountinfo", V2_MOUNTS);
    assert_int_equal(cpus(), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("/sys/fs/cgroup/a/cpuset.cpus.effective", rows[i].text);
        assert_int_equal(cpus(), rows[i].n);
    }
}

static void
test_a_path_that_is_too_long_is_no_limit(void **state)
{
    static char line[9000];

    (void)state;
    memset(line, 'a', sizeof line - 1);
    line[0] = '0';
    line[1] = line[2] = ':';
    line[3] = '/';
    put("/proc/self/cgroup", line);
    put("/proc/self/mountinfo", V2_MOUNTS);
    put("/sys/fs/cgroup/memory.max", "100000000\n");
    assert_true(memory().limit == SIZE_MAX);
}

/* ---- the real one -------------------------------------------------------------- */

static void
test_the_groups_of_this_process_are_found(void **state)
{
    static struct zk_cgroup g;
    struct zk_cgroup_memory m;

    (void)state;
    if (!zk__cgroup_find(&g, "", "memory")) {
        print_message("no memory controller here\n");
        skip();
    }
    assert_true(g.version == 1 || g.version == 2);
    m = zk__cgroup_memory(&g);
    assert_true((m.limit == SIZE_MAX) == (m.room == INT64_MAX));
    assert_true(access(g.path, F_OK) == 0);
}

#define cgroup_test(f) \
    cmocka_unit_test_setup_teardown(f, make_root, remove_root)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cgroup_test(test_version_2_reads_limit_and_use_without_page_cache),
        cgroup_test(test_the_tightest_of_all_groups_above_counts),
        cgroup_test(test_no_group_with_a_limit_is_no_limit),
        cgroup_test(test_more_in_use_than_allowed_is_negative_room),
        cgroup_test(test_a_mount_that_begins_at_the_group_is_followed),
        cgroup_test(
            test_a_group_that_the_mount_does_not_show_falls_back_to_its_root),
        cgroup_test(test_odd_characters_in_mount_points_are_decoded),
        cgroup_test(test_version_1_is_read_where_it_has_the_controller),
        cgroup_test(test_version_1_nested_groups_count),
        cgroup_test(test_version_1_tells_of_limits_above_the_mount),
        cgroup_test(test_version_1_without_the_mount_is_no_limit),
        cgroup_test(test_broken_files_are_no_limit_and_no_crash),
        cgroup_test(test_version_2_tells_the_share_of_cpu_time),
        cgroup_test(test_the_tightest_share_of_cpu_time_counts),
        cgroup_test(test_version_1_tells_the_share_of_cpu_time),
        cgroup_test(test_the_cpus_of_a_group_are_counted),
        cgroup_test(test_a_path_that_is_too_long_is_no_limit),
        cgroup_test(test_the_groups_of_this_process_are_found),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
