"""
Runs the measured programs: all contenders of a group in each round, in an
order drawn anew, each as a process of its own.
"""

import functools
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace

# What would change a contender behind our back.
FOREIGN = re.compile(r"^(ZK_|OMP_|GOMP_|KMP_|LIBOMP_|TBB_|MALLOC_|MIMALLOC_"
                     r"|TCMALLOC_|GLIBC_TUNABLES$|LD_PRELOAD$)")

# A sample during which others used more than this share of all cores is
# repeated while there is time, and the least disturbed one counts.
DISTURBED = 0.05

TICK = os.sysconf("SC_CLK_TCK")

# The kernel counts by ticks: so much of the others' time may be nobody's. Beside
# a run of 50 ms that would be a disturbance.
UNSURE = 2 / TICK


@dataclass
class Job:
    """One run of one program. It prints lines "metric value"."""
    contender: str
    argv: list
    env: dict = field(default_factory=dict)
    preload: str = ""
    input_bytes: int = 0  # of a file "input" in its directory
    read: object = None  # makes {metric: value} of what it prints
    peak: str = ""  # the metric for the most memory it had, in MiB
    test: str = ""  # what is compared with each other has the same
    every: int = 1  # it runs in each so-manieth round


class Failed(Exception):
    pass


def environment(job, library):
    env = {k: v for k, v in os.environ.items() if not FOREIGN.match(k)}
    env.update(job.env)
    if job.preload:
        env["LD_PRELOAD"] = library
    return env


@functools.lru_cache(maxsize=None)
def find_library(name):
    """The path of a shared library, or None."""
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    out = subprocess.run([ldconfig, "-p"], stdout=subprocess.PIPE, text=True,
                         check=False).stdout
    for line in out.splitlines():
        if line.strip().startswith(name + " "):
            return line.split("=>")[1].strip()
    return None


def busy_seconds():
    """CPU time of everybody, this machine's host included."""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = v
    return (user + nice + system + irq + softirq + steal) / TICK


def parse(text):
    """{"contender/metric" or "metric": value}"""
    found = {}
    for line in text.splitlines():
        name, value = line.rsplit(None, 1)
        found[name] = float(value)
    return found


def once(job, directory):
    """Runs the program and says what it printed and how much others ran."""
    program = os.path.join(directory, job.argv[0])
    library = find_library(job.preload) if job.preload else None
    busy, start = busy_seconds(), time.monotonic()
    with tempfile.TemporaryFile("w+") as out, \
            tempfile.TemporaryFile("w+") as err, \
            tempfile.TemporaryDirectory(prefix="zkrt-bench-") as here:
        if job.input_bytes:
            with open(os.path.join(here, "input"), "wb") as f:
                f.write(random.Random(1).randbytes(job.input_bytes))
        child = subprocess.Popen([program] + job.argv[1:], stdout=out,
                                 stderr=err, stdin=subprocess.DEVNULL,
                                 cwd=here, env=environment(job, library))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        elapsed = time.monotonic() - start
        others = (busy_seconds() - busy - usage.ru_utime - usage.ru_stime -
                  UNSURE)
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            raise Failed(f"{' '.join(job.argv)}: status {child.returncode}: "
                         f"{err.read().strip()}")
        said = err.read()
        if "cannot be preloaded" in said:
            raise Failed(f"{' '.join(job.argv)}: status 0: {said.strip()}")
        metrics = (job.read or parse)(out.read())
        if job.peak:
            metrics[job.peak] = usage.ru_maxrss / 1024
        return metrics, max(0.0, others / elapsed / os.cpu_count())


def least_disturbed(job, directory, retries):
    best = None
    for attempt in range(retries + 1):
        if attempt > 0:
            time.sleep(1)
        got = once(job, directory)
        if best is None or got[1] < best[1]:
            best = got
        if best[1] <= DISTURBED:
            break
    return best


def sanitized(directory):
    """Whether the programs carry a sanitizer, which no preload goes with."""
    cache = os.path.join(os.path.dirname(directory), "CMakeCache.txt")
    try:
        with open(cache, encoding="utf-8") as f:
            return re.search(r"^ZK_SANITIZE:\w+=.", f.read(), re.M) is not None
    except OSError:
        return False


def available(job, directory):
    if job.preload and sanitized(directory):
        return f"no {job.preload} beside a sanitizer"
    if not os.path.exists(os.path.join(directory, job.argv[0])):
        return f"{job.argv[0]} was not built"
    if job.preload and find_library(job.preload) is None:
        return f"no {job.preload}"
    return None


class Samples:
    """key -> one value a round, where a key is "contender/metric"."""

    def __init__(self):
        self.values = {}
        self.disturbed = 0
        self.taken = 0
        self.failures = []

    def add(self, index, contender, metrics):
        for metric, value in metrics.items():
            if "/" in metric:
                if contender.endswith(AGAIN):
                    continue  # it is the other one's
                key = metric
            elif "@" in metric:
                metric, variant = metric.split("@")
                key = f"{contender} {variant}/{metric}"
            else:
                key = f"{contender}/{metric}"
            self.put(index, key, value)

    def put(self, index, key, value):
        row = self.values.setdefault(key, [])
        row.extend([None] * (index + 1 - len(row)))
        row[index] = value

    def get(self, key):
        return self.values.get(key, [])

    def known(self, key):
        return [v for v in self.get(key) if v is not None]


def derive(samples, derived):
    """Figures that are computed from others of the same round."""
    for key, function, *inputs in derived:
        for index, values in enumerate(zip(*map(samples.get, inputs))):
            if all(v is not None for v in values):
                samples.put(index, key, function(*values))


def in_order(jobs, draw):
    """
    One round. Contenders of one test follow each other, so that what is
    compared is measured within seconds: a neighbour on the same processor slows
    both, or none.
    """
    tests = {}
    for job in jobs:
        tests.setdefault(job.test, []).append(job)
    names = list(tests)
    draw.shuffle(names)
    for name in names:
        draw.shuffle(tests[name])
        yield from tests[name]


AGAIN = " again"


def again(jobs, contender):
    """
    The jobs, and those of one contender a second time under a name of its own:
    its ratio to itself shows what the suite can tell apart.
    """
    return jobs + [replace(job, contender=contender + AGAIN) for job in jobs
                   if job.contender == contender]


class Rounds:
    """The rounds of one group so far."""

    def __init__(self, jobs, derived, directory):
        self.samples = Samples()
        self.derived, self.directory = derived, directory
        self.count, self.seconds = 0, 0.0
        self.runnable = []
        for job in jobs:
            reason = available(job, directory)
            if reason is None:
                self.runnable.append(job)
            elif reason not in self.samples.failures:
                self.samples.failures.append(reason)

    def another(self, draw, retries, say):
        """One more; `retries` says how often now, asked for at each job."""
        start = time.monotonic()
        order = list(in_order([job for job in self.runnable
                               if self.count % job.every == 0], draw))
        for at, job in enumerate(order):
            say(f"round {self.count + 1}, {at + 1} of {len(order)}: "
                f"{job.contender}")
            try:
                metrics, others = least_disturbed(job, self.directory,
                                                  retries())
            except Failed as failure:
                self.samples.failures.append(str(failure))
                self.runnable.remove(job)
                continue
            self.samples.taken += 1
            self.samples.disturbed += others > DISTURBED
            self.samples.add(self.count, job.contender, metrics)
        derive(self.samples, self.derived)
        self.count += 1
        self.seconds += time.monotonic() - start
