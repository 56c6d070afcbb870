#!/usr/bin/env bash
#
# guest_test - tools/guest passes on what happened inside of it.
#
#     guest_test.sh TOOLS_GUEST

set -u

guest=$1
failed=0

# A test that is skipped is so for all.
out=$("$guest" true 2>&1)
status=$?
if ((status == 77)); then
    echo "$out"
    exit 77
fi

# expect WHAT GOT WANTED
expect()
{
    if [[ $2 != "$3" ]]; then
        printf '%s: got <%s>, wanted <%s>\n' "$1" "$2" "$3"
        [[ ! -s $work/err ]] || cat "$work/err"
        failed=1
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect "a program that does nothing" "$status" 0

# shellcheck disable=SC2016 # is for the guest's shell
"$guest" -t memory -e "NAME=a  'b'" -s vm.overcommit_memory=1 \
    -g cpuset.cpus=2-3 -g cpu.max='150000 100000' sh -c '
        printf "%s|" "$@" "$NAME"
        cat /proc/sys/vm/overcommit_memory /sys/fs/cgroup/guest/cpu.max
        grep Cpus_allowed_list /proc/self/status
        cat /sys/devices/system/node/has_memory
        cat /sys/devices/system/node/has_cpu
        ls /sys/class/net
        printf "\\001\\n\\r\\n" >&2
        exit 3' sh 'two  words' "it's" '' '$x' \
    >"$work/out" 2>"$work/err"
expect "exit status" $? 3
expect "output" "$(cat "$work/out")" "two  words|it's||\$x|a  'b'|1
150000 100000
Cpus_allowed_list:	2-3
0-2
0-1
lo"
expect "errors, byte by byte" "$(od -An -c "$work/err" | tr -d ' ')" \
    '001\n\r\n'

"$guest" sh -c 'kill -SEGV $$' 2>/dev/null
expect "a program that a signal ends" $? 139

"$guest" -g memory.max=24M dd if=/dev/zero of=/tmp/all bs=1M count=100 \
    2>"$work/err"
expect "a program beyond the limit of its memory" $? 137
expect "which is told" "$(grep -c 'killed 1 for want of memory' "$work/err")" 1

"$guest" -g memory.max=nothing true 2>"$work/err"
expect "a limit that is none" $? 125
expect "which is told too" "$(grep -c 'no limit memory.max' "$work/err")" 1

"$guest" -l 8 sleep 1000 2>"$work/err"
expect "a program without end" $? 124

exit $failed
