"""Exceptions: a budget that may be broken for a while, by how much, until when, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from membudget.budgets.fields import LARGEST_SIZE_BYTES, FileModel, ImageName, NonEmpty, not_allowed
from membudget.core import quantities
from membudget.core.definition import Unit
from membudget.core.metrics import Metric
from membudget.core.stored import Stored

WARNED_BEFORE = timedelta(days=14)

_HINTS = {
    Unit.BYTES: quantities.SIZE_HINT,
    Unit.MILLISECONDS: quantities.DURATION_HINT,
    Unit.COUNT: "a whole number, 0 or more",
}


class BudgetException(FileModel):
    """One metric of one image may be as large as `allow`, whatever its budgets say, until a date."""

    image: ImageName
    """Which image."""
    metric: Metric
    """Which metric, by its name."""
    allow: Annotated[int, Field(ge=0)]
    """The most it may be meanwhile: a size, a duration or a count, as the metric is."""
    until: date
    """The last day on which it holds, like 2026-12-31 (UTC)."""
    reason: NonEmpty
    """Why."""
    issue: NonEmpty | None = None
    """Where it is worked on."""

    @field_validator("allow", mode="before", json_schema_input_type=str | int)
    @classmethod
    def _in_the_metrics_unit(cls, value: object, info: ValidationInfo) -> object:
        metric = info.data.get("metric")
        if not isinstance(metric, Metric):
            return 0  # its own error is said
        unit = metric.definition.unit
        try:
            match unit, value:
                case Unit.BYTES, str():
                    allowed = quantities.parse_size(value)
                case Unit.MILLISECONDS, str():
                    allowed = quantities.parse_duration(value)
                case Unit.COUNT, int() if not isinstance(value, bool) and value >= 0:
                    allowed = value
                case _:
                    raise not_allowed(_HINTS[unit])
        except ValueError:
            raise not_allowed(_HINTS[unit]) from None
        if allowed <= LARGEST_SIZE_BYTES:  # more than it could be written, and not be read again
            return allowed
        raise not_allowed(_HINTS[unit])


@dataclass(frozen=True, slots=True)
class ExceptionInForce(Stored):
    """An exception on the day of the check."""

    allow: int
    """In the metric's unit."""
    until: date
    reason: str
    issue: str | None
    ends_soon: bool
    """Whether it ends within two weeks."""


def in_force(exceptions: Iterable[BudgetException], image: str, today: date) -> dict[Metric, ExceptionInForce]:
    """The exceptions of one image that hold today, by metric; of two for one metric, the one that allows more."""
    found: dict[Metric, ExceptionInForce] = {}
    for one in exceptions:
        if one.image == image and one.until >= today:
            ends_soon = one.until - today < WARNED_BEFORE
            known = found.get(one.metric)
            if known is None or known.allow < one.allow:
                found[one.metric] = ExceptionInForce(one.allow, one.until, one.reason, one.issue, ends_soon)
    return found


def expired(exceptions: Iterable[BudgetException], image: str, today: date) -> list[BudgetException]:
    """Those of one image that hold no more."""
    return [one for one in exceptions if one.image == image and one.until < today]
