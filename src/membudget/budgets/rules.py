"""The rules by which images and groups are run and judged: their specs, and their budgets in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from membudget.budgets.budget_tables import (
    CountBudget,
    DurationGrowth,
    LatencyGrowth,
    LayersBudget,
    RateBudget,
    RateDrop,
    SizeBudget,
    SizeGrowth,
)
from membudget.budgets.creep import (
    CreepingDuration,
    CreepingLatency,
    CreepingSize,
    DurationCreep,
    LatencyCreep,
    SizeCreep,
)
from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.fields import Since
from membudget.budgets.metric_budgets import Budget
from membudget.core.files import Stored
from membudget.core.metrics import Metric


@dataclass(frozen=True, slots=True)
class Tolerance(Stored):
    """The allowed growth over the base, or the allowed drop if more is better. It counts only beyond both parts."""

    percent: float
    floor: int
    """The smallest growth or drop that counts, in the metric's unit."""


@dataclass(frozen=True, slots=True)
class Creep(Stored):
    """The allowed growth since a release or a date."""

    since: Since
    """Where the growth starts, as in the budgets file."""
    tolerance: Tolerance
    warns: bool = False
    """Whether more growth gives a warning. Otherwise it fails."""


@dataclass(frozen=True, slots=True)
class WarnLevels(Stored):
    """The levels at which a metric causes a warning. If all are None, it never does."""

    max: int | None = None
    tolerance: Tolerance | None = None
    min: int | None = None


@dataclass(frozen=True, slots=True)
class EffectiveBudget(Stored):
    """The budget of one metric of one image. If all parts are None, the metric is reported but not judged."""

    max: int | None = None
    """The largest allowed value, in the metric's unit."""
    tolerance: Tolerance | None = None
    below_limit: int | None = None
    """The largest value that leaves the required headroom below the limit."""
    warn: WarnLevels = WarnLevels()
    every: bool = False
    """Whether every trial must keep `max`, `below_limit` and `min`. Otherwise, only their median must."""
    min: int | None = None
    """The smallest allowed value, in the metric's unit. For a metric where more is better."""
    creep: Creep | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is anything to judge by."""
        return self != NO_BUDGET

    @property
    def growth_alone(self) -> "EffectiveBudget":
        """The part of the budget that compares with the base."""
        return EffectiveBudget(tolerance=self.tolerance, warn=WarnLevels(tolerance=self.warn.tolerance))

    @property
    def maximum_alone(self) -> "EffectiveBudget":
        """The part of the budget that concerns only the head."""
        return replace(self, tolerance=None, warn=WarnLevels(self.warn.max, min=self.warn.min), creep=None)

    @property
    def without_creep(self) -> "EffectiveBudget":
        """The part of the budget that needs no history."""
        return replace(self, creep=None) if self.creep is not None else self


NO_BUDGET = EffectiveBudget()

MetricRules = dict[Metric, EffectiveBudget]


def effective_budgets(image: ImageSpec) -> MetricRules:
    """Return the budgets of an image whose defaults are applied."""
    return {metric: effective(image.budgets.of(metric), image.limit) for metric in Metric}


def effective_phase_budgets(image: ImageSpec) -> dict[str, MetricRules]:
    """Return the budgets of an image's phases, by name."""
    return {
        name: {metric: effective(budget, image.limit) for metric, budget in budgets.by_metric.items()}
        for name, budgets in image.phases.items()
    }


def effective_totals(totals: Mapping[Metric, SizeBudget]) -> MetricRules:
    """Return the budgets of the sums over a group of images."""
    return {metric: effective(budget, None) for metric, budget in totals.items()}


def effective(budget: Budget, limit_bytes: int | None) -> EffectiveBudget:
    """Return one budget in numbers. `limit_bytes` is the limit that its headroom refers to."""
    if isinstance(budget, CountBudget):
        return EffectiveBudget(budget.max, warn=WarnLevels(budget.warn))
    if isinstance(budget, RateBudget):
        low = budget.warn
        warn = WarnLevels(None, _tolerance(low.drop), low.min) if low is not None else WarnLevels()
        every = bool(budget.every) and budget.min is not None
        return EffectiveBudget(None, _tolerance(budget.drop), None, warn, every, budget.min)
    if isinstance(budget, LayersBudget):
        more = Tolerance(0.0, budget.growth) if budget.growth is not None else None
        return EffectiveBudget(budget.max, more, warn=WarnLevels(budget.warn))
    warn = WarnLevels(budget.warn.max, _tolerance(budget.warn.growth)) if budget.warn is not None else WarnLevels()
    below_limit = None
    if isinstance(budget, SizeBudget) and budget.headroom is not None and limit_bytes is not None:
        below_limit = max(0, limit_bytes - budget.headroom.of(limit_bytes))
    every = bool(budget.every) and (budget.max is not None or below_limit is not None)
    creep = budget.creep if isinstance(budget, CreepingSize | CreepingDuration | CreepingLatency) else None
    return EffectiveBudget(
        budget.max, _tolerance(budget.growth), below_limit, warn, every, creep=_creep(creep) if creep else None
    )


def _creep(creep: SizeCreep | DurationCreep | LatencyCreep) -> Creep:
    return Creep(creep.since, Tolerance(creep.percent, creep.floor), warns=creep.on == "warn")


def _tolerance(growth: SizeGrowth | DurationGrowth | LatencyGrowth | RateDrop | None) -> Tolerance | None:
    return Tolerance(growth.percent, growth.floor) if growth is not None else None


@dataclass(frozen=True, slots=True)
class ImageRules:
    """The rules by which one image is run and judged."""

    spec: ImageSpec
    """How both sides are run to be compared: the head's spec, with the settings that count from the base."""
    budgets: MetricRules
    phase_budgets: Mapping[str, MetricRules]
    settings_of_base: tuple[str, ...] = ()
    """Settings and files of the measurement that the head changes. The comparison uses the base's for both sides."""
    own: ImageSpec | None = None
    """How the head is run in addition, with its own settings. None if they are those of `spec`."""
    own_counts: bool = False
    """Whether maxima apply to the additional run of the head. If not, that run is only shown, and all budgets apply to
    `spec`.
    """

    @property
    def judges_every_trial(self) -> bool:
        """Whether a single trial can exceed a budget."""
        return any(budget.every for rules in (self.budgets, *self.phase_budgets.values()) for budget in rules.values())

    @property
    def judges_pace(self) -> bool:
        """Whether a budget depends on how fast the machine is."""
        return any(budget.is_set and metric.definition.depends_on_pace for metric, budget in self.budgets.items())

    @property
    def asks_live_heap(self) -> bool:
        """Whether a budget concerns what runtimes keep, so that they have to be asked."""
        return self.budgets.get(Metric.LIVE_HEAP, NO_BUDGET).is_set


@dataclass(frozen=True, slots=True)
class GroupRules:
    """The rules for the sum over some images."""

    images: tuple[str, ...]
    budgets: MetricRules


def image_rules(spec: ImageSpec) -> ImageRules:
    """Return the rules that the image's own file sets."""
    return ImageRules(spec, effective_budgets(spec), effective_phase_budgets(spec))


def group_rules(budgets: Budgets, name: str) -> GroupRules:
    """Return the rules that the group's own file sets."""
    group = budgets.groups[name]
    return GroupRules(group.images or (), effective_totals(group.total.by_metric()))
