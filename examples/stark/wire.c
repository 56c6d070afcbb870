/*
 * wire.c - see wire.h.
 *
 * Owns:   every access to the bytes of a proof.
 * Never:  allocates.
 */
#include "wire.h"

#include <string.h>

#include "bytes.h"

void
wire_put(struct wire_writer *w, const void *data, size_t n)
{
    if (w->overrun || n > w->capacity - w->length) {
        w->overrun = true;
        return;
    }
    memcpy(w->bytes + w->length, data, n);
    w->length += n;
}

void
wire_put64(struct wire_writer *w, uint64_t v)
{
    uint8_t b[8];

    bytes_put64(b, v);
    wire_put(w, b, sizeof b);
}

void
wire_put_fq(struct wire_writer *w, fq_t v)
{
    wire_put64(w, v.a);
    wire_put64(w, v.b);
}

const uint8_t *
wire_take(struct wire_reader *r, size_t n)
{
    const uint8_t *p = r->at;

    if (r->fault != WIRE_OK)
        return NULL;
    if (n > r->left) {
        r->fault = WIRE_SHORT;
        return NULL;
    }
    r->at += n;
    r->left -= n;
    return p;
}

uint64_t
wire_take64(struct wire_reader *r)
{
    const uint8_t *p = wire_take(r, 8);

    return p == NULL ? 0 : bytes_get64(p);
}

struct digest
wire_take_digest(struct wire_reader *r)
{
    struct digest d = {{0}};
    const uint8_t *p = wire_take(r, sizeof d.bytes);

    if (p != NULL)
        memcpy(d.bytes, p, sizeof d.bytes);
    return d;
}

static fp_t
take_fp(struct wire_reader *r)
{
    uint64_t v = wire_take64(r);

    if (v < FP_P)
        return v;
    r->fault = WIRE_NONCANONICAL;
    return 0;
}

const uint8_t *
wire_take_fps(struct wire_reader *r, fp_t *v, size_t n)
{
    const uint8_t *start = r->at;

    for (size_t i = 0; i < n; i++)
        v[i] = take_fp(r);
    return r->fault == WIRE_OK ? start : NULL;
}

const uint8_t *
wire_take_fqs(struct wire_reader *r, fq_t *v, size_t n)
{
    const uint8_t *start = r->at;

    for (size_t i = 0; i < n; i++) {
        v[i].a = take_fp(r);
        v[i].b = take_fp(r);
    }
    return r->fault == WIRE_OK ? start : NULL;
}
