"""Tables and JSON: what was measured, against the best peer and the target."""

import json
import os
from statistics import median

import run
import stats


def number(x):
    if x is None:
        return "-"
    if x == 0:
        return "0"
    if x == float("inf"):
        return "inf"
    if abs(x) >= 1000:
        return f"{x:,.0f}"
    digits = 3 if abs(x) >= 1 else 2
    text = f"{x:.{digits}g}"
    return text if "e" not in text else f"{x:.1e}"


def best_peer(row, samples):
    """The peer whose median is lowest (highest where more is better)."""
    known = [(median(samples.known(p)), p) for p in row.peers
             if samples.known(p)]
    if not known:
        return None
    return (max if row.more_is_better else min)(known)[1]


def contender(key):
    return key.split("/")[0]


def judge(row, samples):
    """Everything there is to say about a row, as plain data."""
    ours = samples.known(row.ours)
    found = {
        "title": row.title, "unit": row.unit, "ours": row.ours,
        "median": median(ours) if ours else None,
        "spread": stats.spread(ours), "rounds": len(ours),
        "contenders": {}, "peers": {}, "best_peer": None, "itself": None,
        "targets": [],
    }
    for key in [row.ours] + row.peers + row.limits:
        v = samples.known(key)
        if v:
            found["contenders"][contender(key)] = {
                "key": key, "median": median(v), "spread": stats.spread(v)}
    for key in row.peers:
        r = judge_ratio(row.ours, key, samples)
        if r:
            found["peers"][contender(key)] = r
    found["best_peer"] = found["peers"].get(
        contender(best_peer(row, samples) or "/"))
    name, metric = row.ours.split("/")
    found["itself"] = judge_ratio(row.ours, f"{name}{run.AGAIN}/{metric}",
                                  samples)
    for target in row.targets:
        found["targets"].append(judge_target(row, target, samples))
    return found


def judge_ratio(ours, key, samples):
    r = stats.ratio(samples.get(ours), samples.get(key))
    if r is None:
        return None
    return {"key": key, "median": median(samples.known(key)), "ratio": r[0],
            "low": r[1], "high": r[2]}


def judge_target(row, target, samples):
    """
    How far from the target: 1.0 is just met, more is missed by so much. A
    target is a factor on a reference of the same run, or a plain value.
    """
    said = {"text": target.text, "met": None, "of_target": None}
    ours = samples.known(row.ours)
    if not ours:
        return said
    if target.reference is None:
        bound, value = target.factor, median(ours)
        low = high = None
    else:
        r = stats.ratio(samples.get(row.ours), samples.get(target.reference))
        if r is None:
            said["text"] += " (not measured here)"
            return said
        bound, (value, low, high) = target.factor, r
        said["reference"] = target.reference
        said["ratio"] = value
    if row.more_is_better:
        said["of_target"] = stats.quotient(bound, value)
        said["met"] = value >= bound
    else:
        said["of_target"] = stats.quotient(value, bound)
        said["met"] = value <= bound
        if bound == 0:
            said["met"] = value == 0
    said["bound"] = bound
    if low is not None:
        said["low"], said["high"] = low, high
    return said


def verdict(said):
    if said["met"] is None:
        return "not measured"
    if said["met"]:
        return "met"
    if said["of_target"] == float("inf"):
        return "**missed**"
    return f"**missed** by {said['of_target']:.2f}x"


def interval(r):
    if r["high"] == float("inf"):
        return f"{number(r['ratio'])}x"
    return f"{number(r['ratio'])}x ({number(r['low'])}-{number(r['high'])})"


def itself(judged):
    """How many intervals of zkrt's ratio to itself have 1 in them."""
    known = [r["itself"] for r in judged
             if r["itself"] and r["itself"]["high"] != float("inf")]
    if not known:
        return ""
    right = sum(r["low"] <= 1 <= r["high"] for r in known)
    middle = median(max(r["high"], 1 / r["low"]) if r["low"] > 0 else
                    float("inf") for r in known)
    return (f"zkrt to itself: 1 is in {right} of {len(known)} intervals; half "
            f"of them reach less than {number(middle)} times away.\n")


def headline(row):
    return f"{row['title']}, {row['unit']}" if row["unit"] else row["title"]


def percent(share):
    return f"{100 * share:.0f} %"


def table(header, rows):
    """A Markdown table that also reads well on a terminal."""
    widths = [max(len(r[i]) for r in [header] + rows)
              for i in range(len(header))]

    def line(cells):
        return "| " + " | ".join(c.ljust(w)
                                 for c, w in zip(cells, widths)) + " |"

    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    return "\n".join([line(header), rule] + [line(r) for r in rows])


def tables(judged):
    """The table of ratios, and the one of all contenders."""
    first, names = [], []
    for row in judged:
        peer = row["best_peer"]
        targets = row["targets"] or [None]
        for i, target in enumerate(targets):
            first.append([
                headline(row) if i == 0 else "",
                number(row["median"]) if i == 0 else "",
                percent(row["spread"]) if i == 0 else "",
                f"{contender(peer['key'])} {number(peer['median'])}"
                if peer and i == 0 else "",
                interval(peer) if peer and i == 0 else "",
                interval(row["itself"]) if row["itself"] and i == 0 else "",
                target["text"] if target else "",
                verdict(target) if target else "",
            ])
        for name in row["contenders"]:
            if name not in names:
                names.append(name)
    second = [[headline(row)] +
              [number(row["contenders"][n]["median"])
               if n in row["contenders"] else "" for n in names]
              for row in judged]
    return (table(["what", "zkrt", "spread", "best peer", "ratio", "to itself",
                   "target", "verdict"], first),
            table(["median of each contender"] + names, second))


def plain(value):
    """The same for JSON, which has no infinity."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return None if value == float("inf") else value


def publish(directory, group, words, judged, samples, rounds, facts):
    """Writes GROUP.json and GROUP.md, and returns the text of the latter."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, group + ".json"), "w",
              encoding="utf-8") as f:
        json.dump(plain({"group": group, **facts, "rows": judged,
                         "samples": samples.values,
                         "samples_taken": samples.taken,
                         "samples_disturbed": samples.disturbed,
                         "failures": samples.failures}),
                  f, indent=1, allow_nan=False)
        f.write("\n")
    ratios, everybody = tables(judged)
    text = (f"## {group}: {words}\n\n{ratios}\n\n{everybody}\n\n"
            f"{rounds} rounds, {samples.taken} samples, "
            f"{samples.disturbed} of them while others used the machine.\n"
            f"{itself(judged)}")
    for failure in samples.failures:
        text += f"\nNot measured: {failure}\n"
    with open(os.path.join(directory, group + ".md"), "w",
              encoding="utf-8") as f:
        f.write(text)
    return text
