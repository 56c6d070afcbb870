/*
 * placement_test.c - pages of a slab lie on the node of the worker whose it is.
 *
 * The kernel is asked where each page is (move_pages). With one node there is
 * nothing to find out; tools/guest has machines with several.
 */
#include "private/atomic.h"
#include "tests/support.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>

#define WORKERS 4u
#define BYTES   MIB
#define PAGES   (BYTES / 4096)
#define NODES   64u
#define PHASES  100u

struct touched {
    bool held; /* the memory was there and kept what was written */
    unsigned node;
    unsigned pages_on[NODES + 1]; /* the last: of no node */
};

struct meeting {
    _Atomic unsigned next;    /* place in touched */
    _Atomic unsigned arrived; /* tasks that run: each on a worker of its own */
    bool asks;                /* the kernel, where the pages are */
    struct touched touched[WORKERS];
};

/* The node of the page at p, which was written; less than 0: an error. The kernel
 * does not say while it is about to balance the page, which a read ends. */
static int
node_of(const char *p)
{
    void *page = (void *)(uintptr_t)p;
    int node = -ENOENT;

    for (unsigned i = 0; i < 1000 && node == -ENOENT; i++) {
        (void)*(const volatile char *)p;
        if (syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0) != 0)
            return -errno;
    }
    return node;
}

/* By the worker itself: where others read, the kernel moves pages to them. */
static int
touch(void *arg)
{
    struct meeting *m = arg;
    struct touched *t = &m->touched[zk_add_relaxed(&m->next, 1u)];
    unsigned cpu;
    char *p;

    zk_add_relaxed(&m->arrived, 1u);
    while (zk_load_relaxed(&m->arrived) < WORKERS)
        sched_yield();
    p = zk_phase_alloc(BYTES, 4096);
    if (p == NULL || syscall(SYS_getcpu, &cpu, &t->node, NULL) != 0)
        return 0;
    test_fill(p, BYTES, 1);
    for (size_t i = 0; m->asks && i < PAGES; i++) {
        int node = node_of(p + i * 4096);

        t->pages_on[node >= 0 && node < (int)NODES ? (unsigned)node : NODES]++;
    }
    t->held = test_holds(p, BYTES, 1);
    return 0;
}

/* True when the text of a file of /sys/devices/system/node, as "0,2-3", has n. */
static bool
listed(const char *name, unsigned n)
{
    char path[128], text[256] = "", *at = text;
    FILE *f;

    snprintf(path, sizeof path, "/sys/devices/system/node/%s", name);
    f = fopen(path, "r");
    if (f == NULL)
        return n == 0;
    if (fgets(text, sizeof text, f) == NULL)
        text[0] = '\0';
    fclose(f);
    while (*at >= '0' && *at <= '9') {
        unsigned long from = strtoul(at, &at, 10), to = from;

        if (*at == '-')
            to = strtoul(at + 1, &at, 10);
        if (n >= from && n <= to)
            return true;
        at += *at == ',';
    }
    return false;
}

static unsigned
nodes_with(const char *name)
{
    unsigned n = 0;

    for (unsigned i = 0; i < NODES; i++)
        n += listed(name, i);
    return n;
}

/* The only node that this process may have memory on; else the one given. */
static unsigned
allowed_node(unsigned node)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    unsigned only;
    int end = 0;

    if (f == NULL)
        return node;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Mems_allowed_list: %u%n", &only, &end) == 1 &&
            line[end] == '\n')
            node = only;
    fclose(f);
    return node;
}

/* How far nodes are from one, by its file: 0 for those that are not there. */
static void
distances_from(unsigned node, unsigned far[NODES])
{
    char path[64];
    FILE *f;

    memset(far, 0, NODES * sizeof *far);
    snprintf(path, sizeof path, "/sys/devices/system/node/node%u/distance",
             node);
    f = fopen(path, "r");
    for (unsigned n = 0; f != NULL && n < NODES; n++)
        if (listed("online", n) && fscanf(f, "%u", &far[n]) != 1)
            far[n] = 0;
    if (f != NULL)
        fclose(f);
}

/* All pages are on the node of the worker, or on the only one that is allowed. Of
 * a worker without memory of its own they are on a nearest one that has some. */
static bool
placed(const struct touched *t)
{
    unsigned node = allowed_node(t->node), near = 0, least = UINT_MAX;
    unsigned far[NODES];

    if (listed("has_memory", node))
        return t->pages_on[node] == PAGES;
    distances_from(node, far);
    for (unsigned n = 0; n < NODES; n++)
        if (listed("has_memory", n) && far[n] != 0 && far[n] < least)
            least = far[n];
    for (unsigned n = 0; n < NODES; n++)
        near += far[n] == least ? t->pages_on[n] : 0;
    return near == PAGES;
}

static void
tell(const struct touched *t)
{
    print_error("a worker of node %u has pages", t->node);
    for (unsigned n = 0; n <= NODES; n++)
        if (t->pages_on[n] != 0)
            print_error(" %u on node %u", t->pages_on[n], n);
    print_error("\n");
}

static void
check_phase(zk_runtime_t *lane, bool asks)
{
    struct meeting m = {.asks = asks};
    zk_group_t group = ZK_GROUP_INIT;

    assert_int_equal(zk_phase_begin_on(lane, "placement"), ZK_OK);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(zk_spawn(&group, touch, &m), ZK_OK);
    assert_int_equal(zk_sync(&group), 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_true(m.touched[i].held);
        if (asks && !placed(&m.touched[i]))
            tell(&m.touched[i]);
        assert_true(!asks || placed(&m.touched[i]));
    }
}

static void
check_lane(enum zk_trap trap, enum zk_huge huge)
{
    zk_runtime_t *lane = NULL;

    if (nodes_with("online") < 2)
        skip();
    assert_int_equal(
        zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = WORKERS, .slab_bytes = 64 * MIB,
                                   .trap = trap, .hugepages = huge,
                                   .bind = ZK_BIND_CLOSE)),
        ZK_OK);
    for (unsigned i = 0; i < PHASES; i++)
        check_phase(lane, i % 20 == 0 || i == PHASES - 1);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_each_page_is_on_the_node_of_its_worker(void **state)
{
    (void)state;
    check_lane(ZK_TRAP_OFF, ZK_HUGE_NEVER);
}

static void
test_pages_stay_on_their_node_as_slabs_move(void **state)
{
    (void)state;
    check_lane(ZK_TRAP_ON, ZK_HUGE_NEVER);
}

static void
test_huge_pages_are_on_the_node_of_their_worker(void **state)
{
    (void)state;
    check_lane(ZK_TRAP_ON, ZK_HUGE_ALWAYS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_page_is_on_the_node_of_its_worker),
        cmocka_unit_test(test_pages_stay_on_their_node_as_slabs_move),
        cmocka_unit_test(test_huge_pages_are_on_the_node_of_their_worker),
    };

    test_clean_environment();
    alarm(500); /* virtual machines are slow */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
