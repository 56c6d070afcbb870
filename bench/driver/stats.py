"""Medians, their spread, and the interval of a ratio. Nothing else."""

import random
from statistics import median

BOOTSTRAPS = 2000


def spread(values):
    """Half the distance between the quartiles, as a share of the median."""
    if len(values) < 2:
        return 0.0
    v = sorted(values)
    middle = median(v)
    if middle == 0:
        return 0.0
    low = v[round((len(v) - 1) * 0.25)]
    high = v[round((len(v) - 1) * 0.75)]
    return (high - low) / 2 / abs(middle)


def quotient(a, b):
    """a / b, where 0 / 0 is 1: two contenders that both do without."""
    if b == 0:
        return 1.0 if a == 0 else float("inf")
    return a / b


def ratio(ours, theirs):
    """
    The median of the rounds' quotients and its 95 % interval.

    Both lists have one value a round, and the two of a round were measured
    within a second or two of each other: what slows the machine for that long
    slows both. The interval comes from drawing whole rounds again and again
    (the bootstrap).
    """
    quotients = [quotient(a, b) for a, b in zip(ours, theirs)
                 if a is not None and b is not None]
    if not quotients:
        return None
    value = median(quotients)
    if len(quotients) < 3:
        return value, 0.0, float("inf")
    draw = random.Random(len(quotients))
    many = sorted(median(draw.choices(quotients, k=len(quotients)))
                  for _ in range(BOOTSTRAPS))
    return value, many[int(BOOTSTRAPS * 0.025)], many[int(BOOTSTRAPS * 0.975)]


def narrow(r, share):
    """True when the interval is no wider than so much on each side."""
    if r is None:
        return True
    value, low, high = r
    if value == 0 or value == float("inf"):
        return True
    return (high - low) / 2 <= share * value
