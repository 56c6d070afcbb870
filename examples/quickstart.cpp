/*
 * quickstart.cpp - the same as quickstart.c, with a guard and a lambda.
 *
 *     c++ -std=c++17 quickstart.cpp $(pkg-config --cflags --libs zkrt)
 */
#include <cstdint>
#include <iostream>
#include <new>

#include <zkrt/zkrt.hpp>

int
main()
{
    constexpr std::size_t count = std::size_t{1} << 20;
    std::uint64_t last = 0;

    try {
        zk::phase phase("squares"); /* ends on every way out of the scope */
        auto *v = static_cast<std::uint64_t *>(zk_malloc(count * sizeof last));

        if (v == nullptr)
            throw std::bad_alloc();

        zk_err_t err = zk::parallel_for(
            0, count, 0, [v](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; i++)
                    v[i] = std::uint64_t{i} * i;
            });

        if (err != ZK_OK)
            throw zk::error(err);
        last = v[count - 1];
        phase.end();
    } catch (const std::exception &e) {
        std::cerr << "quickstart: " << e.what() << '\n';
        return 1;
    }

    std::cout << count - 1 << " squared is " << last << '\n';
    return 0;
}
