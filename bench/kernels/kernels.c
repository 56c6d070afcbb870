/*
 * kernels.c - what a prover computes, beside a sequential twin of each.
 *
 *     kernels_CONTENDER THREADS REPEATS [SHRINK]
 *
 *     ntt       a number-theoretic transform of 2^20 elements
 *     lde       64 columns of 2^14 rows, extended to 4 cosets
 *     merkle    a tree over 2^15 rows of 8 elements, hashed by Poseidon2
 *     msm       the shape of a multi-scalar multiplication: 2^18 elements of a
 *               group to powers of 64 bits, by buckets. Half of the powers have 8
 *               bits, as a witness has, so that windows differ in their work
 *     sumcheck  all rounds over the product of two tables of 2^19, halved each time
 *     bitrev    2^22 elements into bit-reversed order
 *
 * Owns:   the kernels, their twins, and the comparison: what the loops compute is
 *         what the twin computed, to the last bit.
 * Never:  starts a thread before all twins are timed: one that still looks for work
 *         would slow them down.
 *
 * The field, its extension and the hash are those of examples/stark. A twin is what
 * one writes for one thread, not the loop on one worker. SHRINK is taken off
 * each logarithm of a size, for a run that is only a check.
 *
 * Metrics: KERNEL_twin_THREADS and KERNEL_THREADS in ms, and KERNEL_gain_THREADS,
 * their quotient.
 */
#include <string.h>

#include "bench.h"
#include "contender.h"
#include "ext.h"
#include "poseidon2.h"

static unsigned shrink;

static size_t
size_of(unsigned log)
{
    return (size_t)1 << (log > shrink + 4 ? log - shrink : 4);
}

static unsigned
log_of(size_t n)
{
    return (unsigned)__builtin_ctzll((unsigned long long)n);
}

static void *
get(size_t n, size_t bytes)
{
    void *p = calloc(n, bytes);

    bench_check(p != NULL, "out of memory");
    return p;
}

static uint64_t random_state = 1;

static fp_t
random_element(void)
{
    random_state = bench_mix(random_state);
    return random_state % FP_P;
}

static fp_t *
random_elements(size_t n)
{
    fp_t *v = get(n, sizeof *v);

    for (size_t i = 0; i < n; i++)
        v[i] = random_element();
    return v;
}

static inline size_t
reversed(size_t i, unsigned bits)
{
    uint64_t x = __builtin_bswap64(i);

    x = (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4 |
        (x >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f));
    x = (x & UINT64_C(0x3333333333333333)) << 2 |
        (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x & UINT64_C(0x5555555555555555)) << 1 |
        (x >> 1 & UINT64_C(0x5555555555555555));
    return (size_t)(x >> (64 - bits));
}

/* ---- transforms: the passes that both forms are made of --------------------- */

#define CACHED ((size_t)4096) /* elements: 32 KiB */

/* roots[h + i] = w^i for i < h, where w has order 2h, for all h < n. */
static fp_t *
roots_of(size_t n, int inverse)
{
    fp_t *roots = get(n, sizeof *roots);

    for (size_t h = 1; h < n; h *= 2) {
        fp_t w = fp_root(log_of(2 * h)), x = 1;

        if (inverse)
            w = fp_inverse(w);
        for (size_t i = 0; i < h; i++, x = fp_mul(x, w))
            roots[h + i] = x;
    }
    return roots;
}

/* Butterflies [from, to) of the pass at distance h; natural order in. */
static inline void
butterflies(fp_t *v, size_t h, size_t from, size_t to, const fp_t *roots)
{
    while (from < to) {
        size_t i = from & (h - 1);
        size_t end = i + (to - from) < h ? i + (to - from) : h;
        fp_t *lo = v + 2 * (from - i), *hi = lo + h;

        from += end - i;
        for (; i < end; i++) {
            fp_t x = lo[i], y = hi[i];

            lo[i] = fp_add(x, y);
            hi[i] = fp_mul(fp_sub(x, y), roots[h + i]);
        }
    }
}

/* Natural order in, bit-reversed order out; depth first, as caches like it. */
static void
transform(fp_t *v, size_t n, const fp_t *roots)
{
    if (n > CACHED) {
        butterflies(v, n / 2, 0, n / 2, roots);
        transform(v, n / 2, roots);
        transform(v + n / 2, n / 2, roots);
        return;
    }
    for (size_t h = n / 2; h > 0; h /= 2)
        butterflies(v, h, 0, n / 2, roots);
}

