/*
 * trap_test.c - stale pointers: caught, named, handed on; and slabs that move.
 *
 * The tests that catch many put a handler of their own in place before the lane
 * opens. zkrt's reports to stderr, which is a file here, and hands on; ours jumps
 * back into the test.
 */
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "alloc/arena.h"
#include "private/atomic.h"
#include "tests/alloc/arenas.h"
#include "tests/support.h"

/* AddressSanitizer speaks first, and ends the process. */
#define SKIP_UNDER_ASAN() \
    do {                  \
        if (TEST_ASAN)    \
            skip();       \
    } while (0)

static char notices[4096];

static void
keep_notice(const char *message, void *arg)
{
    size_t n = strlen(notices);

    (void)arg;
    snprintf(notices + n, sizeof notices - n, "%s\n", message);
}

static zk_runtime_t *
lane_with(enum zk_trap trap)
{
    zk_runtime_t *lane = NULL;

    notices[0] = '\0';
    if (zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .spare_slots = 2,
                                          .slab_bytes = 16 * MIB,
                                          .bind = ZK_BIND_NONE, .trap = trap,
                                          .notice = keep_notice)) != ZK_OK)
        return NULL;
    return lane;
}

/* ---- a pointer of an earlier phase ----------------------------------------- */

#define KEPT 4000 /* where in its block the kept pointer points to */

static char *
allocate(void)
{
    char *p = zk_malloc(10000);

    if (p != NULL)
        memset(p, 1, 10000);
    return p;
}

static int
allocate_in_task(void *arg)
{
    *(char **)arg = allocate();
    return 0;
}

/* A pointer that dies, kept over `phases` begins. NULL: something failed. */
static char *
keep_over(zk_runtime_t *lane, unsigned phases, bool on_worker)
{
    char name[32], *p = NULL;

    for (unsigned i = 0; i <= phases; i++) {
        snprintf(name, sizeof name, "phase %u", i);
        if (zk_phase_begin_on(lane, name) != ZK_OK)
            return NULL;
        if (i == 0 && on_worker)
            (void)!test_run_on_worker(allocate_in_task, &p);
        else if (i == 0)
            p = allocate();
        else
            (void)!allocate();
        if (on_worker && i != 0) {
            char *other;

            (void)!test_run_on_worker(allocate_in_task, &other);
        }
        if (i < phases && zk_phase_end() != ZK_OK)
            return NULL;
    }
    return p != NULL ? p + KEPT : NULL;
}

/* ---- catching ---------------------------------------------------------------- */

static _Thread_local sigjmp_buf after_fault;
static _Thread_local volatile sig_atomic_t expected;
static void *volatile fault_address;

static void
jump_back(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (!expected) {
        signal(sig, SIG_DFL);
        return;
    }
    fault_address = info->si_addr;
    siglongjmp(after_fault, 1);
}

struct catch
{
    char *volatile p;
    bool write;
    bool caught;
};

static void *
touch(void *arg)
{
    struct catch *c = arg;

    c->caught = false;
    expected = 1;
    if (sigsetjmp(after_fault, 1) == 0) {
        if (c->write)
            *(volatile char *)c->p = 1;
        else
            (void)*(volatile char *)c->p;
    } else {
        c->caught = fault_address == c->p;
    }
    expected = 0;
    return NULL;
}

static int
touch_in_task(void *arg)
{
    touch(arg);
    return 0;
}

static void *
touch_in_thread(void *arg)
{
    static char stack[256 << 10];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack}, none;

    sigaltstack(&own, &none); /* one thread of two has its own stack */
    touch(arg);
    sigaltstack(&none, NULL);
    return NULL;
}

enum toucher { OPENER, WORKER, STRANGER, TOUCHERS };

static bool
touch_by(enum toucher who, struct catch *c)
{
    pthread_t thread;

    if (who == OPENER)
        touch(c);
    else if (who == WORKER)
        (void)!test_run_on_worker(touch_in_task, c);
    else if (pthread_create(&thread, NULL, touch_in_thread, c) == 0)
        pthread_join(thread, NULL);
    return c->caught;
}

/* stderr, for what zkrt writes there. */
static int
stderr_to_file(void)
{
    int old = dup(STDERR_FILENO);
    FILE *f = tmpfile();

    fflush(stderr);
    if (f == NULL || dup2(fileno(f), STDERR_FILENO) < 0)
        return -1;
    fclose(f);
    return old;
}

static void
stderr_back(int old)
{
    dup2(old, STDERR_FILENO);
    close(old);
}

