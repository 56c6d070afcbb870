/*
 * report.h - what the proofs cost, for people and for programs.
 *
 * Owns:   the table, the JSON, and the median.
 * Never:  measures (stage.h does).
 */
#ifndef STARK_REPORT_H
#define STARK_REPORT_H

#include "prover.h"

struct report {
    uint64_t file_bytes;
    size_t proof_bytes;
    fp_t digest[P2_DIGEST];
    enum mem_kind memory;
    const char *kernels;
    unsigned workers;
    const struct proof_cost *proof; /* one for each repetition */
    unsigned proofs;
    uint64_t overflow_bytes; /* that did not fit the arena, all proofs */
};

void report_table(const struct report *r);
void report_json(const struct report *r);

/*
 * For each stage and each figure the median of n costs; of an even number the
 * lower one, so that it is a figure that was seen. n > 0, and at most
 * REPORT_MAX_PROOFS.
 */
#define REPORT_MAX_PROOFS 10000u
struct proof_cost report_median(const struct proof_cost *cost, unsigned n);

#endif
