/*
 * refused_test.c - the system refuses memory, threads and bindings.
 *
 * The program is linked with --wrap, so the library's calls come here first, and
 * the test says which of them fail: the k-th alone, or all from the k-th on, for
 * each k that a run has.
 */
#include "tests/badinput/work.h"

#include <errno.h>
#include <pthread.h>

#include <hwloc.h>
#include <sys/mman.h>

/* ---- the calls ------------------------------------------------------------ */

/* Refuses the calls with a number in [from, to). */
struct refuser {
    _Atomic unsigned calls;
    _Atomic unsigned from, to;
    _Atomic unsigned refused;
};

static struct refuser maps, protects, advices, creates, binds;

/* Bytes of address space that the library has and did not give back. */
static _Atomic size_t mapped;

static bool
refuses(struct refuser *r)
{
    unsigned call = zk_add_relaxed(&r->calls, 1u);
    bool refused =
        call >= zk_load_relaxed(&r->from) && call < zk_load_relaxed(&r->to);

    if (refused)
        zk_add_relaxed(&r->refused, 1u);
    return refused;
}

static void
refuse(struct refuser *r, unsigned from, unsigned to)
{
    zk_store_relaxed(&r->calls, 0u);
    zk_store_relaxed(&r->refused, 0u);
    zk_store_relaxed(&r->from, from);
    zk_store_relaxed(&r->to, to);
}

static int
refuse_nothing(void **state)
{
    (void)state;
    refuse(&maps, 0, 0);
    refuse(&protects, 0, 0);
    refuse(&advices, 0, 0);
    refuse(&creates, 0, 0);
    refuse(&binds, 0, 0);
    return 0;
}

/* The names are the linker's. */
void *__real_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
int __real_munmap(void *p, size_t n);
int __wrap_munmap(void *p, size_t n);
int __real_mprotect(void *p, size_t n, int prot);
int __wrap_mprotect(void *p, size_t n, int prot);
int __real_madvise(void *p, size_t n, int advice);
int __wrap_madvise(void *p, size_t n, int advice);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __real_hwloc_set_cpubind(hwloc_topology_t t, hwloc_const_cpuset_t set,
                             int flags);
int __wrap_hwloc_set_cpubind(hwloc_topology_t t, hwloc_const_cpuset_t set,
                             int flags);

void *
__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
    if (refuses(&maps)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    p = __real_mmap(p, n, prot, flags, fd, at);
    if (p != MAP_FAILED)
        zk_add_relaxed(&mapped, n);
    return p;
}

int
__wrap_munmap(void *p, size_t n)
{
    zk_add_relaxed(&mapped, (size_t)0 - n);
    return __real_munmap(p, n);
}

int
__wrap_mprotect(void *p, size_t n, int prot)
{
    if (refuses(&protects)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_mprotect(p, n, prot);
}

int
__wrap_madvise(void *p, size_t n, int advice)
{
    if (refuses(&advices)) {
        errno = EINVAL;
        return -1;
    }
    return __real_madvise(p, n, advice);
}

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                      void *(*fn)(void *), void *arg)
{
    if (refuses(&creates)) {
        *t = (pthread_t)-1; /* as libc may do before it gives up */
        return EAGAIN;
    }
    return __real_pthread_create(t, attr, fn, arg);
}

int
__wrap_hwloc_set_cpubind(hwloc_topology_t t, hwloc_const_cpuset_t set,
                         int flags)
{
    if (refuses(&binds)) {
        errno = EXDEV;
        return -1;
    }
    return __real_hwloc_set_cpubind(t, set, flags);
}

/* ---- memory for the library's records, and address space --------------------- */

struct guest {
    zk_runtime_t *lane;
    unsigned failed;
};

/* A phase of another thread, in an arena of its own. */
static void *
second_phase(void *arg)
{
    struct guest *g = arg;
    zk_err_t err = zk_phase_begin_on(g->lane, "second");

    if (err != ZK_OK && err != ZK_ENOMEM)
        g->failed++;
    if (err == ZK_OK) {
        g->failed += !work_inside();
        g->failed += zk_phase_end() != ZK_OK;
    }
    return NULL;
}

