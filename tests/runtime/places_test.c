/*
 * places_test.c - OpenMP's grammar of places, dealing workers out, and shares,
 * on machines that hwloc makes from a description.
 */
#include "tests/runtime/rt.h"

#include "runtime/places.h"
#include "runtime/topology.h"

/* Two packages, two caches each, two cores to a cache, two units to a core. The
 * kernel's numbers are those of the description: in topology order. */
#define TWO_PACKAGES "package:2 [numa] l3:2 core:2 pu:2"

static struct zk_topology
machine(const char *what)
{
    struct zk_topology t;

    if (!zk__topology_load(&t, what))
        fail_msg("hwloc refuses %s", what);
    return t;
}

/* "0,1|2,3": the kernel's numbers of each place. */
static void
show(char *out, size_t room, const struct zk_places *p,
     const struct zk_topology *t)
{
    size_t used = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < p->n; i++)
        for (unsigned u = 0; u < p->place[i].n; u++)
            used += (size_t)snprintf(out + used, room - used, "%s%u",
                                     u != 0 ? "," : (i != 0 ? "|" : ""),
                                     t->pus[p->place[i].units[u]].os_index);
}

static void
test_descriptions_name_the_places_that_openmp_means(void **state)
{
    static const struct {
        const char *text, *places;
        unsigned outside;
    } rows[] = {
        {"threads", "0|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15", 0},
        {"threads(3)", "0|1|2", 0},
        {"cores", "0,1|2,3|4,5|6,7|8,9|10,11|12,13|14,15", 0},
        {"CORES(2)", "0,1|2,3", 0},
        {" cores ( 1 ) ", "0,1", 0},
        {"ll_caches", "0,1,2,3|4,5,6,7|8,9,10,11|12,13,14,15", 0},
        {"sockets", "0,1,2,3,4,5,6,7|8,9,10,11,12,13,14,15", 0},
        {"sockets(1)", "0,1,2,3,4,5,6,7", 0},
        {"numa_domains", "0,1,2,3,4,5,6,7|8,9,10,11,12,13,14,15", 0},
        {"cores(99)", "0,1|2,3|4,5|6,7|8,9|10,11|12,13|14,15", 0},
        {"{0}", "0", 0},
        {"5", "5", 0},
        {"{0,1},{2,3}", "0,1|2,3", 0},
        {"{0:4}", "0,1,2,3", 0},
        {"{0:4:2}", "0,2,4,6", 0},
        {"{0:4},{4:4}", "0,1,2,3|4,5,6,7", 0},
        {"{0:4}:4:4", "0,1,2,3|4,5,6,7|8,9,10,11|12,13,14,15", 0},
        {"{0:2}:3", "0,1|2,3|4,5", 0},
        {"{0}:4:4", "0|4|8|12", 0},
        {"{12}:4:-4", "12|8|4|0", 0},
        {"3:2:5", "3|8", 0},
        {"{0:4,!1}", "0,2,3", 0},
        {"{0:2}:4,!{2:2}", "0,1|4,5|6,7", 0},
        {" { 0 , 1 } : 2 ", "0,1|2,3", 0},
        {"{14:4}", "14,15", 2},
        {"{100},{1}", "1", 1},
        {"{100:2}", "", 2},
    };
    struct zk_topology t = machine(TWO_PACKAGES);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zk_places p;
        char got[256];

        print_message("%s\n", rows[i].text);
        assert_true(zk__places_valid(rows[i].text));
        assert_true(zk__places_make(&p, rows[i].text, &t));
        show(got, sizeof got, &p, &t);
        assert_string_equal(got, rows[i].places);
        assert_int_equal(p.outside, rows[i].outside);
        zk__places_free(&p);
    }
    zk__topology_free(&t);
}

static void
test_malformed_descriptions_are_refused_whole(void **state)
{
    static const char *const texts[] = {
        "",         " ",         "core",      "cores(",   "cores()",
        "cores(0)", "cores(-1)", "cores(1",   "cores 1",  "cores(1)x",
        "cores,1",  "{",         "}",         "{}",       "{0",
        "0}",       "{0}}",      "{{0}}",     "{0,}",     "{,0}",
        "{0},",     ",{0}",      "{0}{1}",    "{0:}",     "{0:0}",
        "{0:-1}",   "{0:2:}",    "{-1}",      "{0:3:-1}", "{8192}",
        "{0:9000}", "{0}:0",     "{0}:2:",    "{0}:2:-1", "{0}:5000:1",
        "!",        "!{0}:2",    "{0}:x",     "{a}",      "{0x1}",
        "{1 2}",    "{0};{1}",   "{9999999}", "+1",       "sockets{0}",
    };
    struct zk_topology t = machine(TWO_PACKAGES);

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct zk_places p = {.n = 77};

        print_message("\"%s\"\n", texts[i]);
        assert_false(zk__places_valid(texts[i]));
        assert_false(zk__places_make(&p, texts[i], &t));
        assert_null(p.place);
        assert_int_equal(p.n, 0);
    }
    zk__topology_free(&t);
}

/* Random texts over the grammar's own letters: whatever is valid makes places, and
 * whatever is not makes none. */
