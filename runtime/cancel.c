/*
 * cancel.c - the table of cells, and zk_phase_cancel().
 *
 * Owns:   the cells. cancel.h has the picture and the invariants C1 to C5.
 * Never:  takes a lock, waits, or looks at the calling thread.
 */
#include "runtime/cancel.h"

#include <zkrt/phase.h>

struct zk_cancel_cell zk__cancel_cells[ZK_CANCEL_CELLS];

unsigned
zk__cancel_take(void)
{
    for (unsigned i = 1; i < ZK_CANCEL_CELLS; i++) {
        bool taken = false;

        if (!zk_load_relaxed(&zk__cancel_cells[i].taken) &&
            zk_cas_acq_rel(&zk__cancel_cells[i].taken, &taken, true))
            return i;
    }
    return 0; /* C3 */
}

void
zk__cancel_give(unsigned cell)
{
    if (cell != 0)
        zk_store_release(&zk__cancel_cells[cell].taken, false);
}

uint64_t
zk__cancel_open(unsigned cell, uint64_t epoch)
{
    _Atomic uint64_t *word = &zk__cancel_cells[cell].word;
    uint64_t generation, id;

    if (cell == 0)
        return epoch * ZK_CANCEL_STEP;
    generation = (zk_load_relaxed(word) / ZK_CANCEL_STEP + 1) | 1; /* C1 */
    id = generation * ZK_CANCEL_STEP + (uint64_t)cell * 2;
    zk_store_release(word, id);
    return id;
}

bool
zk__cancel_close(unsigned cell)
{
    _Atomic uint64_t *word = &zk__cancel_cells[cell].word;
    uint64_t over;

    if (cell == 0)
        return false;
    over = (zk_load_relaxed(word) | 1) - 1 + ZK_CANCEL_STEP;
    return (zk_exchange_acq_rel(word, over) & 1) != 0; /* C5 */
}

bool
zk__cancel_is_open(unsigned cell)
{
    return zk_load_relaxed(&zk__cancel_cells[cell].word) / ZK_CANCEL_STEP % 2 !=
           0;
}

zk_err_t
zk_phase_cancel(zk_phase_id_t id)
{
    _Atomic uint64_t *word = &zk__cancel_cells[zk__cancel_cell(id)].word;
    uint64_t seen = id;

    if (zk__cancel_cell(id) == 0 || (id & 1) != 0 ||
        (id / ZK_CANCEL_STEP & 1) == 0)
        return ZK_ESTALE; /* no id at all */
    return zk_cas_acq_rel(word, &seen, id | 1) || seen == (id | 1) /* C4 */
               ? ZK_OK
               : ZK_ESTALE;
}
