/*
 * prover.h - from a file to the bytes of a proof.
 *
 * Owns:   the one entry to the prover.
 * Never:  reads or writes files, prints, or checks the proof it made.
 */
#ifndef STARK_PROVER_H
#define STARK_PROVER_H

#include "kernels.h"
#include "stage.h"

/* What to prove and how. Zero fields mean: the default. */
struct prover_job {
    const uint8_t *file;
    uint64_t length;
    enum mem_kind memory;
    const struct kernels *kernels; /* NULL: the best */
    stage_progress_fn progress;
    void *progress_arg;
    const struct zk_phase_options
        *options; /* of the proof's phase; NULL: none */

    /*
     * For tests: adds `flip_by` to one cell once its column is filled. Columns
     * count main first, then aux. 0 flips nothing.
     */
    fp_t flip_by;
    size_t flip_column, flip_row;
};

struct prover_result {
    fp_t digest[P2_DIGEST];
    uint8_t *proof; /* on the heap, kept from one run to the next */
    size_t proof_bytes;
    struct proof_cost cost;
};

/* Takes the buffer for the proof's bytes. STARK_NO_MEMORY when refused. */
int prover_result_init(struct prover_result *result);
void prover_result_fini(struct prover_result *result);

/*
 * Proves once, into a result that was set up before; it may have been used. The
 * bytes depend on the file alone: not on kernels, workers or memory.
 *
 * Errors: STARK_NO_MEMORY, STARK_TOO_LONG, or a negative code of zkrt; the
 *         result then holds no proof
 */
int prover_run(const struct prover_job *job, struct prover_result *result);

/* A sentence for an error of prover_run(). */
const char *prover_strerror(int err);

/* Bytes of buffers that a proof of a file of this length takes, about. */
size_t prover_memory_needed(uint64_t length);

#endif
