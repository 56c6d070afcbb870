#!/usr/bin/env bash
#
# exports_test - libzkrt.so and libzkrt-omp.so have the sonames that they should,
# and export what their headers declare: names that begin with zk_, and no private
# one but those that headers use inline, and the seam between the two.
# libzkrt-malloc.so exports the family of malloc and nothing else, and stands alone.
#
#     exports_test.sh LIBRARY [OMP_LIBRARY|-] [MALLOC_LIBRARY]

set -euo pipefail

library=$1
omp=${2-}
preload=${3-}
[[ $omp != - ]] || omp=
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
failed=0

complain()
{
    echo "FAILED: $*"
    failed=1
}

# Names that a header marks as public: the word before a parenthesis or, for the
# two variables, before the attribute that follows it.
declared()
{
    sed -s '$s/$/;/' "$@" | tr '\n' ' ' | grep -oE 'ZK_API[^;]*' |
        grep -oE '\bzk_[a-z0-9_]+ *\(|\bzk__(window|forks)\b' | tr -d ' (' |
        sort -u
}

exported()
{
    # A is the version node itself.
    nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' |
        sed 's/@.*//' | sort -u
}

# check LIBRARY SONAME HEADER...
check()
{
    local library=$1 soname=$2 name
    shift 2

    readelf -d "$library" | grep -qF "[$soname]" ||
        complain "the soname is not $soname"
    while read -r name; do
        complain "$soname exports it, and no header declares it: $name"
    done < <(comm -13 <(declared "$@") <(exported "$library"))
    while read -r name; do
        complain "declared, and $soname does not export it: $name"
    done < <(comm -23 <(declared "$@") <(exported "$library"))
    while read -r name; do
        case $name in
        zk_[a-z]* | zk__window | zk__forks | zk__fork_slow | zk__join_slow) ;;
        zk__phase_guard_* | zk__lender_register) ;;
        *) complain "not a public name: $name" ;;
        esac
    done < <(exported "$library")
    echo "$soname: $(exported "$library" | wc -l) names"
}

headers=()
for header in "$root"/include/zkrt/*.h; do
    [[ $header == */omp.h ]] || headers+=("$header")
done
check "$library" libzkrt.so.0 "${headers[@]}" "$root/runtime/lender.h"

# It names no OpenMP runtime: the program does.
if [[ -n $omp ]]; then
    check "$omp" libzkrt-omp.so.0 "$root/include/zkrt/omp.h"
    ! readelf -d "$omp" | grep -E 'NEEDED.*lib(g|i)?omp' ||
        complain "libzkrt-omp.so needs an OpenMP runtime"
fi
! readelf -d "$library" | grep -E 'NEEDED.*omp' ||
    complain "libzkrt.so needs an OpenMP runtime"

if [[ -n $preload ]]; then
    readelf -d "$preload" | grep -qF '[libzkrt-malloc.so.0]' ||
        complain "the soname is not libzkrt-malloc.so.0"
    names=$(exported "$preload" | grep -v '^_Z[nd][wal]' | tr '\n' ' ')
    [[ $names == "aligned_alloc calloc free free_aligned_sized free_sized \
malloc malloc_trim malloc_usable_size memalign posix_memalign pvalloc realloc reallocarray valloc " ]] ||
        complain "libzkrt-malloc.so exports other names: $names"
    (($(exported "$preload" | grep -c '^_Z[nd][wal]') == 20)) ||
        complain "libzkrt-malloc.so misses some of operators new and delete"
    ! readelf -d "$preload" | grep NEEDED |
        grep -vE '\[(libc|ld-linux.*|libpthread|libgcc_s)\.so' ||
        complain "libzkrt-malloc.so needs more than the C library"
    echo "libzkrt-malloc.so.0: $(exported "$preload" | wc -l) names"
fi

exit "$failed"
