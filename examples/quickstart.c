/*
 * quickstart.c - a phase, a loop, and a result that outlives them.
 *
 *     cc -std=c11 quickstart.c $(pkg-config --cflags --libs zkrt)
 *
 * Owns:   the first program that a newcomer compiles.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <zkrt/zkrt.h>

#define COUNT ((size_t)1 << 20)

/* Runs on every worker, on disjoint ranges. */
static int
square(size_t begin, size_t end, void *arg)
{
    uint64_t *v = arg;

    for (size_t i = begin; i < end; i++)
        v[i] = (uint64_t)i * i;
    return 0;
}

/* Everything that it allocates from zk_malloc() dies with its phase. */
static int
squares(void *arg)
{
    uint64_t **result = arg;
    uint64_t *v = zk_malloc(COUNT * sizeof *v);

    if (v == NULL)
        return ZK_ENOMEM;

    zk_err_t err = zk_parallel_for(0, COUNT, 0, square, v);

    if (err != ZK_OK)
        return err;

    /* The last eight are wanted later: copy them out of the arena. */
    *result = zk_detach(v + COUNT - 8, 8 * sizeof *v);
    return *result == NULL ? ZK_ENOMEM : ZK_OK;
}

int
main(void)
{
    uint64_t *result = NULL;

    /* The second and third phase run on the pages of the first. */
    for (int round = 0; round < 3; round++) {
        zk_free(result);
        result = NULL;

        zk_err_t err = zk_runtime_phase("squares", squares, &result);

        if (err != ZK_OK) {
            fprintf(stderr, "quickstart: %s\n", zk_strerror(err));
            return EXIT_FAILURE;
        }
    }

    printf("zkrt %s, %u workers\n", zk_version(), zk_num_workers());
    printf("%zu squared is %" PRIu64 "\n", COUNT - 1, result[7]);
    zk_free(result);
    return EXIT_SUCCESS;
}
