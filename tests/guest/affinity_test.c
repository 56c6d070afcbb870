/*
 * affinity_test.c - loops with affinity find their pages on their own node.
 *
 * Two passes as a number-theoretic transform makes them, each in a phase of its own:
 * the first fills blocks and multiplies them by powers, and so touches each page
 * for the first time; the second does the butterflies within each block. Pages that
 * are not on the node of the worker that has them in the second pass are counted.
 */
#include "tests/guest/nodes.h"

#include <sys/mman.h>

#include "runtime/shares.h"

#define PRIME  ((uint64_t)2013265921) /* 15 * 2^27 + 1; 31 makes its units */
#define WORDS  ((size_t)1024)         /* of a block, which is a page */
#define BLOCKS ((size_t)4096)
#define GRAIN  ((size_t)8)
#define BYTES  (BLOCKS * WORDS * sizeof(uint32_t))

struct pass {
    zk_runtime_t *lane;
    uint32_t *data;
    bool keep_up; /* nobody begins a piece before all have one as late */
    _Atomic unsigned begun[WORKERS];
    _Atomic size_t local, remote, unknown;
    int node; /* of a loop with a place */
};

static uint64_t
times(uint64_t a, uint64_t b)
{
    return a * b % PRIME;
}

static uint64_t
power(uint64_t base, uint64_t n)
{
    uint64_t p = 1;

    for (; n != 0; n /= 2, base = times(base, base))
        p = n % 2 != 0 ? times(p, base) : p;
    return p;
}

/* The worker's n-th piece waits until each worker begins its n-th. */
static void
keep_up(struct pass *pass)
{
    int slot = zk_slot();
    unsigned n;

    if (!pass->keep_up || slot < 0 || slot >= (int)WORKERS)
        return;
    n = zk_add_seq_cst(&pass->begun[slot], 1u) + 1;
    for (unsigned i = 0; i < pass->lane->nworkers; i++)
        while (zk_load_acquire(&pass->begun[i]) < n)
            sched_yield();
}

static int
fill(size_t begin, size_t end, void *arg)
{
    struct pass *pass = arg;

    keep_up(pass);
    for (size_t i = begin * WORDS; i < end * WORDS; i++)
        pass->data[i] = (uint32_t)times(i + 1, 7 * i + 3);
    return 0;
}

/* Decimation in frequency. */
static void
butterflies(uint32_t *a)
{
    for (size_t half = WORDS / 2; half != 0; half /= 2) {
        uint64_t root = power(31, (PRIME - 1) / (2 * half)), w = 1;

        for (size_t k = 0; k < half; k++, w = times(w, root))
            for (size_t i = k; i < WORDS; i += 2 * half) {
                uint64_t x = a[i], y = a[i + half];

                a[i] = (uint32_t)((x + y) % PRIME);
                a[i + half] = (uint32_t)times(x + PRIME - y, w);
            }
    }
}

static int
transform(size_t begin, size_t end, void *arg)
{
    struct pass *pass = arg;
    int mine = node_of_slot(pass->lane, (unsigned)zk_slot());
    int nodes[GRAIN];

    keep_up(pass);
    for (; begin < end; begin += GRAIN) {
        size_t n = end - begin < GRAIN ? end - begin : GRAIN;
        const char *first = (const char *)&pass->data[begin * WORDS];

        if (!nodes_of_pages(first, n, nodes)) {
            zk_add_relaxed(&pass->unknown, n);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            zk_add_relaxed(nodes[i] == mine ? &pass->local : &pass->remote,
                           (size_t)1);
            butterflies(&pass->data[(begin + i) * WORDS]);
        }
    }
    return 0;
}

/* One pass in a phase of its own. */
static bool
run(struct pass *pass, unsigned affinity, zk_range_fn body)
{
    zk_err_t err;

    for (unsigned i = 0; i < WORKERS; i++)
        zk_store_relaxed(&pass->begun[i], 0u);
    if (zk_phase_begin_on(pass->lane, "pass") != ZK_OK)
        return false;
    err = zk_parallel_for_ex(
        NULL, 0, BLOCKS, ZK_LOOP_OPTIONS(.grain = GRAIN, .affinity = affinity),
        body, pass);
    return zk_phase_end() == ZK_OK && err == ZK_OK;
}

static uint32_t *
fresh_pages(void)
{
    void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    (void)madvise(p, BYTES, MADV_NOHUGEPAGE); /* a kernel may have none */
    return p;
}

/* What both passes came to on pages of their own. */
struct figures {
    uint64_t sum; /* of what was transformed */
    size_t local, unknown, all;
};

