"""
workers:    does it cost anything to have more workers than processors?
allocators: what does the arena gain over malloc, and where?

Contenders take turns in every round, so that a noisy moment meets all of them;
a figure is the median over the rounds of the median of the warm proofs.
"""

import hashlib
import json
import os
import shutil

from run import KIB, MIB, median, size_words, warm_faults, warm_times

COUNTS = (1, 2, 3, 4, 8, 16, 32, 64)
CLIFF = 1.3  # 8 workers, as a multiple of the time of 2

FAULT = "exc_page_fault"  # the kernel's entry for one


def workers(bench):
    file, proof = bench.file(256 * KIB), bench.work / "proof"
    ms = {n: [] for n in COUNTS}
    proofs = set()

    for _ in range(bench.rounds):
        for n in COUNTS:
            figures = bench.figures(file, proof, "--repeat", "4",
                                    ZK_NUM_WORKERS=str(n))
            if figures is None:
                return
            if figures["workers"] != n:
                bench.wrong(f"{figures['workers']} workers instead of {n}")
            ms[n].append(median(warm_times(figures)))
            proofs.add(hashlib.sha256(proof.read_bytes()).hexdigest())

    print(f"{os.cpu_count()} processors, {size_words(256 * KIB)},"
          f" {bench.rounds} rounds of 3 warm proofs")
    print(f"{'workers':>8} {'median':>10} {'least':>10} {'to 2':>6}")
    for n in COUNTS:
        ratio = median(ms[n]) / median(ms[2])
        print(f"{n:>8} {median(ms[n]):>7.1f} ms {min(ms[n]):>7.1f} ms"
              f" {ratio:>6.2f}")
    ratio = median(ms[8]) / median(ms[2])
    print(f"8 workers take {ratio:.2f} times as long as 2, of {CLIFF} allowed:"
          f" {'met' if ratio <= CLIFF else 'missed'}"
          f" (load at the end {bench.load()})")
    if len(proofs) != 1:
        bench.wrong(f"{len(proofs)} different proofs")


def allocators(bench):
    for size in (256 * KIB, 1 * MIB):
        print(f"{size_words(size)}, {bench.rounds} rounds of 6 warm proofs")
        compare(bench, size)


def compare(bench, size):
    file, proof = bench.file(size), bench.work / "proof"
    both = ("zkrt", "system")
    ms, faults = {a: [] for a in both}, {a: [] for a in both}

    for _ in range(bench.rounds):
        for a in both:
            figures = bench.figures(file, proof, "--allocator", a,
                                    "--repeat", "7")
            if figures is None:
                return
            ms[a].append(median(warm_times(figures)))
            faults[a].append(median(warm_faults(figures)))

    print(f"{'buffers':>8} {'warm proof':>11} {'least':>11} {'faults':>8}"
          f" {'in the kernel':>14} {'in page faults':>15}")
    for a in both:
        kernel = kernel_share(bench, file, a)
        fault = fault_share(bench, file, a)
        print(f"{a:>8} {median(ms[a]):>8.1f} ms {min(ms[a]):>8.1f} ms"
              f" {median(faults[a]):>8.0f} {100 * kernel:>12.1f} %"
              + ("   perf cannot tell" if fault is None
                 else f" {100 * fault:>13.1f} %"), flush=True)
    ratios = [s / z for s, z in zip(ms["system"], ms["zkrt"])]
    print(f"on malloc a warm proof takes"
          f" {median(ms['system']) / median(ms['zkrt']):.2f} times as long"
          f" (rounds {min(ratios):.2f} to {max(ratios):.2f};"
          f" load at the end {bench.load()})")


def kernel_share(bench, file, allocator):
    """
    Processor time of warm proofs that the kernel took (getrusage): what a run
    of nine proofs costs more than one of two.
    """
    few, many = (bench.prove(file, bench.work / "proof", "--quiet",
                             "--allocator", allocator, "--repeat", str(n))
                 for n in (2, 9))
    system = max(0.0, many.system - few.system)
    total = many.system + many.user - few.system - few.user
    return system / total if total > 0 else 0.0


def fault_share(bench, file, allocator):
    """
    Samples (1000 a second of processor time) of warm proofs that have a page
    fault on the stack; None where perf or the kernel does not tell.

    The warm proofs are the end of the run, but for the process' exit: the proof
    goes to /dev/null, so nothing waits for a disk.
    """
    data, figures = bench.work / "perf", None
    if shutil.which("perf") is not None:
        command = bench.prove_command(file, "/dev/null", "--json",
                                      "--allocator", allocator,
                                      "--repeat", "7")
        done = bench.run("perf", "record", "-q", "-g", "-e", "cpu-clock", "-F",
                         "1000", "-o", data, *command)
        figures = json.loads(done.out) if done.status == 0 else None
    if figures is None:
        return None

    text = bench.run("perf", "script", "-F", "time,ip,sym", "-i", data).out
    stacks = [s for s in text.split("\n\n") if s.strip()]
    if not any(FAULT in s for s in stacks):
        return None  # even a first proof has some: the names are hidden
    stamps = [float(s.split(":", 1)[0]) for s in stacks]
    start = max(stamps) - 0.9 * sum(warm_times(figures)) / 1000
    warm = [s for s, at in zip(stacks, stamps) if at >= start]
    return sum(FAULT in s for s in warm) / len(warm)