#define MANY 1500 /* more than a first deque and a first inbox hold */

/* Each call is right or answers ZK_ENOMEM; what was taken on is done. */
static unsigned
go_through(void)
{
    zk_runtime_t *lane = (zk_runtime_t *)(uintptr_t)64;
    zk_group_t group = ZK_GROUP_INIT, outer = ZK_GROUP_INIT;
    _Atomic uint64_t ran = 0;
    uint64_t spawned = 0;
    unsigned failed = 0;
    pthread_t thread;
    zk_err_t err;
    struct guest g = {NULL, 0};

    err = zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .spare_slots = 3,
                                            .slab_bytes = 4 * MIB,
                                            .notice = test_no_notice));
    if (err != ZK_OK)
        return err != ZK_ENOMEM || lane != NULL;

    failed += !work_loop(lane);
    for (int i = 0; i < MANY; i++) { /* through the inbox */
        err = zk_spawn_on(lane, &outer, work_add_one, &ran);
        failed += err != ZK_OK && err != ZK_ENOMEM;
        spawned += err == ZK_OK;
    }
    failed += zk_sync(&outer) != ZK_OK;

    failed += zk_runtime_enter(lane) != ZK_OK;
    err = zk_phase_begin("first");
    failed += err != ZK_OK && err != ZK_ENOMEM;
    failed += (err == ZK_OK) != (test_info(lane).arenas != 0);
    g.lane = lane;
    if (__real_pthread_create(&thread, NULL, second_phase, &g) != 0)
        failed++;
    else
        pthread_join(thread, NULL);
    for (int i = 0; i < MANY; i++) { /* through the deque */
        failed += zk_spawn(&group, work_add_one, &ran) != ZK_OK;
        spawned++;
    }
    failed += !work_inside();
    failed += zk_sync(&group) != ZK_OK;
    if (err == ZK_OK)
        failed += zk_phase_end() != ZK_OK;
    failed += zk_runtime_leave() != ZK_OK;
    failed += g.failed + (ran != spawned);
    failed += zk_runtime_close(lane) != ZK_OK;
    return failed;
}

/*
 * The topology is loaded once and stays, and so does the heap, which is to serve
 * what an arena refuses: it asks for memory before anything is counted.
 */
static int
warm_up(void **state)
{
    refuse_nothing(state);
    zk_free(zk_malloc(64 * MIB));
    return go_through() != 0;
}

static void
test_each_mapping_may_be_refused_and_none_is_lost(void **state)
{
    size_t before = mapped;

    (void)state;
    for (int alone = 0; alone < 2; alone++)
        for (unsigned k = 0;; k++) {
            unsigned failed;

            refuse(&maps, k, alone ? k + 1 : UINT32_MAX);
            failed = go_through();
            if (failed != 0 || mapped != before)
                print_error("mapping %u%s refused: %u failures, %zd bytes\n", k,
                            alone ? "" : " and later", failed,
                            (ssize_t)(mapped - before));
            assert_int_equal(failed, 0);
            assert_true(mapped == before);
            if (maps.refused == 0)
                break;
            assert_in_range(k, 0, 1000);
        }
}

/* Z2 */
static void
test_a_lane_without_any_arena_says_so_and_computes(void **state)
{
    struct work_said said = {0};
    zk_runtime_t *lane = NULL;
    size_t before = mapped;
    void *p;

    (void)state;
    /* A lane of one worker and one spare slot maps its own record, the inbox,
     * `outside`, and for each slot a deque, a stack of forks and the records of
     * those. Then come the arena's. */
    refuse(&maps, 9, UINT32_MAX);
    assert_int_equal(
        zk_runtime_open(
            &lane, ZK_OPTIONS(.workers = 1, .spare_slots = 1, .slab_bytes = GIB,
                              .notice = work_hear, .notice_arg = &said)),
        ZK_OK);
    assert_int_equal(test_info(lane).slab_bytes_got, 0);
    assert_int_equal(test_info(lane).arenas, 0);
    assert_int_equal(said.lines, 1);
    assert_non_null(strstr(said.last, "address space"));

    assert_int_equal(zk_phase_begin_on(lane, "none"), ZK_ENOMEM);
    assert_int_equal(zk_slot(), -1);
    assert_true(work_loop(lane));
    p = zk_malloc(100000);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    zk_free(p);

    refuse(&maps, 0, 0); /* there is some again */
    assert_true(work_phase(lane));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_true(mapped == before);
}

