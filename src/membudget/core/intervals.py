"""Between which bounds an estimate lies: of a median, of a shift, of a mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import comb
from statistics import median

_ROUNDING = 1e-12
"""1 - 0.9 is a little less than 0.1."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and between which bounds the truth lies."""

    estimate: float
    low: float
    high: float
    confidence: float
    """The chance that the bounds hold the truth: at least what was asked for, or the most that so few values allow."""

    @property
    def margin(self) -> float:
        """Half its width: what is printed after ±."""
        return (self.high - self.low) / 2


def median_interval(values: Sequence[int], confidence: float) -> Interval:
    """Of the median of what `values` were drawn from: two of the values. Raises ValueError without any."""
    if not values:
        raise ValueError("no values")
    ordered, count = sorted(values), len(values)
    missed = list(accumulate(comb(count, below) for below in range(count)))
    # The rank of the lower bound, from 0: the truth is below it when at most so many of the values are.
    rank = _highest_rank(missed, 2**count, (1 - confidence) / 2, count // 2)
    return Interval(median(ordered), ordered[rank], ordered[-1 - rank], max(0.0, 1 - 2 * missed[rank] / 2**count))


def shift_interval(before: Sequence[int], after: Sequence[int], confidence: float) -> Interval:
    """By how much `after` lies above `before`. Raises ValueError without values.

    Hodges and Lehmann's estimate, the median of all differences, with the bounds at which a Mann-Whitney test would
    begin to tell the two apart.
    """
    if not before or not after:
        raise ValueError("no values")
    differences = sorted(late - early for late in after for early in before)
    missed = _mann_whitney(*sorted((len(before), len(after))))
    arrangements = comb(len(before) + len(after), len(before))
    rank = _highest_rank(missed, arrangements, (1 - confidence) / 2, (len(differences) + 1) // 2)
    attained = max(0.0, 1 - 2 * missed[rank] / arrangements)
    return Interval(median(differences), differences[rank], differences[-1 - rank], attained)


def _highest_rank(missed: Sequence[int], cases: int, allowed: float, ranks: int) -> int:
    """The narrowest pair of bounds whose chance to miss on one side is `allowed` at the most; else the widest."""
    return max((rank for rank in range(ranks) if missed[rank] / cases <= allowed + _ROUNDING), default=0)


@cache
def _mann_whitney(smaller: int, larger: int) -> list[int]:
    """In how many arrangements of two alike samples the statistic U is at most 0, 1, 2, ...

    The coefficients of the Gaussian binomial, by which the statistic is distributed (Mann and Whitney, 1947).
    """
    counts = [1] + [0] * (smaller * larger)
    for size in range(1, smaller + 1):
        for above in range(len(counts) - 1, larger + size - 1, -1):  # times 1 - q^(larger + size)
            counts[above] -= counts[above - larger - size]
        for above in range(size, len(counts)):  # divided by 1 - q^size
            counts[above] += counts[above - size]
    return list(accumulate(counts))


_STUDENT = {
    1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23, 15: 2.13, 30: 2.04,
}  # fmt: skip


def student(degrees: int) -> float:
    """97.5 % quantile of Student's t by degrees of freedom: so many standard errors are half a 95 % interval.

    Of fewer degrees where it is not tabled, which is the wider interval.
    """
    return _STUDENT[max(known for known in _STUDENT if known <= degrees)]
