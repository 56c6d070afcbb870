#!/usr/bin/env bash
#
# ranks_test - processes that a launcher started together share no core.
#
#     ranks_test.sh RANK ZK_INFO             as Open MPI says which rank it is
#     ranks_test.sh RANK ZK_INFO mpirun      started by mpirun itself

set -u

rank=$1 info=$2 mpirun=${3-}
failed=0

wrong()
{
    echo "wrong: $*" >&2
    failed=1
}

skip()
{
    echo "ranks: SKIPPED, nothing was run: $*" >&2
    exit 77
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset OMP_NUM_THREADS OMP_PLACES OMP_PROC_BIND

"$info" --idle >"$work/alone" || exit 1
value()
{
    sed -n "s/^  $1: //p" "$2" | head -n 1
}
cores=$(value cores "$work/alone")
((cores >= 2)) || skip "two ranks need two cores, here is $cores"

# Each rank writes to "$work/<what>.<rank>".
launch()
{
    local what=$1 i pids=()

    shift
    if [[ -n $mpirun ]]; then
        # shellcheck disable=SC2016 # is for the rank's shell
        "${mpirun_command[@]}" "${options[@]}" -n 2 sh -c '
            exec "$@" >"$0.$OMPI_COMM_WORLD_LOCAL_RANK"' \
            "$work/$what" "$@" || wrong "mpirun of $1: status $?"
        return
    fi
    for i in 0 1; do
        OMPI_COMM_WORLD_LOCAL_RANK=$i OMPI_COMM_WORLD_LOCAL_SIZE=2 "$@" \
            >"$work/$what.$i" &
        pids+=($!)
    done
    for i in 0 1; do
        wait "${pids[i]}" || wrong "rank $i of $1: status $?"
    done
}

# The ranks at the same time, and what zk-info says of each.
check()
{
    local name=$1 i cpu masks=('' '') number sum=0

    rm -f "$work"/rank.* "$work"/info.*
    launch rank "$rank" 1
    launch info "$info"
    for i in 0 1; do
        masks[i]=$(sed -n 's/^workers [0-9]* cpus//p' "$work/rank.$i")
        [[ -n ${masks[i]} ]] || wrong "$name: rank $i has no CPU"
        number=$(value number "$work/info.$i")
        ((number >= 1)) || wrong "$name: rank $i has no worker"
        sum=$((sum + number))
        grep -q "^workers $number cpus" "$work/rank.$i" ||
            wrong "$name: zk-info says $number, and rank $i:" \
                "$(cat "$work/rank.$i")"
        why=$(value why "$work/info.$i")
        echo "$name: rank $i: CPUs${masks[i]}, $number workers: $why"
        if grep -q '^  local_ranks: 2' "$work/info.$i"; then
            [[ $why == *"share $((i + 1)) of 2"* ]] ||
                wrong "$name: rank $i has a share, and the reason is: $why"
        else # the launcher has split the cores already
            (($(value cores "$work/info.$i") < cores)) ||
                wrong "$name: rank $i has all cores for itself"
        fi
    done
    for cpu in ${masks[0]}; do
        [[ " ${masks[1]} " != *" $cpu "* ]] ||
            wrong "$name: both ranks run on CPU $cpu"
    done
    if [[ $(value from "$work/alone") == "one per core" && $2 == all ]]; then
        ((sum == cores)) || wrong "$name: $sum workers on $cores cores"
    else
        ((sum <= cores)) || wrong "$name: $sum workers on $cores cores"
    fi
}

options=()
if [[ -z $mpirun ]]; then
    check "as told" all
    exit $failed
fi

command -v mpirun >/dev/null || skip "no mpirun (package openmpi-bin)"
mpirun_command=(mpirun --allow-run-as-root --oversubscribe
    --mca plm isolated --mca btl self)
"${mpirun_command[@]}" -n 2 true >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    skip "mpirun runs nothing here"
}
options=(--bind-to none)
check "mpirun, not bound" all
options=(--bind-to core)
if "${mpirun_command[@]}" "${options[@]}" -n 2 true >"$work/log" 2>&1; then
    check "mpirun, bound" some
fi
exit $failed