/* What was written there since the last call. */
static const char *
said(void)
{
    static char text[2048];
    ssize_t n;

    n = pread(STDERR_FILENO, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    if (ftruncate(STDERR_FILENO, 0) != 0)
        text[0] = '\0';
    lseek(STDERR_FILENO, 0, SEEK_SET);
    return text;
}

/* The names in a report: who, when, and what runs now. */
static bool
names_are_right(const char *report, const struct catch *c, unsigned slot,
                uint64_t epoch, unsigned phases)
{
    char want[200];

    snprintf(want, sizeof want, "zkrt: %s%p, a stale pointer: slot %u of lane ",
             c->write ? "write to " : "read of ", (void *)c->p, slot);
    if (strncmp(report, want, strlen(want)) != 0)
        return false;
    snprintf(want, sizeof want,
             " had it in phase \"phase 0\" (epoch %llu); now runs phase "
             "\"phase %u\" (epoch %llu); by thread ",
             (unsigned long long)(epoch - phases), phases,
             (unsigned long long)epoch);
    return strstr(report, want) != NULL &&
           strchr(report, '\n') == strrchr(report, '\n');
}

/* Issue: 1000 of 1000, in each of these ways. B12, B15. */
static void
test_each_stale_access_is_caught_and_named(void **state)
{
    static const unsigned distances[] = {1, 3, 60};
    const unsigned n = test_scaled(1000) / 10 * 10 + 10;
    struct sigaction ours = {.sa_sigaction = jump_back,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK};
    zk_runtime_t *lane;
    unsigned caught = 0, named = 0, tried = 0;
    int old;

    (void)state;
    SKIP_UNDER_ASAN();
    sigemptyset(&ours.sa_mask);
    sigaction(SIGSEGV, &ours, NULL);
    lane = lane_with(ZK_TRAP_ON);
    assert_non_null(lane);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    assert_true(test_info(lane).trap_phases >= 60);
    old = stderr_to_file();
    assert_true(old >= 0);

    for (size_t d = 0; d < 3; d++)
        for (int who = 0; who < TOUCHERS; who++)
            for (int write = 0; write <= 1; write++)
                for (unsigned i = 0; i < n / (d == 2 ? 10 : 1); i++) {
                    bool on_worker = i % 2 == 1;
                    struct catch c = {
                        .p = keep_over(lane, distances[d], on_worker),
                        .write = write != 0};

                    tried++;
                    if (c.p == NULL)
                        break;
                    caught += touch_by((enum toucher)who, &c);
                    named +=
                        names_are_right(said(), &c, on_worker,
                                        test_phase_stats().epoch, distances[d]);
                    (void)!zk_phase_end();
                }
    stderr_back(old);
    assert_int_equal(caught, tried);
    assert_int_equal(named, tried);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
    signal(SIGSEGV, SIG_DFL);
}

/* ---- through calls ------------------------------------------------------------- */

/* Z11, B12 */
static void
test_stale_pointers_in_calls_are_told_and_not_obeyed(void **state)
{
    static const char *const calls[] = {"zk_free", "zk_realloc",
                                        "zk_usable_size"};
    zk_runtime_t *lane = lane_with(ZK_TRAP_ON);
    unsigned told = 0;

    (void)state;
    assert_non_null(lane);
    assert_int_equal(zk_runtime_enter(lane), ZK_OK);
    for (unsigned i = 0; i < 999; i++) {
        char want[100], *p = keep_over(lane, 1 + i % 60, false);
        char *live = zk_malloc(10000);

        assert_non_null(p);
        p -= KEPT;
        test_fill(live, 10000, i);
        notices[0] = '\0';
        if (i % 3 == 0) {
            zk_free(p);
        } else if (i % 3 == 1) {
            assert_null(zk_realloc(p, 20000));
        } else {
            assert_int_equal(zk_usable_size(p), 0);
        }
        snprintf(want, sizeof want, "%s of %p, a stale pointer: slot 0 of ",
                 calls[i % 3], (void *)p);
        told += strncmp(notices, want, strlen(want)) == 0 &&
                strstr(notices, " had it in phase \"phase 0\" (") != NULL;
        assert_true(test_holds(live, 10000, i));
        assert_int_equal(zk_phase_end(), ZK_OK);
    }
    assert_int_equal(told, 999);
    assert_int_equal(test_stats(lane).stale_calls, 999);
    assert_int_equal(test_stats(lane).bad_frees, 666);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
free_stale_500_times(void *arg)
{
    zk_runtime_t *lane = NULL;
    char *p;

    (void)arg;
    CHILD_CHECK(zk_runtime_open(
                    &lane, ZK_OPTIONS(.workers = 1, .slab_bytes = 16 * MIB)) ==
                ZK_OK);
    p = keep_over(lane, 1, false);
    CHILD_CHECK(p != NULL);
    for (int i = 0; i < 500; i++)
        zk_free(p + i);
    CHILD_CHECK(test_stats(lane).stale_calls == 500);
    return 0;
}

/* Without a hook they are told on stderr: once each, and not for ever. */
static void
test_stale_pointers_in_calls_do_not_flood_stderr(void **state)
{
    struct test_child child = test_in_child(free_stale_500_times, NULL);
    unsigned lines = 0;

    (void)state;
    assert_true(child.exited && child.code == 0);
    for (const char *c = child.err; *c != '\0'; c++)
        lines += *c == '\n';
    assert_true(lines >= 1 && lines <= 64);
}

/* Between the end and the next begin a free is a matter of course. */
static void
test_frees_after_the_end_are_fine_until_the_next_begin(void **state)
{
    zk_runtime_t *lane = lane_with(ZK_TRAP_ON);
    char *p;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "a"), ZK_OK);
    p = allocate();
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(p[5000], 1);
    zk_free(p);
    assert_int_equal(test_stats(lane).stale_calls, 0);
    assert_int_equal(test_stats(lane).bad_frees, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* ---- who gets the signal ---------------------------------------------------------- */

static int
read_stale(void *arg)
{
    zk_runtime_t *lane = lane_with(ZK_TRAP_ON);
    char *p = keep_over(lane, 1, false);

    (void)arg;
    return p == NULL ? 1 : *(volatile char *)p;
}

static void
test_default_action_follows_the_report(void **state)
{
    struct test_child child = test_in_child(read_stale, NULL);

    (void)state;
    if (TEST_ASAN)
        assert_true(child.exited && child.code != 0);
    else if (!TEST_TSAN) /* whose own handler ends the process */
        assert_int_equal(child.signal, SIGSEGV);
    assert_non_null(strstr(child.err, "a stale pointer: slot 0 of lane"));
    assert_non_null(strstr(child.err, "phase \"phase 0\""));
}

static void
leave_with_7(int sig)
{
    (void)sig;
    _exit(7);
}

static int
read_stale_with_handler(void *arg)
{
    signal(SIGSEGV, leave_with_7);
    return read_stale(arg);
}

static void
test_previous_handler_gets_the_signal(void **state)
{
    struct test_child child;

    (void)state;
    SKIP_UNDER_ASAN();
    child = test_in_child(read_stale_with_handler, NULL);
    assert_true(child.exited);
    assert_int_equal(child.code, 7);
    assert_non_null(strstr(child.err, "a stale pointer"));
}

static char *volatile nowhere = (char *)64;

static int
read_null(void *arg)
{
    zk_runtime_t *lane = lane_with(ZK_TRAP_ON);

    (void)arg;
    if (lane == NULL || keep_over(lane, 1, false) == NULL)
        return 1;
    return *(volatile char *)nowhere;
}

static void
test_other_faults_are_none_of_our_business(void **state)
{
    struct test_child child;

    (void)state;
    child = test_in_child(read_null, NULL);
    assert_false(child.exited && child.code == 0);
    assert_null(strstr(child.err, "zkrt:"));
}

static int
be_sent_the_signal(void *arg)
{
    zk_runtime_t *lane = lane_with(ZK_TRAP_ON);

    (void)arg;
    if (lane == NULL)
        return 1;
    raise(SIGSEGV);
    return 0;
}

static void
test_signal_that_somebody_sent_still_kills(void **state)
{
    struct test_child child = test_in_child(be_sent_the_signal, NULL);

    (void)state;
    if (!TEST_SANITIZED)
        assert_int_equal(child.signal, SIGSEGV);
    assert_false(child.exited && child.code == 0);
}

static void
leave_with_8(int sig)
{
    (void)sig;
    _exit(8);
}

static int
close_gives_the_handler_back(void *arg)
{
    struct sigaction now;
    zk_runtime_t *lane;

    (void)arg;
    signal(SIGSEGV, leave_with_7);
    for (int i = 0; i < 3; i++) {
        lane = lane_with(ZK_TRAP_ON);
        CHILD_CHECK(lane != NULL);
        sigaction(SIGSEGV, NULL, &now);
        CHILD_CHECK((now.sa_flags & SA_SIGINFO) != 0);
        CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
        sigaction(SIGSEGV, NULL, &now);
        CHILD_CHECK(now.sa_handler == leave_with_7);
    }
    lane = lane_with(ZK_TRAP_OFF);
    sigaction(SIGSEGV, NULL, &now);
    CHILD_CHECK(now.sa_handler == leave_with_7);

    /* One that comes later stays in front; zkrt neither removes it nor goes
     * ahead of it. */
    lane = lane_with(ZK_TRAP_ON);
    signal(SIGSEGV, SIG_IGN);
    signal(SIGSEGV, leave_with_8);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    CHILD_CHECK(lane_with(ZK_TRAP_ON) != NULL);
    sigaction(SIGSEGV, NULL, &now);
    CHILD_CHECK(now.sa_handler == leave_with_8);
    return 0;
}

static void
test_handler_comes_with_the_lane_and_goes_with_it(void **state)
{
    (void)state;
    assert_true(test_child_succeeds(close_gives_the_handler_back, NULL));
}

/* ---- moving -------------------------------------------------------------------------- */

static void
test_slab_moves_around_its_sites_and_keeps_its_pages(void **state)
{
    size_t bytes = 4 * MIB;
    struct zk_arena *a = test_arena(3, &bytes, ZK_HUGE_NEVER, ZK_TRAP_ON);
    struct zk_slab *s;
    char *first = NULL, *before = NULL;
    struct rusage usage[2];

    (void)state;
    assert_non_null(a);
    assert_int_equal(a->nsites, ZK_SITES_MAX);
    s = zk__arena_slab(a, 1);
    for (unsigned i = 0; i <= ZK_SITES_MAX; i++) {
        char *p;

        if (i == 1)
            getrusage(RUSAGE_SELF, &usage[0]);
        zk__arena_reset(a, "test");
        p = zk__slab_alloc(s, MIB, 64);
        assert_non_null(p);
        memset(p, (int)i, MIB);
        if (i == 0)
            first = p;
        assert_true(i == 0 || (p == first) == (i == ZK_SITES_MAX));
        assert_ptr_not_equal(p, before);
        assert_false(zk__arena_find(p).stale);
        assert_ptr_equal(zk__arena_find(p).slab, s);
        if (before != NULL) {
            assert_true(zk__arena_find(before).stale);
            assert_ptr_equal(zk__arena_find(before).slab, s);
        }
        before = p;
    }
    getrusage(RUSAGE_SELF, &usage[1]);
    if (!TEST_SANITIZED) /* whose own pages would count */
        assert_true(usage[1].ru_minflt - usage[0].ru_minflt < 256);
    assert_int_equal(zk_load_relaxed(&a->moves), ZK_SITES_MAX);
    zk__arena_destroy(a);
}

/* Mappings that a slab's accessible range is made of. */
static unsigned
mappings_of(const struct zk_slab *s)
{
    FILE *f = fopen("/proc/self/maps", "r");
    uintptr_t base = (uintptr_t)s->base, top = (uintptr_t)s->top;
    char line[512];
    unsigned n = 0;

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        char *rest;
        uintptr_t from = strtoull(line, &rest, 16);

        n += from < top && strtoull(rest + 1, NULL, 16) > base;
    }
    fclose(f);
    return n;
}

/* What is added to a mapping that has moved stays another one for the kernel,
 * which moves several slowly or not at all. */
static void
test_slab_that_grows_after_it_moved_is_still_one_mapping(void **state)
{
    static const size_t phases[] = {100 * KIB, MIB, 3 * MIB, 20 * MIB,
                                    60 * MIB,  KIB, MIB,     40 * MIB};
    static const enum zk_huge huges[] = {ZK_HUGE_AUTO, ZK_HUGE_ALWAYS,
                                         ZK_HUGE_NEVER};

    (void)state;
    for (size_t h = 0; h < 3; h++) {
        size_t bytes = 64 * MIB;
        struct zk_arena *a = test_arena(1, &bytes, huges[h], ZK_TRAP_ON);
        struct zk_slab *s = zk__arena_slab(a, 0);

        for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
            char *p;

            zk__arena_reset(a, "test");
            p = zk__slab_alloc(s, phases[i], 64);
            assert_non_null(p);
            p[0] = p[phases[i] - 1] = 1;
            assert_int_equal(mappings_of(s), 1);
        }
        assert_int_equal(zk_load_relaxed(&a->moves), 7);
        assert_int_equal(zk__arena_trap(a), ZK_TRAP_ON);
        zk__arena_destroy(a);
    }
}

