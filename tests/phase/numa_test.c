/*
 * numa_test.c - policies for the memory of slabs, and where the kernel put it.
 *
 * With one node the calls are made and the counts are checked; what they decide
 * shows in a guest with several (tools/guest).
 */
#include "tests/support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <zkrt/pages.h>

#include "private/atomic.h"
#include "private/bits.h"

#define WORKERS 4u
#define BYTES   (6 * MIB)

static struct {
    unsigned lines;
    char last[256];
} said;

static void
remember(const char *message, void *arg)
{
    (void)arg;
    said.lines++;
    snprintf(said.last, sizeof said.last, "%s", message);
}

/* ---- phases in which each worker has memory --------------------------------- */

struct meeting {
    _Atomic unsigned arrived;
    _Atomic unsigned failed;
    size_t bytes;
};

static int
fill(void *arg)
{
    struct meeting *m = arg;
    char *p;

    zk_add_relaxed(&m->arrived, 1u);
    while (zk_load_relaxed(&m->arrived) < WORKERS) /* one on each worker */
        sched_yield();
    p = zk_phase_alloc(m->bytes, 0);
    if (p == NULL)
        zk_add_relaxed(&m->failed, 1u);
    else
        test_fill(p, m->bytes, 7);
    return 0;
}

static bool
run_phases(zk_runtime_t *lane, unsigned phases, size_t bytes)
{
    for (unsigned i = 0; i < phases; i++) {
        /* The first and the last use all of it: in a guest writing is slow. */
        bool all = i == 0 || i == phases - 1;
        struct meeting m = {.bytes =
                                all ? bytes : zk_min_size(bytes, 64 * KIB)};
        zk_group_t group = ZK_GROUP_INIT;

        if (zk_phase_begin_on(lane, "numa") != ZK_OK)
            return false;
        for (unsigned w = 0; w < WORKERS; w++)
            if (zk_spawn(&group, fill, &m) != ZK_OK)
                return false;
        if (zk_sync(&group) != 0 || zk_phase_end() != ZK_OK ||
            zk_load_relaxed(&m.failed) != 0)
            return false;
    }
    return true;
}

/* What is not used for long stays: a virtual machine may stand still at any time. */
static zk_runtime_t *
open_lane(const zk_options_t *options)
{
    zk_options_t patient = *options;
    zk_runtime_t *lane = NULL;

    patient.decay_ms = 24 * 3600 * 1000;
    memset(&said, 0, sizeof said);
    return zk_runtime_open(&lane, &patient) == ZK_OK ? lane : NULL;
}

static zk_numa_pages_t
pages_of(const zk_runtime_t *lane)
{
    zk_numa_pages_t pages = {.size = sizeof pages};

    assert_int_equal(zk_numa_pages(lane, &pages), ZK_OK);
    return pages;
}

static zk_runtime_info_t
info_of(const zk_runtime_t *lane)
{
    zk_runtime_info_t info = {.size = sizeof info};

    assert_int_equal(zk_runtime_info(lane, &info), ZK_OK);
    return info;
}

static void
tell(const zk_numa_pages_t *p)
{
    print_message("wanted %zu KiB, other %zu, unknown %zu; by node:",
                  p->wanted_bytes >> 10, p->other_bytes >> 10,
                  p->unknown_bytes >> 10);
    for (unsigned n = 0; n < p->nodes; n++)
        print_message(" %zu", p->node_bytes[n] >> 10);
    print_message("\n");
}

/* ---- tests ------------------------------------------------------------------- */

