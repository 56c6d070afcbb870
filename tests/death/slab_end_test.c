/*
 * slab_end_test.c - who runs off the end of a slab dies there, before a byte of
 * a neighbour changes.
 */
#include "tests/death/death.h"

#include <sys/mman.h>

#include "alloc/arena.h"
#include "alloc/os.h"
#include "runtime/lane.h"

/* Where the child's handler looks whether the death was in the right place. */
static struct {
    const volatile char *first; /* the first byte that may not be touched */
    const volatile char *neighbour;
    size_t bytes;
} watched;

#define CODE_RIGHT 42

static void
check_and_leave(int signal, siginfo_t *info, void *context)
{
    bool right = (const volatile char *)info->si_addr == watched.first;

    (void)signal;
    (void)context;
    for (size_t i = 0; right && i < watched.bytes; i++)
        right = watched.neighbour[i] == 7;
    _exit(right ? CODE_RIGHT : 3);
}

static void
watch_faults(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_sigaction = check_and_leave;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

/* One block that ends where its slab does, in slot 0 of an open phase. */
static char *
last_block(zk_runtime_t *lane, size_t *bytes)
{
    const struct zk_slab *s;
    char *p;

    if (lane == NULL || zk_phase_begin_on(lane, "end") != ZK_OK)
        return NULL;
    s = zk__thread.slot->phase->arena->slabs;
    *bytes = (size_t)(s->limit - s->base);
    p = zk_phase_alloc(*bytes, 64);
    return p == s->base ? p : NULL;
}

/* A byte by a byte, upwards, as a loop with a wrong bound does. */
static int
run_off_the_end(void *arg)
{
    zk_runtime_t *lane = test_lane(1, *(size_t *)arg, 0);
    struct zk_arena *arena;
    struct zk_slab *next;
    volatile char *p;
    size_t n;

    p = last_block(lane, &n);
    CHILD_CHECK(p != NULL);
    arena = zk__thread.slot->phase->arena;
    next = zk__arena_slab(arena, 1);
    watched.neighbour = zk__slab_alloc(next, 100000, 64);
    CHILD_CHECK(watched.neighbour != NULL);
    watched.bytes = 100000;
    memset((void *)(uintptr_t)watched.neighbour, 7, watched.bytes);
    watched.first = p + n;
    CHILD_CHECK(watched.neighbour > watched.first);
    watch_faults();
    for (size_t i = n - 10; i < n + 100 * MIB; i++)
        p[i] = 9;
    return 1;
}

static void
test_running_off_a_slabs_end_dies_before_the_neighbour_changes(void **state)
{
    /* A power of two, and one with a hole behind it. */
    static const size_t sizes[] = {MIB, 4 * MIB, 3 * MIB, 5 * MIB};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t bytes = sizes[i];
        struct test_child child = test_in_child(run_off_the_end, &bytes);

        assert_int_equal(child.code, CODE_RIGHT);
    }
}

static int
read_behind_the_end(void *arg)
{
    zk_runtime_t *lane = test_lane(1, MIB, 0);
    const volatile char *p;
    size_t n;

    p = last_block(lane, &n);
    CHILD_CHECK(p != NULL);
    (void)p[n - 1];
    return p[n + *(size_t *)arg];
}

static void
test_reading_behind_a_slabs_end_dies(void **state)
{
    static const size_t behind[] = {0, 1, 63, 4095};

    (void)state;
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        size_t at = behind[i];
        struct test_child child = test_in_child(read_behind_the_end, &at);

        assert_true(death_by(&child, SIGSEGV));
    }
}

/* Neither slabs that nobody used, nor what a closed lane had, can be touched. */
static int
touch_an_unused_slab(void *arg)
{
    zk_runtime_t *lane = test_lane(1, MIB, 0);
    size_t n;

    (void)arg;
    CHILD_CHECK(last_block(lane, &n) != NULL);
    *(volatile char *)zk__thread.slot->phase->arena->slabs[1].base = 1;
    return 1;
}

static int
touch_after_close(void *arg)
{
    zk_runtime_t *lane = test_lane(1, 64 * MIB, 0);
    volatile char *p;
    size_t n;

    (void)arg;
    p = last_block(lane, &n);
    CHILD_CHECK(p != NULL);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    if (!TEST_ASAN) /* still readable: what ended a phase may be read */
        CHILD_CHECK(p[100] == 0);
    CHILD_CHECK(zk_runtime_close(lane) == ZK_OK);
    p[100] = 1;
    return 1;
}

static void
test_memory_of_no_open_lane_or_used_slab_cannot_be_touched(void **state)
{
    struct test_child child = test_in_child(touch_an_unused_slab, NULL);

    (void)state;
    assert_true(death_by(&child, SIGSEGV));
    child = test_in_child(touch_after_close, NULL);
    assert_true(death_by(&child, SIGSEGV));
}

/* ---- what AddressSanitizer is told ------------------------------------------ */

static int
touch_one_too_many(void *arg)
{
    zk_runtime_t *lane = test_lane(1, MIB, 1);
    size_t n = *(size_t *)arg;
    volatile char *p;

    CHILD_CHECK(lane != NULL && zk_phase_begin_on(lane, "asan") == ZK_OK);
    p = zk_malloc(n);
    CHILD_CHECK(p != NULL);
    p[n - 1] = 1;
    p[n] = 1;
    return 0;
}

static int
touch_after_free(void *arg)
{
    zk_runtime_t *lane = test_lane(1, MIB, 1);
    size_t n = *(size_t *)arg;
    volatile char *p;

    CHILD_CHECK(lane != NULL && zk_phase_begin_on(lane, "asan") == ZK_OK);
    p = zk_malloc(n);
    CHILD_CHECK(p != NULL);
    p[0] = 1;
    zk_free((void *)(uintptr_t)p);
    p[0] = 1;
    return 0;
}

static int
touch_after_the_next_begin(void *arg)
{
    zk_runtime_t *lane = test_lane(1, MIB, 1);
    volatile char *p;

    CHILD_CHECK(lane != NULL && zk_phase_begin_on(lane, "asan") == ZK_OK);
    p = zk_malloc(*(size_t *)arg);
    CHILD_CHECK(p != NULL);
    p[0] = 1;
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(zk_phase_begin_on(lane, "asan") == ZK_OK);
    p[0] = 1;
    return 0;
}

/* B12: what is silent without the sanitizer ends the program with it. */
static void
test_the_sanitizer_sees_every_use_of_what_is_not_alive(void **state)
{
    static int (*const uses[])(void *) = {touch_one_too_many, touch_after_free,
                                          touch_after_the_next_begin};
    static const size_t sizes[] = {1, 100, 4096, 5000, 100001};

    (void)state;
    if (!TEST_ASAN)
        skip();
    for (size_t u = 0; u < sizeof uses / sizeof *uses; u++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t n = sizes[i];
            struct test_child child = test_in_child(uses[u], &n);

            if (!death_by(&child, SIGSEGV))
                print_error("use %zu of %zu bytes was not seen\n", u, n);
            assert_true(death_by(&child, SIGSEGV));
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_running_off_a_slabs_end_dies_before_the_neighbour_changes),
        cmocka_unit_test(test_reading_behind_a_slabs_end_dies),
        cmocka_unit_test(
            test_memory_of_no_open_lane_or_used_slab_cannot_be_touched),
        cmocka_unit_test(
            test_the_sanitizer_sees_every_use_of_what_is_not_alive),
    };

    death_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
