/*
 * warm_test.c - memory is in place before the first phase, where somebody asked
 * for it, and nothing is waited for or lost on the way.
 *
 * Page faults are counted by the kernel; slabs are on base pages, so that there
 * are many to be missed.
 */
#include "tests/runtime/rt.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "alloc/os.h"
#include "alloc/proc.h"
#include "alloc/word.h"
#include "runtime/lane.h"
#include "runtime/learn.h"

#define SLAB (64 * MIB)

/* ---- a system that does not give ---------------------------------------------- */

static struct {
    int populate;     /* errno of MADV_POPULATE_WRITE; 0: as it is */
    size_t available; /* memory; 0: as it is */
    bool threads;     /* none are started */
    bool near;        /* every slot is on a node of its own */
} refuse;

int __real_madvise(void *p, size_t n, int advice);
int __wrap_madvise(void *p, size_t n, int advice);
size_t __real_zk__proc_available(void);
size_t __wrap_zk__proc_available(void);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a,
                          void *(*fn)(void *), void *arg);

int
__wrap_madvise(void *p, size_t n, int advice)
{
    if (advice == 23 && refuse.populate != 0) {
        errno = refuse.populate;
        return -1;
    }
    return __real_madvise(p, n, advice);
}

size_t
__wrap_zk__proc_available(void)
{
    return refuse.available != 0 ? refuse.available
                                 : __real_zk__proc_available();
}

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *a,
                      void *(*fn)(void *), void *arg)
{
    return refuse.threads ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}

unsigned __real_zk__topology_distance(const struct zk_topology *t, unsigned a,
                                      unsigned b);
unsigned __wrap_zk__topology_distance(const struct zk_topology *t, unsigned a,
                                      unsigned b);

unsigned
__wrap_zk__topology_distance(const struct zk_topology *t, unsigned a,
                             unsigned b)
{
    return refuse.near ? 2 : __real_zk__topology_distance(t, a, b);
}

/* ---- lanes ------------------------------------------------------------------------ */

static struct {
    unsigned lines;
    char last[400];
} said;

static void
hear(const char *message, void *arg)
{
    (void)arg;
    said.lines++;
    snprintf(said.last, sizeof said.last, "%s", message);
}

static char file[64];

static zk_runtime_t *
lane_with(unsigned workers, size_t prefault, enum zk_huge huge)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(
            &lane,
            ZK_OPTIONS(.workers = workers, .spare_slots = 4, .slab_bytes = SLAB,
                       .bind = ZK_BIND_NONE, .hugepages = huge, .notice = hear,
                       .prefault_bytes = prefault,
                       .learn_file = prefault == SIZE_MAX ? file : NULL)) !=
        ZK_OK)
        return NULL;
    return lane;
}

static int
setup(void **state)
{
    (void)state;
    memset(&refuse, 0, sizeof refuse);
    memset(&said, 0, sizeof said);
    strcpy(file, "/tmp/zkrt-warm-XXXXXX");
    close(mkstemp(file));
    return unlink(file);
}

static int
teardown(void **state)
{
    (void)state;
    unlink(file);
    return 0;
}

static long
faults(void)
{
    struct rusage use;

    return getrusage(RUSAGE_SELF, &use) == 0 ? use.ru_minflt : -1000000;
}

static void
touch(char *p, size_t n)
{
    for (size_t i = 0; p != NULL && i < n; i += 4096)
        ((volatile char *)p)[i] = 1;
}

struct work {
    size_t opener, worker; /* bytes to touch */
    long faults;
    bool right;
};

static int
work_of_task(void *arg)
{
    const struct work *w = arg;
    char *p = zk_malloc(w->worker);

    touch(p, w->worker);
    return p != NULL && zk_in_arena(p) ? 0 : 1;
}

