#!/usr/bin/env bash
#
# headers_test - each public header compiles on its own, as C11 and as C++17,
# with each compiler there is, without a warning.
#
#     headers_test.sh INCLUDE_DIR

set -euo pipefail

include=$1
failed=0
tried=0

flags=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Wcast-qual
    -Werror -fsyntax-only -I "$include")
c_flags=(-std=c11 -Wstrict-prototypes -Wmissing-prototypes)
cxx_flags=(-std=c++17)

# compile COMPILER LANGUAGE FLAG... < source
compile()
{
    local compiler=$1 language=$2
    shift 2

    command -v "$compiler" >/dev/null || return 0
    tried=$((tried + 1))
    if ! "$compiler" -x "$language" "$@" "${flags[@]}" -; then
        echo "FAILED: $compiler as $language: $header"
        failed=$((failed + 1))
    fi
}

for path in "$include"/zkrt/*.h "$include"/zkrt/*.hpp; do
    header=zkrt/${path##*/}
    # Twice: a header must not mind. And a C file must declare something.
    source="#include <$header>
#include <$header>
extern int zk_test_nothing;"

    for cxx in g++ clang++ clang++-14 clang++-19; do
        compile "$cxx" c++ "${cxx_flags[@]}" <<<"$source"
    done
    [[ $header == *.h ]] || continue
    for cc in gcc clang clang-14 clang-19; do
        compile "$cc" c "${c_flags[@]}" <<<"$source"
    done
done

echo "$tried compilations, $failed failed"
((tried > 0 && failed == 0))
