/*
 * os.h - the one door to the mmap family, and to the system's random numbers.
 *
 * Owns:   reserving, committing, releasing and advising address ranges.
 * Never:  knows what a range is for; keeps no state.
 *
 * All sizes are multiples of zk__os_page().
 */
#ifndef ZK_ALLOC_OS_H
#define ZK_ALLOC_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZK_HUGE_PAGE ((size_t)2 << 20)

/* The base page size. */
size_t zk__os_page(void);

/*
 * Address space only: inaccessible, not accounted, aligned to `align` (a power
 * of two, at least a page). NULL when refused; errno tells.
 */
void *zk__os_reserve(size_t bytes, size_t align);

/*
 * Makes a reserved range readable and writable, zero on first touch. False when
 * the kernel refuses to account for it; the range is then as before.
 */
bool zk__os_commit(void *p, size_t bytes);

/* Accessible zeroed pages for the library's own records; NULL when refused. */
void *zk__os_map(size_t bytes);

/*
 * Moves the pages of a committed range to another or to a reserved one; what was
 * there is gone. The old range reads as zero, until zk__os_shut() makes it
 * inaccessible. No page is copied or touched, so
 * both take the time of a system call, and of a TLB shootdown where other cores
 * run this process. False when the kernel refuses: nothing changed then.
 */
bool zk__os_move(void *from, void *to, size_t bytes);
bool zk__os_shut(void *from, size_t bytes);

/* Ends a range of zk__os_reserve() or zk__os_map(). */
void zk__os_unmap(void *p, size_t bytes);

/*
 * Drops the pages of a committed range; they read as zero again. False where the
 * kernel refuses, as it does for locked pages: they are as they were.
 */
bool zk__os_discard(void *p, size_t bytes);

/*
 * Has all pages of a committed range in memory, as if each had been written to,
 * and leaves what is in them. Where the kernel cannot do it in one call (before
 * Linux 5.14), each is written to: then nobody else may use the range. False: it
 * has no memory for all of them.
 */
bool zk__os_populate(void *p, size_t bytes);

/* Bytes of a range, from the start of a page on, that are in memory. */
size_t zk__os_in_memory(void *p, size_t bytes);

/* Asks for huge pages in a range, or for none. Advice: never fails. */
void zk__os_advise_huge(void *p, size_t bytes, bool want);

/*
 * Keeps a committed range out of core dumps, and has children of fork() find
 * zeros there. False when the kernel refuses a part of it; errno tells. Undone
 * by zk__os_show(), for the range as a whole.
 */
bool zk__os_hide(void *p, size_t bytes);
bool zk__os_show(void *p, size_t bytes);

/*
 * Keeps what is and what will be in the pages of a committed range out of swap,
 * without touching those that are not there yet. False when the system refuses:
 * nothing changed then; errno tells.
 */
bool zk__os_lock(void *p, size_t bytes);
void zk__os_unlock(void *p, size_t bytes);

/*
 * Has the pages that a range will get come from these nodes: from one of them as
 * long as it has any, and from others after that (a mask as long as `bits`), or
 * from one after the other. 0, or the errno of a refusal: nothing changed then.
 */
int zk__os_place(void *p, size_t bytes, const unsigned long *nodes,
                 unsigned bits, bool interleave);

/*
 * Moves what of a range is in memory to a node, as far as the system can: that may
 * be full, or refuse. Parts of pages at the ends are moved along.
 */
void zk__os_gather(void *p, size_t bytes, unsigned node);

#define ZK_OS_PAGES 512

/*
 * The node of each of up to ZK_OS_PAGES pages from p on, or less than 0 where none
 * is in memory. False: refused.
 */
bool zk__os_nodes(const char *p, size_t n, int *nodes);

/* A number that nobody outside of the process can know. */
uintptr_t zk__os_secret(void);

/*
 * What may still be reserved under RLIMIT_AS, or SIZE_MAX where there is no
 * limit.
 */
size_t zk__os_address_space_left(void);

#endif
