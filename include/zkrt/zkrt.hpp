/*
 * zkrt.hpp - zkrt for C++17, header only.
 *
 * Owns:   a phase guard, a scope of scratch, and loops and pairs of calls over
 *         lambdas. Exceptions cross all of them: a phase ends while one passes, and
 *         the first one that a loop body throws is rethrown to the caller of the
 *         loop.
 * Never:  adds state of its own to the C interface.
 */
#ifndef ZKRT_ZKRT_HPP
#define ZKRT_ZKRT_HPP

#include <atomic>
#include <cstddef>
#include <exception>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <zkrt/zkrt.h>

namespace zk
{

/* A code of the library as an exception. */
class error : public std::runtime_error
{
  public:
    explicit error(zk_err_t code)
        : std::runtime_error(zk_strerror(code)), code_(code)
    {
    }

    zk_err_t code() const noexcept
    {
        return code_;
    }

  private:
    zk_err_t code_;
};

/*
 * A phase, or a stage, for the length of a scope. `flags` are those of
 * zk_phase_options_t. The constructor throws
 * zk::error when it cannot begin. end() ends it early and throws the end's
 * code; the destructor ends it silently. Both end stages first that were begun
 * inside and left open, and nothing when the phase has been ended already.
 */
class phase
{
  public:
    explicit phase(const char *name, unsigned flags = 0)
        : phase(nullptr, name, flags)
    {
    }

    phase(zk_runtime_t *lane, const char *name, unsigned flags = 0)
    {
        zk_phase_options_t options = ZK_PHASE_OPTIONS_INIT;
        zk_phase_stats_t stats = {};

        options.flags = flags;
        check(zk_phase_begin_ex(lane, name, &options));
        stats.size = sizeof stats;
        check(zk_phase_stats(&stats));
        guard_.depth = static_cast<int>(stats.depth);
    }

    phase(const phase &) = delete;
    phase &operator=(const phase &) = delete;

    ~phase()
    {
        zk__phase_guard_close(&guard_);
    }

    /* As zk_phase_reserve(): throws what it answers, such as ZK_EBUDGET. */
    void reserve(std::size_t bytes)
    {
        check(zk_phase_reserve(bytes));
    }

    void end()
    {
        if (guard_.depth == 0)
            throw error(ZK_ESTALE);
        zk__phase_guard_close(&guard_);
        guard_.depth = 0;
        check(zk_phase_error());
    }

  private:
    static void check(zk_err_t err)
    {
        if (err != ZK_OK)
            throw error(err);
    }

    zk_phase_guard_t guard_ = {0, 0};
};

/*
 * A scope of scratch (scratch.h) for the length of a C++ scope. alloc() throws
 * std::bad_alloc where zk_scratch_alloc() has none: no memory, an alignment that
 * is none, or called from another task than the one that made the object.
 */
class scratch
{
  public:
    scratch() noexcept : scope_(zk_scratch_begin())
    {
    }

    scratch(const scratch &) = delete;
    scratch &operator=(const scratch &) = delete;

    ~scratch()
    {
        (void)zk_scratch_end(scope_);
    }

    void *alloc(std::size_t n, std::size_t align = 0)
    {
        void *p = zk_scratch_alloc(n, align);

        if (p == nullptr)
            throw std::bad_alloc();
        return p;
    }

