"""The budgets of metrics as `budgets.toml` writes them: a maximum, growth over base, headroom, warning levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from membudget.budgets.fields import (
    LARGEST_SIZE_BYTES,
    DurationMs,
    FileModel,
    Percent,
    SizeBytes,
    not_allowed,
)
from membudget.core import quantities
from membudget.core.definition import BudgetKind
from membudget.core.metrics import Metric

SWITCHED_OFF = "null"
"""TOML has no null. This text turns off a key that a default sets."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _OrOff:
    """A value that may also be "null", which stands for `meaning`."""

    meaning: Mapping[str, None] | None = None

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._switch, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        written = handler(schema)
        choices = [choice for choice in written.pop("anyOf", [written]) if choice != {"type": "null"}]
        return {"anyOf": [*choices, {"const": SWITCHED_OFF}]}

    def _switch(self, value: object) -> object:
        return self.meaning if value == SWITCHED_OFF else value


Switchable = Annotated[T | None, _OrOff()]
"""Absent, or "null"."""


class SizeGrowth(FileModel):
    """The tolerated growth over base. Growth counts only if it exceeds both parts."""

    percent: Percent
    """Growth over base in percent."""
    floor: SizeBytes
    """Growth in bytes that is always tolerated."""


class DurationGrowth(FileModel):
    """The tolerated growth of a time over base. Growth counts only if it exceeds both parts."""

    percent: Percent
    """Growth over base in percent."""
    floor: DurationMs
    """Growth in time that is always tolerated."""


class Headroom(FileModel):
    """A distance to the limit."""

    percent: Percent | None = None
    """A percentage of the limit."""
    size: SizeBytes | None = None

    def of(self, limit_bytes: int) -> int:
        """Return the distance in bytes for a limit."""
        return self.size if self.size is not None else int(limit_bytes * (self.percent or 0.0) / 100)


def _headroom(value: object) -> object:
    text = value if isinstance(value, str) else None
    if text is None:
        raise not_allowed(_HEADROOM_HINT)
    try:
        if text.rstrip().endswith("%"):
            percent = quantities.parse_percent(text)
            if percent < 100:
                return {"percent": percent}
        elif quantities.parse_size(text) <= LARGEST_SIZE_BYTES:
            return {"size": text}
    except ValueError:
        pass
    raise not_allowed(_HEADROOM_HINT)


_HEADROOM_HINT = 'a share of the limit below 100%, like "20%", or a size, like "32MiB"'

WantedHeadroom = Annotated[
    Headroom,
    BeforeValidator(_headroom),
    WithJsonSchema({"type": "string", "examples": ["20%", "32MiB"]}),
]
"""Written "20%" (of the limit) or "32MiB"."""


class SizeWarning(FileModel):
    """The warning levels of a metric in bytes."""

    max: SizeBytes | None = None
    """A larger value gives a warning."""
    growth: SizeGrowth | None = None
    """More growth over base gives a warning."""


class DurationWarning(FileModel):
    """The warning levels of a metric in time."""

    max: DurationMs | None = None
    """A longer time gives a warning."""
    growth: DurationGrowth | None = None
    """More growth over base gives a warning."""


def _as_table(value: object) -> object:
    """Return a string as a table with that maximum."""
    return {"max": value} if isinstance(value, str) else value


class SizeBudget(FileModel):
    """A budget for a metric in bytes. "null" turns off a key that a default sets."""

    max: Switchable[SizeBytes] = None
    """The largest allowed value."""
    growth: Switchable[SizeGrowth] = None
    """The tolerated growth over base."""
    headroom: Switchable[WantedHeadroom] = None
    """How far the value must stay below the limit: "20%" of the limit, or "32MiB"."""
    every: Switchable[Annotated[bool, Field(strict=True)]] = None
    """Whether every trial must keep the maximum and the headroom. Otherwise the median must, and a trial that exceeds
    them gives a warning."""
    warn: Switchable[
        Annotated[SizeWarning, BeforeValidator(_as_table, json_schema_input_type=SizeBytes | SizeWarning)]
    ] = None
    """The warning level: a size, or a table with `max` and `growth`."""


class CountBudget(FileModel):
    """A budget for a count. "null" turns off a key that a default sets."""

    max: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """The largest allowed value."""
    warn: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """A larger value gives a warning."""


class LayersBudget(FileModel):
    """A budget for a number of layers. "null" turns off a key that a default sets."""

    max: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """The largest allowed value."""
    growth: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """How many more layers than base are allowed."""
    warn: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """A larger value gives a warning."""


class DurationBudget(FileModel):
    """A budget for a metric in time. "null" turns off a key that a default sets."""

    max: Switchable[DurationMs] = None
    """The largest allowed value."""
    growth: Switchable[DurationGrowth] = None
    """The tolerated growth over base."""
    every: Switchable[Annotated[bool, Field(strict=True)]] = None
    """Whether every trial must keep the maximum. Otherwise the median must, and a trial that exceeds it gives a
    warning."""
    warn: Switchable[
        Annotated[DurationWarning, BeforeValidator(_as_table, json_schema_input_type=DurationMs | DurationWarning)]
    ] = None
    """The warning level: a time, or a table with `max` and `growth`."""


Budget = SizeBudget | CountBudget | LayersBudget | DurationBudget

OfSize = Annotated[SizeBudget, _OrOff(dict.fromkeys(SizeBudget.model_fields))]
OfCount = Annotated[CountBudget, _OrOff(dict.fromkeys(CountBudget.model_fields))]
OfLayers = Annotated[LayersBudget, _OrOff(dict.fromkeys(LayersBudget.model_fields))]
OfDuration = Annotated[DurationBudget, _OrOff(dict.fromkeys(DurationBudget.model_fields))]
UnitCost = Annotated[
    SizeBudget,
    BeforeValidator(_as_table, json_schema_input_type=SizeBytes | SizeBudget),
    _OrOff(dict.fromkeys(SizeBudget.model_fields)),
]
"""Written "64KiB", or as a table."""


_MODELS: dict[BudgetKind, type[Budget]] = {
    BudgetKind.SIZE: SizeBudget,
    BudgetKind.COUNT: CountBudget,
    BudgetKind.LAYERS: LayersBudget,
    BudgetKind.DURATION: DurationBudget,
    BudgetKind.UNIT_COST: SizeBudget,
}
_WRITTEN: dict[BudgetKind, object] = {
    BudgetKind.SIZE: OfSize,
    BudgetKind.COUNT: OfCount,
    BudgetKind.LAYERS: OfLayers,
    BudgetKind.DURATION: OfDuration,
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
        merged = {metric.value: defaults.of(metric).model_copy(update=set_keys(self.of(metric))) for metric in Metric}
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


def set_keys(table: FileModel) -> dict[str, object]:
    """Return the keys that a table sets itself, without defaults."""
    return {key: getattr(table, key) for key in table.model_fields_set}
