/*
 * stage.h - the stages of a proof, and what each of them cost.
 *
 * Owns:   their names, their order in a report, and the stopwatch.
 * Never:  prints: a stage runs without stdio.
 */
#ifndef STARK_STAGE_H
#define STARK_STAGE_H

#include "mem.h"

enum stage {
    STAGE_TRACE,     /* rows of the sponge, and of the lookup */
    STAGE_EXTENSION, /* columns to the extended domain */
    STAGE_COMMIT,    /* Merkle trees of extended columns */
    STAGE_QUOTIENT,  /* constraints at every point */
    STAGE_DEEP,      /* openings at z, and the quotient that proves them */
    STAGE_FRI,       /* folding down to a short polynomial */
    STAGE_QUERIES,   /* grinding, and openings of the trees */
    STAGE_COUNT
};

/* Times that a proof enters a stage; some are entered more than once. */
#define STAGE_ENTRIES 12u

extern const char *const stage_name[STAGE_COUNT];

struct stage_cost {
    double ms;
    size_t peak_bytes; /* the most memory that was out, of all entries */
    long minor_faults;
    long major_faults;
};

struct proof_cost {
    struct stage_cost stage[STAGE_COUNT];
    struct stage_cost total; /* the phase, what is between stages included */
};

/* Called before each stage, from the thread that proves, outside the stage. */
typedef void (*stage_progress_fn)(void *arg, enum stage stage, unsigned entry);

struct stages {
    struct mem *mem;
    struct proof_cost *cost;
    stage_progress_fn progress; /* may be NULL */
    void *progress_arg;
    unsigned entries;
};

/* Runs body(arg) as a stage and adds its cost. Returns its result. */
int stage_run(struct stages *s, enum stage stage, int (*body)(void *),
              void *arg);

/* Runs body(arg) as the whole proof and sets the total. */
int stage_run_proof(struct stages *s, int (*body)(void *), void *arg);

#endif
