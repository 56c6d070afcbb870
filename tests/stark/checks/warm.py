"""
warm: after the first proof, a proof takes no page fault and asks the kernel
      for no memory.

Faults are the prover's own figures (getrusage around each proof). Calls for
memory are seen by strace, from all threads. The prover's calls of getrusage
tell where they lie: it makes one before a proof's phase begins, one at each end
of each stage and one when the phase has ended.

When a phase begins, the one slab that the last proof used may move, so that
pointers into it trap: one mremap and one mprotect (docs/design.md). With
ZK_ALLOC_TRAP=off there is nothing at all. The same on malloc shows that the
count sees what it looks for.
"""

import re
import shutil
from collections import Counter

from run import KIB, MIB, median, size_words, warm_faults

PROOFS = 8
WARM = PROOFS - 1


def calls(bench, file, options, **environment):
    """
    Calls for memory in the first proof, and in the warm ones those at the
    phase's begin and those after it; or None.
    """
    log = bench.work / "strace"
    command = bench.prove_command(file, bench.work / "proof", "--quiet",
                                  "--repeat", str(PROOFS), *options)
    done = bench.run("strace", "-f", "-e", "trace=%memory,getrusage", "-o",
                     log, *command, **environment)
    if done.status != 0:
        bench.wrong(f"strace zkprove: exit {done.status}: {done.err}")
        return None
    names = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    marks = [i for i, name in enumerate(names) if name == "getrusage"]
    per_proof, rest = divmod(len(marks), PROOFS)
    if per_proof < 3 or rest != 0:
        bench.wrong(f"{len(marks)} calls of getrusage in {PROOFS} proofs")
        return None

    first, begin, inside = Counter(), Counter(), Counter()
    for i in range(PROOFS):
        own = marks[i * per_proof:(i + 1) * per_proof]
        early = Counter(names[own[0] + 1:own[1]])
        late = Counter(n for n in names[own[1]:own[-1]] if n != "getrusage")
        if i == 0:
            first += early + late
        else:
            begin += early
            inside += late
    return first, begin, inside


def words(counter):
    return " ".join(f"{n} {name}" for name, n in counter.most_common()) or "0"


def measure(bench, size, memory, options, **environment):
    """Prints a line and returns the calls at begin, inside, and the faults."""
    file = bench.file(size)
    seen = calls(bench, file, options, **environment)
    figures = bench.figures(file, bench.work / "proof", "--repeat",
                            str(PROOFS), *options, **environment)
    if seen is None or figures is None:
        return None
    first, begin, inside = seen
    cold = figures["first"]["total"]
    faults = warm_faults(figures)
    print(f"{size_words(size):>10} {memory:>8}"
          f" {cold['minor_faults'] + cold['major_faults']:>8}"
          f" {median(faults):>8.0f} {sum(faults):>8}"
          f" {sum(first.values()):>8}  {words(begin):<22}  {words(inside)}",
          flush=True)
    return begin, inside, faults


def check(bench, size, trap):
    got = measure(bench, size, "zkrt" if trap else "trap off", (),
                  **({} if trap else {"ZK_ALLOC_TRAP": "off"}))
    if got is None:
        return
    begin, inside, faults = got
    most = {"mremap": WARM, "mprotect": WARM} if trap else {}
    if any(n > most.get(name, 0) for name, n in begin.items()):
        bench.wrong(f"{WARM} phases began with {words(begin)}")
    if inside:
        bench.wrong(f"{WARM} warm proofs called {words(inside)}")
    if any(faults):
        bench.wrong(f"faults of the warm proofs: {faults}")


def warm(bench):
    if shutil.which("strace") is None:
        bench.wrong("there is no strace here; run: tools/setup test")
        return
    print(f"{'':19} {'page faults in':>26}   calls for memory in")
    print(f"{'file':>10} {'memory':>8} {'first':>8} {'a warm':>8}"
          f" {f'{WARM} warm':>8} {'first':>8}  {f'{WARM} warm: at begin':<22}"
          f"  after it")
    for size in (1000, 256 * KIB, 1 * MIB):
        check(bench, size, True)
        check(bench, size, False)
    got = measure(bench, 256 * KIB, "system", ("--allocator", "system"))
    if got is not None and not (got[1] and any(got[2])):
        bench.wrong("on malloc nothing was counted, so this check is blind")