static void
test_slab_that_was_not_used_stays(void **state)
{
    size_t bytes = MIB;
    struct zk_arena *a = test_arena(2, &bytes, ZK_HUGE_AUTO, ZK_TRAP_ON);
    struct zk_slab *s = zk__arena_slab(a, 1);
    const char *base = s->base;

    (void)state;
    for (int i = 0; i < 5; i++)
        zk__arena_reset(a, NULL);
    assert_ptr_equal(s->base, base);
    assert_int_equal(zk_load_relaxed(&a->moves), 0);
    zk__arena_destroy(a);
}

static void
test_switched_off_slabs_stay_and_addresses_come_back(void **state)
{
    zk_runtime_t *lane = lane_with(ZK_TRAP_OFF);
    char *p;

    (void)state;
    assert_int_equal(test_info(lane).trap, ZK_TRAP_OFF);
    assert_int_equal(test_info(lane).trap_phases, 0);
    assert_int_equal(zk_phase_begin_on(lane, "a"), ZK_OK);
    p = allocate();
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(zk_phase_begin_on(lane, "b"), ZK_OK);
    assert_ptr_equal(allocate(), p);
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(test_stats(lane).moves, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

/* The figures are set by hand: no test fails on a time. */
static void
test_auto_moves_where_it_takes_a_thousandth_of_the_phase(void **state)
{
    size_t bytes = MIB;
    struct zk_arena *a = test_arena(2, &bytes, ZK_HUGE_AUTO, ZK_TRAP_AUTO);
    static const struct {
        uint64_t move_ns, length_ns;
        bool moves;
    } cases[] = {{0, 5000, true},
                 {4000, 4000000, true},
                 {4000, 3999999, false},
                 {UINT64_MAX, UINT64_MAX, false},
                 {1, 1000, true}};
    uint64_t moves = 0, skipped = 0;

    (void)state;
    assert_int_equal(zk__arena_trap(a), ZK_TRAP_AUTO);
    zk__arena_reset(a, "first");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_non_null(zk__slab_alloc(zk__arena_slab(a, 0), 5000, 64));
        zk__arena_ended(a);
        a->move_ns = cases[i].move_ns;
        a->length_ns = cases[i].length_ns;
        zk__arena_reset(a, "next");
        moves += cases[i].moves;
        skipped += !cases[i].moves;
        assert_int_equal(zk_load_relaxed(&a->moves), moves);
        assert_int_equal(zk_load_relaxed(&a->moves_skipped), skipped);
    }
    assert_true(a->move_ns > 0); /* it does measure */
    zk__arena_destroy(a);
}

/* Each arena has sites, however many there are, until the kernel's limits come
 * near: the first ones do not take it all. */
static void
test_arenas_share_the_address_space(void **state)
{
    enum { N = 40 };
    struct zk_arena *a[N];
    size_t bytes;

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* they have most of the address space */
    for (int i = 0; i < N; i++) {
        bytes = 8 * GIB;
        a[i] = test_arena(18, &bytes, ZK_HUGE_AUTO, ZK_TRAP_ON);
        assert_non_null(a[i]);
        assert_int_equal(bytes, 8 * GIB);
        assert_true(a[i]->nsites >= (i < 4 ? ZK_SITES_MAX : 2));
    }
    for (int i = 0; i < N; i++)
        zk__arena_destroy(a[i]);
    bytes = 8 * GIB;
    a[0] = test_arena(18, &bytes, ZK_HUGE_AUTO, ZK_TRAP_ON);
    assert_int_equal(a[0]->nsites, ZK_SITES_MAX);
    zk__arena_destroy(a[0]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_stale_access_is_caught_and_named),
        cmocka_unit_test(test_stale_pointers_in_calls_are_told_and_not_obeyed),
        cmocka_unit_test(test_stale_pointers_in_calls_do_not_flood_stderr),
        cmocka_unit_test(
            test_frees_after_the_end_are_fine_until_the_next_begin),
        cmocka_unit_test(test_default_action_follows_the_report),
        cmocka_unit_test(test_previous_handler_gets_the_signal),
        cmocka_unit_test(test_other_faults_are_none_of_our_business),
        cmocka_unit_test(test_signal_that_somebody_sent_still_kills),
        cmocka_unit_test(test_handler_comes_with_the_lane_and_goes_with_it),
        cmocka_unit_test(test_slab_moves_around_its_sites_and_keeps_its_pages),
        cmocka_unit_test(
            test_slab_that_grows_after_it_moved_is_still_one_mapping),
        cmocka_unit_test(test_slab_that_was_not_used_stays),
        cmocka_unit_test(test_switched_off_slabs_stay_and_addresses_come_back),
        cmocka_unit_test(
            test_auto_moves_where_it_takes_a_thousandth_of_the_phase),
        cmocka_unit_test(test_arenas_share_the_address_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
