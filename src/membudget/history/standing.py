"""How the newest figure of a metric stands to its budget."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from membudget.core.metrics import Metric
from membudget.history.line import HistoryLine

NEAR_PERCENT = 10
"""A figure that is at most this far from its budget is near it, in percent of the budget."""


class Standing(StrEnum):
    """How a figure stands to its budget."""

    FINE = "fine"
    NEAR = "near"
    OVER = "over"
    """It breaks its budget. If more is better, it is below its minimum."""
    NO_BUDGET = "no-budget"
    UNKNOWN = "unknown"
    """There is no figure."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest figure of a metric of an image."""

    metric: Metric
    value: int | None
    """In the metric's unit. None if the history has none."""
    budget: int | None
    """The strictest budget when it was measured. None if there was none."""
    is_lower_bound: bool = False
    """Whether the true value may be higher."""

    @classmethod
    def of(cls, metric: Metric, line: HistoryLine | None) -> Self:
        """Return the figure of a line of the history."""
        if line is None:
            return cls(metric, None, None)
        return cls(metric, line.value, line.budget, line.lower_bound)

    @property
    def standing(self) -> Standing:
        """How it stands to its budget."""
        if self.value is None:
            return Standing.UNKNOWN
        if self.budget is None:
            return Standing.NO_BUDGET
        room = (self.budget - self.value) * self.metric.definition.better.sign
        if room < 0:
            return Standing.OVER
        return Standing.NEAR if 100 * room <= NEAR_PERCENT * abs(self.budget) and self.budget else Standing.FINE
