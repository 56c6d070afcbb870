/*
 * moves_test.c - what the kernel tells of workers that stay, and of one that does not.
 */
#include "tests/runtime/rt.h"

#include <sched.h>

#include "runtime/lane.h"
#include "runtime/moves.h"

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The lane's one worker beside the caller has run. */
static void
let_it_run(zk_runtime_t *lane)
{
    zk_group_t group = ZK_GROUP_INIT;

    assert_int_equal(zk_spawn_on(lane, &group, nothing, NULL), ZK_OK);
    while (!zk_group_done(&group))
        sched_yield();
    assert_int_equal(zk_sync(&group), ZK_OK);
}

static zk_runtime_t *
open_lane(enum zk_bind bind)
{
    zk_runtime_t *lane = NULL;

    if (zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .slab_bytes = MIB,
                                          .bind = bind,
                                          .notice = test_no_notice)) != ZK_OK)
        return NULL;
    return lane;
}

static void
test_before_there_are_workers_there_is_nothing_to_tell(void **state)
{
    zk_runtime_t *lane = open_lane(ZK_BIND_CLOSE);
    struct zk_moves moves;

    (void)state;
    assert_non_null(lane);
    assert_false(zk__moves_count(lane, &moves));
    assert_int_equal(moves.workers, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_worker_that_was_moved_away_is_seen_off_its_place(void **state)
{
    zk_runtime_t *lane = open_lane(ZK_BIND_CLOSE);
    struct zk_moves before, after;
    cpu_set_t other;

    (void)state;
    assert_non_null(lane);
    let_it_run(lane);
    assert_true(zk__moves_count(lane, &before));
    assert_int_equal(before.workers, 1);
    assert_int_equal(before.off_place, 0);
    if (lane->topology->npus < 2 || test_info(lane).bind == ZK_BIND_NONE) {
        assert_int_equal(zk_runtime_close(lane), ZK_OK);
        skip();
    }

    CPU_ZERO(&other);
    CPU_SET(lane->topology->pus[lane->slots[0].pu].os_index, &other);
    assert_int_equal(sched_setaffinity(zk_load_relaxed(&lane->slots[1].tid),
                                       sizeof other, &other),
                     0);
    let_it_run(lane);
    assert_true(zk__moves_count(lane, &after));
    assert_int_equal(after.off_place, 1);
    if (before.cpus != ZK_MOVES_UNKNOWN)
        assert_true(after.cpus > before.cpus);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static void
test_a_worker_that_may_roam_is_never_off_its_place(void **state)
{
    zk_runtime_t *lane = open_lane(ZK_BIND_NONE);
    struct zk_moves moves;

    (void)state;
    assert_non_null(lane);
    let_it_run(lane);
    assert_true(zk__moves_count(lane, &moves));
    assert_int_equal(moves.workers, 1);
    assert_int_equal(moves.off_place, 0);
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

static int
counts_none(void *arg)
{
    struct zk_moves moves;

    CHILD_CHECK(!zk__moves_count(arg, &moves));
    return 0;
}

static void
test_a_forked_child_has_none_of_the_workers(void **state)
{
    zk_runtime_t *lane = open_lane(ZK_BIND_CLOSE);

    (void)state;
    assert_non_null(lane);
    let_it_run(lane);
    assert_true(test_child_succeeds(counts_none, lane));
    assert_int_equal(zk_runtime_close(lane), ZK_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_before_there_are_workers_there_is_nothing_to_tell),
        cmocka_unit_test(
            test_a_worker_that_was_moved_away_is_seen_off_its_place),
        cmocka_unit_test(test_a_worker_that_may_roam_is_never_off_its_place),
        cmocka_unit_test(test_a_forked_child_has_none_of_the_workers),
    };

    rt_begin();
    test_clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
