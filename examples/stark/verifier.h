/*
 * verifier.h - whether a proof convinces.
 *
 * Owns:   the checks, and a sentence for each way to fail.
 * Never:  allocates, starts a task, or knows how a proof is made.
 */
#ifndef STARK_VERIFIER_H
#define STARK_VERIFIER_H

#include <stddef.h>

#include "air.h"

enum verdict {
    VERDICT_ACCEPTED = 0,
    VERDICT_NO_PROOF,     /* does not start like a proof */
    VERDICT_VERSION,      /* of another version */
    VERDICT_PARAMETERS,   /* made with other parameters */
    VERDICT_LENGTH,       /* claims a file that is too long */
    VERDICT_ROWS,         /* claims a trace of another length */
    VERDICT_SHORT,        /* ends too early */
    VERDICT_TRAILING,     /* goes on after its end */
    VERDICT_NONCANONICAL, /* writes a number in an unreduced form */
    VERDICT_CONSTRAINTS,  /* the constraints do not hold at z */
    VERDICT_WORK,         /* without the proof of work */
    VERDICT_OPENING,      /* a row is not in the tree */
    VERDICT_FOLD,         /* two layers disagree at a query */
    VERDICT_COUNT
};

/*
 * Checks n bytes as a proof for the digest. *statement gets what was claimed,
 * as far as it was read.
 */
enum verdict verifier_check(const uint8_t *proof, size_t n,
                            const fp_t digest[P2_DIGEST],
                            struct air_statement *statement);

/* Why, in a sentence without a full stop. */
const char *verdict_string(enum verdict v);

#endif
