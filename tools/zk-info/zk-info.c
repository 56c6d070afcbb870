/*
 * zk-info.c - prints what zkrt decides on this machine, and why.
 *
 *     zk-info [--json] [--idle]
 *
 * Owns:   the program zk-info(1): its options, and the small phase that lets the
 *         system refuse what it refuses.
 * Never:  sets anything: the environment decides, as in any other program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zkrt/zkrt.h>

static unsigned notices;

/* What the library has to say stands before the rest, on standard error. */
static void
print_notice(const char *message, void *arg)
{
    (void)arg;
    notices++;
    fprintf(stderr, "zk-info: %s\n", message);
}

static int
touch(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (; begin < end; begin++) {
        char *p = zk_phase_alloc(1 << 16, 0);

        if (p != NULL)
            memset(p, 1, 1 << 16);
    }
    return 0;
}

/* Each worker starts, is bound, and has memory. */
static void
try_it(zk_runtime_t *lane)
{
    zk_err_t err = zk_phase_begin_on(lane, "zk-info");

    if (err != ZK_OK) {
        fprintf(stderr, "zk-info: no phase can begin: %s\n", zk_strerror(err));
        return;
    }
    (void)!zk_parallel_for(0, (size_t)64 * zk_num_workers(), 1, touch, NULL);
    (void)!zk_phase_end();
}

static int
print(const zk_runtime_t *lane, enum zk_form form)
{
    size_t length = zk_runtime_describe(lane, form, NULL, 0);
    char *text = malloc(length + 1);

    if (text == NULL) {
        fputs("zk-info: out of memory\n", stderr);
        return 1;
    }
    (void)zk_runtime_describe(lane, form, text, length + 1);
    fputs(text, stdout);
    free(text);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("zk-info: standard output");
        return 1;
    }
    return 0;
}

static int
usage(FILE *to, int code)
{
    fputs(
        "usage: zk-info [--json] [--idle]\n"
        "\n"
        "Prints what zkrt decides on this machine and in this environment, and "
        "why.\n"
        "\n"
        "  --json   as one JSON object\n"
        "  --idle   without the small phase that shows what the system "
        "refuses\n",
        to);
    return code;
}

int
main(int argc, char **argv)
{
    zk_options_t options = ZK_OPTIONS_INIT;
    enum zk_form form = ZK_TEXT;
    int idle = 0, code;
    zk_runtime_t *lane;
    zk_err_t err;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            form = ZK_JSON;
        else if (strcmp(argv[i], "--idle") == 0)
            idle = 1;
        else if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        else
            return usage(stderr, 2);
    }
    options.notice = print_notice;
    err = zk_runtime_open(&lane, &options);
    if (err != ZK_OK) {
        fprintf(stderr, "zk-info: no lane can open: %s\n", zk_strerror(err));
        return 1;
    }
    if (!idle)
        try_it(lane);
    code = print(lane, form);
    return zk_runtime_close(lane) == ZK_OK ? code : 1;
}
