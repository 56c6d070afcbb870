/*
 * zkprove.c - the program: proves that a file is known.
 *
 * Owns:   the command line, the two output files, the exit status.
 * Never:  proves (prover.h does).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zkrt/zkrt.h>

#include "digest_text.h"
#include "file_io.h"
#include "hash.h"
#include "progress.h"
#include "report.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *file, *output;
    unsigned repeat, workers; /* workers 0: as the environment says */
    enum mem_kind memory;
    bool json, quiet;
};

static void
print_help(void)
{
    printf("usage: zkprove FILE -o PROOF [options]\n"
           "\n"
           "Writes to PROOF a proof that a file with a certain digest is "
           "known, and the\n"
           "digest to PROOF.digest. zkverify checks the two without the "
           "file.\n"
           "\n"
           "  -o, --output PROOF     the file to write\n"
           "      --repeat N         prove N times in one process (1)\n"
           "      --allocator WHICH  zkrt (default) or system: where buffers "
           "come from\n"
           "      --workers N        workers, at most %u (default: see "
           "zkrt(7))\n"
           "      --json             print the figures as JSON\n"
           "      --quiet            print no figures and no progress\n"
           "  -h, --help             print this\n"
           "\n"
           "The longest file is %lu bytes: 2^%u rows of %u bytes, less one. "
           "It takes about\n"
           "%.1f GiB of memory; a file of 1 MiB takes %.1f GiB.\n"
           "\n"
           "Exit status: 0 proved, 1 failed, 2 wrong usage or FILE cannot be "
           "read.\n",
           ZK_MAX_WORKERS, STARK_MAX_FILE_BYTES, STARK_LOG_ROWS_MAX,
           STARK_BLOCK_BYTES,
           (double)prover_memory_needed(STARK_MAX_FILE_BYTES) / (1u << 30),
           (double)prover_memory_needed(1u << 20) / (1u << 30));
}

static int
usage_error(const char *message, const char *what)
{
    fprintf(stderr, "zkprove: %s%s%s\nTry 'zkprove --help'.\n", message,
            what == NULL ? "" : ": ", what == NULL ? "" : what);
    return EXIT_USAGE;
}

static bool
parse_count(const char *text, unsigned most, unsigned *value)
{
    char *end;
    unsigned long n;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    n = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || n == 0 || n > most)
        return false;
    *value = (unsigned)n;
    return true;
}

static bool
parse_allocator(const char *text, enum mem_kind *kind)
{
    if (strcmp(text, "zkrt") == 0)
        *kind = MEM_ZKRT;
    else if (strcmp(text, "system") == 0)
        *kind = MEM_SYSTEM;
    else
        return false;
    return true;
}

/* -1 to go on, else the exit status. */
static int
parse_command(int argc, char **argv, struct command *c)
{
    enum { OPT_REPEAT = 256, OPT_ALLOCATOR, OPT_WORKERS, OPT_JSON, OPT_QUIET };
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},
        {"repeat", required_argument, NULL, OPT_REPEAT},
        {"allocator", required_argument, NULL, OPT_ALLOCATOR},
        {"workers", required_argument, NULL, OPT_WORKERS},
        {"json", no_argument, NULL, OPT_JSON},
        {"quiet", no_argument, NULL, OPT_QUIET},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1)
        switch (option) {
        case 'o': c->output = optarg; break;
        case OPT_REPEAT:
            if (!parse_count(optarg, REPORT_MAX_PROOFS, &c->repeat))
                return usage_error("--repeat wants 1 to 10000", optarg);
            break;
        case OPT_ALLOCATOR:
            if (!parse_allocator(optarg, &c->memory))
                return usage_error("no such allocator", optarg);
            break;
        case OPT_WORKERS:
            if (!parse_count(optarg, ZK_MAX_WORKERS, &c->workers))
                return usage_error("--workers wants 1 to 1024", optarg);
            break;
        case OPT_JSON: c->json = true; break;
        case OPT_QUIET: c->quiet = true; break;
        case 'h': print_help(); return 0;
        default: return usage_error("wrong option", NULL);
        }

    if (optind + 1 != argc)
        return usage_error("one FILE is wanted", NULL);
    if (c->output == NULL || c->output[0] == '\0')
        return usage_error("where to write? -o PROOF is missing", NULL);
    c->file = argv[optind];
    return -1;
}

