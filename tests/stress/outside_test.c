/*
 * outside_test.c - 64 threads that are in no lane submit to one, and wait for what
 * they submitted, poll for it, or are called back: nothing is lost, nothing stays.
 *
 * ZK_TEST_FULL=1: for 60 seconds with two workers, and 15 with one and with five.
 */
#include <semaphore.h>

#include "tests/stress/still.h"
#include "tests/stress/watch.h"

enum { THREADS = 64, MOST = 12 };

struct crowd {
    zk_runtime_t *lane;
    uint64_t until_ns; /* 0: so many rounds */
    unsigned rounds;
    _Atomic unsigned wrong;
    _Atomic uint64_t sent, ran, told;
};

struct customer {
    pthread_t thread;
    struct crowd *crowd;
    struct test_random random;
    sem_t told;
    _Atomic unsigned left; /* not told of yet */
    zk_submission_t submission;
};

static void
expect(struct crowd *c, bool holds)
{
    if (!holds)
        zk_add_relaxed(&c->wrong, 1u);
}

/* ---- tasks ----------------------------------------------------------------- */

static int
use_memory(size_t from, size_t to, void *arg)
{
    struct crowd *c = arg;

    for (; from < to; from++) {
        char *p = zk_malloc(100 + from * 500);

        expect(c, p != NULL && !zk_in_arena(p));
        if (p != NULL)
            p[0] = 1;
        zk_free(p);
    }
    return 0;
}

static int
do_little(void *arg)
{
    zk_add_relaxed(&((struct crowd *)arg)->ran, (uint64_t)1);
    return 0;
}

static int
do_a_loop(void *arg)
{
    return do_little(arg) | zk_parallel_for(0, 16, 1, use_memory, arg);
}

static int
pass(void *arg)
{
    (void)arg;
    return 0;
}

static int
do_forks(void *arg)
{
    return do_little(arg) | zk_parallel_invoke(pass, NULL, pass, NULL);
}

static zk_task_fn
some_task(struct customer *me)
{
    static const zk_task_fn fns[] = {do_little, do_little, do_little, do_forks,
                                     do_a_loop};

    return fns[test_below(&me->random, sizeof fns / sizeof *fns)];
}

/* ---- customers --------------------------------------------------------------- */

static void
wait_for_them(struct customer *me, unsigned n)
{
    struct crowd *c = me->crowd;
    zk_group_t g = ZK_GROUP_INIT;

    for (unsigned i = 0; i < n; i++)
        expect(c, zk_spawn_on(c->lane, &g, some_task(me), c) == ZK_OK);
    expect(c, zk_sync(&g) == ZK_OK);
}

static void
poll_for_them(struct customer *me, unsigned n)
{
    struct crowd *c = me->crowd;
    zk_group_t g = ZK_GROUP_INIT;

    for (unsigned i = 0; i < n; i++)
        expect(c, zk_spawn_on(c->lane, &g, some_task(me), c) == ZK_OK);
    while (!zk_group_done(&g))
        usleep(50);
    expect(c, zk_sync(&g) == ZK_OK);
}

static void
hear(int code, void *arg)
{
    struct customer *me = arg;

    expect(me->crowd, code == 0);
    zk_add_relaxed(&me->crowd->told, (uint64_t)1);
    if (zk_sub_acq_rel(&me->left, 1u) == 1)
        sem_post(&me->told);
}

static void
be_called_back(struct customer *me, unsigned n)
{
    struct crowd *c = me->crowd;

    me->submission =
        (zk_submission_t){sizeof me->submission, some_task(me), c, hear, me};
    zk_store_release(&me->left, n);
    for (unsigned i = 0; i < n; i++)
        expect(c, zk_submit(c->lane, NULL, &me->submission) == ZK_OK);
    while (sem_wait(&me->told) != 0)
        ;
    expect(c, zk_load_acquire(&me->left) == 0);
}

static void *
come_and_go(void *arg)
{
    struct customer *me = arg;
    struct crowd *c = me->crowd;

    for (unsigned i = 0;
         c->until_ns != 0 ? zk_now_ns() < c->until_ns : i < c->rounds; i++) {
        unsigned n = 1 + (unsigned)test_below(&me->random, MOST);

        zk_add_relaxed(&c->sent, (uint64_t)n);
        switch (test_below(&me->random, 3)) {
        case 0: wait_for_them(me, n); break;
        case 1: poll_for_them(me, n); break;
        default: be_called_back(me, n);
        }
        watch_beat();
    }
    return NULL;
}

/* ---- the day ------------------------------------------------------------------ */

static void
open_for(struct crowd *c, uint64_t seed)
{
    static struct customer customers[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        customers[i] = (struct customer){.crowd = c, .random = {seed + i}};
        assert_int_equal(sem_init(&customers[i].told, 0, 0), 0);
        assert_int_equal(pthread_create(&customers[i].thread, NULL, come_and_go,
                                        &customers[i]),
                         0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(customers[i].thread, NULL);
        sem_destroy(&customers[i].told);
    }
    assert_int_equal(zk_load_relaxed(&c->wrong), 0);
}

static void
test_what_64_outside_threads_submit_runs_once_and_leaves_nothing(void **state)
{
    static const unsigned widths[] = {2, 1, 5}, seconds[] = {60, 15, 15};
    uint64_t seed = test_seed("outside");

    (void)state;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        struct crowd c = {.lane = rt_lane(widths[w], 4),
                          .rounds = test_scaled(30)};
        struct still warm;

        assert_non_null(c.lane);
        open_for(&c, seed);
        assert_true(rt_threads_become(1 + WATCH_THREADS + TEST_TSAN +
                                      test_info(c.lane).threads));
        assert_int_equal(zk_runtime_trim(c.lane, NULL), ZK_OK);
        warm = still_now();
        if (test_full())
            c.until_ns = zk_now_ns() + (uint64_t)seconds[w] * 1000000000u;
        open_for(&c, seed + THREADS);
        assert_int_equal(zk_runtime_trim(c.lane, NULL), ZK_OK);
        still_assert_but(&warm, STILL_MAPPINGS + 2 * THREADS);
        assert_int_equal(zk_runtime_close(c.lane), ZK_OK);
        /* A closed lane has waited for all of it. */
        printf("%u workers: %llu submissions, %llu calls back\n", widths[w],
               (unsigned long long)zk_load_relaxed(&c.sent),
               (unsigned long long)zk_load_relaxed(&c.told));
        assert_true(zk_load_relaxed(&c.ran) == zk_load_relaxed(&c.sent));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_what_64_outside_threads_submit_runs_once_and_leaves_nothing),
    };

    rt_begin();
    watch_begin("outside", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