  private:
    zk_scratch_t scope_;
};

namespace detail
{

/* The body of a loop, and the first exception that left it. */
template <class F> struct loop {
    F &body;
    std::atomic<bool> thrown{false};
    std::exception_ptr what{};

    static int run(std::size_t begin, std::size_t end, void *arg)
    {
        loop *self = static_cast<loop *>(arg);

        try {
            if constexpr (std::is_void_v<std::invoke_result_t<F &, std::size_t,
                                                              std::size_t>>) {
                self->body(begin, end);
                return ZK_OK;
            } else {
                return self->body(begin, end);
            }
        } catch (...) {
            /* The loop itself orders this write before the caller's read. */
            if (!self->thrown.exchange(true))
                self->what = std::current_exception();
            return ZK_ECANCELED;
        }
    }
};

} // namespace detail

/*
 * zk_parallel_for() over a callable body(begin, end), which returns void or a
 * zk_err_t. Rethrows the first exception of the body.
 */
template <class F>
zk_err_t
parallel_for(std::size_t begin, std::size_t end, std::size_t grain, F &&body)
{
    using fn = std::remove_reference_t<F>;
    detail::loop<fn> loop{body};
    zk_err_t err =
        zk_parallel_for(begin, end, grain, detail::loop<fn>::run, &loop);

    if (loop.what)
        std::rethrow_exception(loop.what);
    return err;
}

namespace detail
{

/* fold and combine of a reduction, and the first exception that left them. */
template <class T, class Fold, class Combine> struct sum {
    Fold &fold;
    Combine &combine;
    std::atomic<bool> thrown{false};
    std::exception_ptr what{};

    void keep() noexcept
    {
        if (!thrown.exchange(true))
            what = std::current_exception();
    }

    static int run_fold(std::size_t begin, std::size_t end, void *value,
                        void *arg) noexcept
    {
        sum *self = static_cast<sum *>(arg);
        T *v = static_cast<T *>(value);

        try {
            *v = self->fold(begin, end, *v);
            return ZK_OK;
        } catch (...) {
            self->keep();
            return ZK_ECANCELED;
        }
    }

    static void run_combine(void *left, const void *right, void *arg) noexcept
    {
        sum *self = static_cast<sum *>(arg);
        T *l = static_cast<T *>(left);

        try {
            *l = self->combine(*l, *static_cast<const T *>(right));
        } catch (...) {
            self->keep();
        }
    }
};

} // namespace detail

/*
 * zk_parallel_reduce() of values of T, which is trivially copyable: fold(begin, end,
 * sum) returns the sum with iterations [begin, end) added, combine(left, right) that
 * of two. Rethrows the first exception of either; throws zk::error on an error of
 * the library.
 */
template <class T, class Fold, class Combine>
T
parallel_reduce(std::size_t begin, std::size_t end, std::size_t grain,
                const T &identity, Fold &&fold, Combine &&combine)
{
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 64,
                  "values are copied as bytes, to places aligned to 64");
    using both = detail::sum<T, std::remove_reference_t<Fold>,
                             std::remove_reference_t<Combine>>;
    both sum{fold, combine};
    zk_reduction_t r = {sizeof r,       sizeof(T),         &identity,
                        both::run_fold, both::run_combine, &sum};
    T result = identity;
    zk_err_t err = zk_parallel_reduce(begin, end, grain, &r, &result);

    if (sum.what)
        std::rethrow_exception(sum.what);
    if (err != ZK_OK)
        throw error(err);
    return result;
}

namespace detail
{

/* One of two calls, and the exception that left it. */
template <class F> struct call {
    F &fn;
    std::exception_ptr what{};

    static int run(void *arg) noexcept
    {
        call *self = static_cast<call *>(arg);

        try {
            if constexpr (std::is_void_v<std::invoke_result_t<F &>>) {
                self->fn();
                return ZK_OK;
            } else {
                return self->fn();
            }
        } catch (...) {
            self->what = std::current_exception(); /* ordered by the join */
            return ZK_ECANCELED;
        }
    }
};

} // namespace detail

/*
 * zk_parallel_invoke() over two callables that return void or a zk_err_t. When both
 * are done it rethrows the exception of f, else of g, if there is one.
 */
template <class F, class G>
zk_err_t
parallel_invoke(F &&f, G &&g)
{
    detail::call<std::remove_reference_t<F>> first{f};
    detail::call<std::remove_reference_t<G>> second{g};
    zk_err_t err = zk_parallel_invoke(first.run, &first, second.run, &second);

    if (first.what)
        std::rethrow_exception(first.what);
    if (second.what)
        std::rethrow_exception(second.what);
    return err;
}

} // namespace zk

#endif
