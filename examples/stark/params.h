/*
 * params.h - the one parameter set of this proof system.
 *
 * Owns:   every number that prover and verifier must agree on, and that the
 *         header of a proof repeats.
 * Never:  holds a tuning knob: changing any line here changes the protocol.
 */
#ifndef STARK_PARAMS_H
#define STARK_PARAMS_H

#define STARK_VERSION 1u

/* The evaluation domain is 8 times as long as the trace: rate 1/8. */
#define STARK_LOG_BLOWUP 3u
#define STARK_BLOWUP     (1u << STARK_LOG_BLOWUP)

/* FRI folds 8 to 1 until at most 2^6 coefficients are left to send. */
#define STARK_LOG_FOLD  3u
#define STARK_FOLD      (1u << STARK_LOG_FOLD)
#define STARK_LOG_FINAL 6u

/* 40 * 3 + 16 = 136 bits: 32 more than the field can give; see README.md. */
#define STARK_QUERIES       40u
#define STARK_GRINDING_BITS 16u

/* The byte table of the lookup has 2^8 rows, so a trace has at least these. */
#define STARK_LOG_ROWS_MIN 8u
#define STARK_LOG_ROWS_MAX 18u

/* One row of the trace absorbs 8 elements of 7 bytes. */
#define STARK_BLOCK_BYTES 56u

/* The byte 0x01 that ends the input must fit too, hence the minus one. */
#define STARK_MAX_FILE_BYTES \
    (((unsigned long)STARK_BLOCK_BYTES << STARK_LOG_ROWS_MAX) - 1)

/* Folds of the longest trace: 18 -> 15 -> 12 -> 9 -> 6. */
#define STARK_MAX_LAYERS                                           \
    ((STARK_LOG_ROWS_MAX - STARK_LOG_FINAL + STARK_LOG_FOLD - 1) / \
     STARK_LOG_FOLD)

/* What can go wrong while proving, beside the library's negative codes. */
enum {
    STARK_OK = 0,
    STARK_NO_MEMORY = 1, /* a buffer was refused */
    STARK_TOO_LONG = 2   /* the file needs more than 2^18 rows */
};

#endif
