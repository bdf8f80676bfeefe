"""The budgets of metrics as `budgets.toml` writes them: a maximum, growth over base, headroom, levels to warn from."""

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
"""TOML has no null: this text switches off what a default sets."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _OrOff:
    """Also written "null", which stands for `meaning`."""

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
    """Tolerance: growth allowed over base. Both parts must be exceeded to count."""

    percent: Percent
    """Growth over base in percent."""
    floor: SizeBytes
    """Growth in bytes below which no percentage matters."""


class DurationGrowth(FileModel):
    """Tolerance of a time: growth allowed over base. Both parts must be exceeded to count."""

    percent: Percent
    """Growth over base in percent."""
    floor: DurationMs
    """Growth in time below which no percentage matters."""


class Headroom(FileModel):
    """A distance to the limit."""

    percent: Percent | None = None
    """Of the limit."""
    size: SizeBytes | None = None

    def of(self, limit_bytes: int) -> int:
        """The distance in bytes, under a limit."""
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
    """From where on a metric in bytes is warned of."""

    max: SizeBytes | None = None
    """More than this warns."""
    growth: SizeGrowth | None = None
    """More growth over base than this warns."""


class DurationWarning(FileModel):
    """From where on a metric in time is warned of."""

    max: DurationMs | None = None
    """More than this warns."""
    growth: DurationGrowth | None = None
    """More growth over base than this warns."""


def _as_table(value: object) -> object:
    """A text alone is the maximum."""
    return {"max": value} if isinstance(value, str) else value


class SizeBudget(FileModel):
    """A budget for a metric in bytes. "null" switches off a key that a default sets."""

    max: Switchable[SizeBytes] = None
    """The most it may be."""
    growth: Switchable[SizeGrowth] = None
    """The most it may grow over base."""
    headroom: Switchable[WantedHeadroom] = None
    """How far it has to stay below the limit: "20%" of it, or "32MiB"."""
    every: Switchable[Annotated[bool, Field(strict=True)]] = None
    """Whether every trial has to be within the maximum and the headroom. Else the median has, and a trial that is over
    is a warning."""
    warn: Switchable[
        Annotated[SizeWarning, BeforeValidator(_as_table, json_schema_input_type=SizeBytes | SizeWarning)]
    ] = None
    """From where on it is warned of: a size, or a table with `max` and `growth`."""


class CountBudget(FileModel):
    """A budget for a metric that counts. "null" switches off a key that a default sets."""

    max: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """The most it may be."""
    warn: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """More than this warns."""


class LayersBudget(FileModel):
    """A budget for a number of layers. "null" switches off a key that a default sets."""

    max: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """The most it may be."""
    growth: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """How many more than base there may be."""
    warn: Switchable[Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = None
    """More than this warns."""


class DurationBudget(FileModel):
    """A budget for a metric in time. "null" switches off a key that a default sets."""

    max: Switchable[DurationMs] = None
    """The most it may be."""
    growth: Switchable[DurationGrowth] = None
    """The most it may grow over base."""
    every: Switchable[Annotated[bool, Field(strict=True)]] = None
    """Whether every trial has to be within the maximum. Else the median has, and a trial that is over is a warning."""
    warn: Switchable[
        Annotated[DurationWarning, BeforeValidator(_as_table, json_schema_input_type=DurationMs | DurationWarning)]
    ] = None
    """From where on it is warned of: a time, or a table with `max` and `growth`."""


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
    """Has a field for each metric, named like it, once `MetricBudgets` is made of it."""

    def of(self, metric: Metric) -> Budget:
        """The budget of `metric`; an empty one where none is set."""
        budget: Budget = getattr(self, metric.value)
        return budget

    def over(self, defaults: "MetricBudgets") -> "MetricBudgets":
        """These budgets, with `defaults` for each key that is not set here."""
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
        __doc__='The budgets of an image, by metric. A metric without one is reported, not judged; "null" takes one'
        " away.",
        **{metric.value: _field(metric) for metric in Metric},
    )


class PhaseBudgets(FileModel):
    """One phase: whether it is judged, and the budgets of its own."""

    judged: bool = True
    """Whether its peaks count to those of the whole trial: not in a warm-up, say. OOM kills count in any case."""
    peak_rss: SizeBudget = SizeBudget()
    """Largest anonymous plus shared memory of the phase."""
    peak_memory: SizeBudget = SizeBudget()
    """The kernel's high-water mark of the phase, page cache included."""

    @property
    def by_metric(self) -> dict[Metric, SizeBudget]:
        """The budgets, by metric; empty ones where none is set."""
        return {Metric.PEAK_RSS: self.peak_rss, Metric.PEAK_MEMORY: self.peak_memory}

    @model_validator(mode="after")
    def _no_budget_of_what_is_not_judged(self) -> Self:
        if not self.judged and self.model_fields_set - {"judged"}:
            raise not_allowed("true for a phase with budgets of its own")
        return self


NO_OOM_KILLS = MetricBudgets.model_validate({Metric.OOM_KILLS.value: CountBudget(max=0)})


def set_keys(table: FileModel) -> dict[str, object]:
    """What a table itself says, without defaults."""
    return {key: getattr(table, key) for key in table.model_fields_set}
