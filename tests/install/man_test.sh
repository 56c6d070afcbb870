#!/usr/bin/env bash
#
# man_test - each public function and each word of the environment has its page:
# what include/zkrt declares is named in section 3, each page of docs/man is
# installed, and each variable that the library reads is in zkrt(7).
#
#     man_test.sh

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
failed=0
number=0

complain()
{
    echo "FAILED: $*"
    failed=1
}

# The word before a parenthesis, of what a header marks as public or defines
# inline; names with two underscores are the library's own.
declared()
{
    sed -s '$s/$/;/' include/zkrt/*.h | tr '\n' ' ' | grep -oE 'ZK_API[^;]*' |
        grep -oE '\bzk_[a-z][a-z0-9_]* *\(' | tr -d ' ('
    grep -ohE '^zk_[a-z][a-z0-9_]*\(' include/zkrt/*.h | tr -d '('
}

while read -r name; do
    number=$((number + 1))
    grep -qw -- "$name" docs/man/*.3 || complain "no page in section 3: $name"
done < <(declared | sort -u)
((number > 80)) || complain "only $number functions were found"

for page in docs/man/*; do
    grep -qF "${page##*/}" cmake/ZkInstall.cmake tools/zk-info/CMakeLists.txt ||
        complain "not installed: $page"
done

while read -r name; do
    grep -qF ".It Ev $name" docs/man/zkrt.7 || complain "not in zkrt(7): $name"
done < <(grep -oE '^    \{"ZK_[A-Z_]+"' runtime/variables.c | tr -d ' {"')

echo "$number functions"
exit "$failed"
