"""The parts of a budget as bounds: the largest value that each allows, with its name in the budgets file.

Everything that shows a budget or what exceeds it takes the figures from here, so that all outputs agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from membudget.budgets.rules import EffectiveBudget, Tolerance


class BoundKind(StrEnum):
    """The part of a budget that sets a bound. The value is its key in the budgets file."""

    MAX = "max"
    HEADROOM = "headroom"
    """The limit minus the required headroom."""
    GROWTH = "growth"
    """The base's value plus the tolerated growth."""
    WARN_MAX = "warn.max"
    WARN_GROWTH = "warn.growth"

    @property
    def is_growth(self) -> bool:
        """Whether the bound depends on the base."""
        return self in (BoundKind.GROWTH, BoundKind.WARN_GROWTH)


@dataclass(frozen=True, slots=True)
class Bound:
    """The largest value that one part of a budget allows, in the metric's unit."""

    kind: BoundKind
    most: int


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A bound that is certainly exceeded."""

    bound: Bound
    value: int
    """The value that exceeds it: the median, or the highest trial if every trial has to keep the budget."""

    @property
    def excess(self) -> int:
        """By how much the value exceeds the bound."""
        return self.value - self.bound.most


def tolerated_growth(before: int, tolerance: Tolerance) -> int:
    """Return the largest tolerated growth. The larger part of the tolerance counts."""
    return max(int(before * tolerance.percent / 100), tolerance.floor)


def maximums(budget: EffectiveBudget) -> tuple[Bound, ...]:
    """Return the bounds that do not depend on the base, the most usual first."""
    levels = ((BoundKind.MAX, budget.max), (BoundKind.HEADROOM, budget.below_limit))
    return tuple(Bound(kind, most) for kind, most in levels if most is not None)


def bounds(budget: EffectiveBudget, before: int | None) -> tuple[Bound, ...]:
    """Return all bounds that can fail the check. `before` is the base's value, None if there is none."""
    return (*maximums(budget), *_growth(BoundKind.GROWTH, budget.tolerance, before))


def warning_bounds(budget: EffectiveBudget, before: int | None) -> tuple[Bound, ...]:
    """Return the bounds that cause a warning."""
    most = budget.warn.max
    highest = (Bound(BoundKind.WARN_MAX, most),) if most is not None else ()
    return (*highest, *_growth(BoundKind.WARN_GROWTH, budget.warn.tolerance, before))


def tightest(bounds: Iterable[Bound]) -> Bound | None:
    """Return the bound that allows least. None if there are none."""
    return min(bounds, key=lambda bound: bound.most, default=None)


def _growth(kind: BoundKind, tolerance: Tolerance | None, before: int | None) -> tuple[Bound, ...]:
    if tolerance is None or before is None:
        return ()
    return (Bound(kind, before + tolerated_growth(before, tolerance)),)
