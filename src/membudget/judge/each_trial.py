"""What single trials say that their median does not: over the maximum, and at the limit.

The median decides about a maximum, for a gate that flips is worse than none. A trial that is over is never left unsaid.
"""

from dataclasses import dataclass

from membudget.core.metrics import Metric, format_value
from membudget.judge.evidence import Answer, Evidence, against_tolerance

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

    def words(self, metric: Metric, name: str) -> str:
        """For people, after the metric's name."""
        many = "1 trial" if self.of == 1 else f"{self.of} trials"
        return f"was over {name} in {self.count} of {many}, at most {format_value(metric, self.highest)}"


@dataclass(frozen=True, slots=True)
class TrialsAtLimit:
    """Trials of the head that reached their limit: something was killed, or memory was taken back."""

    count: int
    of: int

    @property
    def words(self) -> str:
        """For people, after the metric's name."""
        return f"reached the limit in {self.count} of {'1 trial' if self.of == 1 else f'{self.of} trials'}"


def trials_over(samples: Samples, maximum: int | None) -> TrialsOver | None:
    """Those over `maximum`; None where there are none, or it is no matter of trials."""
    count = sum(value > maximum for value in samples.head) if maximum is not None else 0
    return TrialsOver(count, len(samples.head), max(samples.head), maximum) if count and maximum is not None else None


def trials_at_limit(samples: Samples) -> TrialsAtLimit | None:
    """Those that reached their limit; None where there are none, or the limit says nothing about the metric."""
    count = sum(samples.reached_limit)
    return TrialsAtLimit(count, len(samples.reached_limit)) if count else None


def doubt(metric: Metric, samples: Samples, maximum: int) -> str | None:
    """Why a missed spike leaves open whether each trial was within `maximum`; None where it does not."""
    over = [most for most in samples.head_at_most if most > maximum]
    if not over:
        return None
    most = format_value(metric, max(over))
    return f"{len(over)} of {len(samples.head)} trials may be up to {most}: a spike was missed"


def against_every(values: tuple[int, ...], maximum: int) -> Evidence:
    """Whether any of `values` is above `maximum`. More trials are not needed to know that one was."""
    answer = Answer.BROKEN if max(values) > maximum else Answer.KEPT
    return Evidence(answer, min(values), max(values), is_settled=True)


def is_hidden_by_limit(before: int, samples: Samples, tolerated: int) -> bool:
    """Whether a growth that was not seen may have been cut off by the limit.

    A value that was cut off may have been anything above. It hides nothing where the interval holds all the same.
    """
    if not any(samples.cut_off):
        return False
    after = [_UNBOUNDED if cut else value for value, cut in zip(samples.head, samples.cut_off, strict=True)]
    return against_tolerance(samples.base or (before,), after, tolerated).answer is not Answer.KEPT