static struct figures
two_passes(zk_runtime_t *lane, const char *name, bool together,
           unsigned affinity)
{
    struct pass pass = {.lane = lane, .keep_up = together};
    struct figures f = {0};

    pass.data = fresh_pages();
    if (pass.data == NULL || !run(&pass, affinity, fill) ||
        !run(&pass, affinity, transform))
        return f;
    for (size_t i = 0; i < BLOCKS * WORDS; i++)
        f.sum = times(f.sum, 7) + pass.data[i];
    f.local = zk_load_relaxed(&pass.local);
    f.unknown = zk_load_relaxed(&pass.unknown);
    f.all = f.local + zk_load_relaxed(&pass.remote);
    print_message(
        "%u workers, %s: %zu of %zu pages on their own node, %.1f %%\n",
        lane->nworkers, name, f.local, f.all,
        (double)f.local * 100 / (double)BLOCKS);
    if (munmap(pass.data, BYTES) != 0)
        f.all = 0;
    return f;
}

/* ---- a place ------------------------------------------------------------ */

/* Fills and looks where the pages are: later the kernel may move them to whoever
 * looks. */
static int
fill_and_look(size_t begin, size_t end, void *arg)
{
    struct pass *pass = arg;
    int nodes[GRAIN];

    (void)fill(begin, end, pass);
    if (!nodes_of_pages((const char *)&pass->data[begin * WORDS], end - begin,
                        nodes)) {
        zk_add_relaxed(&pass->unknown, end - begin);
        return 0;
    }
    for (size_t i = 0; i < end - begin; i++)
        zk_add_relaxed(nodes[i] == pass->node ? &pass->local : &pass->remote,
                       (size_t)1);
    return 0;
}

/* Pages on the node, of those that a loop with this place touches; BLOCKS + 1: it has
 * failed. Its workers have left what they did before. */
static size_t
touched_on(zk_runtime_t *lane, int node)
{
    struct pass pass = {.lane = lane, .data = fresh_pages(), .node = node};
    zk_err_t err;

    if (pass.data == NULL)
        return BLOCKS + 1;
    for (unsigned i = 1; i < lane->nworkers; i++)
        while (zk_load_acquire(&lane->slots[i].root) != 0)
            sched_yield();
    err = zk_parallel_for_ex(
        lane, 0, BLOCKS,
        ZK_LOOP_OPTIONS(.grain = GRAIN, .place = ZK_PLACE_NODE(node)),
        fill_and_look, &pass);
    if (munmap(pass.data, BYTES) != 0 || err != ZK_OK ||
        zk_load_relaxed(&pass.local) + zk_load_relaxed(&pass.remote) != BLOCKS)
        return BLOCKS + 1;
    return zk_load_relaxed(&pass.local);
}

static void
test_what_a_loop_with_a_place_touches_is_there(void **state)
{
    zk_runtime_t *lane;

    (void)state;
    zk__shares_grace_ns = UINT64_MAX; /* virtual processors are slow */
    lane = open_nodes(WORKERS, ZK_BIND_CLOSE);
    assert_non_null(lane);
    if (lane->topology->nnodes < 2) {
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        skip();
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int node = node_of_slot(lane, i);
        size_t on = touched_on(lane, node);

        print_message("place of worker %u: %zu of %zu pages on node %d\n", i,
                      on, BLOCKS, node);
        assert_true(on <= BLOCKS);
        assert_true(on * 100 >= BLOCKS * 95 || !all_nodes_have_memory());
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/*
 * The figure for workers that all keep up must not depend on who runs when, so the
 * bodies see to that. The others are left to themselves, and what they come to is
 * shown: a virtual processor without a core falls behind, and is helped.
 */
static void
check(unsigned workers, enum zk_bind bind)
{
    zk_runtime_t *lane = open_nodes(workers, bind);
    struct figures f[3];

    if (lane == NULL) {
        fail();
        return;
    }
    if (lane->topology->nnodes < 2) {
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        skip();
    }
    f[0] = two_passes(lane, "affinity, all keep up", true, 1);
    f[1] = two_passes(lane, "affinity", false, 1);
    f[2] = two_passes(lane, "no affinity", false, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(f[i].all, BLOCKS);
        assert_int_equal(f[i].unknown, 0);
        assert_int_equal(f[i].sum, f[0].sum);
    }
    assert_true(f[0].local * 100 >= BLOCKS * 95 || !all_nodes_have_memory());
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_pages_are_on_the_node_of_who_has_them_next(void **state)
{
    (void)state;
    check(WORKERS, ZK_BIND_CLOSE);
}

static void
test_so_they_are_where_workers_are_far_apart(void **state)
{
    (void)state;
    check(2, ZK_BIND_SPREAD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_on_the_node_of_who_has_them_next),
        cmocka_unit_test(test_so_they_are_where_workers_are_far_apart),
        cmocka_unit_test(test_what_a_loop_with_a_place_touches_is_there),
    };

    test_clean_environment();
    alarm(500); /* virtual machines are slow */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