/* Trap on and off, base pages and huge ones; after phases, a trim, and more. */
static void
test_local_pages_are_all_on_their_workers_nodes(void **state)
{
    (void)state;
    for (int trap = ZK_TRAP_ON; trap <= ZK_TRAP_OFF; trap++)
        for (int huge = ZK_HUGE_ALWAYS; huge <= ZK_HUGE_NEVER; huge++) {
            zk_runtime_t *lane = open_lane(
                ZK_OPTIONS(.workers = WORKERS, .slab_bytes = 64 * MIB,
                           .trap = (enum zk_trap)trap,
                           .hugepages = (enum zk_huge)huge,
                           .numa = ZK_NUMA_LOCAL, .notice = remember));
            zk_numa_pages_t pages;
            size_t released;

            assert_non_null(lane);
            for (int again = 0; again < 2; again++) {
                assert_true(run_phases(lane, 100, BYTES));
                pages = pages_of(lane);
                tell(&pages);
                assert_true(pages.wanted_bytes >= WORKERS * BYTES);
                assert_int_equal(pages.other_bytes, 0);
                assert_int_equal(pages.unknown_bytes, 0);
                assert_int_equal(zk_phase_release(), ZK_OK);
                assert_int_equal(zk_runtime_trim(lane, &released), ZK_OK);
                assert_true(released >= WORKERS * BYTES / 2);
            }
            assert_int_equal(info_of(lane).numa_error, 0);
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
        }
}

