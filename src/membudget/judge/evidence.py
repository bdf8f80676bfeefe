"""What trials prove about a budget: whether it is kept or broken, or whether the difference is noise.

docs/measurements.md states how often each answer is wrong. `benchmarks/false_alarms.py` measures it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.core.definition import Better
from membudget.core.intervals import median_interval, shift_interval
from membudget.judge.bounds import Bound

CONFIDENCE_OF_A_FAILURE = 0.99
"""The confidence that a verdict on growth requires. Five trials per side are the fewest that can reach it."""
_CONFIDENCE_OF_A_MEDIAN = 0.95
FEWEST_TO_FAIL = 5
"""The trials per side before a broken budget counts as certain, if the budgets file allows that many."""


class Proof(StrEnum):
    """What the trials prove about one budget."""

    KEPT = "kept"
    WITHIN_NOISE = "within noise"
    """Nothing shows that the budget is broken, but the trials differ too much to prove that it is kept."""
    OPEN = "open"
    """The budget seems to be broken, but the trials differ too much to be certain."""
    CUT_OFF = "cut off"
    """The budget seems to be kept, but the limit hides how much larger the values could have been."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A proof, with the interval that it is based on."""

    proof: Proof
    low: int
    """The interval of the median (for a maximum) or of the growth (for a tolerance)."""
    high: int
    is_settled: bool
    """Whether further trials are not worthwhile."""


def against_maximum(values: Sequence[int], maximum: int) -> Evidence:
    """Return the evidence of whether the true median is above `maximum`, from the trials' `values`."""
    interval = median_interval(values, _CONFIDENCE_OF_A_MEDIAN)
    low, high = int(interval.low), int(interval.high)
    if high <= maximum:
        return Evidence(Proof.KEPT, low, high, is_settled=True)
    if low > maximum:
        return Evidence(Proof.BROKEN, low, high, is_settled=len(values) >= FEWEST_TO_FAIL)
    answer = Proof.OPEN if interval.estimate > maximum else Proof.WITHIN_NOISE
    return Evidence(answer, low, high, is_settled=False)


def _is_a_look(count: int) -> bool:
    """Return whether a failure may end the trials now.

    That is after 5, 10, 20, ... trials, because every additional look is another chance for a false alarm.
    """
    return count % FEWEST_TO_FAIL == 0 and (count // FEWEST_TO_FAIL).bit_count() == 1


def against_tolerance(before: Sequence[int], after: Sequence[int], tolerated: int) -> Evidence:
    """Return the evidence of whether `after` grew by more than `tolerated` compared with `before`.

    Growth that may be none is noise, however large it looks by the medians. If the growth is certain but may be within
    the tolerance, the answer is open.
    """
    interval = shift_interval(before, after, CONFIDENCE_OF_A_FAILURE)
    low, high = int(interval.low), int(interval.high)
    is_certain = interval.confidence >= CONFIDENCE_OF_A_FAILURE
    # Too few trials for certainty still count if they differ by less than the tolerance.
    if high <= tolerated and (is_certain or high - low <= tolerated):
        return Evidence(Proof.KEPT, low, high, is_settled=True)
    if low > tolerated:
        return Evidence(Proof.BROKEN, low, high, is_settled=is_certain and _is_a_look(min(len(before), len(after))))
    is_open = low > 0 and interval.estimate > tolerated
    return Evidence(Proof.OPEN if is_open else Proof.WITHIN_NOISE, low, high, is_settled=False)


_UNBOUNDED = 2**62
"""Stands for the true value of a peak that the limit cut off. It exceeds any tolerance."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The values of one metric, one per trial. Noise is estimated from their spread.

    Empty if there is no noise to estimate, because the value is exact or is not the median of the trials.
    """

    base: tuple[int, ...] = ()
    head: tuple[int, ...] = ()
    head_worst: tuple[int, ...] = ()
    """The worst that each of the head's values may have been. It is worse than the value if a spike was missed."""
    head_unread: int = 0
    """The number of the head's trials without a value."""
    reached_limit: tuple[bool, ...] = ()
    """For each of the head's trials, whether it reached its limit. Empty if a limit does not affect the metric."""
    cut_off: tuple[bool, ...] = ()
    """For each of the head's trials, whether the limit cut off the value, so that it is a lower bound."""


NO_SAMPLES = Samples()


@dataclass(frozen=True, slots=True)
class TrialsOver:
    """The trials of the head that broke a maximum or a minimum."""

    count: int
    of: int
    worst: int
    """The largest value of a trial, in the metric's unit. The smallest if more is better."""
    level: int
    """The lowest maximum that the budget sets, or its minimum."""


@dataclass(frozen=True, slots=True)
class TrialsAtLimit:
    """The trials of the head that reached their limit, so that a process was killed or memory was reclaimed."""

    count: int
    of: int


def trials_over(samples: Samples, bound: Bound | None) -> TrialsOver | None:
    """Return the trials that break `bound`. None if there are none, or if the metric has no samples."""
    if bound is None:
        return None
    broken = [value for value in samples.head if bound.worse_by(value) > 0]
    return TrialsOver(len(broken), len(samples.head), max(broken, key=bound.worse_by), bound.level) if broken else None


def against_bound(values: Sequence[int], bound: Bound, *, every: bool = False) -> Evidence:
    """Return the evidence of whether the median, or any of `values`, breaks a bound that does not depend on the base.

    A minimum is the maximum of the negated values.
    """
    sign = bound.kind.better.sign
    against = against_every if every else against_maximum
    found = against([sign * value for value in values], sign * bound.level)
    return found if sign > 0 else replace(found, low=-found.high, high=-found.low)


def against_change(before: Sequence[int], after: Sequence[int], tolerated: int, better: Better) -> Evidence:
    """Return the evidence of whether `after` is worse than `before` by more than `tolerated`.

    Its interval is that of the worsening: of the growth, or of the drop if more is better.
    """
    sign = better.sign
    return against_tolerance([sign * value for value in before], [sign * value for value in after], tolerated)


def trials_at_limit(samples: Samples) -> TrialsAtLimit | None:
    """Return the trials that reached their limit.

    None if there are none, or if the limit does not affect the metric.
    """
    count = sum(samples.reached_limit)
    return TrialsAtLimit(count, len(samples.reached_limit)) if count else None


def against_every(values: Sequence[int], maximum: int) -> Evidence:
    """Return the evidence of whether any of `values` is above `maximum`. Once one is, no more trials are needed."""
    answer = Proof.BROKEN if max(values) > maximum else Proof.KEPT
    return Evidence(answer, min(values), max(values), is_settled=True)


def is_hidden_by_limit(before: int, samples: Samples, tolerated: int) -> bool:
    """Return whether the limit may have cut off a growth that was not seen.

    A value that was cut off may have been arbitrarily large. It hides nothing if the answer is the same even then.
    """
    if not any(samples.cut_off):
        return False
    after = [_UNBOUNDED if cut else value for value, cut in zip(samples.head, samples.cut_off, strict=True)]
    return against_tolerance(samples.base or (before,), after, tolerated).proof is not Proof.KEPT
