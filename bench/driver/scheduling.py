"""The groups about who does the work: tasks, loops, barrier, idle."""

from peers import OPENMP
from rows import Group, Row, Target, half, keys
from run import Job

# ---- tasks ----------------------------------------------------------------


def tasks(size):
    repeats = str(size.of(3, 2, 1))
    queens = str(size.of(11, 10, 7))
    tree = size.of("full", "full", "small")
    numbers = {"serial": size.of(34, 32, 20), "twice": size.of(34, 32, 20),
               "zkrt": size.of(34, 32, 20),
               "zkrt groups": size.of(29, 27, 18),
               "libgomp": size.of(23, 21, 14), "libomp": size.of(23, 21, 14),
               "oneTBB": size.of(26, 24, 16)}
    programs = {"serial": "serial", "twice": "serial", "zkrt": "zkrt", "zkrt groups": "groups",
                "libgomp": "libgomp", "libomp": "libomp", "oneTBB": "tbb"}
    threads_of = {"serial": ["1"], "twice": ["2"]}
    jobs = []
    for name, fib in numbers.items():
        for threads in threads_of.get(name, ["1", "2"]):
            jobs.append(Job(name, [f"tasks_{programs[name]}", threads,
                                   str(fib), queens, tree, repeats],
                            OPENMP if name.startswith("lib") else {}))
    peers = ["libgomp", "libomp", "oneTBB"]
    serial = "serial/fib_1"
    rows = [
        Row("fib, 1 thread", "ns a call", "zkrt/fib_1",
            keys("fib_1", *peers), [serial],
            [Target("<= 1.63x serial", 1.25 * 1.99 / 1.53, serial)]),
        Row("fib, 2 threads", "ns a call", "zkrt/fib_2",
            keys("fib_2", *peers), [serial, "twice/fib_2"],
            [Target("<= 0.67x serial", 1.02 / 1.53, serial)]),
        Row("fib, gain from the 2nd thread", "x", "zkrt/fib_gain",
            keys("fib_gain", *peers), ["twice/fib_gain"],
            [Target(">= 1.9", 1.9)],
            more_is_better=True),
        Row("fib by groups, 1 thread", "ns a call", "zkrt groups/fib_1",
            keys("fib_1", *peers), [serial]),
        Row("fib by groups, 2 threads", "ns a call", "zkrt groups/fib_2",
            keys("fib_2", *peers), [serial, "twice/fib_2"]),
        Row("queens, 1 thread", "ms", "zkrt/queens_1",
            keys("queens_1", *peers), ["serial/queens_1"]),
        Row("queens, 2 threads", "ms", "zkrt/queens_2",
            keys("queens_2", *peers), ["serial/queens_1", "twice/queens_2"]),
        Row("unbalanced tree, 1 thread", "ms", "zkrt/tree_1",
            keys("tree_1", *peers), ["serial/tree_1"]),
        Row("unbalanced tree, 2 threads", "ms", "zkrt/tree_2",
            keys("tree_2", *peers), ["ideal/tree", "twice/tree_2"],
            [Target("<= 0.29x oneTBB", 44 / 151, "oneTBB/tree_2")]),
    ]
    derived = [("ideal/tree", half, "serial/tree_1"),
               ("twice/fib_gain", lambda a, b: a / b,
                "serial/fib_1", "twice/fib_2")]
    for name in ["zkrt"] + peers:
        derived.append((f"{name}/fib_gain", lambda a, b: a / b,
                        f"{name}/fib_1", f"{name}/fib_2"))
    return Group("one task for each call, no cutoff", jobs, rows,
                 derived)


# ---- loops ----------------------------------------------------------------


