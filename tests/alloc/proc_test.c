/*
 * proc_test.c - what /proc tells, where it tells nothing, and where it tells
 * nonsense.
 *
 * The calls that open and ask are wrapped, so that a test can refuse them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "alloc/os.h"
#include "alloc/proc.h"
#include "tests/alloc/refuse.h"
#include "tests/support.h"

#define PAGE ((size_t)4096)

/* Reserved and committed, without huge pages. */
static char *
pages_for(size_t bytes)
{
    char *p = zk__os_reserve(bytes, ZK_HUGE_PAGE);

    if (p == NULL || !zk__os_commit(p, bytes))
        return NULL;
    zk__os_advise_huge(p, bytes, false);
    return p;
}

struct told {
    const char *base;
    size_t n;
    struct zk_run run[200];
};

static void
remember(const struct zk_run *run, void *arg)
{
    struct told *told = arg;

    if (told->n < 200)
        told->run[told->n] = *run;
    told->n++;
}

static bool
runs_are_told(void)
{
    char *p = pages_for(ZK_HUGE_PAGE);
    struct told told = {.n = 0};
    bool told_at_all = p != NULL && zk__proc_runs(p, PAGE, remember, &told);

    zk__os_unmap(p, ZK_HUGE_PAGE);
    return told_at_all;
}

/* More runs than one call of the kernel brings back. */
static void
test_runs_are_the_pages_that_were_touched_in_order(void **state)
{
    enum { N = 150 };
    char *p = pages_for(ZK_HUGE_PAGE);
    struct told told = {.n = 0};

    (void)state;
    if (!runs_are_told())
        skip();
    for (size_t i = 0; i < N; i++)
        p[(3 * i + 1) * PAGE] = 1;
    assert_true(zk__proc_runs(p, ZK_HUGE_PAGE, remember, &told));
    assert_int_equal(told.n, N);
    for (size_t i = 0; i < N; i++) {
        assert_ptr_equal(told.run[i].from, p + (3 * i + 1) * PAGE);
        assert_ptr_equal(told.run[i].to, p + (3 * i + 2) * PAGE);
        assert_false(told.run[i].huge);
    }
    zk__os_unmap(p, ZK_HUGE_PAGE);
}

/* A page that was only read is the shared one of zeros: it takes no memory. */
static void
test_zero_page_is_no_run(void **state)
{
    char *p = pages_for(ZK_HUGE_PAGE);
    struct told told = {.n = 0};

    (void)state;
    if (!runs_are_told())
        skip();
    assert_int_equal(*(volatile char *)p, 0);
    p[4 * PAGE] = 1;
    assert_true(zk__proc_runs(p, ZK_HUGE_PAGE, remember, &told));
    assert_int_equal(told.n, 1);
    assert_ptr_equal(told.run[0].from, p + 4 * PAGE);
    zk__os_unmap(p, ZK_HUGE_PAGE);
}

static void
test_huge_page_is_told_from_base_pages(void **state)
{
    char *p = pages_for(2 * ZK_HUGE_PAGE);
    struct told told = {.n = 0};
    struct zk_mapped mapped;

    (void)state;
    zk__os_advise_huge(p, ZK_HUGE_PAGE, true);
    p[0] = 1;
    if (!runs_are_told() ||
        zk__os_in_memory(p, ZK_HUGE_PAGE) != ZK_HUGE_PAGE) /* none is given */
        skip();
    p[ZK_HUGE_PAGE] = 1;
    assert_true(zk__proc_runs(p, 2 * ZK_HUGE_PAGE, remember, &told));
    assert_int_equal(told.n, 2);
    assert_true(told.run[0].huge);
    assert_ptr_equal(told.run[0].to, p + ZK_HUGE_PAGE);
    assert_false(told.run[1].huge);
    assert_ptr_equal(told.run[1].to, p + ZK_HUGE_PAGE + PAGE);
    assert_true(zk__proc_mapped(p, 2 * ZK_HUGE_PAGE, &mapped));
    assert_int_equal(mapped.bytes, ZK_HUGE_PAGE + PAGE);
    assert_int_equal(mapped.huge_bytes, ZK_HUGE_PAGE);
    zk__os_unmap(p, 2 * ZK_HUGE_PAGE);
}

static void
test_nothing_in_memory_is_no_run_and_no_bytes(void **state)
{
    char *p = pages_for(ZK_HUGE_PAGE);
    struct told told = {.n = 0};
    struct zk_mapped mapped = {1, 1};

    (void)state;
    if (!runs_are_told())
        skip();
    assert_true(zk__proc_runs(p, ZK_HUGE_PAGE, remember, &told));
    assert_int_equal(told.n, 0);
    assert_true(zk__proc_mapped(p, ZK_HUGE_PAGE, &mapped));
    assert_int_equal(mapped.bytes, 0);
    assert_int_equal(mapped.huge_bytes, 0);
    zk__os_unmap(p, ZK_HUGE_PAGE);
}

