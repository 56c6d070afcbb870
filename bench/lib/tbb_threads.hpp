/*
 * tbb_threads.hpp - oneTBB with so many threads, each bound to a core.
 *
 * oneTBB binds nobody by itself, and two of its threads may share a core for
 * long. Everybody else here is bound, so this one is too.
 */
#ifndef ZK_BENCH_TBB_THREADS_HPP
#define ZK_BENCH_TBB_THREADS_HPP

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include "bench.h"

class binding final : public tbb::task_scheduler_observer
{
  public:
    binding()
    {
        observe(true);
    }

    void on_scheduler_entry(bool) override
    {
        bench_bind(static_cast<unsigned>(
            tbb::this_task_arena::current_thread_index()));
    }
};

class threads final
{
  public:
    explicit threads(std::size_t n)
        : limit(tbb::global_control::max_allowed_parallelism, n)
    {
    }

  private:
    tbb::global_control limit;
    binding bound;
};

#endif
