"""The groups about what grows: costs with sizes and workers, memory with time."""

from peers import OPENMP, mallocs
from rows import Group, Row, half, keys
from run import Job, parse

# Allocators by name, of those that everybody else is compared with.
FEW = [m for m in mallocs(one_arena=True)
       if m.name in ("glibc", "glibc tuned", "tcmalloc")]

# ---- growth ---------------------------------------------------------------


def logs(size):
    return 10, size.of(24, 18, 11)


def growth(size):
    first, last = logs(size)
    span = [str(first), str(last), str(size.of(3, 3, 1))]
    jobs = [Job("zkrt", ["growth_zkrt", "trace"] + span, test="trace"),
            Job("zkrt", ["growth_zkrt", "loop"] + span, test="loop"),
            Job("serial", ["growth_serial"] + span, test="loop"),
            Job("libgomp", ["growth_libgomp"] + span, OPENMP, test="loop"),
            Job("libomp", ["growth_libomp"] + span, OPENMP, test="loop"),
            Job("oneTBB", ["growth_tbb"] + span, test="loop")]
    jobs += [Job(m.name, ["growth_zkrt", "malloc"] + span, m.env, m.preload,
                 test="trace")
             for m in FEW]
    workers = size.of((1, 2, 4, 8, 16, 32, 64), (1, 2, 4, 8, 16, 32, 64),
                      (1, 2, 4))
    for n in workers:
        times = str(max(size.of(20000, 4000, 60) // (1 if n <= 2 else 4 * n),
                        10))
        both = [str(n), times]
        jobs += [Job("zkrt", ["growth_zkrt", "workers"] + both, test=both[0]),
                 Job("libgomp", ["barrier_libgomp"] + both, OPENMP,
                     test=both[0]),
                 Job("libomp", ["barrier_libomp"] + both, OPENMP,
                     test=both[0])]
    rows, derived = [], []
    for log in range(first, last + 1, 2):
        rows.append(Row(f"phase with a trace of 2^{log} rows, a row", "ns",
                        f"zkrt/trace_{log}",
                        keys(f"trace_{log}", *[m.name for m in FEW])))
    for log in range(first, last + 1, 2):
        rows.append(Row(f"loop of 2^{log}, an iteration", "ns",
                        f"zkrt/loop_{log}",
                        keys(f"loop_{log}", "libgomp", "libomp", "oneTBB"),
                        [f"ideal/loop_{log}"]))
    for log in range(first, last + 1):
        derived.append((f"ideal/loop_{log}", half, f"serial/loop_{log}"))
    for n in workers:
        rows += [
            Row(f"everybody meets, {n} workers", "us", f"zkrt/meeting_{n}",
                keys(f"region_{n}", "libgomp", "libomp")),
            Row(f"begin + end, {n} workers", "us", f"zkrt/pair_{n}"),
            Row(f"empty loop, {n} workers", "us", f"zkrt/empty_{n}"),
        ]
    return Group("cost as sizes double, and as workers do on these cores",
                 jobs, rows, derived)


# ---- memory ---------------------------------------------------------------


def read_sequence(text):
    """The samples as one list of [second, MiB], beside the other figures."""
    samples, rest = [], []
    for line in text.splitlines():
        if line.startswith("sample "):
            samples.append([float(x) for x in line.split()[1:]])
        else:
            rest.append(line)
    return {**parse("\n".join(rest)), "resident": samples}


def memory(size):
    seconds = size.of(6, 4, 1)
    argv = [str(seconds), str(size.of(1, 2, 16))]
    few = FEW if size.name != "smoke" else FEW[:1]
    # A sequence of 25 seconds shows the same with the usual decay of 10.
    soon = {"ZK_ALLOC_DECAY_MS": str(400 * seconds)}
    jobs = [Job("zkrt", ["memory_zkrt"] + argv, soon, read=read_sequence, every=size.seldom)]
    jobs += [Job(m.name, ["memory_malloc"] + argv, m.env, m.preload,
                 read=read_sequence, every=size.seldom) for m in few]
    peers = [m.name for m in few]
    rows = [Row(title, unit, f"zkrt/{metric}", keys(metric, *peers))
            for title, unit, metric in [
                ("resident, mean of the sequence", "MiB", "mean_mib"),
                ("resident at the end", "MiB", "last_mib"),
                ("a large proof, the first and one later", "ms", "large_ms"),
                ("a small proof", "ms", "small_ms")]]
    return Group("a large proof, small ones for a while, a large one again",
                 jobs, rows, twice="")