/* Linux before 6.7, and a container that hides the files. */
static void
test_what_is_refused_is_said_so(void **state)
{
    char *p = pages_for(ZK_HUGE_PAGE);
    struct told told = {.n = 0};
    struct zk_mapped mapped;

    (void)state;
    p[0] = 1;
    refuse.ioctl = true;
    assert_false(zk__proc_runs(p, ZK_HUGE_PAGE, remember, &told));
    refuse.ioctl = false;
    refuse.open = "pagemap";
    assert_false(zk__proc_runs(p, ZK_HUGE_PAGE, remember, &told));
    refuse.open = "smaps";
    assert_false(zk__proc_mapped(p, ZK_HUGE_PAGE, &mapped));
    refuse.open = "transparent_hugepage";
    assert_int_equal(zk__proc_huge_system(), ZK_HUGE_SYSTEM_UNKNOWN);
    refuse.open = NULL;
    assert_int_equal(told.n, 0);
    zk__os_unmap(p, ZK_HUGE_PAGE);
}

/* ---- smaps as text --------------------------------------------------------- */

static bool
mapped_in_text(const char *text, size_t n, struct zk_mapped *mapped)
{
    int fd = memfd_create("smaps", MFD_CLOEXEC);
    bool right = fd >= 0 && write(fd, text, n) == (ssize_t)n &&
                 lseek(fd, 0, SEEK_SET) == 0 &&
                 zk__proc_mapped_in(fd, (const char *)(uintptr_t)0x700000,
                                    0x300000, mapped);

    close(fd);
    return right;
}

static const char smaps[] = "600000-700000 rw-p 00000000 00:00 0    [below]\n"
                            "Rss:                1 kB\n"
                            "AnonHugePages:      1 kB\n"
                            "700000-900000 rw-p 00000000 00:00 0\n"
                            "Size:            2048 kB\n"
                            "Rss:              100 kB\n"
                            "Pss:               50 kB\n"
                            "AnonHugePages:      0 kB\n"
                            "VmFlags: rd wr mr mw me ac hg\n"
                            "9ff000-c00000 rw-p 00000000 00:00 0\n"
                            "Rss:             2048 kB\n"
                            "AnonHugePages:   2048 kB\n"
                            "a00000-d00000 rw-p 00000000 00:00 0    [above]\n"
                            "Rss:                7 kB\n";

static void
test_mappings_that_meet_the_range_are_added_up(void **state)
{
    struct zk_mapped mapped = {0, 0};

    (void)state;
    assert_true(mapped_in_text(smaps, strlen(smaps), &mapped));
    assert_int_equal(mapped.bytes, (100 + 2048) * KIB);
    assert_int_equal(mapped.huge_bytes, 2048 * KIB);
    assert_false(mapped_in_text("", 0, &mapped));
    assert_false(mapped_in_text("Rss: 5 kB\n", 10, &mapped));
}

static void
test_text_that_is_no_smaps_does_no_harm(void **state)
{
    struct test_random random = {test_seed("proc")};
    struct zk_mapped mapped;
    char text[20000];

    (void)state;
    for (unsigned i = 0; i < test_scaled(3000); i++) {
        size_t n = test_below(&random, sizeof text);

        for (size_t k = 0; k < n; k++)
            text[k] = smaps[(k + i) % (sizeof smaps - 1)];
        for (size_t k = test_below(&random, 40); k > 0 && n > 0; k--)
            text[test_below(&random, n)] = (char)test_next(&random);
        (void)mapped_in_text(text, n, &mapped);
    }
    memset(text, 'x', sizeof text); /* one line, longer than any buffer */
    assert_false(mapped_in_text(text, sizeof text, &mapped));
}

static void
test_pages_in_memory_are_counted_in_long_ranges(void **state)
{
    char *p = pages_for(16 * MIB);

    (void)state;
    assert_int_equal(zk__os_in_memory(p, 16 * MIB), 0);
    for (size_t at = 0; at < 16 * MIB; at += 64 * KIB)
        p[at] = 1;
    assert_int_equal(zk__os_in_memory(p, 16 * MIB), 256 * PAGE);
    assert_int_equal(zk__os_in_memory(p + PAGE, 15 * PAGE), 0);
    assert_int_equal(zk__os_in_memory(p, 0), 0);
    zk__os_unmap(p, 16 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_are_the_pages_that_were_touched_in_order),
        cmocka_unit_test(test_zero_page_is_no_run),
        cmocka_unit_test(test_huge_page_is_told_from_base_pages),
        cmocka_unit_test(test_nothing_in_memory_is_no_run_and_no_bytes),
        cmocka_unit_test(test_what_is_refused_is_said_so),
        cmocka_unit_test(test_mappings_that_meet_the_range_are_added_up),
        cmocka_unit_test(test_text_that_is_no_smaps_does_no_harm),
        cmocka_unit_test(test_pages_in_memory_are_counted_in_long_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
