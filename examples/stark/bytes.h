/*
 * bytes.h - numbers as little-endian bytes, whatever the machine.
 *
 * Owns:   the byte order of everything that is hashed or written.
 * Never:  checks ranges (proof.c does).
 */
#ifndef STARK_BYTES_H
#define STARK_BYTES_H

#include <stdint.h>
#include <string.h>

/* On a little-endian machine one store, which gcc does not see in the loop. */
static inline void
bytes_put64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(p, &v, sizeof v);
#else
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
#endif
}

static inline uint64_t
bytes_get64(const uint8_t *p)
{
    uint64_t v = 0;

    for (unsigned i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

#endif
