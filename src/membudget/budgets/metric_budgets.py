"""The budgets of an image and of a phase as `budgets.toml` writes them: a table for each metric."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BeforeValidator, Field, create_model, model_validator

from membudget.budgets.budget_tables import (
    CountBudget,
    DurationBudget,
    LatencyBudget,
    LayersBudget,
    OrOff,
    RateBudget,
    SizeBudget,
    as_table,
)
from membudget.budgets.creep import CreepingDuration, CreepingLatency, CreepingSize
from membudget.budgets.fields import FileModel, SizeBytes, not_allowed
from membudget.core.definition import BudgetKind
from membudget.core.metrics import Metric

Budget = SizeBudget | CountBudget | LayersBudget | DurationBudget | LatencyBudget | RateBudget

OfSize = Annotated[SizeBudget, OrOff(dict.fromkeys(SizeBudget.model_fields))]
OfCreepingSize = Annotated[CreepingSize, OrOff(dict.fromkeys(CreepingSize.model_fields))]
OfCount = Annotated[CountBudget, OrOff(dict.fromkeys(CountBudget.model_fields))]
OfLayers = Annotated[LayersBudget, OrOff(dict.fromkeys(LayersBudget.model_fields))]
OfDuration = Annotated[CreepingDuration, OrOff(dict.fromkeys(CreepingDuration.model_fields))]
OfLatency = Annotated[CreepingLatency, OrOff(dict.fromkeys(CreepingLatency.model_fields))]
OfRate = Annotated[RateBudget, OrOff(dict.fromkeys(RateBudget.model_fields))]
UnitCost = Annotated[
    CreepingSize,
    BeforeValidator(as_table, json_schema_input_type=SizeBytes | CreepingSize),
    OrOff(dict.fromkeys(CreepingSize.model_fields)),
]
"""Written "64KiB", or as a table."""


_MODELS: dict[BudgetKind, type[Budget]] = {
    BudgetKind.SIZE: CreepingSize,
    BudgetKind.COUNT: CountBudget,
    BudgetKind.LAYERS: LayersBudget,
    BudgetKind.DURATION: CreepingDuration,
    BudgetKind.LATENCY: CreepingLatency,
    BudgetKind.RATE: RateBudget,
    BudgetKind.UNIT_COST: CreepingSize,
}
_WRITTEN: dict[BudgetKind, object] = {
    BudgetKind.SIZE: OfCreepingSize,
    BudgetKind.COUNT: OfCount,
    BudgetKind.LAYERS: OfLayers,
    BudgetKind.DURATION: OfDuration,
    BudgetKind.LATENCY: OfLatency,
    BudgetKind.RATE: OfRate,
    BudgetKind.UNIT_COST: UnitCost,
}


class _ByMetric(FileModel):
    """The base of `MetricBudgets`, which has a field for each metric."""

    def of(self, metric: Metric) -> Budget:
        """Return the budget of `metric`. It is empty if none is set."""
        budget: Budget = getattr(self, metric.value)
        return budget

    def over(self, defaults: "MetricBudgets") -> "MetricBudgets":
        """Return these budgets, with `defaults` for each key that they do not set."""
        merged = {metric.value: _over(self.of(metric), defaults.of(metric)) for metric in Metric}
        return MetricBudgets.model_construct(None, **merged)


if TYPE_CHECKING:

    class MetricBudgets(_ByMetric):
        """For the type checker: budgets are read by `of`."""

else:

    def _field(metric: Metric) -> tuple[object, object]:
        definition = metric.definition
        kind = definition.budget_kind
        return _WRITTEN[kind], Field(default=_MODELS[kind](), description=definition.key_words)

    MetricBudgets = create_model(
        "MetricBudgets",
        __base__=_ByMetric,
        __module__=__name__,
        __doc__="The budgets of an image, by metric. A metric without a budget is only reported."
        ' "null" removes a budget.',
        **{metric.value: _field(metric) for metric in Metric},
    )


class PhaseBudgets(FileModel):
    """One phase: its budgets, and whether it counts for the whole trial."""

    judged: bool = True
    """Whether the phase's peaks count for the whole trial. Use false for a warm-up. OOM kills always count."""
    peak_rss: SizeBudget = SizeBudget()
    """Largest anonymous plus shared memory of the phase."""
    peak_memory: SizeBudget = SizeBudget()
    """The kernel's high-water mark of the phase, page cache included."""

    @property
    def by_metric(self) -> dict[Metric, SizeBudget]:
        """The budgets by metric. They are empty if none is set."""
        return {Metric.PEAK_RSS: self.peak_rss, Metric.PEAK_MEMORY: self.peak_memory}

    @model_validator(mode="after")
    def _no_budget_of_what_is_not_judged(self) -> Self:
        if not self.judged and self.model_fields_set - {"judged"}:
            raise not_allowed("true for a phase with budgets of its own")
        return self


NO_OOM_KILLS = MetricBudgets.model_validate({Metric.OOM_KILLS.value: CountBudget(max=0)})


def _over(budget: Budget, default: Budget) -> Budget:
    """Return `budget`, with the keys of `default` that it does not set."""
    return default.model_copy(update=set_keys(budget)) if budget.model_fields_set else default


def set_keys(table: FileModel) -> dict[str, object]:
    """Return the keys that a table sets itself, without defaults."""
    return {key: getattr(table, key) for key in table.model_fields_set}
