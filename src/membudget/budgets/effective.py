"""The budgets an image is judged by: plain numbers, whatever file or default they came from."""

from dataclasses import dataclass

from membudget.budgets.budget import Budget, ImageSpec, SizeBudget
from membudget.metrics import Metric


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Growth allowed over base: both parts must be exceeded to count."""

    __pydantic_config__ = {"extra": "forbid"}

    percent: float
    floor_bytes: int


@dataclass(frozen=True, slots=True)
class EffectiveBudget:
    """What one metric of one image may be. Both None: the metric is reported, not judged."""

    __pydantic_config__ = {"extra": "forbid"}

    max: int | None = None
    """In the metric's unit."""
    tolerance: Tolerance | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is anything to judge by."""
        return self.max is not None or self.tolerance is not None


NO_BUDGET = EffectiveBudget()


def effective_budgets(image: ImageSpec) -> dict[Metric, EffectiveBudget]:
    """The budgets of an image whose defaults are applied."""
    return {metric: _effective(image.budgets.of(metric)) for metric in Metric}


def effective_phase_budgets(image: ImageSpec) -> dict[str, dict[Metric, EffectiveBudget]]:
    """The budgets of its phases, by name."""
    return {
        name: {
            Metric.PEAK_RSS: _effective(budgets.peak_rss),
            Metric.PEAK_MEMORY: _effective(budgets.peak_memory),
        }
        for name, budgets in image.phases.items()
    }


def _effective(budget: Budget) -> EffectiveBudget:
    if not isinstance(budget, SizeBudget) or budget.growth is None:
        return EffectiveBudget(budget.max)
    return EffectiveBudget(budget.max, Tolerance(budget.growth.percent, budget.growth.floor))
