"""Confidence intervals of a median, of a shift and of a ratio between two samples, and of a mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import comb
from statistics import median

_ROUNDING = 1e-12
"""Floating-point error: 1 - 0.9 is slightly less than 0.1."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    low: float
    high: float
    confidence: float
    """The probability that the interval contains the true value. It is at least the requested confidence, or the
    highest one that this few values allow.
    """

    @property
    def margin(self) -> float:
        """Return half the width of the interval, which is printed after ±."""
        return (self.high - self.low) / 2


def median_interval(values: Sequence[int], confidence: float) -> Interval:
    """Return an interval for the median of the distribution that `values` were drawn from.

    Its bounds are two of the values. Raises ValueError if there are none.
    """
    if not values:
        raise ValueError("no values")
    ordered, count = sorted(values), len(values)
    missed = list(accumulate(comb(count, below) for below in range(count)))
    # The rank of the lower bound, from 0. The bound misses the median if at most `rank` values are below the median.
    rank = _highest_rank(missed, 2**count, (1 - confidence) / 2, count // 2)
    return Interval(median(ordered), ordered[rank], ordered[-1 - rank], max(0.0, 1 - 2 * missed[rank] / 2**count))


def shift_interval(before: Sequence[int], after: Sequence[int], confidence: float) -> Interval:
    """Return an interval for how far `after` lies above `before`. Raises ValueError if either has no values.

    The estimate is Hodges and Lehmann's: the median of all differences. A Mann-Whitney test would start to tell the two
    samples apart at the bounds.
    """
    if not before or not after:
        raise ValueError("no values")
    differences = sorted(late - early for late in after for early in before)
    return _of_pairs(differences, (len(before), len(after)), confidence)


def ratio_interval(before: Sequence[int], after: Sequence[int], confidence: float) -> Interval:
    """Return an interval for how many times as large `after` is as `before`.

    It is the interval of the shift between the logarithms. Raises ValueError if either has no values, or if one of them
    is not positive.
    """
    if not before or not after or min(*before, *after) <= 0:
        raise ValueError("no positive values")
    return _of_pairs(sorted(late / early for late in after for early in before), (len(before), len(after)), confidence)


def _of_pairs(values: Sequence[float], counts: tuple[int, int], confidence: float) -> Interval:
    """Return the interval of a shift. `values` has it for each pair of two samples, sorted."""
    missed = _mann_whitney(*sorted(counts))
    arrangements = comb(sum(counts), counts[0])
    rank = _highest_rank(missed, arrangements, (1 - confidence) / 2, (len(values) + 1) // 2)
    attained = max(0.0, 1 - 2 * missed[rank] / arrangements)
    return Interval(median(values), values[rank], values[-1 - rank], attained)


def _highest_rank(missed: Sequence[int], cases: int, allowed: float, ranks: int) -> int:
    """Return the rank of the narrowest bounds that miss on one side with a probability of at most `allowed`.

    If there are none, return the rank of the widest bounds.
    """
    return max((rank for rank in range(ranks) if missed[rank] / cases <= allowed + _ROUNDING), default=0)


@cache
def _mann_whitney(smaller: int, larger: int) -> list[int]:
    """Return in how many arrangements of two equal samples the statistic U is at most 0, 1, 2, ...

    U is distributed by the coefficients of the Gaussian binomial (Mann and Whitney, 1947).
    """
    counts = [1] + [0] * (smaller * larger)
    for size in range(1, smaller + 1):
        for above in range(len(counts) - 1, larger + size - 1, -1):  # multiply by 1 - q^(larger + size)
            counts[above] -= counts[above - larger - size]
        for above in range(size, len(counts)):  # divide by 1 - q^size
            counts[above] += counts[above - size]
    return list(accumulate(counts))


_STUDENT = {
    0.95: {
        1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23, 15: 2.13, 30: 2.04,
    },
    0.99: {
        1: 63.66, 2: 9.92, 3: 5.84, 4: 4.60, 5: 4.03, 6: 3.71, 7: 3.50, 8: 3.36, 9: 3.25, 10: 3.17, 15: 2.95, 30: 2.75,
    },
}  # fmt: skip
"""Half the width of an interval in standard errors, by its confidence and by the degrees of freedom."""


def student(degrees: int, confidence: float = 0.95) -> float:
    """Return a quantile of Student's t: half an interval of this confidence is this many standard errors.

    The confidence is 0.95 or 0.99. Between tabled degrees of freedom, return the value for the lower ones, which gives
    a wider interval.
    """
    table = _STUDENT[confidence]
    return table[max(known for known in table if known <= degrees)]