/* A phase of the caller and one worker; the faults of both. */
static struct work
one_phase(zk_runtime_t *lane, const char *name, size_t opener, size_t worker)
{
    struct work w = {opener, worker, 0, true};
    char *p;

    if (zk_phase_begin_on(lane, name) != ZK_OK)
        return (struct work){.right = false};
    w.faults = faults(); /* begin is no part of it: it has waited */
    p = zk_malloc(opener);
    touch(p, opener);
    if (worker != 0)
        w.right = test_run_on_worker(work_of_task, &w) == 0;
    w.faults = faults() - w.faults;
    w.right = w.right && p != NULL && zk_in_arena(p);
    w.right = zk_phase_end() == ZK_OK && w.right;
    return w;
}

#define FEW 64 /* stacks, code, and the records of the lane */

/* ---- bytes ---------------------------------------------------------------------------- */

static void
test_first_phase_meets_its_pages(void **state)
{
    zk_runtime_t *lane = lane_with(2, 32 * MIB, ZK_HUGE_NEVER);
    struct work w;

    (void)state;
    assert_non_null(lane);
    w = one_phase(lane, "first", 30 * MIB, 20 * MIB);
    assert_true(w.right);
    printf("%ld faults in a first phase of 50 MiB\n", w.faults);
    if (!TEST_SANITIZED)
        assert_in_range(w.faults, 0, FEW);
    assert_int_equal(test_stats(lane).prefaulted, 64 * MIB);
    assert_int_equal(test_info(lane).prefault_bytes, 32 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);

    lane = lane_with(2, 0, ZK_HUGE_NEVER); /* the count sees what is missing */
    w = one_phase(lane, "first", 30 * MIB, 20 * MIB);
    assert_true(w.right && w.faults >= 12800);
    assert_int_equal(test_stats(lane).prefaulted, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Without being asked a lane starts nothing; asked, it starts before any work. */
static void
test_workers_start_with_the_lane_only_where_there_is_something_to_do(
    void **state)
{
    zk_runtime_t *lane = lane_with(3, 0, ZK_HUGE_NEVER);

    (void)state;
    assert_int_equal(test_info(lane).threads, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    lane = lane_with(3, 4 * MIB, ZK_HUGE_NEVER);
    assert_int_equal(test_info(lane).threads, 2);
    for (int i = 0; i < 20000 && test_stats(lane).prefaulted < 12 * MIB; i++)
        usleep(1000); /* nobody has entered: they do it all */
    assert_int_equal(test_stats(lane).prefaulted, 12 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_single_worker_does_it_at_its_first_begin(void **state)
{
    zk_runtime_t *lane = lane_with(1, 24 * MIB, ZK_HUGE_NEVER);
    struct work w;

    (void)state;
    assert_int_equal(test_stats(lane).prefaulted, 0);
    w = one_phase(lane, "first", 24 * MIB, 0);
    assert_true(w.right);
    if (!TEST_SANITIZED)
        assert_in_range(w.faults, 0, FEW);
    assert_int_equal(test_stats(lane).prefaulted, 24 * MIB);
    assert_int_equal(test_info(lane).threads, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_begin_does_the_work_of_threads_that_were_refused(void **state)
{
    zk_runtime_t *lane;
    struct work w;

    (void)state;
    refuse.threads = true;
    lane = lane_with(4, 8 * MIB, ZK_HUGE_NEVER);
    refuse.threads = false;
    assert_non_null(lane);
    w = one_phase(lane, "first", 8 * MIB, 0);
    assert_true(w.right);
    assert_int_equal(test_stats(lane).prefaulted, 32 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* What is asked for is cut to a slab, and never more than half of what is left. */
static void
test_no_more_is_populated_than_there_is(void **state)
{
    zk_runtime_t *lane = lane_with(2, GIB, ZK_HUGE_NEVER);
    size_t done;

    (void)state;
    assert_true(one_phase(lane, "first", MIB, 0).right);
    done = test_stats(lane).prefaulted;
    assert_in_range(done, 2 * SLAB - 64 * KIB, 2 * SLAB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);

    refuse.available = 40 * MIB;
    lane = lane_with(2, 32 * MIB, ZK_HUGE_NEVER);
    assert_true(one_phase(lane, "first", MIB, 0).right);
    done = test_stats(lane).prefaulted;
    assert_in_range(done, 16 * MIB, 20 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    refuse.available = 1; /* nothing at all */
    lane = lane_with(2, 32 * MIB, ZK_HUGE_NEVER);
    assert_true(one_phase(lane, "first", MIB, 0).right);
    assert_int_equal(test_stats(lane).prefaulted, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_old_kernel_has_its_pages_touched(void **state)
{
    zk_runtime_t *lane;
    struct work w;

    (void)state;
    refuse.populate = EINVAL;
    lane = lane_with(2, 16 * MIB, ZK_HUGE_NEVER);
    w = one_phase(lane, "first", 16 * MIB, 16 * MIB);
    assert_true(w.right);
    if (!TEST_SANITIZED)
        assert_in_range(w.faults, 0, FEW);
    assert_int_equal(test_stats(lane).prefaulted, 32 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_refusal_ends_it_and_the_phase_begins(void **state)
{
    zk_runtime_t *lane;

    (void)state;
    refuse.populate = ENOMEM;
    lane = lane_with(2, 48 * MIB, ZK_HUGE_NEVER);
    assert_true(one_phase(lane, "first", 4 * MIB, 4 * MIB).right);
    assert_int_equal(test_stats(lane).prefaulted, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_populated_memory_is_zero_and_known_to_be(void **state)
{
    zk_runtime_t *lane = lane_with(2, 16 * MIB, ZK_HUGE_NEVER);
    char *p;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "first"), ZK_OK);
    p = zk_calloc(1, 12 * MIB);
    assert_true(test_all_zero(p, 12 * MIB));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Lanes that close at once, and phases that begin at once. */
static void
test_nobody_waits_for_ever(void **state)
{
    (void)state;
    for (unsigned i = 0; i < test_scaled(60); i++) {
        zk_runtime_t *lane = lane_with(1 + i % 4, 20 * MIB, ZK_HUGE_NEVER);

        if (i % 3 == 0)
            assert_true(one_phase(lane, "first", 4 * MIB, 0).right);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static void *
prove(void *lane)
{
    return one_phase(lane, "other", 4 * MIB, 0).right ? lane : NULL;
}

/* The first arena is one opener's; the others have theirs without delay. */
static void
test_several_openers_begin_at_once(void **state)
{
    zk_runtime_t *lane = lane_with(2, 16 * MIB, ZK_HUGE_NEVER);
    pthread_t thread[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, prove, lane), 0);
    for (int i = 0; i < 3; i++) {
        void *right;

        pthread_join(thread[i], &right);
        assert_non_null(right);
    }
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* Slot 0 is nobody's, or that of a thread that begins nothing; and no worker is
 * near enough to help there. */
static void
test_opener_in_another_slot_does_what_is_left_of_the_first(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        zk_runtime_t *lane;
        pthread_t thread;
        void *right;

        refuse.near = true;
        lane = lane_with(workers, 24 * MIB, ZK_HUGE_NEVER);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(zk_slot(), 0);
        assert_int_equal(pthread_create(&thread, NULL, prove, lane), 0);
        pthread_join(thread, &right);
        assert_non_null(right);
        assert_int_equal(test_stats(lane).prefaulted, workers * 24 * MIB);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static int
child_of_a_lane(void *lane)
{
    CHILD_CHECK(zk_phase_begin_on(lane, "child") == ZK_OK);
    touch(zk_malloc(2 * MIB), 2 * MIB);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    return 0;
}

/* While the parent's workers are at it. */
static void
test_child_of_fork_does_not_wait_for_the_parents_workers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        zk_runtime_t *lane = lane_with(3, 48 * MIB, ZK_HUGE_NEVER);
        struct test_child child = test_in_child(child_of_a_lane, lane);

        if (child.code != 0)
            print_error("%s", child.err);
        assert_int_equal(child.code, 0);
        assert_true(one_phase(lane, "parent", 4 * MIB, 0).right);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
    }
}

static int
fill_secretly(void *arg)
{
    char *p = zk_malloc(8 * MIB);

    (void)arg;
    if (p == NULL || !zk_in_arena(p))
        return 1;
    test_fill(p, 8 * MIB, 7);
    return test_holds(p, 8 * MIB, 7) ? 0 : 2;
}

static void
test_secret_phase_may_be_the_first(void **state)
{
    zk_runtime_t *lane = lane_with(2, 16 * MIB, ZK_HUGE_NEVER);

    (void)state;
    assert_int_equal(
        zk_runtime_phase_ex(lane, "secret",
                            ZK_PHASE_OPTIONS(.flags = ZK_PHASE_SECRET),
                            fill_secretly, NULL),
        ZK_OK);
    assert_true(one_phase(lane, "open", 16 * MIB, 4 * MIB).right);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* What is populated is charged, never over the budget, and given back. */
static void
test_budget_is_kept_and_serves_the_phase(void **state)
{
    zk_runtime_t *lane = NULL;
    size_t done;

    (void)state;
    assert_int_equal(
        zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .slab_bytes = SLAB,
                                          .bind = ZK_BIND_NONE, .notice = hear,
                                          .hugepages = ZK_HUGE_NEVER,
                                          .prefault_bytes = 48 * MIB,
                                          .budget_bytes = 60 * MIB)),
        ZK_OK);
    assert_true(test_stats(lane).budget_charged <= 60 * MIB);
    for (int i = 0; i < 3; i++) {
        assert_true(one_phase(lane, "p", 20 * MIB, 20 * MIB).right);
        done = test_stats(lane).prefaulted;
        assert_in_range(done, 48 * MIB, 60 * MIB);
        assert_true(test_stats(lane).budget_charged >= 40 * MIB);
        assert_true(test_stats(lane).budget_charged <= 60 * MIB);
    }
    assert_int_equal(test_stats(lane).budget_refusals, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);

    lane = lane_with(1, 0, ZK_HUGE_NEVER);
    assert_int_equal(test_stats(lane).budget_charged, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- learn ---------------------------------------------------------------------------- */

static void
test_second_run_meets_the_pages_of_the_first(void **state)
{
    zk_runtime_t *lane = lane_with(2, SIZE_MAX, ZK_HUGE_NEVER);
    struct zk_learn l;
    const char *why;
    struct work w;

    (void)state;
    assert_int_equal(test_stats(lane).prefaulted, 0);
    assert_int_equal(test_info(lane).threads, 0); /* nothing is known yet */
    w = one_phase(lane, "commit", 20 * MIB, 10 * MIB);
    assert_true(w.right && w.faults >= 7680);
    assert_true(one_phase(lane, "open", 2 * MIB, 12 * MIB).right);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);

    assert_int_equal(zk__learn_read(file, &l, &why), ZK_LEARN_READ);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.workers, 2);
    assert_string_equal(l.phase[0].name, "commit");
    assert_int_equal(l.phase[0].opener, 20 * MIB);
    assert_int_equal(l.phase[0].other, 10 * MIB);
    assert_int_equal(l.phase[1].other, 12 * MIB);

    lane = lane_with(2, SIZE_MAX, ZK_HUGE_NEVER);
    w = one_phase(lane, "commit", 20 * MIB, 10 * MIB);
    assert_true(w.right);
    printf("%ld faults in the first phase of the second run\n", w.faults);
    if (!TEST_SANITIZED)
        assert_in_range(w.faults, 0, FEW);
    assert_int_equal(test_stats(lane).prefaulted, 32 * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(said.lines, 0);
}

/* Written when it was learnt: a process that is killed has not lost it. */
static int
learn_and_die(void *arg)
{
    zk_runtime_t *lane = lane_with(2, SIZE_MAX, ZK_HUGE_NEVER);

    (void)arg;
    CHILD_CHECK(lane != NULL);
    CHILD_CHECK(one_phase(lane, "proof", 9 * MIB, 0).right);
    raise(SIGKILL);
    return 1;
}

static void
test_killed_process_has_written_what_it_learnt(void **state)
{
    struct zk_learn l;
    const char *why;

    (void)state;
    assert_int_equal(test_in_child(learn_and_die, NULL).signal, SIGKILL);
    assert_int_equal(zk__learn_read(file, &l, &why), ZK_LEARN_READ);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.phase[0].opener, 9 * MIB);
}

/* The file says what the last run used, not the largest one ever. */
static void
test_file_is_the_last_runs(void **state)
{
    struct zk_learn l;
    const char *why;

    (void)state;
    for (size_t n = 3; n > 0; n--) {
        zk_runtime_t *lane = lane_with(2, SIZE_MAX, ZK_HUGE_NEVER);

        for (int i = 0; i < 5; i++)
            assert_true(one_phase(lane, "p", n * 8 * MIB, 0).right);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        assert_int_equal(zk__learn_read(file, &l, &why), ZK_LEARN_READ);
        assert_int_equal(l.count, 1);
        assert_int_equal(l.phase[0].opener, n * 8 * MIB);
    }
    assert_int_equal(zk_runtime_close(lane_with(2, SIZE_MAX, ZK_HUGE_NEVER)),
                     ZK_OK); /* a run without a phase says nothing */
    assert_int_equal(zk__learn_read(file, &l, &why), ZK_LEARN_READ);
    assert_int_equal(l.count, 1);
}

static void
store(const char *bytes, size_t n)
{
    FILE *f = fopen(file, "wb");

    if (f != NULL) {
        fwrite(bytes, 1, n, f);
        fclose(f);
    }
}

static void
test_damaged_file_is_named_once_and_replaced(void **state)
{
    zk_runtime_t *lane;
    struct zk_learn l;
    const char *why;

    (void)state;
    store("zkrtlrn\nnonsense that is longer than a header", 45);
    lane = lane_with(2, SIZE_MAX, ZK_HUGE_NEVER);
    assert_int_equal(said.lines, 1);
    assert_non_null(strstr(said.last, file));
    assert_non_null(strstr(said.last, "will be replaced"));
    assert_true(one_phase(lane, "p", 8 * MIB, 0).right);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(said.lines, 1);
    assert_int_equal(zk__learn_read(file, &l, &why), ZK_LEARN_READ);
    assert_int_equal(l.phase[0].opener, 8 * MIB);
}

static void
test_named_file_that_is_something_else_stays_as_it_is(void **state)
{
    static const char text[] = "My thesis. It has no other copy.\n";
    char now[64] = "";
    zk_runtime_t *lane;
    FILE *f;

    (void)state;
    store(text, sizeof text);
    lane = lane_with(2, SIZE_MAX, ZK_HUGE_NEVER);
    assert_int_equal(said.lines, 1);
    assert_null(strstr(said.last, "replaced"));
    assert_true(one_phase(lane, "p", 8 * MIB, 0).right);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    f = fopen(file, "rb");
    assert_non_null(f);
    assert_int_equal(fread(now, 1, sizeof now, f), sizeof text);
    fclose(f);
    assert_memory_equal(now, text, sizeof text);
    assert_int_equal(said.lines, 1);
}

static void
test_place_that_cannot_be_written_is_named_once(void **state)
{
    zk_runtime_t *lane = NULL;

    (void)state;
    assert_int_equal(
        zk_runtime_open(&lane,
                        ZK_OPTIONS(.workers = 2, .slab_bytes = SLAB,
                                   .notice = hear, .prefault_bytes = SIZE_MAX,
                                   .learn_file = "/proc/self/zkrt/learnt")),
        ZK_OK);
    assert_int_equal(said.lines, 0);
    for (size_t i = 1; i < 6; i++)
        assert_true(one_phase(lane, "p", i * 4 * MIB, 0).right);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    assert_int_equal(said.lines, 1);
    assert_non_null(strstr(said.last, "nothing is learnt for the next run"));
}

/* What was small stays on base pages, what was large has huge ones at once. */
static void
test_learnt_sizes_choose_the_pages(void **state)
{
    zk_huge_info_t info = {.size = sizeof info};

    (void)state;
    assert_int_equal(zk_huge_info(&info), ZK_OK);
    for (size_t n = 128 * KIB; n <= 8 * MIB; n *= 64) {
        zk_runtime_t *lane = lane_with(2, SIZE_MAX, ZK_HUGE_AUTO);
        zk_phase_pages_t pages = {.size = sizeof pages};

        assert_true(one_phase(lane, "p", n, n).right);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        lane = lane_with(2, SIZE_MAX, ZK_HUGE_AUTO);
        assert_true(one_phase(lane, "p", n, n).right);
        assert_int_equal(zk_runtime_enter(lane), ZK_OK);
        assert_int_equal(zk_phase_pages(&pages), ZK_OK);
        if (n < MIB)
            assert_int_equal(pages.huge_bytes, 0);
        else if (info.pays && zk_huge_info(&info) == ZK_OK &&
                 info.last_base_ns == 0) /* else not all was to be huge */
            assert_int_equal(pages.huge_bytes + pages.fallbacks * 2 * MIB,
                             2 * n);
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        unlink(file);
    }
}

/* More workers share the same work. */
static void
test_more_workers_than_last_time_have_less_each(void **state)
{
    struct zk_learn l = {.count = 1, .workers = 2};
    zk_runtime_t *lane;

    (void)state;
    strcpy(l.phase[0].name, "p");
    l.phase[0].opener = 4 * MIB;
    l.phase[0].other = 16 * MIB;
    assert_null(zk__learn_write(file, &l));
    lane = lane_with(4, SIZE_MAX, ZK_HUGE_NEVER);
    assert_true(one_phase(lane, "p", MIB, 0).right);
    assert_int_equal(test_stats(lane).prefaulted, (4 + 3 * 8) * MIB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* A file can ask for anything: a slab is the most it gets. */
static void
test_absurd_sizes_are_cut_to_a_slab(void **state)
{
    struct zk_learn l = {.count = 1, .workers = 0};
    zk_runtime_t *lane;

    (void)state;
    l.phase[0].opener = UINT64_MAX;
    l.phase[0].other = 1;
    assert_null(zk__learn_write(file, &l));
    refuse.available = (size_t)1 << 50;
    lane = lane_with(2, SIZE_MAX, ZK_HUGE_NEVER);
    assert_true(one_phase(lane, "p", MIB, 0).right);
    assert_in_range(test_stats(lane).prefaulted, SLAB - 64 * KIB, SLAB);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

#define warm_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        warm_test(test_first_phase_meets_its_pages),
        warm_test(
            test_workers_start_with_the_lane_only_where_there_is_something_to_do),
        warm_test(test_single_worker_does_it_at_its_first_begin),
        warm_test(test_begin_does_the_work_of_threads_that_were_refused),
        warm_test(test_no_more_is_populated_than_there_is),
        warm_test(test_old_kernel_has_its_pages_touched),
        warm_test(test_refusal_ends_it_and_the_phase_begins),
        warm_test(test_populated_memory_is_zero_and_known_to_be),
        warm_test(test_nobody_waits_for_ever),
        warm_test(test_several_openers_begin_at_once),
        warm_test(test_opener_in_another_slot_does_what_is_left_of_the_first),
        warm_test(test_child_of_fork_does_not_wait_for_the_parents_workers),
        warm_test(test_secret_phase_may_be_the_first),
        warm_test(test_budget_is_kept_and_serves_the_phase),
        warm_test(test_second_run_meets_the_pages_of_the_first),
        warm_test(test_killed_process_has_written_what_it_learnt),
        warm_test(test_file_is_the_last_runs),
        warm_test(test_damaged_file_is_named_once_and_replaced),
        warm_test(test_named_file_that_is_something_else_stays_as_it_is),
        warm_test(test_place_that_cannot_be_written_is_named_once),
        warm_test(test_learnt_sizes_choose_the_pages),
        warm_test(test_more_workers_than_last_time_have_less_each),
        warm_test(test_absurd_sizes_are_cut_to_a_slab),
    };

    test_clean_environment();
    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
