/*
 * writer.h - nested names and values, as text for people or as JSON.
 *
 * Owns:   commas, indentation and escapes.
 * Never:  allocates: what does not fit is counted and left out.
 *
 *     zk__write_open(&w, "workers");          workers:
 *     zk__write_number(&w, "number", 2);        number: 2
 *     zk__write_close(&w);
 */
#ifndef ZK_RUNTIME_WRITER_H
#define ZK_RUNTIME_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zk_writer {
    char *out;
    size_t room;   /* of out, its final zero included */
    size_t length; /* of all that was written, whether it fits or not */
    bool json;
    unsigned depth;
    bool first; /* nothing stands in the innermost brackets yet */
    bool row;   /* in a row of a table: text keeps to one line */
};

void zk__write_begin(struct zk_writer *w, char *out, size_t room, bool json);

/* The length of the whole. */
size_t zk__write_end(struct zk_writer *w);

/* An object by its name, and a list whose rows are objects. */
void zk__write_open(struct zk_writer *w, const char *name);
void zk__write_close(struct zk_writer *w);
void zk__write_open_list(struct zk_writer *w, const char *name);
void zk__write_close_list(struct zk_writer *w);
void zk__write_open_row(struct zk_writer *w);
void zk__write_close_row(struct zk_writer *w);

void zk__write_number(struct zk_writer *w, const char *name, uint64_t n);
void zk__write_word(struct zk_writer *w, const char *name, const char *word);
void zk__write_bool(struct zk_writer *w, const char *name, bool yes);

/* Bytes: a number in JSON, "64 MiB" in text; SIZE_MAX is null and `none`. */
void zk__write_bytes(struct zk_writer *w, const char *name, size_t bytes,
                     const char *none);

#endif
