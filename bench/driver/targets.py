"""
Every target that the project has set itself: met, missed by how much, or not
measurable here and why. From what the groups' JSON files say, whenever they ran.
"""

import json
import os

import report

# What is wanted, and the rows that say whether it is so: (group, begin of title).
TARGETS = [
    ("warm proof, line and page, paced too: 1.03x the bump floor, untuned",
     [("proof", "warm proof, line, end"), ("proof", "warm proof, page, end"),
      ("proof", "warm proof, paced, page, end")]),
    ("warm proof: no fault, no system call",
     [("proof", "faults of a warm proof"),
      ("proof", "memory calls of a warm proof")]),
    ("warm proof with reuse: as fast as 5 ms, and in 620 MiB",
     [("proof", "warm proof, page, rand"), ("proof", "peak, rand")]),
    ("first proof: 105 ms, with reuse 60 ms", [("proof", "first proof")]),
    ("peak: 2 % over what lives", [("proof", "peak, end")]),
    ("begin + end, 2 workers hot, trap off: 0.6 us",
     [("arena", "begin + end, trap off")]),
    ("the trap for each used slab: 4 us parked, 25 us busy",
     [("arena", "trap of a slab")]),
    ("zeroed memory: no memset of pages known zero",
     [("arena", "512 MiB of zeros")]),
    ("bump of 64 B: 0.7 ns inlined, 2.0 ns through the library",
     [("arena", "bump 64 B")]),
    ("heap pair, 64 B to 70 KB: 3.0 ns", [("heap", "pair,")]),
    ("churn: 7.5 ns, 14 ns with 70,000 live, 7.5 ns for 2 threads",
     [("heap", "churn,")]),
    ("embeddings 28 ns, mixed sizes 30 ns",
     [("heap", "a batch of embeddings"), ("heap", "mixed sizes")]),
    ("a million of 64 B: 11 ns", [("heap", "a million")]),
    ("17 to 64 MiB, touched: 2.0 us/MiB", [("heap", "17 to 64 MiB")]),
    ("handed to another thread: 60, 45, 60 ns", [("heap", "handed over")]),
    ("growth by realloc: 1.8 and 30 ms", [("heap", "growth to 256 MiB")]),
    ("larson: 96 million turns a second", [("heap", "larson")]),
    ("xmalloc-test 1.8, rptest 9.8 million a second",
     "Debian does not have the programs in whose units these are; rows of that "
     "name in heap are written anew, and compare"),
    ("fib: 1.25x Lace on one thread, then below it",
     [("tasks", "fib, 1 thread"), ("tasks", "fib, 2 threads")]),
    ("fib: the second thread gains 1.9x", [("tasks", "fib, gain")]),
    ("unbalanced tree: as fast as Lace", [("tasks", "unbalanced tree, 2")]),
    ("no crash at a depth of 10^6",
     "not a figure: tests/stress/forks_test.c has that tree"),
    ("split: 0.6 us inside, 0.7 us from outside",
     [("loops", "split")]),
    ("a million iterations, grain 1: as fast as Lace",
     [("loops", "1e6 x 3.6 ns, grain 1")]),
    ("irregular loop, untuned: 1.03x the ideal", [("loops", "irregular")]),
    ("everybody meets: 0.28, 3 and 7 us for 2, 4 and 8 workers",
     [("barrier", "everybody meets")]),
    ("submit: 1.5 us hot", [("idle", "submit, hot")]),
    ("submit after 10 ms: 60 us, 90 % below 80",
     [("idle", "submit after 10 ms")]),
    ("idle: 0.1 % of a core", [("idle", "idle for a second")]),
    ("the same program on libgomp's team: 1.2x",
     [("stark", "warm proof on libgomp's team")]),
]


def load(directory, names):
    """{group: its JSON} of those that have run."""
    found = {}
    for name in names:
        try:
            with open(os.path.join(directory, name + ".json"),
                      encoding="utf-8") as f:
                found[name] = json.load(f)
        except OSError:
            pass
    return found


def verdict(target):
    if target["met"] is None:
        return "not measured"
    if target["met"]:
        return "met"
    if target["of_target"] is None:
        return "**missed**"
    return f"**missed** by {target['of_target']:.2f}x"


def rows_of(found, group, begin):
    rows = found.get(group, {}).get("rows", [])
    return [r for r in rows if r["title"].startswith(begin) and r["targets"]]


