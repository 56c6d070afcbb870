/*
 * transcript.c - see transcript.h.
 *
 * Owns:   the framing of what is hashed.
 * Never:  allocates, or hashes the absorbed data but once.
 */
#include "transcript.h"

#include <string.h>

#include "bytes.h"

#define LABEL_BYTES 8u

void
transcript_init(struct transcript *t)
{
    memset(t, 0, sizeof *t);
    t->offset = HASH_BYTES;
}

void
transcript_absorb(struct transcript *t, const char *label, const void *data,
                  size_t n)
{
    struct {
        struct digest state;
        char label[LABEL_BYTES];
        uint8_t length[8];
        struct digest data;
    } frame;

    /* Long data are hashed first, so the frame has one size. */
    frame.state = t->state;
    memset(frame.label, 0, sizeof frame.label);
    memcpy(frame.label, label, strnlen(label, LABEL_BYTES));
    bytes_put64(frame.length, n);
    frame.data = hash_bytes(HASH_ABSORB, data, n);

    t->state = hash_bytes(HASH_ABSORB, &frame, sizeof frame);
    t->blocks = 0;
    t->offset = HASH_BYTES;
}

static uint64_t
draw_word(struct transcript *t)
{
    if (t->offset == HASH_BYTES) {
        struct {
            struct digest state;
            uint8_t index[8];
        } frame;

        frame.state = t->state;
        bytes_put64(frame.index, t->blocks++);
        t->block = hash_bytes(HASH_DRAW, &frame, sizeof frame);
        t->offset = 0;
    }

    uint64_t word = bytes_get64(t->block.bytes + t->offset);

    t->offset += 8;
    return word;
}

fp_t
transcript_draw_fp(struct transcript *t)
{
    uint64_t word = draw_word(t);

    while (word >= FP_P)
        word = draw_word(t);
    return word;
}

fq_t
transcript_draw_fq(struct transcript *t)
{
    fp_t a = transcript_draw_fp(t);
    fp_t b = transcript_draw_fp(t);

    return (fq_t){a, b};
}

fq_t
transcript_draw_outside(struct transcript *t)
{
    fq_t z = transcript_draw_fq(t);

    while (z.b == 0)
        z = transcript_draw_fq(t);
    return z;
}

uint64_t
transcript_draw_bits(struct transcript *t, unsigned bits)
{
    return draw_word(t) & ((UINT64_C(1) << bits) - 1);
}

bool
transcript_work_done(const struct transcript *t, uint64_t nonce, unsigned bits)
{
    struct {
        struct digest state;
        uint8_t nonce[8];
    } frame;

    frame.state = t->state;
    bytes_put64(frame.nonce, nonce);

    struct digest d = hash_bytes(HASH_GRIND, &frame, sizeof frame);

    /* Big-endian order, so that the zeros lead when the hash is printed. */
    for (unsigned i = 0; i < bits; i++)
        if (d.bytes[i / 8] & (0x80u >> (i % 8)))
            return false;
    return true;
}