static void
test_interleaved_pages_are_even_over_the_nodes(void **state)
{
    zk_runtime_t *lane =
        open_lane(ZK_OPTIONS(.workers = WORKERS, .slab_bytes = 64 * MIB,
                             .hugepages = ZK_HUGE_NEVER,
                             .numa = ZK_NUMA_INTERLEAVE, .notice = remember));
    zk_numa_pages_t pages;
    unsigned used = 0;
    size_t sum = 0;

    (void)state;
    assert_non_null(lane);
    assert_true(run_phases(lane, 20, BYTES));
    pages = pages_of(lane);
    tell(&pages);
    if (info_of(lane).nodes < 2) {
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        skip();
    }
    for (unsigned n = 0; n < pages.nodes; n++) {
        used += pages.node_bytes[n] != 0;
        sum += pages.node_bytes[n];
    }
    assert_int_equal(pages.other_bytes, 0);
    assert_true(used >= 2);
    for (unsigned n = 0; n < pages.nodes; n++)
        if (pages.node_bytes[n] != 0)
            assert_in_range(pages.node_bytes[n] * 100, sum / used * 99,
                            sum / used * 101);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Node 0 there is on every machine. */
static void
test_bound_pages_are_on_the_nodes_that_are_listed(void **state)
{
    zk_runtime_t *lane =
        open_lane(ZK_OPTIONS(.workers = WORKERS, .slab_bytes = 64 * MIB,
                             .numa = ZK_NUMA_BIND, .numa_nodes = "0",
                             .notice = remember));
    zk_numa_pages_t pages;

    (void)state;
    assert_non_null(lane);
    assert_true(run_phases(lane, 20, BYTES));
    pages = pages_of(lane);
    tell(&pages);
    if (info_of(lane).numa_error != 0) { /* a cpuset may not have that node */
        assert_int_equal(said.lines, 1);
    } else {
        assert_int_equal(pages.node_bytes[0], pages.wanted_bytes);
        assert_true(pages.wanted_bytes >= WORKERS * BYTES);
        assert_int_equal(pages.other_bytes, 0);
        assert_int_equal(said.lines, 0);
    }
    assert_int_equal(info_of(lane).numa, ZK_NUMA_BIND);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_node_that_is_not_there_is_told_once_and_harms_nothing(void **state)
{
    zk_runtime_t *lane =
        open_lane(ZK_OPTIONS(.workers = WORKERS, .slab_bytes = 64 * MIB,
                             .numa = ZK_NUMA_BIND, .numa_nodes = "1000-1023",
                             .notice = remember));

    (void)state;
    assert_non_null(lane);
    assert_true(run_phases(lane, 20, BYTES));
    assert_int_equal(said.lines, 1);
    assert_non_null(strstr(said.last, "NUMA"));
    assert_int_equal(info_of(lane).numa_error, EINVAL);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- a system that refuses --------------------------------------------------- */

static bool
refuse_mbind(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* What a file of /sys/devices/system/node says. */
static const char *
nodes_in(const char *name, char *text, int room)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/sys/devices/system/node/%s", name);
    f = fopen(path, "r");
    if (f == NULL || fgets(text, room, f) == NULL)
        text[0] = '\0';
    if (f != NULL)
        fclose(f);
    return text;
}

/* Where a worker's own node has no memory the kernel picks one of equally near
 * ones, and not always ours. */
static bool
all_nodes_have_memory(void)
{
    char online[128], memory[128];

    return strcmp(nodes_in("online", online, sizeof online),
                  nodes_in("has_memory", memory, sizeof memory)) == 0;
}

static int
run_refused(void *arg)
{
    zk_runtime_t *lane;
    zk_numa_pages_t pages = {.size = sizeof pages};
    zk_runtime_info_t info = {.size = sizeof info};

    (void)arg;
    CHILD_CHECK(refuse_mbind());
    lane = open_lane(ZK_OPTIONS(.workers = WORKERS, .slab_bytes = 64 * MIB,
                                .numa = ZK_NUMA_LOCAL, .notice = remember));
    CHILD_CHECK(lane != NULL);
    CHILD_CHECK(run_phases(lane, 20, BYTES));
    CHILD_CHECK(zk_numa_pages(lane, &pages) == ZK_OK);
    CHILD_CHECK(zk_runtime_info(lane, &info) == ZK_OK);
    CHILD_CHECK(pages.wanted_bytes + pages.other_bytes >= WORKERS * BYTES);
    CHILD_CHECK(!all_nodes_have_memory() ||
                pages.other_bytes * 100 <= pages.wanted_bytes);
    CHILD_CHECK(info.nodes < 2 ||
                (info.numa_error == EPERM && said.lines == 1));
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

static void
test_where_mbind_is_refused_the_first_touch_places(void **state)
{
    (void)state;
    if (TEST_TSAN)
        skip(); /* it starts no threads in a child of threads */
    assert_true(test_child_succeeds(run_refused, NULL));
}

/* ---- a node that is full ------------------------------------------------------ */

/* Bytes that node 0 has free; 0: it does not say. */
static size_t
free_on_node_0(void)
{
    FILE *f = fopen("/sys/devices/system/node/node0/meminfo", "r");
    char line[256];
    size_t kib = 0;

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Node 0 MemFree: %zu kB", &kib) == 1)
            break;
    fclose(f);
    return kib << 10;
}

static void
test_a_full_node_spills_to_its_neighbours(void **state)
{
    size_t room = free_on_node_0(), each;
    zk_numa_pages_t pages;
    zk_runtime_t *lane;

    (void)state;
    each = (room + 128 * MIB) / WORKERS;
    lane = open_lane(ZK_OPTIONS(.workers = WORKERS, .slab_bytes = 4 * GIB,
                                .numa = ZK_NUMA_BIND, .numa_nodes = "0",
                                .notice = remember));
    assert_non_null(lane);
    if (info_of(lane).nodes < 2 || room == 0 || room > 2 * GIB) {
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        skip();
    }
    assert_true(run_phases(lane, 1, each));
    pages = pages_of(lane);
    tell(&pages);
    assert_true(pages.other_bytes >= 64 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_pages_are_all_on_their_workers_nodes),
        cmocka_unit_test(test_interleaved_pages_are_even_over_the_nodes),
        cmocka_unit_test(test_bound_pages_are_on_the_nodes_that_are_listed),
        cmocka_unit_test(
            test_a_node_that_is_not_there_is_told_once_and_harms_nothing),
        cmocka_unit_test(test_where_mbind_is_refused_the_first_touch_places),
        cmocka_unit_test(test_a_full_node_spills_to_its_neighbours),
    };

    test_clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