/* The other way round: bit-reversed order in, natural order out. */
static void
transform_back(fp_t *v, size_t n, const fp_t *roots)
{
    size_t first = 1;

    if (n > CACHED) {
        transform_back(v, n / 2, roots);
        transform_back(v + n / 2, n / 2, roots);
        first = n / 2;
    }
    for (size_t h = first; h < n; h *= 2)
        for (size_t block = 0; block < n; block += 2 * h)
            for (size_t i = 0; i < h; i++) {
                fp_t x = v[block + i];
                fp_t y = fp_mul(v[block + h + i], roots[h + i]);

                v[block + i] = fp_add(x, y);
                v[block + h + i] = fp_sub(x, y);
            }
}

/* ---- ntt ---------------------------------------------------------------------- */

static struct {
    size_t n, block, h;
    fp_t *input, *out, *roots;
} ntt;

static void
ntt_open(void)
{
    ntt.n = size_of(20);
    ntt.input = random_elements(ntt.n);
    ntt.out = get(ntt.n, sizeof(fp_t));
    ntt.roots = roots_of(ntt.n, 0);
}

static void
ntt_prepare(void)
{
    memcpy(ntt.out, ntt.input, ntt.n * sizeof(fp_t));
}

static void
ntt_twin(void)
{
    transform(ntt.out, ntt.n, ntt.roots);
}

static int
ntt_pass(size_t from, size_t to, void *arg)
{
    (void)arg;
    butterflies(ntt.out, ntt.h, from, to, ntt.roots);
    return 0;
}

static int
ntt_blocks(size_t from, size_t to, void *arg)
{
    (void)arg;
    for (; from < to; from++)
        transform(ntt.out + from * ntt.block, ntt.block, ntt.roots);
    return 0;
}

/* The first passes by all together, until there is a block for everybody. */
static void
ntt_loops(void)
{
    ntt.block = ntt.n >= CACHED ? ntt.n / 64 : ntt.n;
    for (ntt.h = ntt.n / 2; ntt.h >= ntt.block; ntt.h /= 2)
        contender_loop(0, ntt.n / 2, ntt_pass, NULL, 0);
    contender_loop(0, ntt.n / ntt.block, ntt_blocks, NULL, 0);
}

/* Element 3 of the result, by its definition. */
static int
ntt_right(void)
{
    fp_t w = fp_pow(fp_root(log_of(ntt.n)), 3), sum = 0;

    for (size_t i = ntt.n; i-- > 0;)
        sum = fp_add(fp_mul(sum, w), ntt.input[i]);
    return sum == ntt.out[reversed(3, log_of(ntt.n))];
}

static const void *
ntt_result(size_t *bytes)
{
    *bytes = ntt.n * sizeof(fp_t);
    return ntt.out;
}

/* ---- lde ---------------------------------------------------------------------- */

#define COLUMNS ((size_t)64)
#define COSETS  ((size_t)4)

static struct {
    size_t rows;
    fp_t *input, *out, *roots, *inverse_roots;
    fp_t *shifts; /* of each coset, in bit-reversed order, over the rows */
} lde;

static void
lde_open(void)
{
    lde.rows = size_of(14);
    lde.input = random_elements(COLUMNS * lde.rows);
    lde.out = get(COLUMNS * COSETS * lde.rows, sizeof(fp_t));
    lde.roots = roots_of(lde.rows, 0);
    lde.inverse_roots = roots_of(lde.rows, 1);
    lde.shifts = get(COSETS * lde.rows, sizeof(fp_t));
    for (size_t k = 0; k < COSETS; k++) {
        fp_t step = fp_pow(FP_GENERATOR, k + 1);
        fp_t x = fp_inverse(lde.rows);

        for (size_t i = 0; i < lde.rows; i++, x = fp_mul(x, step))
            lde.shifts[k * lde.rows + reversed(i, log_of(lde.rows))] = x;
    }
}

static void
lde_prepare(void)
{
}

/* The last coset's place holds the coefficients until its own turn. */
static int
lde_columns(size_t from, size_t to, void *arg)
{
    size_t n = lde.rows;

    (void)arg;
    for (size_t c = from; c < to; c++) {
        fp_t *out = lde.out + c * COSETS * n;
        fp_t *coefficients = out + (COSETS - 1) * n;

        memcpy(coefficients, lde.input + c * n, n * sizeof(fp_t));
        transform(coefficients, n, lde.inverse_roots);
        for (size_t k = 0; k < COSETS; k++) {
            for (size_t i = 0; i < n; i++)
                out[k * n + i] = fp_mul(coefficients[i], lde.shifts[k * n + i]);
            transform_back(out + k * n, n, lde.roots);
        }
    }
    return 0;
}

