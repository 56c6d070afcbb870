"""
runtime: the long runs of the task runtime at full size, each a program of
tests/ with ZK_TEST_FULL=1. One that hangs ends itself with a report of who
waits for what.
"""

import re
import time

# Program, and what it does then.
RUNS = {
    "stress/stress_lanes_test": "10^6 lanes opened and closed",
    "stress/stress_children_test": "10^4 children forked while workers run",
    "stress/stress_outside_test": "64 outside threads submit for 60 s",
    "stress/stress_locks_test": "10^6 loops and forks under a lock",
    "stress/stress_forks_test": "fib(35), 12 queens, a tree of depth 10^6",
    "runtime/reduce_test": "sums of floats of 1000 seeds, 1 to 16 workers",
    "sim/sim_test": "300,000 schedules",
}

TARGETS = [name.split("/")[1] for name in RUNS]

NOISE = re.compile(r"^\[|^ *\d* ?FAILED TEST|^$|ZK_TEST_SEED")


def runtime(bench):
    tests = bench.tests.parent
    for name, words in RUNS.items():
        start = time.monotonic()
        done = bench.run(tests / name, ZK_TEST_FULL="1",
                         ZK_TEST_SEED=str(bench.seed),
                         ZK_TEST_SCHEDULES="300000")
        print(f"{words}: {time.monotonic() - start:.0f} s", flush=True)
        for line in done.out.splitlines():
            if not NOISE.search(line):
                print(f"    {line}")
        if done.status != 0:
            bench.wrong(f"{name} (--seed {bench.seed}): status {done.status}\n"
                        f"{done.out}\n{done.err}")
