/*
 * cancel.h - the word by which a phase is told to stop, from anywhere.
 *
 * An id must be safe to use when its phase is long over, when its record serves
 * the next phase, and when its lane has closed, in a signal handler, too. So it
 * leads to no record: it holds the index of a cell in a table that is as old as
 * the process, and a generation.
 *
 *     63               13 12        1      0
 *    |    generation     |   cell    | cancelled |     the word of a cell
 *    |    generation     |   cell    |     0     |     an id
 *
 * C1  A generation is odd while a phase is open on the cell. It only grows,
 *     also when the cell goes to another record, so an id names one phase for
 *     ever: a million phases a second reach the end after 70 years.
 * C2  Comparing the generation and setting the flag is one CAS, and closing is
 *     one exchange. So a cancel either comes before the end, which tells of it,
 *     or finds the phase over; the next phase never sees it.
 * C3  Cell 0 is nobody's and stays 0. Its ids are never found cancelled.
 *
 * C4 -> C5   who ends the phase, or sees C4's flag with an acquire, sees what
 *            was written before zk_phase_cancel()
 */
#ifndef ZK_RUNTIME_CANCEL_H
#define ZK_RUNTIME_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "private/atomic.h"

#define ZK_CANCEL_CELLS ((uint64_t)4096) /* a power of two */
#define ZK_CANCEL_STEP  (ZK_CANCEL_CELLS * 2)

struct zk_cancel_cell {
    ZK_ALIGNED_LINE _Atomic uint64_t word;
    _Atomic bool taken; /* by the record of a phase */
};

extern struct zk_cancel_cell zk__cancel_cells[ZK_CANCEL_CELLS];

/* A cell for a phase's record; 0 when there is none left, see C3. Any thread. */
unsigned zk__cancel_take(void);

/* pre: no phase is open on it */
void zk__cancel_give(unsigned cell);

/*
 * A phase begins: its id. Without a cell it is made of the phase's epoch, so it
 * still differs from the record's other ones. The record's owner calls.
 */
uint64_t zk__cancel_open(unsigned cell, uint64_t epoch);

/* It is over. True: it was cancelled meanwhile. */
bool zk__cancel_close(unsigned cell);

/* Whether a phase is open on it. */
bool zk__cancel_is_open(unsigned cell);

static inline unsigned
zk__cancel_cell(uint64_t id)
{
    return (unsigned)(id / 2 % ZK_CANCEL_CELLS);
}

/* Whether the phase is open and cancelled. id 0: no phase. */
static inline bool
zk__cancelled(uint64_t id)
{
    return zk_load_relaxed(&zk__cancel_cells[zk__cancel_cell(id)].word) ==
           (id | 1);
}

#endif
