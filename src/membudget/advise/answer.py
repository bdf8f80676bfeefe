"""What a search asks for, and what it answers."""

from dataclasses import dataclass
from enum import StrEnum

from membudget.advise.rung import Tried
from membudget.core.files import Stored
from membudget.judge.fitted import Cost, Stop

DEFAULT_CONFIRMATIONS = 10
_DOUBT = 0.05
"""One minus the confidence of 95 %."""


class Purpose(StrEnum):
    """Why a trial is run."""

    REFERENCE = "reference"
    """Without a limit, for comparison."""
    SEARCH = "search"
    CONFIRM = "confirm"
    ABOVE = "above"
    """At a limit above the answer. What sizes itself by the limit may fail there."""
    COMFORT = "comfort"


@dataclass(frozen=True, slots=True)
class Ask:
    """A trial that a search asks for."""

    limit_bytes: int | None
    purpose: Purpose
    number: int = 1
    """The number of the trial among those of the same purpose, from 1."""
    most: int = 1
    """The largest number of trials of this purpose that the search expects."""
    left: int = 0
    """How many trials are expected to follow."""


@dataclass(frozen=True, slots=True)
class Comfortable(Stored):
    """The smallest limit without a slowdown."""

    limit_bytes: int | None
    """None if no limit that was tried is comfortable, or if nothing tells."""
    trials: int = 0
    """How many trials passed there."""
    costs_below: tuple[Cost, ...] = ()
    """What the next smaller limit costs that was compared. Empty if the smallest limit is comfortable already."""
    is_clear: bool = True
    """Whether the costs are certain. If not, noise explains them as well."""
    hidden: tuple[Cost, ...] = ()
    """The figures in which noise may hide more than what is tolerated."""


@dataclass(frozen=True, slots=True)
class SmallestLimit(Stored):
    """The smallest limit that works."""

    survives_bytes: int
    confirmed: int
    """How many trials passed at this limit, one after another."""
    fails_at_bytes: int | None
    """The largest limit below it that did not work. None if none was tried or needed."""
    is_smallest_possible: bool = False
    """Whether it is the smallest limit that a container can be given. Then the workload may need less."""
    sizes_itself: bool = False
    """Whether the workload used less memory than without a limit, so that its use depends on the limit."""
    is_monotone: bool = True
    """Whether every limit above a limit that works worked as well."""
    comfortable: Comfortable | None = None
    """None if that was not asked."""


@dataclass(frozen=True, slots=True)
class Stopped(Stored):
    """Why there is no answer, with the trial that shows it."""

    why: Stop
    trial: Tried
    passes_at_bytes: int | None = None
    """A lower limit at which the workload passes, if that is why memory cannot be the reason."""


Result = SmallestLimit | Stopped


def ruled_out_rate(passes: int) -> float:
    """Return the failure rate that `passes` passes of as many trials rule out with 95 % confidence.

    If each trial failed with a probability of p, all would pass with one of (1 - p)^n. For rates above 1 - 0.05^(1/n),
    that is less than 5 %. 10 passes rule out 26 %, 30 rule out 9.5 %, 59 rule out 5 %. Raises ValueError below 1.
    """
    if passes < 1:
        raise ValueError("no passes prove nothing")
    return float(1 - _DOUBT ** (1 / passes))
