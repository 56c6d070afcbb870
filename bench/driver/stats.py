"""Medians, their spread, and the interval of a ratio. Nothing else."""

from math import comb, exp, log, sqrt
from statistics import fmean, median, stdev

# What an interval misses, at most. A hundred ratios and more are compared when
# two runs are: with 1 % each, all of them may be expected to agree at once.
MISSES = 0.01

# Student's t with n - 1 degrees of freedom for n quotients, both sides: what is
# beyond it has MISSES. (Any table; E. S. Pearson and H. O. Hartley, Biometrika
# Tables for Statisticians I, table 12.)
STUDENT = {3: 9.925, 4: 5.841, 5: 4.604, 6: 4.032, 7: 3.707}

# No interval is narrower, to each side. What stays the same for all rounds of a
# run, such as the host's regime, is in no difference between them.
FLOOR = 0.01


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


def ranks(n):
    """
    The greatest k for which the k-th least and the k-th greatest of n values
    have the median between them with 1 - MISSES, whatever they are distributed
    like: each value is a toss on which side it is (H. A. David and
    H. N. Nagaraja, Order Statistics, 7.1). 0 where n is too small.
    """
    k, tail = 0, 0
    while k < n:
        tail += comb(n, k)
        if 2 * tail > MISSES * 2 ** n:
            break
        k += 1
    return k


def interval(quotients):
    """
    (low, high) that has their median inside with 1 - MISSES: order statistics
    where there are enough (from 8 on), and before that Student's t on the
    logarithms, as if these were normal. Unbounded for less than 3.
    """
    v = sorted(quotients)
    k = ranks(len(v))
    if k > 0:
        return v[k - 1], v[len(v) - k]
    if len(v) >= 3 and v[0] == v[-1]:
        return v[0], v[0]
    if len(v) < 3 or v[0] == 0 or v[-1] == float("inf"):
        return 0.0, float("inf")
    logs = [log(q) for q in v]
    far = STUDENT[len(v)] * stdev(logs) / sqrt(len(v))
    if far > 100:
        return 0.0, float("inf")
    return exp(fmean(logs) - far), exp(fmean(logs) + far)


def ratio(ours, theirs):
    """
    The median of the rounds' quotients and its interval.

    Both lists have one value a round, and the two of a round were measured
    within a few seconds of each other: what slows the machine for that long
    slows both. Each value is of a process of its own, so that what differs from
    process to process, such as where its pages lie, is in the interval.
    """
    quotients = [quotient(a, b) for a, b in zip(ours, theirs)
                 if a is not None and b is not None]
    if not quotients:
        return None
    value = median(quotients)
    low, high = interval(quotients)
    return (value, min(low, value / (1 + FLOOR)),
            max(high, value * (1 + FLOOR)))
