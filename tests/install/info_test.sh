#!/usr/bin/env bash
#
# info_test - zk-info tells the truth about this machine.
#
#     info_test.sh ZK_INFO

set -u

info=$1
failed=0

# expect WHAT PATTERN TEXT
expect()
{
    if ! grep -Eq -- "$2" <<<"$3"; then
        printf '%s: nothing matches <%s> in:\n%s\n' "$1" "$2" "$3"
        failed=1
    fi
}

for name in $(compgen -e ZK_) $(compgen -e OMP_); do
    unset "$name"
done

out=$("$info") || failed=1
expect "cores" '^  cores: [1-9]' "$out"
expect "a worker" '^    - worker 0, cpus [0-9]' "$out"
expect "a setting" 'ZK_ALLOC_TRAP on, from built-in' "$out"

out=$(ZK_NUM_WORKERS=3 ZK_ALLOC_TRAP=off "$info")
expect "the environment" 'why: ZK_NUM_WORKERS asked for 3' "$out"
expect "threads" 'threads_started: 2' "$out"
expect "its source" 'ZK_ALLOC_TRAP off, from environment' "$out"

out=$(ZK_NUM_WORKERS=lots ZK_NONSENSE=1 "$info" 2>&1 >/dev/null)
expect "a malformed variable" 'ZK_NUM_WORKERS=lots is ignored' "$out"
expect "an unknown one" 'ZK_NONSENSE' "$out"

# The last CPU that this process may use, alone.
cpus=$(taskset -pc $$ | sed 's/.*: //')
last=${cpus##*[,-]}
out=$(taskset -c "$last" "$info")
expect "one CPU" '^  cpus: 1$' "$out"
expect "one worker" '^  number: 1$' "$out"
expect "and why" "why: one for each of 1 core" "$out"
expect "on that CPU" "worker 0, cpus $last," "$out"

# Two processes of a launcher never share a core.
if [[ $cpus == *[,-]* ]]; then
    seen=
    for rank in 0 1; do
        out=$(OMPI_COMM_WORLD_LOCAL_RANK=$rank OMPI_COMM_WORLD_LOCAL_SIZE=2 \
            "$info")
        expect "its rank" "local_rank: $rank" "$out"
        seen+=$(sed -n 's/.*worker [0-9]*, cpus \([0-9]*\), core.*/\1/p' \
            <<<"$out")$'\n'
    done
    expect "no CPU twice" '^0$' "$(sort <<<"$seen" | uniq -d | grep -c .)"
fi

if command -v python3 >/dev/null; then
    got=$(ZK_SEED=7 "$info" --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
seed = [s for s in d["settings"] if s["name"] == "ZK_SEED"][0]
print(len(d["workers"]["places"]) == d["workers"]["number"], seed["value"],
      seed["from"])')
    expect "JSON" '^True 7 environment$' "$got"
fi

out=$("$info" --nonsense 2>&1)
status=$?
expect "a wrong option" '^usage:' "$out"
expect "its status" '^2$' "$status"
if [[ -w /dev/full ]]; then
    "$info" --idle >/dev/full 2>/dev/null
    expect "a full disk" '^1$' "$?"
fi

exit $failed
