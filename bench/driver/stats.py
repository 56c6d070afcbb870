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
    The quotient of the medians and its 95 % interval.

    Both lists have one value a round. Whole rounds are drawn again and again
    (the bootstrap), so that what disturbed a round disturbs both sides.
    """
    pairs = [(a, b) for a, b in zip(ours, theirs)
             if a is not None and b is not None]
    if not pairs:
        return None

    def of(sample):
        return quotient(median(a for a, _ in sample),
                        median(b for _, b in sample))

    value = of(pairs)
    if len(pairs) < 3:
        return value, 0.0, float("inf")
    draw = random.Random(len(pairs))
    many = sorted(of(draw.choices(pairs, k=len(pairs)))
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
