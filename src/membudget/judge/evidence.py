"""What trials prove about a budget: kept, broken, or not to be told from noise.

docs/measurements.md states how often each answer is wrong; `benchmarks/false_alarms.py` measures it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from membudget.core.intervals import median_interval, shift_interval

CONFIDENCE_OF_A_FAILURE = 0.99
"""No growth is called one on less: five trials a side are the fewest that can give it."""
_CONFIDENCE_OF_A_MEDIAN = 0.95
FEWEST_TO_FAIL = 5
"""Trials a side before a broken budget is taken for certain, where the file allows as many."""


class Proof(StrEnum):
    """What the trials say of one budget."""

    KEPT = "kept"
    WITHIN_NOISE = "within noise"
    """Nothing shows that it is broken, and the trials differ too much to show that it is kept."""
    OPEN = "open"
    """It looks broken, and the trials differ too much to be certain."""
    CUT_OFF = "cut off"
    """It looks kept, and the limit hides by how much it may be broken."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Evidence:
    """An answer, and the bounds it rests on."""

    proof: Proof
    low: int
    """Of the median where a maximum was asked about; of the growth where a tolerance was."""
    high: int
    is_settled: bool
    """Whether more trials are not worth their time."""


def against_maximum(values: Sequence[int], maximum: int) -> Evidence:
    """Whether the median of what `values` are trials of is above `maximum`."""
    interval = median_interval(values, _CONFIDENCE_OF_A_MEDIAN)
    low, high = int(interval.low), int(interval.high)
    if high <= maximum:
        return Evidence(Proof.KEPT, low, high, is_settled=True)
    if low > maximum:
        return Evidence(Proof.BROKEN, low, high, is_settled=len(values) >= FEWEST_TO_FAIL)
    answer = Proof.OPEN if interval.estimate > maximum else Proof.WITHIN_NOISE
    return Evidence(answer, low, high, is_settled=False)


def _is_a_look(count: int) -> bool:
    """Whether a failure may end the trials now: after 5, 10, 20, ..., for with each look chance has another try."""
    return count % FEWEST_TO_FAIL == 0 and (count // FEWEST_TO_FAIL).bit_count() == 1


def against_tolerance(before: Sequence[int], after: Sequence[int], tolerated: int) -> Evidence:
    """Whether what `after` are trials of grew by more than `tolerated` over what `before` are trials of.

    A growth that may be none is noise, however large the medians make it look; one that is certain, and only perhaps
    beyond the tolerance, leaves the answer open.
    """
    interval = shift_interval(before, after, CONFIDENCE_OF_A_FAILURE)
    low, high = int(interval.low), int(interval.high)
    is_certain = interval.confidence >= CONFIDENCE_OF_A_FAILURE
    # So few trials are believed where they differ by less than what is tolerated.
    if high <= tolerated and (is_certain or high - low <= tolerated):
        return Evidence(Proof.KEPT, low, high, is_settled=True)
    if low > tolerated:
        return Evidence(Proof.BROKEN, low, high, is_settled=is_certain and _is_a_look(min(len(before), len(after))))
    is_open = low > 0 and interval.estimate > tolerated
    return Evidence(Proof.OPEN if is_open else Proof.WITHIN_NOISE, low, high, is_settled=False)


_UNBOUNDED = 2**62
"""What a peak may have been that was cut off: beyond any tolerance."""


@dataclass(frozen=True, slots=True)
class Samples:
    """One metric's values, one per trial. The judgement estimates noise from their spread.

    Empty where there is no noise to estimate: the metric's value is exact, or is not the median of its trials.
    """

    base: tuple[int, ...] = ()
    head: tuple[int, ...] = ()
    head_at_most: tuple[int, ...] = ()
    """What each of the head's may have been at most: more than its value where a spike was missed."""
    head_unread: int = 0
    """How many of the head's trials have no value."""
    reached_limit: tuple[bool, ...] = ()
    """Whether each of the head's trials reached its limit; empty where a limit says nothing about the metric."""
    cut_off: tuple[bool, ...] = ()
    """Whether the limit cut each of the head's values off, so that it is a lower bound."""


NO_SAMPLES = Samples()


@dataclass(frozen=True, slots=True)
class TrialsOver:
    """Trials of the head that were over a maximum."""

    count: int
    of: int
    highest: int
    """The largest value of a trial, in the metric's unit."""
    maximum: int
    """The lowest of the maxima that the budget sets."""


@dataclass(frozen=True, slots=True)
class TrialsAtLimit:
    """Trials of the head that reached their limit: something was killed, or memory was taken back."""

    count: int
    of: int


def trials_over(samples: Samples, maximum: int | None) -> TrialsOver | None:
    """Those over `maximum`; None where there are none, or it is no matter of trials."""
    count = sum(value > maximum for value in samples.head) if maximum is not None else 0
    return TrialsOver(count, len(samples.head), max(samples.head), maximum) if count and maximum is not None else None


def trials_at_limit(samples: Samples) -> TrialsAtLimit | None:
    """Those that reached their limit; None where there are none, or the limit says nothing about the metric."""
    count = sum(samples.reached_limit)
    return TrialsAtLimit(count, len(samples.reached_limit)) if count else None


def against_every(values: tuple[int, ...], maximum: int) -> Evidence:
    """Whether any of `values` is above `maximum`. More trials are not needed to know that one was."""
    answer = Proof.BROKEN if max(values) > maximum else Proof.KEPT
    return Evidence(answer, min(values), max(values), is_settled=True)


def is_hidden_by_limit(before: int, samples: Samples, tolerated: int) -> bool:
    """Whether a growth that was not seen may have been cut off by the limit.

    A value that was cut off may have been anything above. It hides nothing where the interval holds all the same.
    """
    if not any(samples.cut_off):
        return False
    after = [_UNBOUNDED if cut else value for value, cut in zip(samples.head, samples.cut_off, strict=True)]
    return against_tolerance(samples.base or (before,), after, tolerated).proof is not Proof.KEPT
