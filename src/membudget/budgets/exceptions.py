"""Exceptions: budgets that may be exceeded for a limited time, by how much, until when, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from membudget.budgets.fields import LARGEST_RATE, LARGEST_SIZE_BYTES, FileModel, ImageName, NonEmpty, not_allowed
from membudget.core import quantities
from membudget.core.definition import Unit
from membudget.core.files import Stored
from membudget.core.metrics import Metric

WARNED_BEFORE = timedelta(days=14)

_HINTS = {
    Unit.BYTES: quantities.SIZE_HINT,
    Unit.MILLISECONDS: quantities.DURATION_HINT,
    Unit.MICROSECONDS: quantities.LATENCY_HINT,
    Unit.PER_1000_SECONDS: quantities.RATE_HINT,
    Unit.PER_1000_SECONDS_AND_GIB: quantities.RATE_HINT,
    Unit.COUNT: "a whole number, 0 or more",
}


class BudgetException(FileModel):
    """Allows one metric of one image up to `allow`, whatever its budgets say, until a date."""

    image: ImageName
    """The name of the image."""
    metric: Metric
    """The name of the metric."""
    allow: Annotated[int, Field(ge=0)]
    """The largest allowed value: a size, a duration or a count, depending on the metric. For a rate, the smallest."""
    until: date
    """The last day on which the exception applies, such as 2026-12-31 (UTC)."""
    reason: NonEmpty
    """Why the exception is needed."""
    issue: NonEmpty | None = None
    """Where the problem is tracked."""

    @field_validator("allow", mode="before", json_schema_input_type=str | int | float)
    @classmethod
    def _in_the_metrics_unit(cls, value: object, info: ValidationInfo) -> object:
        metric = info.data.get("metric")
        if not isinstance(metric, Metric):
            return 0  # the metric's own error is already reported
        unit = metric.definition.unit
        try:
            match unit, value:
                case Unit.BYTES, str():
                    allowed = quantities.parse_size(value)
                case Unit.MILLISECONDS, str():
                    allowed = quantities.parse_duration(value)
                case Unit.MICROSECONDS, str():
                    allowed = quantities.parse_latency(value)
                case Unit.PER_1000_SECONDS | Unit.PER_1000_SECONDS_AND_GIB, int() | float() if _is_rate(value):
                    allowed = quantities.parse_rate(value)
                case Unit.COUNT, int() if not isinstance(value, bool) and value >= 0:
                    allowed = value
                case _:
                    raise not_allowed(_HINTS[unit])
        except ValueError:
            hint = quantities.size_hint(str(value)) if unit is Unit.BYTES else _HINTS[unit]
            raise not_allowed(hint) from None
        if allowed <= LARGEST_SIZE_BYTES:  # larger values could be written to a report, but not read again
            return allowed
        raise not_allowed(_HINTS[unit])


def _is_rate(value: float) -> bool:
    return not isinstance(value, bool) and 0 <= value <= LARGEST_RATE


@dataclass(frozen=True, slots=True)
class ExceptionInForce(Stored):
    """An exception that applies on the day of the check."""

    allow: int
    """The worst allowed value, in the metric's unit: the largest, or the smallest if more is better."""
    until: date
    reason: str
    issue: str | None
    ends_soon: bool
    """Whether the exception ends within two weeks."""


def in_force(exceptions: Iterable[BudgetException], image: str, today: date) -> dict[Metric, ExceptionInForce]:
    """Return the exceptions of one image that apply today, by metric.

    If two exceptions name the same metric, the one that allows more applies.
    """
    found: dict[Metric, ExceptionInForce] = {}
    for one in exceptions:
        if one.image == image and one.until >= today:
            ends_soon = one.until - today < WARNED_BEFORE
            known = found.get(one.metric)
            sign = one.metric.definition.sign
            if known is None or sign * known.allow < sign * one.allow:
                found[one.metric] = ExceptionInForce(one.allow, one.until, one.reason, one.issue, ends_soon)
    return found


def expired(exceptions: Iterable[BudgetException], image: str, today: date) -> list[BudgetException]:
    """Return the exceptions of one image that have expired."""
    return [one for one in exceptions if one.image == image and one.until < today]
