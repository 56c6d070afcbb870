/*
 * digest_text.c - see digest_text.h.
 *
 * Owns:   the digits.
 * Never:  depends on the locale.
 */
#include "digest_text.h"

void
digest_text_format(const fp_t digest[P2_DIGEST],
                   char text[DIGEST_TEXT_DIGITS + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < DIGEST_TEXT_DIGITS; i++)
        text[i] = digits[digest[i / 16] >> (60 - 4 * (i % 16)) & 15];
    text[DIGEST_TEXT_DIGITS] = '\0';
}

static int
digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool
digest_text_parse(const uint8_t *text, size_t n, fp_t digest[P2_DIGEST])
{
    if (n == DIGEST_TEXT_DIGITS + 1 && text[n - 1] == '\n')
        n--;
    if (n != DIGEST_TEXT_DIGITS)
        return false;

    for (unsigned i = 0; i < P2_DIGEST; i++)
        digest[i] = 0;
    for (unsigned i = 0; i < DIGEST_TEXT_DIGITS; i++) {
        int value = digit_value(text[i]);

        if (value < 0)
            return false;
        digest[i / 16] = digest[i / 16] << 4 | (uint64_t)value;
    }
    for (unsigned i = 0; i < P2_DIGEST; i++)
        if (digest[i] >= FP_P)
            return false;
    return true;
}
