"""The groups about memory: arena, pages, heap, proof, stark."""

import json

from peers import OPENMP, fewer, mallocs
from rows import Group, Row, Target, keys
from run import Job

MALLOCS = mallocs(one_arena=True)
HEAPS = mallocs(one_arena=False)


# ---- arena ----------------------------------------------------------------

TRAPS = [("parked", "the other asleep"), ("busy", "the other busy"),
         ("hot", "the other searching")]
USED = [("1m", "1 MiB"), ("64m", "64 MiB"), ("1g", "1 GiB")]


def per_slab(on, off, moves):
    """What the trap adds for a slab that moves; None where none does."""
    return (on - off) / moves if moves > 0.5 else None


# Tests that somebody needs seconds for: they run half as often.
LONG = ("large", "grow_page", "grow_line", "zeroed", "hand_mixed", "rptest")


def heap_jobs(tests, size, contenders):
    """Each test by each contender, which is a program with an environment."""
    jobs = []
    for test in tests:
        argv = [test, str(size.of(1, 4, 64)), str(size.of(1, 1, 64))]
        for contender, program, env, preload in contenders:
            jobs.append(Job(contender, [f"heap_{program}"] + argv, env,
                            preload, test=test,
                            every=size.seldom if test in LONG else 1))
    return jobs


def malloc_contenders(found):
    return [(m.name, "malloc", m.env, m.preload) for m in found]


