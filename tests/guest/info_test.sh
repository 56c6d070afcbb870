#!/usr/bin/env bash
#
# info_test - zk-info tells what machines and limits come to, which this host does
# not have.
#
#     info_test.sh TOOLS_GUEST ZK_INFO

set -u

guest=$1 info=$2
failed=0

# A test that is skipped is so for all.
out=$("$guest" true 2>&1)
status=$?
if ((status == 77)); then
    echo "$out"
    exit 77
fi

# inside [option of tools/guest...]
inside()
{
    out=$("$guest" "$@" "$info" 2>&1)
    what="$*"
}

# expect PATTERN...
expect()
{
    local pattern

    for pattern in "$@"; do
        if ! grep -Eq -- "$pattern" <<<"$out"; then
            printf '%s: nothing matches <%s> in:\n%s\n' "$what" "$pattern" "$out"
            failed=1
        fi
    done
}

inside -t 2
expect '^  cpus: 4$' '^  nodes: 2$' '^  number: 4$' 'nodes: local$' \
    'worker 0, cpus 0, core 0, node 0, steals_from \| 1 \|\| 2 3$' \
    'worker 3, cpus 3, core 3, node 1, steals_from \| 2 \|\| 0 1$'

# Four nodes in a ring: two of them are nearer than the third.
inside -t 4
expect '^  nodes: 4$' 'worker 0, .* steals_from \|\| 1 3 \|\|\| 2$' \
    'worker 2, .* steals_from \|\| 1 3 \|\|\| 0$'

# Two threads of a core are one worker.
inside -t smt
expect '^  cpus: 4$' '^  cores: 2$' '^  number: 2$'

inside -g cpuset.cpus=1
expect '^  cpus: 1$' '^  number: 1$' 'worker 0, cpus 1,'

inside -g cpu.max='150000 100000'
expect '^  number: 2$' '^  from: CPU quota$' 'the quota is 1\.50 CPUs$'

inside -g cpu.max='150000 100000' -e ZK_NUM_WORKERS=3
expect '^  number: 3$' 'why: ZK_NUM_WORKERS asked for 3$'

inside -g memory.max=256M
expect '^  container_limit: 256 MiB$' '^  budget: 241591[0-9]* bytes$'

inside -e ZK_NUMA=interleave -e ZK_PLACES=numa_domains
expect '^  nodes: interleave$' 'worker 0, cpus 0-1,' 'worker 3, cpus 2-3,'

exit $failed
