/*
 * progress.h - one line on the terminal while proofs are made.
 *
 * Owns:   that line: drawn, redrawn in place, wiped.
 * Never:  writes to anything but a terminal, or from inside a loop.
 */
#ifndef STARK_PROGRESS_H
#define STARK_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>

#include <zkrt/phase.h>

#include "stage.h"

struct progress {
    bool shown;
    bool colour; /* unless NO_COLOR is set */
    unsigned width;
    unsigned proof, proofs; /* counted from 1 */

    pthread_mutex_t lock; /* what follows, and the line */
    enum stage stage;
    unsigned entry; /* stages entered before this one */
    double part;    /* of this one that is done; it only grows */
};

/* Shown when standard error is a terminal and `quiet` is false. */
void progress_init(struct progress *p, unsigned proofs, bool quiet);

/* A stage_progress_fn. */
void progress_stage(void *progress, enum stage stage, unsigned entry);

/* A zk_progress_fn: what the loops of the stage have done. */
void progress_tell(const zk_progress_t *told, void *progress);

/* Wipes the line. */
void progress_end(struct progress *p);

#endif
