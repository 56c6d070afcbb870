/*
 * tbb.cpp - task_arena::enqueue(), which leaves the task to a worker.
 *
 *     idle_tbb SLEEPS IDLE_MS
 */
#include <memory>

#include "latency.h"
#include "tbb_threads.hpp"

static std::unique_ptr<tbb::task_arena> arena;

static void
submit()
{
    arena->enqueue([] { latency_mark(); });
}

static void
finish()
{
}

int
main(int argc, char **argv)
{
    threads team(2);

    arena = std::make_unique<tbb::task_arena>(2);
    latency_measure(argc, argv, submit, finish);
    arena.reset();
    return 0;
}
