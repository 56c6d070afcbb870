#!/usr/bin/env bash
#
# exports_test - libzkrt.so has the soname that it should, and exports what its
# headers declare: names that begin with zk_, and no private one but those that
# headers use inline.
#
#     exports_test.sh LIBRARY

set -euo pipefail

library=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
failed=0

complain()
{
    echo "FAILED: $*"
    failed=1
}

readelf -d "$library" | grep -q 'SONAME.*\[libzkrt\.so\.0\]' ||
    complain "the soname is not libzkrt.so.0"

# Names that the header marks as public: the word before a parenthesis or, for
# the two variables, before the attribute that follows it.
declared()
{
    sed -s '$s/$/;/' "$root"/include/zkrt/*.h | tr '\n' ' ' | grep -oE 'ZK_API[^;]*' |
        grep -oE '\bzk_[a-z0-9_]+ *\(|\bzk__(window|forks)\b' | tr -d ' (' | sort -u
}

exported()
{
    # A is the version node itself.
    nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' |
        sed 's/@.*//' | sort -u
}

while read -r name; do
    complain "exported, and no header declares it: $name"
done < <(comm -13 <(declared) <(exported))

while read -r name; do
    complain "declared, and not exported: $name"
done < <(comm -23 <(declared) <(exported))

while read -r name; do
    case $name in
    zk_[a-z]* | zk__window | zk__forks | zk__fork_slow | zk__join_slow) ;;
    zk__phase_guard_*) ;;
    *) complain "not a public name: $name" ;;
    esac
done < <(exported)

echo "$(exported | wc -l) names"
exit "$failed"