def lines_of(found, words, where):
    """The table's lines for one target, and its verdicts."""
    if isinstance(where, str):
        return [[words, "", "", "", f"not measurable here: {where}"]], [None]
    lines, verdicts = [], []
    for group, begin in where:
        rows = rows_of(found, group, begin)
        if not rows:
            lines.append([group, begin, "", "", "not measured: "
                          f"tools/bench {group}"])
            verdicts.append(None)
        for row in rows:
            for target in row["targets"]:
                lines.append([group, row["title"],
                              f"{report.number(row['median'])} {row['unit']}"
                              .strip(), target["text"], verdict(target)])
                verdicts.append(target["met"])
    lines = [[""] + line[1:] for line in lines]
    lines[0][0] = words
    return lines, verdicts


def table(found, only=None):
    """The table of targets, of some groups or all, and one line that counts."""
    lines, verdicts = [], []
    for words, where in TARGETS:
        if only is not None:
            where = [] if isinstance(where, str) else [
                pair for pair in where if pair[0] in only]
            if not where:
                continue
        more, said = lines_of(found, words, where)
        lines += more
        verdicts += said
    if not lines:
        return ""
    missed = sum(v is False for v in verdicts)
    unknown = sum(v is None for v in verdicts)
    text = report.table(["target", "row", "zkrt", "bound", "verdict"], lines)
    return (f"## Targets\n\n{text}\n\n{verdicts.count(True)} met, {missed} "
            f"missed, {unknown} not measured\n")


def worst(found):
    """Each missed target, the worst first."""
    said = [(t["of_target"], t, row) for data in found.values()
            for row in data["rows"] for t in row["targets"]
            if t["met"] is False]
    said.sort(key=lambda m: -(m[0] if m[0] is not None else float("inf")))
    return "\n".join(
        f"  {'inf' if x is None else format(x, '6.2f')}x the target: "
        f"{row['title']} ({report.number(row['median'])} {row['unit']}; "
        f"target {t['text']})" for x, t, row in said)


# ---- two runs ---------------------------------------------------------------


def pairs(row, other):
    """
    (what, ours, theirs) of every ratio that one of two runs printed in a row. The
    best peer may be another one in each: both are compared in both.
    """
    found = []
    for best in (row["best_peer"], other["best_peer"]):
        name = report.contender(best["key"]) if best else None
        if name and f"to {name}" not in [what for what, _, _ in found]:
            found.append((f"to {name}", row["peers"].get(name),
                          other["peers"].get(name)))
    theirs = {t["text"]: t for t in other["targets"]}
    for target in row["targets"]:
        if "ratio" in target:
            found.append((target["text"], target, theirs.get(target["text"])))
    return found


def bounded(ratio):
    """Whether it has an interval: JSON has no infinity, but None."""
    return (ratio is not None and ratio.get("high") is not None and
            ratio["high"] != float("inf"))


def said(ratio):
    if ratio is None or ratio["ratio"] is None:
        return "-"
    text = f"{report.number(ratio['ratio'])}x"
    if bounded(ratio):
        text += (f" ({report.number(ratio['low'])}-"
                 f"{report.number(ratio['high'])})")
    return text


def agreement(ours, theirs):
    if not bounded(ours) or not bounded(theirs):
        return "no interval"
    if ours["low"] <= theirs["high"] and theirs["low"] <= ours["high"]:
        return "agree"
    return "**apart**"


def compare(first, second):
    """Every ratio of two runs: both intervals, and whether they overlap."""
    lines, others = [], []
    for name in first:
        if name not in second:
            continue
        if first[name]["size"] != second[name]["size"]:
            others.append(f"{name}: {first[name]['size']} and "
                          f"{second[name]['size']} measure other sizes")
            continue
        rows = {r["title"]: r for r in second[name]["rows"]}
        for row in first[name]["rows"]:
            if row["title"] not in rows:
                continue
            for what, ours, theirs in pairs(row, rows[row["title"]]):
                lines.append([name, row["title"], what, said(ours),
                              said(theirs), agreement(ours, theirs)])
    text = report.table(["group", "row", "ratio", "first", "second", ""], lines)
    verdicts = [line[-1] for line in lines]
    counts = (f"{len(lines)} ratios: {verdicts.count('agree')} agree within "
              f"their intervals, {verdicts.count('**apart**')} do not, "
              f"{verdicts.count('no interval')} have no interval")
    return "\n".join([text, ""] + others + [counts])