static void
lde_twin(void)
{
    (void)lde_columns(0, COLUMNS, NULL);
}

static void
lde_loops(void)
{
    contender_loop(0, COLUMNS, lde_columns, NULL, 0);
}

/* Back from the first coset to the rows: column 1 is what it was. */
static int
lde_right(void)
{
    size_t n = lde.rows;
    fp_t *v = get(n, sizeof *v), over = fp_inverse(n), x = over;
    fp_t step = fp_inverse(FP_GENERATOR);
    int same = 1;

    memcpy(v, lde.out + COSETS * n, n * sizeof *v);
    transform(v, n, lde.inverse_roots);
    for (size_t i = 0; i < n; i++, x = fp_mul(x, step)) {
        size_t at = reversed(i, log_of(n));

        v[at] = fp_mul(v[at], x);
    }
    transform_back(v, n, lde.roots);
    for (size_t i = 0; i < n; i++)
        same = same && v[i] == lde.input[n + i];
    free(v);
    return same;
}

static const void *
lde_result(size_t *bytes)
{
    *bytes = COLUMNS * COSETS * lde.rows * sizeof(fp_t);
    return lde.out;
}

/* ---- merkle ------------------------------------------------------------------- */

struct node {
    fp_t digest[P2_DIGEST];
};

static struct {
    size_t leaves;
    fp_t *rows; /* P2_RATE elements each */
    struct node
        *nodes; /* [1] is the root, [2i] and [2i + 1] are i's children */
} merkle;

static void
merkle_open(void)
{
    merkle.leaves = size_of(15);
    merkle.rows = random_elements(P2_RATE * merkle.leaves);
    merkle.nodes = get(2 * merkle.leaves, sizeof *merkle.nodes);
}

static void
merkle_prepare(void)
{
}

static struct node
hash(const fp_t in[P2_RATE])
{
    fp_t state[P2_WIDTH] = {0};
    struct node node;

    memcpy(state, in, P2_RATE * sizeof *state);
    poseidon2_permute(state);
    memcpy(node.digest, state, sizeof node.digest);
    return node;
}

static struct node
hash_pair(const struct node pair[2])
{
    fp_t in[P2_RATE];

    memcpy(in, pair[0].digest, sizeof pair[0].digest);
    memcpy(in + P2_DIGEST, pair[1].digest, sizeof pair[1].digest);
    return hash(in);
}

static int
merkle_leaves(size_t from, size_t to, void *arg)
{
    (void)arg;
    for (; from < to; from++)
        merkle.nodes[merkle.leaves + from] = hash(merkle.rows + from * P2_RATE);
    return 0;
}

static int
merkle_nodes(size_t from, size_t to, void *arg)
{
    (void)arg;
    for (; from < to; from++)
        merkle.nodes[from] = hash_pair(&merkle.nodes[2 * from]);
    return 0;
}

static void
merkle_twin(void)
{
    (void)merkle_leaves(0, merkle.leaves, NULL);
    for (size_t i = merkle.leaves; i-- > 1;)
        merkle.nodes[i] = hash_pair(&merkle.nodes[2 * i]);
}

static void
merkle_loops(void)
{
    contender_loop(0, merkle.leaves, merkle_leaves, NULL, 0);
    for (size_t level = merkle.leaves / 2; level > 0; level /= 2)
        contender_loop(level, 2 * level, merkle_nodes, NULL, 0);
}

/* The last leaf's path. */
static int
merkle_right(void)
{
    size_t at = 2 * merkle.leaves - 1;
    struct node node = hash(merkle.rows + (merkle.leaves - 1) * P2_RATE);

    for (; at > 1; at /= 2) {
        struct node pair[2] = {merkle.nodes[at - 1], node};

        node = hash_pair(pair);
    }
    return memcmp(&node, &merkle.nodes[1], sizeof node) == 0;
}

static const void *
merkle_result(size_t *bytes)
{
    *bytes = (2 * merkle.leaves - 1) * sizeof *merkle.nodes;
    return merkle.nodes + 1; /* there is no node 0 */
}

/* ---- msm: Pippenger's buckets -------------------------------------------------- */

/*
 * The group is that of the extension field, written as a product: one operation
 * takes five multiplications, where a curve's takes three times as many.
 */
enum { WINDOWS = 8, WINDOW_BITS = 8, BUCKETS = 1 << WINDOW_BITS };

