/*
 * zkverify.c - the program: checks a proof against a digest.
 *
 * Owns:   the command line and the exit status.
 * Never:  links the prover or the runtime.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest_text.h"
#include "file_io.h"
#include "proof.h"
#include "security.h"
#include "verifier.h"

enum { EXIT_ACCEPTED = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

static const char usage[] = "usage: zkverify DIGEST_FILE PROOF\n";

static int
read_error(const char *path, const char *why)
{
    fprintf(stderr, "zkverify: cannot read %s: %s\n", path, why);
    return EXIT_USAGE;
}

static int
read_digest(const char *path, fp_t digest[P2_DIGEST])
{
    struct file_bytes text;
    int err = file_read(path, 4096, &text);
    bool good;

    if (err != 0 && err != EFBIG)
        return read_error(path, strerror(err));
    good = err == 0 && digest_text_parse(text.data, text.length, digest);
    if (err == 0)
        free(text.data);
    if (!good)
        return read_error(path, "it is no digest of 64 hexadecimal digits");
    return 0;
}

static int
refuse(const char *why)
{
    fprintf(stderr, "zkverify: refused: %s\n", why);
    return EXIT_REFUSED;
}

static int
check(const struct file_bytes *proof, const fp_t digest[P2_DIGEST])
{
    struct air_statement statement;
    enum verdict verdict =
        verifier_check(proof->data, proof->length, digest, &statement);

    if (verdict != VERDICT_ACCEPTED)
        return refuse(verdict_string(verdict));

    struct security bits = security_of(statement.log_rows);

    printf("accepted: a string of %" PRIu64 " bytes with this digest is "
           "known (%d bits, conjectured)\n",
           statement.length, (int)bits.total);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "zkverify: cannot write: %s\n", strerror(errno));
        return EXIT_USAGE;
    }
    return EXIT_ACCEPTED;
}

int
main(int argc, char **argv)
{
    struct file_bytes proof;
    fp_t digest[P2_DIGEST];
    int status, err;

    if (argc == 2 &&
        (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("%s\nExit status: 0 accepted, 1 refused, 2 wrong usage or a "
               "file cannot be read.\n",
               usage);
        return EXIT_ACCEPTED;
    }
    if (argc != 3) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (!hash_start())
        return read_error(argv[2], "libsodium cannot start");
    status = read_digest(argv[1], digest);
    if (status != 0)
        return status;

    err = file_read(argv[2], PROOF_MAX_BYTES, &proof);
    if (err == EFBIG)
        return refuse("it is longer than any proof");
    if (err != 0)
        return read_error(argv[2], strerror(err));
    status = check(&proof, digest);
    free(proof.data);
    return status;
}
