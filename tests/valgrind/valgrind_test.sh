#!/usr/bin/env bash
#
# valgrind_test - memcheck sees what is dead in an arena, and names its phases; and
# it knows the heap's blocks as it knows those of malloc.
#
#     valgrind_test.sh VALGRIND VICTIM

set -u

valgrind=$1 victim=$2
failed=0
leaks=no

# run HOW STATUS [PATTERN...]
run()
{
    local how=$1 wanted=$2 out status pattern

    shift 2
    out=$("$valgrind" --error-exitcode=9 --leak-check="$leaks" "$victim" "$how" \
        2>&1)
    status=$?
    if ((status != wanted)); then
        printf '%s: status %s, wanted %s\n%s\n' "$how" $status "$wanted" "$out"
        failed=1
    fi
    for pattern in "$@"; do
        if ! grep -q -- "$pattern" <<<"$out"; then
            printf '%s: nothing matches <%s> in:\n%s\n' "$how" "$pattern" "$out"
            failed=1
        fi
    done
}

run right 0 'ERROR SUMMARY: 0 errors'
# shellcheck disable=SC2162 # it is the victim that reads
run read 9 'Invalid read of size 1' \
    'slab of slot 0: phase "second" (epoch 2) is there now, before it "first"'
run write 9 'Invalid write of size 1' 'before it "first"'
run freed 9 'Invalid read of size 1'
run beyond 9 'Invalid read of size 1'

run heap_freed 9 'Invalid read of size 1' "inside a block of size 1,000 free'd"
run heap_beyond 9 'Invalid write of size 1' \
    "0 bytes after a block of size 1,000 alloc'd"
run heap_large_beyond 9 'Invalid write of size 1' \
    "0 bytes after a block of size 3,000,000 alloc'd"
run heap_unwritten 9 'depends on uninitialised value'
run heap_twice 134 'Invalid free' 'is free already'
run heap_closed 9 'Invalid read of size 1' "inside a block of size 100 free'd"
leaks=full
run heap_right 0 'ERROR SUMMARY: 0 errors'
run heap_leak 9 '777 bytes in 1 blocks are definitely lost' 'by .*: lose '

exit $failed