#define PARTS ((size_t)8) /* of a window, each with buckets of its own */

static struct {
    size_t n;
    fq_t *base;
    uint64_t *power;
    fq_t part[WINDOWS * PARTS];
    fq_t result;
} msm;

static void
msm_open(void)
{
    msm.n = size_of(18);
    msm.base = get(msm.n, sizeof *msm.base);
    msm.power = get(msm.n, sizeof *msm.power);
    for (size_t i = 0; i < msm.n; i++) {
        fp_t a = random_element();
        uint64_t power = random_element();

        msm.base[i] = (fq_t){a, random_element()};
        msm.power[i] = i % 2 == 0 ? power % BUCKETS : power;
    }
}

static void
msm_prepare(void)
{
    msm.result = FQ_ZERO;
}

/* The product of base^digit over [from, to), for one window's digits. */
static fq_t
msm_window(unsigned window, size_t from, size_t to)
{
    fq_t bucket[BUCKETS], running = FQ_ONE, product = FQ_ONE;

    for (size_t b = 0; b < BUCKETS; b++)
        bucket[b] = FQ_ONE;
    for (; from < to; from++) {
        size_t digit =
            msm.power[from] >> (window * WINDOW_BITS) & (BUCKETS - 1);

        if (digit != 0)
            bucket[digit] = fq_mul(bucket[digit], msm.base[from]);
    }
    for (size_t b = BUCKETS - 1; b > 0; b--) {
        running = fq_mul(running, bucket[b]);
        product = fq_mul(product, running);
    }
    return product;
}

static fq_t
msm_shift(fq_t v)
{
    for (unsigned i = 0; i < WINDOW_BITS; i++)
        v = fq_mul(v, v);
    return v;
}

static void
msm_twin(void)
{
    fq_t product = FQ_ONE;

    for (unsigned w = WINDOWS; w-- > 0;)
        product = fq_mul(msm_shift(product), msm_window(w, 0, msm.n));
    msm.result = product;
}

static int
msm_parts(size_t from, size_t to, void *arg)
{
    (void)arg;
    for (; from < to; from++) {
        size_t part = from % PARTS;

        msm.part[from] =
            msm_window((unsigned)(from / PARTS), msm.n * part / PARTS,
                       msm.n * (part + 1) / PARTS);
    }
    return 0;
}

static void
msm_loops(void)
{
    fq_t product = FQ_ONE;

    contender_loop(0, WINDOWS * PARTS, msm_parts, NULL, 1);
    for (unsigned w = WINDOWS; w-- > 0;) {
        product = msm_shift(product);
        for (size_t p = 0; p < PARTS; p++)
            product = fq_mul(product, msm.part[w * PARTS + p]);
    }
    msm.result = product;
}

/* Power by power; where that does not take long. */
static int
msm_right(void)
{
    fq_t product = FQ_ONE;

    if (msm.n > 1 << 14)
        return 1;
    for (size_t i = 0; i < msm.n; i++)
        product = fq_mul(product, fq_pow(msm.base[i], msm.power[i]));
    return fq_equal(product, msm.result);
}

static const void *
msm_result(size_t *bytes)
{
    *bytes = sizeof msm.result;
    return &msm.result;
}

/* ---- sumcheck ------------------------------------------------------------------ */

enum { ROUNDS_MAX = 20 };

#define CELL ((size_t)2048)

struct sums {
    fq_t at[3]; /* of the product at 0, 1 and 2 */
};

static struct {
    size_t n, half;
    fq_t *input[2], *v[2];
    fq_t challenge;
    struct sums *cell;
    struct sums round[ROUNDS_MAX + 1]; /* and the last two values */
} sumcheck;

static void
sumcheck_open(void)
{
    sumcheck.n = size_of(19);
    for (int k = 0; k < 2; k++) {
        sumcheck.input[k] = (fq_t *)random_elements(2 * sumcheck.n);
        sumcheck.v[k] = get(sumcheck.n, sizeof(fq_t));
    }
    sumcheck.cell = get(sumcheck.n / CELL + 1, sizeof *sumcheck.cell);
}

static void
sumcheck_prepare(void)
{
    for (int k = 0; k < 2; k++)
        memcpy(sumcheck.v[k], sumcheck.input[k], sumcheck.n * sizeof(fq_t));
    memset(sumcheck.round, 0, sizeof sumcheck.round);
}

