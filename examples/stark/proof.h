/*
 * proof.h - what stands where in a proof.
 *
 * Owns:   the header's encoding, and the largest size of a proof.
 * Never:  holds the values: prover and verifier stream them (wire.h).
 *
 * FORMAT.md describes the bytes.
 */
#ifndef STARK_PROOF_H
#define STARK_PROOF_H

#include "air.h"
#include "transcript.h"
#include "wire.h"

#define PROOF_HEADER_BYTES 24u

void proof_put_header(struct wire_writer *w, const struct air_statement *s);

enum proof_header_fault {
    PROOF_HEADER_OK = 0,
    PROOF_HEADER_SHORT,
    PROOF_HEADER_MAGIC,
    PROOF_HEADER_VERSION,
    PROOF_HEADER_PARAMETERS,
    PROOF_HEADER_LENGTH, /* more than the limit */
    PROOF_HEADER_ROWS    /* not what the length asks for */
};

/* Reads the header and completes the statement with what it says. */
enum proof_header_fault proof_take_header(struct wire_reader *r,
                                          const fp_t digest[P2_DIGEST],
                                          struct air_statement *s);

/* Starts Fiat-Shamir: header (with all parameters), then the digest. */
void proof_start_transcript(struct transcript *t,
                            const uint8_t header[PROOF_HEADER_BYTES],
                            const struct air_statement *s);

/* Draws one weight for each constraint. */
void proof_draw_weights(struct transcript *t, struct air_challenges *c);

/* Weights of the opened values: those at z first, then those at g*z. */
struct deep_weights {
    fq_t here[AIR_COLUMNS];
    fq_t next[AIR_COLUMNS_NEXT];
};

void proof_draw_deep_weights(struct transcript *t, struct deep_weights *w);

/* Exponents e of the queried points s*w^e, in the order they are drawn. */
void proof_draw_queries(struct transcript *t, unsigned log_rows,
                        size_t query[STARK_QUERIES]);

/*
 * Which leaf of a group's tree holds the row at the point s*w^e. The leaves
 * follow the prover's stripes: e = 8k + j stands at row k of stripe j.
 */
static inline size_t
proof_leaf(size_t e, unsigned log_rows)
{
    return ((e % STARK_BLOWUP) << log_rows) + e / STARK_BLOWUP;
}

/* No proof is longer than that, whatever the file. */
#define PROOF_MAX_BYTES ((size_t)1 << 20)

#endif
