/*
 * proof.c - see proof.h.
 *
 * Owns:   the header, and the coins that prover and verifier both draw.
 * Never:  draws before everything that the coins depend on was absorbed; its
 *         callers follow the order in FORMAT.md.
 */
#include "proof.h"

#include <string.h>

#include "bytes.h"

static const uint8_t magic[8] = {'z', 'k', 's', 't', 'a', 'r', 'k', 0};

static const uint8_t
    parameters
        [6] =
            {
                STARK_LOG_BLOWUP,
                STARK_LOG_FOLD,
                STARK_LOG_FINAL,
                STARK_QUERIES,
                STARK_GRINDING_BITS,
                AIR_MAIN, /* the layout of the trace, as far as a number can name it */
};

void
proof_put_header(struct wire_writer *w, const struct air_statement *s)
{
    uint8_t version = STARK_VERSION;
    uint8_t log_rows = (uint8_t)s->log_rows;

    wire_put(w, magic, sizeof magic);
    wire_put(w, &version, 1);
    wire_put(w, parameters, sizeof parameters);
    wire_put(w, &log_rows, 1);
    wire_put64(w, s->length);
}

enum proof_header_fault
proof_take_header(struct wire_reader *r, const fp_t digest[P2_DIGEST],
                  struct air_statement *s)
{
    const uint8_t *h = wire_take(r, PROOF_HEADER_BYTES);

    if (h == NULL)
        return PROOF_HEADER_SHORT;
    if (memcmp(h, magic, sizeof magic) != 0)
        return PROOF_HEADER_MAGIC;
    h += sizeof magic;
    if (*h++ != STARK_VERSION)
        return PROOF_HEADER_VERSION;
    if (memcmp(h, parameters, sizeof parameters) != 0)
        return PROOF_HEADER_PARAMETERS;
    h += sizeof parameters;

    unsigned log_rows = *h++;

    if (!air_statement_init(s, bytes_get64(h), digest))
        return PROOF_HEADER_LENGTH;
    return log_rows == s->log_rows ? PROOF_HEADER_OK : PROOF_HEADER_ROWS;
}

void
proof_start_transcript(struct transcript *t,
                       const uint8_t header[PROOF_HEADER_BYTES],
                       const struct air_statement *s)
{
    uint8_t digest[8 * P2_DIGEST];

    for (unsigned i = 0; i < P2_DIGEST; i++)
        bytes_put64(digest + 8 * (size_t)i, s->digest[i]);
    transcript_init(t);
    transcript_absorb(t, "header", header, PROOF_HEADER_BYTES);
    transcript_absorb(t, "digest", digest, sizeof digest);
}

void
proof_draw_weights(struct transcript *t, struct air_challenges *c)
{
    for (unsigned i = 0; i < AIR_CONSTRAINTS; i++)
        c->weight[i] = transcript_draw_fq(t);
}

void
proof_draw_deep_weights(struct transcript *t, struct deep_weights *w)
{
    for (unsigned i = 0; i < AIR_COLUMNS; i++)
        w->here[i] = transcript_draw_fq(t);
    for (unsigned i = 0; i < AIR_COLUMNS_NEXT; i++)
        w->next[i] = transcript_draw_fq(t);
}

void
proof_draw_queries(struct transcript *t, unsigned log_rows,
                   size_t query[STARK_QUERIES])
{
    unsigned bits = log_rows + STARK_LOG_BLOWUP;

    for (unsigned i = 0; i < STARK_QUERIES; i++)
        query[i] = (size_t)transcript_draw_bits(t, bits);
}
