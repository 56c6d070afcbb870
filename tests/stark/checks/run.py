"""
What the checks share: the two programs, files to prove, and what a run costs.

All files are in one temporary directory that dies with the Bench.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

KIB = 1024
MIB = 1024 * KIB
LIMIT = 56 * 2**18 - 1  # params.h: STARK_MAX_FILE_BYTES

median = statistics.median


@dataclass
class Done:
    """A program that has ended."""
    status: int  # negative: the signal that killed it
    out: str
    err: str
    seconds: float
    user: float
    system: float
    peak_mib: float  # of resident memory; not less than this interpreter's


class Bench:
    def __init__(self, build, args):
        self.stark = build / "examples" / "stark"
        self.tests = build / "tests" / "stark"
        self.seed, self.count = args.seed, args.count
        self.rounds = args.rounds
        self.random = random.Random(args.seed)
        self.faults = 0

    def __enter__(self):
        self.kept = tempfile.TemporaryDirectory(prefix="zkrt-check-")
        self.work = Path(self.kept.name)
        return self

    def __exit__(self, *_):
        self.kept.cleanup()

    def wrong(self, words):
        self.faults += 1
        print(f"WRONG: {words}", file=sys.stderr, flush=True)

    @staticmethod
    def load():
        return Path("/proc/loadavg").read_text().split()[0]

    def file(self, size):
        """A file of random bytes, the same for the same seed and size."""
        path = self.work / f"file-{size}"
        if not path.exists():
            source = random.Random(self.seed + size)
            with path.open("wb") as f:  # small pieces: see peak_mib
                for at in range(0, size, 64 * KIB):
                    f.write(source.randbytes(min(64 * KIB, size - at)))
        return path

    def run(self, *command, **environment):
        """Runs a program with more in its environment, and measures it."""
        env = dict(os.environ, **environment)
        with tempfile.TemporaryFile("w+") as out, \
                tempfile.TemporaryFile("w+") as err:
            start = time.monotonic()
            child = subprocess.Popen([str(c) for c in command], stdout=out,
                                     stderr=err, stdin=subprocess.DEVNULL,
                                     env=env)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.monotonic() - start
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            return Done(child.returncode, out.read(), err.read(), seconds,
                        usage.ru_utime, usage.ru_stime,
                        usage.ru_maxrss / KIB)

    def prove_command(self, file, proof, *options):
        return (self.stark / "zkprove", file, "-o", proof, *options)

    def prove(self, file, proof, *options, **environment):
        """As run(); a proof that is not made is wrong."""
        command = self.prove_command(file, proof, *options)
        done = self.run(*command, **environment)
        if done.status != 0:
            self.wrong(f"zkprove ended with {done.status}: {done.err.strip()}")
        return done

    def figures(self, file, proof, *options, **environment):
        """The JSON of a run of the prover, or None."""
        done = self.prove(file, proof, "--json", *options, **environment)
        return json.loads(done.out) if done.status == 0 else None

    def verify(self, digest, proof):
        return self.run(self.stark / "zkverify", digest, proof)


def digest_of(proof):
    return Path(f"{proof}.digest")


def warm_times(figures):
    return [p["total"]["wall_ms"] for p in figures["proofs"][1:]]


def warm_faults(figures):
    return [p["total"]["minor_faults"] + p["total"]["major_faults"]
            for p in figures["proofs"][1:]]


def size_words(size):
    if size >= MIB and size % MIB == 0:
        return f"{size // MIB} MiB"
    if size >= KIB and size % KIB == 0:
        return f"{size // KIB} KiB"
    return f"{size} bytes"
