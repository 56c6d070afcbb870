/*
 * wire.h - the bytes of a proof, read and written in order.
 *
 * Owns:   bounds, and the rule that a field element has one encoding.
 * Never:  trusts a length that it read: there is none in a proof.
 */
#ifndef STARK_WIRE_H
#define STARK_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "ext.h"
#include "hash.h"

/* An append past `capacity` is our own mistake; it sets `overrun`. */
struct wire_writer {
    uint8_t *bytes;
    size_t length, capacity;
    bool overrun;
};

void wire_put(struct wire_writer *w, const void *data, size_t n);
void wire_put64(struct wire_writer *w, uint64_t v);
void wire_put_fq(struct wire_writer *w, fq_t v);

enum wire_fault {
    WIRE_OK = 0,
    WIRE_SHORT,       /* the bytes ended too early */
    WIRE_NONCANONICAL /* an element was not smaller than p */
};

/* The first fault sticks; whatever is read after it is zero. */
struct wire_reader {
    const uint8_t *at;
    size_t left;
    enum wire_fault fault;
};

/* The next n bytes, or NULL. */
const uint8_t *wire_take(struct wire_reader *r, size_t n);

uint64_t wire_take64(struct wire_reader *r);
struct digest wire_take_digest(struct wire_reader *r);

/* The next n elements; returns their bytes, or NULL on a fault. */
const uint8_t *wire_take_fps(struct wire_reader *r, fp_t *v, size_t n);
const uint8_t *wire_take_fqs(struct wire_reader *r, fq_t *v, size_t n);

#endif
