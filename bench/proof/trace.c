/*
 * trace.c - see trace.h.
 */
#include "trace.h"

#include <string.h>

#include "bench.h"

static const struct {
    size_t count, bytes;
} classes[] = {
    {16, 32 * TRACE_MIB}, {32, 16 * TRACE_MIB}, {40, 8 * TRACE_MIB},
    {34, 4 * TRACE_MIB},  {51, TRACE_MIB},      {80, TRACE_MIB / 8},
};

enum { CLASSES = sizeof classes / sizeof *classes };

void
trace_make(struct trace *trace, size_t divisor)
{
    size_t all[TRACE_BUFFERS];
    size_t n = 0, sum = 0;
    uint64_t random = 253;

    for (size_t c = 0; c < CLASSES; c++) {
        size_t bytes = classes[c].bytes / divisor;

        for (size_t i = 0; i < classes[c].count; i++) {
            all[n + i] = bytes;
            if (i % 4 == 3) { /* the second of every second pair */
                random = bench_mix(random);
                size_t gift = random % (bytes / 4) & ~(size_t)63;

                all[n + i - 1] -= gift;
                all[n + i] += gift;
            }
        }
        n += classes[c].count;
    }
    bench_check(n == TRACE_BUFFERS, "the number of buffers");

    for (size_t i = n - 1; i > 0; i--) {
        random = bench_mix(random);
        size_t other = random % (i + 1);
        size_t held = all[i];

        all[i] = all[other];
        all[other] = held;
    }

    memset(trace, 0, sizeof *trace);
    for (size_t i = 0; i < n; i++) {
        size_t t = 0;

        for (size_t other = 1; other < TRACE_THREADS; other++)
            if (trace->bytes[other] < trace->bytes[t])
                t = other;
        trace->size[t][trace->count[t]++] = all[i];
        trace->bytes[t] += all[i];
        sum += all[i];
    }
    bench_check(sum == 1541 * TRACE_MIB / divisor, "the bytes of the trace");
}