def arena(size):
    batches = str(size.of(21, 11, 3))
    regions = str(size.of(50000, 20000, 1000))
    pairs = [str(size.of(60, 50, 10)), str(size.of(1, 1, 64))]
    spin = "spin barrier/spin_2"
    hand = keys("bump", "hand", "hand by pointer")
    heaps = fewer(HEAPS, size)
    peers = [m.name for m in heaps]
    rows = [
        Row("bump 64 B, inlined", "ns", "zkrt/bump", keys("blocks", *peers),
            hand,
            [Target("<= 1.30x hand", 0.7 / 0.54, "hand by pointer/bump"),
             Target("<= 0.7 ns", 0.7)]),
        Row("bump 64 B, shared library", "ns", "zkrt/bump_shared",
            keys("blocks", *peers), hand,
            [Target("<= 3.70x hand", 2.0 / 0.54, "hand by pointer/bump"),
             Target("<= 2.0 ns", 2.0)]),
        Row("bump 64 B, by zk_malloc", "ns", "zkrt/bump_malloc",
            keys("blocks", *peers), hand,
            [Target("<= 3.70x hand", 2.0 / 0.54, "hand by pointer/bump"),
             Target("<= 2.0 ns", 2.0)]),
        Row("begin + end, trap off, 2 hot", "ns", "zkrt/off_hot_0",
            limits=[spin],
            targets=[Target("<= 2.37x spin", 600 / 253, spin),
                     Target("<= 600 ns", 600)]),
        Row("begin + end, trap off, 64 MiB used", "ns", "zkrt/off_hot_64m",
            limits=[spin],
            targets=[Target("<= 2.37x spin", 600 / 253, spin),
                     Target("<= 600 ns", 600)]),
        Row("begin + end, trap on, nothing used", "ns", "zkrt/on_hot_0",
            limits=[spin]),
        Row("begin + end, trap auto, 64 MiB used", "ns",
            "zkrt/auto_hot_64m", limits=[spin, "trap off/auto_hot_64m"]),
    ]
    derived = [(spin, lambda us: 1000 * us, "hand/spin_2"),
               ("trap off/auto_hot_64m", lambda x: x, "zkrt/off_hot_64m"),
               ("zkrt/trap_grown_64m", per_slab, "zkrt/on_grown_64m",
                "zkrt/off_parked_64m", "zkrt/on_grown_64m_moves")]
    for other, words in TRAPS:
        # Where moving a slab took 2.6 us (parked) or 20 us (busy).
        bound = 4000 if other == "parked" else 25000
        factor = 4 / 2.6 if other == "parked" else 25 / 20
        for used, amount in USED:
            metric = f"zkrt/trap_{other}_{used}"
            bare = f"zkrt/mremap_{other}_{used}"
            derived.append((metric, per_slab, f"zkrt/on_{other}_{used}",
                            f"zkrt/off_{other}_{used}",
                            f"zkrt/on_{other}_{used}_moves"))
            targets = [Target(f"<= {factor:.2f}x mremap alone", factor, bare),
                       Target(f"<= {bound:,} ns", bound)]
            if other == "hot":
                del targets[0]  # nobody measured what it takes then
            rows.append(Row(f"trap of a slab, {amount}, {words}", "ns", metric,
                            limits=[bare], targets=targets))
    rows += [
        Row("trap of a slab, 64 MiB, after small phases", "ns",
            "zkrt/trap_grown_64m", limits=["zkrt/mremap_parked_64m"],
            targets=[Target("<= 1.54x mremap alone", 4 / 2.6,
                            "zkrt/mremap_parked_64m"),
                     Target("<= 4,000 ns", 4000)]),
        Row("nested stage, begin + end", "ns", "zkrt/stage", limits=[spin]),
        Row("nested stage with a block of 64 MiB", "ns", "zkrt/stage_64m"),
        Row("secret phase, a block of 64 B", "ns", "zkrt/secret_0",
            limits=["zkrt/plain_0"]),
    ]
    for used, amount in USED:
        rows.append(Row(f"secret phase, {amount} by two workers", "ns",
                        f"zkrt/secret_{used}",
                        limits=[f"zkrt/plain_{used}", f"zkrt/memset_{used}"]))
    for metric, amount in [("64", "64 B"), ("8k", "8 KiB"), ("1m", "1 MiB")]:
        rows.append(Row(f"free + malloc inside a phase, {amount}", "ns",
                        f"zkrt/pair_{metric}",
                        keys(f"pair_{metric}", *peers)))
    for metric, words in [("fresh", "fresh"), ("used", "used before")]:
        rows.append(Row(f"512 MiB of zeros, {words}", "us",
                        f"zkrt/zeroed_{metric}",
                        keys(f"zeroed_{metric}", *peers),
                        targets=[Target("no memset: <= 1,000 us", 1000)]))
        rows.append(Row(f"512 MiB of zeros, {words}, and touched", "ms",
                        f"zkrt/zeroed_{metric}_page",
                        keys(f"zeroed_{metric}_page", *peers)))
    contenders = [("zkrt", "phase", {}, "")] + malloc_contenders(heaps)
    return Group(
        "blocks of an arena, and what a phase costs",
        jobs=[
            Job("zkrt", ["arena_bump", batches]),
            Job("zkrt", ["arena_phases"] + pairs),
            Job("zkrt", ["arena_secret", str(size.of(10, 5, 1)), pairs[1]]),
            Job("hand", ["barrier_hand", "2", regions]),
        ] + heap_jobs(["blocks", "pair", "zeroed"], size, contenders),
        rows=rows, derived=derived, twice="")


# ---- pages ----------------------------------------------------------------

PAGE_STEPS = [("fault", "first touch"), ("populate", "populate"),
              ("write", "8 bytes written per line"), ("memset", "memset"),
              ("stream", "wipe by streaming stores"), ("release", "release")]
PAGE_FIGURES = [("first", "first touch", "us"),
                ("again", "first touch, sizes learnt", "us"),
                ("warm", "warm", "us"),
                ("populated", "first touch, populated", "us"),
                ("begin", "wait for populating", "us"),
                ("random", "random read", "ns"),
                ("resident", "resident, sizes learnt", "KiB")]


