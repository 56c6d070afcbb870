/*
 * vectors.c - see vectors.h.
 *
 * Owns:   the path, which the build gives.
 * Never:  goes on after an error.
 */
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
vectors_load(void)
{
    FILE *f = fopen(STARK_VECTORS, "rb");
    char *text = malloc(1 << 16);
    size_t n;

    assert_non_null(f);
    assert_non_null(text);
    n = fread(text, 1, (1 << 16) - 1, f);
    assert_true(n > 0 && feof(f));
    text[n] = '\0';
    fclose(f);
    return text;
}

void
vectors_read(const char **at, const char *key, uint64_t *value, size_t count)
{
    char quoted[64];
    const char *p;

    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    p = strstr(*at, quoted);
    assert_non_null(p);
    p += strlen(quoted);
    for (size_t i = 0; i < count; i++) {
        char *end;

        p += strspn(p, " \n\t\r,[]\"");
        assert_true(*p >= '0' && *p <= '9');
        value[i] = strtoull(p, &end, 0);
        p = end;
    }
    *at = p;
}
