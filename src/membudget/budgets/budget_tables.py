"""The tables of `budgets.toml` that are budgets of one metric: a maximum or minimum, growth, headroom, warnings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from membudget.budgets.fields import (
    LARGEST_SIZE_BYTES,
    DurationMs,
    FileModel,
    LatencyUs,
    Percent,
    Rate,
    SizeBytes,
    not_allowed,
)
from membudget.core import quantities

SWITCHED_OFF = "null"
"""TOML has no null. This text turns off a key that a default sets."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OrOff:
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


Switchable = Annotated[T | None, OrOff()]
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


class LatencyGrowth(FileModel):
    """The tolerated growth of a latency over base. Growth counts only if it exceeds both parts."""

    percent: Percent
    """Growth over base in percent."""
    floor: LatencyUs
    """Growth in time that is always tolerated."""


class RateDrop(FileModel):
    """The tolerated drop of a rate below base. A drop counts only if it exceeds both parts."""

    percent: Annotated[Percent, Field(le=100)]
    """Drop below base in percent."""
    floor: Rate
    """Drop that is always tolerated, in requests a second."""


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


class LatencyWarning(FileModel):
    """The warning levels of a latency."""

    max: LatencyUs | None = None
    """A longer time gives a warning."""
    growth: LatencyGrowth | None = None
    """More growth over base gives a warning."""


class RateWarning(FileModel):
    """The warning levels of a rate."""

    min: Rate | None = None
    """A smaller rate gives a warning."""
    drop: RateDrop | None = None
    """A larger drop below base gives a warning."""


def as_table(value: object) -> object:
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
        Annotated[SizeWarning, BeforeValidator(as_table, json_schema_input_type=SizeBytes | SizeWarning)]
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
        Annotated[DurationWarning, BeforeValidator(as_table, json_schema_input_type=DurationMs | DurationWarning)]
    ] = None
    """The warning level: a time, or a table with `max` and `growth`."""


class LatencyBudget(FileModel):
    """A budget for a latency. "null" turns off a key that a default sets."""

    max: Switchable[LatencyUs] = None
    """The largest allowed value."""
    growth: Switchable[LatencyGrowth] = None
    """The tolerated growth over base."""
    every: Switchable[Annotated[bool, Field(strict=True)]] = None
    """Whether every trial must keep the maximum. Otherwise the median must, and a trial that exceeds it gives a
    warning."""
    warn: Switchable[
        Annotated[LatencyWarning, BeforeValidator(as_table, json_schema_input_type=LatencyUs | LatencyWarning)]
    ] = None
    """The warning level: a time, or a table with `max` and `growth`."""


def _as_minimum(value: object) -> object:
    """Return a number as a table with that minimum."""
    return {"min": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


class RateBudget(FileModel):
    """A budget for a rate, of which more is better. "null" turns off a key that a default sets."""

    min: Switchable[Rate] = None
    """The smallest allowed value."""
    drop: Switchable[RateDrop] = None
    """The tolerated drop below base."""
    every: Switchable[Annotated[bool, Field(strict=True)]] = None
    """Whether every trial must keep the minimum. Otherwise the median must, and a trial below it gives a warning."""
    warn: Switchable[
        Annotated[RateWarning, BeforeValidator(_as_minimum, json_schema_input_type=Rate | RateWarning)]
    ] = None
    """The warning level: a rate, or a table with `min` and `drop`."""
