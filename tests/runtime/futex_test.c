/*
 * futex_test.c - sleep and wake.
 */
#include "tests/runtime/rt.h"

#include <errno.h>

#include "runtime/futex.h"

static void
test_wait_returns_at_once_when_the_word_differs(void **state)
{
    _Atomic uint32_t word = 1;

    (void)state;
    zk__futex_wait(&word, 0, ZK_FOREVER); /* or hangs here */
    assert_int_equal(word, 1);
}

static void
test_wait_ends_with_its_timeout(void **state)
{
    _Atomic uint32_t word = 0;
    uint64_t start = zk_now_ns();

    (void)state;
    zk__futex_wait(&word, 0, 20000000);
    assert_true(zk_now_ns() - start >= 1000000); /* it did sleep */
    zk__futex_wait(&word, 0, 0);
    zk__futex_wait(&word, 0, 1);
}

static void
test_errno_is_left_alone(void **state)
{
    _Atomic uint32_t word = 0;

    (void)state;
    errno = 1234;
    zk__futex_wait(&word, 1, ZK_FOREVER);
    zk__futex_wait(&word, 0, 1000);
    zk__futex_wake(&word, 1);
    assert_int_equal(errno, 1234);
}

static struct {
    _Atomic uint32_t word;
    _Atomic unsigned woken;
} shared;

static void *
sleep_on_word(void *arg)
{
    (void)arg;
    while (zk_load_acquire(&shared.word) == 0)
        zk__futex_wait(&shared.word, 0, ZK_FOREVER);
    zk_add_acq_rel(&shared.woken, 1u);
    return NULL;
}

static void
test_wake_wakes_all_who_sleep(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (int round = 0; round < 20; round++) {
        zk_store_release(&shared.word, 0u);
        zk_store_release(&shared.woken, 0u);
        for (int i = 0; i < 4; i++)
            assert_int_equal(
                pthread_create(&threads[i], NULL, sleep_on_word, NULL), 0);
        usleep((useconds_t)round * 100);
        zk_store_release(&shared.word, 1u);
        zk__futex_wake(&shared.word, INT32_MAX);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(shared.woken, 4);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_returns_at_once_when_the_word_differs),
        cmocka_unit_test(test_wait_ends_with_its_timeout),
        cmocka_unit_test(test_errno_is_left_alone),
        cmocka_unit_test(test_wake_wakes_all_who_sleep),
    };

    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
