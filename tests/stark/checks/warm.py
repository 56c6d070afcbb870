"""
warm: after the first proof, a proof takes no page fault and asks the kernel
      for no memory.

Faults are the prover's own figures (getrusage around each proof). Calls for
memory are seen by strace, from all threads. The prover's calls of getrusage
tell which of them lie inside a proof: it makes the same number of them in each
proof, the first before its phase begins and the last after the phase has ended.
The same on malloc shows that the count sees what it looks for.
"""

import re
import shutil
from collections import Counter

from run import KIB, MIB, median, size_words, warm_faults

PROOFS = 8


def calls_inside(bench, file, allocator):
    """Calls for memory inside the first proof, and inside all warm ones."""
    log = bench.work / "strace"
    command = bench.prove_command(file, bench.work / "proof", "--quiet",
                                  "--allocator", allocator, "--repeat",
                                  str(PROOFS))
    done = bench.run("strace", "-f", "-e", "trace=%memory,getrusage", "-o",
                     log, *command)
    if done.status != 0:
        bench.wrong(f"strace zkprove: exit {done.status}: {done.err}")
        return Counter(), Counter()
    names = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    marks = [i for i, name in enumerate(names) if name == "getrusage"]
    per_proof, rest = divmod(len(marks), PROOFS)
    if per_proof < 2 or rest != 0:
        bench.wrong(f"{len(marks)} calls of getrusage in {PROOFS} proofs")
        return Counter(), Counter()

    inside = []
    for i in range(PROOFS):
        first = marks[i * per_proof]
        last = marks[(i + 1) * per_proof - 1]
        inside.append(Counter(n for n in names[first:last]
                              if n != "getrusage"))
    return inside[0], sum(inside[1:], Counter())


def words(counter):
    return ", ".join(f"{n} {name}" for name, n in counter.most_common()) or "0"


def warm_one(bench, size, allocator):
    file = bench.file(size)
    first, more = calls_inside(bench, file, allocator)
    figures = bench.figures(file, bench.work / "proof", "--allocator",
                            allocator, "--repeat", str(PROOFS))
    if figures is None:
        return more, []
    cold = figures["first"]["total"]
    faults = warm_faults(figures)
    print(f"{size_words(size):>10} {allocator:>6}"
          f" {cold['minor_faults'] + cold['major_faults']:>8}"
          f" {median(faults):>8.0f} {sum(faults):>8}"
          f" {sum(first.values()):>8}  {words(more)}", flush=True)
    return more, faults


def warm(bench):
    if shutil.which("strace") is None:
        bench.wrong("there is no strace here; run: tools/setup test")
        return
    print(f"{'':17} {'page faults in':>26} {'calls for memory in':>20}")
    print(f"{'file':>10} {'memory':>6} {'first':>8} {'a warm':>8}"
          f" {f'{PROOFS - 1} warm':>8} {'first':>8}  {PROOFS - 1} warm proofs")
    for size in (1000, 256 * KIB, 1 * MIB):
        more, faults = warm_one(bench, size, "zkrt")
        if more:
            bench.wrong(f"warm proofs called {words(more)}")
        if any(faults):
            bench.wrong(f"faults of the warm proofs: {faults}")
    more, faults = warm_one(bench, 256 * KIB, "system")
    if not more or not any(faults):
        bench.wrong("on malloc nothing was counted, so this check is blind")
