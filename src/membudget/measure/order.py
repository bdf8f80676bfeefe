"""In which order the trials of base and head run, and whether their warm-ups count."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from membudget.measure.trial import Outcome, Trial

T = TypeVar("T")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """One trial to run."""

    side: T
    number: int
    """From 1; 0 is the warm-up, whose figures are discarded unless a process is OOM-killed in it alone."""

    @property
    def is_warm_up(self) -> bool:
        """Whether it only fills the page cache."""
        return self.number == 0


def interleaved(sides: Sequence[T], trials: int) -> Iterator[Turn[T]]:
    """A discarded warm-up of each side, then `trials` of each in turn, the order reversed every round (ABBA).

    Whatever drifts on the machine then drifts for both: page cache belongs to whoever touches it first, and the
    second of two sides finds it warm.
    """
    for side in sides:
        yield Turn(side, 0)
    for number in range(1, trials + 1):
        yield from (Turn(side, number) for side in (sides if number % 2 else reversed(sides)))


def with_killed_warm_up(warm_up: Trial | None, trials: Sequence[Trial | Result]) -> list[Trial | Result]:
    """`trials`, and before them the warm-up where a process was OOM-killed in it and in none of them.

    Each deployment has a first run. A kill in it is as real as any other.
    """
    kills = any(isinstance(trial, Trial) and trial.outcome is Outcome.OOM_KILLED for trial in trials)
    if warm_up is None or warm_up.outcome is not Outcome.OOM_KILLED or kills:
        return list(trials)
    return [warm_up, *trials]
