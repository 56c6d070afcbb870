/*
 * progress.h - one line on the terminal while proofs are made.
 *
 * Owns:   that line: drawn, redrawn in place, wiped.
 * Never:  writes to anything but a terminal, or from inside a stage.
 */
#ifndef STARK_PROGRESS_H
#define STARK_PROGRESS_H

#include <stdbool.h>

#include "stage.h"

struct progress {
    bool shown;
    bool colour; /* unless NO_COLOR is set */
    unsigned width;
    unsigned proof, proofs; /* counted from 1 */
};

/* Shown when standard error is a terminal and `quiet` is false. */
void progress_init(struct progress *p, unsigned proofs, bool quiet);

/* A stage_progress_fn. */
void progress_stage(void *progress, enum stage stage, unsigned entry);

/* Wipes the line. */
void progress_end(struct progress *p);

#endif
