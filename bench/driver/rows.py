"""
What a group is made of: jobs that run, rows that compare, targets that judge.

A target is a factor on a reference that is measured in the same run. Where a
target was set against a peer that Debian does not have, it is carried over by
that peer's own ratio to a reference that is here; docs/benchmarks.md has the
arithmetic.
"""

from dataclasses import dataclass, field

from run import Plan


@dataclass
class Target:
    text: str
    factor: float
    reference: str = None  # None: the factor is the value itself


@dataclass
class Row:
    title: str
    unit: str
    ours: str
    peers: list = field(default_factory=list)
    limits: list = field(default_factory=list)  # nobody's product: no peer
    targets: list = field(default_factory=list)
    more_is_better: bool = False


@dataclass
class Group:
    words: str
    jobs: list
    rows: list
    plan: Plan
    derived: list = field(default_factory=list)  # (key, function, input...)
    traced: list = field(default_factory=list)  # (key, job) for strace


@dataclass
class Size:
    """How much a run may take: full, quick or smoke."""
    name: str

    def of(self, full, quick, smoke):
        return {"full": full, "quick": quick, "smoke": smoke}[self.name]

    def plan(self, seconds):
        return self.of(Plan(7, 21, seconds), Plan(3, 3, 45, retries=1),
                       Plan(1, 1, 0, retries=0))


def keys(metric, *contenders):
    return [f"{c}/{metric}" for c in contenders]


def half(x):
    return x / 2
