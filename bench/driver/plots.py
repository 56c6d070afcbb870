"""
Pictures of what the groups' JSON files say, by gnuplot, as SVG.

Each carries the command, the commit, the date and the machine of its figures.
A picture is left out where its group has not run.
"""

import os
import shutil
import subprocess
import sys
from statistics import median

import report

# The bars, by group: begins of titles. All rows that have a peer and begin so.
BARS = [
    ("proof", ["warm proof, line", "warm proof, page", "warm proof, paced",
               "peak", "first proof"]),
    ("stark", ["first proof", "warm proof", "peak of the process"]),
    ("heap", ["pair, 64 B", "pair, 70 KB", "churn", "a batch", "mixed sizes",
              "a million", "17 to 64", "handed over", "growth"]),
    ("tasks", ["fib, 1", "fib, 2", "queens, 2", "unbalanced tree, 2"]),
    ("loops", ["split", "1e6", "irregular"]),
    ("barrier", ["everybody meets"]),
    ("idle", ["submit, hot", "submit after 10 ms, median", "idle for a second"]),
    ("kernels", ["transform of 2^20: gain of 2", "64 columns extended: gain of 2",
                 "Merkle tree: gain of 2", "shape of an MSM: gain of 2",
                 "sumcheck: gain of 2", "bit reversal of 2^22: gain of 2"]),
]
LEAST, MOST = 0.02, 20.0

WIN, LOSS, PLAIN = "#3572a5", "#d9822b", "#555555"
LINES = ["#3572a5", "#d9822b", "#4d9a4d", "#9a5fb0", "#777777"]


def quoted(text):
    """A string of gnuplot's, in which nothing is special."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def caption(*groups):
    """Where the figures come from, in one line."""
    data = groups[0]
    taken = sum(g["samples_taken"] for g in groups)
    disturbed = sum(g["samples_disturbed"] for g in groups)
    others = (f"; {100 * disturbed / taken:.0f} % of it while others used the "
              "machine" if disturbed > 0 else "")
    size = "" if data["size"] == "full" else f" --{data['size']}"
    changed = " modified" if data["modified"] else ""
    return (f"tools/bench{size}; commit {data['commit'][:10]}{changed}; "
            f"{data['date'][:10]}; {data['machine']}, {data['cores']} cores, "
            f"Linux {data['kernel'].split('-')[0]}{others}")


def terminal(path, width, height):
    return (f"set terminal svg size {width},{height} font 'sans-serif,12' "
            f"background rgb 'white'\nset output {quoted(path)}\n")


def block(name, lines):
    return f"${name} << EOD\n" + "\n".join(lines) + "\nEOD\n"


# ---- ratios -----------------------------------------------------------------


def bars(found):
    """(label, ratio, low, high, peer) of each bar, as time over the peer's."""
    said = []
    for group, begins in BARS:
        for row in found.get(group, {}).get("rows", []):
            best = row["best_peer"]
            if (best is None or best["ratio"] is None or best["ratio"] <= 0 or
                    not any(row["title"].startswith(b) for b in begins)):
                continue
            low, high = best["low"], best["high"]
            if not low or high is None:
                low = high = best["ratio"]
            numbers = best["ratio"], low, high
            if row["unit"] == "x":  # a gain: more is better
                numbers = 1 / best["ratio"], 1 / high, 1 / low
            said.append((f"{group}: {row['title'].split(' over the ')[0]}",
                         *numbers, best["key"].split("/")[0]))
    return said


def within(x):
    return min(max(x, LEAST), MOST)


def ratios(found, path):
    said = bars(found)
    if not said:
        return None
    groups = [found[g] for g, _ in BARS if g in found]
    lines, tics = [], []
    for i, (label, ratio, low, high, peer) in enumerate(said):
        y = len(said) - i
        lines.append(f"{within(ratio)} {y} {within(low)} {within(high)} "
                     f"{min(within(ratio), 1)} {max(within(ratio), 1)} "
                     f"{LOSS if ratio > 1 else WIN} "
                     f"{quoted(f'{report.number(ratio)}  {peer}')}")
        tics.append(f"{quoted(label)} {y}")
    colours = "\n".join(line.replace("#", "0x") for line in lines)
    return (terminal(path, 980, 90 + 17 * len(said)) +
            block("bars", colours.splitlines()) +
            "set title 'zkrt over the best peer of each row, tuned ones "
            "included; left of 1 it takes less' font ',11'\n"
            f"set label 1 {quoted(caption(*groups))} at screen 0.5,0.015 center "
            f"noenhanced font ',9' textcolor rgb '{PLAIN}'\n"
            "set bmargin 5\nset logscale x\n"
            f"set xrange [{LEAST}:{MOST * 2}]\n"
            f"set yrange [0:{len(said) + 1}]\n"
            "set xtics (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)\n"
            f"set ytics noenhanced scale 0 ({', '.join(tics)})\n"
            "set grid xtics lc rgb '#dddddd'\nset arrow 1 from 1,0 to "
            f"1,{len(said) + 1} nohead lc rgb '#000000' back\nunset key\n"
            "set style fill solid 0.85 noborder\n"
            "plot $bars using 1:2:5:6:($2-0.36):($2+0.36):7 with boxxyerror "
            "lc rgb variable, \\\n"
            "     $bars using 1:2:3:4 with xerrorbars pt 0 lw 1 lc rgb "
            "'#000000', \\\n"
            "     $bars using (($4 > 1 ? $4 : 1)*1.06):2:8 with labels left "
            "noenhanced font ',9'\n")


