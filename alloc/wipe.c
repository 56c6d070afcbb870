/*
 * wipe.c - streaming stores where there are any, else memset.
 *
 * Owns:   the barrier that keeps the stores.
 * Never:  looks at the bytes.
 *
 * A program reads nothing of what it wipes, so a compiler may drop the stores
 * (Yang, Johannesmeyer, Olesen, Lerner and Levchenko, "Dead store elimination
 * (still) considered harmful", USENIX Security 2017). The barrier is theirs: an
 * asm that may read all memory.
 *
 * On x86-64 the streaming stores of SSE2 fill a whole line before it leaves the
 * core; wider ones leave no faster. Elsewhere memset does the same by itself
 * where it is large (DC ZVA on AArch64).
 */
#include "alloc/wipe.h"

#include <string.h>
#include <unistd.h>

#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

#include "private/atomic.h"
#include "private/bits.h"
#include "private/poison.h"

#define LINE ((size_t)64)

static inline void
keep_stores(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

#if defined(__SSE2__)
/* pre: p and n are multiples of LINE */
static void
stream_zeros(char *p, size_t n)
{
    const __m128i zero = _mm_setzero_si128();

    for (char *end = p + n; p != end; p += LINE) {
        __m128i *to = (__m128i *)(void *)p;

        _mm_stream_si128(to, zero);
        _mm_stream_si128(to + 1, zero);
        _mm_stream_si128(to + 2, zero);
        _mm_stream_si128(to + 3, zero);
    }
    _mm_sfence(); /* streaming stores are ordered by nothing else */
}
#else
static void
stream_zeros(char *p, size_t n)
{
    memset(p, 0, n);
}
#endif

void
zk__wipe(void *address, size_t n, bool past_cache)
{
    char *p = address;
    size_t head = zk_round_up((uintptr_t)p, LINE) - (uintptr_t)p;

    zk__marks_off(); /* it is dead, and wiped all the same */
    if (past_cache && n >= head + LINE) {
        size_t lines = zk_round_down(n - head, LINE);

        memset(p, 0, head);
        stream_zeros(p + head, lines);
        memset(p + head + lines, 0, n - head - lines);
    } else {
        memset(p, 0, n);
    }
    zk__marks_on();
    keep_stores(address);
}

size_t
zk__wipe_cache_bytes(void)
{
    static _Atomic size_t known;
    size_t bytes = zk_load_relaxed(&known);

    if (bytes == 0) {
        long said = sysconf(_SC_LEVEL3_CACHE_SIZE);

        if (said <= 0)
            said = sysconf(_SC_LEVEL2_CACHE_SIZE);
        bytes = said > 0 ? (size_t)said : (size_t)8 << 20;
        zk_store_relaxed(&known, bytes);
    }
    return bytes;
}