static void
sums_add(struct sums *to, const struct sums *s)
{
    for (int t = 0; t < 3; t++)
        to->at[t] = fq_add(to->at[t], s->at[t]);
}

static struct sums
sumcheck_sums(size_t from, size_t to)
{
    struct sums s;

    memset(&s, 0, sizeof s);
    for (; from < to; from++) {
        fq_t a0 = sumcheck.v[0][from], a1 = sumcheck.v[0][from + sumcheck.half];
        fq_t b0 = sumcheck.v[1][from], b1 = sumcheck.v[1][from + sumcheck.half];
        fq_t a2 = fq_sub(fq_add(a1, a1), a0), b2 = fq_sub(fq_add(b1, b1), b0);

        s.at[0] = fq_add(s.at[0], fq_mul(a0, b0));
        s.at[1] = fq_add(s.at[1], fq_mul(a1, b1));
        s.at[2] = fq_add(s.at[2], fq_mul(a2, b2));
    }
    return s;
}

static int
sumcheck_fold(size_t from, size_t to, void *arg)
{
    fq_t r = sumcheck.challenge;

    (void)arg;
    for (int k = 0; k < 2; k++)
        for (size_t i = from; i < to; i++) {
            fq_t lo = sumcheck.v[k][i], hi = sumcheck.v[k][i + sumcheck.half];

            sumcheck.v[k][i] = fq_add(lo, fq_mul(r, fq_sub(hi, lo)));
        }
    return 0;
}

static int
sumcheck_cells(size_t from, size_t to, void *arg)
{
    (void)arg;
    for (; from < to; from++) {
        size_t begin = from * CELL, end = begin + CELL;

        if (end > sumcheck.half)
            end = sumcheck.half;
        sumcheck.cell[from] = sumcheck_sums(begin, end);
    }
    return 0;
}

/* The challenge of a round is drawn from what the round has shown. */
static void
sumcheck_draw(const struct sums *s)
{
    sumcheck.challenge = (fq_t){bench_mix(s->at[0].a ^ s->at[2].b) % FP_P,
                                bench_mix(s->at[1].a ^ s->at[0].b) % FP_P};
}

static void
sumcheck_rounds(int loops)
{
    struct sums *s = sumcheck.round;

    for (size_t half = sumcheck.n / 2; half > 0; half /= 2, s++) {
        size_t cells = (half + CELL - 1) / CELL;

        sumcheck.half = half;
        if (loops) {
            contender_loop(0, cells, sumcheck_cells, NULL, 0);
            for (size_t c = 0; c < cells; c++)
                sums_add(s, &sumcheck.cell[c]);
        } else {
            *s = sumcheck_sums(0, half);
        }
        sumcheck_draw(s);
        if (loops)
            contender_loop(0, half, sumcheck_fold, NULL, 0);
        else
            (void)sumcheck_fold(0, half, NULL);
    }
    s->at[0] = sumcheck.v[0][0];
    s->at[1] = sumcheck.v[1][0];
}

static void
sumcheck_twin(void)
{
    sumcheck_rounds(0);
}

static void
sumcheck_loops(void)
{
    sumcheck_rounds(1);
}

/* The verifier: each round sums up to the last one's value at its challenge. */
static int
sumcheck_right(void)
{
    const struct sums *s = sumcheck.round;
    fq_t claim = fq_add(s->at[0], s->at[1]);
    fp_t over_two = fp_inverse(2);

    for (size_t half = sumcheck.n / 2; half > 0; half /= 2, s++) {
        fq_t r, slope, curve;

        if (!fq_equal(claim, fq_add(s->at[0], s->at[1])))
            return 0;
        sumcheck_draw(s);
        r = sumcheck.challenge;
        slope = fq_sub(s->at[1], s->at[0]); /* Newton's form */
        curve = fq_sub(fq_sub(s->at[2], s->at[1]), slope);
        claim = fq_add(
            fq_mul(fq_mul(r, fq_sub(r, FQ_ONE)), fq_scale(curve, over_two)),
            fq_add(s->at[0], fq_mul(r, slope)));
    }
    return fq_equal(claim, fq_mul(s->at[0], s->at[1]));
}

static const void *
sumcheck_result(size_t *bytes)
{
    *bytes = sizeof sumcheck.round;
    return sumcheck.round;
}

/* ---- bitrev -------------------------------------------------------------------- */

static struct {
    size_t n;
    unsigned bits;
    fp_t *input, *out;
} bitrev;