def pages(size):
    """Limits of the machine, then what auto makes of them."""
    rows = []
    for step, words in PAGE_STEPS:
        for threads in ("1", "2"):
            rows.append(Row(f"{words}, {threads} thread"
                            f"{'s' if threads == '2' else ''}, GiB", "ms",
                            f"huge pages/{step}_{threads}",
                            limits=[f"base pages/{step}_{threads}"]))
    large = size.of(512, 128, 16)
    for metric, amount in [("small", "256 KiB"),
                           ("large", f"{large // 2} MiB")]:
        for figure, words, unit in PAGE_FIGURES:
            rows.append(Row(f"two slabs of {amount}: {words}", unit,
                            f"auto/{figure}_{metric}",
                            limits=keys(f"{figure}_{metric}", "always",
                                        "never")))
    rounds = str(size.of(3, 1, 1))
    return Group(
        "what pages cost here, and the choice between them",
        jobs=[Job("system", ["pages_system", str(size.of(512, 128, 16)),
                             str(size.of(2, 1, 1))],
                  every=size.seldom),
              Job("zkrt", ["pages_policy", rounds, str(large)],
                  every=size.seldom)],
        rows=rows, twice="")


# ---- heap -----------------------------------------------------------------

# test, metric, title, unit, target in words, its factor, its reference
HEAP_ROWS = [
    ("pair", "pair_64", "pair, 64 B", "ns", "<= 0.97x tcmalloc", 3.0 / 3.1,
     "tcmalloc"),
    ("pair", "pair_1k", "pair, 1 KiB", "ns", "<= 0.97x tcmalloc", 3.0 / 3.1,
     "tcmalloc"),
    ("pair", "pair_8k", "pair, 8 KiB", "ns", "<= 0.97x tcmalloc", 3.0 / 3.1,
     "tcmalloc"),
    ("pair", "pair_32k", "pair, 32 KiB", "ns", "<= 0.97x tcmalloc", 3.0 / 3.1,
     "tcmalloc"),
    ("pair", "pair_70k", "pair, 70 KB", "ns", "<= 0.97x tcmalloc", 3.0 / 3.1,
     "tcmalloc"),
    ("pair", "pair_1m", "pair, 1 MiB", "ns", None, None, None),
    ("churn", "churn_1k", "churn, 1,000 live", "ns", "<= 0.82x tcmalloc",
     7.5 / 9.1, "tcmalloc"),
    ("churn_70k", "churn_70k", "churn, 70,000 live", "ns",
     "<= 0.72x tcmalloc", 14 / 19.5, "tcmalloc"),
    ("churn_2", "churn_2", "churn, 2 threads", "ns", "<= 0.82x tcmalloc",
     7.5 / 9.2, "tcmalloc"),
    ("exchange", "exchange", "churn of the other thread's blocks", "ns", None,
     None, None),
    ("larson", "larson", "larson, 2 threads", "ns", "<= 20.8 ns", 1e3 / 48,
     None),
    ("rptest", "rptest", "rptest, 2 threads", "ns", None, None, None),
    ("xmalloc", "xmalloc", "xmalloc-test, 2 + 2 threads", "ns", None, None,
     None),
    ("embeddings", "embeddings", "a batch of embeddings", "ns",
     "<= 0.60x tcmalloc", 28 / 47, "tcmalloc"),
    ("mixed", "mixed", "mixed sizes", "ns", "<= 0.71x tcmalloc", 30 / 42,
     "tcmalloc"),
    ("million", "million", "a million of 64 B, alloc + free", "ns",
     "<= 11 ns", 11, None),
    ("large", "large", "17 to 64 MiB, touched", "us/MiB",
     "<= 1.11x glibc tuned", 2.0 / 1.8, "glibc tuned"),
    ("hand_64", "hand_64", "handed over, 64 B", "ns", "<= 60 ns", 60, None),
    ("hand_mixed", "hand_mixed", "handed over, mixed", "ns", "<= 45 ns", 45,
     None),
    ("hand_bulk", "hand_bulk", "handed over in bulk, 64 B", "ns", "<= 60 ns",
     60, None),
    ("grow_page", "grow_page", "growth to 256 MiB, page", "ms",
     "<= 1.13x glibc tuned", 1.8 / 1.6, "glibc tuned"),
    ("grow_line", "grow_line", "growth to 256 MiB, line", "ms",
     "<= 1.03x glibc tuned", 30 / 29, "glibc tuned"),
]


