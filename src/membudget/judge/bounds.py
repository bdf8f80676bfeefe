"""The parts of a budget as bounds: the worst value that each allows, with its name in the budgets file.

Everything that shows a budget or what exceeds it takes the figures from here, so that all outputs agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.definition import Better
from membudget.core.metrics import Metric


class BoundKind(StrEnum):
    """The part of a budget that sets a bound. The value is its key in the budgets file."""

    MAX = "max"
    HEADROOM = "headroom"
    """The limit minus the required headroom."""
    GROWTH = "growth"
    """The base's value plus the tolerated growth."""
    WARN_MAX = "warn.max"
    WARN_GROWTH = "warn.growth"
    MIN = "min"
    DROP = "drop"
    """The base's value minus the tolerated drop."""
    WARN_MIN = "warn.min"
    WARN_DROP = "warn.drop"
    CREEP = "creep"
    """The value of a release or a date plus the growth that is tolerated since then."""

    @property
    def is_growth(self) -> bool:
        """Whether the bound depends on the base."""
        return self in (BoundKind.GROWTH, BoundKind.WARN_GROWTH, BoundKind.DROP, BoundKind.WARN_DROP, BoundKind.CREEP)

    @property
    def better(self) -> Better:
        """Which values are better: a value breaks the bound from the other side."""
        return Better.MORE if self in _LOWER else Better.LESS


_LOWER = frozenset({BoundKind.MIN, BoundKind.DROP, BoundKind.WARN_MIN, BoundKind.WARN_DROP})


@dataclass(frozen=True, slots=True)
class Bound:
    """The worst value that one part of a budget allows, in the metric's unit."""

    kind: BoundKind
    level: int
    """The largest allowed value, or the smallest if more is better."""

    def worse_by(self, value: int) -> int:
        """Return by how much a value is worse than the bound. Negative if the value is better."""
        return self.kind.better.sign * (value - self.level)


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A bound that is certainly exceeded, or a lower one that is certainly not reached."""

    bound: Bound
    value: int
    """The value that breaks it: the median, or the worst trial if every trial has to keep the budget."""

    @property
    def excess(self) -> int:
        """By how much the value exceeds the bound."""
        return self.bound.worse_by(self.value)


def tolerated_growth(before: int, tolerance: Tolerance) -> int:
    """Return the largest tolerated growth or drop. The larger part of the tolerance counts."""
    return max(int(before * tolerance.percent / 100), tolerance.floor)


def fixed_bounds(budget: EffectiveBudget) -> tuple[Bound, ...]:
    """Return the bounds that do not depend on the base, the most usual first."""
    levels = ((BoundKind.MAX, budget.max), (BoundKind.HEADROOM, budget.below_limit), (BoundKind.MIN, budget.min))
    return tuple(Bound(kind, level) for kind, level in levels if level is not None)


def bounds(metric: Metric, budget: EffectiveBudget, before: int | None) -> tuple[Bound, ...]:
    """Return all bounds that can fail the check. `before` is the base's value, None if there is none."""
    kind = BoundKind.GROWTH if metric.definition.better is Better.LESS else BoundKind.DROP
    return (*fixed_bounds(budget), *_since_base(kind, budget.tolerance, before))


def warning_bounds(metric: Metric, budget: EffectiveBudget, before: int | None) -> tuple[Bound, ...]:
    """Return the bounds that cause a warning."""
    levels = ((BoundKind.WARN_MAX, budget.warn.max), (BoundKind.WARN_MIN, budget.warn.min))
    fixed = tuple(Bound(kind, level) for kind, level in levels if level is not None)
    kind = BoundKind.WARN_GROWTH if metric.definition.better is Better.LESS else BoundKind.WARN_DROP
    return (*fixed, *_since_base(kind, budget.warn.tolerance, before))


def tightest(bounds: Iterable[Bound]) -> Bound | None:
    """Return the bound that allows least. None if there are none. All are about one metric."""
    return min(bounds, key=lambda bound: bound.kind.better.sign * bound.level, default=None)


def _since_base(kind: BoundKind, tolerance: Tolerance | None, before: int | None) -> tuple[Bound, ...]:
    if tolerance is None or before is None:
        return ()
    tolerated = tolerated_growth(before, tolerance)
    return (Bound(kind, before + tolerated if kind.better is Better.LESS else max(0, before - tolerated)),)
