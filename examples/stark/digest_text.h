/*
 * digest_text.h - the public value as 64 hexadecimal digits.
 *
 * Owns:   its text form: four numbers of 16 digits, nothing between them.
 * Never:  reads or writes files.
 */
#ifndef STARK_DIGEST_TEXT_H
#define STARK_DIGEST_TEXT_H

#include <stdbool.h>

#include "poseidon2_constants.h"

#define DIGEST_TEXT_DIGITS (16 * P2_DIGEST)

void digest_text_format(const fp_t digest[P2_DIGEST],
                        char text[DIGEST_TEXT_DIGITS + 1]);

/*
 * Reads n bytes: the digits, and a newline or nothing. False when they are
 * anything else, or when a number is not smaller than p.
 */
bool digest_text_parse(const uint8_t *text, size_t n, fp_t digest[P2_DIGEST]);

#endif