static void
test_what_is_valid_and_what_makes_places_are_the_same(void **state)
{
    static const char *const pieces[] = {"{", "}", ":",  ",",     "!",
                                         "0", "1", "12", "cores", "sockets",
                                         "(", ")", " ",  "-",     "4"};
    struct test_random r = {test_seed("places")};
    struct zk_topology t = machine(TWO_PACKAGES);
    unsigned long rounds = test_scaled(200000), valid = 0;

    (void)state;
    for (unsigned long i = 0; i < rounds; i++) {
        unsigned n = 1 + (unsigned)test_below(&r, 9);
        char text[64] = "";
        struct zk_places p;
        bool ok;

        for (unsigned k = 0; k < n; k++)
            strcat(text,
                   pieces[test_below(&r, sizeof pieces / sizeof *pieces)]);
        ok = zk__places_valid(text);
        valid += ok;
        if (zk__places_make(&p, text, &t) != ok)
            fail_msg("\"%s\" is %svalid", text, ok ? "" : "not ");
        if (ok)
            zk__places_free(&p);
    }
    assert_true(valid > rounds / 1000);
    zk__topology_free(&t);
}

static void
test_workers_are_dealt_out_as_openmp_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(zk__places_of(8, i, 4, ZK_BIND_CLOSE), i);
        assert_int_equal(zk__places_of(8, i, 4, ZK_BIND_SPREAD), 2 * i);
        assert_int_equal(zk__places_of(8, i, 4, ZK_BIND_PRIMARY), 0);
    }
    /* More workers than places: neighbours share, and evenly. */
    for (int spread = 0; spread <= 1; spread++)
        for (unsigned places = 1; places <= 16; places++)
            for (unsigned n = places; n <= 64; n++) {
                unsigned count[16] = {0}, last = 0;

                for (unsigned i = 0; i < n; i++) {
                    unsigned at = zk__places_of(
                        places, i, n, spread ? ZK_BIND_SPREAD : ZK_BIND_CLOSE);

                    assert_true(at < places);
                    assert_true(at == last || at == last + 1);
                    count[last = at]++;
                }
                for (unsigned p = 0; p < places; p++)
                    assert_true(count[p] == n / places ||
                                count[p] == (n + places - 1) / places);
            }
}

static void
test_cores_that_places_reach_are_counted_once(void **state)
{
    static const struct {
        const char *text;
        unsigned cores;
    } rows[] = {{"threads", 8}, {"cores", 8},      {"sockets(1)", 4},
                {"{0,1}", 1},   {"{0},{1}", 1},    {"{0},{2},{3}", 2},
                {"{15}", 1},    {"{0:16},{0}", 8}, {"{99}", 0}};
    struct zk_topology t = machine(TWO_PACKAGES);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zk_places p;

        assert_true(zk__places_make(&p, rows[i].text, &t));
        assert_int_equal(zk__places_cores(&p, &t), rows[i].cores);
        zk__places_free(&p);
    }
    zk__topology_free(&t);
}

/* ---- shares ---------------------------------------------------------------- */

static void
test_shares_are_disjoint_and_cover_all(void **state)
{
    static const char *const machines[] = {
        TWO_PACKAGES, "core:7 pu:1", "core:5 pu:2", "pu:1", "core:64 pu:2"};

    (void)state;
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++)
        for (unsigned size = 1; size <= 20; size++) {
            unsigned seen[256] = {0}, units = 0;

            for (unsigned rank = 0; rank < size; rank++) {
                struct zk_topology t = machine(machines[m]);

                units = t.npus;
                zk__share_take(&t, (struct zk_share){rank, size});
                assert_true(t.npus >= 1 && t.ncores >= 1);
                assert_true(t.ncores <= t.npus);
                for (unsigned i = 0; i < t.npus; i++)
                    seen[t.pus[i].os_index]++;
                zk__topology_free(&t);
            }
            for (unsigned i = 0; i < units && size <= units; i++)
                assert_int_equal(seen[i], 1);
        }
}

static void
test_a_share_has_whole_cores_while_there_are_enough(void **state)
{
    (void)state;
    for (unsigned rank = 0; rank < 4; rank++) {
        struct zk_topology t = machine(TWO_PACKAGES);

        zk__share_take(&t, (struct zk_share){rank, 4});
        assert_int_equal(t.npus, 4);
        assert_int_equal(t.ncores, 2);
        assert_int_equal(t.pus[0].os_index, 4 * rank);
        assert_true(t.pus[2].first_thread && !t.pus[3].first_thread);
        zk__topology_free(&t);
    }
}

static void
test_what_a_launcher_has_split_is_not_split_again(void **state)
{
    struct zk_share got;

    (void)state;
    got = zk__share_of((struct zk_share){1, 2}, 16, 16); /* it has not */
    assert_int_equal(got.rank, 1);
    assert_int_equal(got.size, 2);
    got = zk__share_of((struct zk_share){1, 2}, 8, 16); /* by two */
    assert_int_equal(got.size, 1);
    got =
        zk__share_of((struct zk_share){3, 4}, 8, 16); /* by socket: 2 in each */
    assert_int_equal(got.size, 2);
    assert_int_equal(got.rank, 1);
    got = zk__share_of((struct zk_share){0, 1}, 16, 16);
    assert_int_equal(got.size, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptions_name_the_places_that_openmp_means),
        cmocka_unit_test(test_malformed_descriptions_are_refused_whole),
        cmocka_unit_test(test_what_is_valid_and_what_makes_places_are_the_same),
        cmocka_unit_test(test_workers_are_dealt_out_as_openmp_says),
        cmocka_unit_test(test_cores_that_places_reach_are_counted_once),
        cmocka_unit_test(test_shares_are_disjoint_and_cover_all),
        cmocka_unit_test(test_a_share_has_whole_cores_while_there_are_enough),
        cmocka_unit_test(test_what_a_launcher_has_split_is_not_split_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
