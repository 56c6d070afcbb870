"""
The driver of tools/bench: builds, runs the groups, prints and writes.

Only ratios within one run are claimed. Standard library only.
"""

import argparse
import os
import random
import subprocess
import sys
import time

import groups
import machine
import plots
import report
import rows
import run
import targets
import trace

# All groups together end about here, whatever the machine: a group gets its share
# of what is left.
MINUTES = {"full": 34, "quick": 4.2}

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/bench", description="zkrt beside its peers, as ratios")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true",
                      help="fewer and shorter rounds")
    size.add_argument("--smoke", action="store_true",
                      help="only that everything runs and is right")
    parser.add_argument("--seed", type=int, help="of the order of runs")
    parser.add_argument("--build", metavar="DIR",
                        help="measure what is built there, build nothing")
    parser.add_argument("--out", metavar="DIR",
                        default=os.path.join(ROOT, "build", "bench"),
                        help="where JSON and tables go (build/bench)")
    parser.add_argument("--plots", metavar="DIR", nargs="?",
                        const=os.path.join(ROOT, "docs", "pictures"),
                        help="measure nothing: draw what the results of --out "
                             "say (docs/pictures)")
    parser.add_argument("--targets", action="store_true",
                        help="measure nothing: each target, by the results of "
                             "--out")
    parser.add_argument("--compare", metavar="DIR",
                        help="measure nothing: do the ratios of --out and DIR "
                             "agree within their intervals")
    parser.add_argument("groups", metavar="GROUP", nargs="*",
                        help=" ".join(groups.GROUPS))
    chosen = parser.parse_args()
    for name in chosen.groups:
        if name not in groups.GROUPS:
            parser.error(f"no such group: {name} "
                         f"({', '.join(groups.GROUPS)})")
    return chosen


def build():
    directory = os.path.join(ROOT, "build", "release")
    os.makedirs(directory, exist_ok=True)
    log_name = os.path.join(directory, "bench.log")
    print("bench: building", flush=True)
    with open(log_name, "w", encoding="utf-8") as log:
        for command in (["cmake", "--preset", "release"],
                        ["cmake", "--build", "--preset", "release",
                         "--target", "zk_bench"]):
            if subprocess.run(command, cwd=ROOT, stdout=log,
                              stderr=subprocess.STDOUT,
                              check=False).returncode != 0:
                log.flush()
                with open(log_name, encoding="utf-8") as text:
                    sys.stderr.write("".join(text.readlines()[-40:]))
                sys.exit(f"bench: the build failed, see {log_name}")
    return directory


def progress(group):
    """A line that overwrites itself, where there is a terminal."""
    if not sys.stderr.isatty():
        return lambda text: None

    def say(text):
        sys.stderr.write(f"\r\033[K{group}: {text}")
        sys.stderr.flush()
    return say


def pairs(group):
    """The ratios that have to settle before a group may end early."""
    found = []
    for row in group.rows:
        found += [(row.ours, t.reference) for t in row.targets if t.reference]
    return found


def shares(names, size, start):
    """How long each group may take, asked for when its turn comes."""
    weights = groups.SECONDS[size.name]

    def share(name):
        left = MINUTES[size.name] * 60 - (time.monotonic() - start)
        all_left = sum(weights[n] for n in names[names.index(name):])
        return max(left, 0) * weights[name] / all_left
    return share


def measure(name, size, directory, results, order, facts, share):
    group = groups.GROUPS[name](size)
    if share is not None:
        group.plan.share = share(name)
    say = progress(name)
    start = time.monotonic()
    programs = os.path.join(directory, "bench")
    samples = run.run(group.jobs, group.derived, pairs(group), group.plan,
                      programs, order, say)
    for key, job in group.traced:
        say(f"system calls of {job.contender}")
        calls = trace.count(job, programs)
        if calls is not None:
            samples.put(0, key, calls)
    say("done")
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    judged = [report.judge(row, samples) for row in group.rows]
    took = time.monotonic() - start
    text = report.publish(results, name, group.words, judged, samples,
                          {**facts, "seconds": round(took)})
    print(text)
    print(f"({took:.0f} s)\n", flush=True)
    return samples


def say_targets(directory, names):
    found = targets.load(directory, names)
    whole = len(names) == len(groups.GROUPS)
    text = targets.table(found, None if whole else names)
    print(text)
    with open(os.path.join(directory, "targets.md"), "w",
              encoding="utf-8") as f:
        f.write(text)
    worst = targets.worst(found)
    if worst:
        print("What was missed, the worst first:\n" + worst + "\n")


def from_results(chosen):
    """What needs no run. True: that was all."""
    asked = False
    if chosen.targets:
        asked = True
        say_targets(chosen.out, groups.GROUPS)
    if chosen.plots:
        asked = True
        plots.draw(targets.load(chosen.out, groups.GROUPS), chosen.plots)
    if chosen.compare:
        asked = True
        print(targets.compare(targets.load(chosen.compare, groups.GROUPS),
                              targets.load(chosen.out, groups.GROUPS)))
    return asked


def main():
    start = time.monotonic()
    chosen = arguments()
    if from_results(chosen):
        return 0
    size = rows.Size("quick" if chosen.quick else
                       "smoke" if chosen.smoke else "full")
    seed = chosen.seed
    if seed is None:
        seed = random.SystemRandom().randrange(1 << 32)
    directory = os.path.abspath(chosen.build) if chosen.build else build()
    facts = machine.describe(directory)
    facts["seed"] = seed
    facts["size"] = size.name

    print(f"bench: {facts['machine']}, {facts['cores']} cores, "
          f"{facts['memory_mib']} MiB, Linux {facts['kernel']}, "
          f"huge pages {facts['huge_pages']}")
    print(f"bench: {facts['compiler']}, {facts['flags']}, commit "
          f"{facts['commit'][:12]}{' modified' if facts['modified'] else ''}")
    print(f"bench: seed {seed}, load {facts['load']}\n", flush=True)

    order = random.Random(seed)
    names = chosen.groups or list(groups.GROUPS)
    share = None
    if not chosen.groups and size.name in MINUTES:
        share = shares(names, size, start)
    failed = False
    for name in names:
        samples = measure(name, size, directory, chosen.out, order, facts,
                          share)
        failed = failed or any("status" in f for f in samples.failures)
    if size.name == "smoke":
        print("smoke run: the figures mean nothing")
    else:
        say_targets(chosen.out, names)
    print(f"bench: {(time.monotonic() - start) / 60:.1f} minutes; JSON and "
          f"tables are in {os.path.relpath(chosen.out)}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