static void
bitrev_open(void)
{
    bitrev.n = size_of(22);
    bitrev.bits = log_of(bitrev.n);
    bitrev.input = random_elements(bitrev.n);
    bitrev.out = get(bitrev.n, sizeof(fp_t));
}

static void
bitrev_prepare(void)
{
}

static int
bitrev_range(size_t from, size_t to, void *arg)
{
    (void)arg;
    for (; from < to; from++)
        bitrev.out[from] = bitrev.input[reversed(from, bitrev.bits)];
    return 0;
}

static void
bitrev_twin(void)
{
    (void)bitrev_range(0, bitrev.n, NULL);
}

static void
bitrev_loops(void)
{
    contender_loop(0, bitrev.n, bitrev_range, NULL, 0);
}

static int
bitrev_right(void)
{
    return bitrev.out[1] == bitrev.input[bitrev.n / 2] &&
           bitrev.out[bitrev.n - 2] == bitrev.input[bitrev.n / 2 - 1];
}

static const void *
bitrev_result(size_t *bytes)
{
    *bytes = bitrev.n * sizeof(fp_t);
    return bitrev.out;
}

/* ---- all of them --------------------------------------------------------------- */

static const struct kernel {
    const char *name;
    void (*open)(void);
    void (*prepare)(void); /* before each run; not timed */
    void (*twin)(void);
    void (*loops)(void);
    int (*right)(void);
    const void *(*result)(size_t *bytes);
} kernels[] = {
#define KERNEL(name)                                                   \
    {                                                                  \
#        name, name##_open, name##_prepare, name##_twin, name##_loops, \
            name##_right, name##_result                                \
    }
    KERNEL(ntt), KERNEL(lde),      KERNEL(merkle),
    KERNEL(msm), KERNEL(sumcheck), KERNEL(bitrev),
#undef KERNEL
};

enum { KERNELS = sizeof kernels / sizeof *kernels, REPEATS_MAX = 31 };

static double
median_ms(const struct kernel *k, void (*run)(void), unsigned repeats)
{
    double ms[REPEATS_MAX];

    for (unsigned i = 0; i <= repeats; i++) {
        uint64_t start;

        k->prepare();
        start = bench_now_ns();
        run();
        if (i > 0)
            ms[i - 1] = (double)(bench_now_ns() - start) / 1e6;
    }
    return bench_median(ms, repeats);
}

/* A sum of all bytes in their order: the twin's result need not be kept. */
static uint64_t
fingerprint(const struct kernel *k)
{
    size_t bytes;
    const uint64_t *words = k->result(&bytes);
    uint64_t sum = 0;

    for (size_t i = 0; i < bytes / sizeof *words; i++)
        sum = (sum ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + i;
    return sum;
}

/* Nothing of the twin's result is left over. */
static void
spoil(const struct kernel *k)
{
    size_t bytes;
    const void *result = k->result(&bytes);

    memset((void *)(uintptr_t)result, 0xff, bytes);
}

static void
report(const struct kernel *k, const char *what, unsigned threads, double value)
{
    char metric[48];

    snprintf(metric, sizeof metric, "%s_%s%u", k->name, what, threads);
    bench_report(metric, value);
}

int
main(int argc, char **argv)
{
    unsigned threads = (unsigned)bench_arg(argc, argv, 1, 2);
    unsigned repeats = (unsigned)bench_arg(argc, argv, 2, 5);
    double twin[KERNELS];
    uint64_t wanted[KERNELS];
    cpu_set_t everywhere;

    shrink = (unsigned)bench_arg(argc, argv, 3, 0);
    bench_check(repeats > 0 && repeats <= REPEATS_MAX, "1 to 31 repeats");
    bench_check(sched_getaffinity(0, sizeof everywhere, &everywhere) == 0,
                "the cores");
    bench_bind(0);
    for (int i = 0; i < KERNELS; i++) {
        const struct kernel *k = &kernels[i];

        k->open();
        twin[i] = median_ms(k, k->twin, repeats);
        bench_check(k->right(), k->name);
        wanted[i] = fingerprint(k);
        spoil(k);
    }
    (void)sched_setaffinity(0, sizeof everywhere, &everywhere);
    contender_open(threads);
    for (int i = 0; i < KERNELS; i++) {
        const struct kernel *k = &kernels[i];
        double ms = median_ms(k, k->loops, repeats);

        bench_check(fingerprint(k) == wanted[i], k->name);
        report(k, "twin_", threads, twin[i]);
        report(k, "", threads, ms);
        report(k, "gain_", threads, twin[i] / ms);
    }
    contender_close();
    return 0;
}