static int
read_file(const struct command *c, struct file_bytes *file)
{
    int err = file_read(c->file, STARK_MAX_FILE_BYTES, file);

    if (err == 0)
        return 0;
    if (err == EFBIG) {
        fprintf(stderr, "zkprove: %s is too long: the limit is %lu bytes\n",
                c->file, STARK_MAX_FILE_BYTES);
        return EXIT_FAILED;
    }
    fprintf(stderr, "zkprove: cannot read %s: %s\n", c->file, strerror(err));
    return EXIT_USAGE;
}

static int
runtime_error(zk_err_t err)
{
    fprintf(stderr, "zkprove: the runtime: %s\n", zk_strerror(err));
    return EXIT_FAILED;
}

/* Leaves the lane, and closes it unless it is NULL, the default one. */
static int
leave_lane(zk_runtime_t *opened)
{
    zk_err_t err = zk_runtime_leave();

    if (err == ZK_OK)
        err = zk_runtime_close(opened);
    return err == ZK_OK ? 0 : runtime_error(err);
}

/* Enters the lane to prove on; *opened is what must be closed again. */
static int
enter_lane(const struct command *c, zk_runtime_t **opened)
{
    zk_runtime_t *lane;
    zk_err_t err;

    *opened = NULL;
    if (c->workers == 0) {
        lane = zk_runtime_current();
        if (lane == NULL)
            return runtime_error(ZK_ENOMEM);
    } else {
        err = zk_runtime_open(opened, ZK_OPTIONS(.workers = c->workers));
        if (err != ZK_OK)
            return runtime_error(err);
        lane = *opened;
    }

    err = zk_runtime_enter(lane);
    if (err == ZK_OK)
        return 0;
    if (zk_runtime_close(*opened) != ZK_OK)
        *opened = NULL; /* nobody is left who could close it */
    return runtime_error(err);
}

static int
prove(const struct command *c, const struct file_bytes *file,
      struct prover_result *result, struct proof_cost *cost)
{
    struct progress progress;
    zk_phase_options_t options = ZK_PHASE_OPTIONS_INIT;
    struct prover_job job = {
        .file = file->data,
        .length = file->length,
        .memory = c->memory,
        .progress = progress_stage,
        .progress_arg = &progress,
    };
    int err = STARK_OK;

    progress_init(&progress, c->repeat, c->quiet);
    options.progress = progress_tell;
    options.progress_arg = &progress;
    if (progress.shown) /* else nobody has to watch */
        job.options = &options;
    for (unsigned i = 0; i < c->repeat && err == STARK_OK; i++) {
        progress.proof = i + 1;
        err = prover_run(&job, result);
        cost[i] = result->cost;
    }
    progress_end(&progress);
    if (err == STARK_OK)
        return 0;

    fprintf(stderr, "zkprove: %s\n", prover_strerror(err));
    if (err == STARK_NO_MEMORY)
        fprintf(stderr, "zkprove: this proof takes about %zu MiB\n",
                prover_memory_needed(file->length) >> 20);
    return EXIT_FAILED;
}

static int
write_error(const char *path, int err)
{
    fprintf(stderr, "zkprove: cannot write %s: %s\n", path, strerror(err));
    return EXIT_FAILED;
}

