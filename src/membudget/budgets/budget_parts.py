"""The parts of a budget, each as a number that is larger if more is allowed."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.definition import Better, Unit
from membudget.core.metric_words import format_value
from membudget.core.metrics import Metric
from membudget.core.quantities import format_percent

BudgetPart = Callable[[Metric, EffectiveBudget], tuple[float, str] | None]
"""Returns what a budget allows in one respect, as a number to compare and as text. None means anything."""


def _most(name: Callable[[EffectiveBudget], int | None]) -> BudgetPart:
    def part(metric: Metric, budget: EffectiveBudget) -> tuple[float, str] | None:
        value = name(budget)
        return (value, format_value(metric, value)) if value is not None else None

    return part


def _least(name: Callable[[EffectiveBudget], int | None]) -> BudgetPart:
    """Return the part of a budget that allows more the smaller it is."""

    def part(metric: Metric, budget: EffectiveBudget) -> tuple[float, str] | None:
        value = name(budget)
        return (-value, format_value(metric, value)) if value is not None else None

    return part


def _percent(tolerance: Callable[[EffectiveBudget], Tolerance | None]) -> BudgetPart:
    def part(_: Metric, budget: EffectiveBudget) -> tuple[float, str] | None:
        allowed = tolerance(budget)
        return (allowed.percent, format_percent(allowed.percent)) if allowed is not None else None

    return part


def _floor(tolerance: Callable[[EffectiveBudget], Tolerance | None]) -> BudgetPart:
    return _most(lambda budget: allowed.floor if (allowed := tolerance(budget)) is not None else None)


def every_part(_: Metric, budget: EffectiveBudget) -> tuple[float, str]:
    """Return whether every trial has to keep the budget."""
    return (0.0, "true") if budget.every else (1.0, "false")


def _on(_: Metric, budget: EffectiveBudget) -> tuple[float, str] | None:
    if budget.creep is None:
        return None
    return (1.0, "warn") if budget.creep.warns else (0.0, "fail")


class _Keys(NamedTuple):
    """The spellings of a key."""

    usual: str
    of_more: str
    """For a metric where more is better."""
    of_count: str | None
    """For counts. A single number says how much they may grow: `growth = 2`. None: they have no such key."""


def _same(key: str) -> _Keys:
    return _Keys(key, key, key)


_PARTS: Iterable[tuple[_Keys, BudgetPart]] = (
    (_same("max"), _most(lambda budget: budget.max)),
    (_same("min"), _least(lambda budget: budget.min)),
    (_same("every"), every_part),
    (_Keys("growth.percent", "drop.percent", None), _percent(lambda budget: budget.tolerance)),
    (_Keys("growth.floor", "drop.floor", "growth"), _floor(lambda budget: budget.tolerance)),
    (_same("headroom"), _most(lambda budget: budget.below_limit)),
    (_same("creep.percent"), _percent(lambda budget: budget.creep.tolerance if budget.creep is not None else None)),
    (_same("creep.floor"), _floor(lambda budget: budget.creep.tolerance if budget.creep is not None else None)),
    (_same("creep.on"), _on),
    (_same("warn.max"), _most(lambda budget: budget.warn.max)),
    (_same("warn.min"), _least(lambda budget: budget.warn.min)),
    (_Keys("warn.growth.percent", "warn.drop.percent", None), _percent(lambda budget: budget.warn.tolerance)),
    (_Keys("warn.growth.floor", "warn.drop.floor", "warn.growth"), _floor(lambda budget: budget.warn.tolerance)),
)


def parts_of(metric: Metric) -> Iterator[tuple[str, BudgetPart]]:
    """Yield the parts of a budget with their keys in the budgets file."""
    definition = metric.definition
    for keys, part in _PARTS:
        if definition.better is Better.MORE:
            yield keys.of_more, part
        elif definition.unit is not Unit.COUNT:
            yield keys.usual, part
        elif keys.of_count is not None:
            yield keys.of_count, part
