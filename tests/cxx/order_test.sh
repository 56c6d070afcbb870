#!/usr/bin/env bash
#
# order_test - the public headers compile in any order, twice, as C11 and as
# C++17, without a warning. Forwards and backwards, each pair of them is met in
# both orders. (tests/install tries each one alone.)
#
#     order_test.sh INCLUDE_DIR

set -euo pipefail

include=$1
failed=0
tried=0

flags=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Wcast-qual
    -Werror -fsyntax-only -I "$include")
c_flags=(-std=c11 -Wstrict-prototypes -Wmissing-prototypes)
cxx_flags=(-std=c++17 -Wold-style-cast -Wnon-virtual-dtor)

# compile COMPILER LANGUAGE FLAG... < source
compile()
{
    local compiler=$1 language=$2
    shift 2

    command -v "$compiler" >/dev/null || return 0
    tried=$((tried + 1))
    if ! "$compiler" -x "$language" "$@" "${flags[@]}" -; then
        echo "FAILED: $compiler as $language"
        failed=$((failed + 1))
    fi
}

# include_lines HEADER...: in this order, then in the opposite one
include_lines()
{
    local lines="" back=""

    for path in "$@"; do
        lines+="#include <zkrt/${path##*/}>"$'\n'
        back="#include <zkrt/${path##*/}>"$'\n'"$back"
    done
    forwards="$lines$lines"
    backwards="$back$back"
}

# What a user's file has beside them: it must be C and C++ all the same.
body='
extern int zk_test_uses(void *p);
int
zk_test_uses(void *p)
{
    zk_group_t group = ZK_GROUP_INIT;
    zk_options_t options = ZK_OPTIONS_INIT;
    int n = options.size != 0;

    ZK_PHASE("one")
    {
        ZK_PHASE("two")
        {
            p = zk_bump(100);
        }
        n += p != 0;
    }
    ZK_PHASE("three") n += zk_sync(&group);
    return n + ZK_VERSION_MAJOR;
}'

include_lines "$include"/zkrt/*.h
for cc in gcc clang clang-14 clang-19; do
    compile "$cc" c "${c_flags[@]}" <<<"$forwards$body"
    compile "$cc" c "${c_flags[@]}" <<<"$backwards$body"
done

include_lines "$include"/zkrt/*.h "$include"/zkrt/*.hpp
for cxx in g++ clang++ clang++-14 clang++-19; do
    compile "$cxx" c++ "${cxx_flags[@]}" <<<"$forwards$body"
    compile "$cxx" c++ "${cxx_flags[@]}" <<<"$backwards$body"
done

echo "$tried compilations, $failed failed"
((tried > 0 && failed == 0))
