/*
 * victim.c - one use of memory, right or wrong, for memcheck to look at.
 *
 *     valgrind_victim right|read|write|freed|beyond
 */
#include <stdio.h>
#include <string.h>

#include <zkrt/zkrt.h>

static int
fill(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (; begin < end; begin++) {
        char *p = zk_malloc(100 + begin * 500);

        if (p == NULL)
            return 1;
        memset(p, 1, 100 + begin * 500);
        if (begin % 2 == 0)
            zk_free(p);
    }
    return 0;
}

/* Blocks of all kinds, in phases and stages, each written and read in full. */
static int
use_rightly(void)
{
    long sum = 0;

    for (int phase = 0; phase < 5; phase++) {
        char *kept, *grown;

        if (zk_phase_begin("right") != ZK_OK)
            return 1;
        kept = zk_calloc(10, 1000);
        grown = zk_malloc(5000);
        if (kept == NULL || grown == NULL)
            return 1;
        memset(grown, 1, 5000);
        if (zk_parallel_for(0, 64, 1, fill, NULL) != ZK_OK ||
            zk_phase_begin("stage") != ZK_OK || fill(0, 40, NULL) != 0 ||
            zk_phase_end() != ZK_OK)
            return 1;
        for (int i = 0; i < 200; i++) { /* without a call, as a rule */
            char *p = zk_bump(64);

            if (p == NULL)
                return 1;
            memset(p, 1, 64);
            sum += p[63];
        }
        grown = zk_realloc(grown, 900000);
        if (grown == NULL)
            return 1;
        sum += kept[9999] + grown[4999];
        if (zk_phase_end() != ZK_OK)
            return 1;
        sum += grown[4999]; /* it may be read until the next begin */
    }
    return sum == 5 * 202 ? 0 : 1;
}

static int
use_wrongly(const char *how)
{
    volatile char *p;
    int sum = 0;

    if (zk_phase_begin("first") != ZK_OK)
        return 1;
    p = zk_malloc(8192);
    if (p == NULL)
        return 1;
    p[100] = 1;
    if (strcmp(how, "freed") == 0) {
        zk_free((void *)(size_t)p);
        sum += p[100];
    } else if (strcmp(how, "beyond") == 0) {
        sum += p[8192 + 64];
    }
    if (zk_phase_end() != ZK_OK || zk_phase_begin("second") != ZK_OK)
        return 1;
    if (strcmp(how, "read") == 0)
        sum += p[100];
    else if (strcmp(how, "write") == 0)
        p[100] = 2;
    return zk_phase_end() == ZK_OK && sum >= 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    zk_options_t options = ZK_OPTIONS_INIT;
    zk_runtime_t *lane;
    int code;

    if (argc != 2)
        return 2;
    options.workers = 2;
    options.min_bytes = 1;
    options.slab_bytes = (size_t)64 << 20;
    options.trap = ZK_TRAP_OFF; /* memcheck tells instead */
    if (zk_runtime_open(&lane, &options) != ZK_OK ||
        zk_runtime_enter(lane) != ZK_OK)
        return 1;
    code = strcmp(argv[1], "right") == 0 ? use_rightly() : use_wrongly(argv[1]);
    if (code != 0)
        fprintf(stderr, "victim: it did not work\n");
    return zk_runtime_close(lane) == ZK_OK ? code : 1;
}
