/*
 * panic_test.c - what the library aborts on: broken invariants of its own, which
 * a checked build looks for, and nothing that a caller did (tests/badinput).
 */
#include "tests/death/death.h"

#include <sys/resource.h>

#include "alloc/arena.h"
#include "private/check.h"
#include "runtime/lane.h"

/* One line that says where, and the signal of abort(). */
static bool
panicked(const struct test_child *child)
{
    const char *line = strstr(child->err, "zkrt: broken invariant at ");

    return line != NULL && strchr(line, '\n') != NULL && !child->exited &&
           child->signal == SIGABRT;
}

/* A bump pointer behind the end of what is committed. */
static int
break_a_slab(void *arg)
{
    zk_runtime_t *lane = test_lane(1, MIB, 0);
    struct zk_slab *s;

    (void)arg;
    CHILD_CHECK(lane != NULL && zk_phase_begin_on(lane, "first") == ZK_OK);
    CHILD_CHECK(zk_malloc(10000) != NULL);
    s = zk__slab_mine();
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    zk_store_relaxed(&s->next, s->end + 64);
    return zk_phase_begin_on(lane, "second") == ZK_OK ? 0 : 1;
}

static int
ask_a_slab_for_no_alignment(void *arg)
{
    zk_runtime_t *lane = test_lane(1, MIB, 0);

    (void)arg;
    CHILD_CHECK(lane != NULL && zk_phase_begin_on(lane, "odd") == ZK_OK);
    return zk__slab_alloc(zk__slab_mine(), 100, 3) != NULL;
}

static int
use_a_slot_that_is_not_there(void *arg)
{
    zk_runtime_t *lane = test_lane(1, MIB, 0);

    (void)arg;
    CHILD_CHECK(lane != NULL);
    return zk__arena_slab(lane->phases[0]->arena, 1000) == NULL;
}

static void
test_a_checked_build_aborts_where_an_invariant_is_broken(void **state)
{
    static int (*const breaks[])(void *) = {break_a_slab,
                                            ask_a_slab_for_no_alignment,
                                            use_a_slot_that_is_not_there};

    (void)state;
    if (!TEST_CHECKED)
        skip();
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        struct test_child child = test_in_child(breaks[i], NULL);

        if (!panicked(&child))
            print_error("break %zu: code %d signal %d\n%s\n", i, child.code,
                        child.signal, child.err);
        assert_true(panicked(&child));
    }
}

static int
panic_without_memory(void *arg)
{
    struct rlimit none = {0, 0};

    (void)arg;
    setrlimit(RLIMIT_DATA, &none);
    setrlimit(RLIMIT_AS, &none);
    ZK_PANIC("nothing is left");
}

static void
test_a_panic_needs_no_memory(void **state)
{
    struct test_child child;

    (void)state;
    if (TEST_SANITIZED) /* which need some of their own */
        skip();
    child = test_in_child(panic_without_memory, NULL);
    assert_true(panicked(&child));
    assert_non_null(strstr(child.err, "panic_test.c:"));
    assert_non_null(strstr(child.err, "nothing is left"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_checked_build_aborts_where_an_invariant_is_broken),
        cmocka_unit_test(test_a_panic_needs_no_memory),
    };

    death_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
