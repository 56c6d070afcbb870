/*
 * family_test.c - the C library's calls by their names, with the library
 * preloaded. O15, O17, R12.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>

#include "private/atomic.h"
#include "tests/support.h"

/* Kept from the compiler, which knows what these do. */
static void *(*volatile allocate)(size_t) = malloc;
static void *(*volatile zeroed)(size_t, size_t) = calloc;
static void *(*volatile change)(void *, size_t) = realloc;
static void *(*volatile change_array)(void *, size_t, size_t) = reallocarray;
static void *(*volatile align_to)(size_t, size_t) = aligned_alloc;
static void (*volatile release)(void *) = free;

/* ---- before main ---------------------------------------------------------- */

static char *early;

__attribute__((constructor)) static void
allocate_early(void)
{
    early = allocate(1000);
    if (early != NULL)
        test_fill(early, 1000, 1);
}

static void
test_it_is_there_before_main(void **state)
{
    void *p = allocate(65);

    (void)state;
    /* Ours, and no other's; with guards it is what was asked for. */
    assert_true(malloc_usable_size(p) == 128 || malloc_usable_size(p) == 65);
    assert_true(test_holds(early, 1000, 1));
    release(p);
    release(early);
}

/* ---- each call --------------------------------------------------------------- */

static void
test_each_call_does_what_the_manual_says(void **state)
{
    char *p, *q;
    void *out = &out;

    (void)state;
    p = allocate(0);
    q = allocate(0);
    assert_true(p != NULL && q != NULL && p != q);
    release(p);
    release(q);
    release(NULL);

    p = zeroed(1000, 1000);
    assert_true(test_all_zero(p, 1000000));
    test_fill(p, 1000000, 1);
    p = change(p, 5000000);
    assert_true(test_holds(p, 1000000, 1));
    p = change_array(p, 100, 100);
    assert_true(test_holds(p, 10000, 1));
    assert_true(malloc_usable_size(p) >= 10000);
    assert_null(change(p, 0)); /* freed */
    p = change(NULL, 100);
    assert_non_null(p);
    release(p);

    for (size_t align = 8; align <= MIB; align *= 2) {
        assert_int_equal(posix_memalign(&out, align, 100), 0);
        assert_int_equal((uintptr_t)out % align, 0);
        release(out);
        p = align_to(align, 3 * align);
        assert_int_equal((uintptr_t)p % align, 0);
        release(p);
        p = memalign(align - 3, 1000);
        assert_int_equal((uintptr_t)p % align, 0);
        release(p);
    }
    p = valloc(100);
    assert_int_equal((uintptr_t)p % 4096, 0);
    release(p);
    p = pvalloc(100);
    assert_int_equal((uintptr_t)p % 4096, 0);
    assert_true(malloc_usable_size(p) >= 4096);
    release(p);
    assert_int_equal(malloc_usable_size(NULL), 0);
}

static void
test_what_cannot_be_served_is_refused_as_the_manual_says(void **state)
{
    volatile size_t much = SIZE_MAX, half = SIZE_MAX / 2;
    void *out = &out;
    char *p = allocate(100);

    (void)state;
    test_fill(p, 100, 1);
    errno = 0;
    assert_null(allocate(much));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(allocate(half));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(zeroed(half, 3));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(change(p, much));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(change_array(p, half, 4));
    assert_int_equal(errno, ENOMEM);
    assert_true(test_holds(p, 100, 1));
    errno = 0;
    assert_null(align_to(24, 48));
    assert_int_equal(errno, EINVAL);
    errno = 77; /* posix_memalign leaves it alone */
    assert_int_equal(posix_memalign(&out, 24, 8), EINVAL);
    assert_int_equal(posix_memalign(&out, 4, 8), EINVAL);
    assert_int_equal(posix_memalign(&out, 64, much), ENOMEM);
    assert_ptr_equal(out, &out);
    assert_int_equal(errno, 77);
    release(p);
    assert_int_equal(errno, 77); /* and so does free */
}

