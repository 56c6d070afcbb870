/*
 * shared_test.c - regions are spread evenly over the nodes, whoever touches them.
 */
#include "tests/guest/nodes.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

static unsigned notices;

static void
count_notice(const char *message, void *arg)
{
    (void)arg;
    notices += strstr(message, "NUMA") != NULL;
}

static zk_runtime_t *
open_lane(enum zk_huge huge)
{
    zk_runtime_t *lane = NULL;

    notices = 0;
    return zk_runtime_open(&lane,
                           ZK_OPTIONS(.workers = WORKERS,
                                      .slab_bytes = 64 * MIB, .hugepages = huge,
                                      .notice = count_notice)) == ZK_OK
               ? lane
               : NULL;
}

/* The least and the most that a node has, of those that have workers. */
static bool
spread_of(const zk_runtime_t *lane, const char *p, size_t *least, size_t *most)
{
    zk_numa_pages_t pages = {.size = sizeof pages};
    unsigned nodes = 0;

    *least = SIZE_MAX;
    *most = 0;
    if (zk_shared_pages(p, &pages) != ZK_OK || pages.other_bytes != 0 ||
        pages.unknown_bytes != 0)
        return false;
    for (unsigned n = 0; n < pages.nodes; n++) {
        bool has = false;

        for (unsigned i = 0; i < lane->nworkers; i++)
            has = has || node_of_slot(lane, i) == (int)n;
        if (!has)
            continue;
        nodes++;
        *least = pages.node_bytes[n] < *least ? pages.node_bytes[n] : *least;
        *most = pages.node_bytes[n] > *most ? pages.node_bytes[n] : *most;
    }
    print_message("%u nodes, %zu KiB each at the least, %zu at the most\n",
                  nodes, *least >> 10, *most >> 10);
    return nodes != 0;
}

/* Touched by this thread alone, so on one node if nobody had said anything. */
static void
check(enum zk_huge huge, size_t bytes)
{
    zk_runtime_t *lane = open_lane(huge);
    size_t least, most, page = ZK_HUGE_PAGE;
    char *p;

    if (lane == NULL) {
        fail();
        return;
    }
    if (lane->topology->nnodes < 2) {
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        skip();
    }
    p = zk_shared_alloc_on(lane, bytes);
    assert_non_null(p);
    memset(p, 1, bytes);
    assert_true(spread_of(lane, p, &least, &most));
    if (huge == ZK_HUGE_NEVER)
        assert_in_range(most * 100, least * 100, least * 101);
    else
        assert_in_range(most, least, least + page);
    assert_int_equal(zk_shared_free(p), ZK_OK);
    assert_int_equal(notices, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_base_pages_are_even_over_the_nodes(void **state)
{
    (void)state;
    check(ZK_HUGE_NEVER, 16 * MIB);
}

static void
test_huge_pages_are_even_to_one_page(void **state)
{
    (void)state;
    check(ZK_HUGE_ALWAYS, 64 * MIB);
}

/* ---- a system that refuses ---------------------------------------------------- */

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

static int
share_without_mbind(void *arg)
{
    zk_runtime_t *lane;
    char *p[2];

    (void)arg;
    CHILD_CHECK(refuse_mbind());
    lane = open_lane(ZK_HUGE_NEVER);
    CHILD_CHECK(lane != NULL);
    for (int i = 0; i < 2; i++) {
        p[i] = zk_shared_alloc_on(lane, MIB);
        CHILD_CHECK(p[i] != NULL);
        test_fill(p[i], MIB, (uint64_t)i);
    }
    CHILD_CHECK(notices == (lane->topology->nnodes > 1 ? 1u : 0u));
    CHILD_CHECK(test_info(lane).numa_error ==
                (lane->topology->nnodes > 1 ? EPERM : 0));
    for (int i = 0; i < 2; i++) {
        CHILD_CHECK(test_holds(p[i], MIB, (uint64_t)i));
        CHILD_CHECK(zk_shared_free(p[i]) == ZK_OK);
    }
    CHILD_CHECK(test_stats(lane).budget_charged == 0);
    return zk_runtime_close(lane) == ZK_OK ? 0 : 1;
}

static void
test_a_refusal_is_told_once_and_harms_nothing(void **state)
{
    (void)state;
    assert_true(test_child_succeeds(share_without_mbind, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_pages_are_even_over_the_nodes),
        cmocka_unit_test(test_huge_pages_are_even_to_one_page),
        cmocka_unit_test(test_a_refusal_is_told_once_and_harms_nothing),
    };

    test_clean_environment();
    alarm(500); /* virtual machines are slow */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
