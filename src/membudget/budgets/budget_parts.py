"""The parts of a budget, each as a number that is larger if more is allowed."""

from collections.abc import Callable, Iterable, Iterator

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.definition import Better, Unit
from membudget.core.metric_words import format_value
from membudget.core.metrics import Metric
from membudget.core.quantities import format_percent

Part = Callable[[Metric, EffectiveBudget], tuple[float, str] | None]
"""Returns what a budget allows in one respect, as a number to compare and as text. None means anything."""


def _most(name: Callable[[EffectiveBudget], int | None]) -> Part:
    def part(metric: Metric, budget: EffectiveBudget) -> tuple[float, str] | None:
        value = name(budget)
        return (value, format_value(metric, value)) if value is not None else None

    return part


def _least(name: Callable[[EffectiveBudget], int | None]) -> Part:
    """Return the part of a budget that allows more the smaller it is."""

    def part(metric: Metric, budget: EffectiveBudget) -> tuple[float, str] | None:
        value = name(budget)
        return (-value, format_value(metric, value)) if value is not None else None

    return part


def _percent(tolerance: Callable[[EffectiveBudget], Tolerance | None]) -> Part:
    def part(_: Metric, budget: EffectiveBudget) -> tuple[float, str] | None:
        allowed = tolerance(budget)
        return (allowed.percent, format_percent(allowed.percent)) if allowed is not None else None

    return part


def _floor(tolerance: Callable[[EffectiveBudget], Tolerance | None]) -> Part:
    return _most(lambda budget: allowed.floor if (allowed := tolerance(budget)) is not None else None)


def every_part(_: Metric, budget: EffectiveBudget) -> tuple[float, str]:
    """Return whether every trial has to keep the budget."""
    return (0.0, "true") if budget.every else (1.0, "false")


def _on(_: Metric, budget: EffectiveBudget) -> tuple[float, str] | None:
    if budget.creep is None:
        return None
    return (1.0, "warn") if budget.creep.warns else (0.0, "fail")


_PARTS: Iterable[tuple[str, Part]] = (
    ("max", _most(lambda budget: budget.max)),
    ("min", _least(lambda budget: budget.min)),
    ("every", every_part),
    ("growth.percent", _percent(lambda budget: budget.tolerance)),
    ("growth.floor", _floor(lambda budget: budget.tolerance)),
    ("headroom", _most(lambda budget: budget.below_limit)),
    ("creep.percent", _percent(lambda budget: budget.creep.tolerance if budget.creep is not None else None)),
    ("creep.floor", _floor(lambda budget: budget.creep.tolerance if budget.creep is not None else None)),
    ("creep.on", _on),
    ("warn.max", _most(lambda budget: budget.warn.max)),
    ("warn.min", _least(lambda budget: budget.warn.min)),
    ("warn.growth.percent", _percent(lambda budget: budget.warn.tolerance)),
    ("warn.growth.floor", _floor(lambda budget: budget.warn.tolerance)),
)


def parts_of(metric: Metric) -> Iterator[tuple[str, Part]]:
    """Yield the parts of a budget with their keys in the budgets file."""
    for key, part in _PARTS:
        if metric.definition.better is Better.MORE:
            yield key.replace("growth", "drop"), part
        elif metric.definition.unit is not Unit.COUNT:
            yield key, part
        elif not key.endswith("growth.percent"):
            yield key.replace("growth.floor", "growth"), part  # the budgets file has a single number: `growth = 2`
