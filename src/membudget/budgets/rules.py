"""What images and groups are run and judged by: their specs, and their budgets in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.metric_budgets import Budget, CountBudget, DurationGrowth, LayersBudget, SizeBudget, SizeGrowth
from membudget.core.metrics import Metric
from membudget.core.stored import Stored


@dataclass(frozen=True, slots=True)
class Tolerance(Stored):
    """Growth allowed over base: both parts must be exceeded to count."""

    percent: float
    floor: int
    """In the metric's unit."""


@dataclass(frozen=True, slots=True)
class WarnLevels(Stored):
    """From where on a metric is warned of. Both None: never."""

    max: int | None = None
    tolerance: Tolerance | None = None


@dataclass(frozen=True, slots=True)
class EffectiveBudget(Stored):
    """What one metric of one image may be. All None: the metric is reported, not judged."""

    max: int | None = None
    """In the metric's unit."""
    tolerance: Tolerance | None = None
    below_limit: int | None = None
    """The most that leaves the wanted headroom to the limit."""
    warn: WarnLevels = WarnLevels()
    every: bool = False
    """Whether every trial has to be within `max` and `below_limit`; else their median has."""

    @property
    def is_set(self) -> bool:
        """Whether there is anything to judge by."""
        return self != NO_BUDGET

    @property
    def growth_alone(self) -> "EffectiveBudget":
        """What of it is about the base."""
        return EffectiveBudget(tolerance=self.tolerance, warn=WarnLevels(tolerance=self.warn.tolerance))

    @property
    def maximum_alone(self) -> "EffectiveBudget":
        """What of it is about the head alone."""
        return replace(self, tolerance=None, warn=WarnLevels(self.warn.max))

    @property
    def ceiling(self) -> int | None:
        """The lower of the absolute maxima."""
        return min((most for most in (self.max, self.below_limit) if most is not None), default=None)


NO_BUDGET = EffectiveBudget()

MetricRules = dict[Metric, EffectiveBudget]


def effective_budgets(image: ImageSpec) -> MetricRules:
    """The budgets of an image whose defaults are applied."""
    return {metric: effective(image.budgets.of(metric), image.limit) for metric in Metric}


def effective_phase_budgets(image: ImageSpec) -> dict[str, MetricRules]:
    """The budgets of its phases, by name."""
    return {
        name: {metric: effective(budget, image.limit) for metric, budget in budgets.by_metric.items()}
        for name, budgets in image.phases.items()
    }


def effective_totals(totals: Mapping[Metric, SizeBudget]) -> MetricRules:
    """The budgets of the sums over a group of images."""
    return {metric: effective(budget, None) for metric, budget in totals.items()}


def effective(budget: Budget, limit_bytes: int | None) -> EffectiveBudget:
    """One budget in numbers; `limit_bytes` is what its headroom is measured to."""
    if isinstance(budget, CountBudget):
        return EffectiveBudget(budget.max, warn=WarnLevels(budget.warn))
    if isinstance(budget, LayersBudget):
        more = Tolerance(0.0, budget.growth) if budget.growth is not None else None
        return EffectiveBudget(budget.max, more, warn=WarnLevels(budget.warn))
    warn = WarnLevels(budget.warn.max, _tolerance(budget.warn.growth)) if budget.warn is not None else WarnLevels()
    below_limit = None
    if isinstance(budget, SizeBudget) and budget.headroom is not None and limit_bytes is not None:
        below_limit = max(0, limit_bytes - budget.headroom.of(limit_bytes))
    every = bool(budget.every) and (budget.max is not None or below_limit is not None)
    return EffectiveBudget(budget.max, _tolerance(budget.growth), below_limit, warn, every)


def _tolerance(growth: SizeGrowth | DurationGrowth | None) -> Tolerance | None:
    return Tolerance(growth.percent, growth.floor) if growth is not None else None


@dataclass(frozen=True, slots=True)
class ImageRules:
    """What one image is run and judged by."""

    spec: ImageSpec
    """How both sides are run, so that they can be compared: the head's, but for what counts from the base."""
    budgets: MetricRules
    phase_budgets: Mapping[str, MetricRules]
    settings_of_base: tuple[str, ...] = ()
    """Keys of what is measured, and files, that the head changes: both sides are compared with the base's."""
    own: ImageSpec | None = None
    """How the head is run by itself as well; None: as in `spec`."""
    own_counts: bool = False
    """Whether maximums hold for the head run by itself. Otherwise it is only shown, and all budgets hold for `spec`."""

    @property
    def judges_every_trial(self) -> bool:
        """Whether a single trial can break a budget."""
        return any(budget.every for rules in (self.budgets, *self.phase_budgets.values()) for budget in rules.values())


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What the sum of some images is judged by."""

    images: tuple[str, ...]
    budgets: MetricRules


def image_rules(spec: ImageSpec) -> ImageRules:
    """As its own file has them."""
    return ImageRules(spec, effective_budgets(spec), effective_phase_budgets(spec))


def group_rules(budgets: Budgets, name: str) -> GroupRules:
    """As its own file has them."""
    group = budgets.groups[name]
    return GroupRules(group.images or (), effective_totals(group.total.by_metric()))
