#!/usr/bin/env bash
#
# valgrind_test - memcheck sees what is dead in an arena, and names its phases.
#
#     valgrind_test.sh VALGRIND VICTIM

set -u

valgrind=$1 victim=$2
failed=0

# run HOW STATUS [PATTERN...]
run()
{
    local how=$1 wanted=$2 out status pattern

    shift 2
    out=$("$valgrind" --error-exitcode=9 --leak-check=no "$victim" "$how" 2>&1)
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
run read 9 'Invalid read of size 1' \
    'slab of slot 0: phase "second" (epoch 2) is there now, before it "first"'
run write 9 'Invalid write of size 1' 'before it "first"'
run freed 9 'Invalid read of size 1'
run beyond 9 'Invalid read of size 1'

exit $failed