/* ---- pages of a slab ---------------------------------------------------------- */

/* Z18; R5: counted is what was asked for, not what it is rounded to. */
static void
test_pages_that_are_refused_come_from_the_heap_and_are_counted(void **state)
{
    zk_runtime_t *lane = test_lane(2, 4 * MIB, 0);
    char *p, *q;

    (void)state;
    assert_non_null(lane);
    refuse(&protects, 0, UINT32_MAX);
    assert_int_equal(zk_phase_begin_on(lane, "refused"), ZK_OK);
    p = zk_malloc(100000);
    assert_non_null(p);
    assert_false(zk_in_arena(p));
    test_fill(p, 100000, 1);
    assert_null(zk_phase_alloc(100000, 0));
    assert_int_equal(errno, ENOMEM);
    assert_null(zk_bump(64));
    assert_int_equal(test_stats(lane).overflow_count, 1);
    assert_int_equal(test_stats(lane).overflow_bytes, 100000);
    assert_true(work_inside());

    refuse(&protects, 0, 0);
    q = zk_malloc(100000);
    assert_non_null(q);
    assert_true(zk_in_arena(q));
    assert_true(test_holds(p, 100000, 1));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_true(test_holds(p, 100000, 1)); /* the heap's */
    zk_free(p);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_each_commit_may_be_refused_alone(void **state)
{
    (void)state;
    for (unsigned k = 0;; k++) {
        zk_runtime_t *lane = test_lane(1, 4 * MIB, 1);

        assert_non_null(lane);
        refuse(&protects, k, k + 1);
        for (int phase = 0; phase < 3; phase++) {
            assert_int_equal(zk_phase_begin_on(lane, "commit"), ZK_OK);
            for (int i = 0; i < 10; i++) {
                char *p = zk_calloc(1, 150000);

                assert_non_null(p);
                assert_true(test_all_zero(p, 150000));
                test_fill(p, 150000, 1);
                if (!zk_in_arena(p))
                    zk_free(p);
            }
            assert_int_equal(zk_phase_end(), ZK_OK);
        }
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        if (protects.refused == 0)
            break;
        assert_in_range(k, 0, 1000);
    }
}

static void
test_refused_advice_changes_nothing(void **state)
{
    static const enum zk_huge huges[] = {ZK_HUGE_AUTO, ZK_HUGE_ALWAYS,
                                         ZK_HUGE_NEVER};

    (void)state;
    refuse(&advices, 0, UINT32_MAX);
    for (size_t i = 0; i < sizeof huges / sizeof *huges; i++) {
        zk_runtime_t *lane = NULL;
        char *p;

        assert_int_equal(
            zk_runtime_open(&lane,
                            ZK_OPTIONS(.workers = 2, .slab_bytes = 16 * MIB,
                                       .hugepages = huges[i],
                                       .notice = test_no_notice)),
            ZK_OK);
        assert_int_equal(zk_phase_begin_on(lane, "advice"), ZK_OK);
        p = zk_malloc(8 * MIB);
        assert_true(zk_in_arena(p));
        test_fill(p, 8 * MIB, 1);
        assert_true(work_inside());
        assert_true(test_holds(p, 8 * MIB, 1));
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
    assert_true(advices.refused != 0);
}

/* ---- threads ------------------------------------------------------------------- */

static void
test_each_thread_may_be_refused_and_the_others_do_its_work(void **state)
{
    const unsigned workers = 6;

    (void)state;
    for (int alone = 0; alone < 2; alone++)
        for (unsigned k = 0; k < workers; k++) {
            struct work_said said = {0};
            zk_runtime_t *lane = NULL;
            char expected[100];

            assert_int_equal(
                zk_runtime_open(
                    &lane,
                    ZK_OPTIONS(.workers = workers, .spare_slots = 4,
                               .slab_bytes = 4 * MIB, .bind = ZK_BIND_NONE,
                               .notice = work_hear, .notice_arg = &said)),
                ZK_OK);
            refuse(&creates, k, alone ? k + 1 : UINT32_MAX);
            for (int i = 0; i < 3; i++)
                assert_true(work_all(lane));
            snprintf(expected, sizeof expected,
                     "refused a thread: %u workers instead of %u", k + 1,
                     workers);
            assert_int_equal(said.lines, k < workers - 1);
            if (k < workers - 1)
                assert_non_null(strstr(said.last, expected));
            assert_int_equal(test_info(lane).workers, workers);
            /* Work from outside may start one more in a guest's place. */
            if (k > 0 || !alone)
                assert_int_equal(test_info(lane).threads,
                                 k < workers - 1 ? k : workers - 1);
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
        }
}

static int
spawn_detached(void *arg)
{
    return zk_spawn(NULL, work_add_one, arg);
}

static void
test_without_any_thread_submitted_work_is_done_by_who_waits(void **state)
{
    (void)state;
    refuse(&creates, 0, UINT32_MAX);
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane = test_lane(workers, 4 * MIB, 0);
        zk_group_t group = ZK_GROUP_INIT;
        _Atomic uint64_t ran = 0;

        assert_non_null(lane);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(zk_spawn_on(lane, &group, work_add_one, &ran),
                             ZK_OK);
            assert_int_equal(zk_spawn_on(lane, NULL, spawn_detached, &ran),
                             ZK_OK);
        }
        assert_int_equal(zk_sync(&group), ZK_OK);
        assert_true(ran >= 10);
        assert_true(work_all(lane));
        assert_int_equal(test_info(lane).threads, 0);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(ran, 20);
    }
}

