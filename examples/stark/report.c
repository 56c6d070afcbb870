/*
 * report.c - see report.h.
 *
 * Owns:   how figures are rounded and laid out.
 * Never:  writes to standard error.
 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "digest_text.h"
#include "security.h"

#define MIB (1024.0 * 1024.0)

static int
compare(const void *a, const void *b)
{
    const double *u = a, *v = b;

    return (*u > *v) - (*u < *v);
}

static double
median(double *v, unsigned n)
{
    qsort(v, n, sizeof *v, compare);
    return v[(n - 1) / 2];
}

static const struct stage_cost *
cost_of(const struct proof_cost *proof, unsigned stage)
{
    return stage == STAGE_COUNT ? &proof->total : &proof->stage[stage];
}

static struct stage_cost
median_of(const struct proof_cost *cost, unsigned n, unsigned stage)
{
    static double ms[REPORT_MAX_PROOFS], minor[REPORT_MAX_PROOFS];
    static double major[REPORT_MAX_PROOFS], peak[REPORT_MAX_PROOFS];

    for (unsigned i = 0; i < n; i++) {
        const struct stage_cost *c = cost_of(&cost[i], stage);

        ms[i] = c->ms;
        minor[i] = (double)c->minor_faults;
        major[i] = (double)c->major_faults;
        peak[i] = (double)c->peak_bytes;
    }
    return (struct stage_cost){
        .ms = median(ms, n),
        .minor_faults = (long)median(minor, n),
        .major_faults = (long)median(major, n),
        .peak_bytes = (size_t)median(peak, n),
    };
}

struct proof_cost
report_median(const struct proof_cost *cost, unsigned n)
{
    struct proof_cost m;

    for (unsigned i = 0; i < STAGE_COUNT; i++)
        m.stage[i] = median_of(cost, n, i);
    m.total = median_of(cost, n, STAGE_COUNT);
    return m;
}

static const char *
memory_name(enum mem_kind kind)
{
    return kind == MEM_ZKRT ? "zkrt" : "system";
}

static long
faults(const struct stage_cost *c)
{
    return c->minor_faults + c->major_faults;
}

static void
print_row(const char *name, const struct stage_cost *first, double first_total,
          const struct stage_cost *warm, double warm_total)
{
    printf("%-10s %9.1f %5.1f %% %9ld", name, first->ms,
           100 * first->ms / first_total, faults(first));
    if (warm != NULL)
        printf(" %9.1f %5.1f %% %9ld", warm->ms, 100 * warm->ms / warm_total,
               faults(warm));
    printf(" %9.1f\n", (double)first->peak_bytes / MIB);
}

static struct air_statement
statement_of(const struct report *r)
{
    struct air_statement s = {0};

    (void)air_statement_init(&s, r->file_bytes, r->digest);
    return s;
}

static void
print_security(const struct air_statement *s)
{
    struct security bits = security_of(s->log_rows);

    printf("security    %d bits, conjectured: the least of queries %.0f "
           "(%u x %u + %u),\n            folding %.1f, lookup %.1f, point z "
           "%.1f, hash %.0f\n",
           (int)bits.total, bits.queries, STARK_QUERIES, STARK_LOG_BLOWUP,
           STARK_GRINDING_BITS, bits.folding, bits.lookup, bits.point,
           bits.hash);
    printf("            proved without conjecture: %d (unique decoding), "
           "%d (Johnson bound)\n",
           (int)bits.unique, (int)bits.johnson);
}

static void
print_heading(const struct report *r)
{
    struct air_statement s = statement_of(r);
    char text[DIGEST_TEXT_DIGITS + 1];

    digest_text_format(r->digest, text);
    printf("digest      %s\n", text);
    printf("file        %" PRIu64 " bytes, %zu permutations, %zu rows of %u "
           "columns\n",
           r->file_bytes, s.blocks, (size_t)1 << s.log_rows,
           (unsigned)(AIR_MAIN + AIR_AUX));
    printf("proof       %zu bytes\n", r->proof_bytes);
    print_security(&s);
    printf("run on      %u worker%s, %s arithmetic, buffers from %s\n\n",
           r->workers, r->workers == 1 ? "" : "s", r->kernels,
           memory_name(r->memory));
}

static void
print_columns(const struct report *r)
{
    if (r->proofs > 1)
        printf("%-10s %27s   median of %u warm ones\n", "", "first proof",
               r->proofs - 1);
    printf("%-10s %9s %7s %9s", "stage", "ms", "share", "faults");
    if (r->proofs > 1)
        printf(" %9s %7s %9s", "ms", "share", "faults");
    printf(" %9s\n", r->memory == MEM_ZKRT ? "arena MiB" : "heap MiB");
}

void
report_table(const struct report *r)
{
    const struct proof_cost *first = &r->proof[0];
    struct proof_cost warm = {0};
    bool has_warm = r->proofs > 1;

    if (has_warm)
        warm = report_median(r->proof + 1, r->proofs - 1);

    print_heading(r);
    print_columns(r);
    for (unsigned i = 0; i < STAGE_COUNT; i++)
        print_row(stage_name[i], &first->stage[i], first->total.ms,
                  has_warm ? &warm.stage[i] : NULL, warm.total.ms);
    print_row("total", &first->total, first->total.ms,
              has_warm ? &warm.total : NULL, warm.total.ms);

    double best = has_warm ? warm.total.ms : first->total.ms;

    printf("\nthroughput  %.1f KiB/s of file%s\n",
           (double)r->file_bytes / 1024 / (best / 1e3),
           has_warm ? " when warm" : "");
    if (has_warm)
        printf("warm/first  %.2f\n", warm.total.ms / first->total.ms);
    if (r->overflow_bytes > 0)
        printf("overflow    %" PRIu64 " bytes did not fit the arena and came "
               "from the heap\n",
               r->overflow_bytes);
}

static void
json_cost(const char *name, const struct stage_cost *c, double total)
{
    printf("{\"name\": \"%s\", \"wall_ms\": %.3f, \"share\": %.4f, "
           "\"peak_bytes\": %zu, \"minor_faults\": %ld, "
           "\"major_faults\": %ld}",
           name, c->ms, total > 0 ? c->ms / total : 0, c->peak_bytes,
           c->minor_faults, c->major_faults);
}

static void
json_proof(const struct proof_cost *proof, const char *indent)
{
    printf("{\n%s  \"total\": ", indent);
    json_cost("total", &proof->total, proof->total.ms);
    printf(",\n%s  \"stages\": [", indent);
    for (unsigned i = 0; i < STAGE_COUNT; i++) {
        printf("%s\n%s    ", i == 0 ? "" : ",", indent);
        json_cost(stage_name[i], &proof->stage[i], proof->total.ms);
    }
    printf("\n%s  ]\n%s}", indent, indent);
}

static void
json_security(const struct air_statement *s)
{
    struct security bits = security_of(s->log_rows);

    printf("  \"security\": {\"conjectured_bits\": %.1f, "
           "\"queries\": %.1f, \"folding\": %.1f, \"lookup\": %.1f, "
           "\"point\": %.1f, \"hash\": %.1f, \"unique_decoding_bits\": %.1f, "
           "\"johnson_bits\": %.1f},\n",
           bits.total, bits.queries, bits.folding, bits.lookup, bits.point,
           bits.hash, bits.unique, bits.johnson);
}

void
report_json(const struct report *r)
{
    struct air_statement s = statement_of(r);
    char text[DIGEST_TEXT_DIGITS + 1];

    digest_text_format(r->digest, text);
    printf("{\n  \"digest\": \"%s\",\n", text);
    printf("  \"file_bytes\": %" PRIu64 ",\n  \"proof_bytes\": %zu,\n",
           r->file_bytes, r->proof_bytes);
    printf("  \"permutations\": %zu,\n  \"rows\": %zu,\n  \"columns\": %u,\n",
           s.blocks, (size_t)1 << s.log_rows, (unsigned)(AIR_MAIN + AIR_AUX));
    json_security(&s);
    printf("  \"allocator\": \"%s\",\n  \"arithmetic\": \"%s\",\n"
           "  \"workers\": %u,\n  \"repeat\": %u,\n  \"overflow_bytes\": "
           "%" PRIu64 ",\n",
           memory_name(r->memory), r->kernels, r->workers, r->proofs,
           r->overflow_bytes);

    printf("  \"first\": ");
    json_proof(&r->proof[0], "  ");
    printf(",\n  \"warm_median\": ");
    if (r->proofs > 1) {
        struct proof_cost warm = report_median(r->proof + 1, r->proofs - 1);

        json_proof(&warm, "  ");
    } else {
        printf("null");
    }
    printf(",\n  \"proofs\": [");
    for (unsigned i = 0; i < r->proofs; i++) {
        printf("%s\n    ", i == 0 ? "" : ",");
        json_proof(&r->proof[i], "    ");
    }
    printf("\n  ]\n}\n");
}
