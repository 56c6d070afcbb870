/*
 * file_io.h - whole files, in and out, with no half-written ones.
 *
 * Owns:   reading up to a limit; writing to a temporary name and renaming.
 * Never:  prints: it answers with errno values.
 */
#ifndef STARK_FILE_IO_H
#define STARK_FILE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_bytes {
    uint8_t *data; /* on the heap; free() it */
    size_t length;
};

/*
 * Reads all of a file, of at most `limit` bytes. Returns 0, EFBIG for a longer
 * one (found before it is read, when its size is known), or another errno.
 */
int file_read(const char *path, size_t limit, struct file_bytes *out);

/*
 * A file that appears whole or not at all. A path that names something else
 * than a regular file, a device or a pipe, is written in place.
 */
struct file_draft {
    const char *path;
    char *temporary; /* NULL: written in place, and done with */
};

/* Writes the bytes next to `path`. 0, or an errno and nothing is left. */
int file_draft_write(struct file_draft *d, const char *path, const void *data,
                     size_t n);

/* Gives the file its name. 0, or an errno and the draft is gone. */
int file_draft_publish(struct file_draft *d);

/* Removes the draft. Does nothing to a published or unwritten one. */
void file_draft_discard(struct file_draft *d);

/* False for a device, a pipe or a socket. */
bool file_is_regular_or_new(const char *path);

#endif
