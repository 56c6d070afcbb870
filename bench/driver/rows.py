"""
What a group is made of: jobs that run, rows that compare, targets that judge.

A target is a factor on a reference that is measured in the same run. Where a
target was set against a peer that Debian does not have, it is carried over by
that peer's own ratio to a reference that is here; docs/benchmarks.md has the
arithmetic.
"""

from dataclasses import dataclass, field


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
    derived: list = field(default_factory=list)  # (key, function, input...)
    traced: list = field(default_factory=list)  # (key, job) for strace
    twice: str = "zkrt"  # who is compared with itself, too


@dataclass
class Size:
    """How much a run may take: full, quick or smoke."""
    name: str

    def of(self, full, quick, smoke):
        return {"full": full, "quick": quick, "smoke": smoke}[self.name]

    @property
    def rounds(self):
        """8 are the least that have an interval without an assumption."""
        return self.of(8, 3, 1)

    @property
    def seldom(self):
        """What takes long runs in each second round: 4 have an interval, too."""
        return self.of(2, 3, 1)

    @property
    def retries(self):
        return self.of(2, 1, 0)


def keys(metric, *contenders):
    return [f"{c}/{metric}" for c in contenders]


def half(x):
    return x / 2