/* Both files are complete under temporary names before either gets its own. */
static int
write_pair(const struct command *c, const char *digest_path,
           const struct prover_result *result)
{
    struct file_draft proof, digest;
    char text[DIGEST_TEXT_DIGITS + 2];
    int err;

    digest_text_format(result->digest, text);
    text[DIGEST_TEXT_DIGITS] = '\n';

    err =
        file_draft_write(&proof, c->output, result->proof, result->proof_bytes);
    if (err != 0)
        return write_error(c->output, err);
    err = file_draft_write(&digest, digest_path, text, DIGEST_TEXT_DIGITS + 1);
    if (err != 0) {
        file_draft_discard(&proof);
        return write_error(digest_path, err);
    }

    err = file_draft_publish(&proof);
    if (err != 0) {
        file_draft_discard(&digest);
        return write_error(c->output, err);
    }
    err = file_draft_publish(&digest);
    return err != 0 ? write_error(digest_path, err) : 0;
}

/* A device or a pipe has no neighbour for the digest: the table tells it. */
static int
write_output(const struct command *c, const struct prover_result *result)
{
    static const char suffix[] = ".digest";
    size_t length = strlen(c->output);
    struct file_draft alone;
    char *path;
    int status;

    if (!file_is_regular_or_new(c->output)) {
        int err = file_draft_write(&alone, c->output, result->proof,
                                   result->proof_bytes);

        return err != 0 ? write_error(c->output, err) : 0;
    }
    path = malloc(length + sizeof suffix);
    if (path == NULL)
        return write_error(c->output, ENOMEM);
    memcpy(path, c->output, length);
    memcpy(path + length, suffix, sizeof suffix);
    status = write_pair(c, path, result);
    free(path);
    return status;
}

static uint64_t
overflow_bytes(void)
{
    zk_runtime_stats_t stats = {.size = sizeof stats};
    zk_runtime_t *lane = zk_runtime_current();

    if (lane == NULL || zk_runtime_stats(lane, &stats) != ZK_OK)
        return 0;
    return stats.overflow_bytes;
}

/* The figures go out last; a reader that is gone is an error of ours too. */
static int
print_report(const struct command *c, const struct file_bytes *file,
             const struct prover_result *result, const struct proof_cost *cost)
{
    struct report report = {
        .file_bytes = file->length,
        .proof_bytes = result->proof_bytes,
        .memory = c->memory,
        .kernels = kernels_best()->name,
        .workers = zk_num_workers(),
        .proof = cost,
        .proofs = c->repeat,
        .overflow_bytes = overflow_bytes(),
    };

    memcpy(report.digest, result->digest, sizeof report.digest);
    if (c->json)
        report_json(&report);
    else if (!c->quiet)
        report_table(&report);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return write_error("the figures", errno);
}

static int
prove_and_write(const struct command *c, const struct file_bytes *file)
{
    struct proof_cost *cost = calloc(c->repeat, sizeof *cost);
    struct prover_result result;
    int status = EXIT_FAILED;

    if (cost == NULL || prover_result_init(&result) != STARK_OK) {
        fprintf(stderr, "zkprove: out of memory\n");
        free(cost);
        return status;
    }
    status = prove(c, file, &result, cost);
    if (status == 0)
        status = write_output(c, &result);
    if (status == 0)
        status = print_report(c, file, &result, cost);
    prover_result_fini(&result);
    free(cost);
    return status;
}

int
main(int argc, char **argv)
{
    struct command command = {.repeat = 1, .memory = MEM_ZKRT};
    struct file_bytes file;
    zk_runtime_t *opened;
    int status = parse_command(argc, argv, &command);

    if (status >= 0)
        return status;
    if (!hash_start()) {
        fprintf(stderr, "zkprove: libsodium cannot start\n");
        return EXIT_FAILED;
    }
    status = read_file(&command, &file);
    if (status != 0)
        return status;
    status = enter_lane(&command, &opened);
    if (status == 0) {
        int left;

        status = prove_and_write(&command, &file);
        left = leave_lane(opened);
        if (status == 0)
            status = left;
    }
    free(file.data);
    return status;
}
