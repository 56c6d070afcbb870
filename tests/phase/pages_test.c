/* pages_test.c - what a phase tells about its pages, and to whom. */
#include "tests/phase/phases.h"

static zk_phase_pages_t
told(zk_err_t *err)
{
    zk_phase_pages_t pages = {.size = sizeof pages};

    *err = zk_phase_pages(&pages);
    return pages;
}

/* Writes n bytes, whether or not anybody reads them. */
static void
touch(void *p, size_t n)
{
    for (size_t i = 0; p != NULL && i < n; i += 4096)
        ((volatile char *)p)[i] = 1;
}

static int
setup(void **state)
{
    return phases_open(state, 2, 0, true);
}

static void
test_size_and_phase_are_checked(void **state)
{
    zk_phase_pages_t pages = {.size = sizeof pages - 1};
    zk_huge_info_t info = {.size = sizeof info + 8};

    (void)state;
    assert_int_equal(zk_phase_pages(NULL), ZK_EINVAL);
    assert_int_equal(zk_phase_pages(&pages), ZK_EINVAL);
    pages.size = sizeof pages;
    assert_int_equal(zk_phase_pages(&pages), ZK_ESTALE);
    assert_int_equal(zk_huge_info(NULL), ZK_EINVAL);
    assert_int_equal(zk_huge_info(&info), ZK_EINVAL);
    info.size = sizeof info;
    assert_int_equal(zk_huge_info(&info), ZK_OK);
    assert_true(info.small_bytes >= 2 * MIB / 3);
    assert_true(info.small_bytes <= 2 * MIB);
    assert_true(info.given || !info.pays);
}

static int
fill_a_block(void *arg)
{
    char *p = zk_malloc(MIB);

    if (p == NULL)
        return 1;
    touch(p, MIB);
    *(zk_err_t *)arg = ZK_OK;
    return told(arg).used_bytes >= 2 * MIB ? 0 : 2;
}

/* From the opener and from a task of the phase, which another worker runs. */
static void
test_pages_of_all_slabs_are_told_inside_and_after(void **state)
{
    zk_phase_pages_t pages;
    zk_err_t err, inside = ZK_EINVAL;
    char *p;

    (void)state;
    begin("pages");
    p = zk_malloc(MIB);
    touch(p, MIB);
    assert_int_equal(test_run_on_worker(fill_a_block, &inside), 0);
    assert_int_equal(inside, ZK_OK);
    end();
    pages = told(&err);
    assert_int_equal(err, ZK_OK);
    assert_int_equal(pages.used_bytes, 2 * MIB);
    assert_int_equal(pages.resident_bytes, 2 * MIB);
    assert_true(pages.slab_resident_bytes >= 2 * MIB);
    assert_true(pages.huge_bytes <= pages.resident_bytes);
    assert_true(pages.huge_share >= 0 && pages.huge_share <= 1);
    if (pages.huge_bytes == 0)
        assert_true(pages.huge_share <= 0);
}

static void
test_share_is_that_of_the_pages_in_use(void **state)
{
    zk_huge_info_t info = {.size = sizeof info};
    zk_phase_pages_t pages;
    zk_err_t err;
    char *p;

    (void)state;
    begin("large");
    p = zk_malloc(8 * MIB);
    touch(p, 8 * MIB);
    pages = told(&err);
    end();
    assert_int_equal(err, ZK_OK);
    assert_int_equal(zk_huge_info(&info), ZK_OK);
    if (!info.pays)
        skip();
    assert_int_equal(pages.resident_bytes, 8 * MIB);
    if (info.to_base == 0 && info.last_base_ns == 0) /* else nobody asked */
        assert_int_equal(pages.huge_bytes + pages.fallbacks * 2 * MIB, 8 * MIB);
    assert_true(pages.huge_share * 8 * (double)MIB >=
                (double)pages.huge_bytes - 1);
}

#define pages_test(test) \
    cmocka_unit_test_setup_teardown(test, setup, phases_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        pages_test(test_size_and_phase_are_checked),
        pages_test(test_pages_of_all_slabs_are_told_inside_and_after),
        pages_test(test_share_is_that_of_the_pages_in_use),
    };

    test_clean_environment();
    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
