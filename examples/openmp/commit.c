/*
 * commit.c - a program that keeps its `#pragma omp` and gets phases.
 *
 *     openmp_commit [LOG_ROWS [COLUMNS [ROUNDS]]]
 *
 * The commitment of a prover: columns are interpolated and extended to eight times
 * their length (number-theoretic transforms over the Goldilocks field), rows are
 * hashed, and the Merkle tree is built above them. It is done without phases first
 * and then with them, and the program compares the roots, counts its threads, and
 * shows whose bytes the buffers were. Exit status 1: a root differs, or there are
 * more threads with phases than without.
 *
 * Owns:   the loops, all of them OpenMP's.
 * Never:  asks who serves its zk_malloc(), but for the report.
 */
#include <dirent.h>
#include <inttypes.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <zkrt/omp.h>
#include <zkrt/zkrt.h>

#include "domain.h"
#include "hash.h"

#define MAX_COLUMNS 256u

struct commitment {
    unsigned log_rows, columns;
    struct digest root;
    size_t bytes, arena_bytes; /* of the buffers, and of those in an arena */
    unsigned threads;          /* of the process, at the end */
};

/* Any thread of the team takes its buffers here. */
static void *
take(struct commitment *c, size_t bytes)
{
    void *p = zk_malloc(bytes);
    size_t in_arena = zk_in_arena(p) ? bytes : 0;

#pragma omp atomic
    c->bytes += bytes;
#pragma omp atomic
    c->arena_bytes += in_arena;
    return p;
}

static unsigned
count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned n = 0;

    if (tasks == NULL)
        return 0;
    for (struct dirent *e = readdir(tasks); e != NULL; e = readdir(tasks))
        n += e->d_name[0] != '.';
    closedir(tasks);
    return n;
}

/* Some rows that a prover might have. */
static void
fill(fp_t *v, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        v[i] = seed >> 1; /* below p */
    }
}

/* One column, on the thread that will go on with it. False: no memory. */
static bool
extend_column(struct commitment *c, const struct domain *d, unsigned column,
              fp_t **extended)
{
    fp_t *v = take(c, d->rows * sizeof *v);

    *extended = take(c, STARK_BLOWUP * d->rows * sizeof *v);
    if (v == NULL || *extended == NULL)
        return false;
    fill(v, d->rows, column + 1);
    domain_interpolate(d, v);
    domain_extend(d, *extended, v);
    zk_free(v);
    return true;
}

static bool
extend_all(struct commitment *c, struct domain *d, fp_t **extended)
{
    bool ok = true;

#pragma omp parallel for schedule(dynamic)
    for (unsigned j = 0; j < STARK_BLOWUP; j++)
        domain_init_stripe(d, j);

#pragma omp parallel for schedule(dynamic) reduction(&& : ok)
    for (unsigned i = 0; i < c->columns; i++)
        ok = extend_column(c, d, i, &extended[i]) && ok;
    return ok;
}

static void
hash_rows(const struct commitment *c, fp_t *const *columns, size_t leaves,
          struct digest *nodes)
{
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < leaves; row++) {
        fp_t values[MAX_COLUMNS];

        for (unsigned i = 0; i < c->columns; i++)
            values[i] = columns[i][row];
        nodes[leaves + row] =
            hash_bytes(HASH_LEAF, values, c->columns * sizeof *values);
    }
    for (size_t layer = leaves / 2; layer > 0; layer /= 2) {
#pragma omp parallel for schedule(static) if (layer >= 256)
        for (size_t i = layer; i < 2 * layer; i++)
            nodes[i] = hash_node(&nodes[2 * i], &nodes[2 * i + 1]);
    }
}

/* A stage of a proof: what it takes is freed here where there is no phase, and
 * dies with the phase where there is one. */
static int
commit(void *arg)
{
    struct commitment *c = arg;
    struct domain d;
    fp_t *extended[MAX_COLUMNS] = {NULL};
    size_t leaves = (size_t)STARK_BLOWUP << c->log_rows;
    fp_t *tables = take(c, domain_table_elements(c->log_rows) * sizeof *tables);
    struct digest *nodes = take(c, 2 * leaves * sizeof *nodes);
    bool ok = tables != NULL && nodes != NULL;

    if (ok) {
        domain_init(&d, c->log_rows, kernels_best(), tables);
        ok = extend_all(c, &d, extended);
    }
    if (ok) {
        hash_rows(c, extended, leaves, nodes);
        c->root = nodes[1];
    }
    c->threads = count_threads();
    for (unsigned i = 0; i < c->columns; i++)
        zk_free(extended[i]);
    zk_free(nodes);
    zk_free(tables);
    return ok ? ZK_OK : ZK_ENOMEM;
}

static double
now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static zk_err_t
run(struct commitment *c, bool phase)
{
    double start = now_ms();
    zk_err_t err;

    c->bytes = 0;
    c->arena_bytes = 0;
    err = phase ? zk_omp_phase(NULL, "commit", NULL, commit, c) : commit(c);
    if (err != ZK_OK) {
        fprintf(stderr, "openmp_commit: %s\n", zk_strerror(err));
        return err;
    }
    printf("%-8s %7.1f ms  %6.1f MiB, %3.0f %% in the arena, %u threads\n",
           phase ? "phase" : "plain", now_ms() - start,
           (double)c->bytes / (1 << 20),
           100.0 * (double)c->arena_bytes / (double)c->bytes, c->threads);
    return err;
}

static unsigned
argument(int argc, char **argv, int i, unsigned otherwise)
{
    return i < argc ? (unsigned)strtoul(argv[i], NULL, 10) : otherwise;
}

int
main(int argc, char **argv)
{
    unsigned log_rows = argument(argc, argv, 1, 12);
    unsigned columns = argument(argc, argv, 2, 24);
    unsigned rounds = argument(argc, argv, 3, 3);
    unsigned threads = 0;
    struct commitment c = {.log_rows = log_rows, .columns = columns};
    struct digest root;
    bool good = true;

    printf("OpenMP's team: %d threads\n", omp_get_max_threads());
    if (log_rows < 4 || log_rows > 20 || columns == 0 ||
        columns > MAX_COLUMNS || rounds == 0) {
        fprintf(stderr, "usage: openmp_commit [LOG_ROWS [COLUMNS [ROUNDS]]]\n"
                        "LOG_ROWS is 4 to 20, COLUMNS 1 to 256\n");
        return 2;
    }
    if (!hash_start() || zk_omp_init() != ZK_OK)
        return EXIT_FAILURE;

    for (unsigned i = 0; i < 2 * rounds; i++) {
        if (run(&c, i >= rounds) != ZK_OK)
            return EXIT_FAILURE;
        if (i == 0) {
            root = c.root;
            threads = c.threads;
        }
        good = good && digest_equal(&root, &c.root) && c.threads <= threads &&
               (c.arena_bytes == c.bytes) == (i >= rounds);
    }
    printf("root ");
    for (unsigned i = 0; i < HASH_BYTES; i++)
        printf("%02x", root.bytes[i]);
    printf("\n%s\n",
           good ? "the same with and without phases" : "WRONG: see above");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
