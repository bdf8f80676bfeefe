"""In which order the trials of base and head run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """One trial to run."""

    side: T
    number: int
    """From 1; 0 is the warm-up, whose figures are discarded."""

    @property
    def is_warm_up(self) -> bool:
        """Whether it only fills the page cache."""
        return self.number == 0

    def label(self, least: int, most: int) -> str:
        """What to call it in a series of so many trials at least and at most."""
        if self.is_warm_up:
            return "warm-up"
        return f"trial {self.number}" + (f" of {most}" if least == most or self.number > least else "")


def interleaved(sides: Sequence[T], trials: int) -> Iterator[Turn[T]]:
    """A discarded warm-up of each side, then `trials` of each in turn, the order reversed every round (ABBA).

    Whatever drifts on the machine then drifts for both: page cache belongs to whoever touches it first, and the
    second of two sides finds it warm.
    """
    for side in sides:
        yield Turn(side, 0)
    for number in range(1, trials + 1):
        yield from (Turn(side, number) for side in (sides if number % 2 else reversed(sides)))
