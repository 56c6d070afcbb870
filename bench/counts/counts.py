"""
Instructions of the hot paths, counted by callgrind, against committed figures.

    counts.py check  PROGRAM FIGURES      1: one has grown by more than 3 %
    counts.py update PROGRAM FIGURES      writes the file
    counts.py compare FIGURES FIGURES     the check alone, on two files

Figures are a text file, "instructions <tab> path". Standard library only.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

GROWTH = 1.03
SKIPPED = 77

HEAD = """\
# Instructions of one turn of each path, by tools/counts --update. A change that
# makes one of them grow by more than 3 % fails the test `counts`.
"""


def fail(text):
    sys.exit(f"counts: {text}")


def dumps(text):
    """{mark: instructions} of a callgrind file with all dumps in it."""
    found, mark = {}, None
    for line in text.splitlines():
        said = re.match(r"desc: Trigger: Client Request: (.*)$", line)
        if said:
            mark = said.group(1)
        elif line.startswith("part:"):
            mark = None
        elif line.startswith(("summary:", "totals:")) and mark is not None:
            found[mark] = int(line.split()[1])
    return found


def count(program):
    """{path: instructions a turn}, in the program's order."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        print("counts: SKIPPED, no valgrind here")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory(prefix="zkrt-counts-") as here:
        out = os.path.join(here, "out")
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("ZK_", "LD_PRELOAD", "MALLOC_"))}
        done = subprocess.run(
            [valgrind, "--tool=callgrind", "--instr-atstart=no",
             "--combine-dumps=yes", f"--callgrind-out-file={out}", program],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=env, check=False)
        said = re.search(r"^times (\d+)$", done.stdout, re.M)
        if done.returncode != 0 or said is None:
            fail(f"{program}: status {done.returncode}:\n{done.stdout}")
        times = int(said.group(1))
        with open(out, encoding="utf-8") as f:
            marks = dumps(f.read())
    found = {}
    for mark, once in marks.items():
        if mark.startswith("1 ") and "2 " + mark[2:] in marks:
            found[mark[2:]] = (marks["2 " + mark[2:]] - once) / times
    if not found:
        fail(f"{program}: callgrind has written no count")
    return found


def read(path):
    found = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                value, name = line.rstrip("\n").split("\t")
                found[name] = float(value)
    return found


def write(path, figures):
    with open(path, "w", encoding="utf-8") as f:
        f.write(HEAD)
        for name, value in figures.items():
            f.write(f"{value:.2f}\t{name}\n")


def compare(figures, committed):
    """Prints each path; the number of those that are not as they should be."""
    wrong = 0
    for name in list(committed) + [n for n in figures if n not in committed]:
        now, was = figures.get(name), committed.get(name)
        if now is None:
            said = "is not counted any more"
        elif was is None:
            said = "has no committed figure"
        elif now > was * GROWTH:
            said = f"has grown by {100 * (now / was - 1):.1f} %"
        else:
            said = None
        wrong += said is not None
        if now is not None and was is not None and now < was / GROWTH:
            said = "is less: tools/counts --update keeps it so"
        print(f"{'-' if now is None else format(now, '.2f'):>9}"
              f"{'-' if was is None else format(was, '.2f'):>9}"
              f"  {name}{': ' + said if said else ''}")
    return wrong


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("check", "update", "compare"):
        fail("check PROGRAM FIGURES | update PROGRAM FIGURES | "
             "compare FIGURES FIGURES")
    what, first, second = sys.argv[1:]
    if what == "check" and not os.path.exists(second):
        print("counts: SKIPPED, no figures for this compiler and machine: "
              f"{os.path.basename(second)}")
        sys.exit(SKIPPED)
    figures = read(first) if what == "compare" else count(first)
    if what == "update":
        write(second, figures)
        print(f"counts: {second}")
        return
    print("      now committed")
    wrong = compare(figures, read(second))
    if wrong > 0:
        fail(f"{wrong} of {len(figures)} are not as committed; where that is "
             "meant: tools/counts --update")


if __name__ == "__main__":
    main()
