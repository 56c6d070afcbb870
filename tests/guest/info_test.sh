#!/usr/bin/env bash
#
# info_test - zk-info tells what machines and limits come to, which this host does
# not have.
#
#     info_test.sh TOOLS_GUEST ZK_INFO

set -u

guest=$1 info=$2
failed=0

# Booting takes the most time, so all that is asked of a machine is asked at once.
# Inside: `say NAME [VARIABLE=VALUE]...` runs zk-info under that name.
inside()
{
    local script=${*: -1}

    set -- "${@:1:$#-1}"
    # shellcheck disable=SC2016 # is for the guest's shell
    all=$("$guest" -f "$info" "$@" sh -c '
        info=$0 group=/sys/fs/cgroup/guest
        say() { echo "== $1"; shift; env "$@" "$info" 2>&1; }
        eval "$1"' "$info" "$script" 2>&1)
    status=$?
    if ((status == 77)); then # a test that is skipped is so for all
        echo "$all"
        exit 77
    fi
}

# expect NAME PATTERN...
expect()
{
    local name=$1 out pattern

    shift
    out=$(awk -v name="== $name" '/^== / { on = $0 == name } on' <<<"$all")
    for pattern in "$@"; do
        if ! grep -Eq -- "$pattern" <<<"$out"; then
            printf '%s: nothing matches <%s> in:\n%s\n' "$name" "$pattern" \
                "${out:-$all}"
            failed=1
        fi
    done
}

# shellcheck disable=SC2016 # is for the guest's shell
inside -t 2 -g cpu.max='max 100000' -g memory.max=max -g cpuset.cpus=0-3 '
    say plain
    say places ZK_NUMA=interleave ZK_PLACES=numa_domains
    say first OMPI_COMM_WORLD_LOCAL_RANK=0 OMPI_COMM_WORLD_LOCAL_SIZE=2
    say second OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_LOCAL_SIZE=2
    echo "150000 100000" >$group/cpu.max
    say quota
    say hint OMP_NUM_THREADS=64
    say asked ZK_NUM_WORKERS=3
    echo "max 100000" >$group/cpu.max
    echo 268435456 >$group/memory.max
    say memory
    echo 1 >$group/cpuset.cpus
    say cpuset'

expect plain '^  cpus: 4$' '^  nodes: 2$' '^  number: 4$' 'nodes: local$' \
    'worker 0, cpus 0, core 0, node 0, steals_from \| 1 \|\| 2 3$' \
    'worker 3, cpus 3, core 3, node 1, steals_from \| 2 \|\| 0 1$' \
    '^  on_wanted_nodes: [1-9]' '^  on_other_nodes: 0 bytes$' \
    '^  steals_from_far_node: 0$'
expect places '^  nodes: interleave$' 'worker 0, cpus 0-1,' 'worker 3, cpus 2-3,'
expect first '^  number: 2$' 'worker 1, cpus 1,' '^  local_rank: 0$'
expect second '^  number: 2$' 'worker 0, cpus 2,' 'worker 1, cpus 3,'
expect quota '^  number: 2$' '^  from: CPU quota$' 'the quota is 1\.50 CPUs$'
expect hint '^  number: 2$' 'asked for 64; 4 CPUs may be used; the quota is 1'
expect asked '^  number: 3$' 'why: ZK_NUM_WORKERS asked for 3$'
expect memory '^  container_limit: 256 MiB$' '^  budget: 241591[0-9]* bytes$'
expect cpuset '^  cpus: 1$' '^  number: 1$' 'worker 0, cpus 1,'

# Four nodes in a ring: two of them are nearer than the third.
inside -t 4 'say ring'
expect ring '^  nodes: 4$' 'worker 0, .* steals_from \|\| 1 3 \|\|\| 2$' \
    'worker 2, .* steals_from \|\| 1 3 \|\|\| 0$'

# Two threads of a core are one worker.
inside -t smt 'say smt'
expect smt '^  cpus: 4$' '^  cores: 2$' '^  number: 2$'

exit $failed
