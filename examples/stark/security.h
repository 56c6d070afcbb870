/*
 * security.h - how many bits a proof is worth, and how they are counted.
 *
 * Owns:   the terms of the count.
 * Never:  rounds in the prover's favour: the total is the least term.
 */
#ifndef STARK_SECURITY_H
#define STARK_SECURITY_H

#include "air.h"

struct security {
    /* Under the conjecture that README.md states. */
    double queries; /* queries * log2(1/rate) + grinding */
    double lookup;  /* log2|F| - log2(poles of the lookup) */
    double point;   /* log2|F| - log2(degree of the identity at z) */
    double folding; /* log2|F| - log2(points of all layers, weighted) */
    double hash;    /* collisions of BLAKE2b-256 */
    double total;   /* the least of them */

    /* Proved, without any conjecture on codes. */
    double unique;  /* within the unique decoding radius */
    double johnson; /* up to the Johnson bound, eprint 2020/654, m = 3 */
};

struct security security_of(unsigned log_rows);

#endif
