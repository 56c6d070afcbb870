/*
 * stacks_test.c - what a worker works with is on its node: its stack, its deque and
 * its forks.
 */
#include "tests/guest/nodes.h"

struct found {
    size_t stack, deque, forks; /* pages in memory */
    size_t elsewhere[3];        /* of these, on another node */
    bool asked;
};

struct look {
    _Atomic unsigned met;
    struct found found[WORKERS];
};

/* Pages of a range, and those on another node. False: the system does not tell. */
static bool
count_pages(const void *range, size_t bytes, int mine, size_t *all,
            size_t *elsewhere)
{
    size_t page = zk__os_page();
    const char *p = (const char *)range - (uintptr_t)range % page;
    int nodes[ZK_OS_PAGES];

    for (size_t at = 0; at < bytes; at += ZK_OS_PAGES * page) {
        size_t n = (bytes - at) / page;

        n = n < ZK_OS_PAGES ? n : ZK_OS_PAGES;
        if (!zk__os_nodes(p + at, n, nodes))
            return false;
        for (size_t i = 0; i < n; i++) {
            *all += nodes[i] >= 0;
            *elsewhere += nodes[i] >= 0 && nodes[i] != mine;
        }
    }
    return true;
}

static bool
count_stack(int mine, size_t *all, size_t *elsewhere)
{
    pthread_attr_t attr;
    size_t bytes = 0;
    void *stack;
    bool ok;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return false;
    ok = pthread_attr_getstack(&attr, &stack, &bytes) == 0 &&
         count_pages(stack, bytes, mine, all, elsewhere);
    pthread_attr_destroy(&attr);
    return ok;
}

/* One on each worker. The stack of slot 0 is the application's. */
static int
look_at_mine(void *arg)
{
    struct look *look = arg;
    struct zk_slot *slot = zk__thread.slot;
    struct found *f = &look->found[slot->index];
    int mine = node_of_slot(slot->lane, slot->index);

    zk_add_seq_cst(&look->met, 1u);
    while (zk_load_acquire(&look->met) < WORKERS)
        sched_yield();
    f->asked =
        (slot->index == 0 || count_stack(mine, &f->stack, &f->elsewhere[0])) &&
        count_pages(zk_load_acquire(&slot->deque.ring), 16 * KIB, mine,
                    &f->deque, &f->elsewhere[1]) &&
        count_pages(slot->forks.oldest, 16 * KIB, mine, &f->forks,
                    &f->elsewhere[2]);
    return 0;
}

/* Opened on the processor farthest from slot 0, so that what its opener touches is
 * on another node at first. */
static void
test_stacks_deques_and_forks_are_on_their_workers_nodes(void **state)
{
    const struct zk_topology *t = zk__topology_get();
    struct look look = {.met = 0};
    zk_group_t group = ZK_GROUP_INIT;
    zk_runtime_t *lane;

    (void)state;
    assert_non_null(t);
    if (t->nnodes < 2)
        skip();
    assert_true(zk__topology_bind(t, &(unsigned){t->npus - 1}, 1));
    lane = open_nodes(WORKERS, ZK_BIND_CLOSE);
    if (lane == NULL) {
        fail();
        return;
    }
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(zk_spawn(&group, look_at_mine, &look), ZK_OK);
    assert_int_equal(zk_sync(&group), ZK_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        const struct found *f = &look.found[i];

        print_message("worker %u on node %d: %zu pages of its stack, %zu "
                      "elsewhere; deque %zu, %zu; forks %zu, %zu\n",
                      i, node_of_slot(lane, i), f->stack, f->elsewhere[0],
                      f->deque, f->elsewhere[1], f->forks, f->elsewhere[2]);
        assert_true(f->asked);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        const struct found *f = &look.found[i];

        assert_true(i == 0 || f->stack != 0);
        assert_true(f->deque != 0 && f->forks != 0);
        assert_int_equal(f->elsewhere[0], 0);
        assert_int_equal(f->elsewhere[1], 0);
        assert_int_equal(f->elsewhere[2], 0);
    }
    assert_int_equal(zk_runtime_leave(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_stacks_deques_and_forks_are_on_their_workers_nodes),
    };

    test_clean_environment();
    alarm(500); /* virtual machines are slow */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
