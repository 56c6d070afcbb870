/*
 * writer.c - text and JSON from the same calls.
 *
 * Owns:   the two grammars: RFC 8259, and lines of "name: value".
 * Never:  writes beyond the room it was given.
 */
#include "runtime/writer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __attribute__((format(printf, 2, 3))) void
put(struct zk_writer *w, const char *format, ...)
{
    size_t left = w->length < w->room ? w->room - w->length : 0;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(left != 0 ? w->out + w->length : NULL, left, format, args);
    va_end(args);
    if (n > 0)
        w->length += (size_t)n;
}

/* With the quotes. In text, where a word stands alone, without. */
static void
put_word(struct zk_writer *w, const char *word)
{
    if (!w->json) {
        put(w, "%s", word);
        return;
    }
    put(w, "\"");
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            put(w, "\\%c", *c);
        else if ((unsigned char)*c < ' ')
            put(w, "\\u%04x", (unsigned)(unsigned char)*c);
        else
            put(w, "%c", *c);
    }
    put(w, "\"");
}

/* What stands between the last entry and the next one's name. */
static void
next_entry(struct zk_writer *w, const char *name)
{
    if (w->json) {
        put(w, "%s\n%*s", w->first ? "" : ",", (int)(2 * w->depth), "");
        if (name != NULL)
            put(w, "\"%s\": ", name);
    } else if (w->row) {
        put(w, "%s%s ", w->first ? "" : ", ", name);
    } else if (name != NULL) {
        put(w, "%*s%s: ", (int)(2 * (w->depth - 1)), "", name);
    }
    w->first = false;
}

/* The end of a line that has a value. */
static void
end_entry(struct zk_writer *w)
{
    if (!w->json && !w->row)
        put(w, "\n");
}

static void
open_brackets(struct zk_writer *w, const char *name, char bracket)
{
    next_entry(w, name);
    if (w->json)
        put(w, "%c", bracket);
    else
        put(w, "\n");
    w->depth++;
    w->first = true;
}

static void
close_brackets(struct zk_writer *w, char bracket)
{
    w->depth--;
    if (w->json && w->first)
        put(w, "%c", bracket);
    else if (w->json)
        put(w, "\n%*s%c", (int)(2 * w->depth), "", bracket);
    w->first = false;
}

void
zk__write_begin(struct zk_writer *w, char *out, size_t room, bool json)
{
    *w = (struct zk_writer){
        .out = out, .room = room, .json = json, .depth = 1, .first = true};
    if (room != 0)
        out[0] = '\0';
    if (json)
        put(w, "{");
}

size_t
zk__write_end(struct zk_writer *w)
{
    if (w->json)
        put(w, "\n}\n");
    return w->length;
}

void
zk__write_open(struct zk_writer *w, const char *name)
{
    open_brackets(w, name, '{');
}

void
zk__write_close(struct zk_writer *w)
{
    close_brackets(w, '}');
}

void
zk__write_open_list(struct zk_writer *w, const char *name)
{
    open_brackets(w, name, '[');
}

void
zk__write_close_list(struct zk_writer *w)
{
    close_brackets(w, ']');
}

void
zk__write_open_row(struct zk_writer *w)
{
    if (w->json) {
        open_brackets(w, NULL, '{');
        return;
    }
    put(w, "%*s- ", (int)(2 * (w->depth - 1)), "");
    w->row = w->first = true;
}

void
zk__write_close_row(struct zk_writer *w)
{
    if (w->json) {
        close_brackets(w, '}');
        return;
    }
    w->row = w->first = false;
    put(w, "\n");
}

void
zk__write_number(struct zk_writer *w, const char *name, uint64_t n)
{
    next_entry(w, name);
    put(w, "%" PRIu64, n);
    end_entry(w);
}

void
zk__write_word(struct zk_writer *w, const char *name, const char *word)
{
    next_entry(w, name);
    put_word(w, word);
    end_entry(w);
}

void
zk__write_bool(struct zk_writer *w, const char *name, bool yes)
{
    next_entry(w, name);
    put(w, "%s", w->json ? (yes ? "true" : "false") : (yes ? "yes" : "no"));
    end_entry(w);
}

void
zk__write_bytes(struct zk_writer *w, const char *name, size_t bytes,
                const char *none)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    next_entry(w, name);
    if (bytes == SIZE_MAX) {
        put(w, "%s", w->json ? "null" : none);
    } else if (w->json) {
        put(w, "%zu", bytes);
    } else {
        for (; bytes != 0 && bytes % 1024 == 0 && unit < 4; unit++)
            bytes /= 1024;
        put(w, "%zu %s", bytes, units[unit]);
    }
    end_entry(w);
}