static void
test_trim_gives_memory_back(void **state)
{
    char *p = allocate(200 * MIB);
    size_t full;

    (void)state;
    memset(p, 1, 200 * MIB);
    full = test_resident();
    release(p);
    assert_int_equal(malloc_trim(0), 1);
    assert_true(test_resident() < full - 190 * MIB);
}

/* What a command of the shell exits with; the library is preloaded there too. */
static int
run(const char *command)
{
    char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                          (char *)(uintptr_t)command, NULL};
    int status = -1;
    pid_t pid;

    if (posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- threads and fork ------------------------------------------------------------ */

static _Atomic bool stop;
static _Atomic unsigned torn;

static void *
make_noise(void *arg)
{
    struct test_random r = {(uint64_t)(uintptr_t)arg};
    char *held[64] = {NULL};
    size_t size[64] = {0};

    while (!zk_load_relaxed(&stop)) {
        size_t at = test_below(&r, 64);

        if (held[at] != NULL && !test_holds(held[at], size[at], at))
            zk_add_relaxed(&torn, 1u);
        release(held[at]);
        size[at] = 1 + test_below(&r, (size_t)1 << test_below(&r, 17));
        held[at] = allocate(size[at]);
        if (held[at] != NULL)
            test_fill(held[at], size[at], at);
    }
    for (int i = 0; i < 64; i++)
        release(held[i]);
    return NULL;
}

static int
in_the_child(void *arg)
{
    pthread_t thread;

    (void)arg;
    zk_store_relaxed(&stop, true); /* its own copy */
    CHILD_CHECK(pthread_create(&thread, NULL, make_noise, &stop) == 0);
    CHILD_CHECK(pthread_join(thread, NULL) == 0);
    for (size_t n = 1; n < 2 * MIB; n *= 3) {
        char *p = zeroed(1, n);

        CHILD_CHECK(p != NULL && test_all_zero(p, n));
        release(p);
    }
    return 0;
}

static void
test_children_of_a_busy_parent_allocate(void **state)
{
    pthread_t threads[3];
    struct test_random r = {test_seed(__func__)};

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_noise,
                                        (void *)(uintptr_t)test_next(&r)),
                         0);
    for (int i = 0; i < 30; i++)
        assert_true(test_child_succeeds(in_the_child, NULL));
    assert_int_equal(run("exit 0"), 0);
    zk_store_relaxed(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(torn, 0);
}

/* ---- libraries that come and go ----------------------------------------------------- */

static void
test_libraries_are_loaded_and_unloaded(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
        void *zkrt = dlopen("libzkrt-malloc.so.0", RTLD_NOW | RTLD_NOLOAD);

        assert_non_null(library);
        assert_non_null(dlsym(library, "cos"));
        assert_int_equal(dlclose(library), 0);
        if (zkrt != NULL)
            assert_int_equal(dlclose(zkrt), 0);
        release(allocate(100));
    }
    release(strdup("and other calls of the C library"));
}

/* ---- the environment ----------------------------------------------------------------- */

static int
run_with_a_wrong_route(void *arg)
{
    (void)arg;
    setenv("ZK_ALLOC_ROUTE", "sideways", 1);
    return run("exit 7");
}

static void
test_a_malformed_route_is_named_and_ignored(void **state)
{
    struct test_child child = test_in_child(run_with_a_wrong_route, NULL);

    (void)state;
    assert_int_equal(child.code, 7);
    assert_non_null(strstr(child.err, "ZK_ALLOC_ROUTE is neither"));
}

static int
run_with_a_wrong_debug(void *arg)
{
    (void)arg;
    setenv("ZK_DEBUG", "loud", 1);
    return run("exit 7");
}

