/*
 * class.c - the table of sizes.
 *
 * Owns:   zk__class, and the tables that lead to it.
 * Never:  asks anybody anything.
 */
#include "alloc/heap/class.h"

#include "private/bits.h"

/* Blocks that a cache holds of a class: so many bytes, within these bounds. */
#define CACHED_BYTES ((size_t)128 << 10)
#define CACHED_MOST  128
#define CACHED_LEAST 8
#define CACHED_LARGE 4 /* of those above 64 KiB */

struct zk_class zk__class[ZK_CLASSES];
uint64_t zk__class_cached[256];

/* For i steps of 16 bytes: 16, 32, 48, then multiples of 64. */
#define FINE(i)   (uint8_t)((i) < 2 ? 0 : (i) < 4 ? (i)-1 : ((i) + 3) / 4 + 2)
#define FINE4(i)  FINE(i), FINE((i) + 1), FINE((i) + 2), FINE((i) + 3)
#define FINE16(i) FINE4(i), FINE4((i) + 4), FINE4((i) + 8), FINE4((i) + 12)

/* For i steps of 128 bytes above ZK_CLASS_FINE: as zk_class_of(), with the power of
 * two above 1 KiB instead of the highest bit. */
#define POWER(i)                                                        \
    (((i) > 16) + ((i) > 32) + ((i) > 64) + ((i) > 128) + ((i) > 256) + \
     ((i) > 512))
#define COARSE(i)  (uint8_t)(19 + POWER(i) * 8 + (((i)-1) >> POWER(i) & 7))
#define COARSE4(i) COARSE(i), COARSE((i) + 1), COARSE((i) + 2), COARSE((i) + 3)
#define COARSE16(i) \
    COARSE4(i), COARSE4((i) + 4), COARSE4((i) + 8), COARSE4((i) + 12)
#define COARSE64(i) \
    COARSE16(i), COARSE16((i) + 16), COARSE16((i) + 32), COARSE16((i) + 48)
#define COARSE256(i) \
    COARSE64(i), COARSE64((i) + 64), COARSE64((i) + 128), COARSE64((i) + 192)

const uint8_t zk__class_steps[] = {
    FINE16(0),     FINE16(16),     FINE16(32),     FINE16(48),
    FINE(64),      COARSE256(9),   COARSE256(265), COARSE256(521),
    COARSE64(777), COARSE64(841),  COARSE64(905),  COARSE16(969),
    COARSE16(985), COARSE16(1001), COARSE4(1017),  COARSE4(1021)};

static uint32_t
size_of(unsigned class)
{
    unsigned power;

    if (class < 3)
        return 16 * (class + 1);
    if (class < 19)
        return 64 * (class - 2);
    power = 10 + (class - 19) / 8;
    return (1u << (power - 3)) * (9 + (class - 19) % 8);
}

static uint16_t
limit_of(size_t size)
{
    size_t limit = zk_min_size(CACHED_BYTES / size, CACHED_MOST);

    if (size > ZK_CACHED_MAX)
        return 0;
    return (uint16_t)zk_max_size(limit, size > ZK_HEAP_PAGE ? CACHED_LARGE
                                                            : CACHED_LEAST);
}

void
zk__class_open(void)
{
    for (unsigned i = 0; i < ZK_CLASSES; i++) {
        struct zk_class *c = &zk__class[i];
        size_t pages = 1;

        c->size = size_of(i);
        while (pages * ZK_HEAP_PAGE < c->size ||
               pages * ZK_HEAP_PAGE % c->size > pages * ZK_HEAP_PAGE / 32)
            pages++;
        c->pages = (uint16_t)pages;
        c->count = (uint32_t)(pages * ZK_HEAP_PAGE / c->size);
        c->inverse = UINT64_MAX / c->size + 1;
        c->limit = limit_of(c->size);
        if (i < ZK_CACHED_CLASSES)
            zk__class_cached[i] = c->inverse;
    }
}
