/*
 * loops.c - the prover's loops by OpenMP, in place of zkrt's: a program's own
 * function of that name comes before the library's.
 *
 * Owns:   zk_parallel_for() in this one program. No schedule clause: each thread of
 *         the team gets a part, and one call of the body for it.
 * Never:  takes anything else from zkrt's place: phases, arenas and the rest are the
 *         library's.
 */
#include <omp.h>

#include <zkrt/zkrt.h>

zk_err_t
zk_parallel_for(size_t begin, size_t end, size_t grain, zk_range_fn body,
                void *arg)
{
    size_t n = end > begin ? end - begin : 0;
    zk_err_t err = ZK_OK;

    (void)grain;
#pragma omp parallel
    {
        size_t all = (size_t)omp_get_num_threads();
        size_t own = (size_t)omp_get_thread_num();
        size_t from = begin + n * own / all, to = begin + n * (own + 1) / all;
        int code = from < to ? body(from, to, arg) : 0;

        if (code != 0) {
#pragma omp atomic write
            err = code;
        }
    }
    return err;
}