# ---- growth -----------------------------------------------------------------


def curve(data, key, points):
    """[(x, median)] of a metric whose name ends in _x."""
    said = []
    for x in points:
        values = [v for v in data["samples"].get(f"{key}_{x}", [])
                  if v is not None]
        if values:
            said.append((x, median(values)))
    return said


def panel(name, curves, title, xlabel, ylabel, more=""):
    blocks, parts = "", []
    for i, (label, points) in enumerate((c, p) for c, p in curves if p):
        blocks += block(f"{name}{i}", [f"{x} {y}" for x, y in points])
        parts.append(f"${name}{i} using 1:2 with linespoints lw 2 pt 7 ps 0.4 "
                     f"lc rgb '{LINES[i % len(LINES)]}' title {quoted(label)}")
    if not parts:
        return ""
    return (blocks + f"set title {quoted(title)}\nset xlabel {quoted(xlabel)}\n"
            f"set ylabel {quoted(ylabel)}\n{more}plot " +
            ", \\\n     ".join(parts) + "\n")


def growth(found, path):
    data = found.get("growth")
    if data is None:
        return None
    logs, workers = range(10, 25), (1, 2, 4, 8, 16, 32, 64)
    trace = [(c, curve(data, f"{c}/trace", logs))
             for c in ("zkrt", "glibc", "glibc tuned", "tcmalloc")]
    loop = [(c, curve(data, f"{c}/loop", logs))
            for c in ("zkrt", "libgomp", "libomp", "oneTBB", "ideal")]
    many = [("zkrt, everybody meets", curve(data, "zkrt/meeting", workers)),
            ("libgomp, empty region", curve(data, "libgomp/region", workers)),
            ("libomp, empty region", curve(data, "libomp/region", workers)),
            ("zkrt, begin + end", curve(data, "zkrt/pair", workers)),
            ("zkrt, empty loop", curve(data, "zkrt/empty", workers))]
    sizes = "set xrange [9.5:24.5]\nset xtics 10,2\nunset logscale x\n"
    return (terminal(path, 1200, 420) +
            "set multiplot layout 1,3\nset logscale y\nset grid lc rgb "
            "'#dddddd'\nset key top right font ',10' samplen 1.5\n"
            "set bmargin 5\n"
            f"set label 1 {quoted(caption(data))} at screen 0.5,0.03 center "
            f"noenhanced font ',9' textcolor rgb '{PLAIN}'\n" +
            panel("trace", trace, "a phase with a trace: a row", "log2 of rows",
                  "ns", sizes) + "unset label 1\n" +
            panel("loop", loop, "a loop: an iteration", "log2 of iterations",
                  "ns", sizes) +
            panel("many", many, "workers on these cores", "workers", "us",
                  "set key top left\nset xrange [0.9:70]\nset logscale x 2\n"
                  "set xtics (1, 2, 4, 8, 16, 32, 64)\n") +
            "unset multiplot\n")


# ---- memory -----------------------------------------------------------------


def memory(found, path):
    data = found.get("memory")
    if data is None:
        return None
    curves = []
    for name in ("zkrt", "glibc", "glibc tuned", "tcmalloc"):
        runs = [v for v in data["samples"].get(f"{name}/resident", []) if v]
        if runs:
            curves.append((name, runs[0]))
    return (terminal(path, 1060, 420) + "set key top right opaque\n"
            "set grid lc rgb '#dddddd'\nset yrange [0:*]\nset bmargin 5\n"
            f"set label 1 {quoted(caption(data))} at screen 0.5,0.03 center "
            f"noenhanced font ',9' textcolor rgb '{PLAIN}'\n" +
            panel("memory", curves, "resident while a process makes a large "
                  "proof, small ones, a large one, small ones", "seconds",
                  "MiB").replace("linespoints", "lines").replace(
                      "pt 7 ps 0.4 ", ""))


# ---- all of them ------------------------------------------------------------


def draw(found, directory):
    gnuplot = shutil.which("gnuplot")
    if gnuplot is None:
        sys.exit("bench: no gnuplot; run: tools/setup bench")
    os.makedirs(directory, exist_ok=True)
    for name, make in (("ratios", ratios), ("growth", growth),
                       ("memory", memory)):
        path = os.path.join(directory, name + ".svg")
        script = make(found, path)
        if script is None:
            print(f"bench: nothing to draw {name}.svg of")
            continue
        done = subprocess.run([gnuplot, "-"], input=script, text=True,
                              check=False)
        if done.returncode != 0:
            sys.exit(f"bench: gnuplot could not draw {path}")
        print(f"bench: {os.path.relpath(path)}")
