/*
 * debug.c - guards, fillings, and blocks that wait.
 *
 * Owns:   zk__debug_on and the row of those that wait.
 * Never:  allocates, or looks at a block that a sanitizer marks.
 */
#include "alloc/heap/debug.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc/heap/report.h"

#define GUARD   0xfd
#define FILLING 0xdf

#define FILLED_WORD (UINT64_C(0x0101010101010101) * FILLING)

/* Of blocks up to WAIT_BYTES so many wait: 16 MiB at the most. */
#define WAIT_COUNT 1024
#define WAIT_BYTES ((size_t)16 << 10)

_Atomic bool zk__debug_on;

static struct {
    pthread_mutex_t lock;
    size_t next;
    struct {
        void *p; /* NULL: nobody waits here yet */
        unsigned class;
    } row[WAIT_COUNT];
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool
zk__debug_parse(const char *text, bool *on)
{
    bool wanted = strcasecmp(text, "on") == 0;

    if (!wanted && strcasecmp(text, "off") != 0)
        return false;
    *on = wanted;
    return true;
}

void
zk__debug_open(void)
{
    const char *text = getenv("ZK_DEBUG");
    bool on = ZK_DEBUG_UNASKED;

    if (text != NULL)
        (void)zk__debug_parse(text, &on);
    zk_store_relaxed(&zk__debug_on, on);
}

/* ---- what a block looks like ------------------------------------------------ */

/* The address in it, so that the seal of another block is none of this one. */
static uint64_t
seal_of(const void *p, size_t n)
{
    return (uint64_t)n ^ ((uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t
last_word(const void *p, size_t bytes)
{
    uint64_t word;

    memcpy(&word, (const char *)p + bytes - sizeof word, sizeof word);
    return word;
}

/* The first byte of [from, to) that is not `byte`; `to`: there is none. */
static size_t
differs(const unsigned char *p, size_t from, size_t to, unsigned char byte)
{
    if (from == to ||
        (p[from] == byte && memcmp(p + from, p + from + 1, to - from - 1) == 0))
        return to;
    while (p[from] == byte)
        from++;
    return from;
}

void
zk__debug_fill(void *p, size_t bytes)
{
    memset(p, FILLING, bytes);
}

void
zk__debug_hand_out(void *p, size_t n, size_t bytes, bool filled,
                   const char *call)
{
    uint64_t seal = seal_of(p, n);

    if (filled) {
        size_t at = differs(p, 0, bytes, FILLING);

        if (at != bytes)
            zk__misuse_at(ZK_MISUSE_AFTER_FREE, call, p, at);
    }
    memset((char *)p + n, GUARD, bytes - n - sizeof seal);
    memcpy((char *)p + bytes - sizeof seal, &seal, sizeof seal);
}

enum zk_seal
zk__debug_look(const void *p, size_t bytes, size_t *n)
{
    uint64_t word = last_word(p, bytes);
    size_t end = bytes - sizeof word;

    if (word == FILLED_WORD)
        return ZK_SEAL_FILLED;
    *n = (size_t)(word ^ seal_of(p, 0));
    if (*n > end) {
        *n = end;
        return ZK_SEAL_BROKEN;
    }
    end = differs(p, *n, end, GUARD);
    if (end == bytes - sizeof word)
        return ZK_SEAL_INTACT;
    *n = end;
    return ZK_SEAL_BROKEN;
}

size_t
zk__debug_check(const void *p, size_t bytes, const char *call)
{
    size_t n = 0;

    switch (zk__debug_look(p, bytes, &n)) {
    case ZK_SEAL_INTACT: return n;
    case ZK_SEAL_FILLED: zk__misuse(ZK_MISUSE_TWICE, call, p);
    default: zk__misuse_at(ZK_MISUSE_OVERRUN, call, p, n);
    }
}

/* ---- those that wait --------------------------------------------------------- */

void *
zk__debug_wait(void *p, unsigned *class)
{
    size_t bytes = zk__class[*class].size, at;
    void *first;
    unsigned its;

    zk__debug_fill(p, bytes);
    if (bytes > WAIT_BYTES)
        return p;
    pthread_mutex_lock(&waiting.lock);
    at = waiting.next++ % WAIT_COUNT;
    first = waiting.row[at].p;
    its = waiting.row[at].class;
    waiting.row[at].p = p;
    waiting.row[at].class = *class;
    pthread_mutex_unlock(&waiting.lock);
    *class = its;
    return first;
}

void
zk__debug_waiting(size_t counts[ZK_CLASSES])
{
    memset(counts, 0, ZK_CLASSES * sizeof *counts);
    pthread_mutex_lock(&waiting.lock);
    for (size_t i = 0; i < WAIT_COUNT; i++)
        if (waiting.row[i].p != NULL)
            counts[waiting.row[i].class]++;
    pthread_mutex_unlock(&waiting.lock);
}

void
zk__debug_lock(void)
{
    pthread_mutex_lock(&waiting.lock);
}

void
zk__debug_unlock(void)
{
    pthread_mutex_unlock(&waiting.lock);
}
