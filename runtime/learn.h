/*
 * learn.h - what phases used, kept in a file from one run to the next.
 *
 * Owns:   the file's format, its place, and how it is read and replaced.
 * Never:  believes what it reads: a file that is not whole, or not ours, is none.
 *
 *     header   "zkrtlrn\n", version, count, workers, a checksum of all
 *     record   name of a phase, bytes of its opener's slab, of another's at most
 *     ...
 *
 * In the byte order of the machine: it is a cache, and stays where it is.
 *
 * L1  A file is replaced as a whole, by a rename: whoever reads at the time has
 *     the old one or the new one. Of two that write the later one wins.
 * L2  No link is followed at the end of the path, neither to read nor to write.
 * L3  What somebody named and what is no file of this kind is left as it is.
 */
#ifndef ZK_RUNTIME_LEARN_H
#define ZK_RUNTIME_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/arena.h"

#define ZK_LEARN_PHASES 64
#define ZK_LEARN_PATH   1024

struct zk_learnt {
    char name[ZK_PHASE_NAME];
    uint64_t opener; /* the most bytes of the slab of its opener */
    uint64_t other;  /* and of any other slab */
};

struct zk_learn {
    unsigned count;
    unsigned workers; /* of the lane that learnt it */
    struct zk_learnt phase[ZK_LEARN_PHASES];
    uint64_t sum;     /* of all marks */
    uint64_t written; /* the same when they were last written down */
};

enum zk_learn_state {
    ZK_LEARN_READ, /* also where there is no file yet */
    ZK_LEARN_IGNORED,
    ZK_LEARN_FOREIGN /* L3: it has never been one of ours */
};

/*
 * Where the file is when nobody has named one: in zkrt/ of the user's cache
 * directory, with the program's name and a hash of its path. False: there is no
 * such directory, or the program has more rights than who called it.
 */
bool zk__learn_default_path(char path[ZK_LEARN_PATH]);

/* Reads a file. When it is not READ, *l is empty and *why says what it is. */
enum zk_learn_state zk__learn_read(const char *path, struct zk_learn *l,
                                   const char **why);

/*
 * Replaces the file, readable for its user only; makes the last two directories
 * of the path if need be. NULL, or why it could not: then it is as it was.
 */
const char *zk__learn_write(const char *path, const struct zk_learn *l);

/*
 * Notes what a phase used. True: all that was noted is more by a sixteenth than
 * what was written down, so that it is worth doing it again. Phases that do not fit
 * any more are dropped.
 */
bool zk__learn_note(struct zk_learn *l, const char *name, uint64_t opener,
                    uint64_t other);

#endif
