/*
 * heap.c - small programs that are all malloc and free.
 *
 *     heap_CONTENDER TEST [DIVISOR [SHRINK]]
 *
 * Owns:   the command line. One test a process, so that none runs on what another
 *         left behind.
 * Never:  allocates.
 *
 * DIVISOR makes a test shorter. SHRINK makes large blocks and large numbers of
 * blocks smaller, for a run that is only a check.
 */
#include <string.h>

#include "tests.h"

size_t heap_divisor = 1, heap_shrink = 1;

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"pair", test_pair},           {"blocks", test_blocks},
    {"million", test_million},     {"churn", test_churn},
    {"churn_70k", test_churn_70k}, {"churn_2", test_churn_2},
    {"exchange", test_exchange},   {"larson", test_larson},
    {"rptest", test_rptest},       {"xmalloc", test_xmalloc},
    {"hand_64", test_hand_64},     {"hand_mixed", test_hand_mixed},
    {"hand_bulk", test_hand_bulk}, {"embeddings", test_embeddings},
    {"mixed", test_mixed},         {"large", test_large},
    {"grow_page", test_grow_page}, {"grow_line", test_grow_line},
    {"zeroed", test_zeroed},
};

int
main(int argc, char **argv)
{
    long shorter = bench_arg(argc, argv, 2, 1);
    long smaller = bench_arg(argc, argv, 3, 1);

    if (shorter > 0)
        heap_divisor = (size_t)shorter;
    if (smaller > 0)
        heap_shrink = (size_t)smaller;
    for (size_t i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++)
        if (strcmp(argv[1], tests[i].name) == 0) {
            memory_open();
            tests[i].run();
            memory_close();
            return 0;
        }
    fputs("usage: heap TEST [DIVISOR [SHRINK]], where TEST is one of:\n",
          stderr);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        fprintf(stderr, "    %s\n", tests[i].name);
    return 2;
}