def loops(size):
    samples = str(size.of(7, 3, 1))
    jobs = [
        Job("serial", ["loops_serial", samples]),
        Job("zkrt", ["loops_zkrt", samples]),
        Job("libgomp", ["loops_libgomp", samples], OPENMP),
        Job("libomp", ["loops_libomp", samples], OPENMP),
        Job("oneTBB", ["loops_tbb", samples]),
    ]
    peers = ["libgomp", "libomp", "oneTBB"]

    def row(title, unit, metric, targets=(), peers=tuple(peers), ideal=None):
        return Row(title, unit, f"zkrt/{metric}", keys(metric, *peers),
                   [f"ideal/{ideal or metric}"], list(targets))

    rows = [
        row("split 2 x 6.57 us, inside", "us", "split_inside",
            [Target("<= 1.09x ideal", 7.17 / 6.57, "ideal/split")],
            ideal="split"),
        row("split 2 x 6.57 us, outside", "us", "split_outside",
            [Target("<= 1.11x ideal", 7.27 / 6.57, "ideal/split")],
            ideal="split"),
        row("1e6 x 3.6 ns, grain 1", "ms", "tiny_grain_1",
            [Target("<= 1.67x ideal", 3.0 / 1.8, "ideal/tiny")],
            ideal="tiny"),
        row("1e6 x 3.6 ns, untuned", "ms", "tiny"),
        row("irregular, untuned", "ms", "irregular",
            [Target("<= 1.03x ideal", 1.03, "ideal/irregular")],
            peers=tuple(peers + ["libgomp dynamic", "libomp dynamic"])),
    ]
    derived = [(f"ideal/{m}", half, f"serial/{m}")
               for m in ("split", "tiny", "irregular")]
    return Group("dividing a loop among two threads", jobs, rows,
                 derived)


# ---- barrier --------------------------------------------------------------


def barrier(size):
    jobs, rows = [], []
    spin = "spin/spin_2"
    for n, us, factor, text, reference in [
            (2, 0.28, 0.28 / 0.253, "<= 1.11x spin", spin),
            (4, 3, 3 / 2.2, "<= 1.36x libomp barrier",
             "libomp barrier/barrier_4"),
            (8, 7, 7 / 6.8, "<= 1.03x libomp barrier",
             "libomp barrier/barrier_8")]:
        many = size.of(100000, 50000, 300) // (1 if n == 2 else 20)
        argv = [str(n), str(many)]
        jobs += [
            Job("zkrt", ["barrier_zkrt"] + argv, test=argv[0]),
            Job("libgomp", ["barrier_libgomp"] + argv, OPENMP, test=argv[0]),
            Job("libomp", ["barrier_libomp"] + argv, OPENMP, test=argv[0]),
            Job("hand", ["barrier_hand"] + argv, test=argv[0]),
        ]
        rows += [
            Row(f"everybody meets, {n} workers", "us", f"zkrt/meeting_{n}",
                keys(f"region_{n}", "libgomp", "libomp"),
                [f"libgomp barrier/barrier_{n}",
                 f"libomp barrier/barrier_{n}", f"sleep/sleep_{n}"] +
                ([spin] if n == 2 else []),
                [Target(text, factor, reference),
                 Target(f"<= {us} us", us)]),
            # Nobody but the caller has to come: no peer to compare with.
            Row(f"empty loop, {n} workers", "us", f"zkrt/region_{n}"),
            Row(f"empty loop as a phase, {n} workers", "us",
                f"zkrt/phase_{n}"),
        ]
    derived = [(spin, lambda x: x, "hand/spin_2")]
    for n in (2, 4, 8):
        derived.append((f"sleep/sleep_{n}", lambda x: x, f"hand/sleep_{n}"))
        for name in ("libgomp", "libomp"):
            derived.append((f"{name} barrier/barrier_{n}", lambda x: x,
                            f"{name}/barrier_{n}"))
    return Group("the shortest parallel region on two cores", jobs, rows,
                 derived)


# ---- idle -----------------------------------------------------------------


def idle(size):
    how_long = [str(size.of(40, 30, 10)), str(size.of(1000, 500, 20))]
    jobs = [
        Job("zkrt", ["idle_zkrt"] + how_long),
        Job("libgomp", ["idle_libgomp"] + how_long, OPENMP),
        Job("libomp", ["idle_libomp"] + how_long, OPENMP),
        Job("oneTBB", ["idle_tbb"] + how_long),
    ]
    peers = ["libgomp", "libomp", "oneTBB"]
    rows = [
        Row("submit, hot", "us", "zkrt/submit_hot", keys("submit_hot", *peers),
            targets=[Target("<= 2.14x libgomp", 1.5 / 0.7,
                            "libgomp/submit_hot")]),
        Row("submit after 10 ms, median", "us", "zkrt/submit_rested",
            keys("submit_rested", *peers),
            targets=[Target("<= 60 us", 60)]),
        Row("submit after 10 ms, 90th percentile", "us",
            "zkrt/submit_rested_p90", keys("submit_rested_p90", *peers),
            targets=[Target("< 80 us", 80)]),
        Row("idle for a second", "% of a core", "zkrt/idle_cpu",
            keys("idle_cpu", *peers), targets=[Target("<= 0.1 %", 0.1)]),
    ]
    return Group("workers that have nothing to do", jobs, rows)
