"""
The command line of tools/check: which checks run, on which build.

A check is a function of a Bench (run.py). It prints its figures and calls
bench.wrong() for whatever must not be; a time is printed and never wrong.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import files
import refusals
import runtime
import times
import warm
from run import Bench

ROOT = Path(__file__).resolve().parents[3]

CHECKS = {
    "sizes": (files.sizes, "files from 0 bytes to the limit, and one above"),
    "proofs": (refusals.proofs, "--count changed proofs, all refused"),
    "cells": (refusals.cells, "a wrong cell in each column, all refused"),
    "warm": (warm.warm, "warm proofs: no fault, no call for memory"),
    "bytes": (files.same_bytes, "the same proof for any number of workers"),
    "workers": (times.workers, "1 to 64 workers: --rounds times each"),
    "allocators": (times.allocators, "zkrt beside malloc: --rounds times"),
    "runtime": (runtime.runtime, "long runs of the task runtime"),
}


def parse():
    names = "\n".join(f"  {n:11} {words}" for n, (_, words) in CHECKS.items())
    p = argparse.ArgumentParser(
        prog="tools/check", epilog="checks:\n" + names,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name", nargs="*", metavar="NAME",
                   help="default: all of them")
    p.add_argument("--build", type=Path, help="a build; default: build/release,"
                   " which is then built first")
    p.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    p.add_argument("--count", type=int, default=10000)
    p.add_argument("--rounds", type=int, default=5)
    args = p.parse_args()
    for name in args.name:
        if name not in CHECKS:
            p.error(f"no such check: {name}")
    if args.count < 1 or args.rounds < 1:
        p.error("--count and --rounds are at least 1")
    return args


def build():
    directory = ROOT / "build" / "release"
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "check.log"
    print("check: building the release preset", flush=True)
    with log.open("w") as out:
        for command in (["cmake", "--preset", "release"],
                        ["cmake", "--build", "--preset", "release",
                         "--target", "zkprove", "zkverify",
                         "stark_cells_test", *runtime.TARGETS]):
            done = subprocess.run(command, cwd=ROOT, stdout=out, stderr=out)
            if done.returncode != 0:
                print(log.read_text(), file=sys.stderr)
                sys.exit("check: the build failed")
    return directory


def main():
    args = parse()
    directory = (args.build or build()).resolve()
    names = args.name or list(CHECKS)
    wrong = []

    for name in names:
        check, words = CHECKS[name]
        with Bench(directory, args) as bench:
            print(f"\n{name}: {words}; load {bench.load()}", flush=True)
            start = time.monotonic()
            check(bench)
            seconds = time.monotonic() - start
            print(f"{name}: {'WRONG' if bench.faults else 'good'}"
                  f" ({seconds:.0f} s)", flush=True)
            wrong += [name] if bench.faults else []

    print(f"\n{len(names) - len(wrong)} good, {len(wrong)} wrong"
          + (": " + ", ".join(wrong) if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
