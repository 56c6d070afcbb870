#!/usr/bin/env bash
#
# install_test - installs into an empty directory, moves the tree, and builds
# and runs the quickstart from there: with pkg-config and with find_package, as
# C11 and as C++17, shared and static.
#
#     install_test.sh BUILD_DIR

set -euo pipefail

build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
examples=$here/../../examples

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

step()
{
    echo "== $*"
}

step "install"
cmake --install "$build" --prefix "$dir/first" >"$dir/log" 2>&1 ||
    { cat "$dir/log"; exit 1; }
# Nothing may depend on where the tree was when it was installed.
mv "$dir/first" "$dir/moved"
prefix=$dir/moved
pc=$(find "$prefix" -name zkrt.pc)
lib=$(dirname "$(dirname "$pc")")
[[ -e $lib/libzkrt.so.0 && -e $lib/libzkrt.a && -e $prefix/include/zkrt/zkrt.h ]]
[[ ! -e $prefix/include/private ]]
[[ -e $prefix/share/man/man7/zkrt.7 ]]

# Without a library path: programs find the library beside them.
if [[ -x $prefix/bin/zkprove ]]; then
    step "zkprove, zkverify"
    "$prefix/bin/zkprove" "$prefix/share/man/man7/zkrt.7" -o "$dir/proof" \
        --quiet
    "$prefix/bin/zkverify" "$dir/proof.digest" "$dir/proof"
fi

export PKG_CONFIG_PATH=$lib/pkgconfig
read -r -a cflags < <(pkg-config --cflags zkrt)
read -r -a libs < <(pkg-config --libs zkrt)
# `pkg-config --static` is for programs without any shared library, and would
# ask for static builds of what hwloc uses.
read -r -a hwloc < <(pkg-config --libs hwloc)

step "pkg-config, C11"
cc -std=c11 -Wall -Werror "${cflags[@]}" "$examples/quickstart.c" \
    "${libs[@]}" -o "$dir/c"
LD_LIBRARY_PATH=$lib "$dir/c"

step "pkg-config, C++17"
c++ -std=c++17 -Wall -Werror "${cflags[@]}" "$examples/quickstart.cpp" \
    "${libs[@]}" -o "$dir/cpp"
LD_LIBRARY_PATH=$lib "$dir/cpp"

step "libzkrt.a"
cc -std=c11 "${cflags[@]}" "$examples/quickstart.c" \
    "$lib/libzkrt.a" "${hwloc[@]}" -pthread -o "$dir/static"
"$dir/static"

# A program of OpenMP's, on the runtime of each compiler that there is: what gcc
# has compiled runs on libomp, too.
if [[ -e $lib/libzkrt-omp.so.0 ]]; then
    read -r -a omp_cflags < <(pkg-config --cflags zkrt-omp)
    read -r -a omp_libs < <(pkg-config --libs zkrt-omp)
    for cc in cc gcc clang-19; do
        command -v "$cc" >/dev/null || continue
        if [[ $cc != clang* ]] && nm -D "$lib/libzkrt-omp.so.0" |
            grep -q __kmpc; then
            continue # it was compiled for libomp alone
        fi
        echo '#include <omp.h>' | "$cc" -fopenmp -x c -fsyntax-only - \
            2>/dev/null || continue
        step "zkrt-omp, $cc"
        "$cc" -std=c11 -Wall -Werror -fopenmp "${omp_cflags[@]}" \
            "$here/consumer/team.c" "${omp_libs[@]}" -o "$dir/team"
        for backend in pthreads openmp; do
            LD_LIBRARY_PATH=$lib OMP_NUM_THREADS=3 ZK_BACKEND=$backend \
                "$dir/team"
        done
        # One runtime, and the compiler's.
        [[ $(LD_LIBRARY_PATH=$lib ldd "$dir/team" |
            grep -cE 'lib(g|i)?omp') == 1 ]]
    done
fi

step "find_package"
cmake -S "$here/consumer" -B "$dir/consumer" -DCMAKE_PREFIX_PATH="$prefix" \
    -DEXAMPLES="$examples" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
cmake --build "$dir/consumer" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
for program in c cpp static omp omp_static; do
    if [[ $program != omp* || -e $dir/consumer/consumer_$program ]]; then
        "$dir/consumer/consumer_$program"
    fi
done
[[ ! -e $lib/libzkrt-omp.so.0 || -e $dir/consumer/consumer_omp_static ]]
