/*
 * zkrt.c - the kernels' loops by zk_parallel_for(), which nobody tunes.
 */
#include "contender.h"
#include "lane.h"

static zk_runtime_t *lane;

void
contender_open(unsigned threads)
{
    lane = lane_enter(threads);
}

void
contender_loop(size_t begin, size_t end, kernel_body body, void *arg,
               int uneven)
{
    (void)uneven;
    must(zk_parallel_for(begin, end, 0, body, arg), "loop");
}

void
contender_close(void)
{
    lane_leave(lane);
}
