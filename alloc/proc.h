/*
 * proc.h - the one door to what the kernel tells about pages in /proc and /sys.
 *
 * Owns:   the formats of these files.
 * Never:  assumes that they are there: a container may show none of them.
 *
 * Each call opens what it reads and closes it again. Any thread; no memory is
 * allocated.
 */
#ifndef ZK_ALLOC_PROC_H
#define ZK_ALLOC_PROC_H

#include <stdbool.h>
#include <stddef.h>

#include <zkrt/pages.h>

/* What the system does about huge pages; UNKNOWN where it does not tell. */
enum zk_huge_system zk__proc_huge_system(void);

/* The path of the program that runs. False: it cannot be told. */
bool zk__proc_program(char *path, size_t room);

/* What the system could give without swapping; SIZE_MAX where it does not tell. */
size_t zk__proc_available(void);

/* Pages in memory that follow each other, all huge ones or all base ones. */
struct zk_run {
    const char *from, *to;
    bool huge;
};

/*
 * Calls each() with the runs of a range, in the order of their addresses; swapped
 * pages and shared zero pages are in none. False: the kernel (before Linux 6.7)
 * or the container does not tell; some runs may have been told already.
 *
 * cost  a walk of the range's page tables
 */
bool zk__proc_runs(const void *p, size_t bytes,
                   void (*each)(const struct zk_run *run, void *arg),
                   void *arg);

/* What the mappings have in memory that a range overlaps. */
struct zk_mapped {
    size_t bytes;
    size_t huge_bytes;
};

/*
 * For kernels without the call above. False: it cannot be read.
 *
 * cost  a walk of all page tables of the process
 */
bool zk__proc_mapped(const void *p, size_t bytes, struct zk_mapped *mapped);

/* The same from an open file, for tests. */
bool zk__proc_mapped_in(int fd, const void *p, size_t bytes,
                        struct zk_mapped *mapped);

#endif