static void
test_a_malformed_debug_is_named_and_ignored(void **state)
{
    struct test_child child = test_in_child(run_with_a_wrong_debug, NULL);

    (void)state;
    assert_int_equal(child.code, 7);
    assert_non_null(strstr(child.err, "ZK_DEBUG is neither"));
}

/* ---- misuse, and after exit ------------------------------------------------------------ */

static int
free_twice(void *arg)
{
    void *p = allocate(100);

    (void)arg;
    release(p);
    release(p);
    return 0;
}

static int
free_the_stack(void *arg)
{
    char here[100];

    release(here);
    return arg == here;
}

static int
write_past_the_end(void *arg)
{
    volatile char *p = allocate(100);

    (void)arg;
    p[100] = 1;
    release((void *)(uintptr_t)p);
    return 0;
}

static int
free_with_another_size(void *arg)
{
    void (*sized)(void *, size_t);
    void *found = dlsym(RTLD_DEFAULT, "free_sized");

    (void)arg;
    CHILD_CHECK(found != NULL);
    memcpy(&sized, &found, sizeof sized);
    sized(allocate(100), 100);
    sized(NULL, 0);
    sized(allocate(100), 99);
    return 0;
}

/* With ZK_DEBUG=on; otherwise it is the program's own bytes, and a hint. */
static void
test_what_costs_to_check_is_reported_when_asked_for(void **state)
{
    struct test_child child = test_in_child(write_past_the_end, NULL);
    void *p = allocate(65);
    bool on = malloc_usable_size(p) == 65;

    (void)state;
    release(p);
    assert_int_equal(child.signal, on ? SIGABRT : 0);
    assert_true((strstr(child.err, "was written past its end") != NULL) == on);
    child = test_in_child(free_with_another_size, NULL);
    assert_int_equal(child.signal, on ? SIGABRT : 0);
    assert_true((strstr(child.err, "free_sized: ") != NULL) == on);
    assert_true(on || child.code == 0);
}

static void
test_misuse_ends_with_a_report(void **state)
{
    struct test_child child = test_in_child(free_twice, NULL);

    (void)state;
    assert_int_equal(child.signal, SIGABRT);
    assert_non_null(strstr(child.err, "zkrt: heap misuse in free: "));
    assert_non_null(strstr(child.err, "is free already"));
    child = test_in_child(free_the_stack, NULL);
    assert_int_equal(child.signal, SIGABRT);
    assert_non_null(strstr(child.err, "was never handed out"));
}

static char *late;

/* The last that runs of this program, after every handler. */
__attribute__((destructor)) static void
free_late(void)
{
    if (late != NULL && !test_holds(late, 1000, 5))
        _exit(3);
    release(late);
    release(allocate(12345));
}

static int
exit_normally(void *arg)
{
    (void)arg;
    late = allocate(1000);
    test_fill(late, 1000, 5);
    exit(42);
}

static void
test_it_is_there_after_exit(void **state)
{
    struct test_child child = test_in_child(exit_normally, NULL);

    (void)state;
    assert_true(child.exited);
    assert_int_equal(child.code, 42);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_there_before_main),
        cmocka_unit_test(test_each_call_does_what_the_manual_says),
        cmocka_unit_test(
            test_what_cannot_be_served_is_refused_as_the_manual_says),
        cmocka_unit_test(test_trim_gives_memory_back),
        cmocka_unit_test(test_children_of_a_busy_parent_allocate),
        cmocka_unit_test(test_libraries_are_loaded_and_unloaded),
        cmocka_unit_test(test_a_malformed_route_is_named_and_ignored),
        cmocka_unit_test(test_a_malformed_debug_is_named_and_ignored),
        cmocka_unit_test(test_what_costs_to_check_is_reported_when_asked_for),
        cmocka_unit_test(test_misuse_ends_with_a_report),
        cmocka_unit_test(test_it_is_there_after_exit),
    };

    if (getenv("LD_PRELOAD") == NULL)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
