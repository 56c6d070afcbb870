/*
 * tbb.cpp - the kernels' loops by tbb::parallel_for(), which nobody tunes.
 */
#include <memory>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include "contender.h"
#include "tbb_threads.hpp"

static std::unique_ptr<threads> team;

void
contender_open(unsigned n)
{
    team = std::make_unique<threads>(n);
}

void
contender_loop(size_t begin, size_t end, kernel_body body, void *arg, int)
{
    tbb::parallel_for(tbb::blocked_range<size_t>(begin, end),
                      [=](const tbb::blocked_range<size_t> &r) {
                          (void)body(r.begin(), r.end(), arg);
                      });
}

void
contender_close(void)
{
    team.reset();
}
