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

# All groups together end before, whatever the machine: no round begins that would
# not. What the build took is not in it.
MINUTES = {"full": 34, "quick": 4.5}

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


class Clock:
    """
    How a run's time is divided among its rounds. A round of the suite is one
    of each group: what drifts within half an hour is in every interval.
    """

    def __init__(self, size, minutes):
        self.size = size
        self.seconds = minutes * 60 if minutes else float("inf")
        self.start = time.monotonic()
        self.done, self.took = 0, []

    def passed(self):
        return time.monotonic() - self.start

    def retries(self):
        """Who is behind the clock does not repeat what was disturbed."""
        due = self.seconds * (self.done + 0.8) / self.size.rounds
        return self.size.retries if self.passed() < due else 0

    def another(self):
        """Whether one more round would be over in time."""
        if self.done == self.size.rounds:
            return False
        # What is seldom runs every second time.
        last = self.took[-2:][0] if self.took else 0
        return self.done == 0 or self.passed() + last < self.seconds

    def over(self, began):
        self.done += 1
        self.took.append(self.passed() - began)


class Measured:
    """A group that is being measured."""

    def __init__(self, name, size, directory):
        self.name, self.group = name, groups.GROUPS[name](size)
        self.programs = os.path.join(directory, "bench")
        jobs = run.again(self.group.jobs, self.group.twice)
        self.rounds = run.Rounds(jobs, self.group.derived, self.programs)
        self.text = ""

    def another(self, order, clock):
        say = progress(self.name)
        self.rounds.another(order, clock.retries, say)
        if self.rounds.count == 1:
            self.trace(say)
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")

    def trace(self, say):
        for key, job in self.group.traced:
            say(f"system calls of {job.contender}")
            calls = trace.count(job, self.programs)
            if calls is not None:
                self.rounds.samples.put(0, key, calls)

    def publish(self, results, facts):
        samples = self.rounds.samples
        judged = [report.judge(row, samples) for row in self.group.rows]
        seconds = round(self.rounds.seconds)
        self.text = report.publish(results, self.name, self.group.words,
                                   judged, samples, self.rounds.count,
                                   {**facts, "seconds": seconds})


def measure(measured, clock, order, results, facts):
    """All rounds, each with the groups in an order of its own."""
    while clock.another():
        began = clock.passed()
        for each in order.sample(measured, len(measured)):
            each.another(order, clock)
        clock.over(began)
        for each in measured:
            each.publish(results, facts)
        print(f"bench: round {clock.done} of {clock.size.rounds}, "
              f"{clock.passed() / 60:.1f} minutes", flush=True)
    print()
    for each in measured:
        print(f"{each.text}\n({each.rounds.seconds:.0f} s)\n", flush=True)


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
    minutes = None if chosen.groups else MINUTES.get(size.name)
    measured = [Measured(name, size, directory) for name in names]
    measure(measured, Clock(size, minutes), order, chosen.out, facts)
    failed = any("status" in f for each in measured
                 for f in each.rounds.samples.failures)
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