def heap(size):
    heaps = fewer(HEAPS, size)
    peers = [m.name for m in heaps]
    rows, tests = [], []
    for test, metric, title, unit, text, factor, reference in HEAP_ROWS:
        if test not in tests:
            tests.append(test)
        targets = []
        if text is not None:
            targets = [Target(text, factor,
                              reference and f"{reference}/{metric}")]
        rows.append(Row(title, unit, f"zkrt/{metric}", keys(metric, *peers),
                        targets=targets))
    contenders = [("zkrt", "zkrt", {}, "")] + malloc_contenders(heaps)
    return Group("malloc and free outside of any phase",
                 heap_jobs(tests, size, contenders), rows)


# ---- proof ----------------------------------------------------------------

# Who gives large buffers back takes several times as long as the others: it shows
# where the first proof and the peaks are measured, too.
GIVES_BACK = ("jemalloc", "mimalloc", "tbbmalloc")
UNTUNED = GIVES_BACK + ("glibc", "tcmalloc")

# Which contenders a mode does without.
LEFT_OUT = {
    "line": GIVES_BACK,
    # jemalloc has the least peak of all
    "rand": ("mimalloc", "tbbmalloc", "zkrt loop", "zkrt no trap",
             "bump huge"),
    # mostly sleeps
    "paced": UNTUNED + ("jemalloc tuned", "mimalloc tuned", "tbbmalloc tuned",
                        "zkrt loop", "bump huge"),
}


# name, program, option, environment, preload
def proof_contenders(found_mallocs):
    found = [
        ("zkrt", "proof_zkrt", "-", {}, ""),
        ("zkrt loop", "proof_zkrt", "loop", {}, ""),
        ("zkrt no trap", "proof_zkrt", "-", {"ZK_ALLOC_TRAP": "off"}, ""),
        ("bump", "proof_bump", "-", {}, ""),
        ("bump huge", "proof_bump", "huge", {}, ""),
    ]
    return found + [(m.name, "proof_malloc", "-", m.env, m.preload)
                    for m in found_mallocs]


def proof(size):
    divisor = str(size.of(1, 2, 16))
    found_mallocs = fewer(MALLOCS, size)
    warm = {"line": size.of(3, 2, 1), "page": size.of(3, 2, 1),
            "rand": size.of(3, 2, 1), "paced": 1}
    jobs, traced = [], []
    for name, program, option, env, preload in proof_contenders(
            found_mallocs):
        for mode, proofs in warm.items():
            if name in LEFT_OUT.get(mode, ()):
                continue
            every = 1
            if mode != "page" or name in UNTUNED:
                every = size.seldom
            job = Job(name, [program, mode, str(proofs), option, divisor],
                      env, preload, test=mode, every=every)
            jobs.append(job)
            if (mode in ("page", "rand") and option == "-" and
                    (size.name == "full" or name in ("zkrt", "glibc tuned"))):
                traced.append((f"{name}/{mode}_calls", job))
    peers = [m.name for m in found_mallocs]
    floor = ["zkrt loop", "zkrt no trap", "bump", "bump huge"]

    def row(title, unit, metric, targets, with_floor=True):
        return Row(title, unit, f"zkrt/{metric}", keys(metric, *peers),
                   keys(metric, *floor) if with_floor else [], targets)

    rows = []
    for mode, title, factor, text in [
            ("line", "warm proof, line, end", 1.03, "<= 1.03x bump"),
            ("page", "warm proof, page, end", 1.03, "<= 1.03x bump"),
            ("rand", "warm proof, page, rand", 5 / 4.4, "<= 1.14x bump"),
            ("paced", "warm proof, paced, page, end", 1.03,
             "<= 1.03x bump")]:
        rows.append(row(title, "ms", f"{mode}_warm_ms",
                        [Target(text, factor, f"bump/{mode}_warm_ms")]))
    rows += [
        row("peak, end", "MiB", "page_peak_mib",
            [Target("<= 1.02x live", 1.02, "zkrt/page_live_mib")]),
        row("peak, rand", "MiB", "rand_peak_mib",
            [Target("<= 1.02x glibc tuned", 620 / 607,
                    "glibc tuned/rand_peak_mib")]),
        row("first proof, page, end", "ms", "page_first_ms",
            [Target("<= 0.98x bump huge", 105 / 107.6,
                    "bump huge/page_first_ms")]),
        row("first proof, page, rand", "ms", "rand_first_ms",
            [Target("<= 0.56x bump huge, end", 60 / 107.6,
                    "bump huge/page_first_ms")]),
        row("faults of a warm proof, end", "", "page_faults",
            [Target("0", 0)]),
        row("faults of a warm proof, rand", "", "rand_faults",
            [Target("0", 0)]),
    ]
    # Counted once, in a run of its own: no ratio that a second run could agree to.
    for mode, words in (("page", "end"), ("rand", "rand")):
        rows.append(Row(f"memory calls of a warm proof, {words}", "",
                        f"zkrt/{mode}_calls",
                        limits=keys(f"{mode}_calls", *peers, *floor),
                        targets=[Target("0", 0)]))
    return Group("253 buffers, 1541 MiB, two threads", jobs, rows,
                 traced=traced)


