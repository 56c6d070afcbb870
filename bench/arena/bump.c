/*
 * bump.c - what one small block of an arena costs.
 *
 *     arena_bump [BATCHES]
 *
 * Owns:   the hand-written bumps that zkrt's is held against, and the order in
 *         which the contenders take turns.
 * Never:  touches the blocks: the figure is the allocator's alone.
 *
 * A batch is BLOCKS allocations of 64 bytes. The contenders take turns in
 * random order, batch by batch, so that all of them see the same machine.
 */
#include <sys/mman.h>

#include "lane.h"

enum { BLOCKS = 100000, BLOCK = 64 };

/* ---- hand-written bumps ------------------------------------------------- */

struct hand {
    char *next, *end, *base;
};

/* One slab for each thread and for all time. */
static _Thread_local struct hand hand;

/* As zkrt's: which slab a thread is on can change. */
static _Thread_local struct hand *hand_now;

static inline void *
bump_of(struct hand *h, size_t n)
{
    size_t bytes = (n + 63) & ~(size_t)63;
    char *p = h->next;

    if (bytes > (size_t)(h->end - p))
        return NULL;
    h->next = p + bytes;
    return p;
}

static void
hand_open(void)
{
    size_t n = (size_t)BLOCKS * BLOCK;
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);

    bench_check(p != MAP_FAILED, "mmap");
    hand.base = p;
    hand.end = hand.base + n;
    hand_now = &hand;
}

/* ---- a batch of each ---------------------------------------------------- */

static double
per_block(uint64_t ns, const char *first, const char *last)
{
    bench_check(last - first >= (ptrdiff_t)(BLOCKS - 1) * BLOCK,
                "the blocks of a batch overlap");
    return (double)ns / (double)BLOCKS;
}

/*
 * Each contender is a function of its own with the loop inside, so that the
 * compiler sees the same shape each time.
 */
#define BATCH(name, allocate)                               \
    __attribute__((noinline)) static double name(void)      \
    {                                                       \
        char *first, *p = NULL;                             \
        uint64_t start = bench_now_ns();                    \
                                                            \
        first = p = (allocate);                             \
        bench_escape(p);                                    \
        for (int i = 1; i < BLOCKS; i++) {                  \
            p = (allocate);                                 \
            bench_escape(p);                                \
        }                                                   \
        return per_block(bench_now_ns() - start, first, p); \
    }

BATCH(batch_hand, bump_of(&hand, BLOCK))
BATCH(batch_by_pointer, bump_of(hand_now, BLOCK))
BATCH(batch_inlined, zk_bump(BLOCK))
BATCH(batch_shared, zk_phase_alloc(BLOCK, 64))
BATCH(batch_malloc, zk_malloc(BLOCK))

static const struct {
    const char *metric;
    double (*run)(void);
} contenders[] = {
    {"hand/bump", batch_hand},
    {"hand by pointer/bump", batch_by_pointer},
    {"zkrt/bump", batch_inlined},
    {"zkrt/bump_shared", batch_shared},
    {"zkrt/bump_malloc", batch_malloc},
};

enum { CONTENDERS = sizeof contenders / sizeof *contenders };

static void
bumps(size_t batches)
{
    double *ns[CONTENDERS];
    uint64_t random = 1;

    for (int c = 0; c < CONTENDERS; c++) {
        ns[c] = calloc(batches, sizeof *ns[c]);
        bench_check(ns[c] != NULL, "calloc");
    }
    /* One turn before the first that counts: pages and caches are warm. */
    for (size_t i = 0; i <= batches; i++) {
        int order[CONTENDERS];

        for (int c = 0; c < CONTENDERS; c++)
            order[c] = c;
        for (int c = CONTENDERS - 1; c > 0; c--) {
            random = bench_mix(random);
            int other = (int)(random % (uint64_t)(c + 1));
            int held = order[c];

            order[c] = order[other];
            order[other] = held;
        }
        for (int c = 0; c < CONTENDERS; c++) {
            int which = order[c];

            hand.next = hand.base;
            must(zk_phase_begin("bump"), "begin");
            double took = contenders[which].run();
            must(zk_phase_end(), "end");
            if (i > 0)
                ns[which][i - 1] = took;
        }
    }
    for (int c = 0; c < CONTENDERS; c++) {
        bench_report(contenders[c].metric, bench_median(ns[c], batches));
        free(ns[c]);
    }
}

int
main(int argc, char **argv)
{
    size_t batches = (size_t)bench_arg(argc, argv, 1, 51);
    zk_runtime_t *lane;

    must(zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .min_bytes = 1)),
         "open");
    must(zk_runtime_enter(lane), "enter");
    hand_open();
    bumps(batches);
    lane_leave(lane);
    return 0;
}