/* ---- bindings -------------------------------------------------------------------- */

static void
test_a_refused_binding_is_said_once_and_shown(void **state)
{
    static const enum zk_bind wanted[] = {ZK_BIND_CLOSE, ZK_BIND_SPREAD};
    cpu_set_t before, after;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    refuse(&binds, 0, UINT32_MAX);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct work_said said = {0};
        zk_runtime_t *lane = NULL;

        assert_int_equal(
            zk_runtime_open(&lane,
                            ZK_OPTIONS(.workers = 3, .slab_bytes = 4 * MIB,
                                       .bind = wanted[i], .notice = work_hear,
                                       .notice_arg = &said)),
            ZK_OK);
        assert_int_equal(test_info(lane).bind, wanted[i]);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_true(work_all(lane));
        assert_int_equal(zk_runtime_leave(), ZK_OK);
        assert_true(work_all(lane));
        if (binds.refused == 0) { /* a flat topology does not ask hwloc */
            assert_int_equal(zk_runtime_close(lane), ZK_OK);
            skip();
        }
        assert_int_equal(test_info(lane).bind, ZK_BIND_NONE);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(said.lines, 1);
        assert_non_null(strstr(said.last, "refuses to bind"));
    }
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

int
main(void)
{
#define refused_test(test) cmocka_unit_test_teardown(test, refuse_nothing)
    const struct CMUnitTest tests[] = {
        refused_test(test_each_mapping_may_be_refused_and_none_is_lost),
        refused_test(test_a_lane_without_any_arena_says_so_and_computes),
        refused_test(
            test_pages_that_are_refused_come_from_the_heap_and_are_counted),
        refused_test(test_each_commit_may_be_refused_alone),
        refused_test(test_refused_advice_changes_nothing),
        refused_test(
            test_each_thread_may_be_refused_and_the_others_do_its_work),
        refused_test(
            test_without_any_thread_submitted_work_is_done_by_who_waits),
        refused_test(test_a_refused_binding_is_said_once_and_shown),
    };

    test_clean_environment();
    work_begin();
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