# ---- stark ----------------------------------------------------------------


def read_zkprove(text):
    """The figures of zkprove --json."""
    found = json.loads(text)
    first = found["first"]["total"]
    warm = found["warm_median"]["total"]
    metrics = {
        "first_ms": first["wall_ms"], "first_faults": first["minor_faults"],
        "warm_ms": warm["wall_ms"], "warm_faults": warm["minor_faults"],
        "live_mib": warm["peak_bytes"] / (1 << 20),
    }
    for stage in found["warm_median"]["stages"]:
        metrics[f"warm_{stage['name']}_ms"] = stage["wall_ms"]
    return metrics


def stark(size):
    proofs = str(size.of(2, 2, 2))
    bytes_ = size.of(1 << 20, 1 << 18, 2000)

    def job(name, allocator, env, preload,
            program="../examples/stark/zkprove"):
        return Job(name, [program, "input", "-o", "proof",
                          "--repeat", proofs, "--allocator", allocator,
                          "--workers", "2", "--quiet", "--json"],
                   env, preload, bytes_, read_zkprove, "peak_mib",
                   every=size.seldom)

    jobs = [job("zkrt", "zkrt", {}, ""),
            job("zkrt no trap", "zkrt", {"ZK_ALLOC_TRAP": "off"}, "")]
    found_mallocs = fewer(MALLOCS, size)
    jobs += [job(m.name, "system", m.env, m.preload) for m in found_mallocs]
    jobs += [
        job("zkrt on a team", "zkrt", {**OPENMP, "ZK_BACKEND": "openmp"}, "",
            "zkprove_team"),
        job("OpenMP on zkrt", "zkrt", OPENMP, "", "zkprove_loops"),
        job("OpenMP on glibc", "system", OPENMP, "", "zkprove_loops"),
    ]
    peers = [m.name for m in found_mallocs]
    others = ["zkrt no trap", "zkrt on a team", "OpenMP on zkrt",
              "OpenMP on glibc"]

    def row(title, unit, metric):
        return Row(title, unit, f"zkrt/{metric}", keys(metric, *peers),
                   keys(metric, *others))

    rows = [row("first proof", "ms", "first_ms"),
            row("warm proof", "ms", "warm_ms"),
            Row("warm proof on libgomp's team", "ms", "zkrt on a team/warm_ms",
                keys("warm_ms", "OpenMP on zkrt"), keys("warm_ms", "zkrt"),
                [Target("<= 1.2x zkrt's own threads", 1.2, "zkrt/warm_ms")]),
            row("peak of the process", "MiB", "peak_mib"),
            row("most bytes of buffers at a time", "MiB", "live_mib"),
            row("faults of the first proof", "", "first_faults"),
            row("faults of a warm proof", "", "warm_faults")]
    for stage in ("trace", "extension", "commit", "quotient", "DEEP", "FRI",
                  "queries"):
        rows.append(row(f"warm, {stage}", "ms", f"warm_{stage}_ms"))
    return Group("examples/stark from end to end", jobs, rows, twice="")
