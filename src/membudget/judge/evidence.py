"""What trials prove about a budget: kept, broken, or not to be told from noise.

docs/measurements.md states how often each answer is wrong; `benchmarks/false_alarms.py` measures it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from membudget.judge.intervals import median_interval, shift_interval

CONFIDENCE_OF_A_FAILURE = 0.99
"""No growth is called one on less: five trials a side are the fewest that can give it."""
_CONFIDENCE_OF_A_MEDIAN = 0.95
FEWEST_TO_FAIL = 5
"""Trials a side before a broken budget is taken for certain, where the file allows as many."""


class Answer(StrEnum):
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

    answer: Answer
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
        return Evidence(Answer.KEPT, low, high, is_settled=True)
    if low > maximum:
        return Evidence(Answer.BROKEN, low, high, is_settled=len(values) >= FEWEST_TO_FAIL)
    answer = Answer.OPEN if interval.estimate > maximum else Answer.WITHIN_NOISE
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
        return Evidence(Answer.KEPT, low, high, is_settled=True)
    if low > tolerated:
        return Evidence(Answer.BROKEN, low, high, is_settled=is_certain and _is_a_look(min(len(before), len(after))))
    is_open = low > 0 and interval.estimate > tolerated
    return Evidence(Answer.OPEN if is_open else Answer.WITHIN_NOISE, low, high, is_settled=False)
