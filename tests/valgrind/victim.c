/*
 * victim.c - one use of memory, right or wrong, for memcheck to look at.
 *
 *     valgrind_victim right|read|write|freed|beyond
 *     valgrind_victim heap_HOW, with HOW one of
 *         right|freed|beyond|large_beyond|unwritten|twice|leak|closed
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

/* ---- the heap ------------------------------------------------------------ */

static int
use_heap_rightly(void)
{
    zk_heap_t *heap = NULL;
    zk_cache_t *cache = NULL;
    long sum = 0;

    for (int round = 0; round < 3; round++) {
        char *held[200];

        for (size_t i = 0; i < 200; i++) {
            size_t n = 1 + i * i * (i % 50 == 0 ? 50 : 1);

            held[i] = zk_malloc(n);
            if (held[i] == NULL)
                return 1;
            memset(held[i], 1, n);
            if (i % 7 == 0) {
                held[i] = zk_realloc(held[i], 2 * n + 1);
                if (held[i] == NULL)
                    return 1;
            }
            sum += held[i][n - 1];
            n = zk_usable_size(held[i]);
            memset(held[i], 2, n); /* all of it */
            sum += held[i][n - 1] - 2;
        }
        for (size_t i = 0; i < 200; i++)
            zk_free(held[i]);
        held[0] = zk_calloc(100, 1000);
        held[1] = zk_calloc(100, 100000);
        if (held[0] == NULL || held[1] == NULL)
            return 1;
        sum += held[0][99999] + held[1][9999999];
        held[1] = zk_realloc(held[1], 20000000);
        if (held[1] == NULL)
            return 1;
        sum += held[1][9999999];
        zk_free(held[0]);
        zk_free(held[1]);
    }
    for (int round = 0; round < 2; round++) {
        if (zk_heap_open(&heap, 0) != ZK_OK ||
            zk_cache_open(&cache, heap) != ZK_OK)
            return 1;
        for (size_t n = 1; n < 2000000; n *= 3) {
            char *p = zk_heap_alloc(cache, n, 0), *q;

            q = zk_heap_alloc(cache, n, 0);
            if (p == NULL || q == NULL)
                return 1;
            memset(p, 0, n);
            memset(q, 0, n);
            sum += p[n / 2];
            if (zk_heap_free(cache, p) != ZK_OK)
                return 1;
        }
        if (zk_heap_close(heap) != ZK_OK || zk_cache_close(cache) != ZK_OK)
            return 1;
    }
    return sum == 600 ? 0 : 1;
}

/* Of a frame that is gone when it is searched for. */
static __attribute__((noinline)) void
lose(void)
{
    char *volatile lost = zk_malloc(777);

    if (lost != NULL)
        lost[0] = 1;
    lost = NULL;
}

static int
use_a_closed_heap(void)
{
    zk_heap_t *heap = NULL;
    zk_cache_t *cache = NULL;
    volatile char *p;

    if (zk_heap_open(&heap, 0) != ZK_OK || zk_cache_open(&cache, heap) != ZK_OK)
        return 1;
    p = zk_heap_alloc(cache, 100, 0);
    if (p == NULL)
        return 1;
    p[0] = 1;
    if (zk_heap_close(heap) != ZK_OK)
        return 1;
    return p[0] > 1;
}

static int
use_heap_wrongly(const char *how)
{
    size_t n = strcmp(how, "large_beyond") == 0 ? 3000000 : 1000;
    volatile char *p = zk_malloc(n);

    if (p == NULL)
        return 1;
    if (strcmp(how, "unwritten") == 0 && p[10] == 77)
        fputs("a chance of one in 256\n", stdout);
    p[0] = 1;
    if (strstr(how, "beyond") != NULL)
        p[n] = 1;
    zk_free((void *)(size_t)p);
    if (strcmp(how, "freed") == 0)
        return p[0] > 1;
    if (strcmp(how, "twice") == 0)
        zk_free((void *)(size_t)p);
    if (strcmp(how, "leak") == 0)
        for (int i = 0; i < 3; i++)
            lose();
    return strcmp(how, "closed") == 0 ? use_a_closed_heap() : 0;
}

int
main(int argc, char **argv)
{
    zk_options_t options = ZK_OPTIONS_INIT;
    zk_runtime_t *lane;
    int code;

    if (argc != 2)
        return 2;
    if (strcmp(argv[1], "heap_right") == 0)
        return use_heap_rightly();
    if (strncmp(argv[1], "heap_", 5) == 0)
        return use_heap_wrongly(argv[1] + 5);
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
